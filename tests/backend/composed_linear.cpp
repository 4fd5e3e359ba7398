#include <cmath>

#include "backend/contract_support.h"

namespace weft::contract_test {
namespace {

using backends::Activation;

class ComposedLinear : public OnEveryBackend {};

constexpr Activation activations[] = {Activation::none, Activation::relu, Activation::tanh, Activation::sigmoid,
                                      Activation::gelu_tanh};

double gelu_inner(double z) { return 0.7978845608028654 * (z + 0.044715 * z * z * z); }

double activate(Activation act, double z) {
  switch (act) {
    case Activation::none:
      return z;
    case Activation::relu:
      return std::max(z, 0.0);
    case Activation::tanh:
      return std::tanh(z);
    case Activation::sigmoid:
      return 1 / (1 + std::exp(-z));
    case Activation::gelu_tanh:
      return z / (1 + std::exp(-2 * gelu_inner(z)));
  }
  return 0;
}

/// The derivative as a function of the output; of gelu_tanh as one of its argument.
double derivative(Activation act, double y) {
  switch (act) {
    case Activation::none:
      return 1;
    case Activation::relu:
      return y > 0 ? 1 : 0;
    case Activation::tanh:
      return 1 - y * y;
    case Activation::sigmoid:
      return y * (1 - y);
    case Activation::gelu_tanh: {
      const double s = 1 / (1 + std::exp(-2 * gelu_inner(y)));
      return s + y * s * (1 - s) * 2 * 0.7978845608028654 * (1 + 3 * 0.044715 * y * y);
    }
  }
  return 0;
}

struct Sizes {
  std::int64_t rows, in, out;
};
const Sizes sizes[] = {{1, 1, 1}, {4, 7, 3}, {33, 20, 10}, {1, 300, 17}, {64, 40, 50}};

Array textbook(Activation act, const Array& x, const Array& w, const std::vector<double>& b) {
  Array y({x.shape[0], w.shape[0]});
  for_each_index(y.shape, [&](const Shape& at) {
    double z = b.empty() ? 0 : b[static_cast<std::size_t>(at[1])];
    for (std::int64_t k = 0; k < x.shape[1]; ++k) z += x.at({at[0], k}) * w.at({at[1], k});
    y.at(at) = activate(act, z);
  });
  return y;
}

/// Memory for what the backend wants to remember between forward and backward.
class Aux {
 public:
  Aux(Backend& backend, Activation act, const TensorView& y, bool fused)
      : backend_(backend),
        bytes_(fused ? backend.linear_aux_bytes(act, y) : backend.Backend::linear_aux_bytes(act, y)),
        data_(bytes_ != 0 ? backend.allocate(bytes_) : nullptr) {}
  ~Aux() { backend_.free(data_, bytes_); }
  Aux(const Aux&) = delete;
  Aux& operator=(const Aux&) = delete;
  void* data() const { return data_; }

