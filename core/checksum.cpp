#include <weft/core/checksum.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace weft {
namespace {

// tables[k][b] is what byte b contributes when k more bytes follow it ("slicing by 8").
struct CrcTables {
  std::uint32_t tables[8][256];
};

constexpr CrcTables make_tables(std::uint32_t reversed_polynomial) {
  CrcTables t{};
  for (std::uint32_t b = 0; b < 256; ++b) {
    std::uint32_t crc = b;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? reversed_polynomial : 0u);
    t.tables[0][b] = crc;
  }
  for (int k = 1; k < 8; ++k) {
    for (int b = 0; b < 256; ++b) {
      const std::uint32_t before = t.tables[k - 1][b];
      t.tables[k][b] = before >> 8 ^ t.tables[0][before & 0xFF];
    }
  }
  return t;
}

constexpr CrcTables castagnoli = make_tables(0x82F63B78u);
constexpr CrcTables zip = make_tables(0xEDB88320u);

template <class Word>
Word load_little(const std::byte* p) noexcept {
  Word word;
  std::memcpy(&word, p, sizeof word);
  if constexpr (std::endian::native == std::endian::big) {
    word = sizeof(Word) == 8 ? static_cast<Word>(__builtin_bswap64(word)) : static_cast<Word>(__builtin_bswap32(word));
  }
  return word;
}

// FIPS 180-4, 4.2.2 and 5.3.3: the fractional parts of the cube roots of the first 64 primes, and of the square roots
// of the first 8, by integer arithmetic.
struct ShaConstants {
  std::uint32_t k[64];
  std::uint32_t start[8];
};

constexpr ShaConstants make_sha_constants() {
  __extension__ using Wide = unsigned __int128;
  ShaConstants c{};
  int found = 0;
  for (std::uint64_t prime = 2; found < 64; ++prime) {
    bool is_prime = true;
    for (std::uint64_t d = 2; d * d <= prime; ++d) is_prime = is_prime && prime % d != 0;
    if (!is_prime) continue;
    std::uint64_t root = 0;  // the largest whole number with root^3 <= prime 2^96
    for (std::uint64_t bit = std::uint64_t{1} << 35; bit != 0; bit >>= 1) {
      const std::uint64_t t = root | bit;
      if (Wide{t} * t * t <= Wide{prime} << 96) root = t;
    }
    c.k[found] = static_cast<std::uint32_t>(root);
    if (found < 8) {
      std::uint64_t square_root = 0;  // with root^2 <= prime 2^64
      for (std::uint64_t bit = std::uint64_t{1} << 35; bit != 0; bit >>= 1) {
        const std::uint64_t t = square_root | bit;
        if (Wide{t} * t <= Wide{prime} << 64) square_root = t;
      }
      c.start[found] = static_cast<std::uint32_t>(square_root);
    }
    ++found;
  }
  return c;
}

constexpr ShaConstants sha = make_sha_constants();
static_assert(sha.k[0] == 0x428a2f98 && sha.k[63] == 0xc67178f2 && sha.start[0] == 0x6a09e667);

std::uint32_t load_big(const std::byte* p) noexcept {
  return std::to_integer<std::uint32_t>(p[0]) << 24 | std::to_integer<std::uint32_t>(p[1]) << 16 |
         std::to_integer<std::uint32_t>(p[2]) << 8 | std::to_integer<std::uint32_t>(p[3]);
}

}  // namespace

namespace {

std::uint32_t crc_of(std::span<const std::byte> bytes, std::uint32_t crc, const CrcTables& tables) noexcept {
  const auto& t = tables.tables;
  const std::byte* p = bytes.data();
  std::size_t left = bytes.size();
  crc = ~crc;
  for (; left >= 8; left -= 8, p += 8) {
    const std::uint64_t word = load_little<std::uint64_t>(p) ^ crc;
    crc = t[7][word & 0xFF] ^ t[6][word >> 8 & 0xFF] ^ t[5][word >> 16 & 0xFF] ^ t[4][word >> 24 & 0xFF] ^
          t[3][word >> 32 & 0xFF] ^ t[2][word >> 40 & 0xFF] ^ t[1][word >> 48 & 0xFF] ^ t[0][word >> 56];
  }
  for (; left != 0; --left, ++p) crc = crc >> 8 ^ t[0][(crc ^ std::to_integer<std::uint32_t>(*p)) & 0xFF];
  return ~crc;
}

}  // namespace

std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t crc) noexcept {
  return crc_of(bytes, crc, castagnoli);
}
std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t crc) noexcept { return crc_of(bytes, crc, zip); }

Sha256::Sha256() noexcept { std::copy(std::begin(sha.start), std::end(sha.start), state_); }

void Sha256::compress(const std::byte* block) noexcept {
  std::uint32_t w[64];
  for (int i = 0; i < 16; ++i) w[i] = load_big(block + 4 * i);
  for (int i = 16; i < 64; ++i) {
    const std::uint32_t s0 = std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ w[i - 15] >> 3;
    const std::uint32_t s1 = std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ w[i - 2] >> 10;
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  std::uint32_t a = state_[0], b = state_[1], c = state_[2], d = state_[3];
  std::uint32_t e = state_[4], f = state_[5], g = state_[6], h = state_[7];
  for (int i = 0; i < 64; ++i) {
    const std::uint32_t s1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
    const std::uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + sha.k[i] + w[i];
    const std::uint32_t s0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
    const std::uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = d + t1;
    d = c;
    c = b;
    b = a;
    a = t1 + t2;
  }
  const std::uint32_t add[8] = {a, b, c, d, e, f, g, h};
  for (int i = 0; i < 8; ++i) state_[i] += add[i];
}

void Sha256::update(std::span<const std::byte> bytes) noexcept {
  std::size_t pending = static_cast<std::size_t>(length_ % 64);
  length_ += bytes.size();
  if (pending != 0) {
    const std::size_t fill = std::min(bytes.size(), 64 - pending);
    std::copy_n(bytes.data(), fill, pending_ + pending);
    bytes = bytes.subspan(fill);
    pending += fill;
    if (pending < 64) return;
    compress(pending_);
  }
  for (; bytes.size() >= 64; bytes = bytes.subspan(64)) compress(bytes.data());
  std::copy_n(bytes.data(), bytes.size(), pending_);
}

Sha256::Digest Sha256::digest() const noexcept {
  Sha256 last = *this;
  // A one bit, zeros, and the length in bits, up to a whole block.
  std::byte padding[72] = {std::byte{0x80}};
  const std::size_t pending = static_cast<std::size_t>(length_ % 64);
  const std::size_t zeros_end = pending < 56 ? 56 - pending : 120 - pending;
  for (int i = 0; i < 8; ++i)
    padding[zeros_end + static_cast<std::size_t>(i)] = static_cast<std::byte>(length_ * 8 >> (56 - 8 * i));
  last.update({padding, zeros_end + 8});
  Digest digest;
  for (std::size_t i = 0; i < 32; ++i) digest[i] = static_cast<std::uint8_t>(last.state_[i / 4] >> (24 - 8 * (i % 4)));
  return digest;
}

std::string to_hex(const Sha256::Digest& digest) {
  std::string text;
  for (std::uint8_t byte : digest) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

}  // namespace weft
