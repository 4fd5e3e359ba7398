#pragma once
// What the tests of this folder share: the backends they run on, and what an error must look like. tensor/ is tested
// through the families of ops.h, without the recording functions above it.

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "tensor/strict_backend.h"

#include <weft/backends/registry.h>
#include <weft/core/error.h>
#include <weft/tensor/creation.h>
#include <weft/tensor/ops.h>
#include <weft/tensor/tensor.h>
#include <weft/tensor/tensor_impl.h>

namespace weft::testing {

class OnEveryBackend : public ::testing::TestWithParam<Device> {
 protected:
  void SetUp() override {
    const std::string why_not = backends::why_unavailable(device());
    if (!why_not.empty()) GTEST_SKIP() << why_not;
  }
  static Device device() { return GetParam(); }
  static TensorOptions on(DType dtype = DType::float32) { return {device(), dtype}; }

  /// 0, 1, 2, ... in the shape given.
  static Tensor counted(const Shape& shape, DType dtype = DType::float32) {
    std::vector<double> values(static_cast<std::size_t>(shape.numel()));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i);
    const Tensor wide = from_vector(values, shape, device());
    return dtype == DType::float64 ? wide : ops::cast(wide, dtype, "cast", CallSite::here());
  }
  static Tensor floats(std::initializer_list<float> values, const Shape& shape) {
    return from_vector(std::vector<float>(values), shape, device());
  }
};

inline std::string device_name(const ::testing::TestParamInfo<Device>& info) { return name(info.param.kind); }

#define WEFT_ON_EVERY_BACKEND(Suite) \
  INSTANTIATE_TEST_SUITE_P(Backends, Suite, ::testing::Values(serial(), cpu(), strict()), weft::testing::device_name)

using Floats = std::vector<float>;
using Ints = std::vector<std::int64_t>;
using Bools = std::vector<bool>;

inline Floats values(const Tensor& x) { return x.to_vector<float>(); }

/// Calls f and checks type, code, the words of the message and that it names this file.
template <class Expected, class F>
void expect_error(ErrorCode code, std::initializer_list<std::string_view> words, F f) {
  try {
    f();
  } catch (const Expected& error) {
    EXPECT_EQ(error.code(), code) << to_string(error.code()) << " instead of " << to_string(code) << ": "
                                  << error.what();
    const std::string_view text = error.what();
    for (std::string_view word : words) {
      EXPECT_NE(text.find(word), std::string_view::npos) << "\"" << word << "\" is not in: " << text;
    }
    return;
  } catch (const std::exception& error) {
    ADD_FAILURE() << "another type of exception: " << error.what();
    return;
  }
  ADD_FAILURE() << "nothing was thrown, expected " << to_string(code);
}

inline const CallSite here = {"user.cpp", 7};

}  // namespace weft::testing
