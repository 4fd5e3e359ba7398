#include <weft/core/error.h>

#include "backend/contract_support.h"

// Convolution and pooling are in the contract and come with the next release: until then they say so.

namespace weft::contract_test {
namespace {

class ContractNotBuilt : public OnEveryBackend {};

template <class F>
void expect_not_built(Backend& backend, const char* op, F f) {
  backend.tag({op, "net.cpp", 5});
  try {
    f();
    ADD_FAILURE() << op << " ran";
  } catch (const StateError& error) {
    EXPECT_EQ(error.code(), ErrorCode::not_built);
    EXPECT_NE(std::string(error.what()).find(op), std::string::npos) << error.what();
  }
  backend.tag({});
}

TEST_P(ContractNotBuilt, ConvolutionAndPooling) {
  const Block x(backend(), DType::float32, Array({1, 1, 4, 4}, 1)),
      w(backend(), DType::float32, Array({1, 1, 3, 3}, 1));
  const Block y(backend(), DType::float32, Shape{1, 1, 2, 2}), index(backend(), DType::int64, Shape{1, 1, 2, 2});
  const backends::ConvGeometry conv;
  const backends::PoolGeometry pool;
  expect_not_built(backend(), "conv", [&] { backend().conv(backends::Pass::forward, conv, x, w, y); });
  expect_not_built(backend(), "pool", [&] { backend().pool(pool, x, y, index); });
  expect_not_built(backend(), "pool_backward", [&] { backend().pool_backward(pool, x, y, y, index, x); });
  EXPECT_TRUE(y.untouched());
}

WEFT_ON_EVERY_BACKEND(ContractNotBuilt);

}  // namespace
}  // namespace weft::contract_test
