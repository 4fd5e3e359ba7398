#pragma once
// Making tensors. Shapes are checked (ShapeError: negative extents, rank over 8, overflow); nothing here records
// gradients.

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <vector>

#include <weft/tensor/generator.h>
#include <weft/tensor/tensor.h>

namespace weft {

/// Where and in which dtype: zeros({3}), zeros({3}, cuda()), zeros({3}, DType::int64), zeros({3}, {cuda(),
/// DType::int64}).
struct TensorOptions {
  Device device = cpu();
  DType dtype = DType::float32;

  constexpr TensorOptions() = default;
  constexpr TensorOptions(Device d) : device(d) {}  // NOLINT(google-explicit-constructor)
  constexpr TensorOptions(DType t) : dtype(t) {}    // NOLINT(google-explicit-constructor)
  constexpr TensorOptions(Device d, DType t) : device(d), dtype(t) {}
};

WEFT_API Tensor empty(const Shape& shape, TensorOptions options = {}, CallSite at = CallSite::here());
WEFT_API Tensor zeros(const Shape& shape, TensorOptions options = {}, CallSite at = CallSite::here());
WEFT_API Tensor ones(const Shape& shape, TensorOptions options = {}, CallSite at = CallSite::here());
WEFT_API Tensor full(const Shape& shape, backends::Number value, TensorOptions options = {},
                     CallSite at = CallSite::here());
WEFT_API Tensor scalar(backends::Number value, TensorOptions options = {}, CallSite at = CallSite::here());  ///< rank 0
WEFT_API Tensor eye(std::int64_t n, TensorOptions options = {}, CallSite at = CallSite::here());
WEFT_API Tensor eye(std::int64_t rows, std::int64_t columns, TensorOptions options = {},
                    CallSite at = CallSite::here());
/// start, start + step, ... below stop. The count is ceil((stop - start) / step); step 0 or of the wrong sign throws.
WEFT_API Tensor arange(double start, double stop, double step = 1, TensorOptions options = {},
                       CallSite at = CallSite::here());
WEFT_API Tensor arange(double stop, TensorOptions options = {}, CallSite at = CallSite::here());  ///< from 0, step 1
/// `count` numbers from start to stop, both included, evenly apart. Each is formed from the end it is nearer to, so
/// that the last is stop itself.
WEFT_API Tensor linspace(double start, double stop, std::int64_t count, TensorOptions options = {},
                         CallSite at = CallSite::here());
WEFT_API Tensor empty_like(const Tensor& other, CallSite at = CallSite::here());
WEFT_API Tensor zeros_like(const Tensor& other, CallSite at = CallSite::here());
WEFT_API Tensor ones_like(const Tensor& other, CallSite at = CallSite::here());
WEFT_API Tensor full_like(const Tensor& other, backends::Number value, CallSite at = CallSite::here());

/// Row-major host data, copied; the dtype is T's. T: float, double, float16, bfloat16, int64_t, int32_t, uint8_t, bool.
template <class T>
WEFT_API Tensor from_data(const T* data, const Shape& shape, Device device = cpu(), CallSite at = CallSite::here());
/// As from_data; throws ShapeError unless values.size() is the shape's element count.
template <class T>
WEFT_API Tensor from_vector(const std::vector<T>& values, const Shape& shape, Device device = cpu(),
                            CallSite at = CallSite::here());
/// A tensor in memory of the caller's, row-major, without a copy; on `serial` or `cpu` (DeviceError elsewhere: use
/// from_data). The memory must be aligned for the dtype (ValueError), hold 0 or 1 in every byte of a bool, and stay
/// until the tensor and all its views are gone; then `deleter`, if there is one, is called once with `data`, on the
/// thread that let go last; it must not throw. When from_blob throws, the memory is still the caller's and the deleter
/// is not called. What the caller writes to the memory by itself does not count as a write: version() does not see it.
/// Inside capture() StateError: make the tensor before.
WEFT_API Tensor from_blob(void* data, const Shape& shape, TensorOptions options = {},
                          std::function<void(void*)> deleter = {}, CallSite at = CallSite::here());
/// tensor({1, 2, 3}) is a float32 vector of 3.
WEFT_API Tensor tensor(std::initializer_list<double> values, TensorOptions options = {},
                       CallSite at = CallSite::here());

// Random tensors. One call is one draw of the generator; element i of draw d is the same number on every backend.
WEFT_API Tensor rand(const Shape& shape, TensorOptions options = {}, Generator& generator = default_generator(),
                     CallSite at = CallSite::here());  ///< uniform in [0, 1)
WEFT_API Tensor randn(const Shape& shape, TensorOptions options = {}, Generator& generator = default_generator(),
                      CallSite at = CallSite::here());  ///< normal, mean 0, variance 1
WEFT_API Tensor rand_like(const Tensor& other, Generator& generator = default_generator(),
                          CallSite at = CallSite::here());
WEFT_API Tensor randn_like(const Tensor& other, Generator& generator = default_generator(),
                           CallSite at = CallSite::here());
/// low + (high - low) u, u as rand() gives it, rounded twice: where the dtype is coarse, high itself can come out.
WEFT_API Tensor uniform(const Shape& shape, double low, double high, TensorOptions options = {},
                        Generator& generator = default_generator(), CallSite at = CallSite::here());
/// Integers low .. high - 1; int64 unless options say otherwise. low + floor(u (high - low)) with a float64 uniform u
/// of 53 bits: with n values, no two probabilities differ by more than 2^-53, a share of n 2^-53 of each. n is at most
/// 2^53.
WEFT_API Tensor randint(std::int64_t low, std::int64_t high, const Shape& shape, TensorOptions options = DType::int64,
                        Generator& generator = default_generator(), CallSite at = CallSite::here());
/// A permutation of 0 .. n-1 (int64), made on the host and copied to the device: Fisher and Yates' shuffle from the
/// end, with unbiased integers (Lemire's method) from the 64-bit words of one draw. The same on every machine and
/// backend.
WEFT_API Tensor randperm(std::int64_t n, Device device = cpu(), Generator& generator = default_generator(),
                         CallSite at = CallSite::here());

/// 1 with the probability at each element, else 0, in the dtype of `probabilities`, which is floating: u < p with the
/// uniform float32 stream of rand() (float64 for float64). Probabilities outside 0 .. 1 are refused (ValueError), for
/// which they are looked at on the host; inside capture() they are not. No gradient.
WEFT_API Tensor bernoulli(const Tensor& probabilities, Generator& generator = default_generator(),
                          CallSite at = CallSite::here());
/// `samples` categories (int64) for each row of weights (categories) or (rows, categories): the weights of a row are
/// finite, not negative, and need not add up to 1. Without replacement, categories come in the order in which they
/// would be drawn one after the other, and a row needs as many positive weights as samples. Made on the host, like
/// randperm: the same categories on every machine and backend (sampling.cpp names the algorithms).
WEFT_API Tensor multinomial(const Tensor& weights, std::int64_t samples, bool replacement = false,
                            Generator& generator = default_generator(), CallSite at = CallSite::here());

}  // namespace weft
