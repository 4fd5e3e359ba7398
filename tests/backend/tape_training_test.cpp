// A training step written at the level of the contract: a batch gathered by a device-side index, two linear layers with
// dropout between them, cross-entropy, SGD with momentum under a scheduled learning rate. Captured and replayed it must
// give the bits of the eager steps.

#include <gtest/gtest.h>

#include <weft/backends/registry.h>
#include <weft/backends/tape.h>

#include "backend/contract_support.h"

namespace weft::contract_test {
namespace {

using backends::Activation;
using backends::active;
using backends::contiguous_view;
using backends::OptimArgs;
using backends::OptimKind;
using backends::OptimSlot;
using backends::RandomKey;
using backends::Tape;
using backends::TapePtr;

constexpr std::int64_t samples = 64, batch = 16, inputs = 30, hidden = 24, classes = 10, steps = 51;

/// Memory for one step, from the tape while it records.
class Temporary {
 public:
  Temporary(Backend& backend, DType dtype, const Shape& shape)
      : backend_(backend), bytes_(static_cast<std::size_t>(shape.numel()) * item_size(dtype)) {
    view_ = contiguous_view(backend.allocate(bytes_), dtype, shape);
  }
  ~Temporary() { backend_.free(view_.data, bytes_); }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  operator const TensorView&() const noexcept { return view_; }  // NOLINT(google-explicit-constructor)
  const TensorView& view() const noexcept { return view_; }

 private:
  Backend& backend_;
  std::size_t bytes_;
  TensorView view_;
};

class Training {
 public:
  Training(Backend& backend, OptimKind kind, DType dtype)
      : backend_(backend),
        kind_(kind),
        dtype_(dtype),
        data(backend, DType::uint8, random_array(DType::uint8, {samples, inputs}, 1, 0, 255.9)),
        labels(backend, DType::uint8, random_array(DType::uint8, {samples}, 2, 0, 9.9)),
        order(backend, DType::int64, random_array(DType::int64, {steps + 1, batch}, 3, 0, samples - 0.01)),
        rates(backend, DType::float64, rate_table()),
        at(backend, DType::int64, Array({1}, 0)),
        step_number(backend, DType::float64, Array({}, 0.0)),
        w1(backend, dtype, random_array(dtype, {hidden, inputs}, 4, -0.2, 0.2)),
        b1(backend, dtype, Array({hidden})),
        w2(backend, dtype, random_array(dtype, {classes, hidden}, 5, -0.2, 0.2)),
        b2(backend, dtype, Array({classes})) {
    for (const Block* p : {&w1, &b1, &w2, &b2}) {
      first.push_back(std::make_unique<Block>(backend, dtype, Array(p->view().shape)));
      second.push_back(std::make_unique<Block>(backend, dtype, Array(p->view().shape)));
    }
  }

  /// One step; `draw` is the host's counter, advanced whether the step is executed or recorded.
  void step(std::uint64_t& draw, const std::uint64_t* draw_base) {
    Backend& b = active(backend_);
    const RandomKey key{77, draw++, draw_base};
    const Temporary index(b, DType::int64, {1, batch}), rate(b, DType::float64, {1});
    TensorView row = at;  // the row of this step, for every column
    row.shape = {1, batch};
    row.strides = {0, 0};
    b.gather(order, 0, row, index);
    b.gather(rates, 0, at, rate);
    b.binary(BinaryOp::add, at, Number(1), at);
    b.binary(BinaryOp::add, step_number, Number(1.0), step_number);
    TensorView index_row = index, lr = rate;
    index_row.shape = {batch};
    index_row.strides = {1};
    lr.shape = {};
    lr.strides = {};

    const Temporary x(b, dtype_, {batch, inputs}), y(b, DType::int64, {batch});
    b.gather_batch({}, data, labels, index_row, x, y);
    const Temporary h(b, dtype_, {batch, hidden}), kept(b, dtype_, {batch, hidden}), z(b, dtype_, {batch, classes});
    const std::size_t aux_bytes = b.linear_aux_bytes(Activation::relu, h);
    void* aux = aux_bytes != 0 ? b.allocate(aux_bytes) : nullptr;
    b.linear(Activation::relu, x, w1, b1, h, aux);
    b.dropout(0.25, key, h, kept);
    b.linear(Activation::none, kept, w2, b2, z, nullptr);
    const Temporary losses(b, dtype_, {batch}), dz(b, dtype_, {batch, classes});
    b.cross_entropy({}, z, y, {}, losses, dz);
    b.binary(BinaryOp::mul, dz.view(), Number(1.0 / batch), dz);
    const Temporary dkept(b, dtype_, {batch, hidden}), dw2(b, dtype_, {classes, hidden}), db2(b, dtype_, {classes});
    b.linear_backward(Activation::none, dz, z, nullptr, kept, w2, Activation::none, nullptr, dkept, dw2, db2);
    b.dropout(0.25, key, dkept, dkept);
    const Temporary dw1(b, dtype_, {hidden, inputs}), db1(b, dtype_, {hidden});
    b.linear_backward(Activation::relu, dkept, h, aux, x, w1, Activation::none, nullptr, {}, dw1, db1);
    if (aux != nullptr) b.free(aux, aux_bytes);

    const OptimSlot slots[] = {{w1, dw1, first[0]->view(), second[0]->view()},
                               {b1, db1, first[1]->view(), second[1]->view()},
                               {w2, dw2, first[2]->view(), second[2]->view()},
                               {b2, db2, first[3]->view(), second[3]->view()}};
    OptimArgs args;
    args.kind = kind_;
    args.lr = lr;
    args.step = step_number;
    args.momentum = 0.9;
    args.dampening = 0.1;
    args.weight_decay = 1e-3;
    b.optimise(args, slots);
  }

