#include <sys/resource.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <weft/core/error.h>
#include <weft/nn/checkpoint.h>
#include <weft/nn/linear.h>

#include "nn/nn_test.h"
#include "nn/small_run.h"

namespace weft::test {
namespace {

namespace fs = std::filesystem;

class Checkpoint : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    folder = (fs::path(::testing::TempDir()) / (std::string("weft_checkpoint_") + test->name())).string();
    fs::remove_all(folder);
    fs::create_directory(folder);
  }
  void TearDown() override { fs::remove_all(folder); }

  std::string path(const std::string& name) const { return folder + "/" + name; }
  std::string folder;
};

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void overwrite(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

void flip(const std::string& path, std::size_t from_end) {
  std::string bytes = contents(path);
  bytes[bytes.size() - from_end] = static_cast<char>(bytes[bytes.size() - from_end] ^ 4);
  overwrite(path, bytes);
}

// ---- a file

TEST_F(Checkpoint, RestoresEverything) {
  SmallRun run;
  run.train(5);
  const nn::Progress progress{.step = 5,
                              .counters = {{"epoch", 2}, {"batch", -7}},
                              .identity = {{"dataset", "abc"}},
                              .notes = {{"loader", "epoch=1 batch=2"}, {"name", "Gewicht \xc3\xa4 \"quoted\"\n"}}};
  nn::save_checkpoint(path("a"), run.training(), progress);
  const std::string state = run.state();

  SmallRun other(99);
  other.train(2);
  ASSERT_FALSE(other.state() == state);
  const nn::Progress loaded = nn::load_checkpoint(path("a"), other.training(), {{"dataset", "abc"}});
  EXPECT_TRUE(other.state() == state);
  EXPECT_EQ(loaded.step, 5);
  EXPECT_EQ(loaded.counter("epoch"), 2);
  EXPECT_EQ(loaded.counter("batch"), -7);
  EXPECT_EQ(loaded.counter("nothing", 4), 4);
  EXPECT_EQ(loaded.note("loader"), "epoch=1 batch=2");
  EXPECT_EQ(loaded.note("name"), progress.notes[1].second);
  EXPECT_EQ(loaded.identity, progress.identity);
  other.position = 5;
  run.train(3);
  other.train(3);
  EXPECT_TRUE(other.state() == run.state());
}

TEST_F(Checkpoint, TheSameStateIsTheSameFile) {
  SmallRun a, b;
  a.train(3);
  b.train(3);
  nn::save_checkpoint(path("a"), a.training());
  nn::save_checkpoint(path("b"), b.training());
  EXPECT_TRUE(contents(path("a")) == contents(path("b")));
}

// N steps, a new process' worth of fresh objects, N more: the bytes of 2N steps, wherever the cut is.
TEST_F(Checkpoint, ResumedIsUninterruptedForEveryCut) {
  constexpr int total = 12;
  SmallRun straight;
  straight.train(total);
  for (int cut = 0; cut <= total; ++cut) {
    {
      SmallRun first;
      first.train(cut);
      nn::save_checkpoint(path("cut"), first.training(), {.step = cut});
    }
    SmallRun second(1000 + static_cast<std::uint64_t>(cut));
    second.position = nn::load_checkpoint(path("cut"), second.training()).step;
    second.train(total - cut);
    ASSERT_TRUE(second.state() == straight.state()) << cut;
    ASSERT_TRUE(cut == total || second.losses.back() == straight.losses.back()) << cut;
  }
}

TEST_F(Checkpoint, TheDefaultGeneratorIsSavedUnlessAnotherIsNamed) {
  manual_seed(8);
  rand({3}, serial());
  nn::save_checkpoint(path("a"), {});
  const Tensor next = rand({3}, serial());
  manual_seed(9);
  nn::load_checkpoint(path("a"), {});
  EXPECT_TRUE(same_bytes(rand({3}, serial()), next));
}

TEST_F(Checkpoint, PartsMayBeLeftOut) {
  SmallRun run;
  run.train(2);
  nn::save_checkpoint(path("model"), {.model = &run.model, .generator = nullptr});
  SmallRun other(5);
  const std::uint64_t draw = default_generator().draw();
  nn::load_checkpoint(path("model"), {.model = &other.model, .generator = nullptr});
  EXPECT_EQ(default_generator().draw(), draw);
  EXPECT_TRUE(same_bytes(run.model.parameters()[0], other.model.parameters()[0]));

  const std::string what =
      error_of<StateError>([&] { nn::load_checkpoint(path("model"), other.training()); }, ErrorCode::state_mismatch);
  for (const char* part : {"optimizer: not in", "schedule: not in", "generator: not in"}) {
    EXPECT_NE(what.find(part), std::string::npos) << what;
  }
  nn::save_checkpoint(path("all"), run.training());
  nn::load_checkpoint(path("all"), {.model = &other.model, .generator = nullptr});  // more than is asked for: fine
}

TEST_F(Checkpoint, AnotherTrainingIsRefusedWithEveryDifference) {
  SmallRun run;
  run.train(4);
  nn::save_checkpoint(path("a"), run.training(), {.identity = {{"dataset", "mnist"}}});

  nn::Sequential model{nn::Linear(4, 9, true, serial()), nn::Linear(9, 3, true, serial())};
  nn::SGD sgd(model.parameters(), {.lr = 0.5, .momentum = 0.5});
  nn::WarmupCosine schedule(sgd, {.base_lr = 0.5, .total_steps = 7});
  std::string before;
  for (const Tensor& p : model.parameters()) before += bytes_of(p);
  const std::uint64_t draw = default_generator().draw();
  const nn::Training training{.model = &model, .optimizer = &sgd, .schedule = &schedule};
  const std::string what = error_of<StateError>(
      [&] {
        nn::load_checkpoint(path("a"), training, {{"dataset", "fashion"}, {"labels", "x"}});
      },
      ErrorCode::state_mismatch);
  for (const char* part :
       {"dataset: \"fashion\" expected, the checkpoint has \"mnist\"", "labels: \"x\" expected, not in the checkpoint",
        "model 0.weight: shape (9, 4) expected, (8, 4) given", "model 1.weight: missing", "model 3.weight: unexpected",
        "optimizer momentum: 0.5 expected, 0.9 given", "schedule total_steps: 7 expected, 12 given",
        "schedule base_lr"}) {
    EXPECT_NE(what.find(part), std::string::npos) << part << "\n" << what;
  }
  std::string after;
  for (const Tensor& p : model.parameters()) after += bytes_of(p);
  EXPECT_TRUE(after == before);
  EXPECT_EQ(sgd.lr(), 0.5);
  EXPECT_EQ(schedule.position(), 0);
  EXPECT_EQ(default_generator().draw(), draw);
}

// One bit of every few bytes. What still loads must be a file whose meaning did not change (the name of a checksum was
// hit, so one tensor went unchecked).
TEST_F(Checkpoint, AFlippedBitNeverChangesWhatIsRestored) {
  SmallRun run;
  run.train(2);
  nn::save_checkpoint(path("a"), run.training(), {.step = 2, .counters = {{"epoch", 1}}, .notes = {{"n", "text"}}});
  const std::string good = contents(path("a")), saved = run.state();
  int accepted = 0, refused = 0;
  for (std::size_t i = 0; i < good.size(); i += 7) {
    SmallRun other(5);
    const std::string before = other.state();
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ (1 << (i % 8)));
    overwrite(path("bad"), bad);
    try {
      const nn::Progress progress = nn::load_checkpoint(path("bad"), other.training());
      ASSERT_TRUE(other.state() == saved) << i;
      ASSERT_TRUE(progress.step == 2 && progress.counter("epoch") == 1 && progress.note("n") == "text") << i;
      ++accepted;
    } catch (const IoError&) {
      ASSERT_TRUE(other.state() == before) << i;
      ++refused;
    }
  }
  EXPECT_LT(accepted * 10, refused);
}

