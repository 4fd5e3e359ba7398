// What a DataLoader survives: data sets that throw, iterations left at any moment, misuse.

#include <weft/data/loader.h>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <new>
#include <optional>
#include <random>
#include <stdexcept>
#include <thread>

#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/tensor/creation.h>

#include "data/loader_fixtures.h"

namespace weft::test {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

TEST(LoaderErrors, TheFirstFailingExampleIsNamedForAnyNumberOfWorkers) {
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    const std::int64_t size = 20 + static_cast<std::int64_t>(random() % 60);
    const std::int64_t bad = static_cast<std::int64_t>(random() % static_cast<unsigned>(size));
    const std::int64_t also_bad = static_cast<std::int64_t>(random() % static_cast<unsigned>(size));
    const auto fail = [=](std::int64_t i) {
      if (i == bad || i == also_bad)
        throw IoError(ErrorCode::io_format, "decode", message("picture ", i, " is broken"));
      if (i % 7 == bad % 7) sleep_us(i % 30);
    };
    std::string expected;
    std::optional<std::size_t> delivered;
    for (const int workers : {0, 1, 2, 8}) {
      DataLoader loader(Numbers(size, fail),
                        {.batch_size = 4, .shuffle = round % 2 == 0, .workers = workers, .seed = 8});
      std::size_t count = 0;
      std::string text;
      try {
        for (const Batch& batch : loader.epoch(round)) count += batch.size() > 0 ? 1 : 0;
      } catch (const IoError& error) {
        text = error.what();
        EXPECT_EQ(error.code(), ErrorCode::io_format);
      }
      if (expected.empty()) expected = text;
      if (!delivered.has_value()) delivered = count;
      ASSERT_EQ(text, expected) << workers << " workers";
      ASSERT_EQ(count, *delivered) << workers << " workers";
      ASSERT_FALSE(text.empty());
      ASSERT_TRUE(text.find(message("example ", bad, " of numbers (batch ", count, " of epoch ", round)) !=
                      std::string::npos ||
                  text.find(message("example ", also_bad, " of numbers (batch ", count, " of epoch ", round)) !=
                      std::string::npos)
          << text;
      ASSERT_NE(text.find(" is broken"), std::string::npos) << text;
      ASSERT_EQ(static_cast<std::size_t>(loader.state().batch), count) << "the loader stands at the failed batch";
    }
  }
}

TEST(LoaderErrors, TheLoaderServesAgainAfterwards) {
  for (const int workers : {0, 1, 4}) {
    auto fails_left = std::make_shared<std::atomic<int>>(3);
    DataLoader loader(Numbers(32,
                              [=](std::int64_t i) {
                                if (i == 13 && fails_left->fetch_sub(1) > 0) throw std::runtime_error("a bad sector");
                              }),
                      {.batch_size = 4, .workers = workers});
    for (int k = 0; k < 3; ++k) {
      int count = 0;
      EXPECT_THROW(for (const Batch& batch : loader.epoch(0)) count += static_cast<int>(batch.size()), IoError);
      EXPECT_EQ(count, 12);
    }
    // The position is that of the failed batch, so the rest is all that is missing.
    std::int64_t rest = 0;
    for (const Batch& batch : loader.rest_of_epoch()) rest += batch.size();
    EXPECT_EQ(rest, 20);
    EXPECT_EQ(see_epoch(loader, 1).size(), 8u);
  }
}

TEST(LoaderErrors, KeepTypeCodeAndOriginal) {
  const auto thrown_for = [](const std::function<void(std::int64_t)>& fail, int workers) {
    DataLoader loader(Numbers(4, fail), {.batch_size = 2, .workers = workers});
    return loader.next();
  };
  for (const int workers : {0, 2}) {
    try {
      thrown_for([](std::int64_t) { throw ShapeError(ErrorCode::shape_mismatch, "crop", "too small"); }, workers);
      FAIL();
    } catch (const ShapeError& error) {
      EXPECT_EQ(error.code(), ErrorCode::shape_mismatch);
      EXPECT_NE(
          std::string(error.what()).find("[DataLoader] example 0 of numbers (batch 0 of epoch 0): [crop] too small"),
          std::string::npos)
          << error.what();
      EXPECT_THROW(std::rethrow_if_nested(error), ShapeError);
    }
    try {
      thrown_for([](std::int64_t) { throw std::out_of_range("column 3"); }, workers);
      FAIL();
    } catch (const IoError& error) {
      EXPECT_EQ(error.code(), ErrorCode::io_read);
      EXPECT_THROW(std::rethrow_if_nested(error), std::out_of_range);
    }
    try {
      thrown_for([](std::int64_t) { throw std::bad_alloc(); }, workers);
      FAIL();
    } catch (const OutOfMemoryError& error) {
      EXPECT_EQ(error.code(), ErrorCode::out_of_memory);
    }
    try {
      thrown_for([](std::int64_t) { throw 42; }, workers);
      FAIL();
    } catch (const IoError& error) {
      EXPECT_NE(std::string(error.what()).find("unknown type"), std::string::npos);
    }
  }
}

