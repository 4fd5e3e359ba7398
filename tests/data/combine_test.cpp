// Data sets made of data sets, and of tensors.

#include <weft/data/combine.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include <weft/core/error.h>
#include <weft/data/loader.h>
#include <weft/data/tensor_dataset.h>
#include <weft/tensor/creation.h>

#include "data/loader_fixtures.h"

namespace weft::test {
namespace {

/// The indices of the data set behind a part of a split of Numbers, whose targets are 7 * index.
std::vector<std::int64_t> behind(const Subset& part) {
  std::vector<std::int64_t> indices;
  const ExampleLayout layout = part.layout();
  float input[3];
  std::int64_t target = 0;
  for (std::int64_t i = 0; i < part.size(); ++i) {
    part.get(i, ExampleSlot(layout, input, &target));
    indices.push_back(target / 7);
  }
  return indices;
}

std::vector<std::int64_t> lengths_of(const std::vector<Subset>& parts) {
  std::vector<std::int64_t> lengths;
  for (const Subset& part : parts) lengths.push_back(part.size());
  return lengths;
}

using Lengths = std::vector<std::int64_t>;

TEST(RandomSplit, CoversEveryExampleOnce) {
  const std::vector<Subset> parts = random_split(Numbers(100), {70, 0, 30}, 3);
  EXPECT_EQ(lengths_of(parts), (Lengths{70, 0, 30}));
  std::vector<std::int64_t> all = behind(parts[0]);
  EXPECT_FALSE(std::is_sorted(all.begin(), all.end()));
  for (const std::int64_t i : behind(parts[2])) all.push_back(i);
  EXPECT_EQ(std::set<std::int64_t>(all.begin(), all.end()).size(), 100u);
}

TEST(RandomSplit, FollowsFromTheSeed) {
  const auto first = [](std::uint64_t seed) { return behind(random_split(Numbers(50), {20, 30}, seed)[0]); };
  EXPECT_EQ(first(1), first(1));
  EXPECT_NE(first(1), first(2));
  // What a checkpoint's user relies on: the same parts in a later version.
  EXPECT_EQ(behind(random_split(Numbers(8), {3, 5}, 1)[0]), (Lengths{1, 4, 2}));
  // By fractions or by lengths: the same permutation.
  EXPECT_EQ(behind(random_split(Numbers(50), {0.4, 0.6}, 1)[0]), first(1));
}

TEST(RandomSplit, FractionsByLargestRemainder) {
  const auto of = [](std::int64_t size, std::vector<double> fractions) {
    return lengths_of(random_split(Numbers(size), fractions, 1));
  };
  EXPECT_EQ(of(10, {0.8, 0.2}), (Lengths{8, 2}));
  EXPECT_EQ(of(11, {0.5, 0.5}), (Lengths{6, 5}));  // equal remainders: the earlier
  EXPECT_EQ(of(10, {0.33, 0.33, 0.34}), (Lengths{3, 3, 4}));
  EXPECT_EQ(of(7, {0.25, 0.25, 0.5}), (Lengths{2, 2, 3}));  // 1.75, 1.75, 3.5: the two largest remainders get one
  EXPECT_EQ(of(3, {0.1, 0.1, 0.1, 0.7}), (Lengths{1, 0, 0, 2}));
  EXPECT_EQ(of(5, {0, 1}), (Lengths{0, 5}));
  for (std::int64_t size = 1; size < 200; ++size) {
    const Lengths lengths = of(size, {0.1, 0.2, 0.3, 0.4});
    EXPECT_EQ(lengths[0] + lengths[1] + lengths[2] + lengths[3], size);
  }
}

TEST(RandomSplit, AcceptsPointersAndKeepsTheDataSetAlive) {
  std::vector<Subset> parts;
  {
    const auto numbers = std::make_shared<Numbers>(10);
    parts = random_split(numbers, {0.5, 0.5});
  }
  DataLoader loader(parts[1], {.batch_size = 5});
  EXPECT_EQ(loader.next()->size(), 5);
}

TEST(RandomSplit, Refusals) {
  EXPECT_THROW(random_split(Numbers(10), {5, 4}), ValueError);
  EXPECT_THROW(random_split(Numbers(10), {5, 6}), ValueError);
  EXPECT_THROW(random_split(Numbers(10), {-1, 11}), ValueError);
  EXPECT_THROW(random_split(Numbers(10), {0.5, 0.4}), ValueError);
  EXPECT_THROW(random_split(Numbers(10), {1.5, -0.5}), ValueError);
  EXPECT_THROW(random_split(Numbers(10), std::vector<double>{}), ValueError);
  EXPECT_THROW(random_split(std::shared_ptr<Numbers>(), {0.5, 0.5}), ValueError);
}

TEST(ConcatDataset, OneAfterTheOther) {
  const auto five = std::make_shared<Numbers>(5);
  const ConcatDataset all({five, Numbers(0), Subset(five, {4, 4}), Numbers(3)});
  EXPECT_EQ(all.size(), 10);
  EXPECT_EQ(all.name(), "numbers + numbers + 2 examples of numbers + numbers");
  for (const int workers : {0, 1, 2, 4}) {
    DataLoader loader(all, {.batch_size = 10, .workers = workers});
    EXPECT_EQ(see(*loader.next()).targets, (std::vector<std::int64_t>{0, 7, 14, 21, 28, 28, 28, 0, 7, 14}));
  }
}

TEST(ConcatDataset, RefusesAnotherLayout) {
  const TensorDataset wide(zeros({2, 4}), zeros({2}, DType::int64), "wide");
  const TensorDataset doubles(zeros({2, 3}, DType::float64), zeros({2}, DType::int64), "doubles");
  const TensorDataset targets(zeros({2, 3}), zeros({2, 1}, DType::int64), "targets");
  EXPECT_THROW(ConcatDataset({Numbers(1), wide}), ShapeError);
  EXPECT_THROW(ConcatDataset({Numbers(1), doubles}), DTypeError);
  EXPECT_THROW(ConcatDataset({Numbers(1), targets}), ShapeError);
  EXPECT_THROW(ConcatDataset(std::vector<AnyDataset>{}), ValueError);
  EXPECT_THROW(ConcatDataset({Numbers(1), std::shared_ptr<Numbers>()}), ValueError);
  try {
    ConcatDataset({Numbers(1), Numbers(1), wide});
  } catch (const ShapeError& e) {
    EXPECT_NE(std::string(e.what()).find("data set 2 (wide)"), std::string::npos) << e.what();
  }
}

TEST(TensorDataset, RowsOfTensors) {
  Tensor inputs = arange(0, 24).reshape({4, 3, 2});
  const Tensor targets = arange(0, 8).reshape({2, 4}).t();  // not row-major: copied
  const TensorDataset data(inputs, targets);
  EXPECT_EQ(data.size(), 4);
  EXPECT_EQ(data.layout().input, (Shape{3, 2}));
  EXPECT_EQ(data.layout().target, (Shape{2}));
  EXPECT_TRUE(data.inputs().shares_storage(inputs));
  for (const int workers : {0, 2}) {
    DataLoader loader(data, {.batch_size = 2, .workers = workers});
    loader.next();
    const Batch second = *loader.next();
    EXPECT_EQ(second.inputs.shape(), (Shape{2, 3, 2}));
    EXPECT_EQ(second.inputs.to_vector<float>()[0], 12);
    EXPECT_EQ(second.targets.to_vector<float>(), (std::vector<float>{2, 6, 3, 7}));
  }
  DataLoader shuffled(data, {.batch_size = 4, .shuffle = true, .seed = 1});
  EXPECT_NE(shuffled.next()->inputs.to_vector<float>()[0], 0);
}

TEST(TensorDataset, EveryDTypePassesAsItIs) {
  for (const DType dtype :
       {DType::float32, DType::float64, DType::float16, DType::bfloat16, DType::int64, DType::int32, DType::boolean}) {
    const TensorDataset data(ones({3, 2}, dtype), zeros({3}, dtype));
    DataLoader loader(data, {.batch_size = 3});
    const Batch batch = *loader.next();
    EXPECT_EQ(batch.inputs.dtype(), dtype);
    EXPECT_EQ(batch.targets.dtype(), dtype);
    EXPECT_EQ(batch.inputs.to(DType::float64).to_vector<double>(), std::vector<double>(6, 1.0));
  }
  const TensorDataset bytes(full({2, 1, 1, 1}, 51, DType::uint8), zeros({2}, DType::int64));
  DataLoader loader(bytes, {.batch_size = 2});
  EXPECT_EQ(loader.next()->inputs.to_vector<float>()[0], static_cast<float>(51 * (1.0 / 255)));
}

TEST(TensorDataset, KeepsNoGraph) {
  const Tensor w = ones({2, 2}).requires_grad_();
  const TensorDataset data(w * 2.0, zeros({2}, DType::int64));
  EXPECT_FALSE(data.inputs().requires_grad());
  EXPECT_TRUE(w.requires_grad());
}

TEST(TensorDataset, Refusals) {
  EXPECT_THROW(TensorDataset(zeros({3, 2}), zeros({2})), ShapeError);
  EXPECT_THROW(TensorDataset(zeros({}), zeros({1})), ShapeError);
  EXPECT_THROW(TensorDataset(Tensor(), zeros({1})), StateError);
}

}  // namespace
}  // namespace weft::test
