#include <cstdint>
#include <span>

#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/core/trace.h>
#include <weft/tensor/checks.h>
#include <weft/tensor/make.h>
#include <weft/tensor/ops.h>

// Copies that only move elements: a new tensor, filled by the backend's copy from and to views.

namespace weft::ops {
namespace {

using backends::TensorView;

// `length` elements from `start` on along an axis.
TensorView part(TensorView view, int axis, std::int64_t start, std::int64_t length) {
  view.shape[axis] = length;
  const std::int64_t bytes = start * view.strides[axis] * static_cast<std::int64_t>(item_size(view.dtype));
  view.data = view.as<std::byte>() + bytes;
  return view;
}

std::int64_t product(const Shape& shape, int begin, int end) {
  std::int64_t n = 1;
  for (int i = begin; i < end; ++i) n *= shape[i];
  return n;
}

}  // namespace

// One axis after the other, the last one first: what stands is a matrix (outer, inner), each of whose rows is repeated.
// So three axes are enough for any rank, and all the copies together move less than twice the result.
Tensor repeat(const Tensor& x, const Shape& repeats, const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  check_defined(x, name, "x", at);
  const Shape& from = x.impl()->view.shape;
  const int lead = repeats.rank() - from.rank();
  if (repeats.rank() > max_rank) check_shape(repeats, 1, name, at);
  if (lead < 0) {
    throw ShapeError(ErrorCode::shape_mismatch, name,
                     message("x is ", from, ", which has more axes than the repeats ", repeats, "; name one for each"),
                     at);
  }
  Shape extents = Shape::filled(lead, 1);
  for (const std::int64_t extent : from) extents.push_back(extent);
  Shape shape = extents;
  for (int i = 0; i < shape.rank(); ++i) {
    if (repeats[i] < 0) {
      throw ValueError(ErrorCode::value_out_of_range, name,
                       message("repeats are ", repeats, "; ", repeats[i], " is negative"), at);
    }
    if (__builtin_mul_overflow(shape[i], repeats[i], &shape[i])) {
      throw ShapeError(ErrorCode::shape_overflow, name,
                       message("x ", from, " repeated ", repeats, " times has more elements than 2^63 - 1"), at);
    }
  }
  check_shape(shape, item_size(x.impl()->view.dtype), name, at);
  backends::Backend& backend = begin(x, name, at);
  if (shape.numel() == 0) return make_like(backend, x, shape, x.impl()->view.dtype, name, at);
  Tensor y = contiguous(x, name, at);
  Shape done = extents;
  for (int i = shape.rank() - 1; i >= 0; --i) {
    if (repeats[i] == 1) continue;
    const std::int64_t outer = product(done, 0, i), inner = product(done, i, done.rank());
    done[i] = shape[i];
    Tensor next = make_like(backend, x, done, x.impl()->view.dtype, name, at);
    TensorView source = with_shape(view_of(y), {outer, 1, inner});
    source.strides[1] = 0;
    source.shape[1] = repeats[i];
    backend.copy(source, with_shape(view_of(next), {outer, repeats[i], inner}));
    y = std::move(next);
  }
  if (y.is_same(x)) y = clone(x, name, at);
  return y.impl()->view.shape == shape ? y : view(y, shape, contiguous_strides(shape), 0);
}

// Along each axis that moves there are two pieces; 2^k copies place every combination.
Tensor roll(const Tensor& x, const Dims& shifts, const Axes& axes, const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  check_defined(x, name, "x", at);
  const Shape& from = x.impl()->view.shape;
  if (axes.empty()) {
    if (shifts.rank() != 1) {
      throw ValueError(ErrorCode::value_invalid, name,
                       message(shifts.rank(), " shifts, but no axes; one for each shift is needed"), at);
    }
    const Tensor flat = roll(reshape(x, {from.numel()}, name, at), shifts, {0}, name, at);
    return view(flat, from, contiguous_strides(from), 0);
  }
  if (shifts.rank() != axes.size()) {
    throw ValueError(ErrorCode::value_invalid, name,
                     message(shifts.rank(), " shifts for ", axes.size(), " axes; each axis needs one"), at);
  }
  if (axes.size() > max_rank) check_shape(Shape::filled(axes.size(), 1), 1, name, at);
  std::int64_t start[max_rank] = {};  // where the first element of each axis goes
  for (int i = 0; i < axes.size(); ++i) {
    const int axis = normalize_axis(axes[i], from.rank(), name, at);
    const std::int64_t extent = from[axis];
    if (extent > 0) start[axis] = (start[axis] + shifts[i] % extent + extent) % extent;
  }
  int moving[max_rank] = {};
  int count = 0;
  for (int i = 0; i < from.rank(); ++i) {
    if (start[i] != 0) moving[count++] = i;
  }
  backends::Backend& backend = begin(x, name, at);
  Tensor out = make_like(backend, x, from, x.impl()->view.dtype, name, at);
  if (!has_elements(out)) return out;
  for (unsigned pieces = 0; pieces < 1u << count; ++pieces) {
    TensorView source = view_of(x), target = view_of(out);
    for (int i = 0; i < count; ++i) {
      const int axis = moving[i];
      const std::int64_t shift = start[axis], rest = from[axis] - shift;
      const bool wraps = (pieces >> i & 1u) != 0;
      source = wraps ? part(source, axis, rest, shift) : part(source, axis, 0, rest);
      target = wraps ? part(target, axis, 0, shift) : part(target, axis, shift, rest);
    }
    backend.copy(source, target);
  }
  return out;
}

Tensor flip(const Tensor& x, const Axes& axes, const char* name, CallSite at) {
  check_defined(x, name, "x", at);
  const int rank = x.impl()->view.rank();
  Tensor y = x;
  unsigned seen = 0;
  for (int i = 0; i < (axes.empty() ? rank : axes.size()); ++i) {
    const int axis = axes.empty() ? i : normalize_axis(axes[i], rank, name, at);
    if ((seen >> axis & 1u) != 0) {
      throw ValueError(ErrorCode::value_invalid, name, message("axis ", axis, " is named twice"), at);
    }
    seen |= 1u << axis;
    y = slice(y, axis, {{}, {}, -1}, name, at);
  }
  return clone(y, name, at);
}

void check_pad(const Tensor& x, std::span<const std::int64_t> amounts, const char* name, CallSite at) {
  check_defined(x, name, "x", at);
  const Shape& from = x.impl()->view.shape;
  if (amounts.size() % 2 != 0 || amounts.size() / 2 > static_cast<std::size_t>(from.rank())) {
    throw ShapeError(ErrorCode::shape_mismatch, name,
                     message(amounts.size(), " amounts for x ", from,
                             "; expected two (before, after) for each of its axes, the last one first, or for fewer"),
                     at);
  }
  Shape shape = from;
  for (std::size_t i = 0; i < amounts.size(); i += 2) {
    const int axis = from.rank() - 1 - static_cast<int>(i / 2);
    const std::int64_t before = amounts[i], after = amounts[i + 1];
    std::int64_t& extent = shape[axis];
    std::int64_t kept = extent;
    for (const std::int64_t amount : {before, after}) {
      if (amount < 0) kept = amount < -kept ? -1 : kept + amount;
      if (kept < 0) {
        throw ShapeError(
            ErrorCode::shape_invalid, name,
            message("the amounts ", before, " and ", after, " take away more than axis ", axis, " of x ", from, " has"),
            at);
      }
    }
    if (__builtin_add_overflow(extent, before, &extent) || __builtin_add_overflow(extent, after, &extent)) {
      throw ShapeError(ErrorCode::shape_overflow, name,
                       message("x ", from, " with ", before, " and ", after, " more along axis ", axis,
                               " has more elements than 2^63 - 1"),
                       at);
    }
  }
  check_shape(shape, item_size(x.impl()->view.dtype), name, at);
}

Tensor pad(const Tensor& x, std::span<const std::int64_t> amounts, backends::Number value, const char* name,
           CallSite at) {
  const TraceSpan span(name, "op");
  check_pad(x, amounts, name, at);
  const DType dtype = x.impl()->view.dtype;
  check_number(value, dtype, name, at);
  Shape shape = x.impl()->view.shape;
  for (std::size_t i = 0; i < amounts.size(); ++i) shape[shape.rank() - 1 - static_cast<int>(i / 2)] += amounts[i];
  backends::Backend& backend = begin(x, name, at);
  Tensor out = make_like(backend, x, shape, dtype, name, at);
  if (!has_elements(out)) return out;
  TensorView source = view_of(x), target = view_of(out);
  bool grows = false, copies = has_elements(x);
  for (std::size_t i = 0; i < amounts.size(); i += 2) {
    const int axis = shape.rank() - 1 - static_cast<int>(i / 2);
    const std::int64_t before = amounts[i], after = amounts[i + 1];
    grows = grows || before > 0 || after > 0;
    const std::int64_t first = before < 0 ? -before : 0;
    const std::int64_t kept = source.shape[axis] - first + (after < 0 ? after : 0);
    copies = copies && kept > 0;
    if (!copies) break;
    source = part(source, axis, first, kept);
    target = part(target, axis, before > 0 ? before : 0, kept);
  }
  if (grows || !copies) backend.fill(view_of(out), value);
  if (copies) backend.copy(source, target);
  return out;
}

// Whether an element lies on or below the diagonal depends on column - row only: rows + columns - 1 flags, seen with
// the strides -1 and 1. Made on the device by two fills.
Tensor on_or_below(const Tensor& like, std::int64_t rows, std::int64_t columns, std::int64_t diagonal, const char* name,
                   CallSite at) {
  const Shape shape = {rows, columns};
  backends::Backend& backend = begin(like, name, at);
  if (rows == 0 || columns == 0) return make_like(backend, like, shape, DType::boolean, name, at);
  const std::int64_t count = rows + columns - 1;
  Tensor flags = make_like(backend, like, {count}, DType::boolean, name, at);
  const std::int64_t last = diagonal < -rows ? -rows : diagonal > columns ? columns : diagonal;  // true up to here
  const std::int64_t below = last + rows < count ? last + rows : count;
  if (below > 0) backend.fill(part(view_of(flags), 0, 0, below), true);
  if (below < count) backend.fill(part(view_of(flags), 0, below, count - below), false);
  return view(flags, shape, {-1, 1}, rows - 1);
}

}  // namespace weft::ops
