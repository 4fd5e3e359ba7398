// Which examples an epoch has: weights, resumption, and functions that put batches together.

#include <weft/data/sampler.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <set>

#include <weft/autograd/functions.h>
#include <weft/core/error.h>
#include <weft/data/loader.h>
#include <weft/tensor/creation.h>

#include "data/loader_fixtures.h"

namespace weft::test {
namespace {

TEST(WeightedSampler, DrawsInProportionToTheWeights) {
  const WeightedSampler sampler({1, 0, 3, 6}, 100000);
  std::vector<int> count(4, 0);
  for (const std::int64_t i : sampler.indices(5, 0)) ++count[static_cast<std::size_t>(i)];
  EXPECT_EQ(count[1], 0);
  // Standard deviations: 95, 145, 155.
  EXPECT_NEAR(count[0], 10000, 600);
  EXPECT_NEAR(count[2], 30000, 900);
  EXPECT_NEAR(count[3], 60000, 900);
}

// Of {1, 2, 3} without replacement: first 1/6, 2/6, 3/6, and then in proportion among those left.
TEST(WeightedSampler, WithoutReplacementAsIfDrawnOneByOne) {
  const WeightedSampler sampler({1, 2, 3}, 2, false);
  std::vector<int> count(9, 0);
  constexpr int epochs = 60000;
  for (int epoch = 0; epoch < epochs; ++epoch) {
    const auto drawn = sampler.indices(7, epoch);
    ASSERT_EQ(drawn.size(), 2u);
    ++count[static_cast<std::size_t>(drawn[0] * 3 + drawn[1])];
  }
  const double w[] = {1, 2, 3};
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 3; ++j) {
      const double expected = i == j ? 0 : epochs * w[i] / 6 * w[j] / (6 - w[i]);
      EXPECT_NEAR(count[i * 3 + j], expected, 6 * std::sqrt(expected)) << i << j;
    }
  }
}

TEST(WeightedSampler, WithoutReplacementVisitsEachOnce) {
  std::vector<double> weights(500);
  for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<double>(i % 7);
  const auto possible =
      static_cast<std::int64_t>(std::count_if(weights.begin(), weights.end(), [](double x) { return x > 0; }));
  const WeightedSampler sampler(weights, possible, false);
  const auto drawn = sampler.indices(1, 2);
  EXPECT_EQ(std::set<std::int64_t>(drawn.begin(), drawn.end()).size(), static_cast<std::size_t>(possible));
}

TEST(WeightedSampler, FollowsFromSeedAndEpoch) {
  for (const bool again : {true, false}) {
    const WeightedSampler sampler({1, 2, 3, 4, 5, 6}, 5, again);
    EXPECT_EQ(sampler.indices(1, 2), sampler.indices(1, 2));
    EXPECT_NE(sampler.indices(1, 2), sampler.indices(1, 3));
    EXPECT_NE(sampler.indices(1, 2), sampler.indices(2, 2));
  }
  // A position in a checkpoint means nothing if a later version draws otherwise.
  EXPECT_EQ(WeightedSampler({1, 2, 3, 4}, 6).indices(1, 0), (std::vector<std::int64_t>{2, 2, 2, 3, 3, 2}));
  EXPECT_EQ(WeightedSampler({1, 2, 3, 4}, 4, false).indices(1, 0), (std::vector<std::int64_t>{3, 2, 1, 0}));
}

TEST(WeightedSampler, ExtremeWeights) {
  const double tiny = 1e-300;
  for (const std::int64_t i : WeightedSampler({0, tiny, 0}, 1000).indices(1, 1)) EXPECT_EQ(i, 1);
  for (const std::int64_t i : WeightedSampler({1e300, 0, 0}, 1000).indices(1, 1)) EXPECT_EQ(i, 0);
  EXPECT_EQ(WeightedSampler({0, 5, 0}, 1, false).indices(1, 1), std::vector<std::int64_t>{1});
}

TEST(WeightedSampler, IdentitiesDiffer) {
  std::set<std::string> seen;
  for (const auto& sampler : {WeightedSampler({1, 2}, 2), WeightedSampler({2, 1}, 2), WeightedSampler({1, 2}, 1),
                              WeightedSampler({1, 2}, 2, false), WeightedSampler({1, 2, 0}, 2)}) {
    EXPECT_TRUE(seen.insert(sampler.identity()).second) << sampler.identity();
  }
}

