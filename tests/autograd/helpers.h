#pragma once
// What the autograd tests share: float64 leaves on serial, and an assertion on the kind of error.

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <weft/autograd/functions.h>
#include <weft/autograd/grad.h>
#include <weft/core/error.h>

namespace weft::testing_autograd {

inline TensorOptions f64() { return {serial(), DType::float64}; }

/// Normal numbers, the same for every run.
inline Tensor normal(const Shape& shape, std::uint64_t seed = 1) {
  Generator generator(seed);
  return randn(shape, f64(), generator);
}
inline Tensor leaf(const Shape& shape, std::uint64_t seed = 1) { return normal(shape, seed).requires_grad_(); }
inline Tensor leaf_of(std::initializer_list<double> values) { return tensor(values, f64()).requires_grad_(); }
inline Tensor number(double value) { return scalar(value, f64()); }

inline std::vector<double> values(const Tensor& x) { return x.to_vector<double>(); }
using Values = std::vector<double>;

/// Runs fn, expects an error of type E with this code whose text contains every one of `words`.
template <class E, class Fn>
void expect_error(Fn&& fn, ErrorCode code, std::initializer_list<const char*> words = {}) {
  try {
    std::forward<Fn>(fn)();
  } catch (const E& e) {
    EXPECT_EQ(to_string(e.code()), std::string(to_string(code))) << e.what();
    for (const char* word : words)
      EXPECT_NE(std::string(e.what()).find(word), std::string::npos) << word << " in: " << e.what();
    return;
  } catch (const std::exception& e) {
    ADD_FAILURE() << "another kind of error: " << e.what();
    return;
  }
  ADD_FAILURE() << "nothing was thrown, expected " << to_string(code);
}

}  // namespace weft::testing_autograd