TEST(LoaderShutdown, AtRandomMoments) {
  std::mt19937 random(17);
  const auto begin = Clock::now();
  double slowest = 0;
  for (int round = 0; round < 3000; ++round) {
    const int workers = static_cast<int>(random() % 5);
    const auto slow = [](std::int64_t i) {
      if (i % 5 == 0) sleep_us(20);
    };
    auto loader = std::make_optional<DataLoader>(
        Numbers(64, slow),
        LoaderOptions{
            .batch_size = 4, .shuffle = true, .workers = workers, .prefetch = static_cast<int>(random() % 4)});
    const int batches = static_cast<int>(random() % 5);
    if (round % 3 == 0) {
      for (int i = 0; i < batches; ++i) loader->next();
    } else {
      int left = batches;
      for (const Batch& batch : loader->epoch(round)) {
        if (left-- == 0 || batch.number > 4) break;
      }
      if (round % 3 == 1) static_cast<void>(loader->next());
    }
    if (random() % 2 == 0) sleep_us(static_cast<std::int64_t>(random() % 100));
    const auto stop = Clock::now();
    loader.reset();
    slowest = std::max(slowest, seconds_since(stop));
  }
  RecordProperty("slowest_shutdown_ms", static_cast<int>(slowest * 1000));
  EXPECT_LT(slowest, 1.0);  // milliseconds on an idle machine; this one may be busy
  EXPECT_LT(seconds_since(begin), 120.0);
}

TEST(LoaderShutdown, WaitsForOneExampleNotForOneBatch) {
  std::optional<DataLoader> loader;
  loader.emplace(Numbers(1000,
                         [](std::int64_t i) {
                           if (i >= 100) sleep_us(20000);
                         }),
                 LoaderOptions{.batch_size = 100, .workers = 2, .prefetch = 4});
  ASSERT_TRUE(loader->next().has_value());
  sleep_us(5000);  // two workers are now in batches of two seconds each
  const auto begin = Clock::now();
  loader.reset();
  EXPECT_LT(seconds_since(begin), 1.0);
}

TEST(LoaderShutdown, WithoutAnIterationAndFromTheLoopsBody) {
  { DataLoader never(Numbers(10), {.batch_size = 2, .workers = 4}); }
  DataLoader loader(Numbers(100), {.batch_size = 2, .workers = 3});
  const auto loop = [&] {
    for (const Batch& batch : loader.epoch(0)) {
      if (batch.number == 7) throw std::runtime_error("training failed");
    }
  };
  EXPECT_THROW(loop(), std::runtime_error);
  EXPECT_EQ(loader.state().batch, 8);
  EXPECT_EQ(see_epoch(loader, 1).size(), 50u);
  DataLoader moved = std::move(loader);
  EXPECT_EQ(see_epoch(moved, 2).size(), 50u);
  EXPECT_THROW(loader.next(), StateError);  // NOLINT(bugprone-use-after-move)
  moved = DataLoader(Numbers(6), {.batch_size = 2, .workers = 1});
  EXPECT_EQ(see_epoch(moved, 0).size(), 3u);
}

TEST(LoaderShutdown, IteratorsMayOutliveEpochAndLoader) {
  std::optional<DataLoader> loader(std::in_place, Numbers(10), LoaderOptions{.batch_size = 2, .workers = 1});
  {
    auto epoch = loader->epoch(0);
    auto it = epoch.begin();
    EXPECT_EQ(it->number, 0);
    loader.reset();
    EXPECT_EQ(it->number, 0);  // the batch itself was delivered
    EXPECT_THROW(++it, StateError);
    EXPECT_TRUE(it == epoch.end());
    EXPECT_THROW(*it, StateError);
  }
  loader.emplace(Numbers(10), LoaderOptions{.batch_size = 2, .workers = 1});
  std::optional<DataLoader::Epoch::Iterator> left;
  {
    auto epoch = loader->epoch(0);
    left = epoch.begin();
  }
  EXPECT_TRUE(*left == DataLoader::Epoch::End{});
  EXPECT_THROW(**left, StateError);
  EXPECT_NO_THROW(++*left);
  EXPECT_EQ(see_epoch(*loader, 0).size(), 5u);
}

