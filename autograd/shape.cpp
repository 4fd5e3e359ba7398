// Views and concatenation: nothing is computed, so the way back only moves the gradient to where the values were.

#include <weft/autograd/cast_policy.h>
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

Tensor view(const Tensor& x, const Shape& shape, CallSite at) {
  return reshaped(x, ops::view_as(x, shape, "view", at), "view", at);
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

Tensor squeeze(const Tensor& x, const Axes& axes, CallSite at) {
  return reshaped(x, ops::squeeze(x, axes, "squeeze", at), "squeeze", at);
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

namespace {

// Neighbouring parts of these lengths; each is a recorded view.
std::vector<Tensor> parts(const Tensor& x, std::span<const std::int64_t> lengths, int place, const char* name,
                          CallSite at) {
  std::vector<Tensor> pieces;
  pieces.reserve(lengths.size());
  std::int64_t start = 0;
  for (const std::int64_t length : lengths) {
    Tensor piece = ops::narrow(x, place, start, length, name, at);
    pieces.push_back(sliced(x, std::move(piece), place, {start, start + length, 1}, name, at));
    start += length;
  }
  return pieces;
}

std::vector<Tensor> equal_parts(const Tensor& x, std::int64_t size, int place, const char* name, CallSite at) {
  std::vector<std::int64_t> lengths;
  std::int64_t rest = x.shape()[place];
  do {  // of nothing: one piece of nothing
    lengths.push_back(rest < size ? rest : size);
    rest -= lengths.back();
  } while (rest > 0);
  return parts(x, lengths, place, name, at);
}

}  // namespace

std::vector<Tensor> split(const Tensor& x, std::int64_t size, int axis, CallSite at) {
  ops::check_defined(x, "split", "x", at);
  const int place = normalize_axis(axis, x.rank(), "split", at);
  if (size < 1) {
    throw ValueError(ErrorCode::value_out_of_range, "split", message("size is ", size, "; expected 1 or more"), at);
  }
  return equal_parts(x, size, place, "split", at);
}

std::vector<Tensor> split(const Tensor& x, const std::vector<std::int64_t>& sizes, int axis, CallSite at) {
  ops::check_defined(x, "split", "x", at);
  const int place = normalize_axis(axis, x.rank(), "split", at);
  const std::int64_t extent = x.shape()[place];
  std::int64_t rest = extent;
  for (const std::int64_t size : sizes) {
    if (size < 0) {
      throw ValueError(ErrorCode::value_out_of_range, "split", message("a size is ", size, "; expected 0 or more"), at);
    }
    rest = size > rest ? -1 : rest - size;
    if (rest < 0) break;
  }
  if (rest != 0) {
    throw ShapeError(ErrorCode::shape_mismatch, "split",
                     message("the ", sizes.size(), " sizes add up to ", rest < 0 ? "more" : "less", " than the extent ",
                             extent, " of axis ", place, " of ", x.shape(),
                             rest > 0 ? message("; ", rest, " elements are left over") : std::string()),
                     at);
  }
  return parts(x, sizes, place, "split", at);
}

std::vector<Tensor> chunk(const Tensor& x, std::int64_t chunks, int axis, CallSite at) {
  ops::check_defined(x, "chunk", "x", at);
  const int place = normalize_axis(axis, x.rank(), "chunk", at);
  if (chunks < 1) {
    throw ValueError(ErrorCode::value_out_of_range, "chunk", message("chunks is ", chunks, "; expected 1 or more"), at);
  }
  const std::int64_t extent = x.shape()[place];
  const std::int64_t size = extent / chunks + (extent % chunks != 0 ? 1 : 0);
  return equal_parts(x, size > 0 ? size : 1, place, "chunk", at);
}

Tensor cat(std::span<const Tensor> tensors, int axis, CallSite at) {
  if (autograd::meet(tensors)) return cat(autograd::wider(tensors, at), axis, at);
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

Tensor stack(std::span<const Tensor> tensors, int axis, CallSite at) {
  if (autograd::meet(tensors)) return stack(autograd::wider(tensors, at), axis, at);
  if (tensors.empty()) throw ValueError(ErrorCode::value_invalid, "stack", "the list of tensors is empty", at);
  for (const Tensor& layer : tensors) ops::check_defined(layer, "stack", "one of the tensors", at);
  const Shape& model = tensors.front().shape();
  const int place = normalize_axis(axis, model.rank() + 1, "stack", at);
  std::vector<Tensor> layers;
  layers.reserve(tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].shape() != model) {
      throw ShapeError(
          ErrorCode::shape_mismatch, "stack",
          message("tensor 0 is ", model, ", tensor ", i, " is ", tensors[i].shape(), "; all need one shape"), at);
    }
    layers.push_back(ops::unsqueeze(tensors[i], place, "stack", at));
  }
  Tensor y = ops::cat(layers, place, "stack", at);
  autograd::record_list("stack", at, tensors, y, [place, count = tensors.size()](Back& back) {
    for (std::size_t i = 0; i < count; ++i) {
      if (back.wants(i)) back[i] = select(back.dy, place, static_cast<std::int64_t>(i), back.at);
    }
  });
  return y;
}

Tensor stack(std::initializer_list<Tensor> tensors, int axis, CallSite at) {
  return stack(std::span(tensors.begin(), tensors.size()), axis, at);
}

}  // namespace weft
