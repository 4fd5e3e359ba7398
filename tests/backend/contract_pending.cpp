#include <memory>
#include <vector>

#include <weft/core/error.h>

#include "backend/contract_support.h"

// A device that works behind the host's back keeps the first error and throws it at the next wait. Until then nothing
// that outlives the step may be written: parameters, optimiser states, running statistics, what scatter_add adds to.

namespace weft::contract_test {
namespace {

using backends::OptimArgs;
using backends::OptimKind;

class ContractPending : public OnEveryBackend {
 protected:
  /// Leaves an error behind: index 9 into 4 rows.
  void fail() {
    const Block table(backend(), DType::float32, Array({4, 3}, 1)), at(backend(), DType::int64, Array({1, 3}, 9));
    const Block out(backend(), DType::float32, Shape{1, 3});
    backend().tag({"embedding", "train.cpp", 12});
    backend().gather(table, 0, at, out);
    backend().tag({});
  }
  void expect_thrown_once() {
    try {
      backend().synchronise();
      ADD_FAILURE() << "nothing was thrown";
    } catch (const IndexError& error) {
      const std::string text = error.what();
      EXPECT_NE(text.find("[embedding]"), std::string::npos) << text;
      EXPECT_NE(text.find("9"), std::string::npos) << text;
      EXPECT_NE(text.find("train.cpp:12"), std::string::npos) << text;
    }
    EXPECT_NO_THROW(backend().synchronise());
  }
};

TEST_P(ContractPending, OptimisersWriteNothing) {
  for (OptimKind kind : {OptimKind::sgd, OptimKind::adam, OptimKind::adamw, OptimKind::rmsprop}) {
    for (DType dtype : {DType::float32, DType::float64, DType::bfloat16}) {
      for (DType state : {dtype, DType::float32}) {
        SCOPED_TRACE(std::string(weft::name(dtype)) + " with states in " + weft::name(state));
        const Array values = random_array(DType::bfloat16, {70}, 701, 0.5, 2);
        const Block param(backend(), dtype, values), grad(backend(), dtype, values);
        const Block first(backend(), state, values), second(backend(), state, values);
        OptimArgs args;
        args.kind = kind;
        args.momentum = 0.9;
        const bool squares = kind != OptimKind::sgd;
        const backends::OptimSlot slot = {param, grad, first, squares ? second.view() : TensorView{}};
        fail();
        backend().optimise(args, {&slot, 1});
        expect_thrown_once();
        EXPECT_TRUE(param.untouched() && first.untouched() && second.untouched());
        backend().optimise(args, {&slot, 1});  // and goes on
        EXPECT_FALSE(param.untouched());
      }
    }
  }
}

TEST_P(ContractPending, ScatterAddWritesNothing) {
  for (DType dtype : {DType::float32, DType::float16, DType::int64}) {
    for (const std::int64_t rows : {1, 20, 500}) {  // the ways to sum: a line each, sorted
      SCOPED_TRACE(std::string(weft::name(dtype)) + " rows " + std::to_string(rows));
      const Block table(backend(), dtype, Array({6, 3}, 1)), from(backend(), dtype, Array({rows, 3}, 1));
      const Block at(backend(), DType::int64, Array({rows, 3}, 2), Layout::contiguous, 2);
      fail();
      backend().scatter_add(from, 0, at, table);
      expect_thrown_once();
      EXPECT_TRUE(table.untouched());
      backend().scatter_add(from, 0, at, table);
      EXPECT_FALSE(table.untouched());
    }
  }
}

TEST_P(ContractPending, RunningStatisticsStay) {
  for (DType dtype : {DType::float32, DType::float64, DType::float16}) {
    for (const Shape& shape : {Shape{8, 3, 5}, Shape{9, 4, 1}}) {
      SCOPED_TRACE(std::string(weft::name(dtype)) + to_string(shape));
      const Block x(backend(), dtype, random_array(dtype, shape, 702)), y(backend(), dtype, shape);
      const Block mean(backend(), dtype, Array({shape[1]}, 3)), var(backend(), dtype, Array({shape[1]}, 5));
      fail();
      backend().batch_norm({}, x, {}, {}, mean, var, y, {}, {});
      expect_thrown_once();
      EXPECT_TRUE(mean.untouched() && var.untouched());
      backend().batch_norm({}, x, {}, {}, mean, var, y, {}, {});
      EXPECT_FALSE(mean.untouched() || var.untouched());
    }
  }
}

TEST_P(ContractPending, TheFirstErrorIsHeardAndCopyOutThrowsItToo) {
  fail();
  const Block logits(backend(), DType::float32, Array({2, 4}, 1)), labels(backend(), DType::int64, Array({2}, 7));
  const Block losses(backend(), DType::float32, Shape{2});
  backend().tag({"cross_entropy", "later.cpp", 99});
  backend().cross_entropy({}, logits, labels, {}, losses, {});
  backend().tag({});
  float number = 0;
  try {
    backend().copy_out(&number, logits.view().data, sizeof number);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const IndexError& error) {
    EXPECT_NE(std::string(error.what()).find("train.cpp:12"), std::string::npos) << error.what();
  }
  EXPECT_NO_THROW(backend().copy_out(&number, logits.view().data, sizeof number));
  EXPECT_EQ(number, 1);
}

std::vector<std::string> backends_with_queues() {
  std::vector<std::string> names;
  for (const std::string& name : backends_under_test()) {
    if (backend_named(name).facts().streams) names.push_back(name);
  }
  return names;
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ContractPending);  // the others throw at once
INSTANTIATE_TEST_SUITE_P(Queued, ContractPending, testing::ValuesIn(backends_with_queues()),
                         [](const auto& which) { return which.param; });

}  // namespace
}  // namespace weft::contract_test