TEST_F(Checkpoint, EveryTruncationIsNoticed) {
  SmallRun run;
  nn::save_checkpoint(path("a"), run.training());
  const std::string good = contents(path("a"));
  for (std::size_t size = 0; size < good.size(); size += 101) {
    overwrite(path("bad"), good.substr(0, size));
    EXPECT_THROW(nn::load_checkpoint(path("bad"), run.training()), IoError) << size;
  }
}

TEST_F(Checkpoint, RefusesWhatIsNoCheckpoint) {
  SmallRun run;
  const std::string before = run.state();
  error_of<IoError>([&] { nn::load_checkpoint(path("missing"), run.training()); }, ErrorCode::io_open);
  error_of<IoError>([&] { nn::save_checkpoint(path("no/folder/x"), run.training()); }, ErrorCode::io_open);
  save_safetensors(path("weights"), run.model.state_dict());
  const std::string foreign =
      error_of<IoError>([&] { nn::load_checkpoint(path("weights"), run.training()); }, ErrorCode::io_format);
  EXPECT_NE(foreign.find("not a checkpoint of weft"), std::string::npos) << foreign;
  save_safetensors(path("later"), {}, {{"weft.checkpoint", "3"}});
  const std::string later =
      error_of<IoError>([&] { nn::load_checkpoint(path("later"), run.training()); }, ErrorCode::io_format);
  EXPECT_NE(later.find("checkpoint format \"3\"; this weft reads formats 1 and 2"), std::string::npos) << later;
  error_of<ValueError>([&] { nn::save_checkpoint(path("x"), run.training(), {.step = -1}); },
                       ErrorCode::value_out_of_range);
  error_of<ValueError>(
      [&] {
        nn::save_checkpoint(path("x"), run.training(), {.counters = {{"epoch", 1}, {"epoch", 2}}});
      },
      ErrorCode::value_invalid);
  EXPECT_FALSE(fs::exists(path("x")));
  EXPECT_TRUE(run.state() == before);
}

