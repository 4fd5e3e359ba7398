// The cpu backend's own fused forms have the bits of the composed ones (run on the same backend) where both round at
// the same places, and do not depend on threads, batch or position.

#include <weft/backends/cpu/cpu_backend.h>

#include "support.h"

namespace weft::cpu_test {
namespace {

using backends::Activation;
using backends::Argument;
using backends::Backend;
using backends::contiguous_view;
using backends::CrossEntropyArgs;
using backends::Number;
using backends::OptimArgs;
using backends::OptimKind;
using backends::OptimSlot;
using backends::RandomKey;
using backends::TensorView;
using backends::cpu::CpuBackend;

CpuBackend& backend() {
  static CpuBackend& b = *new CpuBackend;
  return b;
}

template <class T>
TensorView view(std::vector<T>& data, const Shape& shape) {
  return contiguous_view(data.data(), dtype_of<T>, shape);
}
const TensorView none = {};

template <class T>
void linear_has_composed_bits(Activation act, bool with_bias, std::int64_t rows, std::int64_t in, std::int64_t out) {
  std::vector<T> x = numbers<T>(rows * in, 1), w = numbers<T>(out * in, 2), b = numbers<T>(out, 3);
  for (T& value : w) value /= 16;
  std::vector<T> fused(static_cast<std::size_t>(rows * out)), composed(fused.size());
  const TensorView bias = with_bias ? view(b, {out}) : none;
  std::vector<T> aux(fused.size()), aux2(fused.size());  // what gelu_tanh remembers
  backend().linear(act, view(x, {rows, in}), view(w, {out, in}), bias, view(fused, {rows, out}), aux.data());
  backend().Backend::linear(act, view(x, {rows, in}), view(w, {out, in}), bias, view(composed, {rows, out}),
                            aux2.data());
  EXPECT_EQ(different(aux, aux2), 0) << "remembered";
  EXPECT_EQ(different(fused, composed), 0) << static_cast<int>(act) << " bias " << with_bias << " rows " << rows;

  std::vector<T> dy = numbers<T>(rows * out, 4), dx(x.size()), dw(w.size()), db(b.size());
  std::vector<T> dx2(x.size()), dw2(w.size()), db2(b.size());
  for (const Activation below : {Activation::none, Activation::relu, Activation::tanh, Activation::gelu_tanh}) {
    const auto run = [&](auto&& call, std::vector<T>& to_x, std::vector<T>& to_w, std::vector<T>& to_b) {
      call(act, view(dy, {rows, out}), view(fused, {rows, out}), aux.data(), view(x, {rows, in}), view(w, {out, in}),
           below, x.data(), view(to_x, {rows, in}), view(to_w, {out, in}), view(to_b, {out}));
    };
    run([](auto... args) { backend().linear_backward(args...); }, dx, dw, db);
    run([](auto... args) { backend().Backend::linear_backward(args...); }, dx2, dw2, db2);
    EXPECT_EQ(different(dx, dx2), 0) << "dx below " << static_cast<int>(below);
    EXPECT_EQ(different(dw, dw2), 0) << "dw";
    EXPECT_EQ(different(db, db2), 0) << "db";
  }
}

TEST(Fused, LinearHasTheComposedBits) {
  for (const Activation act :
       {Activation::none, Activation::relu, Activation::tanh, Activation::sigmoid, Activation::gelu_tanh}) {
    for (const bool bias : {false, true}) {
      linear_has_composed_bits<float>(act, bias, 37, 50, 45);
      linear_has_composed_bits<double>(act, bias, 5, 20, 10);
    }
    linear_has_composed_bits<float>(act, true, 128, 300, 512);
    linear_has_composed_bits<float>(act, true, 1, 300, 10);
  }
}

template <class T>
void softmax_has_composed_bits(std::int64_t rows, std::int64_t n) {
  std::vector<T> x = numbers<T>(rows * n, 1), dy = numbers<T>(rows * n, 2), y(x.size()), y2(x.size()), dx(x.size());
  std::vector<T> dx2(x.size());
  for (const bool log : {false, true}) {
    backend().softmax(log, view(x, {rows, n}), 1, view(y, {rows, n}));
    backend().Backend::softmax(log, view(x, {rows, n}), 1, view(y2, {rows, n}));
    EXPECT_EQ(different(y, y2), 0) << rows << "x" << n << " log " << log;
    backend().softmax_backward(log, view(dy, {rows, n}), view(y, {rows, n}), 1, view(dx, {rows, n}));
    backend().Backend::softmax_backward(log, view(dy, {rows, n}), view(y, {rows, n}), 1, view(dx2, {rows, n}));
    EXPECT_EQ(different(dx, dx2), 0) << rows << "x" << n << " log " << log << " backward";
    std::vector<T> in_place = x;
    backend().softmax(log, view(in_place, {rows, n}), 1, view(in_place, {rows, n}));
    EXPECT_EQ(different(in_place, y), 0) << "in place";
  }
}

TEST(Fused, SoftmaxHasTheComposedBits) {
  for (const std::int64_t n : {1, 2, 10, 16, 17, 100, 1000, 5000}) {
    softmax_has_composed_bits<float>(3, n);
    softmax_has_composed_bits<double>(2, n);
  }
  softmax_has_composed_bits<float>(2000, 10);
}

TEST(Fused, SoftmaxOfHugeLogitsIsFinite) {
  std::vector<float> x = {1e4f, -1e4f, 9.999e3f, 88.0f}, y(4);
  backend().softmax(false, view(x, {1, 4}), 1, view(y, {1, 4}));
  EXPECT_NEAR(y[0] + y[2], 1, 1e-6);
  EXPECT_EQ(y[1], 0);
  backend().softmax(true, view(x, {1, 4}), 1, view(y, {1, 4}));
  EXPECT_NEAR(y[1], -20000.31326, 1e-2);
}

TEST(Fused, CrossEntropyRowsDoNotDependOnTheBatchOrTheThreads) {
  const std::int64_t rows = 3000, n = 10;
  std::vector<float> x = numbers<float>(rows * n, 1), weight = {1, 2, 0.5f, 1, 1, 3, 1, 1, 0.25f, 1};
  std::vector<std::int64_t> labels;
  for (std::int64_t r = 0; r < rows; ++r) labels.push_back(r % 17 == 3 ? -100 : r % n);
  for (const double smoothing : {0.0, 0.1}) {
    CrossEntropyArgs args;
    args.smoothing = smoothing;
    std::vector<float> losses(3000), d(x.size()), losses1(3000), d1(x.size());
    for (const int threads : {1, 3}) {
      const Threads with(threads);
      backend().cross_entropy(args, view(x, {rows, n}), view(labels, {rows}), view(weight, {n}),
                              threads == 1 ? view(losses1, {rows}) : view(losses, {rows}),
                              threads == 1 ? view(d1, {rows, n}) : view(d, {rows, n}));
    }
    EXPECT_EQ(different(losses, losses1), 0);
    EXPECT_EQ(different(d, d1), 0);
    std::vector<float> one(1), one_d(10), row(x.begin() + 20, x.begin() + 30);
    std::vector<std::int64_t> label = {labels[2]};
    backend().cross_entropy(args, view(row, {1, n}), view(label, {1}), view(weight, {n}), view(one, {1}),
                            view(one_d, {1, n}));
    EXPECT_TRUE(same_bits(one[0], losses[2]));
    EXPECT_EQ(different(one_d.data(), d.data() + 20, 10), 0);
  }
}

TEST(Fused, DropoutHasTheComposedBits) {
  for (const std::int64_t n : {1, 63, 100, 40000}) {
    std::vector<float> x = numbers<float>(n, 1), fused(x.size()), composed(x.size());
    const RandomKey key = {42, 7, nullptr};
    backend().dropout(0.3, key, view(x, {n}), view(fused, {n}));
    backend().Backend::dropout(0.3, key, view(x, {n}), view(composed, {n}));
    EXPECT_EQ(different(fused, composed), 0) << n;
  }
}

template <class T>
struct Parameters {
  std::vector<std::vector<T>> values;  // param, grad, state1, state2 of each
  std::vector<OptimSlot> slots;
  explicit Parameters(bool states) {
    const std::int64_t sizes[] = {5, 16, 33, 17000};
    for (int i = 0; i < 16; ++i) {
      values.push_back(numbers<T>(sizes[i / 4], static_cast<std::uint64_t>(i)));
      if (i % 4 >= 2) {
        for (T& v : values.back()) v = v * v;
      }
    }
    for (std::size_t i = 0; i < 4; ++i) {
      const auto at = [&](std::size_t k) {
        return view(values[4 * i + k], {static_cast<std::int64_t>(values[4 * i].size())});
      };
      slots.push_back({at(0), at(1), states ? at(2) : none, states ? at(3) : none});
    }
  }
};

template <class T>
void optimiser_has_composed_bits(const OptimArgs& args, bool states) {
  Parameters<T> fused(states), composed(states);
  for (int step = 1; step <= 3; ++step) {
    OptimArgs now = args;
    now.step = Number(step);
    backend().optimise(now, fused.slots);
    backend().Backend::optimise(now, composed.slots);
  }
  for (std::size_t i = 0; i < fused.values.size(); ++i) {
    EXPECT_EQ(different(fused.values[i], composed.values[i]), 0)
        << "kind " << static_cast<int>(args.kind) << " array " << i;
  }
}

TEST(Fused, OptimisersHaveTheComposedBits) {
  for (const OptimKind kind : {OptimKind::sgd, OptimKind::adam, OptimKind::adamw, OptimKind::rmsprop}) {
    for (const double momentum : {0.0, 0.9}) {
      for (const double decay : {0.0, 0.01}) {
        for (const bool nesterov : {false, true}) {
          for (const double scale : {1.0, 0.37}) {
            OptimArgs args;
            args.kind = kind;
            args.lr = Number(0.05);
            args.grad_scale = Number(scale);
            args.momentum = momentum;
            args.weight_decay = decay;
            args.nesterov = nesterov && momentum > 0;
            args.dampening = nesterov ? 0 : 0.1;
            optimiser_has_composed_bits<float>(args, true);
            optimiser_has_composed_bits<double>(args, true);
          }
        }
      }
    }
  }
  OptimArgs plain;
  optimiser_has_composed_bits<float>(plain, false);
}

TEST(Fused, OptimiserReadsItsNumbersFromViewsToo) {
  Parameters<float> numbers_given(true), views_given(true);
  double lr = 0.02, step = 3, scale = 0.5;
  OptimArgs args;
  args.kind = OptimKind::adamw;
  args.weight_decay = 0.1;
  args.lr = Number(lr);
  args.step = Number(step);
  args.grad_scale = Number(scale);
  backend().optimise(args, numbers_given.slots);
  args.lr = TensorView{&lr, DType::float64, {}, {}, {}};
  args.step = TensorView{&step, DType::float64, {}, {}, {}};
  args.grad_scale = TensorView{&scale, DType::float64, {}, {}, {}};
  backend().optimise(args, views_given.slots);
  for (std::size_t i = 0; i < 16; ++i) EXPECT_EQ(different(numbers_given.values[i], views_given.values[i]), 0);
}

TEST(Fused, SumOfSquaresDoesNotDependOnThreads) {
  std::vector<float> a = numbers<float>(100000, 1), b = numbers<float>(3, 2);
  const TensorView views[] = {view(a, {100000}), view(b, {3})};
  double exact = 0, one = 0;
  for (const float v : a) exact += static_cast<double>(v) * static_cast<double>(v);
  for (const float v : b) exact += static_cast<double>(v) * static_cast<double>(v);
  for (const int threads : {1, 2, 3, 8}) {
    const Threads with(threads);
    double out = 0;
    backend().sum_squares(views, TensorView{&out, DType::float64, {}, {}, {}});
    if (threads == 1) one = out;
    EXPECT_TRUE(same_bits(out, one));
    EXPECT_NEAR(out, exact, 1e-9 * exact);
  }
}

TEST(Fused, GatherBatchHasTheComposedBits) {
  std::vector<std::uint8_t> data(50 * 784), label_of(50);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::uint8_t>(i * 31 % 251);
  for (std::size_t i = 0; i < 50; ++i) label_of[i] = static_cast<std::uint8_t>(i % 10);
  std::vector<std::int64_t> index = {49, 0, 7, 7, 23}, labels(5), labels2(5);
  std::vector<float> x(5 * 784), x2(5 * 784);
  backends::GatherBatchArgs args;
  args.scale = 1 / 255.0 / 0.3081;
  args.shift = -0.1307 / 0.3081;
  backend().gather_batch(args, view(data, {50, 28, 28}), view(label_of, {50}), view(index, {5}), view(x, {5, 28, 28}),
                         view(labels, {5}));
  backend().Backend::gather_batch(args, view(data, {50, 28, 28}), view(label_of, {50}), view(index, {5}),
                                  view(x2, {5, 28, 28}), view(labels2, {5}));
  EXPECT_EQ(different(x, x2), 0);
  EXPECT_EQ(labels, labels2);
  EXPECT_EQ(labels[0], 9);
}

}  // namespace
}  // namespace weft::cpu_test
