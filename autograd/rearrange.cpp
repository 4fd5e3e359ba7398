// Copies that only move elements, and the triangles of matrices: the way back moves the gradient to where it came from.

#include <string>

#include <weft/autograd/record.h>
#include <weft/core/error.h>
#include <weft/core/message.h>

namespace weft {

using autograd::Back;
using autograd::Recorder;

// The copies are summed axis by axis: as a matrix (outer, repeats, inner), whatever the rank.
Tensor repeat(const Tensor& x, const Shape& repeats, CallSite at) {
  Tensor y = ops::repeat(x, repeats, "repeat", at);
  if (Recorder r{"repeat", at, x}) {
    r.record(y, [repeats](Back& back) {
      const Shape& shape = back.argument_shape(0);
      if (back.dy.numel() == 0) {
        back[0] = zeros(shape, {back.dy.device(), back.dy.dtype()}, back.at);
        return;
      }
      Tensor dy = back.dy;
      std::int64_t outer = 1, inner = dy.numel();
      for (int i = 0; i < repeats.rank(); ++i) {
        const int axis = i - (repeats.rank() - shape.rank());
        const std::int64_t extent = axis < 0 ? 1 : shape[axis];
        inner /= repeats[i];
        if (repeats[i] != 1) dy = sum(reshape(dy, {outer, repeats[i], inner}, back.at), 1, false, back.at);
        outer *= extent;
        inner /= extent;
      }
      back[0] = reshape(dy, shape, back.at);
    });
  }
  return y;
}

Tensor roll(const Tensor& x, const Dims& shifts, const Axes& axes, CallSite at) {
  Tensor y = ops::roll(x, shifts, axes, "roll", at);
  if (Recorder r{"roll", at, x}) {
    Dims back_again = shifts;
    for (int i = 0; i < shifts.rank(); ++i) {
      const std::int64_t extent = axes.empty() ? x.numel() : x.size(axes[i]);
      back_again[i] = extent == 0 ? 0 : -(shifts[i] % extent);
    }
    r.record(y, [back_again, axes](Back& back) { back[0] = roll(back.dy, back_again, axes, back.at); });
  }
  return y;
}

Tensor roll(const Tensor& x, std::int64_t shift, CallSite at) { return roll(x, Dims{shift}, {}, at); }

Tensor flip(const Tensor& x, const Axes& axes, CallSite at) {
  Tensor y = ops::flip(x, axes, "flip", at);
  if (Recorder r{"flip", at, x}) {
    r.record(y, [axes](Back& back) { back[0] = flip(back.dy, axes, back.at); });
  }
  return y;
}

namespace {

// What is added is taken away again, and what was taken away becomes zeros.
Tensor pad_constant(const Tensor& x, const std::vector<std::int64_t>& amounts, backends::Number value, CallSite at) {
  Tensor y = ops::pad(x, amounts, value, "pad", at);
  if (Recorder r{"pad", at, x}) {
    std::vector<std::int64_t> negated;
    for (const std::int64_t amount : amounts) negated.push_back(-amount);
    r.record(y, [negated = std::move(negated)](Back& back) { back[0] = pad_constant(back.dy, negated, 0, back.at); });
  }
  return y;
}

void check_border(PadMode mode, std::int64_t amount, std::int64_t extent, int axis, const Shape& shape, CallSite at) {
  if (amount <= 0) return;
  const std::int64_t most = mode == PadMode::reflect ? extent - 1 : mode == PadMode::circular ? extent : amount;
  if (extent > 0 && amount <= most) return;
  constexpr const char* names[] = {"constant", "reflect", "replicate", "circular"};
  throw ShapeError(ErrorCode::shape_invalid, "pad",
                   message("mode ", names[static_cast<int>(mode)], " cannot add ", amount, " along axis ", axis, " of ",
                           shape, extent > 0 ? message("; at most ", most, " fit") : std::string(", which is empty")),
                   at);
}

// The `amount` elements that stand before (or after) x along an axis.
Tensor border(const Tensor& x, int axis, PadMode mode, std::int64_t amount, bool before, CallSite at) {
  const std::int64_t extent = x.size(axis);
  if (mode == PadMode::replicate) {
    Shape shape = x.shape();
    shape[axis] = amount;
    return expand(narrow(x, axis, before ? 0 : extent - 1, 1, at), shape, at);
  }
  if (mode == PadMode::circular) return narrow(x, axis, before ? extent - amount : 0, amount, at);
  return slice(narrow(x, axis, before ? 1 : extent - 1 - amount, amount, at), axis, {{}, {}, -1}, at);
}

}  // namespace

Tensor pad(const Tensor& x, const std::vector<std::int64_t>& amounts, PadMode mode, backends::Number value,
           CallSite at) {
  if (mode == PadMode::constant) return pad_constant(x, amounts, value, at);
  ops::check_pad(x, amounts, "pad", at);
  std::vector<std::int64_t> cropped = amounts;
  for (std::int64_t& amount : cropped) amount = amount < 0 ? amount : 0;
  const Tensor kept = pad_constant(x, cropped, 0, at);
  const auto axis_of = [&](std::size_t i) { return x.rank() - 1 - static_cast<int>(i / 2); };
  for (std::size_t i = 0; i < amounts.size(); ++i) {
    check_border(mode, amounts[i], kept.size(axis_of(i)), axis_of(i), kept.shape(), at);
  }
  Tensor y = kept;
  for (std::size_t i = 0; i < amounts.size(); i += 2) {
    std::vector<Tensor> row;
    if (amounts[i] > 0) row.push_back(border(y, axis_of(i), mode, amounts[i], true, at));
    row.push_back(y);
    if (amounts[i + 1] > 0) row.push_back(border(y, axis_of(i), mode, amounts[i + 1], false, at));
    if (row.size() > 1) y = cat(row, axis_of(i), at);
  }
  return y;
}

namespace {

void check_matrices(const Tensor& x, const char* name, CallSite at) {
  ops::check_defined(x, name, "x", at);
  if (x.rank() >= 2) return;
  throw ShapeError(ErrorCode::rank_unsupported, name, message("needs matrices, of rank 2 or more, not ", x.shape()),
                   at);
}

// Keeps the elements on or below the diagonal, or on and above it.
Tensor triangle(const Tensor& x, std::int64_t diagonal, bool lower, const char* name, CallSite at) {
  check_matrices(x, name, at);
  // above a diagonal is not on or below the one under it; the smallest number has none under it
  const std::int64_t last = lower ? diagonal : diagonal - (diagonal > -x.size(-2));
  const Tensor below = ops::on_or_below(x, x.size(-2), x.size(-1), last, name, at);
  const Operand kept(x, at), nothing(0, at);
  Tensor y = lower ? ops::where(below, kept, nothing, name, at) : ops::where(below, nothing, kept, name, at);
  if (Recorder r{name, at, x}) {
    r.record(y, [=](Back& back) { back[0] = triangle(back.dy, diagonal, lower, name, back.at); });
  }
  return y;
}

}  // namespace

Tensor tril(const Tensor& x, std::int64_t diagonal, CallSite at) { return triangle(x, diagonal, true, "tril", at); }
Tensor triu(const Tensor& x, std::int64_t diagonal, CallSite at) { return triangle(x, diagonal, false, "triu", at); }

}  // namespace weft
