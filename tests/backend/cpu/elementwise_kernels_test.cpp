// Elementwise kernels on every instruction set: an element's bits depend on its value alone.

#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <type_traits>

#include <weft/core/subnormals.h>

#include "support.h"

namespace weft::cpu_test {
namespace {

using backends::cpu::BinaryKernel;
using backends::cpu::ElementwiseKernels;
using backends::cpu::UnaryKernel;

template <class T>
const ElementwiseKernels& elementwise_of(const Kernels& k) {
  return sizeof(T) == 8 ? *k.elementwise_float64 : *k.elementwise_float32;
}

/// The parameters of those functions that take any.
constexpr double slope = 0.75, threshold = 20;

template <class T>
constexpr T inf = std::numeric_limits<T>::infinity();
template <class T>
constexpr T nan = std::numeric_limits<T>::quiet_NaN();

/// Ordinary numbers, and everything a formula may stumble over.
template <class T>
std::vector<T> interesting() {
  std::vector<T> x = {0,
                      -T(0),
                      1,
                      -1,
                      T(0.5),
                      T(-0.625),
                      T(0.625),
                      inf<T>,
                      -inf<T>,
                      nan<T>,
                      T(88.5),
                      T(-87),
                      T(100),
                      T(-100),
                      T(1e-30),
                      T(-1e-30),
                      T(1e30),
                      T(710),
                      T(-709),
                      T(3),
                      T(-3),
                      T(9.5),
                      T(-9.5),
                      T(20),
                      std::numeric_limits<T>::max(),
                      std::numeric_limits<T>::min(),
                      T(1e-5),
                      T(2.5),
                      T(-1.5),
                      T(4503599627370495.5),
                      T(8388607.5),
                      T(1234567)};
  for (const T value : numbers<T>(200, 3)) x.push_back(value * 3);
  return x;
}

/// f(n, at, out) applies a kernel to elements [at, at + n); all elements at once are compared with every short range.
template <class Out, class F>
void position_does_not_matter(std::int64_t size, F f, const std::string& what) {
  std::vector<Out> all(static_cast<std::size_t>(size));
  f(size, 0, all.data());
  for (std::int64_t at = 0; at < size; at += 7) {
    for (const std::int64_t n : {1, 2, 15, 16, 17, 33}) {
      if (at + n > size) continue;
      Guarded<Out> some(n, at % 5);
      f(n, at, some.data());
      ASSERT_EQ(different(some.data(), all.data() + at, n), 0) << what << " n " << n << " at " << at;
      ASSERT_TRUE(some.unharmed()) << what << " n " << n;
    }
  }
}

template <class T>
void unary_positions() {
  const std::vector<T> x = interesting<T>();
  for (const Kernels* set : all_sets()) {
    for (int op = 0; op < unary_op_count; ++op) {
      const UnaryKernel kernel = elementwise_of<T>(*set).unary[op];
      if (kernel == nullptr) continue;
      position_does_not_matter<T>(
          static_cast<std::int64_t>(x.size()),
          [&](std::int64_t n, std::int64_t at, T* out) { kernel(x.data() + at, out, n, slope, threshold); },
          std::string(set->isa) + " " + name(static_cast<UnaryOp>(op)));
      std::vector<T> apart(x.size()), in_place = x;
      kernel(x.data(), apart.data(), static_cast<std::int64_t>(x.size()), slope, threshold);
      kernel(in_place.data(), in_place.data(), static_cast<std::int64_t>(x.size()), slope, threshold);
      EXPECT_EQ(different(apart, in_place), 0) << set->isa << " in place " << op;
    }
  }
}

TEST(ElementwiseKernels, UnaryBitsDependOnTheValueAlone) {
  unary_positions<float>();
  unary_positions<double>();
}

template <class T, class Out>
void binary_positions(int op) {
  const std::vector<T> x = interesting<T>();
  const std::int64_t size = static_cast<std::int64_t>(x.size());
  std::vector<T> y(x.rbegin(), x.rend());
  for (std::size_t i = 0; i < y.size(); i += 4) y[i] = x[i];  // equal ones
  for (const Kernels* set : all_sets()) {
    const BinaryKernel kernel = elementwise_of<T>(*set).binary[op];
    if (kernel == nullptr) continue;
    const std::string what = std::string(set->isa) + " " + name(static_cast<BinaryOp>(op));
    position_does_not_matter<Out>(
        size, [&](std::int64_t n, std::int64_t at, Out* out) { kernel(x.data() + at, 1, y.data() + at, 1, out, n); },
        what);
    // one element for all, on either side or both
    for (std::int64_t n : {1, 5, 16, 40}) {
      const std::vector<T> left(static_cast<std::size_t>(n), x[30]), right(static_cast<std::size_t>(n), y[31]);
      std::vector<Out> expected(static_cast<std::size_t>(n)), got(expected.size());
      kernel(x.data(), 1, right.data(), 1, expected.data(), n);
      kernel(x.data(), 1, y.data() + 31, 0, got.data(), n);
      EXPECT_EQ(different(got, expected), 0) << what;
      kernel(left.data(), 1, y.data(), 1, expected.data(), n);
      kernel(x.data() + 30, 0, y.data(), 1, got.data(), n);
      EXPECT_EQ(different(got, expected), 0) << what;
      kernel(left.data(), 1, right.data(), 1, expected.data(), n);
      kernel(x.data() + 30, 0, y.data() + 31, 0, got.data(), n);
      EXPECT_EQ(different(got, expected), 0) << what;
    }
  }
}

TEST(ElementwiseKernels, BinaryBitsDependOnTheValuesAlone) {
  for (int op = 0; op < binary_op_count; ++op) {
    if (writes_bool(static_cast<BinaryOp>(op))) {
      binary_positions<float, std::uint8_t>(op);
      binary_positions<double, std::uint8_t>(op);
    } else {
      binary_positions<float, float>(op);
      binary_positions<double, double>(op);
    }
  }
}

/// What is correctly rounded is checked to the bit (a NaN only has to be one), with the compiler's own arithmetic.
template <class T>
bool agrees(T got, T expected) {
  return same_bits(got, expected) || (got != got && expected != expected);
}

template <class T>
void exact_functions() {
  const std::vector<T> x = interesting<T>();
  std::vector<T> y(x.rbegin(), x.rend());
  const std::int64_t n = static_cast<std::int64_t>(x.size());
  for (std::size_t i = 0; i < y.size(); i += 4) y[i] = x[i];
  for (const Kernels* set : all_sets()) {
    const auto unary = [&](UnaryOp op, T (*f)(T)) {
      std::vector<T> out(x.size());
      elementwise_of<T>(*set).unary[static_cast<int>(op)](x.data(), out.data(), n, slope, threshold);
      for (std::size_t i = 0; i < x.size(); ++i) {
        EXPECT_TRUE(agrees(out[i], f(x[i]))) << set->isa << " " << name(op) << "(" << x[i] << ") = " << out[i];
      }
    };
    unary(UnaryOp::neg, [](T a) { return -a; });
    unary(UnaryOp::abs, [](T a) { return std::fabs(a); });
    unary(UnaryOp::sign, [](T a) { return a > 0 ? T(1) : a < 0 ? T(-1) : a == 0 ? T(0) : a; });
    unary(UnaryOp::sqrt, [](T a) { return std::sqrt(a); });
    unary(UnaryOp::relu, [](T a) { return a <= 0 ? T(0) : a; });
    unary(UnaryOp::rsqrt, [](T a) { return 1 / std::sqrt(a); });
    unary(UnaryOp::floor, [](T a) { return std::floor(a); });
    unary(UnaryOp::ceil, [](T a) { return std::ceil(a); });
    unary(UnaryOp::round, [](T a) { return std::nearbyint(a); });
    unary(UnaryOp::leaky_relu, [](T a) { return a > 0 ? a : a * T(slope); });
    const auto binary = [&](BinaryOp op, T (*f)(T, T)) {
      std::vector<T> out(x.size());
      elementwise_of<T>(*set).binary[static_cast<int>(op)](x.data(), 1, y.data(), 1, out.data(), n);
      for (std::size_t i = 0; i < x.size(); ++i) {
        EXPECT_TRUE(agrees(out[i], f(x[i], y[i]))) << set->isa << " " << name(op) << "(" << x[i] << ", " << y[i] << ")";
      }
    };
    binary(BinaryOp::add, [](T a, T b) { return a + b; });
    binary(BinaryOp::sub, [](T a, T b) { return a - b; });
    binary(BinaryOp::mul, [](T a, T b) { return a * b; });
    binary(BinaryOp::div, [](T a, T b) { return a / b; });
    binary(BinaryOp::maximum, [](T a, T b) { return a > b || a != a ? a : b; });
    binary(BinaryOp::minimum, [](T a, T b) { return a < b || a != a ? a : b; });
    binary(BinaryOp::relu_backward, [](T a, T b) { return b > 0 ? a : T(0); });
    binary(BinaryOp::tanh_backward, [](T a, T b) {
      const volatile T square = b * b;
      return a * (1 - square);
    });
    binary(BinaryOp::sigmoid_backward, [](T a, T b) { return a * b * (1 - b); });
    const auto compare = [&](BinaryOp op, bool (*f)(T, T)) {
      std::vector<std::uint8_t> out(x.size());
      elementwise_of<T>(*set).binary[static_cast<int>(op)](x.data(), 1, y.data(), 1, out.data(), n);
      for (std::size_t i = 0; i < x.size(); ++i) {
        EXPECT_EQ(out[i], f(x[i], y[i]) ? 1 : 0) << set->isa << " " << name(op) << "(" << x[i] << ", " << y[i] << ")";
      }
    };
    compare(BinaryOp::eq, [](T a, T b) { return a == b; });
    compare(BinaryOp::ne, [](T a, T b) { return a != b; });
    compare(BinaryOp::lt, [](T a, T b) { return a < b; });
    compare(BinaryOp::le, [](T a, T b) { return a <= b; });
    compare(BinaryOp::gt, [](T a, T b) { return a > b; });
    compare(BinaryOp::ge, [](T a, T b) { return a >= b; });
  }
}

TEST(ElementwiseKernels, ArithmeticIsCorrectlyRoundedAndFollowsTheNanRules) {
  exact_functions<float>();
  exact_functions<double>();
}

/// |got - expected| in units in the last place of expected.
template <class T>
double units(T got, long double exact) {
  const T expected = static_cast<T>(exact);
  if (got == expected || (got != got && expected != expected)) return 0;
  if (!std::isfinite(got) || !std::isfinite(expected)) return 1e9;
  const T magnitude = std::fabs(expected);
  return static_cast<double>(std::fabs(static_cast<long double>(got) - exact)) /
         static_cast<double>(std::nextafter(magnitude, inf<T>) - magnitude);
}

/// Over a range and over the special values; results below the smallest normal number may be flushed to zero.
template <class T>
void transcendental(UnaryOp op, long double (*exact)(long double), T low, T high, double limit,
                    bool everywhere = false) {
  std::vector<T> x = interesting<T>();
  for (int i = 0; i <= 20000; ++i) x.push_back(low + (high - low) * static_cast<T>(i) / 20000);
  if (everywhere) {  // every exponent, some hundred fractions of each
    using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    constexpr Bits step = sizeof(T) == 4 ? 40961 : 0x1000000000001 / 3;
    for (Bits bits = 0; bits < std::numeric_limits<Bits>::max() - step; bits += step) {
      T value;
      std::memcpy(&value, &bits, sizeof value);
      if (std::isnormal(value)) x.push_back(value);
    }
  }
  for (const Kernels* set : all_sets()) {
    std::vector<T> y(x.size());
    {
      const FlushSubnormals flush;  // as the backend runs them: exp(-infinity) is 0 that way
      elementwise_of<T>(*set).unary[static_cast<int>(op)](x.data(), y.data(), static_cast<std::int64_t>(x.size()),
                                                          slope, threshold);
    }
    double worst = 0;
    int compared = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const long double expected = exact(static_cast<long double>(x[i]));
      if (std::fabs(expected) < static_cast<long double>(std::numeric_limits<T>::min()) && y[i] == 0) continue;
      // silu is flushed a little earlier: its logistic factor falls below the smallest number before x times it does
      const auto smallest = static_cast<long double>(std::numeric_limits<T>::min());
      if (op == UnaryOp::silu && std::fabs(expected) < 1000 * smallest && std::fabs(y[i]) < 1000 * smallest) continue;
      ++compared;
      const double error = units(y[i], expected);
      worst = std::max(worst, error);
      ASSERT_LE(error, limit) << set->isa << " " << name(op) << "(" << x[i] << ") = " << y[i];
    }
    EXPECT_GT(compared, 5000) << "the check saw nothing";
    std::printf("%-8s %-9s float%d within %.3f units\n", set->isa, name(op), static_cast<int>(8 * sizeof(T)), worst);
  }
}

long double logistic(long double x) { return 1 / (1 + std::exp(-x)); }

TEST(ElementwiseKernels, FunctionsAreWithinAFewUnitsInTheLastPlace) {
  transcendental<float>(UnaryOp::exp, std::exp, -87.0f, 88.7f, 1.5);
  transcendental<float>(UnaryOp::log, std::log, 1e-3f, 50.0f, 1.5);
  transcendental<float>(UnaryOp::tanh, std::tanh, -10.0f, 10.0f, 2.0);
  transcendental<float>(UnaryOp::sigmoid, logistic, -80.0f, 80.0f, 3.0);
  transcendental<double>(UnaryOp::exp, std::exp, -708.0, 709.7, 2.5);
  transcendental<double>(UnaryOp::log, std::log, 1e-3, 50.0, 1.5);
  transcendental<double>(UnaryOp::tanh, std::tanh, -20.0, 20.0, 2.5);
  transcendental<double>(UnaryOp::sigmoid, logistic, -700.0, 700.0, 4.0);
}

long double gelu(long double x) { return x < -10000 ? 0 : x / 2 * std::erfc(-x / std::sqrt(2.0L)); }
long double gelu_tanh(long double x) {
  if (x < -10000) return 0;
  return x / (1 + std::exp(-2 * std::sqrt(2 / std::acos(-1.0L)) * (x + 0.044715L * x * x * x)));
}
long double silu(long double x) { return x < -11000 ? 0 : x / (1 + std::exp(-x)); }
long double elu(long double x) { return x > 0 ? x : static_cast<long double>(slope) * std::expm1(x); }
long double softplus(long double x) {
  const long double u = static_cast<long double>(slope) * x;
  return u > static_cast<long double>(threshold)
             ? x
             : (std::log1p(std::exp(-std::fabs(u))) + (u > 0 ? u : 0)) / static_cast<long double>(slope);
}

// The limits docs/numerics.md states.
TEST(ElementwiseKernels, TheWiderSetIsAccurateNearZeroAndInTheTails) {
  transcendental<float>(UnaryOp::expm1, std::expm1, -20.0f, 88.7f, 0.52, true);
  transcendental<float>(UnaryOp::log1p, std::log1p, -0.99f, 50.0f, 0.52, true);
  transcendental<float>(UnaryOp::sin, std::sin, -400.0f, 400.0f, 1.0, true);
  transcendental<float>(UnaryOp::cos, std::cos, -400.0f, 400.0f, 1.0, true);
  transcendental<float>(UnaryOp::erf, std::erf, -5.0f, 5.0f, 0.6, true);
  transcendental<float>(UnaryOp::gelu, gelu, -14.0f, 10.0f, 0.6, true);
  transcendental<float>(UnaryOp::gelu_tanh, gelu_tanh, -10.0f, 10.0f, 0.6, true);
  transcendental<float>(UnaryOp::silu, silu, -80.0f, 20.0f, 4.0, true);
  transcendental<float>(UnaryOp::elu, elu, -20.0f, 2.0f, 1.5, true);
  transcendental<float>(UnaryOp::softplus, softplus, -100.0f, 40.0f, 0.6, true);
  transcendental<double>(UnaryOp::expm1, std::expm1, -40.0, 709.7, 1.0, true);
  transcendental<double>(UnaryOp::log1p, std::log1p, -0.99, 50.0, 1.0, true);
  transcendental<double>(UnaryOp::sin, std::sin, -400.0, 400.0, 1.0, true);
  transcendental<double>(UnaryOp::cos, std::cos, -400.0, 400.0, 1.0, true);
  transcendental<double>(UnaryOp::erf, std::erf, -6.0, 6.0, 1.1, true);
  transcendental<double>(UnaryOp::gelu, gelu, -37.0, 10.0, 8.0, true);
  transcendental<double>(UnaryOp::gelu_tanh, gelu_tanh, -3.0, 10.0, 40.0);
  transcendental<double>(UnaryOp::silu, silu, -700.0, 20.0, 5.0, true);
  transcendental<double>(UnaryOp::elu, elu, -40.0, 2.0, 1.5, true);
  transcendental<double>(UnaryOp::softplus, softplus, -700.0, 40.0, 4.0, true);
}

TEST(ElementwiseKernels, WideVectorsHaveTheBitsOfAvx2) {
  const std::vector<const Kernels*> sets = all_sets();
  if (sets.size() < 3) GTEST_SKIP() << "this machine has no AVX-512";
  const std::vector<float> x = interesting<float>();
  for (int op = 0; op < unary_op_count; ++op) {
    if (sets[1]->elementwise_float32->unary[op] == nullptr) continue;
    std::vector<float> narrow(x.size()), wide(x.size());
    sets[1]->elementwise_float32->unary[op](x.data(), narrow.data(), static_cast<std::int64_t>(x.size()), slope,
                                            threshold);
    sets[2]->elementwise_float32->unary[op](x.data(), wide.data(), static_cast<std::int64_t>(x.size()), slope,
                                            threshold);
    for (std::size_t i = 0; i < x.size(); ++i) {
      EXPECT_TRUE(agrees(narrow[i], wide[i])) << name(static_cast<UnaryOp>(op)) << "(" << x[i] << ")";
    }
  }
}

}  // namespace
}  // namespace weft::cpu_test
