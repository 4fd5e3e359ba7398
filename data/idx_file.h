#pragma once
// Private: an IDX file with what load_mnist() needs beside the tensor.

#include <cstdint>
#include <string>

#include <weft/core/call_site.h>
#include <weft/data/idx.h>
#include <weft/tensor/tensor.h>

namespace weft {

struct IdxFile {
  Tensor values;
  std::string header;             ///< the bytes before the elements
  std::int64_t header_bytes = 0;  ///< the unpacked offset of the first element
  bool packed = false;
};

IdxFile read_idx_file(const std::string& path, const IdxOptions& options, const char* op, CallSite at);

}  // namespace weft
