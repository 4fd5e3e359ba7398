// loading: training with 0, 1, 2, ... background threads that read and decode.

#include <algorithm>
#include <cmath>
#include <memory>
#include <mutex>

#include <weft/weft.h>

#include "digits.h"
#include "experiment.h"
#include "measure.h"
#include "units.h"

namespace lab {
namespace {

/// Who worked when. Threads write into rows of their own.
class Recorder {
 public:
  struct Piece {
    int thread;
    double begin, end;
  };
  void restart() {
    const std::lock_guard lock(mutex_);
    pieces_.clear();
    threads_ = 0;
    ++run_;
  }
  void add(double begin, double end) {
    thread_local int number = -1, run = -1;
    const std::lock_guard lock(mutex_);
    if (run != run_) {
      run = run_;
      number = threads_++;
    }
    // Examples of one batch follow each other at once: one piece.
    const auto last = std::find_if(pieces_.rbegin(), pieces_.rend(), [](const Piece& p) { return p.thread == number; });
    if (last != pieces_.rend() && begin - last->end < 1e-4) {
      last->end = end;
      return;
    }
    pieces_.push_back({number, begin, end});
  }
  std::vector<Piece> pieces() {
    const std::lock_guard lock(mutex_);
    return pieces_;
  }

 private:
  std::mutex mutex_;
  std::vector<Piece> pieces_;
  int threads_ = 0, run_ = 0;
};

/// Digits that are turned and enlarged when they are read, `times` times over: the work of decoding a photograph.
class Decoded : public weft::Dataset {
 public:
  Decoded(const weft::ImageDataset& digits, int times, std::shared_ptr<Recorder> recorder)
      : inner_(digits, weft::transforms::Lambda([times](weft::Image& image, weft::RandomStream& random) {
                 const weft::transforms::RandomAffine turn({.degrees = 5, .min_scale = 0.95, .max_scale = 1.05});
                 for (int i = 0; i < times; ++i) turn.apply(image, random);
               })),
        recorder_(std::move(recorder)) {}
  std::int64_t size() const override { return inner_.size(); }
  weft::ExampleLayout layout() const override { return inner_.layout(); }
  void get(std::int64_t index, const weft::ExampleSlot& slot) const override {
    const double begin = now();
    inner_.get(index, slot);
    recorder_->add(begin, now());
  }

