#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include <weft/core/error.h>
#include <weft/nn/checkpoint.h>

#include "nn/small_run.h"

// A training that saves after every step is killed (SIGKILL) at random moments, fifty times. What is there afterwards
// must load and be the state of an undisturbed run at that step, byte for byte.

namespace weft::test {
namespace {

namespace fs = std::filesystem;

constexpr int kills = 50;
constexpr std::int64_t width = 3000;  // 100 kB per file: the write itself takes long enough to be hit

/// The undisturbed run's state after `step` steps.
class Straight {
 public:
  const std::string& after(std::int64_t step) {
    while (static_cast<std::int64_t>(states_.size()) <= step) {
      if (!states_.empty()) run_.train(1);
      states_.push_back(run_.state());
    }
    return states_[static_cast<std::size_t>(step)];
  }

 private:
  SmallRun run_{1, width};
  std::vector<std::string> states_;
};

/// How long one save takes here and now, in microseconds; kills fall into the first few of them.
double save_time(const std::string& path) {
  SmallRun run(1, width);
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 4; ++i) {
    run.train(1);
    nn::save_checkpoint(path, run.training());
  }
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count() / 4;
}

/// Runs `work` in a child process, waits for its first sign of life, and kills it up to `within` microseconds later.
void killed(const std::function<void(int life)>& work, double within, std::mt19937& random) {
  int life[2];
  ASSERT_EQ(::pipe(life), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    try {
      work(life[1]);
    } catch (const std::exception& error) {
      (void)!::write(2, error.what(), std::char_traits<char>::length(error.what()));
    }
    ::_exit(1);
  }
  ::close(life[1]);
  char byte = 0;
  const ssize_t got = ::read(life[0], &byte, 1);
  ::close(life[0]);
  ::usleep(static_cast<useconds_t>(std::uniform_real_distribution<double>(0, within)(random)));
  ::kill(child, SIGKILL);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(got, 1) << "the child did not start";
  ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself";
}

void show_life(int life) {
  const char byte = 1;
  (void)!::write(life, &byte, 1);
}

fs::path fresh_folder(const char* name) {
  const fs::path folder = fs::path(::testing::TempDir()) / name;
  fs::remove_all(folder);
  fs::create_directory(folder);
  return folder;
}

TEST(CheckpointCrash, AFileIsTheOldOneOrTheNewOne) {
  const fs::path folder = fresh_folder("weft_crash_file");
  const std::string path = (folder / "run").string();
  const double within = 4 * save_time(path);
  std::mt19937 random(5);
  Straight straight;
  {
    SmallRun run(1, width);
    nn::save_checkpoint(path, run.training());
  }
  std::int64_t step = 0;
  for (int i = 0; i < kills && !::testing::Test::HasFatalFailure(); ++i) {
    killed(
        [&](int life) {
          SmallRun run(2, width);
          run.position = nn::load_checkpoint(path, run.training()).step;
          show_life(life);
          for (;;) {
            run.train(1);
            nn::save_checkpoint(path, run.training(), {.step = run.position});
          }
        },
        within, random);
    SmallRun run(3, width);
    const std::int64_t reached = nn::load_checkpoint(path, run.training()).step;
    EXPECT_GE(reached, step);
    step = reached;
    ASSERT_TRUE(run.state() == straight.after(step)) << "kill " << i << " at step " << step;
  }
  EXPECT_GT(step, kills / 5) << "the kills came too early to hit anything";
  fs::remove_all(folder);
}

TEST(CheckpointCrash, AFolderAlwaysHoldsAWholeOneAndNoRemains) {
  const fs::path folder = fresh_folder("weft_crash_folder");
  const double within = 4 * save_time((folder / "timing").string());
  fs::remove(folder / "timing");
  std::mt19937 random(6);
  Straight straight;
  std::int64_t step = 0;
  for (int i = 0; i < kills && !::testing::Test::HasFatalFailure(); ++i) {
    killed(
        [&](int life) {
          SmallRun run(1, width);
          nn::CheckpointFolder checkpoints(folder.string());
          if (const auto loaded = checkpoints.load_latest(run.training())) run.position = loaded->progress.step;
          show_life(life);
          for (;;) {
            run.train(1);
            checkpoints.save(run.training(), {.step = run.position});
          }
        },
        within, random);
    SmallRun run(3, width);
    nn::CheckpointFolder checkpoints(folder.string());  // the lock of the killed process is gone
    const auto loaded = checkpoints.load_latest(run.training());
    if (!loaded) {
      ASSERT_EQ(step, 0);
      continue;
    }
    EXPECT_TRUE(loaded->skipped.empty()) << loaded->skipped[0];
    EXPECT_GE(loaded->progress.step, step);
    step = loaded->progress.step;
    ASSERT_TRUE(run.state() == straight.after(step)) << "kill " << i << " at step " << step;
    for (const auto& entry : fs::directory_iterator(folder)) {
      const std::string name = entry.path().filename().string();
      EXPECT_EQ(name.find(".tmp"), std::string::npos) << name;
    }
  }
  SmallRun run(3, width);
  nn::CheckpointFolder checkpoints(folder.string());
  checkpoints.save(run.training());
  EXPECT_EQ(checkpoints.files().size(), 2u);  // kills before the removal left more; the next save catches up
  EXPECT_GT(step, kills / 5) << "the kills came too early to hit anything";
  fs::remove_all(folder);
}

}  // namespace
}  // namespace weft::test
