#include <weft/core/checksum.h>

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft {
namespace {

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }

TEST(Crc32c, KnownAnswers) {
  // RFC 3720, B.4, and the check value of the CRC catalogue
  EXPECT_EQ(crc32c(bytes("123456789")), 0xE3069283u);
  EXPECT_EQ(crc32c({}), 0u);
  std::vector<std::byte> data(32);
  EXPECT_EQ(crc32c(data), 0x8A9136AAu);
  for (std::byte& b : data) b = std::byte{0xFF};
  EXPECT_EQ(crc32c(data), 0x62A8AB43u);
  for (int i = 0; i < 32; ++i) data[static_cast<std::size_t>(i)] = static_cast<std::byte>(i);
  EXPECT_EQ(crc32c(data), 0x46DD794Eu);
  for (int i = 0; i < 32; ++i) data[static_cast<std::size_t>(i)] = static_cast<std::byte>(31 - i);
  EXPECT_EQ(crc32c(data), 0x113FDB5Cu);
}

TEST(Crc32, KnownAnswers) {  // the check value of the CRC catalogue, and zlib's crc32() of the others
  EXPECT_EQ(crc32(bytes("123456789")), 0xCBF43926u);
  EXPECT_EQ(crc32({}), 0u);
  EXPECT_EQ(crc32(bytes("The quick brown fox jumps over the lazy dog")), 0x414FA339u);
  EXPECT_EQ(crc32(bytes("the lazy dog"), crc32(bytes("The quick brown fox jumps over "))), 0x414FA339u);
}

TEST(Crc32c, PiecesGiveTheWholeAndEveryBitCounts) {
  std::string text;
  for (int i = 0; i < 200; ++i) text += static_cast<char>(i * 37 + 11);
  const std::uint32_t whole = crc32c(bytes(text));
  // bit by bit, from the polynomial's definition
  std::uint32_t slow = ~0u;
  for (char c : text) {
    slow ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) slow = slow >> 1 ^ ((slow & 1) != 0 ? 0x82F63B78u : 0u);
  }
  EXPECT_EQ(whole, ~slow);
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    const std::string_view view = text;
    EXPECT_EQ(crc32c(bytes(view.substr(cut)), crc32c(bytes(view.substr(0, cut)))), whole);
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    text[i] = static_cast<char>(text[i] ^ 0x10);
    EXPECT_NE(crc32c(bytes(text)), whole);
    text[i] = static_cast<char>(text[i] ^ 0x10);
  }
}

TEST(Sha256, KnownAnswers) {
  // FIPS 180-4 examples and NIST's short messages
  EXPECT_EQ(sha256_hex(bytes("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex(bytes("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(bytes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  Sha256 million;
  const std::string part(1000, 'a');
  for (int i = 0; i < 1000; ++i) million.update(bytes(part));
  EXPECT_EQ(to_hex(million.digest()), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, AnyCutGivesTheSameDigest) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += static_cast<char>(i * 7);
  for (std::size_t length : {0u, 1u, 55u, 56u, 57u, 63u, 64u, 65u, 119u, 120u, 127u, 128u, 129u, 300u}) {
    const std::string_view message = std::string_view(text).substr(0, length);
    const std::string whole = sha256_hex(bytes(message));
    for (std::size_t cut = 0; cut <= length; ++cut) {
      Sha256 hash;
      hash.update(bytes(message.substr(0, cut)));
      hash.digest();  // changes nothing
      hash.update(bytes(message.substr(cut)));
      ASSERT_EQ(to_hex(hash.digest()), whole) << length << " cut at " << cut;
    }
  }
}

// Padding lengths of every kind, hashed together; the sum was computed with coreutils.
TEST(Sha256, EveryLengthUpTo200) {
  std::string digests;
  for (std::size_t length = 0; length <= 200; ++length) digests += sha256_hex(bytes(std::string(length, 'x'))) + "\n";
  EXPECT_EQ(sha256_hex(bytes(digests)), "bf2cc1b01aa900478cd8155b8049d13830232dafa102b64de95956ea149e17af");
}

}  // namespace
}  // namespace weft
