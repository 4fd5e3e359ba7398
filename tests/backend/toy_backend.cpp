#include "backend/toy_backend.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <numeric>
#include <vector>

#include <weft/core/error.h>
#include <weft/core/philox.h>

namespace weft::contract_test {
namespace {

using namespace backends;

std::atomic<int> broken_canaries{0};
std::atomic<long> calls{0};

using Index = Shape;

std::int64_t offset(const TensorView& view, const Index& index) {
  std::int64_t at = 0;
  for (int i = 0; i < view.rank(); ++i) at += index[i] * view.strides[i];
  return at;
}

Number get(const TensorView& view, const Index& index) {
  const std::int64_t at = offset(view, index);
  switch (view.dtype) {
    case DType::float32:
      return view.as<float>()[at];
    case DType::float64:
      return view.as<double>()[at];
    case DType::float16:
      return static_cast<float>(view.as<float16>()[at]);
    case DType::bfloat16:
      return static_cast<float>(view.as<bfloat16>()[at]);
    case DType::int64:
      return view.as<std::int64_t>()[at];
    case DType::int32:
      return view.as<std::int32_t>()[at];
    case DType::uint8:
      return view.as<std::uint8_t>()[at];
    case DType::boolean:
      return view.as<bool>()[at];
  }
  return 0;
}

void put(const TensorView& view, const Index& index, Number value) {
  const std::int64_t at = offset(view, index);
  switch (view.dtype) {
    case DType::float32:
      view.as<float>()[at] = value.to<float>();
      return;
    case DType::float64:
      view.as<double>()[at] = value.to<double>();
      return;
    case DType::float16:
      view.as<float16>()[at] = value.to<float16>();
      return;
    case DType::bfloat16:
      view.as<bfloat16>()[at] = value.to<bfloat16>();
      return;
    case DType::int64:
      view.as<std::int64_t>()[at] = value.to<std::int64_t>();
      return;
    case DType::int32:
      view.as<std::int32_t>()[at] = value.to<std::int32_t>();
      return;
    case DType::uint8:
      view.as<std::uint8_t>()[at] = value.to<std::uint8_t>();
      return;
    case DType::boolean:
      view.as<bool>()[at] = value.to<bool>();
      return;
  }
}

/// The number as an element of `dtype` would hold it.
Number in_dtype(Number value, DType dtype) {
  double scalar = 0;  // large enough for any element
  const TensorView cell{&scalar, dtype, {}, {}, {}};
  put(cell, {}, value);
  return get(cell, {});
}

Number get(const Argument& argument, const Index& index, DType dtype) {
  return argument.is_number ? in_dtype(argument.number, dtype) : get(argument.view, index);
}

double real(Number value) { return value.to<double>(); }
std::int64_t whole(Number value) { return value.to<std::int64_t>(); }

template <class F>
void each(const Shape& shape, F f) {
  Index index = Shape::filled(shape.rank(), 0);
  for (std::int64_t n = shape.numel(); n > 0; --n) {
    f(index);
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      if (++index[axis] < shape[axis]) break;
      index[axis] = 0;
    }
  }
}

Index with(Index index, int axis, std::int64_t value) {
  index[axis] = value;
  return index;
}

constexpr std::size_t edge = 64;
constexpr unsigned char canary = 0xC3;

double gelu_u(double x) { return std::sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x); }

