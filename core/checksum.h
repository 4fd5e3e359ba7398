#pragma once
// Private: CRC-32C (Castagnoli, as in iSCSI, RFC 3720), CRC-32 (as in zip and gzip, RFC 1952) and SHA-256 (FIPS 180-4).
// Portable C++, no special instructions.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace weft {

/// CRC-32C of `bytes` appended to what `crc` was computed from: crc32c(b, crc32c(a)) is that of a followed by b.
std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t crc = 0) noexcept;
std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t crc = 0) noexcept;

class Sha256 {
 public:
  using Digest = std::array<std::uint8_t, 32>;

  Sha256() noexcept;
  void update(std::span<const std::byte> bytes) noexcept;
  /// The digest of everything so far; more may follow.
  Digest digest() const noexcept;

 private:
  void compress(const std::byte* block) noexcept;

  std::uint32_t state_[8];
  std::byte pending_[64];
  std::uint64_t length_ = 0;  // bytes; length_ % 64 of them are pending
};

/// Lower-case hexadecimal.
std::string to_hex(const Sha256::Digest& digest);

inline std::string sha256_hex(std::span<const std::byte> bytes) {
  Sha256 hash;
  hash.update(bytes);
  return to_hex(hash.digest());
}

}  // namespace weft
