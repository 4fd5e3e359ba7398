#pragma once
// The IDX format of the MNIST files: a big-endian header (two zero bytes, type code, rank, one 32-bit extent per axis)
// and the elements, row-major and big-endian. Plain or packed with gzip; which of them is seen from the first bytes,
// not from the name.
//
// The header is held against the size of the file before anything is allocated; a gzip stream must be one member,
// complete, with a right CRC-32, of exactly the length the header claims, and nothing may follow it. Every refusal is
// an IoError that names the path and the byte: io_open (missing, unreadable, a directory, a pipe), io_truncated (ends
// early), io_format (does not follow the format, or longer than its header claims), io_checksum (gzip CRC).

#include <cstdint>
#include <string>

#include <weft/core/call_site.h>
#include <weft/core/export.h>
#include <weft/tensor/tensor.h>

namespace weft {

struct IdxOptions {
  std::int64_t max_bytes = std::int64_t{1} << 32;  ///< of elements; more is refused (io_format)
  /// Unpacked bytes to each packed one that are believed, beside the first MiB. (Deflate cannot pass 1032.)
  std::int64_t max_ratio = 256;
};

/// The elements on cpu(), as uint8 (type code 0x08), float32 (0x0D) or float64 (0x0E); the signed bytes (0x09), 16-bit
/// (0x0B) and 32-bit integers (0x0C) become int32. Extents of zero are refused. Thread-safe.
WEFT_API Tensor read_idx(const std::string& path, const IdxOptions& options = {}, CallSite at = CallSite::here());

}  // namespace weft
