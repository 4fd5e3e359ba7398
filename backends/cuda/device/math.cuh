#pragma once
// Private: the functions of core/op_kinds.h that the C library does not have, for float and double, within a few units
// in the last place. Where a function multiplies a number by a function of its square, the rounding of the square is
// carried along: it would grow with the number.

#include <cmath>
#include <type_traits>

#include <weft/backends/cuda/device/device.cuh>

namespace weft::backends::cuda {

template <class C>
__device__ inline C sigmoid(C x) {  // exp never sees a positive argument: no overflow in either tail
  const C e = std::exp(-std::fabs(x));
  return x < 0 ? e / (1 + e) : 1 / (1 + e);
}

template <class C>
__device__ inline C silu(C x) {
  return x < -1000 ? C(0) : x / (1 + std::exp(-x));
}

template <class C>
__device__ inline C softplus(C x, C beta, C threshold) {
  const C u = beta * x;
  if (u > threshold) return x;
  return (std::log1p(std::exp(-std::fabs(u))) + (u > 0 ? u : C(0))) / beta;
}

/// The normal distribution at x >= -200. -x / sqrt(2) is rounded; erfc's derivative makes up for it where it matters.
template <class C>
__device__ inline C normal_distribution(C x) {
  constexpr bool wide = std::is_same_v<C, double>;  // sqrt(1/2) in two parts
  constexpr C high = wide ? static_cast<C>(0x1.6a09e667f3bcdp-1) : static_cast<C>(0x1.6a09e6p-1);
  constexpr C low = wide ? static_cast<C>(-0x1.bdd3413b26456p-55) : static_cast<C>(0x1.9fcef3p-27);
  const C t = -x * high;
  C e = std::erfc(t);
  if (t > C(0.5)) {
    const C rest = std::fma(-x, high, -t) - x * low;
    // erfc(t + rest) = erfc(t) - 2 / sqrt(pi) e^(-t t) rest
    e -= static_cast<C>(1.12837916709551257) * std::exp(-t * t) * rest;
  }
  return e / 2;
}

template <class C>
__device__ inline C gelu(C x) {
  const C v = x < -200 ? C(-200) : x;
  return v * normal_distribution(v);
}

/// Phi(x) + x phi(x)
template <class C>
__device__ inline C gelu_slope(C x) {
  const C v = x < -200 ? C(-200) : x > 200 ? C(200) : x;
  const C square = v * v, rest = std::fma(v, v, -square);
  const C density = std::exp(-square / 2) * (1 - rest / 2) * static_cast<C>(0.398942280401432678);
  return normal_distribution(v) + v * density;
}

/// 2 sqrt(2 / pi) (v + 0.044715 v^3) as a rounded number and what the rounding lost.
struct Exponent {
  float value;
  float rest;
};
__device__ inline Exponent gelu_exponent(float v) {
  const double wide = v, u = 1.5957691216057307117597842 * (wide + 0.044715 * wide * wide * wide);
  const float value = static_cast<float>(u);
  return {value, static_cast<float>(u - static_cast<double>(value))};
}
struct WideExponent {
  double value;
  double rest;
};
__device__ inline WideExponent gelu_exponent(double v) {
  constexpr double c = 0x1.9884533d43651p+0, c_low = -0x1.cbc0d30ebfd15p-54;
  constexpr double k = 0x1.6e4e26d4801f7p-5, k_low = 0x1.441355475a31ap-59;
  const double s = v * v, s_low = std::fma(v, v, -s);
  const double p = k * s, p_low = std::fma(k, s, -p) + k * s_low + k_low * s;
  const double q = 1 + p, q_low = (p > 1 ? (p - q) + 1 : (1 - q) + p) + p_low;  // 1 + k v^2
  const double w = v * q, w_low = std::fma(v, q, -w) + v * q_low;
  const double u = c * w;
  return {u, std::fma(c, w, -u) + c * w_low + c_low * w};
}

template <class C>
__device__ inline C gelu_tanh(C x) {
  const C v = x < -200 ? C(-200) : x;
  if (v > 200) return v;
  const auto u = gelu_exponent(v);
  const C e = std::exp(-u.value) * (1 - u.rest);
  return v / (1 + e);
}

/// s + x s (1 - s) u' with s = 1 / (1 + e^-u)
template <class C>
__device__ inline C gelu_tanh_slope(C x) {
  constexpr C c = static_cast<C>(1.59576912160573071), k = static_cast<C>(0.044715);
  const C v = x < -200 ? C(-200) : x > 200 ? C(200) : x;
  const auto u = gelu_exponent(v);
  const C s = 1 / (1 + std::exp(-u.value) * (1 - u.rest)), rest = 1 / (1 + std::exp(u.value) * (1 + u.rest));
  return s + v * s * rest * c * (1 + 3 * k * v * v);
}

/// s (1 + x (1 - s)) with s = 1 / (1 + e^-x)
template <class C>
__device__ inline C silu_slope(C x) {
  const C v = x < -1000 ? C(-1000) : x > 1000 ? C(1000) : x;
  return (1 + v / (1 + std::exp(v))) / (1 + std::exp(-v));
}

}  // namespace weft::backends::cuda
