#include <weft/core/error.h>

#include "backend/contract_support.h"

namespace weft::contract_test {
namespace {

using backends::GatherBatchArgs;

class ComposedSumSquares : public OnEveryBackend {};
class ComposedGatherBatch : public OnEveryBackend {};

TEST_P(ComposedSumSquares, OfViewsOfEveryDtypeAndLayout) {
  std::vector<std::unique_ptr<Block>> blocks;
  std::vector<TensorView> views;
  double want = 0;
  for (DType dtype : floating_dtypes) {
    for (const Shape& shape : shapes()) {
      const Array x = random_array(dtype, shape, 171);
      for (double value : x.values) want += value * value;
      blocks.push_back(std::make_unique<Block>(backend(), dtype, x, after(Layout::contiguous, shape.rank())));
      views.push_back(blocks.back()->view());
    }
  }
  for (bool fused : {false, true}) {
    const Block out(backend(), DType::float64, Shape{});
    fused ? backend().sum_squares(views, out) : backend().Backend::sum_squares(views, out);
    expect_close(DType::float64, out.read(), Array({}, want), 10);
    const Block none(backend(), DType::float64, Shape{});
    fused ? backend().sum_squares({}, none) : backend().Backend::sum_squares({}, none);
    expect_equal(none.read(), Array({}, 0.0));
  }
}

TEST_P(ComposedSumSquares, DoesNotOverflowInSixteenBits) {
  const Block large(backend(), DType::float16, Array({3000}, 300));
  const TensorView views[] = {large.view()};
  for (bool fused : {false, true}) {
    const Block out(backend(), DType::float64, Shape{});
    fused ? backend().sum_squares(views, out) : backend().Backend::sum_squares(views, out);
    expect_equal(out.read(), Array({}, 3000.0 * 300 * 300));
  }
}

TEST_P(ComposedGatherBatch, RowsAndLabels) {
  const Array index({7}, {3, 0, 11, 3, 5, 10, 1});
  for (const Shape& row : {Shape{}, Shape{6}, Shape{1, 5, 5}, Shape{784}}) {
    Shape shape = {12}, batch = {7};
    for (std::int64_t extent : row) {
      shape.push_back(extent);
      batch.push_back(extent);
    }
    const Array data = random_array(DType::uint8, shape, 172, 0, 255.9);
    for (DType label_dtype : {DType::uint8, DType::int32, DType::int64}) {
      const Array labels = random_array(label_dtype, {12}, 173, 0, 9.9);
      for (DType dtype : floating_dtypes) {
        for (const GatherBatchArgs args : {GatherBatchArgs{}, GatherBatchArgs{2.0, -1.5}}) {
          Array want(batch), want_labels({7});
          const std::size_t n = data.values.size() / 12;
          for (std::size_t i = 0; i < 7; ++i) {
            const auto from = static_cast<std::size_t>(index.values[i]);
            for (std::size_t j = 0; j < n; ++j) {
              want.values[i * n + j] = data.values[from * n + j] * args.scale + args.shift;
            }
            want_labels.values[i] = labels.values[from];
          }
          for (bool fused : {false, true}) {
            SCOPED_TRACE(std::string(weft::name(dtype)) + to_string(shape) + weft::name(label_dtype) +
                         (fused ? " fused" : ""));
            const Block rows(backend(), DType::uint8, data), truth(backend(), label_dtype, labels);
            const Block at(backend(), DType::int64, index, Layout::gapped), out(backend(), dtype, batch);
            const Block out_labels(backend(), DType::int64, Shape{7}), out_again(backend(), dtype, batch);
            fused ? backend().gather_batch(args, rows, truth, at, out, out_labels)
                  : backend().Backend::gather_batch(args, rows, truth, at, out, out_labels);
            if (dtype == DType::float32 || dtype == DType::float64) {  // rounded once: the same bits everywhere
              Array exact = want;
              for (double& value : exact.values) value = round_to(dtype, value);
              expect_equal(out.read(), exact);
            }
            expect_close(dtype, out.read(), want);
            expect_equal(out_labels.read(), want_labels);
            fused ? backend().gather_batch(args, rows, {}, at, out_again, {})
                  : backend().Backend::gather_batch(args, rows, {}, at, out_again, {});
            expect_equal(out_again.read(), out.read());
          }
        }
      }
    }
  }
}

TEST_P(ComposedGatherBatch, BadIndicesAreRefusedBeforeTheFirstWrite) {
  for (bool fused : {false, true}) {
    const Block rows(backend(), DType::uint8, Array({4, 3}, 1)), truth(backend(), DType::uint8, Array({4}, 1));
    const Block at(backend(), DType::int64, Array({2}, {0, 4})), out(backend(), DType::float32, Shape{2, 3});
    const Block out_labels(backend(), DType::int64, Shape{2});
    const auto call = [&] {
      fused ? backend().gather_batch({}, rows, truth, at, out, out_labels)
            : backend().Backend::gather_batch({}, rows, truth, at, out, out_labels);
      backend().synchronise();
    };
    EXPECT_THROW(call(), IndexError);
    if (backend().facts().streams) continue;  // the error came later
    EXPECT_TRUE(out.untouched());
    EXPECT_TRUE(out_labels.untouched());
  }
}

WEFT_ON_EVERY_BACKEND(ComposedSumSquares);
WEFT_ON_EVERY_BACKEND(ComposedGatherBatch);

}  // namespace
}  // namespace weft::contract_test