// A limit on the size of files stands in for a full disk: write() fails half-way.
TEST_F(Checkpoint, AFullDiskLeavesTheOldFiles) {
  SmallRun run(1, 500);
  nn::CheckpointFolder checkpoints(path("runs"));
  checkpoints.save(run.training(), {.step = 0});
  const std::string saved = run.state();
  run.train(1);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{10000, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string what =
      error_of<IoError>([&] { checkpoints.save(run.training(), {.step = 1}); }, ErrorCode::io_write);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_NE(what.find("checkpoint-000002-step-1.safetensors"), std::string::npos) << what;
  EXPECT_EQ(checkpoints.files().size(), 1u);
  SmallRun other(5, 500);
  EXPECT_EQ(checkpoints.load_latest(other.training())->progress.step, 0);
  EXPECT_TRUE(other.state() == saved);
  checkpoints.save(run.training(), {.step = 1});
  EXPECT_EQ(checkpoints.files().size(), 2u);
}

// ---- a folder

TEST_F(Checkpoint, FolderKeepsTheNewest) {
  SmallRun run;
  nn::CheckpointFolder checkpoints(path("runs"), {.keep = 2});
  EXPECT_FALSE(checkpoints.load_latest(run.training()).has_value());
  std::string last;
  for (int step = 1; step <= 4; ++step) {
    run.train(1);
    last = checkpoints.save(run.training(), {.step = step * 10});
  }
  EXPECT_EQ(last, path("runs") + "/checkpoint-000004-step-40.safetensors");
  EXPECT_EQ(checkpoints.files(),
            (std::vector<std::string>{path("runs") + "/checkpoint-000003-step-30.safetensors", last}));
  SmallRun other(5);
  const auto loaded = checkpoints.load_latest(other.training());
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(loaded->progress.step, 40);
  EXPECT_TRUE(loaded->skipped.empty());
  EXPECT_TRUE(other.state() == run.state());
}

TEST_F(Checkpoint, ADamagedNewestFallsBackAndSaysSo) {
  SmallRun run;
  std::string good_state;
  {
    nn::CheckpointFolder checkpoints(path("runs"), {.keep = 3});
    checkpoints.save(run.training(), {.step = 0});
    run.train(1);
    checkpoints.save(run.training(), {.step = 1});
    good_state = run.state();
    run.train(1);
    flip(checkpoints.save(run.training(), {.step = 2}), 9);
  }
  nn::CheckpointFolder checkpoints(path("runs"), {.keep = 3});
  SmallRun other(5);
  const auto loaded = checkpoints.load_latest(other.training());
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(loaded->progress.step, 1);
  EXPECT_TRUE(other.state() == good_state);
  ASSERT_EQ(loaded->skipped.size(), 1u);
  EXPECT_NE(loaded->skipped[0].find("checkpoint-000003-step-2.safetensors"), std::string::npos) << loaded->skipped[0];

  // The next one is the newest although its step is not larger; the damaged one goes.
  other.position = 1;
  other.train(1);
  EXPECT_EQ(checkpoints.save(other.training(), {.step = 2}), path("runs") + "/checkpoint-000004-step-2.safetensors");
  EXPECT_EQ(checkpoints.files(), (std::vector<std::string>{path("runs") + "/checkpoint-000001-step-0.safetensors",
                                                           path("runs") + "/checkpoint-000002-step-1.safetensors",
                                                           path("runs") + "/checkpoint-000004-step-2.safetensors"}));
  EXPECT_TRUE(other.state() == run.state());
}

TEST_F(Checkpoint, AllDamagedIsAnErrorThatListsThem) {
  SmallRun run;
  nn::CheckpointFolder checkpoints(path("runs"));
  flip(checkpoints.save(run.training()), 9);
  flip(checkpoints.save(run.training()), 9);
  const std::string what = error_of<IoError>([&] { checkpoints.load_latest(run.training()); }, ErrorCode::io_checksum);
  EXPECT_NE(what.find("checkpoint-000001"), std::string::npos) << what;
  EXPECT_NE(what.find("checkpoint-000002"), std::string::npos) << what;
}

TEST_F(Checkpoint, AWholeFileOfAnotherTrainingIsNotSkipped) {
  SmallRun run;
  nn::CheckpointFolder checkpoints(path("runs"));
  checkpoints.save(run.training(), {.identity = {{"dataset", "a"}}});
  error_of<StateError>([&] { checkpoints.load_latest(run.training(), {{"dataset", "b"}}); }, ErrorCode::state_mismatch);
}

TEST_F(Checkpoint, TwoTrainersCannotShareAFolder) {
  nn::CheckpointFolder first(path("runs"));
  const std::string what = error_of<IoError>([&] { nn::CheckpointFolder(path("runs/")); }, ErrorCode::io_open);
  EXPECT_NE(what.find("locked by another training, process " + std::to_string(::getpid())), std::string::npos) << what;

  SmallRun run;
  first.save(run.training(), {.step = 3});
  nn::CheckpointFolder reader(path("runs"), {.read_only = true});
  EXPECT_EQ(reader.load_latest(run.training())->progress.step, 3);
  error_of<StateError>([&] { reader.save(run.training()); }, ErrorCode::read_only);

  nn::CheckpointFolder moved = std::move(first);
  error_of<IoError>([&] { nn::CheckpointFolder(path("runs")); }, ErrorCode::io_open);
}

TEST_F(Checkpoint, TheLockEndsWithTheObject) {
  { const nn::CheckpointFolder first(path("runs")); }
  const nn::CheckpointFolder second(path("runs"));
}

TEST_F(Checkpoint, FolderRefusesWhatItCannotUse) {
  error_of<ValueError>([&] { nn::CheckpointFolder(path("runs"), {.keep = 0}); }, ErrorCode::value_out_of_range);
  error_of<ValueError>([&] { nn::CheckpointFolder(""); }, ErrorCode::value_invalid);
  const std::string what = error_of<IoError>([&] { nn::CheckpointFolder(path("no/such")); }, ErrorCode::io_open);
  EXPECT_NE(what.find("the folder it would lie in is missing"), std::string::npos) << what;
  overwrite(path("file"), "x");
  error_of<IoError>([&] { nn::CheckpointFolder(path("file")); }, ErrorCode::io_open);
  error_of<IoError>([&] { nn::CheckpointFolder(path("none"), {.read_only = true}); }, ErrorCode::io_open);
}

TEST_F(Checkpoint, UnfinishedFilesAreRemovedAtStart) {
  fs::create_directory(path("runs"));
  overwrite(path("runs/.checkpoint-000007-step-3.safetensors.4711.tmp"), "half");
  overwrite(path("runs/notes.tmp"), "mine");
  overwrite(path("runs/checkpoint-of-my-own.safetensors"), "mine");
  nn::CheckpointFolder checkpoints(path("runs"));
  EXPECT_FALSE(fs::exists(path("runs/.checkpoint-000007-step-3.safetensors.4711.tmp")));
  EXPECT_TRUE(fs::exists(path("runs/notes.tmp")));
  EXPECT_TRUE(checkpoints.files().empty());
}

}  // namespace
}  // namespace weft::test
