#pragma once
// Private: one array in NumPy's format, as a file or as a part of one.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <weft/core/error.h>
#include <weft/tensor/input_file.h>
#include <weft/tensor/tensor.h>

namespace weft::npy {

/// Bytes begin .. begin + size of a file, and what they are called in errors.
struct Part {
  const InputFile& file;
  std::string label;  ///< the path, or the path and the member
  const char* op;
  CallSite at;
  std::uint64_t begin = 0;
  std::uint64_t size = 0;

  /// `byte` counts from the start of the part; the message says where that is in the file.
  [[noreturn]] void refuse(ErrorCode code, std::uint64_t byte, std::string_view what) const;
  void read(std::uint64_t byte, std::span<std::byte> bytes) const { file.read(begin + byte, bytes); }
};

/// The array that fills the part.
Tensor read_array(const Part& part, Device device);

/// Everything before the data, a multiple of 64 bytes; DTypeError for a dtype NumPy does not have.
std::string array_header(const Tensor& tensor, const char* op, CallSite at);

/// A text in an error: quoted, at most 60 bytes, what is not printable shown as '?'.
std::string in_quotes(std::string_view text);

}  // namespace weft::npy
