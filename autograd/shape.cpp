// Views and concatenation: nothing is computed, so the way back only moves the gradient to where the values were.

#include <weft/autograd/record.h>
#include <weft/core/error.h>
#include <weft/core/message.h>

namespace weft {

using autograd::Back;
using autograd::Recorder;

namespace autograd {

Tensor place(const Tensor& x, const Shape& shape, int axis, const Slice& bounds, CallSite at) {
  Tensor y = zeros(shape, {x.device(), x.dtype()}, at);
  ops::copy_into(ops::slice(y, axis, bounds, "place", at), x, "place", at);
  if (Recorder r{"place", at, x}) {
    r.record(y, [axis, bounds](Back& back) { back[0] = slice(back.dy, axis, bounds, back.at); });
  }
  return y;
}

}  // namespace autograd

namespace {

// A view of the same elements in the same order: the gradient takes the argument's shape again.
Tensor reshaped(const Tensor& x, Tensor y, const char* name, CallSite at) {
  if (Recorder r{name, at, x}) {
    r.record(y, [shape = x.shape()](Back& back) { back[0] = reshape(back.dy, shape, back.at); });
  }
  return y;
}

// A view of a part along one axis.
Tensor sliced(const Tensor& x, Tensor y, int axis, const Slice& bounds, const char* name, CallSite at) {
  if (Recorder r{name, at, x}) {
    r.record(y, [axis, bounds, shape = x.shape()](Back& back) {
      back[0] = autograd::place(back.dy, shape, axis, bounds, back.at);
    });
  }
  return y;
}

}  // namespace

Tensor reshape(const Tensor& x, const Shape& shape, CallSite at) {
  return reshaped(x, ops::reshape(x, shape, "reshape", at), "reshape", at);
}

Tensor flatten(const Tensor& x, int first_axis, int last_axis, CallSite at) {
  ops::check_defined(x, "flatten", "x", at);
  const Shape& from = x.shape();
  Shape shape;
  if (from.rank() == 0) {
    shape.push_back(1);
  } else {
    const int first = normalize_axis(first_axis, from.rank(), "flatten", at);
    const int last = normalize_axis(last_axis, from.rank(), "flatten", at);
    if (first > last) {
      throw ShapeError(ErrorCode::shape_invalid, "flatten",
                       message("first_axis ", first_axis, " comes after last_axis ", last_axis, " in ", from), at);
    }
    for (int i = 0; i < from.rank(); ++i) {
      if (i > first && i <= last) {
        shape[first] *= from[i];
      } else {
        shape.push_back(from[i]);
      }
    }
  }
  return reshaped(x, ops::reshape(x, shape, "flatten", at), "flatten", at);
}

Tensor unsqueeze(const Tensor& x, int axis, CallSite at) {
  return reshaped(x, ops::unsqueeze(x, axis, "unsqueeze", at), "unsqueeze", at);
}

Tensor squeeze(const Tensor& x, int axis, CallSite at) {
  return reshaped(x, ops::squeeze(x, axis, "squeeze", at), "squeeze", at);
}

Tensor transpose(const Tensor& x, int a, int b, CallSite at) {
  Tensor y = ops::transpose(x, a, b, "transpose", at);
  if (Recorder r{"transpose", at, x}) {
    r.record(y, [a, b](Back& back) { back[0] = transpose(back.dy, a, b, back.at); });
  }
  return y;
}

Tensor permute(const Tensor& x, const Axes& order, CallSite at) {
  Tensor y = ops::permute(x, order, "permute", at);
  if (Recorder r{"permute", at, x}) {
    int place_of[max_rank] = {};
    for (int i = 0; i < order.size(); ++i) place_of[normalize_axis(order[i], order.size(), "permute", at)] = i;
    Axes inverse;
    for (int i = 0; i < order.size(); ++i) inverse.push_back(place_of[i]);
    r.record(y, [inverse](Back& back) { back[0] = permute(back.dy, inverse, back.at); });
  }
  return y;
}

Tensor expand(const Tensor& x, const Shape& shape, CallSite at) {
  Tensor y = ops::expand(x, shape, "expand", at);
  if (Recorder r{"expand", at, x}) {
    r.record(y, [](Back& back) { back[0] = back.dy; });  // the engine sums what was repeated
  }
  return y;
}

Tensor slice(const Tensor& x, int axis, Slice bounds, CallSite at) {
  return sliced(x, ops::slice(x, axis, bounds, "slice", at), axis, bounds, "slice", at);
}

Tensor narrow(const Tensor& x, int axis, std::int64_t start, std::int64_t length, CallSite at) {
  Tensor y = ops::narrow(x, axis, start, length, "narrow", at);
  const std::int64_t first = start < 0 ? start + x.size(axis, at) : start;
  return sliced(x, std::move(y), axis, {first, first + length, 1}, "narrow", at);
}

Tensor select(const Tensor& x, int axis, std::int64_t index, CallSite at) {
  Tensor y = ops::select(x, axis, index, "select", at);
  if (Recorder r{"select", at, x}) {
    const int place = normalize_axis(axis, x.rank(), "select", at);
    const std::int64_t first = index < 0 ? index + x.size(place, at) : index;
    r.record(y, [place, first, shape = x.shape()](Back& back) {
      back[0] = autograd::place(unsqueeze(back.dy, place, back.at), shape, place, {first, first + 1, 1}, back.at);
    });
  }
  return y;
}

Tensor cat(std::span<const Tensor> tensors, int axis, CallSite at) {
  Tensor y = ops::cat(tensors, axis, "cat", at);
  if (!grad_enabled()) return y;
  std::vector<std::int64_t> extents;
  for (const Tensor& part : tensors) extents.push_back(part.size(axis, at));
  autograd::record_list("cat", at, tensors, y, [axis, extents = std::move(extents)](Back& back) {
    std::int64_t start = 0;
    for (std::size_t i = 0; i < extents.size(); start += extents[i++]) {
      if (back.wants(i)) back[i] = narrow(back.dy, axis, start, extents[i], back.at);
    }
  });
  return y;
}

Tensor cat(std::initializer_list<Tensor> tensors, int axis, CallSite at) {
  return cat(std::span(tensors.begin(), tensors.size()), axis, at);
}

}  // namespace weft