TEST(LoaderUse, OneIterationAtATime) {
  DataLoader loader(Numbers(10), {.batch_size = 2, .workers = 2});
  {
    auto first = loader.epoch(0);
    EXPECT_THROW(loader.epoch(1), StateError);
    EXPECT_THROW(loader.rest_of_epoch(), StateError);
    EXPECT_THROW(loader.next(), StateError);
    EXPECT_THROW(loader.load_state(loader.state()), StateError);
    EXPECT_EQ(first.begin()->number, 0);
  }
  EXPECT_NO_THROW(loader.epoch(1));
}

TEST(LoaderUse, OneThreadAtATime) {
  std::atomic<bool> decoding{false};
  std::atomic<bool> go_on{false};
  DataLoader loader(Numbers(4,
                            [&](std::int64_t) {
                              decoding = true;
                              while (!go_on) sleep_us(100);
                            }),
                    {.batch_size = 4, .workers = 0});
  std::thread other([&] { EXPECT_TRUE(loader.next().has_value()); });
  while (!decoding) sleep_us(100);
  EXPECT_THROW(loader.next(), StateError);
  EXPECT_THROW(loader.epoch(0), StateError);
  EXPECT_EQ(loader.stats().batches, 0);
  go_on = true;
  other.join();
  EXPECT_FALSE(loader.next().has_value());
}

TEST(LoaderPrefetch, IsExactlyAsFarAheadAsAsked) {
  for (const int prefetch : {1, 2, 5}) {
    for (const int workers : {1, 3}) {
      auto furthest = std::make_shared<std::atomic<std::int64_t>>(-1);
      DataLoader loader(Numbers(400,
                                [=](std::int64_t i) {
                                  std::int64_t seen = furthest->load();
                                  while (seen < i / 4 && !furthest->compare_exchange_weak(seen, i / 4)) {
                                  }
                                }),
                        {.batch_size = 4, .workers = workers, .prefetch = prefetch});
      for (std::int64_t taken = 1; taken <= 10; ++taken) {
        ASSERT_TRUE(loader.next().has_value());
        const std::int64_t limit = taken - 1 + prefetch;  // the last batch that may have been begun
        const auto begin = Clock::now();
        while (furthest->load() < limit && seconds_since(begin) < 20) sleep_us(50);
        ASSERT_EQ(furthest->load(), limit) << "not reached, or passed";
        sleep_us(500);
        ASSERT_EQ(furthest->load(), limit) << "passed after a while";
      }
    }
  }
}

TEST(LoaderStats, SayWhoWaitedForWhom) {
  DataLoader starved(Numbers(40, [](std::int64_t) { sleep_us(500); }), {.batch_size = 4, .workers = 1});
  see_epoch(starved, 0);
  LoaderStats stats = starved.stats();
  EXPECT_EQ(stats.batches, 10);
  EXPECT_GE(stats.waits, 8);
  EXPECT_GT(stats.consumer_wait_seconds, 0.01);
  EXPECT_GT(stats.decode_seconds, 0.02);

  DataLoader ahead(Numbers(40), {.batch_size = 4, .workers = 1, .prefetch = 2});
  for (const Batch& batch : ahead.epoch(0)) sleep_us(batch.number < 9 ? 3000 : 0);
  stats = ahead.stats();
  EXPECT_EQ(stats.batches, 10);
  EXPECT_LE(stats.waits, 5);  // the first; others only when this machine is very busy
  EXPECT_GT(stats.worker_wait_seconds, 0.005);
  ahead.reset_stats();
  EXPECT_EQ(ahead.stats().batches, 0);

  DataLoader in_line(Numbers(40), {.batch_size = 4, .workers = 0});
  see_epoch(in_line, 0);
  EXPECT_EQ(in_line.stats().waits, 10);
  EXPECT_EQ(in_line.stats().worker_wait_seconds, 0);
}

TEST(LoaderFork, AChildGoesOnWithThreadsOfItsOwn) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer does not follow threads started after a fork";
#endif
  const LoaderOptions options = {.batch_size = 4, .shuffle = true, .workers = 2, .seed = 4};
  DataLoader expected(Numbers(64), options);
  const std::vector<Seen> all = see_epoch(expected, 0);
  DataLoader loader(Numbers(64), options);
  for (int i = 0; i < 5; ++i) loader.next();
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(20);  // a hang is a failure
    bool good = true;
    for (std::size_t i = 5; i < all.size(); ++i) good = good && see(*loader.next()) == all[i];
    { const DataLoader gone = std::move(loader); }
    _exit(good ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(see(*loader.next()), all[5]);
}

struct Row {
  const char* id;
  std::function<void()> act;
  ErrorCode code;
  std::vector<std::string> words;
};

