// Along one axis: running sums and the largest elements.

#include <weft/autograd/cast_policy.h>
#include <weft/autograd/record.h>

namespace weft {

using autograd::Back;
using autograd::Recorder;

namespace {

Tensor reversed(const Tensor& x, int axis, CallSite at) { return slice(x, axis, {{}, {}, -1}, at); }

}  // namespace

// Element i counts in all results from i on: the running sum from the other end.
Tensor cumsum(const Tensor& x, int axis, CallSite at) {
  if (const autograd::In32 in; in) return cumsum(in(x, at), axis, at);
  Tensor y = ops::cumsum(x, axis, "cumsum", at);
  if (Recorder r{"cumsum", at, x}) {
    r.record(y, [axis, flat = x.rank() == 0](Back& back) {
      back[0] = flat ? back.dy : reversed(cumsum(reversed(back.dy, axis, back.at), axis, back.at), axis, back.at);
    });
  }
  return y;
}

namespace {

/// (lines, extent): the axis last, the others joined.
Tensor as_lines(const Tensor& x, int axis, CallSite at) {
  return reshape(transpose(x, axis, -1, at), {x.numel() / x.size(axis), x.size(axis)}, at);
}

// dy at the positions it came from. A position in the whole is line * extent + index.
Tensor returned(const Tensor& dy, const Tensor& indices, const Shape& shape, int axis, CallSite at) {
  if (dy.numel() == 0) return zeros(shape, TensorOptions(dy.device(), dy.dtype()), at);
  const Tensor from = as_lines(dy, axis, at), index = as_lines(indices, axis, at);
  Shape turned = shape;
  const int last = shape.rank() - 1;
  turned[axis] = shape[last];
  turned[last] = shape[axis];
  const std::int64_t lines = from.size(0), extent = shape[axis], count = from.numel();
  // 0, extent, 2 extent, ..: counted on the device, which a captured step can do
  const Tensor ones_of_lines = ones({lines}, TensorOptions(dy.device(), DType::int64), at);
  const Tensor first = mul(sub({cumsum(ones_of_lines, 0, at), at}, 1), extent);
  const Tensor position = reshape(add({index, at}, {unsqueeze(first, 1, at), at}), {count}, at);
  const Tensor nothing = zeros({lines * extent}, TensorOptions(dy.device(), dy.dtype()), at);
  const Tensor filled = index_add(nothing, 0, position, reshape(from, {count}, at), at);
  return transpose(reshape(filled, turned, at), axis, -1, at);
}

}  // namespace

TopK topk(const Tensor& x, std::int64_t k, int axis, bool largest, CallSite at) {
  const auto [values, indices] = ops::topk(x, k, axis, largest, "topk", at);
  if (Recorder r{"topk", at, x}) {
    const int rank = x.rank();
    const Tensor chosen = indices;
    r.record(values, [axis = axis < 0 ? axis + rank : axis, shape = x.shape(), chosen = r.keep(chosen)](Back& back) {
      back[0] = shape.rank() == 0 ? back.dy : returned(back.dy, back(chosen), shape, axis, back.at);
    });
  }
  return {values, indices};
}

}  // namespace weft
