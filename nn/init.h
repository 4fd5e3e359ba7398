#pragma once
// Initial values, written in place and never recorded. Names and formulas as in torch.nn.init.
//
// Each call is one draw of the generator (constant_, zeros_, ones_ none), so the values depend on seed and order of
// calls, not on the backend. Tensors of 16-bit dtypes get the rounded float32 values. All throw DTypeError unless the
// dtype is floating (constant_, zeros_, ones_ take any), AutogradError where the target is a result of recorded
// operations.

#include <cstdint>

#include <weft/core/call_site.h>
#include <weft/core/export.h>
#include <weft/tensor/generator.h>
#include <weft/tensor/tensor.h>

namespace weft::nn::init {

/// Inputs and outputs of one unit: (out, in) for a matrix, times the product of the further extents (a convolution's
/// window). Throws ShapeError (rank_unsupported) below rank 2.
struct Fans {
  std::int64_t in = 0;
  std::int64_t out = 0;
};
WEFT_API Fans fans(const Tensor& weight, CallSite at = CallSite::here());

WEFT_API void constant_(const Tensor& tensor, double value, CallSite at = CallSite::here());
/// Uniform in [low, high). Throws ValueError unless both are finite and low <= high.
WEFT_API void uniform_(const Tensor& tensor, double low = 0, double high = 1,
                       Generator& generator = default_generator(), CallSite at = CallSite::here());
/// Throws ValueError unless both are finite and std >= 0.
WEFT_API void normal_(const Tensor& tensor, double mean = 0, double std = 1, Generator& generator = default_generator(),
                      CallSite at = CallSite::here());

/// Normal, but only between low and high, by the inverse of the distribution function. Computed on the host. Throws
/// ValueError unless all are finite, std > 0, low < high, and the normal distribution has something to give there.
WEFT_API void trunc_normal_(const Tensor& tensor, double mean = 0, double std = 1, double low = -2, double high = 2,
                            Generator& generator = default_generator(), CallSite at = CallSite::here());

WEFT_API void zeros_(const Tensor& tensor, CallSite at = CallSite::here());
WEFT_API void ones_(const Tensor& tensor, CallSite at = CallSite::here());

enum class FanMode : std::uint8_t { fan_in, fan_out };  ///< keeps the variance of the forward or of the backward pass
enum class Nonlinearity : std::uint8_t { linear, sigmoid, tanh, relu, leaky_relu, selu };
/// What keeps variances through a nonlinearity: linear, sigmoid 1; tanh 5/3; relu sqrt(2); leaky_relu
/// sqrt(2 / (1 + a^2)) with slope a; selu 3/4.
WEFT_API double calculate_gain(Nonlinearity nonlinearity, double a = 0.01) noexcept;

/// Uniform in (-b, b), b = gain sqrt(3 / fan): He et al. (2015). Without mode and nonlinearity: fan-in and a leaky ReLU
/// of slope a; a = 0 is the ReLU.
WEFT_API void kaiming_uniform_(const Tensor& tensor, double a = 0, Generator& generator = default_generator(),
                               CallSite at = CallSite::here());
WEFT_API void kaiming_uniform_(const Tensor& tensor, double a, FanMode mode,
                               Nonlinearity nonlinearity = Nonlinearity::leaky_relu,
                               Generator& generator = default_generator(), CallSite at = CallSite::here());
/// Normal with standard deviation gain / sqrt(fan).
WEFT_API void kaiming_normal_(const Tensor& tensor, double a = 0, Generator& generator = default_generator(),
                              CallSite at = CallSite::here());
WEFT_API void kaiming_normal_(const Tensor& tensor, double a, FanMode mode,
                              Nonlinearity nonlinearity = Nonlinearity::leaky_relu,
                              Generator& generator = default_generator(), CallSite at = CallSite::here());
/// Uniform in (-b, b), b = gain sqrt(6 / (fan_in + fan_out)): Glorot and Bengio (2010).
WEFT_API void xavier_uniform_(const Tensor& tensor, double gain = 1, Generator& generator = default_generator(),
                              CallSite at = CallSite::here());
/// Normal with standard deviation gain sqrt(2 / (fan_in + fan_out)).
WEFT_API void xavier_normal_(const Tensor& tensor, double gain = 1, Generator& generator = default_generator(),
                             CallSite at = CallSite::here());

/// (out, ...) flattened to a matrix of out rows: orthonormal rows, or columns where there are more rows, times gain
/// (Saxe et al., 2014). Gram-Schmidt in float64 on the host, of order out^2 times the rest. Throws ShapeError
/// (rank_unsupported) below rank 2, ValueError unless gain is finite.
WEFT_API void orthogonal_(const Tensor& tensor, double gain = 1, Generator& generator = default_generator(),
                          CallSite at = CallSite::here());

}  // namespace weft::nn::init
