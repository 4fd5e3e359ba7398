#include <cmath>
#include <limits>

#include "backend/contract_support.h"

// The fused forms, twice on every backend: composed from its pure calls, and as the backend has them.

namespace weft::contract_test {
namespace {

class ComposedSoftmax : public OnEveryBackend {};

/// Calls f(line) for every line along `axis`, with the positions of its elements.
template <class F>
void for_each_line(const Shape& shape, int axis, F f) {
  Shape starts = shape;
  starts[axis] = 1;
  const Array whole(shape);
  for_each_index(starts, [&](const Shape& start) {
    std::vector<std::size_t> line;
    Shape at = start;
    for (at[axis] = 0; at[axis] < shape[axis]; ++at[axis]) line.push_back(whole.position(at));
    f(line);
  });
}

Array textbook(bool log, const Array& x, int axis) {
  Array y(x.shape);
  for_each_line(x.shape, axis, [&](const std::vector<std::size_t>& line) {
    double most = -std::numeric_limits<double>::infinity();
    for (std::size_t i : line) most = std::max(most, x.values[i]);
    double sum = 0;
    for (std::size_t i : line) sum += std::exp(x.values[i] - most);
    for (std::size_t i : line) {
      y.values[i] = log ? x.values[i] - most - std::log(sum) : std::exp(x.values[i] - most) / sum;
    }
  });
  return y;
}

Array textbook_backward(bool log, const Array& dy, const Array& y, int axis) {
  Array dx(y.shape);
  for_each_line(y.shape, axis, [&](const std::vector<std::size_t>& line) {
    double sum = 0;
    for (std::size_t i : line) sum += log ? dy.values[i] : dy.values[i] * y.values[i];
    for (std::size_t i : line) {
      dx.values[i] = log ? dy.values[i] - std::exp(y.values[i]) * sum : y.values[i] * (dy.values[i] - sum);
    }
  });
  return dx;
}

struct Case {
  Shape shape;
  int axis;
};
const Case cases[] = {{{1}, 0},       {{7}, 0},       {{5, 10}, 1}, {{5, 10}, 0},
                      {{3, 4, 6}, 1}, {{2, 1000}, 1}, {{37, 3}, 0}, {{2, 1, 3, 1, 2, 2, 1, 3}, 4},
                      {{128, 10}, 1}};

TEST_P(ComposedSoftmax, Forward) {
  for (DType dtype : floating_dtypes) {
    for (const auto& [shape, axis] : cases) {
      const Array x = random_array(dtype, shape, 101, -5, 5);
      for (bool log : {false, true}) {
        const Array want = textbook(log, x, axis);
        for (Layout layout : layouts) {
          SCOPED_TRACE(std::string(weft::name(dtype)) + to_string(shape) + name(layout) + (log ? " log" : ""));
          const Block in(backend(), dtype, x, layout), composed(backend(), dtype, shape, after(layout));
          const Block fused(backend(), dtype, shape, after(layout));
          backend().Backend::softmax(log, in, axis, composed);
          backend().softmax(log, in, axis, fused);
          expect_close(dtype, composed.read(), want);
          expect_close(dtype, fused.read(), want);
        }
      }
    }
  }
}

TEST_P(ComposedSoftmax, LargeLogitsDoNotOverflow) {
  const double inf = std::numeric_limits<double>::infinity();
  const Array x({3, 4}, {1e4, -1e4, 0, 9999, -1e4, -1e4, -1e4, -1e4, 1, -inf, 2, -inf});
  for (DType dtype : floating_dtypes) {
    Array held = x;
    held.values = round_to(dtype, held.values);
    for (bool log : {false, true}) {
      Array want = textbook(log, held, 1);
      want.values = round_to(dtype, want.values);
      const Block in(backend(), dtype, held), composed(backend(), dtype, x.shape), fused(backend(), dtype, x.shape);
      backend().Backend::softmax(log, in, 1, composed);
      backend().softmax(log, in, 1, fused);
      expect_close(dtype, composed.read(), want);
      expect_close(dtype, fused.read(), want);
    }
  }
}

TEST_P(ComposedSoftmax, Backward) {
  for (DType dtype : floating_dtypes) {
    for (const auto& [shape, axis] : cases) {
      const Array dy = random_array(dtype, shape, 102);
      for (bool log : {false, true}) {
        Array y = textbook(log, random_array(dtype, shape, 103, -3, 3), axis);
        y.values = round_to(dtype, y.values);
        const Array want = textbook_backward(log, dy, y, axis);
        for (Layout layout : layouts) {
          SCOPED_TRACE(std::string(weft::name(dtype)) + to_string(shape) + name(layout) + (log ? " log" : ""));
          const Block out(backend(), dtype, y, layout), dout(backend(), dtype, dy, after(layout));
          const Block composed(backend(), dtype, shape, after(layout, 2)), fused(backend(), dtype, shape, layout);
          backend().Backend::softmax_backward(log, dout, out, axis, composed);
          backend().softmax_backward(log, dout, out, axis, fused);
          expect_close(dtype, composed.read(), want, 3);
          expect_close(dtype, fused.read(), want, 3);
        }
      }
    }
  }
}

WEFT_ON_EVERY_BACKEND(ComposedSoftmax);

}  // namespace
}  // namespace weft::contract_test
