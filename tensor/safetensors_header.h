#pragma once
// Private: the header of a safetensors file, from and to JSON text. Knows no files and no tensors.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <weft/core/error.h>
#include <weft/tensor/safetensors.h>

namespace weft::safetensors {

inline constexpr std::uint64_t longest_header = std::uint64_t{16} << 20;
inline constexpr std::size_t most_tensors = 100'000;  ///< so that a hostile header takes no more than some 50 MiB
inline constexpr std::size_t most_metadata = 2 * most_tensors;
inline constexpr std::uint64_t length_bytes = 8;  ///< the header's length, little-endian, begins the file
inline constexpr std::string_view crc_prefix = "weft.crc32c.";
inline constexpr std::string_view metadata_name = "__metadata__";

/// "F32", "BOOL", ...
std::string_view dtype_text(DType dtype) noexcept;

/// Where in the file something was found, for errors.
struct Source {
  const std::string& path;
  const char* op;
  CallSite at;

  [[noreturn]] void refuse(ErrorCode code, std::uint64_t byte, std::string_view what) const;
};

/// Reads the header, which begins at byte 8 and is followed by `data_bytes` bytes, and checks that its tensors cover
/// them exactly.
SafetensorsListing parse_header(std::string_view text, std::uint64_t data_bytes, const Source& source);

/// The JSON text of a header whose tensors follow each other in order, padded with spaces so that the data begin at a
/// multiple of 8 bytes. Names and texts are UTF-8 (see is_utf8).
std::string write_header(const std::vector<SafetensorsEntry>& entries, const SafetensorsMetadata& metadata);

/// A text in an error: quoted, at most 80 bytes, control characters shown as '?'.
std::string in_quotes(std::string_view text);

bool is_utf8(std::string_view text) noexcept;

}  // namespace weft::safetensors
