#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/core/philox.h>
#include <weft/tensor/checks.h>
#include <weft/tensor/creation.h>
#include <weft/tensor/make.h>
#include <weft/tensor/ops.h>
#include <weft/tensor/step_script.h>

// The arguments are checked before the generator moves: a refused call takes no draw.

namespace weft {
namespace {

using backends::Number;

void check_draw(const Shape& shape, TensorOptions options, const char* name, CallSite at) {
  check_shape(shape, item_size(options.dtype), name, at);
  if (is_floating(options.dtype)) return;
  throw DTypeError(ErrorCode::dtype_unsupported, name,
                   message("draws floating numbers, not ", options.dtype, "; randint draws integers"), at);
}

Tensor drawn(RandomKind kind, const Shape& shape, TensorOptions options, Generator& generator, const char* name,
             CallSite at) {
  check_draw(shape, options, name, at);
  return ops::random(kind, shape, options, next_key(generator), name, at);
}

}  // namespace

Tensor rand(const Shape& shape, TensorOptions options, Generator& generator, CallSite at) {
  return drawn(RandomKind::uniform, shape, options, generator, "rand", at);
}

Tensor randn(const Shape& shape, TensorOptions options, Generator& generator, CallSite at) {
  return drawn(RandomKind::normal, shape, options, generator, "randn", at);
}

namespace {

TensorOptions options_of(const Tensor& other, const char* name, CallSite at) {
  ops::check_defined(other, name, "other", at);
  return {other.impl()->storage->device, other.impl()->view.dtype};
}

}  // namespace

Tensor rand_like(const Tensor& other, Generator& generator, CallSite at) {
  const TensorOptions options = options_of(other, "rand_like", at);
  return drawn(RandomKind::uniform, other.impl()->view.shape, options, generator, "rand_like", at);
}

Tensor randn_like(const Tensor& other, Generator& generator, CallSite at) {
  const TensorOptions options = options_of(other, "randn_like", at);
  return drawn(RandomKind::normal, other.impl()->view.shape, options, generator, "randn_like", at);
}

Tensor uniform(const Shape& shape, double low, double high, TensorOptions options, Generator& generator, CallSite at) {
  if (!(low <= high) || !std::isfinite(high - low)) {
    throw ValueError(ErrorCode::value_out_of_range, "uniform",
                     message("low is ", low, ", high is ", high, "; expected finite numbers with low <= high"), at);
  }
  Tensor out = drawn(RandomKind::uniform, shape, options, generator, "uniform", at);
  if (ops::has_elements(out)) {
    backends::Backend& backend = ops::begin(out, "uniform", at);
    const backends::TensorView view = view_of(out);
    backend.binary(BinaryOp::mul, view, Number(high - low), view);
    backend.binary(BinaryOp::add, view, Number(low), view);
  }
  return out;
}

Tensor randint(std::int64_t low, std::int64_t high, const Shape& shape, TensorOptions options, Generator& generator,
               CallSite at) {
  check_shape(shape, sizeof(double), "randint", at);
  if (low >= high) {
    throw ValueError(ErrorCode::value_out_of_range, "randint",
                     message("low is ", low, ", high is ", high, "; expected low < high"), at);
  }
  const std::uint64_t range = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
  if (range > std::uint64_t{1} << 53) {
    throw ValueError(ErrorCode::value_out_of_range, "randint",
                     message("low is ", low, ", high is ", high, "; at most 2^53 different values can be drawn"), at);
  }
  if (!ops::representable(Number(low), options.dtype) || !ops::representable(Number(high - 1), options.dtype)) {
    throw ValueError(ErrorCode::value_out_of_range, "randint",
                     message("the values ", low, " to ", high - 1, " do not fit in ", options.dtype), at);
  }
  const Tensor u =
      ops::random(RandomKind::uniform, shape, {options.device, DType::float64}, next_key(generator), "randint", at);
  backends::Backend& backend = ops::begin(u, "randint", at);
  Tensor out = ops::make_like(backend, u, shape, DType::int64, "randint", at);
  if (ops::has_elements(u)) {
    backend.binary(BinaryOp::mul, view_of(u), Number(static_cast<double>(range)), view_of(u));
    backend.copy(view_of(u), view_of(out));  // towards zero: u * range < range also after rounding
    backend.binary(BinaryOp::add, view_of(out), Number(low), view_of(out));
  }
  return options.dtype == DType::int64 ? out : ops::cast(out, options.dtype, "randint", at);
}

namespace {

// The 64-bit words of one draw, one after the other.
class Words {
 public:
  Words(std::uint64_t seed, std::uint64_t draw) : seed_(seed), draw_(draw) {}

  std::uint64_t next() noexcept {
    if (!half_) block_ = philox_block(seed_, draw_, count_++);
    half_ = !half_;
    const int first = half_ ? 0 : 2;
    return std::uint64_t{block_.word[first + 1]} << 32 | block_.word[first];
  }

  // Uniform in 0..n-1 without bias: the upper half of word * n, rejecting the few words that would make some values
  // likelier than others. D. Lemire, "Fast random integer generation in an interval", ACM TOMACS 29(1), 2019.
  std::uint64_t below(std::uint64_t n) noexcept {
    __extension__ using Wide = unsigned __int128;
    Wide product = static_cast<Wide>(next()) * n;
    if (static_cast<std::uint64_t>(product) < n) {
      const std::uint64_t uneven = (0 - n) % n;
      while (static_cast<std::uint64_t>(product) < uneven) product = static_cast<Wide>(next()) * n;
    }
    return static_cast<std::uint64_t>(product >> 64);
  }

 private:
  std::uint64_t seed_, draw_, count_ = 0;
  PhiloxBlock block_{};
  bool half_ = false;  // the second word pair of block_ is still unused
};

}  // namespace

Tensor randperm(std::int64_t n, Device device, Generator& generator, CallSite at) {
  Tensor out = ops::make_on(device, {n}, DType::int64, "randperm", at);
  std::vector<std::int64_t> values(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::int64_t>(i);
  Words words(generator.seed(), generator.draw());
  for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[words.below(i)]);  // Fisher and Yates
  if (n != 0) {
    ops::begin(out, "randperm", at).copy_in(out.impl()->view.data, values.data(), values.size() * sizeof(std::int64_t));
  }
  generator.next_draw();
  return out;
}

}  // namespace weft
