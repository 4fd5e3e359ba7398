#include "progress.h"

#include <unistd.h>

#include <cmath>
#include <cstdio>

namespace {

std::string with_commas(double value) {
  std::string digits = std::to_string(std::llround(value));
  for (int i = static_cast<int>(digits.size()) - 3; i > 0; i -= 3) digits.insert(static_cast<std::size_t>(i), ",");
  return digits;
}

std::string clock_time(double seconds) {
  const long whole = std::lround(seconds);
  char text[32];
  std::snprintf(text, sizeof text, "%ld:%02ld", whole / 60, whole % 60);
  return text;
}

}  // namespace

Progress::Progress(int epochs, std::int64_t steps_per_epoch)
    : epochs_(epochs), steps_(steps_per_epoch), terminal_(isatty(STDOUT_FILENO) == 1) {}

bool Progress::due() const {
  return terminal_ && std::chrono::steady_clock::now() - shown_ > std::chrono::milliseconds(100);
}

void Progress::show(int epoch, std::int64_t step, double loss, double accuracy, double samples_per_second,
                    double seconds_left) {
  constexpr int width = 24;
  const int filled = static_cast<int>(width * step / steps_);
  const std::string bar = std::string(static_cast<std::size_t>(filled), '=') + (filled < width ? ">" : "") +
                          std::string(static_cast<std::size_t>(filled < width ? width - filled - 1 : 0), ' ');
  std::printf("\r\033[Kepoch %d/%d [%s] loss %.4f  train accuracy %.2f %%  %s samples/s  %s left", epoch + 1, epochs_,
              bar.c_str(), loss, 100 * accuracy, with_commas(samples_per_second).c_str(),
              clock_time(seconds_left).c_str());
  std::fflush(stdout);
  dirty_ = true;
  shown_ = std::chrono::steady_clock::now();
}

void Progress::finish_epoch(int epoch, double loss, double test_accuracy, double seconds, double samples_per_second) {
  clear();
  std::printf("epoch %2d/%d  loss %.4f  test accuracy %.2f %%  %5.1f s  %s samples/s\n", epoch + 1, epochs_, loss,
              100 * test_accuracy, seconds, with_commas(samples_per_second).c_str());
  std::fflush(stdout);
}

void Progress::note(const std::string& text) {
  clear();
  std::printf("%s\n", text.c_str());
  std::fflush(stdout);
}

void Progress::clear() {
  if (dirty_) std::printf("\r\033[K");
  dirty_ = false;
}
