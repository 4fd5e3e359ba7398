// timeline: one training step taken apart, as a picture and as a trace for Perfetto.

#include <filesystem>

#include <weft/weft.h>

#include "digits.h"
#include "experiment.h"
#include "measure.h"
#include "units.h"

namespace lab {
namespace {

using weft::Tensor;
namespace nn = weft::nn;

constexpr const char* parts[] = {"copy to the device", "forward", "backward", "optimiser", "result to the host"};

struct Piece {
  int part;
  std::string label;
  double begin, end;
};

/// One step, every part waited for, so that its time is its own.
class Step {
 public:
  Step(weft::Device device, std::int64_t width, std::int64_t batch) : device_(device) {
    weft::manual_seed(1);
    model_ = make_mlp(width);
    model_->to(device);
    sgd_ = std::make_unique<nn::SGD>(model_->parameters(), nn::SGDOptions{.lr = 0.01, .momentum = 0.9});
    x_ = weft::rand({batch, 1, 28, 28});
    labels_ = weft::randint(0, 10, {batch});
  }

  std::vector<Piece> run() {
    std::vector<Piece> pieces;
    const double start = now();
    const auto part = [&](int which, const std::string& label, const char* span, const auto& what) {
      const double begin = now() - start;
      {
        const weft::TraceSpan traced(span, "step");
        what();
        finish(device_);
      }
      pieces.push_back({which, label, begin, now() - start});
    };
    Tensor x, labels, loss;
    part(0, "images, labels", "copy to the device", [&] {
      x = x_.to(device_);
      labels = labels_.to(device_);
    });
    const char* layers[] = {"flatten", "linear 1", "relu 1", "linear 2", "relu 2", "linear 3"};
    std::size_t number = 0;
    for (const auto& [name, layer] : model_->named_children()) {
      const char* span = number < 6 ? layers[number] : "layer";
      part(1, span, span, [&, &module = *layer] { x = module(x); });
      ++number;
    }
    part(1, "loss", "loss", [&] { loss = weft::cross_entropy(x, labels); });
    part(2, "backward", "backward", [&] {
      sgd_->zero_grad();
      loss.backward();
    });
    part(3, "sgd", "optimiser", [&] { sgd_->step(); });
    part(4, "loss", "result to the host", [&] { static_cast<void>(loss.item()); });
    return pieces;
  }

 private:
  weft::Device device_;
  std::shared_ptr<nn::Sequential> model_;
  std::unique_ptr<nn::SGD> sgd_;
  Tensor x_, labels_;
};

}  // namespace

void run_timeline(Context& context, Section& section) {
  constexpr std::int64_t width = 512, batch = 128;
  Table table;
  table.title = "One training step of 784 - 512 - 512 - 10, batch 128";
  table.columns = {{"part", ""}};
  std::vector<std::vector<Cell>> columns;
  for (const Place& place : context.places) {
    table.columns.push_back({place.name, "s"});
    std::vector<Cell> column;
    std::string why_not = place.why_not;
    std::vector<Piece> shown;
    if (why_not.empty()) {
      const Threads threads(place.threads);
      Step step(place.device, width, batch);
      const double begin = now();
      step.run();
      why_not = context.budget.refuse(now() - begin);
      if (why_not.empty()) {
        std::vector<double> seconds[6];
        for (int round = 0; round < (context.quick ? 5 : 21); ++round) {
          shown = step.run();
          double sums[5] = {};
          for (const Piece& p : shown) sums[p.part] += p.end - p.begin;
          for (int i = 0; i < 5; ++i) seconds[i].push_back(sums[i]);
          seconds[5].push_back(shown.back().end);
        }
        for (const auto& s : seconds) column.push_back(time_of(summary_of(s)));
      }
    }
    while (column.size() < 6) column.push_back(absent(why_not));
    columns.push_back(std::move(column));
    if (shown.empty() || &place == &context.one_thread()) continue;

    Chart chart;
    chart.kind = ChartKind::gantt;
    chart.id = "timeline-" + std::string(weft::name(place.device.kind));
    chart.title = "One training step on " + place.name;
    chart.x = {"milliseconds"};
    chart.parts.assign(parts, parts + 5);
    for (const char* p : parts) chart.lanes.push_back({"", p});
    for (const Piece& p : shown) chart.spans.push_back({p.part, p.part, p.begin * 1e3, p.end * 1e3, p.label});
    section.charts.push_back(std::move(chart));

    // The same as a file for ui.perfetto.dev, with whatever else weft records.
    const Threads threads(place.threads);
    Step step(place.device, width, batch);
    weft::trace_start();
    for (int i = 0; i < 3; ++i) step.run();
    weft::trace_stop();
    const std::string file = "timeline-" + std::string(weft::name(place.device.kind)) + ".trace.json";
    weft::trace_write((std::filesystem::path(context.out) / file).string());
    section.notes.push_back("Three steps on " + place.name + " as a trace for ui.perfetto.dev: " + file + ".");
  }
  const char* rows[] = {parts[0], parts[1], parts[2], parts[3], parts[4], "the whole step"};
  for (std::size_t r = 0; r < 6; ++r) {
    std::vector<Cell> row = {text(rows[r])};
    for (const auto& column : columns) row.push_back(column[r]);
    table.add(std::move(row));
  }
  table.note = "Every part is waited for. On serial and cpu the copy to the device stays in host memory.";
  section.tables.push_back(std::move(table));
}

}  // namespace lab
