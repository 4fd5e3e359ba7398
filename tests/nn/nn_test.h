#pragma once
// What the tests of nn/ share.

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include <weft/backends/registry.h>
#include <weft/core/error.h>
#include <weft/tensor/tensor.h>

namespace weft::test {

/// The message of the E that `act` throws; a failure when it throws nothing, another type or another code.
template <class E, class Act>
std::string error_of(Act&& act, ErrorCode code) {
  try {
    act();
  } catch (const E& error) {
    EXPECT_EQ(to_string(error.code()), std::string(to_string(code))) << error.what();
    return error.what();
  } catch (const std::exception& other) {
    ADD_FAILURE() << "another error: " << other.what();
    return {};
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

/// serial, cpu, and cuda where there is one (or its stand-in).
inline std::vector<Device> devices_here() {
  std::vector<Device> devices = {serial(), cpu()};
  if (backends::is_available(cuda())) devices.push_back(cuda());
  return devices;
}

/// The elements as bytes, in row-major order.
inline std::string bytes_of(const Tensor& tensor) {
  const auto pack = [](const auto& values) {
    return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(values[0]));
  };
  switch (tensor.dtype()) {
    case DType::float32:
      return pack(tensor.to_vector<float>());
    case DType::float64:
      return pack(tensor.to_vector<double>());
    case DType::int64:
      return pack(tensor.to_vector<std::int64_t>());
    default:
      ADD_FAILURE() << "bytes_of: " << name(tensor.dtype());
      return {};
  }
}

inline bool same_bytes(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() && bytes_of(a) == bytes_of(b);
}

}  // namespace weft::test
