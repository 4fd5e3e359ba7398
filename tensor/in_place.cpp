#include <cstdint>

#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/core/trace.h>
#include <weft/tensor/checks.h>
#include <weft/tensor/make.h>
#include <weft/tensor/ops.h>
#include <weft/tensor/step_script.h>

// Each writes with one call of the backend and raises the version of the storage, so that a backward that needs the
// old value can tell.

namespace weft::ops {
namespace {

struct Range {
  std::uintptr_t first, last;  // addresses of the first and last byte
};

Range bytes_of(const backends::TensorView& view) {
  std::int64_t low = 0, high = 0;
  for (int i = 0; i < view.rank(); ++i) {
    const std::int64_t reach = (view.shape[i] - 1) * view.strides[i];
    (reach < 0 ? low : high) += reach;
  }
  const auto size = static_cast<std::int64_t>(item_size(view.dtype));
  const auto base = reinterpret_cast<std::uintptr_t>(view.data);
  return {base + static_cast<std::uintptr_t>(low * size), base + static_cast<std::uintptr_t>((high + 1) * size - 1)};
}

bool same_place(const backends::TensorView& a, const backends::TensorView& b) {
  return a.data == b.data && a.dtype == b.dtype && a.shape == b.shape && a.strides == b.strides;
}

// A backend may read and write the very same elements, but no others that overlap: x[1:] += x[:-1] reads a copy.
Tensor apart_from(const Tensor& target, const Tensor& source, const char* name, CallSite at) {
  if (!target.shares_storage(source)) return source;
  const backends::TensorView& to = target.impl()->view;
  const backends::TensorView& from = source.impl()->view;
  if (same_place(to, from) || from.numel() == 0 || to.numel() == 0) return source;
  const Range write = bytes_of(to), read = bytes_of(from);
  if (write.last < read.first || read.last < write.first) return source;
  return clone(source, name, at);
}

void check_broadcasts_into(const Tensor& target, const Tensor& source, const char* argument, const char* name,
                           CallSite at) {
  const Shape& to = target.impl()->view.shape;
  const Shape& from = source.impl()->view.shape;
  if (to == from) return;
  const int lead = to.rank() - from.rank();
  bool fits = lead >= 0;
  for (int i = 0; i < from.rank() && fits; ++i) fits = from[i] == 1 || from[i] == to[lead + i];
  if (fits) return;
  throw ShapeError(ErrorCode::shape_mismatch, name,
                   message(argument, " ", from, " cannot be broadcast to the target ", to,
                           ", whose shape an in-place operation keeps"),
                   at);
}

}  // namespace

void bump_version(const Tensor& target) {
  Storage& storage = *target.impl()->storage;
  storage.version.fetch_add(1, std::memory_order_relaxed);
  if (StepScript* script = StepScript::recording()) script->writes(storage);
}

void fill(const Tensor& target, backends::Number value, const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  check_defined(target, name, "the target", at);
  check_writable(target, name, at);
  if (!has_elements(target)) return;
  begin(target, name, at).fill(view_of(target), value);
  bump_version(target);
}

void copy_into(const Tensor& target, const Tensor& source, const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  check_defined(target, name, "the target", at);
  check_defined(source, name, "source", at);
  check_writable(target, name, at);
  check_broadcasts_into(target, source, "source", name, at);
  if (!has_elements(target)) return;
  const Device device = target.impl()->storage->device;
  const Tensor near = source.impl()->storage->device == device ? apart_from(target, source, name, at)
                                                               : to_device(source, device, name, at);
  begin(target, name, at).copy(broadcast_view(view_of(near), target.impl()->view.shape), view_of(target));
  bump_version(target);
}

void binary_into(BinaryOp op, const Tensor& target, const Operand& other, const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  check_defined(target, name, "the target", at);
  check_writable(target, name, at);
  check_supported(op, target.impl()->view.dtype, name, at);
  if (other.is_number()) {
    check_number(other.number(), target.impl()->view.dtype, name, at);
    if (!has_elements(target)) return;
    begin(target, name, at).binary(op, view_of(target), other.number(), view_of(target));
  } else {
    check_defined(other.tensor(), name, "the other operand", at);
    check_same_device(target, other.tensor(), name, at, "the target", "the other operand");
    check_same_dtype(target, other.tensor(), name, at, "the target", "the other operand");
    check_broadcasts_into(target, other.tensor(), "the other operand", name, at);
    if (!has_elements(target)) return;
    const Tensor near = apart_from(target, other.tensor(), name, at);
    begin(target, name, at)
        .binary(op, view_of(target), broadcast_view(view_of(near), target.impl()->view.shape), view_of(target));
  }
  bump_version(target);
}

void unary_into(UnaryOp op, const Tensor& target, const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  check_defined(target, name, "the target", at);
  check_writable(target, name, at);
  check_supported(op, target.impl()->view.dtype, name, at);
  if (!has_elements(target)) return;
  begin(target, name, at).unary(op, {}, view_of(target), view_of(target));
  bump_version(target);
}

void masked_fill_into(const Tensor& target, const Tensor& mask, backends::Number value, const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  check_defined(target, name, "the target", at);
  check_defined(mask, name, "mask", at);
  check_writable(target, name, at);
  check_same_device(target, mask, name, at, "the target", "mask");
  if (mask.impl()->view.dtype != DType::boolean) {
    throw DTypeError(
        ErrorCode::dtype_unsupported, name,
        message("mask must be bool, not ", mask.impl()->view.dtype, "; compare first, for instance x != 0"), at);
  }
  check_broadcasts_into(target, mask, "mask", name, at);
  check_number(value, target.impl()->view.dtype, name, at);
  if (!has_elements(target)) return;
  const Tensor near = apart_from(target, mask, name, at);
  begin(target, name, at)
      .where(broadcast_view(view_of(near), target.impl()->view.shape), value, view_of(target), view_of(target));
  bump_version(target);
}

void random_into(RandomKind kind, const Tensor& target, const backends::RandomKey& key, double scale, double shift,
                 const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  if (!has_elements(target)) return;
  const backends::TensorView view = view_of(target);
  backends::Backend& backend = begin(target, name, at);
  backend.random(kind, key, view);
  if (scale != 1) backend.binary(BinaryOp::mul, view, backends::Number(scale), view);
  if (shift != 0) backend.binary(BinaryOp::add, view, backends::Number(shift), view);
  bump_version(target);
}

}  // namespace weft::ops
