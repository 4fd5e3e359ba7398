#pragma once
// The safetensors format, which Python's safetensors, PyTorch's hub and most others read: names, shapes and raw bytes,
// no code. https://github.com/huggingface/safetensors documents it; docs/data_formats.md says what weft adds.
//
//     weft::save_safetensors("model.safetensors", {{"fc.weight", w}, {"fc.bias", b}}, {{"epoch", "3"}});
//     weft::Safetensors file = weft::load_safetensors("model.safetensors", weft::cuda());
//     weft::Tensor w = file.at("fc.weight");
//
// Reading trusts nothing: the header is checked as a whole, against the format and the size of the file, before memory
// is taken for a tensor. Refused with IoError, the path and the byte: everything that is not the format, duplicate
// names (also when spelled with escapes), data that overlaps, leaves holes or is followed by more bytes, headers over
// 16 MiB or 100,000 tensors, and dtypes weft does not have (it reads F32 F64 F16 BF16 I64 I32 U8 BOOL). Files of
// PyTorch's own format are recognised and named. Nothing is mapped into memory: a file that shrinks while it is read is
// an error, not a crash.
//
// Integrity: a file written by weft carries a CRC-32C of each tensor in its metadata (weft.crc32c.<name>, eight
// hexadecimal digits; other readers ignore it), which is compared when it is read (IoError io_checksum).
//
// All functions may be called from several threads.

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weft/core/call_site.h>
#include <weft/core/device.h>
#include <weft/core/export.h>
#include <weft/tensor/named_tensor.h>
#include <weft/tensor/tensor.h>

namespace weft {

/// Keys and texts, in order. Keys that begin with "weft.crc32c." are weft's own.
using SafetensorsMetadata = std::vector<std::pair<std::string, std::string>>;

struct WEFT_API Safetensors {
  std::vector<NamedTensor> tensors;  ///< in the order of the header
  SafetensorsMetadata metadata;      ///< without weft's own keys

  /// Null where there is no such tensor. Linear in their number.
  const Tensor* find(std::string_view name) const noexcept;
  /// Throws ValueError, naming the closest name there is.
  Tensor at(std::string_view name, CallSite at = CallSite::here()) const;
};

/// What a file says about one tensor.
struct SafetensorsEntry {
  std::string name;
  DType dtype = DType::float32;
  Shape shape;
  std::int64_t offset = 0;  ///< of its first byte in the file
  std::int64_t bytes = 0;
};

struct SafetensorsListing {
  std::vector<SafetensorsEntry> entries;  ///< in the order of the header
  SafetensorsMetadata metadata;           ///< as stored, weft's own keys included
};

/// Writes the tensors (any device, any strides; each is stored row-major) so that a crash leaves the old file or the
/// new one. Throws ValueError for a name that is empty, used twice, "__metadata__", not UTF-8 or holds a NUL, and for
/// metadata keys used twice or reserved; IoError when the file cannot be written.
WEFT_API void save_safetensors(const std::string& path, std::span<const NamedTensor> tensors,
                               const SafetensorsMetadata& metadata = {}, CallSite at = CallSite::here());
WEFT_API void save_safetensors(const std::string& path, std::initializer_list<NamedTensor> tensors,
                               const SafetensorsMetadata& metadata = {}, CallSite at = CallSite::here());

/// Reads every tensor to `device`.
WEFT_API Safetensors load_safetensors(const std::string& path, Device device = cpu(), CallSite at = CallSite::here());

/// Reads and checks the header alone.
WEFT_API SafetensorsListing list_safetensors(const std::string& path, CallSite at = CallSite::here());

}  // namespace weft
