#include <algorithm>
#include <limits>

#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/tensor/checks.h>
#include <weft/tensor/make.h>
#include <weft/tensor/ops.h>

// Views share the storage: only shape, strides and the first element differ.

namespace weft::ops {

Tensor view(const Tensor& x, const Shape& shape, const Strides& strides, std::int64_t offset) {
  const TensorImpl& from = *x.impl();
  auto impl = std::make_unique<TensorImpl>();
  from.storage->refs.fetch_add(1, std::memory_order_relaxed);
  impl->storage = from.storage;
  impl->view.dtype = from.view.dtype;
  impl->view.shape = shape;
  impl->view.strides = strides;
  impl->view.data = from.view.data;
  if (offset != 0 && from.view.data != nullptr) {
    impl->view.data = from.view.as<std::byte>() + offset * static_cast<std::int64_t>(item_size(from.view.dtype));
  }
  return Tensor::adopt(impl.release());
}

// Walks both shapes from the front in groups of equal element count; a group of the old axes can be seen differently
// when its own strides are those of one run.
bool can_view_as(const Tensor& x, const Shape& shape, Strides* strides) {
  const backends::TensorView& from = x.impl()->view;
  *strides = contiguous_strides(shape);
  if (from.numel() == 0 || from.is_contiguous()) return true;
  Shape extents;
  Strides steps;
  for (int i = 0; i < from.rank(); ++i) {
    if (from.shape[i] == 1) continue;
    extents.push_back(from.shape[i]);
    steps.push_back(from.strides[i]);
  }
  int old_axis = 0, new_axis = 0;
  while (new_axis < shape.rank() && old_axis < extents.rank()) {
    std::int64_t old_count = extents[old_axis], new_count = shape[new_axis];
    int old_end = old_axis + 1, new_end = new_axis + 1;
    while (old_count != new_count) {
      if (new_count < old_count) {
        new_count *= shape[new_end++];
      } else {
        old_count *= extents[old_end++];
      }
    }
    for (int i = old_axis; i + 1 < old_end; ++i) {
      if (steps[i] != extents[i + 1] * steps[i + 1]) return false;
    }
    std::int64_t step = steps[old_end - 1];
    for (int i = new_end - 1; i >= new_axis; --i) {
      (*strides)[i] = step;
      step *= shape[i];
    }
    old_axis = old_end;
    new_axis = new_end;
  }
  return true;  // what is left of the new shape has extent 1
}

Shape resolve_shape(const Tensor& x, const Shape& shape, const char* name, CallSite at) {
  check_defined(x, name, "x", at);
  const Shape& from = x.impl()->view.shape;
  Shape resolved = shape;
  int open = -1;
  for (int i = 0; i < std::min(shape.rank(), max_rank); ++i) {
    if (shape[i] != -1) continue;
    if (open >= 0) {
      throw ShapeError(ErrorCode::shape_invalid, name, message("more than one extent of ", shape, " is -1"), at);
    }
    open = i;
  }
  const std::int64_t count = from.numel();
  if (open >= 0) {
    resolved[open] = 1;
    const std::int64_t others = check_shape(resolved, 1, name, at);
    if (others == 0) {
      throw ShapeError(ErrorCode::shape_invalid, name,
                       message("the -1 in ", shape, " could be anything: another extent is 0"), at);
    }
    if (count % others != 0) {
      throw ShapeError(ErrorCode::shape_invalid, name,
                       message("x is ", from, " with ", count, " elements, which ", others,
                               " does not divide, so the -1 in ", shape, " has no value"),
                       at);
    }
    resolved[open] = count / others;
  }
  const std::int64_t asked = check_shape(resolved, 1, name, at);
  if (asked != count) {
    throw ShapeError(ErrorCode::shape_invalid, name,
                     message("x is ", from, " with ", count, " elements, ", shape, " has ", asked), at);
  }
  return resolved;
}

Tensor reshape(const Tensor& x, const Shape& shape, const char* name, CallSite at) {
  const Shape resolved = resolve_shape(x, shape, name, at);
  Strides strides;
  if (can_view_as(x, resolved, &strides)) return view(x, resolved, strides, 0);
  return view(clone(x, name, at), resolved, contiguous_strides(resolved), 0);
}

Tensor view_as(const Tensor& x, const Shape& shape, const char* name, CallSite at) {
  const Shape resolved = resolve_shape(x, shape, name, at);
  Strides strides;
  if (can_view_as(x, resolved, &strides)) return view(x, resolved, strides, 0);
  throw ShapeError(
      ErrorCode::shape_invalid, name,
      message("x is ", x.impl()->view.shape, " with the strides ", x.impl()->view.strides, ", which cannot be seen as ",
              resolved, " without a copy; use reshape(), or contiguous() before"),
      at);
}

Tensor permute(const Tensor& x, const Axes& order, const char* name, CallSite at) {
  check_defined(x, name, "x", at);
  const backends::TensorView& from = x.impl()->view;
  if (order.size() != from.rank()) {
    throw ShapeError(ErrorCode::shape_invalid, name,
                     message("x is ", from.shape, " of rank ", from.rank(), ", but ", order.size(), " axes were named"),
                     at);
  }
  Shape shape = from.shape;
  Strides strides = from.strides;
  unsigned seen = 0;
  for (int i = 0; i < order.size(); ++i) {
    const int axis = normalize_axis(order[i], from.rank(), name, at);
    if ((seen >> axis & 1u) != 0) {
      throw ShapeError(ErrorCode::shape_invalid, name,
                       message("axis ", order[i], " is named twice; every axis of ", from.shape, " must be named once"),
                       at);
    }
    seen |= 1u << axis;
    shape[i] = from.shape[axis];
    strides[i] = from.strides[axis];
  }
  return view(x, shape, strides, 0);
}

Tensor transpose(const Tensor& x, int a, int b, const char* name, CallSite at) {
  check_defined(x, name, "x", at);
  const backends::TensorView& from = x.impl()->view;
  const int first = normalize_axis(a, from.rank(), name, at), second = normalize_axis(b, from.rank(), name, at);
  Shape shape = from.shape;
  Strides strides = from.strides;
  std::swap(shape[first], shape[second]);
  std::swap(strides[first], strides[second]);
  return view(x, shape, strides, 0);
}

Tensor expand(const Tensor& x, const Shape& shape, const char* name, CallSite at) {
  check_defined(x, name, "x", at);
  const backends::TensorView& from = x.impl()->view;
  const int lead = shape.rank() - from.rank();
  if (shape.rank() > max_rank) check_shape(shape, 1, name, at);
  if (lead < 0) {
    throw ShapeError(ErrorCode::shape_mismatch, name,
                     message("x is ", from.shape, ", which has more axes than ", shape), at);
  }
  Shape resolved = shape;
  for (int i = 0; i < shape.rank(); ++i) {
    if (shape[i] == -1) {
      if (i < lead) {
        throw ShapeError(ErrorCode::shape_invalid, name,
                         message("axis ", i, " of ", shape, " is new: -1 keeps an extent, and there is none to keep"),
                         at);
      }
      resolved[i] = from.shape[i - lead];
    } else if (i >= lead && from.shape[i - lead] != 1 && shape[i] != from.shape[i - lead]) {
      throw ShapeError(ErrorCode::shape_mismatch, name,
                       message("x is ", from.shape, " and cannot become ", shape, ": axis ", i - lead, " has extent ",
                               from.shape[i - lead], ", only extents of 1 can grow"),
                       at);
    }
  }
  check_shape(resolved, item_size(from.dtype), name, at);
  const backends::TensorView repeated = broadcast_view(from, resolved);
  return view(x, repeated.shape, repeated.strides, 0);
}

Tensor unsqueeze(const Tensor& x, int axis, const char* name, CallSite at) {
  check_defined(x, name, "x", at);
  const backends::TensorView& from = x.impl()->view;
  if (from.rank() == max_rank) {
    throw ShapeError(ErrorCode::rank_unsupported, name,
                     message("x is ", from.shape, "; at most ", max_rank, " dimensions are supported"), at);
  }
  const int place = normalize_axis(axis, from.rank() + 1, name, at);
  Shape shape;
  Strides strides;
  for (int i = 0; i <= from.rank(); ++i) {
    if (i == place) {
      shape.push_back(1);
      strides.push_back(i < from.rank() ? from.shape[i] * from.strides[i] : 1);
    }
    if (i < from.rank()) {
      shape.push_back(from.shape[i]);
      strides.push_back(from.strides[i]);
    }
  }
  return view(x, shape, strides, 0);
}

Tensor squeeze(const Tensor& x, const Axes& axes, const char* name, CallSite at) {
  check_defined(x, name, "x", at);
  const backends::TensorView& from = x.impl()->view;
  unsigned named = axes.empty() ? ~0u : 0;
  for (int i = 0; i < axes.size(); ++i) named |= 1u << normalize_axis(axes[i], from.rank(), name, at);
  Shape shape;
  Strides strides;
  for (int i = 0; i < from.rank(); ++i) {
    if ((named >> i & 1u) != 0 && from.shape[i] == 1) continue;
    shape.push_back(from.shape[i]);
    strides.push_back(from.strides[i]);
  }
  return view(x, shape, strides, 0);
}

Tensor slice(const Tensor& x, int axis, const Slice& bounds, const char* name, CallSite at) {
  check_defined(x, name, "x", at);
  const backends::TensorView& from = x.impl()->view;
  const int place = normalize_axis(axis, from.rank(), name, at);
  if (bounds.step == 0) throw ValueError(ErrorCode::value_out_of_range, name, "step is 0; it must not be", at);
  // As Python does it: bounds count from the end when negative and are clamped; a step of -2^63 would not negate.
  const std::int64_t extent = from.shape[place];
  const std::int64_t step = std::max(bounds.step, -std::numeric_limits<std::int64_t>::max());
  const bool backwards = step < 0;
  const auto clamp = [&](std::int64_t bound) {
    if (bound < 0) bound = std::max(bound + extent, backwards ? std::int64_t{-1} : std::int64_t{0});
    return std::min(bound, backwards ? extent - 1 : extent);
  };
  const std::int64_t start = bounds.start ? clamp(*bounds.start) : (backwards ? extent - 1 : 0);
  const std::int64_t stop = bounds.stop ? clamp(*bounds.stop) : (backwards ? -1 : extent);
  std::int64_t length = 0;
  if (backwards) {
    if (start > stop) length = (start - stop - 1) / -step + 1;
  } else if (stop > start) {
    length = (stop - start - 1) / step + 1;
  }
  Shape shape = from.shape;
  Strides strides = from.strides;
  shape[place] = length;
  if (length > 1) strides[place] *= step;  // |step| < extent here: no overflow
  return view(x, shape, strides, length > 0 ? start * from.strides[place] : 0);
}

Tensor narrow(const Tensor& x, int axis, std::int64_t start, std::int64_t length, const char* name, CallSite at) {
  check_defined(x, name, "x", at);
  const backends::TensorView& from = x.impl()->view;
  const int place = normalize_axis(axis, from.rank(), name, at);
  const std::int64_t extent = from.shape[place];
  const std::int64_t first = start < 0 ? start + extent : start;
  if (first < 0 || first > extent || length < 0 || length > extent - first) {
    throw IndexError(ErrorCode::index_out_of_range, name,
                     message("start ", start, " and length ", length, " reach outside axis ", place, " of ", from.shape,
                             ", which has extent ", extent),
                     at);
  }
  Shape shape = from.shape;
  shape[place] = length;
  return view(x, shape, from.strides, length > 0 ? first * from.strides[place] : 0);
}

Tensor select(const Tensor& x, int axis, std::int64_t index, const char* name, CallSite at) {
  check_defined(x, name, "x", at);
  const backends::TensorView& from = x.impl()->view;
  const int place = normalize_axis(axis, from.rank(), name, at);
  const std::int64_t extent = from.shape[place];
  if (index < -extent || index >= extent) {
    throw IndexError(
        ErrorCode::index_out_of_range, name,
        message("index ", index, " is out of range for axis ", place, " of ", from.shape,
                extent == 0 ? message(", which is empty") : message("; expected ", -extent, " to ", extent - 1)),
        at);
  }
  Shape shape;
  Strides strides;
  for (int i = 0; i < from.rank(); ++i) {
    if (i == place) continue;
    shape.push_back(from.shape[i]);
    strides.push_back(from.strides[i]);
  }
  return view(x, shape, strides, (index < 0 ? index + extent : index) * from.strides[place]);
}

}  // namespace weft::ops
