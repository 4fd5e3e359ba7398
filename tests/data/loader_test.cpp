// What a DataLoader delivers: the same batches however they are made.

#include <weft/data/loader.h>

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <numeric>
#include <set>

#include <weft/core/error.h>
#include <weft/core/host_memory.h>
#include <weft/core/trace.h>
#include <weft/data/epoch_order.h>
#include <weft/tensor/creation.h>

#include "data/loader_fixtures.h"
#include "data/temporary_folder.h"

namespace weft::test {
namespace {

TEST(EpochOrder, IsAPermutationThatFollowsFromSeedAndEpoch) {
  std::set<std::vector<std::int64_t>> orders;
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    for (std::int64_t epoch = 0; epoch < 5; ++epoch) {
      std::vector<std::int64_t> order = epoch_order(1000, seed, epoch);
      EXPECT_EQ(order, epoch_order(1000, seed, epoch));
      EXPECT_TRUE(orders.insert(order).second) << "seed " << seed << " epoch " << epoch;
      std::sort(order.begin(), order.end());
      for (std::int64_t i = 0; i < 1000; ++i) ASSERT_EQ(order[static_cast<std::size_t>(i)], i);
    }
  }
  EXPECT_TRUE(epoch_order(0, 1, 1).empty());
  EXPECT_EQ(epoch_order(1, 1, 1), std::vector<std::int64_t>{0});
}

TEST(EpochOrder, EveryPlaceIsAsLikelyAsEveryOther) {
  // 4 elements, 24 orders, 24,000 epochs: each about 1,000 times (standard deviation 31).
  std::vector<int> count(256, 0);
  for (std::int64_t epoch = 0; epoch < 24000; ++epoch) {
    const auto order = epoch_order(4, 9, epoch);
    ++count[static_cast<std::size_t>(order[0] * 64 + order[1] * 16 + order[2] * 4 + order[3])];
  }
  int seen = 0;
  for (const int c : count) {
    if (c == 0) continue;
    ++seen;
    EXPECT_NEAR(c, 1000, 160);
  }
  EXPECT_EQ(seen, 24);
}

TEST(EpochOrder, StaysWhatItWas) {
  // A checkpoint's position means nothing if a later version shuffles otherwise.
  EXPECT_EQ(epoch_order(10, 1, 0), (std::vector<std::int64_t>{0, 7, 3, 1, 6, 8, 9, 4, 2, 5}));
  EXPECT_EQ(epoch_order(10, 1, 1), (std::vector<std::int64_t>{6, 0, 1, 3, 2, 9, 7, 8, 4, 5}));
}

TEST(DataLoader, DeliversTheSameBatchesForAnyNumberOfWorkers) {
  for (const bool shuffle : {false, true}) {
    for (const bool drop_last : {false, true}) {
      std::vector<std::vector<Seen>> expected;
      for (const int workers : {0, 1, 2, 8}) {
        for (const int prefetch : {0, 1, 3}) {
          DataLoader loader(Numbers(101,
                                    [](std::int64_t i) {
                                      if (i % 17 == 0) sleep_us(50);
                                    }),
                            {.batch_size = 8,
                             .shuffle = shuffle,
                             .drop_last = drop_last,
                             .workers = workers,
                             .prefetch = prefetch,
                             .seed = 5});
          std::vector<std::vector<Seen>> seen;
          for (std::int64_t epoch : {0, 1, 7}) seen.push_back(see_epoch(loader, epoch));
          if (expected.empty()) expected = seen;
          ASSERT_EQ(seen, expected) << workers << " workers, prefetch " << prefetch;
        }
      }
      ASSERT_EQ(expected[0].size(), drop_last ? 12u : 13u);
      EXPECT_EQ(expected[0].back().indices.size(), drop_last ? 8u : 5u);
      EXPECT_EQ(expected[0][0].indices == expected[1][0].indices, !shuffle);
      std::vector<std::int64_t> all;
      for (const Seen& batch : expected[2]) {
        all.insert(all.end(), batch.indices.begin(), batch.indices.end());
        for (std::size_t row = 0; row < batch.indices.size(); ++row) {
          ASSERT_EQ(batch.targets[row], batch.indices[row] * 7);
          ASSERT_EQ(batch.inputs[row * 3 + 2], static_cast<float>(batch.indices[row] * 3 + 2));
        }
      }
      std::sort(all.begin(), all.end());
      EXPECT_EQ(std::adjacent_find(all.begin(), all.end()), all.end()) << "an example came twice";
      EXPECT_EQ(all.size(), drop_last ? 96u : 101u);
    }
  }
}

TEST(DataLoader, NextGoesOnFromEpochToEpoch) {
  DataLoader loader(Numbers(10), {.batch_size = 4, .workers = 2});
  for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
    for (std::int64_t number = 0; number < 3; ++number) {
      const auto batch = loader.next();
      ASSERT_TRUE(batch.has_value());
      EXPECT_EQ(batch->epoch, epoch);
      EXPECT_EQ(batch->number, number);
      EXPECT_EQ(batch->size(), number == 2 ? 2 : 4);
    }
    EXPECT_FALSE(loader.next().has_value());
  }
}

