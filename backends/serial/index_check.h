#pragma once
// Every index is looked at before the first element is written.

#include <weft/backends/serial/dispatch.h>
#include <weft/backends/serial/walk.h>

namespace weft::backends::serial {

/// Throws IndexError naming the first index outside 0 .. extent - 1 with its position in the index tensor.
inline void check_indices(const TensorView& index, std::int64_t extent, const char* op) {
  Shape distinct = index.shape;  // an axis that only repeats (stride 0) is walked once
  for (int i = 0; i < index.rank(); ++i) {
    if (index.strides[i] == 0 && distinct[i] > 1) distinct[i] = 1;
  }
  dispatch_index(index.dtype, [&](auto type) {
    using I = typename decltype(type)::type;
    const I* values = index.as<const I>();
    std::int64_t position = 0;
    walk(distinct, {&index.strides}, [&](const std::int64_t* at) {
      const std::int64_t value = values[at[0]];
      if (value < 0 || value >= extent) {
        const OpTag tag = current_tag();
        throw IndexError(ErrorCode::index_out_of_range, *tag.name != '\0' ? tag.name : op,
                         message("index ", value, " at position ", position, " is out of range for extent ", extent),
                         CallSite{tag.file, tag.line});
      }
      ++position;
    });
  });
}

}  // namespace weft::backends::serial