TEST(LoaderRefusals, Table) {
  const auto numbers = std::make_shared<Numbers>(10);
  const auto with = [](LoaderOptions options) { DataLoader(Numbers(10), options); };
  const auto state = [](LoaderState changed) {
    DataLoader loader(Numbers(10), {.batch_size = 4});
    loader.load_state(changed);
  };
  const LoaderState good{.batch_size = 4, .dataset_size = 10};
  const auto range = ErrorCode::value_out_of_range;
  std::vector<Row> rows = {
      {"L1", [=] { with({.batch_size = 0}); }, range, {"batch_size", "0", "1 or more"}},
      {"L1 negative", [=] { with({.batch_size = -128}); }, range, {"batch_size", "-128"}},
      {"L2", [=] { with({.workers = -1}); }, range, {"workers", "-1", "256"}},
      {"L2 many", [=] { with({.workers = 257}); }, range, {"workers", "257", "256"}},
      {"prefetch", [=] { with({.prefetch = -1}); }, range, {"prefetch", "-1"}},
      {"L3 empty", [] { DataLoader(Numbers(0), LoaderOptions{}); }, range, {"numbers", "no examples"}},
      {"L3 small", [=] { with({.batch_size = 11, .drop_last = true}); }, range, {"numbers", "10", "11", "drop_last"}},
      {"L4",
       [=] {
         Subset(numbers, {3, 10});
       },
       ErrorCode::index_out_of_range,
       {"indices[1]", "10", "numbers"}},
      {"L4 negative", [=] { Subset(numbers, {-1}); }, ErrorCode::index_out_of_range, {"indices[0]", "-1"}},
      {"null",
       [] { DataLoader(std::shared_ptr<const Dataset>(), LoaderOptions{}); },
       ErrorCode::value_invalid,
       {"null"}},
      {"scale", [=] { with({.scale = std::nan("")}); }, range, {"scale", "nan"}},
      {"dtype", [=] { with({.dtype = DType::int64}); }, ErrorCode::dtype_unsupported, {"dtype", "int64"}},
      {"epoch", [] { DataLoader(Numbers(4), LoaderOptions{}).epoch(-1); }, range, {"epoch", "-1"}},
      {"L7 size",
       [=] {
         auto s = good;
         s.dataset_size = 9;
         state(s);
       },
       ErrorCode::state_mismatch,
       {"dataset_size 9 (here 10)"}},
      {"L7 all",
       [=] { state({.seed = 3, .batch_size = 5, .dataset_size = 1, .shuffle = true, .drop_last = true}); },
       ErrorCode::state_mismatch,
       {"seed 3 (here 0)", "batch_size 5 (here 4)", "dataset_size 1", "shuffle true", "drop_last true"}},
      {"batch",
       [=] {
         auto s = good;
         s.batch = 4;
         state(s);
       },
       range,
       {"batch 4", "0 to 3"}},
      {"slot",
       [] {
         const ExampleLayout layout{};
         ExampleSlot(layout, nullptr, nullptr).input<double>();
       },
       ErrorCode::dtype_mismatch,
       {"float32", "float64"}},
      {"label",
       [] {
         ImageDataset(zeros({2, 1, 1}, DType::uint8), full({2}, 3, DType::int64), 3);
       },
       ErrorCode::index_out_of_range,
       {"example 0", "3", "0 to 2"}},
      {"labels",
       [] {
         ImageDataset(zeros({2, 1, 1}, DType::uint8), zeros({3}, DType::int64), 3);
       },
       ErrorCode::shape_mismatch,
       {"(3,)", "(2,)"}},
      {"float labels",
       [] {
         ImageDataset(zeros({2, 1, 1}, DType::uint8), zeros({2}), 3);
       },
       ErrorCode::dtype_unsupported,
       {"float32"}},
      {"float images",
       [] {
         ImageDataset(zeros({2, 1, 1}), zeros({2}, DType::int64), 3);
       },
       ErrorCode::dtype_unsupported,
       {"images", "float32", "uint8"}},
      {"flat images",
       [] {
         ImageDataset(zeros({2, 784}, DType::uint8), zeros({2}, DType::int64), 3);
       },
       ErrorCode::rank_unsupported,
       {"(2, 784)"}},
      {"take",
       [] {
         ImageDataset(zeros({2, 1, 1}, DType::uint8), zeros({2}, DType::int64), 3).take(3);
       },
       range,
       {"3", "1 to 2"}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.id);
    try {
      row.act();
      ADD_FAILURE() << "nothing was thrown";
    } catch (const Error& error) {
      EXPECT_EQ(to_string(error.code()), std::string(to_string(row.code)));
      for (const std::string& word : row.words) {
        EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << word << " in: " << error.what();
      }
    }
  }
}

}  // namespace
}  // namespace weft::test
