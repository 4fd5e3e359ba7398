#include <weft/data/tensor_bytes.h>

namespace weft {
namespace {

// f of some value of that type.
template <class F>
auto by_type(DType dtype, F&& f) {
  switch (dtype) {
    case DType::float32:
      return f(float{});
    case DType::float64:
      return f(double{});
    case DType::float16:
      return f(float16{});
    case DType::bfloat16:
      return f(bfloat16{});
    case DType::int64:
      return f(std::int64_t{});
    case DType::int32:
      return f(std::int32_t{});
    case DType::uint8:
      return f(std::uint8_t{});
    case DType::boolean:
      break;
  }
  return f(bool{});
}

}  // namespace

std::byte* mutable_bytes_of(Tensor& t) {
  return by_type(t.dtype(), [&](auto type) { return reinterpret_cast<std::byte*>(t.mutable_data<decltype(type)>()); });
}

const std::byte* bytes_of(const Tensor& t) {
  return by_type(t.dtype(), [&](auto type) { return reinterpret_cast<const std::byte*>(t.data<decltype(type)>()); });
}

}  // namespace weft