double of_real(UnaryOp op, const UnaryArgs& args, double x) {
  switch (op) {
    case UnaryOp::neg:
      return -x;
    case UnaryOp::abs:
      return std::fabs(x);
    case UnaryOp::sign:
      return x > 0 ? 1 : x < 0 ? -1 : x == 0 ? 0 : x;
    case UnaryOp::exp:
      return std::exp(x);
    case UnaryOp::log:
      return std::log(x);
    case UnaryOp::sqrt:
      return std::sqrt(x);
    case UnaryOp::tanh:
      return std::tanh(x);
    case UnaryOp::sigmoid:
      return 1 / (1 + std::exp(-x));  // in double no float32 overflows here
    case UnaryOp::relu:
      return x <= 0 ? 0 : x;
    case UnaryOp::logical_not:
      return x == 0 ? 1 : 0;
    case UnaryOp::expm1:
      return std::expm1(x);
    case UnaryOp::log1p:
      return std::log1p(x);
    case UnaryOp::rsqrt:
      return 1 / std::sqrt(x);
    case UnaryOp::sin:
      return std::sin(x);
    case UnaryOp::cos:
      return std::cos(x);
    case UnaryOp::erf:
      return std::erf(x);
    case UnaryOp::floor:
      return std::floor(x);
    case UnaryOp::ceil:
      return std::ceil(x);
    case UnaryOp::round:
      return std::rint(x);
    case UnaryOp::leaky_relu:
      return x > 0 ? x : args.a * x;
    case UnaryOp::elu:
      return x > 0 ? x : args.a * std::expm1(x);
    case UnaryOp::gelu:
      return x < -50 ? 0 : x * std::erfc(-x / std::sqrt(2.0)) / 2;
    case UnaryOp::gelu_tanh:
      return x < -50 ? 0 : x / (1 + std::exp(-2 * gelu_u(x)));
    case UnaryOp::silu:
      return x < -800 ? 0 : x / (1 + std::exp(-x));
    case UnaryOp::softplus:
      return args.a * x > args.b ? x
                                 : (std::max(args.a * x, 0.0) + std::log1p(std::exp(-std::fabs(args.a * x)))) / args.a;
  }
  return 0;
}

double slope(BinaryOp op, double x) {
  if (std::isinf(x)) return x > 0 ? 1 : 0;
  if (op == BinaryOp::gelu_backward) {
    return std::erfc(-x / std::sqrt(2.0)) / 2 + x * std::exp(-x * x / 2) / std::sqrt(2 * 3.14159265358979323846);
  }
  if (op == BinaryOp::silu_backward) return (1 + x / (1 + std::exp(x))) / (1 + std::exp(-x));
  const double u = gelu_u(x), du = std::sqrt(2 / 3.14159265358979323846) * (1 + 3 * 0.044715 * x * x);
  if (std::fabs(u) > 300) return u > 0 ? 1 : 0;
  return 1 / (1 + std::exp(-2 * u)) + 2 * x * du / (1 + std::exp(-2 * u)) / (1 + std::exp(2 * u));
}

std::int64_t of_integer(UnaryOp op, std::int64_t x) {
  switch (op) {
    case UnaryOp::neg:
      return -x;
    case UnaryOp::abs:
      return x < 0 ? -x : x;
    case UnaryOp::sign:
      return x > 0 ? 1 : x < 0 ? -1 : 0;
    case UnaryOp::relu:
      return x < 0 ? 0 : x;
    case UnaryOp::floor:
    case UnaryOp::ceil:
    case UnaryOp::round:
      return x;
    default:
      return x == 0 ? 1 : 0;  // logical_not
  }
}

template <class T>
bool compare(BinaryOp op, T x, T y) {
  switch (op) {
    case BinaryOp::eq:
      return x == y;
    case BinaryOp::ne:
      return x != y;
    case BinaryOp::lt:
      return x < y;
    case BinaryOp::le:
      return x <= y;
    case BinaryOp::gt:
      return x > y;
    case BinaryOp::ge:
      return x >= y;
    case BinaryOp::logical_and:
      return x != 0 && y != 0;
    default:
      return x != 0 || y != 0;
  }
}

Number of_reals(BinaryOp op, double x, double y, DType dtype) {
  if (writes_bool(op)) return compare(op, x, y);
  switch (op) {
    case BinaryOp::add:
      return x + y;
    case BinaryOp::sub:
      return x - y;
    case BinaryOp::mul:
      return x * y;
    case BinaryOp::div:
      return x / y;
    case BinaryOp::maximum:
      return x > y || x != x ? x : y;
    case BinaryOp::minimum:
      return x < y || x != x ? x : y;
    case BinaryOp::relu_backward:
      return y > 0 ? x : 0.0;
    case BinaryOp::tanh_backward:
      return x * (1 - y * y);
    case BinaryOp::pow:
      return std::pow(x, y);
    case BinaryOp::gelu_backward:
    case BinaryOp::gelu_tanh_backward:
    case BinaryOp::silu_backward:
      return x * slope(op, y);
    default:
      (void)dtype;
      return x * y * (1 - y);  // sigmoid_backward
  }
}

