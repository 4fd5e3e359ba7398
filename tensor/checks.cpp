#include <weft/tensor/checks.h>

#include <cmath>

#include <weft/backends/tape.h>
#include <weft/core/dtype_support.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/tensor/ops.h>

namespace weft::ops {

namespace {

// The enumerator, as a user has to write it.
const char* in_source(DType dtype) { return dtype == DType::boolean ? "boolean" : weft::name(dtype); }

std::string convert(const char* argument, DType to) {
  return message(argument, ".to(weft::DType::", in_source(to), ")");
}

[[noreturn]] void refuse(const char* name, const char* takes, DType dtype, CallSite at) {
  throw DTypeError(ErrorCode::dtype_unsupported, name,
                   message("takes ", takes, ", not ", dtype, "; convert first with .to(weft::DType::float32)"), at);
}

}  // namespace

std::string device_in_source(Device device) {
  switch (device.kind) {
    case BackendKind::serial:
      return "weft::serial()";
    case BackendKind::cpu:
      return "weft::cpu()";
    case BackendKind::cuda:
      return device.index == 0 ? "weft::cuda()" : message("weft::cuda(", device.index, ")");
    default:
      return message("weft::parse_device(\"", device, "\")");
  }
}

void check_defined(const Tensor& x, const char* name, const char* argument, CallSite at) {
  if (x.defined()) return;
  throw StateError(ErrorCode::tensor_undefined, name,
                   message(argument, " is undefined: it was default-constructed or moved from"), at);
}

void check_same_device(const Tensor& a, const Tensor& b, const char* name, CallSite at, const char* a_name,
                       const char* b_name) {
  const Device left = a.impl()->storage->device, right = b.impl()->storage->device;
  if (left == right) return;
  throw DeviceError(ErrorCode::device_mismatch, name,
                    message(a_name, " is on ", left, ", ", b_name, " is on ", right, "; move one of them: ", b_name,
                            ".to(", device_in_source(left), ")"),
                    at);
}

void check_same_device(const Tensor& a, const Tensor& b, const char* name, CallSite at) {
  check_same_device(a, b, name, at, "a", "b");
}

void check_same_dtype(const Tensor& a, const Tensor& b, const char* name, CallSite at, const char* a_name,
                      const char* b_name) {
  const DType left = a.impl()->view.dtype, right = b.impl()->view.dtype;
  if (left == right) return;
  const bool keep_right = !is_floating(left) && is_floating(right);
  throw DTypeError(
      ErrorCode::dtype_mismatch, name,
      message(a_name, " is ", left, " ", a.impl()->view.shape, ", ", b_name, " is ", right, " ", b.impl()->view.shape,
              "; nothing is converted unasked, write ", keep_right ? convert(a_name, right) : convert(b_name, left)),
      at);
}

void check_floating(const Tensor& x, const char* argument, const char* name, CallSite at) {
  const DType dtype = x.impl()->view.dtype;
  if (is_floating(dtype)) return;
  throw DTypeError(
      ErrorCode::dtype_unsupported, name,
      message(argument, " is ", dtype, "; floating dtypes are needed: ", convert(argument, DType::float32)), at);
}

void check_index(const Tensor& index, const char* argument, const char* name, CallSite at) {
  const DType dtype = index.impl()->view.dtype;
  if (supports_index(dtype)) return;
  throw DTypeError(
      ErrorCode::dtype_unsupported, name,
      message(argument, " must be int64 or int32, not ", dtype, "; write ", convert(argument, DType::int64)), at);
}

bool representable(backends::Number number, DType dtype) noexcept {
  if (is_floating(dtype)) return true;
  if (!number.is_integer && number.real != std::trunc(number.real)) return false;  // NaN and infinities fail below
  switch (dtype) {
    case DType::int64:
      return number.is_integer || (number.real >= -0x1p63 && number.real < 0x1p63);
    case DType::int32:
      return number.real >= -0x1p31 && number.real < 0x1p31;
    case DType::uint8:
      return number.real >= 0 && number.real <= 255;
    default:
      return number.real == 0 || number.real == 1;
  }
}

void check_number(backends::Number number, DType dtype, const char* name, CallSite at) {
  if (representable(number, dtype)) return;
  throw ValueError(ErrorCode::value_out_of_range, name,
                   message("the number ", number.is_integer ? message(number.integer) : message(number.real),
                           " takes the dtype of the tensor beside it, and ", dtype,
                           " does not hold it; convert the tensor first with .to(weft::DType::float32)"),
                   at);
}

void check_writable(const Tensor& target, const char* name, CallSite at) {
  const backends::TensorView& view = target.impl()->view;
  for (int i = 0; i < view.rank(); ++i) {
    if (view.strides[i] == 0 && view.shape[i] > 1) {
      throw StateError(ErrorCode::read_only, name,
                       message("the target ", view.shape, " is an expanded view: along axis ", i, " its ",
                               view.shape[i], " elements are one element in memory; write to a .clone() instead"),
                       at);
    }
  }
}

void check_supported(UnaryOp op, DType dtype, const char* name, CallSite at) {
  if (supports(op, dtype)) return;
  if (op == UnaryOp::logical_not) {
    throw DTypeError(ErrorCode::dtype_unsupported, name,
                     message("takes bool, not ", dtype, "; compare first, for instance x != 0"), at);
  }
  refuse(name, supports(op, DType::int64) ? "floating dtypes and signed integers" : "floating dtypes", dtype, at);
}

void check_supported(BinaryOp op, DType dtype, const char* name, CallSite at) {
  if (supports(op, dtype)) return;
  if (op == BinaryOp::logical_and || op == BinaryOp::logical_or) {
    throw DTypeError(ErrorCode::dtype_unsupported, name,
                     message("takes bool, not ", dtype, "; compare first, for instance x != 0"), at);
  }
  refuse(name, supports(op, DType::int64) ? "floating dtypes and integers" : "floating dtypes", dtype, at);
}

void check_supported(ReduceOp op, DType dtype, const char* name, CallSite at) {
  if (supports(op, dtype)) return;
  if (writes_bool(op)) {
    throw DTypeError(ErrorCode::dtype_unsupported, name,
                     message("takes bool, not ", dtype, "; compare first, for instance x != 0"), at);
  }
  refuse(name, "floating dtypes and integers", dtype, at);
}

backends::Backend& begin(const Tensor& x, const char* name, CallSite at) {
  backends::Backend& backend = backends::active(*x.impl()->storage->backend);
  backend.tag({name, at.file, at.line});
  return backend;
}

}  // namespace weft::ops
