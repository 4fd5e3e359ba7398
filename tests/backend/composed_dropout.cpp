#include <weft/core/philox.h>

#include "backend/contract_support.h"

namespace weft::contract_test {
namespace {

using backends::RandomKey;

class ComposedDropout : public OnEveryBackend {};

/// In the precision the contract names: float64 divides in double, everything else in float32, rounded to the dtype.
Array textbook(double p, DType dtype, const RandomKey& key, std::uint64_t base, const Array& x) {
  Array y(x.shape);
  for (std::size_t i = 0; i < y.values.size(); ++i) {
    if (philox_uniform_f32(key.seed, key.draw + base, i) < static_cast<float>(p)) continue;
    const double kept = 1 - p;
    y.values[i] =
        dtype == DType::float64
            ? x.values[i] / kept
            : round_to(dtype, static_cast<double>(static_cast<float>(x.values[i]) / static_cast<float>(kept)));
  }
  return y;
}

TEST_P(ComposedDropout, TheMaskIsTheFloat32StreamForEveryDtypeAndLayout) {
  const RandomKey key{99, 1234567, nullptr};
  for (DType dtype : floating_dtypes) {
    for (const Shape& shape : shapes()) {
      const Array x = random_array(dtype, shape, 161);
      for (double p : {0.0, 0.2, 0.5, 0.9}) {
        const Array want = textbook(p, dtype, key, 0, x);
        for (Layout layout : layouts) {
          for (bool fused : {false, true}) {
            SCOPED_TRACE(std::string(weft::name(dtype)) + to_string(shape) + name(layout) + std::to_string(p) +
                         (fused ? " fused" : ""));
            const Block in(backend(), dtype, x, layout), out(backend(), dtype, shape, after(layout));
            fused ? backend().dropout(p, key, in, out) : backend().Backend::dropout(p, key, in, out);
            // the same bits on every backend (the toy divides in double and rounds twice)
            GetParam() == "toy" ? expect_close(dtype, out.read(), want) : expect_equal(out.read(), want);
          }
        }
      }
    }
  }
}

TEST_P(ComposedDropout, WithPOneNothingIsLeft) {
  for (DType dtype : floating_dtypes) {
    for (bool fused : {false, true}) {
      const Block in(backend(), dtype, random_array(dtype, {300}, 162)), out(backend(), dtype, Shape{300});
      fused ? backend().dropout(1.0, {}, in, out) : backend().Backend::dropout(1.0, {}, in, out);
      expect_equal(out.read(), Array({300}));
    }
  }
}

TEST_P(ComposedDropout, InPlaceAndWithADrawBase) {
  auto* word = static_cast<std::uint64_t*>(backend().allocate(sizeof(std::uint64_t)));
  const std::uint64_t base = 17;
  backend().copy_in(word, &base, sizeof base);
  for (DType dtype : floating_dtypes) {
    for (bool fused : {false, true}) {
      const Array x = random_array(dtype, {21, 40}, 163);
      const Block both(backend(), dtype, x);
      const RandomKey key{5, 6, word};
      fused ? backend().dropout(0.3, key, both, both) : backend().Backend::dropout(0.3, key, both, both);
      const Array want = textbook(0.3, dtype, key, base, x);
      GetParam() == "toy" ? expect_close(dtype, both.read(), want) : expect_equal(both.read(), want);
    }
  }
  backend().free(word, sizeof(std::uint64_t));
}

WEFT_ON_EVERY_BACKEND(ComposedDropout);

}  // namespace
}  // namespace weft::contract_test
