#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/core/trace.h>
#include <weft/tensor/checks.h>
#include <weft/tensor/make.h>
#include <weft/tensor/ops.h>

namespace weft::ops {

void check_dropout(const Tensor& x, double p, const char* name, CallSite at) {
  check_defined(x, name, "x", at);
  check_floating(x, "x", name, at);
  if (!(p >= 0 && p <= 1)) {
    throw ValueError(ErrorCode::value_out_of_range, name, message("p is ", p, "; expected 0 to 1"), at);
  }
}

Tensor dropout(const Tensor& x, double p, const backends::RandomKey& key, const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  check_dropout(x, p, name, at);
  backends::Backend& backend = begin(x, name, at);
  Tensor y = make_like(backend, x, x.impl()->view.shape, x.impl()->view.dtype, name, at);
  if (!has_elements(y)) return y;
  if (p == 1) {  // nothing survives, and 1 / (1 - p) is no number
    backend.fill(view_of(y), 0);
  } else {
    backend.dropout(p, key, view_of(x), view_of(y));
  }
  return y;
}

Tensor random(RandomKind kind, const Shape& shape, TensorOptions options, const backends::RandomKey& key,
              const char* name, CallSite at) {
  const TraceSpan span(name, "op");
  const bool bits = kind == RandomKind::bits;
  if (bits ? !is_integer(options.dtype) : !is_floating(options.dtype)) {
    throw DTypeError(ErrorCode::dtype_unsupported, name,
                     message("draws ", bits ? "integers" : "floating numbers", ", not ", options.dtype), at);
  }
  Tensor out = make_on(options.device, shape, options.dtype, name, at);
  if (has_elements(out)) begin(out, name, at).random(kind, key, view_of(out));
  return out;
}

}  // namespace weft::ops