TEST(WeightedSampler, Refusals) {
  const double nan = std::nan(""), infinity = HUGE_VAL;
  for (const std::vector<double>& bad :
       {std::vector<double>{1, -1}, {1, nan}, {1, infinity}, {0, 0}, {}, {1e308, 1e308}}) {
    EXPECT_THROW(WeightedSampler(bad, 1), ValueError);
  }
  EXPECT_THROW(WeightedSampler({1}, 0), ValueError);
  EXPECT_THROW(WeightedSampler({1, 0}, 2, false), ValueError);
  EXPECT_NO_THROW(WeightedSampler({1, 0}, 2, true));
}

TEST(BalancingWeights, MakeClassesEquallyLikely) {
  EXPECT_EQ(balancing_weights({0, 1, 1, 1, 1, 0, 2}), (std::vector<double>{0.5, 0.25, 0.25, 0.25, 0.25, 0.5, 1}));
}

// ---- in the loader

std::shared_ptr<const Sampler> weighted(std::int64_t n, std::int64_t count, bool again = true) {
  std::vector<double> weights;
  for (std::int64_t i = 0; i < n; ++i) weights.push_back(static_cast<double>(1 + i % 5));
  return std::make_shared<WeightedSampler>(weights, count, again);
}

TEST(SampledLoader, DeliversTheSameBatchesForAnyNumberOfWorkers) {
  for (const bool again : {true, false}) {
    std::vector<std::vector<Seen>> expected;
    for (const int workers : {0, 1, 2, 4}) {
      DataLoader loader(Numbers(40),
                        {.batch_size = 8, .workers = workers, .seed = 5, .sampler = weighted(40, 30, again)});
      EXPECT_EQ(loader.batches_per_epoch(), 4);
      std::vector<std::vector<Seen>> seen;
      for (std::int64_t epoch : {0, 1, 7}) seen.push_back(see_epoch(loader, epoch));
      if (expected.empty()) expected = seen;
      ASSERT_EQ(seen, expected) << workers << " workers";
    }
    EXPECT_NE(expected[0][0].indices, expected[1][0].indices);
    EXPECT_EQ(expected[0][3].indices.size(), 6u);
    std::vector<std::int64_t> all;
    for (const Seen& batch : expected[0]) all.insert(all.end(), batch.indices.begin(), batch.indices.end());
    EXPECT_EQ(all, weighted(40, 30, again)->indices(5, 0));
  }
}

TEST(SampledLoader, MoreExamplesThanTheDataSetHas) {
  DataLoader loader(Numbers(3), {.batch_size = 50, .drop_last = true, .sampler = weighted(3, 100)});
  EXPECT_EQ(loader.batches_per_epoch(), 2);
  EXPECT_EQ(loader.next()->size(), 50);
}

TEST(SampledLoader, ResumesWithExactlyTheRemainingBatches) {
  for (const int workers : {0, 1, 4}) {
    const LoaderOptions options = {.batch_size = 4, .workers = workers, .seed = 11, .sampler = weighted(30, 22)};
    DataLoader whole(Numbers(30), options);
    std::vector<Seen> all;
    for (std::int64_t epoch = 0; epoch < 2; ++epoch) {
      for (const Batch& batch : whole.epoch(epoch)) all.push_back(see(batch));
    }
    ASSERT_EQ(all.size(), 12u);
    for (std::size_t k = 0; k <= all.size(); ++k) {
      std::string text;
      {
        DataLoader first(Numbers(30), options);
        for (std::size_t taken = 0; taken < k;) taken += first.next().has_value() ? 1 : 0;
        text = to_string(first.state());
      }
      LoaderOptions other = options;
      other.workers = 2;
      other.sampler = weighted(30, 22);  // an equal one
      DataLoader second(Numbers(30), other);
      second.load_state(parse_loader_state(text));
      std::vector<Seen> rest;
      while (second.state().epoch < 2) {
        for (const Batch& batch : second.rest_of_epoch()) rest.push_back(see(batch));
      }
      ASSERT_EQ(rest, std::vector<Seen>(all.begin() + static_cast<std::ptrdiff_t>(k), all.end())) << "resumed at " << k;
    }
  }
}

