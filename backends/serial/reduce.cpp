#include <weft/backends/serial/dispatch.h>
#include <weft/backends/serial/serial_backend.h>
#include <weft/backends/serial/walk.h>
#include <weft/core/dtype_support.h>
#include <weft/core/subnormals.h>

namespace weft::backends::serial {
namespace {

/// For each element of out: first = start(), then total = f(total, element) in row-major order of the reduced axes.
template <class T, class Out, class Total, class F>
void fold(const TensorView& in, const TensorView& out, Total start, F f) {
  Shape reduced = in.shape;  // the axes summed over keep their extent, the others get 1
  for (int i = 0; i < in.rank(); ++i) {
    if (out.shape[i] == in.shape[i]) reduced[i] = 1;
  }
  const T* from = in.as<T>();
  Out* to = out.as<Out>();
  walk(out.shape, {&in.strides, &out.strides}, [&](const std::int64_t* at) {
    const T* first = from + at[0];
    Total total = start;
    walk(reduced, {&in.strides},
         [&](const std::int64_t* inner) { total = f(total, static_cast<Total>(load(first + inner[0]))); });
    store(to + at[1], static_cast<Compute<Out>>(total));
  });
}

/// As fold, but the first element is the start.
template <class T, class F>
void extreme(const TensorView& in, const TensorView& out, F beats) {
  Shape reduced = in.shape;
  for (int i = 0; i < in.rank(); ++i) {
    if (out.shape[i] == in.shape[i]) reduced[i] = 1;
  }
  const T* from = in.as<T>();
  T* to = out.as<T>();
  walk(out.shape, {&in.strides, &out.strides}, [&](const std::int64_t* at) {
    const T* best = from + at[0];
    walk(reduced, {&in.strides}, [&](const std::int64_t* inner) {
      const T* other = from + at[0] + inner[0];
      const auto x = load(best), y = load(other);
      if (x == x && (y != y || beats(y, x))) best = other;  // a NaN is never replaced
    });
    to[at[1]] = *best;
  });
}

template <class T>
void reduce_as(ReduceOp op, const TensorView& in, const TensorView& out) {
  using C = Compute<T>;
  using Sum = std::conditional_t<std::is_integral_v<T>, std::int64_t, T>;
  using Total = Compute<Sum>;
  switch (op) {
    case ReduceOp::sum:
      return fold<T, Sum, Total>(in, out, Total(0), [](Total total, Total x) {
        return wrapping(total, x, [](auto p, auto q) { return p + q; });
      });
    case ReduceOp::prod:
      return fold<T, Sum, Total>(in, out, Total(1), [](Total total, Total x) {
        return wrapping(total, x, [](auto p, auto q) { return p * q; });
      });
    case ReduceOp::max:
      return extreme<T>(in, out, [](C a, C b) { return a > b; });
    case ReduceOp::min:
      return extreme<T>(in, out, [](C a, C b) { return a < b; });
    case ReduceOp::any:
      return fold<T, bool, bool>(in, out, false, [](bool total, bool x) { return total || x; });
    case ReduceOp::all:
      return fold<T, bool, bool>(in, out, true, [](bool total, bool x) { return total && x; });
  }
}

}  // namespace

void SerialBackend::reduce(ReduceOp op, const TensorView& in, const TensorView& out) {
  if (!supports(op, in.dtype)) refuse_dtype(name(op), in.dtype);
  const FlushSubnormals flush;
  dispatch(in.dtype, [&](auto type) { reduce_as<typename decltype(type)::type>(op, in, out); });
}

}  // namespace weft::backends::serial