Number of_integers(BinaryOp op, std::int64_t x, std::int64_t y) {
  if (writes_bool(op)) return compare(op, x, y);
  const auto p = static_cast<std::uint64_t>(x), q = static_cast<std::uint64_t>(y);  // wraps
  switch (op) {
    case BinaryOp::add:
      return static_cast<std::int64_t>(p + q);
    case BinaryOp::sub:
      return static_cast<std::int64_t>(p - q);
    case BinaryOp::mul:
      return static_cast<std::int64_t>(p * q);
    case BinaryOp::maximum:
      return std::max(x, y);
    default:
      return std::min(x, y);
  }
}

/// NaN is larger than everything, and smaller too: an extreme of either kind.
bool larger(Number x, Number y) {
  if (x.is_integer) return whole(x) > whole(y);
  return std::isnan(real(x)) ? !std::isnan(real(y)) : real(x) > real(y);
}
bool smaller(Number x, Number y) {
  if (x.is_integer) return whole(x) < whole(y);
  return std::isnan(real(x)) ? !std::isnan(real(y)) : real(x) < real(y);
}

Number start(ReduceOp, Number value) { return value.is_integer ? Number(whole(value)) : Number(real(value)); }

Number combine(ReduceOp op, Number total, Number value) {
  const bool integers = value.is_integer;
  switch (op) {
    case ReduceOp::sum:
      return integers ? of_integers(BinaryOp::add, whole(total), whole(value)) : Number(real(total) + real(value));
    case ReduceOp::prod:
      return integers ? of_integers(BinaryOp::mul, whole(total), whole(value)) : Number(real(total) * real(value));
    case ReduceOp::max:
      return larger(value, total) ? value : total;
    case ReduceOp::min:
      return smaller(value, total) ? value : total;
    case ReduceOp::any:
      return whole(total) != 0 || whole(value) != 0;
    case ReduceOp::all:
      return whole(total) != 0 && whole(value) != 0;
  }
  return total;
}

void check(const TensorView& index, std::int64_t extent, const char* op) {
  each(index.shape, [&](const Index& i) {
    const std::int64_t value = whole(get(index, i));
    if (value >= 0 && value < extent) return;
    const OpTag tag = current_tag();
    throw IndexError(ErrorCode::index_out_of_range, *tag.name != '\0' ? tag.name : op,
                     "index " + std::to_string(value) + " is out of range for extent " + std::to_string(extent),
                     CallSite{tag.file, tag.line});
  });
}

}  // namespace

DeviceFacts ToyBackend::facts() {
  DeviceFacts facts;
  facts.name = "toy";
  return facts;
}

// A block: 64 bytes with its size, the bytes asked for (NaN in every float type), 64 bytes.
void* ToyBackend::allocate(std::size_t bytes) {
  ++calls;
  auto* block = static_cast<unsigned char*>(std::aligned_alloc(64, (bytes + 63) / 64 * 64 + 2 * edge));
  if (block == nullptr) throw OutOfMemoryError(ErrorCode::out_of_memory, "allocate", "the toy box is full");
  std::memset(block, canary, edge);
  std::memcpy(block, &bytes, sizeof bytes);
  std::memset(block + edge, 0xFF, bytes);
  std::memset(block + edge + bytes, canary, edge);
  return block + edge;
}
void ToyBackend::free(void* p, std::size_t bytes) noexcept {
  if (p == nullptr) return;
  auto* block = static_cast<unsigned char*>(p) - edge;
  bool whole_block = std::memcmp(block, &bytes, sizeof bytes) == 0;
  for (std::size_t i = sizeof bytes; whole_block && i < edge; ++i) whole_block = block[i] == canary;
  for (std::size_t i = 0; whole_block && i < edge; ++i) whole_block = block[edge + bytes + i] == canary;
  if (!whole_block) ++broken_canaries;
  std::free(block);
}
void ToyBackend::copy_in(void* to, const void* host, std::size_t bytes) { std::memcpy(to, host, bytes); }
void ToyBackend::copy_out(void* host, const void* from, std::size_t bytes) { std::memcpy(host, from, bytes); }
void ToyBackend::synchronise() {}