TEST(SampledLoader, TheStateNamesTheSampler) {
  DataLoader sampled(Numbers(10), {.batch_size = 2, .sampler = weighted(10, 10)}),
      plain(Numbers(10), {.batch_size = 2}),
      otherwise(Numbers(10), {.batch_size = 2, .sampler = weighted(10, 10, false)});
  const std::string text = to_string(sampled.state());
  EXPECT_NE(text.find(" drop_last=0 sampler=weighted-10-10-again-"), std::string::npos) << text;
  EXPECT_EQ(parse_loader_state(text), sampled.state());
  EXPECT_EQ(to_string(plain.state()).find("sampler"), std::string::npos);
  for (const char* tail : {" ", " x", "\n"}) EXPECT_THROW(parse_loader_state(text + tail), ValueError);
  EXPECT_THROW(parse_loader_state(text.substr(0, text.find("sampler=") + 8)), ValueError);
  EXPECT_THROW(plain.load_state(sampled.state()), StateError);
  EXPECT_THROW(sampled.load_state(plain.state()), StateError);
  try {
    otherwise.load_state(sampled.state());
    FAIL();
  } catch (const StateError& e) {
    EXPECT_NE(std::string(e.what()).find("sampler weighted-10-10-again-"), std::string::npos) << e.what();
  }
}

/// A sampler of the user's own.
class Given : public Sampler {
 public:
  Given(std::vector<std::int64_t> indices, std::int64_t size, std::string identity = "given")
      : indices_(std::move(indices)), size_(size), identity_(std::move(identity)) {}
  std::int64_t size() const override { return size_; }
  std::vector<std::int64_t> indices(std::uint64_t, std::int64_t) const override { return indices_; }
  std::string identity() const override { return identity_; }

 private:
  std::vector<std::int64_t> indices_;
  std::int64_t size_;
  std::string identity_;
};

TEST(SampledLoader, ASamplerOfOnesOwn) {
  DataLoader loader(Numbers(10),
                    {.batch_size = 2, .sampler = std::make_shared<Given>(std::vector<std::int64_t>{9, 0, 9}, 3)});
  EXPECT_EQ(loader.next()->indices, (std::vector<std::int64_t>{9, 0}));
  EXPECT_EQ(loader.next()->indices, std::vector<std::int64_t>{9});
  EXPECT_FALSE(loader.next().has_value());
}

TEST(SampledLoader, RefusesWhatASamplerMustNotDo) {
  const auto loader_with = [](std::vector<std::int64_t> indices, std::int64_t size, const char* identity = "given") {
    return DataLoader(Numbers(10),
                      {.batch_size = 2, .workers = 2, .sampler = std::make_shared<Given>(indices, size, identity)});
  };
  for (int attempt = 0; attempt < 2; ++attempt) {
    DataLoader outside = loader_with({1, 10}, 2), negative = loader_with({-1, 1}, 2), few = loader_with({1, 2, 3}, 4);
    EXPECT_THROW(outside.next(), IndexError);
    EXPECT_THROW(outside.next(), IndexError);  // and stays usable as it was
    EXPECT_EQ(outside.state().batch, 0);
    EXPECT_THROW(negative.next(), IndexError);
    EXPECT_THROW(few.next(), ValueError);
  }
  EXPECT_THROW(loader_with({}, 0), ValueError);
  for (const char* bad : {"", "two words", "line\n", "\xC3\xA4"}) EXPECT_THROW(loader_with({1}, 1, bad), ValueError);
  EXPECT_THROW(DataLoader(Numbers(10), {.shuffle = true, .sampler = weighted(10, 10)}), ValueError);
  EXPECT_THROW(DataLoader(Numbers(10), {.batch_size = 4, .drop_last = true, .sampler = weighted(10, 3)}), ValueError);
}

// ---- collate

/// Each example mixed with another one of its batch, at random.
Batch mixed(Batch batch, RandomStream random) {
  const double share = random.uniform();
  std::vector<std::int64_t> partner;
  for (std::int64_t i = 0; i < batch.size(); ++i) partner.push_back(random.below(batch.size()));
  const Tensor other = from_vector(partner, {batch.size()});
  batch.extras = {index_select(batch.targets, 0, other), scalar(share)};
  batch.inputs = batch.inputs * share + index_select(batch.inputs, 0, other) * (1 - share);
  return batch;
}

