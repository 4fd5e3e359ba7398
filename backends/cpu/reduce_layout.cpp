#include <weft/backends/cpu/reduce_layout.h>

#include <optional>

namespace weft::backends::cpu {
namespace {

/// The one stride with which the axes [first, end) are walked in row-major order, if there is one.
std::optional<std::int64_t> joint_stride(const TensorView& view, int first, int end) {
  std::optional<std::int64_t> step;
  std::int64_t covered = 1;
  for (int i = end - 1; i >= first; --i) {
    if (view.shape[i] == 1) continue;
    if (!step) {
      step = view.strides[i];
    } else if (view.strides[i] != *step * covered) {
      return std::nullopt;
    }
    covered *= view.shape[i];
  }
  return step ? step : std::optional<std::int64_t>(1);
}

}  // namespace

ReduceLayout::ReduceLayout(Backend& backend, const TensorView& in, const Shape& out_shape, DType wanted) {
  const ReducePlan plan = reduce_plan(in.shape, out_shape);
  std::int64_t kept_strides[2] = {0, 1};  // outer, inner
  if (plan.reduced_groups() == 1) {
    bool seen = false, fits = in.dtype == wanted;
    for (int g = 0; g < plan.groups; ++g) {
      const auto stride = joint_stride(in, plan.first_axis[g], plan.end_axis[g]);
      fits = fits && stride.has_value();
      const std::int64_t step = stride.value_or(0);
      if (plan.reduced[g]) {
        seen = true;
        reduced = plan.extent[g];
        reduced_stride = step;
      } else {
        (seen ? inner : outer) = plan.extent[g];
        kept_strides[seen ? 1 : 0] = step;
      }
    }
    outer_stride = kept_strides[0];
    data = in.data;
    if (fits && (inner == 1 ? reduced_stride == 1 : kept_strides[1] == 1)) return;
  }
  // A contiguous copy: in the same order of axes for one group, else with the reduced axes last.
  TensorView source = in;
  if (plan.reduced_groups() > 1) {
    source.shape = {};
    source.strides = {};
    outer = reduced = inner = 1;
    for (const bool wanted_kind : {false, true}) {
      for (int i = 0; i < in.rank(); ++i) {
        const bool is_reduced = in.shape[i] != out_shape[i];
        if (is_reduced != wanted_kind) continue;
        source.shape.push_back(in.shape[i]);
        source.strides.push_back(in.strides[i]);
        (is_reduced ? reduced : outer) *= in.shape[i];
      }
    }
  }
  outer_stride = reduced * inner;
  reduced_stride = inner;
  data = copied_.get(source.shape.numel() * static_cast<std::int64_t>(item_size(wanted)));
  backend.copy(source, contiguous_view(copied_.data(), wanted, source.shape));
}

}  // namespace weft::backends::cpu