void ToyBackend::fill(const TensorView& out, Number value) {
  ++calls;
  each(out.shape, [&](const Index& i) { put(out, i, value); });
}

void ToyBackend::copy(const TensorView& in, const TensorView& out) {
  ++calls;
  each(out.shape, [&](const Index& i) { put(out, i, get(in, i)); });
}

void ToyBackend::unary(UnaryOp op, const UnaryArgs& args, const TensorView& in, const TensorView& out) {
  ++calls;
  each(out.shape, [&](const Index& i) {
    const Number value = get(in, i);
    if (value.is_integer) {
      put(out, i, of_integer(op, whole(value)));
    } else {
      put(out, i, of_real(op, args, real(value)));
    }
  });
}

void ToyBackend::binary(BinaryOp op, const Argument& a, const Argument& b, const TensorView& out) {
  ++calls;
  const DType dtype = a.is_number ? b.view.dtype : a.view.dtype;
  each(out.shape, [&](const Index& i) {
    const Number x = get(a, i, dtype), y = get(b, i, dtype);
    if (is_floating(dtype)) {
      put(out, i, of_reals(op, real(x), real(y), dtype));
    } else {
      put(out, i, of_integers(op, whole(x), whole(y)));
    }
  });
}

void ToyBackend::where(const TensorView& condition, const Argument& a, const Argument& b, const TensorView& out) {
  ++calls;
  each(out.shape, [&](const Index& i) { put(out, i, get(get(condition, i).to<bool>() ? a : b, i, out.dtype)); });
}

void ToyBackend::reduce(ReduceOp op, const TensorView& in, const TensorView& out) {
  ++calls;
  each(out.shape, [&](const Index& o) {
    Shape rest = in.shape;
    for (int axis = 0; axis < in.rank(); ++axis) {
      if (out.shape[axis] == in.shape[axis]) rest[axis] = 1;
    }
    bool first = true;
    Number total;
    each(rest, [&](const Index& r) {
      Index i = o;
      for (int axis = 0; axis < in.rank(); ++axis) i[axis] += r[axis];
      const Number value = get(in, i);
      total = first ? start(op, value) : combine(op, total, value);
      first = false;
    });
    put(out, o, total);
  });
}

void ToyBackend::arg_reduce(ArgReduceOp op, const TensorView& in, int axis, const TensorView& out) {
  ++calls;
  each(out.shape, [&](const Index& o) {
    std::int64_t best = 0;
    for (std::int64_t i = 1; i < in.shape[axis]; ++i) {
      const Number now = get(in, with(o, axis, i)), leader = get(in, with(o, axis, best));
      if (op == ArgReduceOp::argmax ? larger(now, leader) : smaller(now, leader)) best = i;
    }
    put(out, o, best);
  });
}

void ToyBackend::matmul(const TensorView& a, const TensorView& b, const TensorView& out, bool accumulate) {
  ++calls;
  const int row = out.rank() - 2, column = out.rank() - 1;
  each(out.shape, [&](const Index& o) {
    Index i = o, j = o;
    double sum = 0;
    for (std::int64_t k = 0; k < a.shape[column]; ++k) {
      i[column] = k;
      j[row] = k;
      sum += real(get(a, i)) * real(get(b, j));
    }
    put(out, o, accumulate ? real(get(out, o)) + sum : sum);
  });
}

void ToyBackend::gather(const TensorView& in, int axis, const TensorView& index, const TensorView& out) {
  ++calls;
  check(index, in.shape[axis], "gather");
  each(out.shape, [&](const Index& o) { put(out, o, get(in, with(o, axis, whole(get(index, o))))); });
}

void ToyBackend::scatter_add(const TensorView& from, int axis, const TensorView& index, const TensorView& inout) {
  ++calls;
  check(index, inout.shape[axis], "scatter_add");
  std::vector<double> sums;  // in double, rounded once
  each(inout.shape, [&](const Index& i) { sums.push_back(real(get(inout, i))); });
  const Strides dense = contiguous_strides(inout.shape);
  const TensorView all{sums.data(), DType::float64, inout.shape, dense, {}};
  each(from.shape, [&](const Index& i) {
    const Index to = with(i, axis, whole(get(index, i)));
    put(all, to, real(get(all, to)) + real(get(from, i)));
  });
  const bool floats = is_floating(inout.dtype);
  each(inout.shape, [&](const Index& i) {
    const double sum = real(get(all, i));
    put(inout, i, floats ? Number(sum) : Number(static_cast<std::int64_t>(sum)));
  });
}