 private:
  weft::TransformedDataset inner_;
  std::shared_ptr<Recorder> recorder_;
};

struct Epoch {
  double seconds = 0, wait = 0, decode = 0;
  std::vector<Recorder::Piece> compute;
  double begin = 0;
};

Epoch run_epoch(const Decoded& data, int workers, std::int64_t batch,
                const std::function<void(const weft::Tensor&)>& step) {
  weft::DataLoader loader(data, {.batch_size = batch, .workers = workers, .seed = 1});
  Epoch e;
  e.begin = now();
  for (const weft::Batch& b : loader.epoch(0)) {
    const double begin = now();
    step(b.inputs);
    e.compute.push_back({0, begin, now()});
  }
  e.seconds = now() - e.begin;
  const weft::LoaderStats stats = loader.stats();
  e.wait = stats.consumer_wait_seconds;
  e.decode = stats.decode_seconds;
  return e;
}

}  // namespace

void run_loading(Context& context, Section& section) {
  if (!context.all_threads().here()) {
    section.notes.push_back(context.all_threads().why_not);
    return;
  }
  const weft::FoundMnist& found = digits(context, section);
  constexpr std::int64_t batch = 64;
  // Half of the cores compute, the others can load: on a device of its own, training leaves them all free.
  const int computing = std::max(1, context.threads / 2);
  const Threads threads(computing);
  const auto model = make_mlp(256);
  weft::nn::SGD sgd(model->parameters(), {.lr = 0.01});
  const weft::Tensor labels = weft::randint(0, 10, {batch});
  const auto step = [&](const weft::Tensor& x) {
    sgd.zero_grad();
    weft::cross_entropy((*model)(x), labels).backward();
    sgd.step();
  };
  const weft::Tensor x = weft::rand({batch, 1, 28, 28});
  const double compute = measure([&] { step(x); }, 0.1).median;

  const auto recorder = std::make_shared<Recorder>();
  int times = 1;
  {  // as much decoding as computing
    const Decoded one(found.train.take(batch), 1, recorder);
    const double decode = run_epoch(one, 0, batch, [](const weft::Tensor&) {}).seconds;
    const double again = run_epoch(one, 0, batch, [](const weft::Tensor&) {}).seconds;
    times = std::clamp(static_cast<int>(std::lround(compute / std::min(decode, again))), 1, 50);
  }
  const double per_epoch = context.quick ? 0.2 : 1.5;
  const auto batches =
      std::clamp<std::int64_t>(static_cast<std::int64_t>(per_epoch / (2 * compute)), 8, found.train.size() / batch);
  const Decoded data(found.train.take(batches * batch), times, recorder);

  Table table;
  table.title =
      format("%lld batches of %lld, trained on %d thread%s, against background threads that load",
             static_cast<long long>(batches), static_cast<long long>(batch), computing, computing == 1 ? "" : "s");
  table.columns = {{"loader threads", ""},
                   {"time", "s"},
                   {"training waited", "s"},
                   {"decoding, all threads", "s"},
                   {"speed-up over 0", "x"}};
  Chart chart;
  chart.kind = ChartKind::gantt;
  chart.id = "loading";
  chart.title = "Decoding and computing over the first batches";
  chart.x = {"milliseconds"};
  chart.parts = {"decoding", "computing"};
  std::vector<Cell> first;
  Cell none, one;
  for (const int workers : {0, 1, 2, 4}) {
    std::vector<double> seconds, wait, decode;
    Epoch last;
    for (int round = 0; round < (context.quick ? 4 : 6); ++round) {
      recorder->restart();
      last = run_epoch(data, workers, batch, step);
      if (round == 0) continue;  // warms up
      seconds.push_back(last.seconds);
      wait.push_back(last.wait);
      decode.push_back(last.decode);
      if (round > 1 && context.budget.left() < 4 * last.seconds) break;
    }
    if (seconds.empty()) break;
    const Cell time = time_of(summary_of(seconds));
    if (first.empty()) first.push_back(time);
    if (workers == 0) none = time;
    if (workers == 1) one = time;
    table.add(
        {exact(workers), time, time_of(summary_of(wait)), time_of(summary_of(decode)), speedup_of(first[0], time)});
    if (workers > 2) continue;
    const double show = 8 * 2 * compute;  // the time of about eight batches without any overlap
    const std::string group =
        workers == 0 ? "no loader thread" : format("%d loader thread%s", workers, workers == 1 ? "" : "s");
    const int lane = static_cast<int>(chart.lanes.size());
    chart.lanes.push_back({group, "training"});
    for (int w = 0; w < workers; ++w) chart.lanes.push_back({group, format("loader %d", w + 1)});
    const auto span = [&](int row, int kind, const Recorder::Piece& p) {
      const double begin = p.begin - last.begin, end = std::min(p.end - last.begin, show);
      if (begin < end) chart.spans.push_back({row, kind, std::max(begin, 0.0) * 1e3, end * 1e3, ""});
    };
    for (const Recorder::Piece& p : recorder->pieces()) {
      if (p.thread < std::max(workers, 1)) span(workers == 0 ? lane : lane + 1 + p.thread, 0, p);
    }
    for (const Recorder::Piece& p : last.compute) span(lane, 1, p);
  }
  table.note = format(
      "Decoding is %d affine transform%s of each digit, chosen so that it takes about as long as computing. "
      "This machine has %d cores: more loader threads than free cores bring nothing.",
      times, times == 1 ? "" : "s", weft::hardware_threads());
  if (clearly_smaller(one, none)) {
    section.verdicts.push_back("One loader thread makes training " + quantity(*none.value / *one.value, "x") +
                               " as fast: decoding and computing overlap.");
  }
  section.tables.push_back(std::move(table));
  section.charts.push_back(std::move(chart));
}

}  // namespace lab
