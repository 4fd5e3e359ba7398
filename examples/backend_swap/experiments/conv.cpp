// conv: the layers of small CNNs per backend, algorithm and layout; LeNet trained on each backend.

#include <algorithm>
#include <cmath>
#include <memory>
#include <stdexcept>

#include <weft/weft.h>

#include "digits.h"
#include "experiment.h"
#include "loops.h"
#include "measure.h"
#include "sweep.h"
#include "units.h"

namespace lab {
namespace {

using weft::Tensor;
using LayoutLoop = void (*)(const float*, const float*, float*, const std::int64_t[6]);

struct Layer {
  const char* name;
  std::int64_t extents[6];  // n, c, h, w of x; channels of y; kernel

  std::int64_t n() const { return extents[0]; }
  std::int64_t c() const { return extents[1]; }
  std::int64_t h() const { return extents[2]; }
  std::int64_t w() const { return extents[3]; }
  std::int64_t m() const { return extents[4]; }
  std::int64_t k() const { return extents[5]; }
  std::int64_t oh() const { return h() - k() + 1; }
  std::int64_t ow() const { return w() - k() + 1; }
  double flops() const { return 2.0 * static_cast<double>(n() * m() * oh() * ow() * c() * k() * k()); }
};

const Layer layers[] = {{"1 to 6 channels, 5x5, 28x28", {16, 1, 28, 28, 6, 5}},
                        {"6 to 16 channels, 5x5, 14x14", {16, 6, 14, 14, 16, 5}},
                        {"32 to 32 channels, 3x3, 30x30", {16, 32, 30, 30, 32, 3}}};

Tensor input(const Layer& l) {
  weft::Generator generator(1);
  return weft::randn({l.n(), l.c(), l.h(), l.w()}, weft::cpu(), generator);
}

Tensor weights(const Layer& l) {
  weft::Generator generator(2);
  return weft::randn({l.m(), l.c(), l.k(), l.k()}, weft::cpu(), generator);
}

struct Way {
  std::string name;
  std::string why_not;
  int threads = 1;
  /// Returns a call whose result is y, in the order NCHW.
  std::function<std::function<Tensor()>(const Layer&)> make;
};

Way library(const Place& place, const std::string& name) {
  const weft::Device device = place.device;
  return {name, place.why_not, place.threads, [device](const Layer& l) -> std::function<Tensor()> {
            const Tensor x = input(l).to(device), w = weights(l).to(device);
            return [=] {
              const weft::NoGrad off;
              Tensor y = weft::conv2d(x, w);
              finish(device);
              return y;
            };
          }};
}

/// The windows of x as the columns of a matrix, then one product: the way convolution became fast.
Way as_product(const Place& place) {
  return {"windows as a matrix, one product", place.why_not, place.threads,
          [](const Layer& l) -> std::function<Tensor()> {
            const Tensor x = input(l), w = weights(l).reshape({l.m(), l.c() * l.k() * l.k()});
            auto columns = std::make_shared<Tensor>(weft::zeros({l.n(), l.c() * l.k() * l.k(), l.oh() * l.ow()}));
            return [=] {
              const weft::NoGrad off;
              const float* from = x.data<float>();
              float* to = columns->mutable_data<float>();
              const std::int64_t rows = l.c() * l.k() * l.k(), places = l.oh() * l.ow();
              weft::parallel_for(l.n(), 1, [&](std::int64_t begin, std::int64_t end) {
                for (std::int64_t n = begin; n < end; ++n) {
                  for (std::int64_t r = 0; r < rows; ++r) {
                    const std::int64_t c = r / (l.k() * l.k()), u = r / l.k() % l.k(), v = r % l.k();
                    for (std::int64_t i = 0; i < l.oh(); ++i) {
                      const float* source = from + ((n * l.c() + c) * l.h() + i + u) * l.w() + v;
                      std::copy_n(source, l.ow(), to + (n * rows + r) * places + i * l.ow());
                    }
                  }
                }
              });
              return weft::matmul(w, *columns).reshape({l.n(), l.m(), l.oh(), l.ow()});
            };
          }};
}

Way own(const std::string& name, const Loops* loops, LayoutLoop Loops::*which, const weft::Axes& x_order,
        const weft::Axes& w_order, const weft::Axes& y_back, int first) {
  Way way;
  way.name = name;
  if (loops == nullptr) {
    way.why_not = "not measured: this processor lacks the instructions it was compiled for";
    return way;
  }
  const LayoutLoop run = loops->*which;
  way.make = [=](const Layer& l) -> std::function<Tensor()> {
    const Tensor x = input(l).permute(x_order).contiguous(), w = weights(l).permute(w_order).contiguous();
    const weft::Shape shape = first == 0   ? weft::Shape{l.n(), l.m(), l.oh(), l.ow()}
                              : first == 1 ? weft::Shape{l.n(), l.oh(), l.ow(), l.m()}
                                           : weft::Shape{l.m(), l.oh(), l.ow(), l.n()};
    auto y = std::make_shared<Tensor>(weft::zeros(shape));
    return [=] {
      run(x.data<float>(), w.data<float>(), y->mutable_data<float>(), l.extents);
      return y->permute(y_back);
    };
  };
  return way;
}

void layer_table(Context& context, Section& section) {
  const weft::Axes same = {0, 1, 2, 3}, weights_last = {2, 3, 1, 0};
  const auto nchw = [&](const char* name, const Loops* loops) {
    return own(name, loops, &Loops::conv_nchw, same, same, same, 0);
  };
  const std::vector<Way> ways = {
      library(context.serial(), "serial"),
      nchw("own loop, NCHW, plain", &plain_loops()),
      nchw("own loop, NCHW", best_loops()),
      own("own loop, NHWC", best_loops(), &Loops::conv_nhwc, {0, 2, 3, 1}, weights_last, {0, 3, 1, 2}, 1),
      own("own loop, CHWN", best_loops(), &Loops::conv_chwn, {1, 2, 3, 0}, weights_last, {3, 0, 1, 2}, 2),
      as_product(context.one_thread()),
      library(context.one_thread(), "cpu, 1 thread"),
      library(context.all_threads(), "cpu, all threads"),
      library(context.gpu(), "cuda (cuDNN)"),
  };
  Table table;
  table.title = "Floating-point operations per second of a convolution, 16 images";
  table.columns = {{"way", ""}};
  for (const Layer& l : layers) table.columns.push_back({l.name, "FLOP/s"});
  Chart chart;
  chart.kind = ChartKind::bars;
  chart.id = "conv";
  chart.title = std::string("One layer, many ways: ") + layers[2].name;
  chart.x = {"operations per second (log)", "FLOP/s", true};
  chart.parts = {"rate"};
  for (const Way& way : ways) {
    std::vector<Cell> row = {text(way.name)};
    double per_flop = 0;  // seconds, from the layer before
    for (const Layer& l : layers) {
      const std::string why_not = way.why_not.empty() ? context.budget.refuse(per_flop * l.flops()) : way.why_not;
      if (!why_not.empty()) {
        row.push_back(absent(why_not));
        continue;
      }
      const Threads threads(way.threads);
      const std::function<Tensor()> call = way.make(l);
      const double begin = now();
      const Tensor y = call();
      const double once = now() - begin;
      per_flop = once / l.flops();
      const weft::NoGrad off;
      const Tensor truth = weft::conv2d(input(l), weights(l));
      const double wrong = (y.to(weft::cpu()) - truth).abs().max().item();
      if (!(wrong < 1e-2)) {
        throw std::runtime_error(way.name + " computes another convolution: off by " + std::to_string(wrong));
      }
      const Measured m = measure([&] { static_cast<void>(call()); }, context.budget.share(once));
      row.push_back(rate_of(m, l.flops()));
    }
    chart.bars.push_back(bar_of(way.name, row.back()));
    table.add(std::move(row));
  }
  table.note = std::string("Own loops run on one core, built ") + (best_loops() != nullptr ? best_loops()->flags : "") +
               " (plain: as serial). The letters are the order of the axes in memory, the last one next to each other: "
               "batch N, channels "
               "C, height H, width W. Every way is checked against the others before it is timed.";
  section.tables.push_back(std::move(table));
  section.charts.push_back(std::move(chart));
}

/// Few digits, so that serial can do them, and many for the others.
void lenet(Context& context, Section& section) {
  const weft::FoundMnist& data = digits(context, section);
  TrainingPlan plan;
  plan.model = [](std::int64_t) { return make_lenet(); };
  plan.batch = 32;
  plan.epochs = 1;
  plan.lr = 0.02;
  Table table;
  table.title = "LeNet trained for one epoch";
  table.columns = {{"backend", ""}, {"digits", ""}, {"epoch", "s"}, {"speed", "samples/s"}, {"test accuracy", "%"}};
  const std::int64_t few = context.quick ? 32 : 2048, many = context.quick ? 4096 : data.train.size();
  for (const std::int64_t examples : {few, many}) {
    for (const Place& place : context.places) {
      if (examples == many && place.device == weft::serial()) continue;
      plan.examples = std::min(examples, data.train.size());
      plan.tests = examples == few ? 0 : 1000;
      const Cell count = exact(static_cast<double>(plan.examples));
      std::string why_not = place.why_not;
      if (why_not.empty()) {
        TrainingPlan one = plan;
        one.examples = std::min<std::int64_t>(plan.batch, context.quick ? 8 : 32);
        one.tests = 0;
        const double steps = static_cast<double>(plan.examples) / static_cast<double>(one.examples);
        why_not = context.budget.refuse_run(train(place, one, data).epochs[0] * steps);
      }
      if (!why_not.empty()) {
        table.add({text(place.name), count, absent(why_not), absent(why_not), absent(why_not)});
        continue;
      }
      const Training t = train(place, plan, data);
      Cell epoch = exact(t.epochs[0]), speed = exact(static_cast<double>(plan.examples) / t.epochs[0]);
      epoch.rounds = speed.rounds = 1;
      table.add({text(place.name), count, epoch, speed, examples == few ? text("too few digits") : exact(t.accuracy)});
    }
  }
  table.note = "One epoch each, so there is no spread. The few digits are what serial can do in the time.";
  section.tables.push_back(std::move(table));
}

}  // namespace

void run_conv(Context& context, Section& section) {
  layer_table(context, section);
  lenet(context, section);
}

}  // namespace lab