void ToyBackend::random(RandomKind kind, const RandomKey& key, const TensorView& out) {
  ++calls;
  const std::uint64_t draw = key.draw + (key.draw_base != nullptr ? *key.draw_base : 0);
  std::uint64_t n = 0;
  each(out.shape, [&](const Index& i) {
    const std::uint64_t element = n++;
    if (kind == RandomKind::bits) {
      put(out, i, static_cast<std::int64_t>(philox_bits(key.seed, draw, element)));
    } else if (out.dtype == DType::float64) {
      put(out, i,
          kind == RandomKind::normal ? philox_normal_f64(key.seed, draw, element)
                                     : philox_uniform_f64(key.seed, draw, element));
    } else {
      put(out, i,
          kind == RandomKind::normal ? philox_normal_f32(key.seed, draw, element)
                                     : philox_uniform_f32(key.seed, draw, element));
    }
  });
}

// One loop for all three: every product w x belongs to one element of y, w times dy to one of dx, x times dy to one of
// dw.
void ToyBackend::conv(Pass pass, const ConvGeometry& g, const TensorView& x, const TensorView& w, const TensorView& y) {
  ++calls;
  const TensorView& out = pass == Pass::forward ? y : pass == Pass::grad_input ? x : w;
  std::vector<double> sums(static_cast<std::size_t>(out.numel()), 0.0);
  const TensorView all{sums.data(), DType::float64, out.shape, contiguous_strides(out.shape), {}};
  const auto add = [&](const Index& to, double term) { put(all, to, real(get(all, to)) + term); };
  const std::int64_t channels = w.shape[1], filters = w.shape[0] / g.groups;
  each(y.shape, [&](const Index& o) {
    each(w.shape, [&](const Index& t) {
      if (t[0] != o[1]) return;
      Index at = o;
      at[1] = o[1] / filters * channels + t[1];
      for (int i = 0; i < g.spatial; ++i) {
        at[2 + i] = o[2 + i] * g.stride[i] - g.padding[i] + t[2 + i] * g.dilation[i];
        if (at[2 + i] < 0 || at[2 + i] >= x.shape[2 + i]) return;
      }
      if (pass == Pass::forward) add(o, real(get(x, at)) * real(get(w, t)));
      if (pass == Pass::grad_input) add(at, real(get(y, o)) * real(get(w, t)));
      if (pass == Pass::grad_weight) add(t, real(get(x, at)) * real(get(y, o)));
    });
  });
  each(out.shape, [&](const Index& i) { put(out, i, get(all, i)); });
}

namespace {

/// f(position) for every element of x the window of output o looks at; returns how many it has with those in the
/// padding.
template <class F>
std::int64_t look(const PoolGeometry& g, const Shape& x, const Shape& y, const Index& o, F f) {
  Index first = o, taps = Shape::filled(o.rank(), 1);
  for (int i = 0; i < g.window.spatial; ++i) {
    const std::int64_t in = x[2 + i], out = y[2 + i], at = o[2 + i];
    first[2 + i] = g.adaptive ? at * in / out : at * g.window.stride[i] - g.window.padding[i];
    taps[2 + i] = g.adaptive ? ((at + 1) * in + out - 1) / out - first[2 + i] : g.window.kernel[i];
  }
  std::int64_t counted = 0;
  each(taps, [&](const Index& t) {
    Index at = first;
    bool inside = true, counts = true;
    for (int i = 0; i < g.window.spatial; ++i) {
      at[2 + i] += t[2 + i] * (g.adaptive ? 1 : g.window.dilation[i]);
      inside = inside && at[2 + i] >= 0 && at[2 + i] < x[2 + i];
      counts = counts && at[2 + i] < x[2 + i] + (g.adaptive ? 0 : g.window.padding[i]);
    }
    counted += counts ? 1 : 0;
    if (inside) f(at);
  });
  return counted;
}

std::int64_t flat(const Shape& shape, const Index& at) {
  std::int64_t position = 0;
  for (int i = 2; i < shape.rank(); ++i) position = position * shape[i] + at[i];
  return position;
}

Index largest(const PoolGeometry& g, const TensorView& x, const Shape& y, const Index& o) {
  Index best;
  look(g, x.shape, y, o, [&](const Index& at) {
    if (best.rank() == 0 || larger(get(x, at), get(x, best))) best = at;
  });
  return best;
}

}  // namespace

