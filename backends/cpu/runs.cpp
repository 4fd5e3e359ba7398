#include <weft/backends/cpu/runs.h>

namespace weft::backends::cpu {
namespace {

template <class T>
void collect(const char* p, std::int64_t stride, std::int64_t n, void* out) noexcept {
  const T* from = reinterpret_cast<const T*>(p);
  T* to = static_cast<T*>(out);
  for (std::int64_t i = 0; i < n; ++i) to[i] = from[i * stride];
}

template <class T>
void distribute(const void* in, char* p, std::int64_t stride, std::int64_t n) noexcept {
  const T* from = static_cast<const T*>(in);
  T* to = reinterpret_cast<T*>(p);
  for (std::int64_t i = 0; i < n; ++i) to[i * stride] = from[i];
}

}  // namespace

void widen(DType dtype, const void* in, float* out, std::int64_t n) noexcept {
  const ConvertKernels& convert = *kernels().convert;
  const std::uint16_t* from = static_cast<const std::uint16_t*>(in);
  if (dtype == DType::float16) {
    convert.half_to_float(from, out, n);
  } else {
    convert.brain_to_float(from, out, n);
  }
}

void narrow(DType dtype, const float* in, void* out, std::int64_t n) noexcept {
  const ConvertKernels& convert = *kernels().convert;
  std::uint16_t* to = static_cast<std::uint16_t*>(out);
  if (dtype == DType::float16) {
    convert.float_to_half(in, to, n);
  } else {
    convert.float_to_brain(in, to, n);
  }
}

Fetched fetch(DType dtype, const char* p, std::int64_t stride, std::int64_t n, Buffer& buffer, Repeat repeat) noexcept {
  const bool single = stride == 0 && repeat == Repeat::one;
  if (is_native_float(dtype)) {
    if (stride == 1 || single) return {p, stride};
    if (dtype == DType::float64) {
      collect<double>(p, stride, n, buffer.bytes);
    } else {
      collect<float>(p, stride, n, buffer.bytes);
    }
    return {buffer.bytes, 1};
  }
  float* wide = reinterpret_cast<float*>(buffer.bytes);
  if (single) {
    widen(dtype, p, wide, 1);
    return {wide, 0};
  }
  if (stride == 1) {
    widen(dtype, p, wide, n);
  } else {
    std::uint16_t packed[buffer_elements];
    collect<std::uint16_t>(p, stride, n, packed);
    widen(dtype, packed, wide, n);
  }
  return {wide, 1};
}

void put(DType dtype, const void* values, char* p, std::int64_t stride, std::int64_t n) noexcept {
  if (dtype == DType::float64) return distribute<double>(values, p, stride, n);
  if (dtype == DType::float32) return distribute<float>(values, p, stride, n);
  const float* wide = static_cast<const float*>(values);
  if (stride == 1) return narrow(dtype, wide, p, n);
  std::uint16_t packed[buffer_elements];
  narrow(dtype, wide, packed, n);
  distribute<std::uint16_t>(packed, p, stride, n);
}

}  // namespace weft::backends::cpu