TEST(DataLoader, BytesAreNormalisedAndOtherInputsAreNot) {
  std::vector<std::uint8_t> pixels(2 * 3 * 4);
  std::iota(pixels.begin(), pixels.end(), std::uint8_t{232});
  const ImageDataset images(from_vector(pixels, {2, 3, 4}), from_vector(std::vector<std::uint8_t>{1, 0}, {2}), 2);
  DataLoader plain(images, {.batch_size = 2});
  const Batch batch = *plain.next();
  EXPECT_EQ(batch.inputs.shape(), (Shape{2, 1, 3, 4}));
  EXPECT_EQ(batch.inputs.dtype(), DType::float32);
  EXPECT_EQ(batch.targets.to_vector<std::int64_t>(), (std::vector<std::int64_t>{1, 0}));
  const auto values = batch.inputs.to_vector<float>();
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    EXPECT_EQ(values[i], static_cast<float>(pixels[i] * (1.0 / 255)));
  }
  DataLoader doubles(images, {.batch_size = 2, .dtype = DType::float64, .scale = 2, .shift = -1});
  EXPECT_EQ(doubles.next()->inputs.to_vector<double>()[1], 2 * 233 - 1.0);
  DataLoader bytes(images, {.batch_size = 2, .dtype = DType::uint8});
  EXPECT_EQ(bytes.next()->inputs.to_vector<std::uint8_t>(), pixels);
  DataLoader on_serial(images, {.batch_size = 2, .device = serial()});
  EXPECT_EQ(on_serial.next()->inputs.device(), serial());
  DataLoader floats(Numbers(2), {.batch_size = 2, .scale = 100});
  EXPECT_EQ(floats.next()->inputs.to_vector<float>(), (std::vector<float>{0, 1, 2, 3, 4, 5}));
}

TEST(DataLoader, ABatchMayBeKept) {
  DataLoader loader(Numbers(64), {.batch_size = 8, .workers = 2, .prefetch = 1});
  std::vector<Batch> kept;
  for (Batch& batch : loader.epoch(0)) kept.push_back(std::move(batch));
  ASSERT_EQ(kept.size(), 8u);
  for (std::int64_t b = 0; b < 8; ++b) {
    EXPECT_EQ(kept[static_cast<std::size_t>(b)].targets.to_vector<std::int64_t>()[0], b * 8 * 7);
  }
}

/// Draws from (seed, epoch, index): what an augmentation does.
class Augmented : public Numbers {
 public:
  using Numbers::Numbers;
  void get(std::int64_t index, const ExampleSlot& slot) const override {
    slot.input<float>()[0] = static_cast<float>(slot.seed());
    slot.input<float>()[1] = static_cast<float>(slot.epoch());
    slot.input<float>()[2] = static_cast<float>(index);
    slot.target<std::int64_t>()[0] = 0;
  }
};

TEST(DataLoader, TellsExamplesTheirSeedAndEpoch) {
  for (const int workers : {0, 2}) {
    DataLoader loader(Augmented(4), {.batch_size = 2, .workers = workers, .seed = 77});
    EXPECT_EQ(see_epoch(loader, 3)[1].inputs, (std::vector<float>{77, 3, 2, 77, 3, 3}));
  }
}

