// train: the same network, seed and batches on every backend.

#include <algorithm>
#include <cmath>

#include <weft/weft.h>

#include "digits.h"
#include "energy.h"
#include "experiment.h"
#include "measure.h"
#include "sweep.h"
#include "units.h"

namespace lab {
namespace {

constexpr int seeds = 3;

/// The same examples on every place, so that speed and accuracy can be compared.
void same_training(Context& context, Section& section, const weft::FoundMnist& data, TrainingPlan plan) {
  plan.examples = context.limit;
  if (plan.examples == 0) {  // as many as serial can do in a third of the time
    plan.examples = context.quick ? 1024 : 10000;
    if (context.serial().here()) {
      const double steps = context.budget.limits().experiment * (context.quick ? 0.12 : 0.15) /
                           (step_seconds(context.serial(), plan) * seeds * plan.epochs);
      plan.examples =
          std::clamp<std::int64_t>(static_cast<std::int64_t>(steps), 4, plan.examples / plan.batch) * plan.batch;
    }
  }
  plan.examples = std::min(plan.examples, data.train.size());

  Table table;
  table.title = "The same " + with_commas(plan.examples) + " digits, " + std::to_string(plan.epochs) + " epochs, " +
                std::to_string(seeds) + " seeds, on every backend";
  table.columns = {
      {"backend", ""},  {"epoch", "s"},    {"speed", "samples/s"}, {"load", "%"},          {"copy", "%"},
      {"forward", "%"}, {"backward", "%"}, {"optimiser", "%"},     {"test accuracy", "%"}, {"energy per sample", "J"}};
  Chart shares;
  shares.kind = ChartKind::bars;
  shares.id = "train-phases";
  shares.title = "Where the time of training goes, in percent";
  shares.x = {"share of the time", "%"};
  shares.parts.assign(phase_names, phase_names + phases);
  Chart speed;
  speed.kind = ChartKind::bars;
  speed.id = "train";
  speed.title = "Training the same network on each backend";
  speed.x = {"samples per second (log)", "samples/s", true};
  speed.parts = {"samples per second"};

  std::vector<double> means;
  double spread = 0;
  Cell serial_epoch = absent(""), all_epoch = absent("");
  for (const Place& place : context.places) {
    std::string why_not = place.why_not;
    if (why_not.empty() && context.limit > 0 && place.device == weft::serial()) {
      // --limit was asked for: all the time there is may go into it.
      const double steps = std::ceil(static_cast<double>(plan.examples) / static_cast<double>(plan.batch));
      const double seconds = step_seconds(place, plan) * steps * seeds * plan.epochs;
      if (seconds > context.budget.left()) why_not = context.budget.refuse_run(seconds);
    }
    if (!why_not.empty()) {
      std::vector<Cell> row = {text(place.name)};
      while (row.size() < table.columns.size()) row.push_back(absent(why_not));
      table.add(std::move(row));
      speed.bars.push_back(bar_of(place.name, absent(why_not)));
      shares.bars.push_back(bar_of(place.name, absent(why_not)));
      continue;
    }
    std::vector<double> epochs, accuracies;
    double phase[phases] = {};
    const std::optional<double> before = joules(place.device);
    for (int seed = 1; seed <= seeds; ++seed) {
      plan.seed = static_cast<std::uint64_t>(seed);
      const Training t = train(place, plan, data);
      // The first epoch of the first seed warms up; it is trained, not counted.
      epochs.insert(epochs.end(), t.epochs.begin() + (seed == 1 && t.epochs.size() > 1 ? 1 : 0), t.epochs.end());
      accuracies.push_back(t.accuracy);
      for (int i = 0; i < phases; ++i) phase[i] += t.phase[i];
    }
    const std::optional<double> after = joules(place.device);
    const Measured epoch = summary_of(epochs), accuracy = summary_of(accuracies);
    const double samples = static_cast<double>(plan.examples);
    double all = 0, mean = 0;
    for (const double p : phase) all += p;
    for (const double a : accuracies) mean += a / seeds;
    means.push_back(mean);
    spread = std::max(spread, accuracy.high - accuracy.low);
    std::vector<Cell> row = {text(place.name), time_of(epoch), rate_of(epoch, samples)};
    Bar bar;
    bar.label = place.name + ": " + quantity(epoch.median, "s") + " an epoch";
    for (const double p : phase) {
      row.push_back(exact(100 * p / all));
      bar.parts.push_back(100 * p / all);
    }
    row.push_back(time_of(accuracy));
    row.push_back(before.has_value() && after.has_value() ? exact((*after - *before) / (samples * seeds * plan.epochs))
                                                          : absent("the system reports none"));
    speed.bars.push_back(bar_of(place.name, row[2]));
    shares.bars.push_back(std::move(bar));
    if (place.device == weft::serial()) serial_epoch = row[1];
    if (&place == &context.all_threads()) all_epoch = row[1];
    table.add(std::move(row));
  }
  table.note = format(
      "%lld - %lld - %lld - 10 with ReLU, SGD with momentum 0.9, lr %.2g, batch %lld; accuracy on 2,000 "
      "test digits, the median and the range of the seeds. serial sets how many digits: what it can "
      "do in its share of the time, or --limit.",
      784LL, static_cast<long long>(plan.width), static_cast<long long>(plan.width), plan.lr,
      static_cast<long long>(plan.batch));
  section.tables.push_back(std::move(table));
  section.charts.push_back(std::move(speed));
  section.charts.push_back(std::move(shares));

  if (clearly_smaller(all_epoch, serial_epoch)) {
    section.verdicts.push_back("An epoch on all threads is " + quantity(*serial_epoch.value / *all_epoch.value, "x") +
                               " as fast as on serial.");
  }
  if (means.size() > 1) {
    const auto [low, high] = std::minmax_element(means.begin(), means.end());
    section.verdicts.push_back(
        format("Mean test accuracy over %d seeds differs by %.2f points between backends; the "
               "seeds of one backend lie up to %.2f points apart.",
               seeds, *high - *low, spread));
  }
}

/// All digits, where that is not too long.
void whole_training(Context& context, Section& section, const weft::FoundMnist& data, TrainingPlan plan) {
  plan.examples = data.train.size();
  plan.epochs = 1;
  Table table;
  table.title = "All " + with_commas(plan.examples) + " digits, one epoch";
  table.columns = {{"backend", ""}, {"epoch", "s"}, {"speed", "samples/s"}, {"test accuracy", "%"}};
  for (const Place& place : context.places) {
    const double steps = static_cast<double>(plan.examples) / static_cast<double>(plan.batch);
    std::string why_not = place.why_not;
    if (why_not.empty()) why_not = context.budget.refuse_run(1.3 * step_seconds(place, plan) * steps);
    if (!why_not.empty()) {
      table.add({text(place.name), absent(why_not), absent(why_not), absent(why_not)});
      continue;
    }
    const Training t = train(place, plan, data);
    Cell epoch = exact(t.epochs[0]);
    epoch.rounds = 1;
    Cell speed = exact(static_cast<double>(plan.examples) / t.epochs[0]);
    speed.rounds = 1;
    table.add({text(place.name), epoch, speed, exact(t.accuracy)});
  }
  table.note = "One round, so there is no spread.";
  section.tables.push_back(std::move(table));
}

void sizes(Context& context, Section& section) {
  const std::vector<std::int64_t> widths =
      context.quick ? std::vector<std::int64_t>{32, 512} : std::vector<std::int64_t>{32, 128, 512, 2048};
  const std::vector<std::int64_t> batches = context.quick ? std::vector<std::int64_t>{1, 16, 128, 1024}
                                                          : std::vector<std::int64_t>{1, 4, 16, 64, 256, 1024, 4096};
  for (const std::int64_t width : widths) {
    std::vector<Way> ways;
    for (const Place& place : context.places) {
      const weft::Device device = place.device;
      ways.push_back(way_of(place, [=](std::int64_t batch) { return make_step(device, width, batch); }));
    }
    const Sweep sweep = measure_sweep(context, section, std::move(ways), batches, 1);
    Table table = rate_table(
        sweep, format("Samples per second of a training step, hidden width %lld", static_cast<long long>(width)),
        "batch", "samples/s", [](double n) { return n; });
    Chart chart =
        line_chart(table, format("train-width-%lld", static_cast<long long>(width)),
                   format("Larger batches pay for the backend: hidden width %lld", static_cast<long long>(width)),
                   {"batch size (log)", "2^", true}, {"samples per second (log); higher is faster", "samples/s", true});
    const std::size_t before = section.verdicts.size();
    compare_ways(sweep, 1, 0, "batch", "one thread passes serial:", section, chart);
    compare_ways(sweep, 2, 1, "batch", "all threads pass one:", section, chart);
    compare_ways(sweep, 3, 2, "batch", "cuda passes cpu:", section, chart);
    for (std::size_t i = before; i < section.verdicts.size(); ++i) {
      section.verdicts[i] = format("Width %lld: ", static_cast<long long>(width)) + section.verdicts[i];
    }
    section.tables.push_back(std::move(table));
    section.charts.push_back(std::move(chart));
  }
}

void memory(const Context& context, Section& section, const TrainingPlan& plan) {
  Table table;
  table.title = format("What a training step keeps, batch %lld", static_cast<long long>(plan.batch));
  table.columns = {{"kind", ""}};
  const char* const kinds[] = {"parameters", "gradients", "optimiser state", "activations", "buffers"};
  std::vector<std::vector<Cell>> columns;
  for (const Place& place : {context.all_threads(), context.gpu()}) {
    const bool gpu = place.device == weft::cuda();
    table.columns.push_back({gpu ? "in the GPU's memory" : "in host memory (cpu)", "B"});
    std::vector<Cell> column;
    if (place.here()) {
      const auto model = make_mlp(plan.width);
      model->to(place.device);
      weft::nn::SGD sgd(model->parameters(), {.lr = 0.01, .momentum = 0.9});
      const weft::Tensor x = weft::rand({plan.batch, 1, 28, 28}).to(place.device);
      const weft::Tensor labels = weft::randint(0, 10, {plan.batch}).to(place.device);
      weft::cross_entropy((*model)(x), labels).backward();
      sgd.step();
      const weft::nn::MemoryKinds k = weft::nn::memory_report(*model, x, &sgd).total;
      for (const std::size_t bytes : {k.parameters, k.gradients, k.optimizer_state, k.activations, k.buffers}) {
        column.push_back(exact(static_cast<double>(bytes)));
      }
    }
    while (column.size() < 5) column.push_back(absent(place.why_not));
    columns.push_back(std::move(column));
  }
  for (std::size_t i = 0; i < 5; ++i) table.add({text(kinds[i]), columns[0][i], columns[1][i]});
  table.note = "1024 x 1024 float32 weights are 4 MiB. On a GPU all of this stays there; the host sends commands.";
  section.tables.push_back(std::move(table));
}

void staircase(Context& context, Section& section) {
  const Place gpu = context.gpu();
  Table table;
  table.title = "The ladder of product kernels inside a training step (width 512, batch 128)";
  table.columns = {{"kernel of cuda", ""}, {"step", "s"}, {"speed", "samples/s"}};
  for (const std::string_view kernel : weft::matmul_kernels(weft::cuda())) {
    Cell time = absent(gpu.why_not);
    if (gpu.here()) {
      try {
        weft::set_matmul_kernel(weft::cuda(), kernel);
        time = time_of(measure(make_step(weft::cuda(), 512, 128), context.budget.share(0)));
      } catch (const weft::ValueError& e) {  // built without it
        time = absent(e.what());
      }
      weft::set_matmul_kernel(weft::cuda(), "auto");
    }
    Measured m;
    m.median = time.value.value_or(0);
    m.low = time.low;
    m.high = time.high;
    m.rounds = time.rounds;
    table.add({text(std::string(kernel)), time, time.value.has_value() ? rate_of(m, 128) : time});
  }
  section.tables.push_back(std::move(table));
}

}  // namespace

void run_train(Context& context, Section& section) {
  const weft::FoundMnist& data = digits(context, section);
  TrainingPlan plan;
  plan.width = context.quick ? 64 : 512;
  plan.batch = context.quick ? 32 : 128;
  plan.epochs = context.quick ? 2 : 3;
  plan.lr = context.quick ? 0.05 : 0.1;
  same_training(context, section, data, plan);
  sizes(context, section);
  whole_training(context, section, data, plan);
  memory(context, section, plan);
  staircase(context, section);
}

}  // namespace lab
