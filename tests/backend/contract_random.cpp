#include <weft/core/philox.h>

#include "backend/contract_support.h"

namespace weft::contract_test {
namespace {

using backends::RandomKey;

class ContractRandom : public OnEveryBackend {};

/// Element i of the stream as the dtype holds it.
double textbook(RandomKind kind, DType dtype, std::uint64_t seed, std::uint64_t draw, std::uint64_t i) {
  switch (kind) {
    case RandomKind::bits: {
      const std::uint32_t word = philox_bits(seed, draw, i);
      if (dtype == DType::int64) return static_cast<double>(word);
      if (dtype == DType::int32) return static_cast<double>(static_cast<std::int32_t>(word));
      return static_cast<double>(word & 0xFF);
    }
    case RandomKind::uniform:
      return dtype == DType::float64 ? philox_uniform_f64(seed, draw, i)
                                     : round_to(dtype, static_cast<double>(philox_uniform_f32(seed, draw, i)));
    case RandomKind::normal:
      return dtype == DType::float64 ? philox_normal_f64(seed, draw, i)
                                     : round_to(dtype, static_cast<double>(philox_normal_f32(seed, draw, i)));
  }
  return 0;
}

Array textbook(RandomKind kind, DType dtype, std::uint64_t seed, std::uint64_t draw, const Shape& shape) {
  Array out(shape);
  for (std::size_t i = 0; i < out.values.size(); ++i) out.values[i] = textbook(kind, dtype, seed, draw, i);
  return out;
}

template <class F>
void for_each_stream(F f) {
  for (RandomKind kind : {RandomKind::uniform, RandomKind::normal}) {
    for (DType dtype : floating_dtypes) f(kind, dtype);
  }
  for (DType dtype : integer_dtypes) f(RandomKind::bits, dtype);
}

TEST_P(ContractRandom, TheStreamIsPhiloxForEveryShapeAndLayout) {
  for_each_stream([&](RandomKind kind, DType dtype) {
    for (const Shape& shape : shapes()) {
      const Array want = textbook(kind, dtype, 0x123456789ABCDEF0u, 42, shape);
      for (Layout layout : layouts) {
        SCOPED_TRACE(std::string(weft::name(dtype)) + to_string(shape) + name(layout));
        const Block out(backend(), dtype, shape, layout);
        backend().random(kind, {0x123456789ABCDEF0u, 42, nullptr}, out);
        expect_equal(out.read(), want);
      }
    }
  });
}

TEST_P(ContractRandom, DrawBaseIsAddedToTheDraw) {
  auto* word = static_cast<std::uint64_t*>(backend().allocate(sizeof(std::uint64_t)));
  const std::uint64_t base = (std::uint64_t{1} << 33) + 5;
  backend().copy_in(word, &base, sizeof base);
  for_each_stream([&](RandomKind kind, DType dtype) {
    const Block out(backend(), dtype, Shape{257});
    backend().random(kind, {7, 3, word}, out);
    expect_equal(out.read(), textbook(kind, dtype, 7, base + 3, Shape{257}));
  });
  backend().free(word, sizeof(std::uint64_t));
}

WEFT_ON_EVERY_BACKEND(ContractRandom);

}  // namespace
}  // namespace weft::contract_test