 private:
  Backend& backend_;
  std::size_t bytes_;
  void* data_;
};

TEST_P(ComposedLinear, Forward) {
  for (DType dtype : floating_dtypes) {
    for (const auto& [rows, in, out] : sizes) {
      const Array x = random_array(dtype, {rows, in}, 151, -1, 1), w = random_array(dtype, {out, in}, 152, -1, 1);
      const Array b = random_array(dtype, {out}, 153);
      for (Activation act : activations) {
        for (bool bias : {false, true}) {
          const Array want = textbook(act, x, w, bias ? b.values : std::vector<double>());
          for (Layout layout : layouts) {
            for (bool fused : {false, true}) {
              SCOPED_TRACE(std::string(weft::name(dtype)) + to_string(want.shape) + name(layout) + " activation " +
                           std::to_string(static_cast<int>(act)) + (fused ? " fused" : ""));
              const Block input(backend(), dtype, x, layout), weight(backend(), dtype, w, after(layout));
              const Block add(backend(), dtype, b, after(layout)), y(backend(), dtype, want.shape, layout);
              const Aux aux(backend(), act, y, fused);
              const TensorView plus = bias ? add.view() : TensorView();
              fused ? backend().linear(act, input, weight, plus, y, aux.data())
                    : backend().Backend::linear(act, input, weight, plus, y, aux.data());
              expect_close(dtype, y.read(), want, 3);
            }
          }
        }
      }
    }
  }
}

TEST_P(ComposedLinear, Backward) {
  for (DType dtype : floating_dtypes) {
    for (const auto& [rows, in, out] : sizes) {
      for (Activation act : activations) {
        for (Activation below : activations) {
          Array x = random_array(dtype, {rows, in}, 154, -1, 1);
          const Array before = x;
          if (below != Activation::none) {  // x is what that activation has put out
            for (double& value : x.values) value = round_to(dtype, activate(below, value));
          }
          const Array w = random_array(dtype, {out, in}, 155, -1, 1), b = random_array(dtype, {out}, 156);
          const Array dy = random_array(dtype, {rows, out}, 157, -1, 1);
          const Layout layout = layouts[(static_cast<int>(act) + static_cast<int>(below)) % 4];
          for (bool fused : {false, true}) {
            SCOPED_TRACE(std::string(weft::name(dtype)) + to_string(dy.shape) + name(layout) + " activation " +
                         std::to_string(static_cast<int>(act)) + " below " + std::to_string(static_cast<int>(below)) +
                         (fused ? " fused" : ""));
            const Block input(backend(), dtype, x, layout), weight(backend(), dtype, w, after(layout));
            const Block bias(backend(), dtype, b), dout(backend(), dtype, dy, after(layout));
            const Block y(backend(), dtype, dy.shape);
            // What gelu_tanh below remembers is the backend's own business: it made x.
            Array identity({in, in});
            for (std::int64_t i = 0; i < in; ++i) identity.at({i, i}) = 1;
            const bool remembered = below == Activation::gelu_tanh;
            const Block made(backend(), dtype, x.shape), from(backend(), dtype, before),
                same(backend(), dtype, identity);
            const Aux below_aux(backend(), remembered ? below : Activation::none, made, fused);
            if (remembered) {
              fused ? backend().linear(below, from, same, {}, made, below_aux.data())
                    : backend().Backend::linear(below, from, same, {}, made, below_aux.data());
            }
            const Aux aux(backend(), act, y, fused);
            fused ? backend().linear(act, input, weight, bias, y, aux.data())
                  : backend().Backend::linear(act, input, weight, bias, y, aux.data());
            // The derivative is a function of the output as it was stored.
            const Array output = act == Activation::gelu_tanh ? textbook(Activation::none, x, w, b.values) : y.read();

            Array dz(dy.shape), dx(x.shape), dw(w.shape), db({out});
            for (std::size_t i = 0; i < dz.values.size(); ++i) {
              dz.values[i] = dy.values[i] * derivative(act, output.values[i]);
            }
            for (std::int64_t i = 0; i < rows; ++i) {
              for (std::int64_t o = 0; o < out; ++o) {
                for (std::int64_t k = 0; k < in; ++k) {
                  dx.at({i, k}) += dz.at({i, o}) * w.at({o, k});
                  dw.at({o, k}) += dz.at({i, o}) * x.at({i, k});
                }
                db.at({o}) += dz.at({i, o});
              }
            }
            for (std::size_t i = 0; i < dx.values.size(); ++i) {
              dx.values[i] *= derivative(below, (remembered ? before : x).values[i]);
            }

            const auto run = [&](const TensorView& to_x, const TensorView& to_w, const TensorView& to_b) {
              fused ? backend().linear_backward(act, dout, y, aux.data(), input, weight, below, below_aux.data(), to_x,
                                                to_w, to_b)
                    : backend().Backend::linear_backward(act, dout, y, aux.data(), input, weight, below,
                                                         below_aux.data(), to_x, to_w, to_b);
            };
            const Block got_x(backend(), dtype, x.shape, layout), got_w(backend(), dtype, w.shape, after(layout));
            const Block got_b(backend(), dtype, db.shape, after(layout));
            run(got_x, got_w, got_b);
            expect_close(dtype, got_x.read(), dx, 4);
            expect_close(dtype, got_w.read(), dw, 4);
            expect_close(dtype, got_b.read(), db, 4);
            const Block only_x(backend(), dtype, x.shape), only_w(backend(), dtype, w.shape),
                only_b(backend(), dtype, db.shape);
            run(only_x, {}, {});
            run({}, only_w, {});
            run({}, {}, only_b);
            expect_close(dtype, only_x.read(), dx, 4);
            expect_close(dtype, only_w.read(), dw, 4);
            expect_close(dtype, only_b.read(), db, 4);
          }
        }
      }
    }
  }
}

TEST_P(ComposedLinear, SixteenBitsAreRoundedOnce) {  // the bias joins before the rounding, not after
  for (DType dtype : {DType::float16, DType::bfloat16}) {
    const double half_step = dtype == DType::float16 ? 0x1p-11 : 0x1p-8;  // half the distance from 1 to the next number
    for (bool fused : {false, true}) {
      const Block x(backend(), dtype, Array({1, 2}, {1, half_step})), w(backend(), dtype, Array({1, 2}, 1));
      const Block b(backend(), dtype, Array({1}, half_step)), y(backend(), dtype, Shape{1, 1});
      const Aux aux(backend(), Activation::none, y, fused);
      fused ? backend().linear(Activation::none, x, w, b, y, aux.data())
            : backend().Backend::linear(Activation::none, x, w, b, y, nullptr);
      expect_equal(y.read(), Array({1, 1}, 1 + 2 * half_step));
    }
  }
}

WEFT_ON_EVERY_BACKEND(ComposedLinear);

}  // namespace
}  // namespace weft::contract_test
