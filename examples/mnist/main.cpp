// train_mnist: the same network on one core, on all cores or on a GPU, by one word.

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include <weft/weft.h>

#include "options.h"
#include "predictions.h"
#include "report.h"
#include "train.h"

namespace {

volatile std::sig_atomic_t interrupted = 0;

// The first signal ends training after the current step; a second one ends the program at once.
void catch_signals() {
  struct sigaction action {};
  action.sa_handler = [](int signal) { interrupted = signal; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

/// Finds out now, not after an hour of training, that a file cannot be written.
void check_writable(const char* option, const std::string& path) {
  if (path.empty()) return;
  const bool existed = std::filesystem::exists(path);
  if (!std::ofstream(path, std::ios::app)) {
    throw weft::IoError(weft::ErrorCode::io_open, option, path + " cannot be written");
  }
  if (!existed) std::filesystem::remove(path);
}

bool show_download(const weft::DownloadProgress& p) {
  const auto mib = [](std::int64_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
  if (p.total > 0) {
    std::fprintf(stderr, "\rdownloading %s  %.1f of %.1f MiB%s", p.name.c_str(), mib(p.received), mib(p.total),
                 p.finished ? "\n" : "");
  } else {
    std::fprintf(stderr, "\rdownloading %s  %.1f MiB%s", p.name.c_str(), mib(p.received), p.finished ? "\n" : "");
  }
  return interrupted == 0;
}

weft::FoundMnist get_data(const Options& options) {
  weft::FindMnistOptions how;
  how.folder = options.data;
  how.downloading.progress = show_download;
  if (!options.download.empty()) {
    weft::download_mnist(options.download, how.downloading);
    how.folder = options.download;
  }
  return weft::find_mnist(how);
}

std::string with_commas(std::int64_t value) {
  std::string digits = std::to_string(value);
  for (int i = static_cast<int>(digits.size()) - 3; i > 0; i -= 3) digits.insert(static_cast<std::size_t>(i), ",");
  return digits;
}

int run(const Options& options) {
  check_writable("--json", options.json);
  check_writable("--trace", options.trace);
  check_writable("--predictions", options.predictions);
  if (options.threads > 0) weft::set_num_threads(options.threads);

  const weft::DeviceChoice choice = weft::choose_device(options.backend);
  const weft::Device device = choice.device;
  if (options.backend == "auto") std::printf("backend: %s\n", choice.reason.c_str());
  weft::backends::Backend& backend = weft::backends::backend_for(device);
  weft::FoundMnist data = get_data(options);
  if (!data.notice.empty()) std::printf("note: %s\n", data.notice.c_str());
  if (options.limit > 0 && options.limit < data.train.size()) data.train = data.train.take(options.limit);

  Report report;
  report.backend = weft::to_string(device);
  report.device_name = backend.facts().name;
  report.dataset = data.train.name();
  report.threads = device == weft::serial() ? 1 : weft::num_threads();

  if (!options.trace.empty()) weft::trace_start();
  Trainer trainer(options, device, data.train, data.test);
  report.parameters = trainer.parameters();
  const std::string source = data.synthetic ? data.from : data.train.name() + " from " + data.from;
  std::printf("%s: %s training and %s test digits\n", source.c_str(), with_commas(data.train.size()).c_str(),
              with_commas(data.test.size()).c_str());
  std::printf("%s: %s parameters on %s (%s), %d thread%s, batch size %s\n", options.model == "cnn" ? "LeNet-5" : "mlp",
              with_commas(report.parameters).c_str(), report.backend.c_str(), report.device_name.c_str(),
              report.threads, report.threads == 1 ? "" : "s", with_commas(options.batch_size).c_str());

  catch_signals();
  std::optional<weft::Profiler> profiler;
  if (options.profile) profiler.emplace();
  const bool complete = trainer.run([] { return interrupted != 0; });
  if (profiler.has_value()) {
    profiler->add_wait(trainer.waits().consumer_wait_seconds);
    profiler->stop();
    std::printf("%s", profiler->report().c_str());
    std::printf("What a training step keeps in memory:\n%s", trainer.memory().to_string().c_str());
  }
  report.epochs = trainer.epochs();
  if (!options.trace.empty()) {
    weft::trace_stop();
    weft::trace_write(options.trace);
  }
  if (!complete) {
    std::printf("stopped by a signal%s\n",
                options.checkpoint.empty() ? "" : "; the state is saved, --resume goes on from here");
    return 128 + interrupted;
  }
  std::printf("test accuracy %.2f %%%s\n", 100 * report.test_accuracy(),
              data.synthetic ? " on synthetic digits (not MNIST)" : "");
  if (!options.predictions.empty()) draw_predictions(options.predictions, data.test, trainer.predict_test());
  if (!options.json.empty()) write_json(options.json, report, options);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  const int status = parse_options(argc, argv, options);
  if (status >= 0) return status;
  try {
    return run(options);
  } catch (const weft::DeviceError& e) {
    const bool missing =
        e.code() == weft::ErrorCode::device_unavailable || e.code() == weft::ErrorCode::plugin_incompatible;
    std::fprintf(stderr, "%strain_mnist: %s\n", missing ? "" : "\n", e.what());
    return missing ? 2 : 1;  // 2: what was asked for is not to be had here
  } catch (const std::exception& e) {
    std::fprintf(stderr, "\ntrain_mnist: %s\n", e.what());
    return 1;
  }
}
