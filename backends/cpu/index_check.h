#pragma once
// Private: every index is looked at before the first element is written.

#include <weft/backends/common/strided.h>
#include <weft/backends/cpu/dispatch.h>

namespace weft::backends::cpu {

/// Throws IndexError naming the first index outside 0 .. extent - 1 with its position in the index tensor.
inline void check_indices(const TensorView& index, std::int64_t extent, const char* op) {
  Shape distinct = index.shape;  // an axis that only repeats (stride 0) is walked once
  for (int i = 0; i < index.rank(); ++i) {
    if (index.strides[i] == 0) distinct[i] = 1;
  }
  const auto loop = collapse(distinct, {&index.strides}, AxisOrder::logical);
  const std::int64_t step = loop.inner_stride(0);
  dispatch_index(index.dtype, [&](auto type) {
    using I = typename decltype(type)::type;
    const I* values = index.as<const I>();
    std::int64_t position = 0;
    for_runs(loop, 0, loop.numel(), [&](const std::int64_t* offset, std::int64_t n) {
      for (std::int64_t i = 0; i < n; ++i, ++position) {
        const std::int64_t value = values[offset[0] + i * step];
        if (value >= 0 && value < extent) continue;
        throw IndexError(ErrorCode::index_out_of_range, call_name(op),
                         message("index ", value, " at position ", position, " is out of range for extent ", extent),
                         call_site());
      }
    });
  });
}

}  // namespace weft::backends::cpu