  std::vector<unsigned char> state() const {
    std::vector<unsigned char> all;
    const std::vector<const Block*> blocks = {&w1, &b1, &w2, &b2, first[0].get(), second[0].get(), first[3].get()};
    for (const Block* block : blocks) {
      const std::vector<unsigned char> bytes = block->bytes();
      all.insert(all.end(), bytes.begin(), bytes.end());
    }
    return all;
  }

 private:
  static Array rate_table() {
    Array rates({steps + 1});
    for (std::size_t i = 0; i < rates.values.size(); ++i) rates.values[i] = 0.05 / (1.0 + 0.1 * static_cast<double>(i));
    return rates;
  }

  Backend& backend_;
  OptimKind kind_;
  DType dtype_;
  Block data, labels, order, rates, at, step_number, w1, b1, w2, b2;
  std::vector<std::unique_ptr<Block>> first, second;
};

class TapeTraining : public OnEveryBackend {};

TEST_P(TapeTraining, FiftyReplaysAreFiftySteps) {
  for (DType dtype : {DType::float32, DType::float64}) {
    for (OptimKind kind : {OptimKind::sgd, OptimKind::adam, OptimKind::adamw, OptimKind::rmsprop}) {
      if (GetParam() == "toy" && (dtype == DType::float64 || kind == OptimKind::adamw)) continue;  // it is slow
      SCOPED_TRACE(std::string(weft::name(dtype)) + " optimiser " + std::to_string(static_cast<int>(kind)));
      Training eager(backend(), kind, dtype), captured(backend(), kind, dtype);
      const std::vector<unsigned char> start = eager.state();
      std::uint64_t draw = 0;
      for (std::int64_t i = 0; i < steps; ++i) eager.step(draw, nullptr);

      draw = 0;
      captured.step(draw, nullptr);  // the first step is executed
      const std::vector<unsigned char> after_one = captured.state();
      const TapePtr tape = Tape::make(backend());
      {
        const Tape::Recording recording(*tape);
        captured.step(draw, tape->make_draw_base());
      }
      EXPECT_EQ(captured.state(), after_one) << "recording executed something";
      tape->replay(20);
      tape->replay(30);
      EXPECT_NE(eager.state(), start);
      EXPECT_EQ(captured.state(), eager.state());
    }
  }
}

TEST_P(TapeTraining, TheArenaHoldsWhatAStepNeedsAtOnce) {
  Training training(backend(), OptimKind::sgd, DType::float32);
  std::uint64_t draw = 0;
  const TapePtr tape = Tape::make(backend());
  std::size_t once = 0;
  {
    const Tape::Recording recording(*tape);
    const std::uint64_t* base = tape->make_draw_base();
    training.step(draw, base);
    once = tape->arena_bytes();
    training.step(draw, base);  // the second step finds the blocks of the first
  }
  EXPECT_EQ(tape->arena_bytes(), once);
  EXPECT_GT(once, 0u);
}

WEFT_ON_EVERY_BACKEND(TapeTraining);

}  // namespace
}  // namespace weft::contract_test