void ToyBackend::pool(const PoolGeometry& g, const TensorView& x, const TensorView& y, const TensorView& index) {
  ++calls;
  each(y.shape, [&](const Index& o) {
    if (g.kind == PoolKind::max) {
      const Index best = largest(g, x, y.shape, o);
      put(y, o, get(x, best));
      if (index.data != nullptr) put(index, o, flat(x.shape, best));
      return;
    }
    double sum = 0;
    std::int64_t inside = 0;
    const std::int64_t counted = look(g, x.shape, y.shape, o, [&](const Index& at) {
      sum += real(get(x, at));
      ++inside;
    });
    put(y, o, sum / static_cast<double>(g.kind == PoolKind::average ? inside : counted));
  });
}

void ToyBackend::pool_backward(const PoolGeometry& g, const TensorView& x, const TensorView&, const TensorView& dy,
                               const TensorView& index, const TensorView& dx) {
  ++calls;
  std::vector<double> sums(static_cast<std::size_t>(dx.numel()), 0.0);
  const TensorView all{sums.data(), DType::float64, dx.shape, contiguous_strides(dx.shape), {}};
  const auto add = [&](const Index& to, double term) { put(all, to, real(get(all, to)) + term); };
  each(dy.shape, [&](const Index& o) {
    const double arrived = real(get(dy, o));
    if (g.kind == PoolKind::max) {
      Index to = o;
      if (index.data != nullptr) {
        std::int64_t at = whole(get(index, o));
        for (int i = dx.rank() - 1; i >= 2; --i) {
          to[i] = at % dx.shape[i];
          at /= dx.shape[i];
        }
      } else {
        to = largest(g, x, dy.shape, o);
      }
      add(to, arrived);
      return;
    }
    std::int64_t inside = 0;
    const std::int64_t counted = look(g, dx.shape, dy.shape, o, [&](const Index&) { ++inside; });
    const double share = arrived / static_cast<double>(g.kind == PoolKind::average ? inside : counted);
    look(g, dx.shape, dy.shape, o, [&](const Index& at) { add(at, share); });
  });
  each(dx.shape, [&](const Index& i) { put(dx, i, get(all, i)); });
}

void ToyBackend::scan(ScanOp, const TensorView& in, int axis, const TensorView& out) {
  ++calls;
  Shape lines = in.shape;
  lines[axis] = 1;
  each(lines, [&](const Index& line) {
    Number total = start(ReduceOp::sum, get(in, line));
    put(out, line, total);
    for (std::int64_t i = 1; i < in.shape[axis]; ++i) {
      total = combine(ReduceOp::sum, total, get(in, with(line, axis, i)));
      put(out, with(line, axis, i), total);
    }
  });
}

void ToyBackend::topk(const TensorView& in, int axis, bool largest, const TensorView& values,
                      const TensorView& indices) {
  ++calls;
  Shape lines = in.shape;
  lines[axis] = 1;
  each(lines, [&](const Index& line) {
    std::vector<std::int64_t> order(static_cast<std::size_t>(in.shape[axis]));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](std::int64_t i, std::int64_t j) {
      const Number x = get(in, with(line, axis, i)), y = get(in, with(line, axis, j));
      return largest ? larger(x, y) : larger(y, x);
    });
    for (std::int64_t i = 0; i < values.shape[axis]; ++i) {
      const std::int64_t from = order[static_cast<std::size_t>(i)];
      put(values, with(line, axis, i), get(in, with(line, axis, from)));
      put(indices, with(line, axis, i), from);
    }
  });
}

int toy_broken_canaries() { return broken_canaries; }
long toy_calls() { return calls; }

}  // namespace weft::contract_test