TEST(Collate, IsTheSameForAnyNumberOfWorkersAndAfterAResume) {
  const auto watch = [](DataLoader& loader, std::int64_t epoch) {
    std::vector<std::vector<float>> all;
    for (const Batch& batch : loader.epoch(epoch)) {
      all.push_back(batch.inputs.to_vector<float>());
      all.push_back(batch.extras.at(0).to(DType::float32).to_vector<float>());
      all.push_back({static_cast<float>(batch.epoch), static_cast<float>(batch.number)});
    }
    return all;
  };
  std::vector<std::vector<float>> expected;
  for (const int workers : {0, 1, 2, 4}) {
    DataLoader loader(Numbers(41), {.batch_size = 8, .shuffle = true, .workers = workers, .seed = 3, .collate = mixed});
    const auto seen = watch(loader, 1);
    if (expected.empty()) expected = seen;
    ASSERT_EQ(seen, expected) << workers << " workers";
    LoaderState middle = loader.state();
    middle.epoch = 1;
    middle.batch = 5;
    loader.load_state(middle);
    EXPECT_EQ(loader.next()->inputs.to_vector<float>(), expected[15]);
  }
  DataLoader plain(Numbers(41), {.batch_size = 8, .shuffle = true, .seed = 3});
  plain.epoch(1);
  EXPECT_NE(plain.next()->inputs.to_vector<float>(), expected[0]);
}

TEST(Collate, EveryBatchOfEveryEpochDrawsAnew) {
  DataLoader loader(Numbers(20), {.batch_size = 4, .workers = 2, .seed = 3, .collate = mixed});
  std::set<double> shares;
  for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
    for (const Batch& batch : loader.epoch(epoch)) shares.insert(batch.extras.at(1).item());
  }
  EXPECT_EQ(shares.size(), 15u);
}

TEST(Collate, MayChangeShapesAndLosesNothingElse) {
  const auto cut = [](Batch batch, RandomStream) {
    batch.inputs = batch.inputs.narrow(1, 0, 2).contiguous();
    batch.targets = batch.targets.to(DType::float32).reshape({batch.size(), 1});
    batch.epoch = 99;
    batch.number = 99;
    return batch;
  };
  DataLoader loader(Numbers(6), {.batch_size = 4, .workers = 2, .collate = cut});
  std::int64_t number = 0;
  for (const Batch& batch : loader.epoch(2)) {
    EXPECT_EQ(batch.inputs.shape(), (Shape{batch.size(), 2}));
    EXPECT_EQ(batch.targets.shape(), (Shape{batch.size(), 1}));
    EXPECT_EQ(batch.epoch, 2);
    EXPECT_EQ(batch.number, number++);
  }
  EXPECT_EQ(number, 2);
}

TEST(Collate, WhatItThrowsNamesTheBatch) {
  for (const int workers : {0, 1, 4}) {
    std::atomic<bool> armed = true;
    DataLoader loader(Numbers(20),
                      {.batch_size = 4, .workers = workers, .collate = [&armed](Batch batch, RandomStream) {
                         if (armed && batch.number == 2)
                           throw ValueError(ErrorCode::value_invalid, "mix", "no partner");
                         return batch;
                       }});
    loader.next();
    loader.next();
    try {
      loader.next();
      FAIL() << "nothing was thrown";
    } catch (const ValueError& e) {
      EXPECT_NE(std::string(e.what()).find("batch 2 of epoch 0 of numbers"), std::string::npos) << e.what();
      EXPECT_NE(std::string(e.what()).find("no partner"), std::string::npos) << e.what();
    }
    armed = false;
    EXPECT_EQ(loader.next()->number, 2);  // the loader stands at the failed batch
  }
}

TEST(Collate, MustReturnTensors) {
  DataLoader loader(Numbers(4),
                    {.batch_size = 4, .workers = 1, .collate = [](Batch, RandomStream) { return Batch(); }});
  EXPECT_THROW(loader.next(), StateError);
}

}  // namespace
}  // namespace weft::test
