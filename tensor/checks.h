#pragma once
// Private: the checks the families share, beside those declared in ops.h. All throw before anything is allocated or
// written; the texts name the argument, what arrived and what to write instead.

#include <string>

#include <weft/backends/op_args.h>
#include <weft/core/op_kinds.h>
#include <weft/tensor/tensor_impl.h>

namespace weft::ops {

/// One dtype, one device; `a_name` and `b_name` are what the message calls them.
void check_same_dtype(const Tensor& a, const Tensor& b, const char* name, CallSite at, const char* a_name = "a",
                      const char* b_name = "b");
void check_same_device(const Tensor& a, const Tensor& b, const char* name, CallSite at, const char* a_name,
                       const char* b_name);
void check_floating(const Tensor& x, const char* argument, const char* name, CallSite at);
void check_index(const Tensor& index, const char* argument, const char* name, CallSite at);

/// Whether the dtype holds exactly this number; true for every floating dtype.
bool representable(backends::Number number, DType dtype) noexcept;

/// A number beside a tensor takes its dtype; refused (ValueError) where an integer or bool dtype cannot hold it.
void check_number(backends::Number number, DType dtype, const char* name, CallSite at);

/// Writing to an element that stands for many is refused (StateError read_only).
void check_writable(const Tensor& target, const char* name, CallSite at);

void check_supported(UnaryOp op, DType dtype, const char* name, CallSite at);
void check_supported(BinaryOp op, DType dtype, const char* name, CallSite at);
void check_supported(ReduceOp op, DType dtype, const char* name, CallSite at);

/// "weft::cpu()", "weft::cuda(1)": what a user would write.
std::string device_in_source(Device device);

}  // namespace weft::ops