TEST(DataLoader, ResumesWithExactlyTheRemainingBatches) {
  for (const int workers : {0, 1, 3}) {
    const LoaderOptions options = {.batch_size = 4, .shuffle = true, .workers = workers, .seed = 11};
    DataLoader whole(Numbers(30), options);
    std::vector<Seen> all;
    for (std::int64_t epoch = 0; epoch < 2; ++epoch) {
      for (const Batch& batch : whole.epoch(epoch)) all.push_back(see(batch));
    }
    ASSERT_EQ(all.size(), 16u);
    for (std::size_t k = 0; k <= all.size(); ++k) {
      std::string text;
      {
        DataLoader first(Numbers(30), options);
        for (std::size_t taken = 0; taken < k;) taken += first.next().has_value() ? 1 : 0;
        text = to_string(first.state());
      }
      LoaderOptions other = options;
      other.workers = 2 - workers % 2;
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

TEST(DataLoader, TheStateInsideTheLoopIsWhatIsLeft) {
  DataLoader loader(Numbers(12), {.batch_size = 4, .workers = 1});
  std::vector<LoaderState> states;
  for (const Batch& batch : loader.epoch(5)) {
    EXPECT_EQ(loader.state().epoch, 5);
    EXPECT_EQ(loader.state().batch, batch.number + 1);
  }
  EXPECT_EQ(loader.state().epoch, 6);
  EXPECT_EQ(loader.state().batch, 0);
  loader.epoch(5);  // begun and left at once
  EXPECT_EQ(loader.state().epoch, 5);
  for (const Batch& batch : loader.rest_of_epoch()) {
    if (batch.number == 1) break;
  }
  EXPECT_EQ(loader.state().batch, 2);
  std::int64_t left = 0;
  for (const Batch& batch : loader.rest_of_epoch()) left += batch.size();
  EXPECT_EQ(left, 4);
}

TEST(LoaderState, IsTextThatReadsBack) {
  LoaderState state{.epoch = 3,
                    .batch = 117,
                    .seed = ~std::uint64_t{0},
                    .batch_size = 128,
                    .dataset_size = 60000,
                    .shuffle = true,
                    .drop_last = false};
  EXPECT_EQ(to_string(state),
            "epoch=3 batch=117 seed=18446744073709551615 batch_size=128 dataset_size=60000 shuffle=1 drop_last=0");
  EXPECT_EQ(parse_loader_state(to_string(state)), state);
  const std::string good = to_string(state);
  for (std::size_t i = 0; i < good.size(); ++i) {
    EXPECT_THROW(parse_loader_state(good.substr(0, i)), ValueError) << i;
    std::string bad = good;
    bad[i] = '?';
    EXPECT_THROW(parse_loader_state(bad), ValueError) << bad;
  }
  for (const char* tail : {" ", "1", " x=1", "\n"}) EXPECT_THROW(parse_loader_state(good + tail), ValueError);
  EXPECT_THROW(parse_loader_state("epoch=03" + good.substr(7)), ValueError);
}

TEST(Subset, IsSomeExamplesInAnOrder) {
  const auto numbers = std::make_shared<Numbers>(10);
  DataLoader loader(Subset(numbers, {7, 7, 2}), {.batch_size = 3});
  const Seen seen = see(*loader.next());
  EXPECT_EQ(seen.targets, (std::vector<std::int64_t>{49, 49, 14}));
  EXPECT_EQ(seen.indices, (std::vector<std::int64_t>{0, 1, 2}));
}

TEST(ImageDataset, TakeSharesTheMemory) {
  const ImageDataset images(zeros({5, 2, 2}, DType::uint8), zeros({5}, DType::int64), 3);
  const ImageDataset first = images.take(2);
  EXPECT_EQ(first.size(), 2);
  EXPECT_EQ(first.images().shape(), (Shape{2, 1, 2, 2}));
  EXPECT_TRUE(first.images().shares_storage(images.images()));
  EXPECT_EQ(first.labels().numel(), 2);
}

TEST(DataLoader, BuffersServeAgain) {
  if (getenv("ASAN_OPTIONS") != nullptr) GTEST_SKIP() << "under AddressSanitizer no block is kept";
  DataLoader loader(Numbers(4096), {.batch_size = 64, .workers = 2, .prefetch = 4});
  see_epoch(loader, 0);
  const auto before = host_memory_counts();
  for (std::int64_t epoch = 1; epoch < 6; ++epoch) {
    for (const Batch& batch : loader.epoch(epoch)) ASSERT_EQ(batch.size(), 64);
  }
  const auto after = host_memory_counts();
  // 320 batches of two tensors. Alive at once: prefetch, the one just taken, the one the loop still holds; twice that,
  // because a block that moves to a shard already looked into is not seen.
  EXPECT_LE(after.system_allocations - before.system_allocations, 2u * 2u * (4u + 2u));
}

TEST(DataLoader, IsSeenInATrace) {
  const TemporaryFolder folder;
  trace_start();
  DataLoader loader(Numbers(8), {.batch_size = 4, .workers = 1});
  see_epoch(loader, 0);
  trace_stop();
  trace_write(folder.file("trace.json"));
  const std::string text = read_whole(folder.file("trace.json"));
  EXPECT_NE(text.find("decode batch"), std::string::npos);
  EXPECT_NE(text.find("weft-load-0"), std::string::npos);
}

}  // namespace
}  // namespace weft::test
