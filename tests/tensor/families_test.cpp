#include <cmath>
#include <limits>

#include "tensor/tensor_test.h"

// The families against values worked out by hand; every function against a reference is tests/backend's.

namespace weft {
namespace {

using namespace weft::testing;

class Families : public OnEveryBackend {};
WEFT_ON_EVERY_BACKEND(Families);

constexpr float inf = std::numeric_limits<float>::infinity();

TEST_P(Families, Unary) {
  const Tensor x = floats({-1, 0, 4}, {3});
  EXPECT_EQ(values(ops::unary(UnaryOp::neg, x, "neg", here)), (Floats{1, 0, -4}));
  EXPECT_EQ(values(ops::unary(UnaryOp::relu, x, "relu", here)), (Floats{0, 0, 4}));
  EXPECT_EQ(values(ops::unary(UnaryOp::exp, floats({0}, {}), "exp", here)), (Floats{1}));
  EXPECT_EQ(ops::unary(UnaryOp::exp, zeros({0, 2}, on()), "exp", here).shape(), (Shape{0, 2}));
  const Tensor flags = from_vector(Bools{true, false}, {2}, device());
  EXPECT_EQ(ops::unary(UnaryOp::logical_not, flags, "logical_not", here).to_vector<bool>(), (Bools{false, true}));
  const Tensor turned = ops::transpose(counted({2, 2}), 0, 1, "t", here);
  EXPECT_EQ(values(ops::unary(UnaryOp::neg, turned, "neg", here)), (Floats{0, -2, -1, -3}));
}

TEST_P(Families, BinaryBroadcasts) {
  const Tensor m = counted({2, 3}), row = floats({10, 20, 30}, {3}), column = floats({100, 200}, {2, 1});
  EXPECT_EQ(values(ops::binary(BinaryOp::add, m, row, "add", here)), (Floats{10, 21, 32, 13, 24, 35}));
  EXPECT_EQ(values(ops::binary(BinaryOp::sub, column, row, "sub", here)), (Floats{90, 80, 70, 190, 180, 170}));
  EXPECT_EQ(values(ops::binary(BinaryOp::mul, scalar(2, on()), m, "mul", here)), (Floats{0, 2, 4, 6, 8, 10}));
  EXPECT_EQ(ops::binary(BinaryOp::add, zeros({0, 3}, on()), row, "add", here).shape(), (Shape{0, 3}));
  EXPECT_EQ(ops::binary(BinaryOp::add, zeros({1, 0}, on()), column, "add", here).shape(), (Shape{2, 0}));
  EXPECT_EQ(values(ops::binary(BinaryOp::sub, ops::transpose(m, 0, 1, "t", here), ops::transpose(m, 0, 1, "t", here),
                               "sub", here)),
            Floats(6, 0.0f));
}

TEST_P(Families, NumbersTakeTheTensorsDType) {
  const Tensor x = floats({1, 2}, {2});
  EXPECT_EQ(values(ops::binary(BinaryOp::div, 1, x, "div", here)), (Floats{1, 0.5f}));
  EXPECT_EQ(values(ops::binary(BinaryOp::mul, x, 0.5, "mul", here)), (Floats{0.5f, 1}));
  const Tensor i = from_vector(Ints{1, 2}, {2}, device());
  const std::int64_t large = (std::int64_t{1} << 62) + 1;
  EXPECT_EQ(ops::binary(BinaryOp::add, i, large, "add", here).to_vector<std::int64_t>(), (Ints{large + 1, large + 2}));
  EXPECT_EQ(ops::binary(BinaryOp::add, i, 2.0, "add", here).dtype(), DType::int64);
  EXPECT_EQ(ops::binary(BinaryOp::lt, i, 2, "lt", here).to_vector<bool>(), (Bools{true, false}));
  EXPECT_EQ(ops::binary(BinaryOp::lt, 1, i, "lt", here).to_vector<bool>(), (Bools{false, true}));
  const Tensor half = ops::binary(BinaryOp::add, ones({1}, on(DType::float16)), 0.5, "add", here);
  EXPECT_EQ(half.dtype(), DType::float16);
  EXPECT_EQ(half.item(), 1.5);
}

TEST_P(Families, Where) {
  const Tensor c = from_vector(Bools{true, false}, {2}, device());
  const Tensor a = floats({1, 2, 3, 4}, {2, 2});
  EXPECT_EQ(values(ops::where(c, a, -1, "where", here)), (Floats{1, -1, 3, -1}));
  EXPECT_EQ(values(ops::where(c, 7, a, "where", here)), (Floats{7, 2, 7, 4}));
  EXPECT_EQ(values(ops::where(c, 1, 0, "where", here)), (Floats{1, 0}));  // float32
  EXPECT_EQ(values(ops::where(c, a, ops::transpose(a, 0, 1, "t", here), "where", here)), (Floats{1, 3, 3, 4}));
  EXPECT_EQ(ops::where(zeros({0, 2}, on(DType::boolean)), 1, 0, "where", here).shape(), (Shape{0, 2}));
}

TEST_P(Families, Reduce) {
  const Tensor x = counted({2, 3, 2});
  const auto sum = [&](const Axes& axes, bool keepdim) {
    return ops::reduce(ReduceOp::sum, x, axes, keepdim, "sum", here);
  };
  EXPECT_EQ(sum({}, false).item<float>(), 66.0f);
  EXPECT_EQ(sum({}, false).rank(), 0);
  EXPECT_EQ(sum({}, true).shape(), (Shape{1, 1, 1}));
  EXPECT_EQ(sum({1}, false).shape(), (Shape{2, 2}));
  EXPECT_EQ(values(sum({1}, false)), (Floats{6, 9, 24, 27}));
  EXPECT_EQ(values(sum({0, -1}, false)), (Floats{14, 22, 30}));
  EXPECT_EQ(sum({0, -1}, true).shape(), (Shape{1, 3, 1}));
  EXPECT_EQ(values(ops::reduce(ReduceOp::max, x, {2}, false, "max", here)), (Floats{1, 3, 5, 7, 9, 11}));
  EXPECT_EQ(ops::reduce(ReduceOp::sum, counted({3}, DType::uint8), {}, false, "sum", here).dtype(), DType::int64);
  EXPECT_EQ(ops::reduce(ReduceOp::sum, scalar(3, on()), {}, false, "sum", here).item<float>(), 3.0f);
}

TEST_P(Families, ReduceOverNothing) {
  const Tensor none = zeros({2, 0, 3}, on());
  EXPECT_EQ(values(ops::reduce(ReduceOp::sum, none, {1}, false, "sum", here)), Floats(6, 0.0f));
  EXPECT_EQ(values(ops::reduce(ReduceOp::prod, none, {1}, true, "prod", here)), Floats(6, 1.0f));
  EXPECT_EQ(ops::reduce(ReduceOp::sum, none, {}, false, "sum", here).item<float>(), 0.0f);
  EXPECT_EQ(ops::reduce(ReduceOp::sum, none, {0}, false, "sum", here).shape(), (Shape{0, 3}));
  const Tensor flags = zeros({0}, on(DType::boolean));
  EXPECT_FALSE(ops::reduce(ReduceOp::any, flags, {}, false, "any", here).item<bool>());
  EXPECT_TRUE(ops::reduce(ReduceOp::all, flags, {}, false, "all", here).item<bool>());
  EXPECT_EQ(ops::reduce(ReduceOp::max, none, {0}, false, "max", here).shape(), (Shape{0, 3}));  // nothing to be had
  EXPECT_EQ(ops::arg_reduce(ArgReduceOp::argmax, none, 2, false, "argmax", here).shape(), (Shape{2, 0}));
}

TEST_P(Families, ArgReduce) {
  const Tensor x = floats({1, 5, 5, 7, -2, 7}, {2, 3});
  const auto argmax = [&](int axis, bool keepdim) {
    return ops::arg_reduce(ArgReduceOp::argmax, x, axis, keepdim, "argmax", here);
  };
  EXPECT_EQ(argmax(1, false).to_vector<std::int64_t>(), (Ints{1, 0}));
  EXPECT_EQ(argmax(0, false).to_vector<std::int64_t>(), (Ints{1, 0, 1}));
  EXPECT_EQ(argmax(-1, true).shape(), (Shape{2, 1}));
  EXPECT_EQ(ops::arg_reduce(ArgReduceOp::argmin, x, 1, false, "argmin", here).to_vector<std::int64_t>(), (Ints{0, 1}));
  for (const bool keepdim : {false, true}) {
    const Tensor of_scalar = ops::arg_reduce(ArgReduceOp::argmax, scalar(3, on()), -1, keepdim, "argmax", here);
    EXPECT_EQ(of_scalar.item<std::int64_t>(), 0);
    EXPECT_EQ(of_scalar.rank(), 0);
  }
}

TEST_P(Families, SumTo) {
  const Tensor x = counted({2, 3, 2});
  EXPECT_TRUE(ops::sum_to(x, {2, 3, 2}, "sum", here).is_same(x));
  EXPECT_EQ(values(ops::sum_to(x, {3, 1}, "sum", here)), (Floats{14, 22, 30}));
  EXPECT_EQ(values(ops::sum_to(x, {2}, "sum", here)), (Floats{30, 36}));
  EXPECT_EQ(ops::sum_to(x, {}, "sum", here).item<float>(), 66.0f);
  EXPECT_EQ(ops::sum_to(zeros({0, 2}, on()), {1, 2}, "sum", here).shape(), (Shape{1, 2}));
  EXPECT_THROW(ops::sum_to(x, {2, 2}, "sum", here), ShapeError);
}

TEST_P(Families, Matmul) {
  const Tensor a = counted({2, 3}), b = counted({3, 2});
  const auto mm = [](const Tensor& p, const Tensor& q) { return ops::matmul(p, q, "matmul", here); };
  EXPECT_EQ(values(mm(a, b)), (Floats{10, 13, 28, 40}));
  const Tensor t = ops::transpose(a, 0, 1, "t", here);
  EXPECT_EQ(values(mm(a, t)), (Floats{5, 14, 14, 50}));
  EXPECT_EQ(values(mm(t, a)), (Floats{9, 12, 15, 12, 17, 22, 15, 22, 29}));
  const Tensor v = floats({1, 2, 3}, {3});
  EXPECT_EQ(values(mm(a, v)), (Floats{8, 26}));
  EXPECT_EQ(mm(a, v).shape(), (Shape{2}));
  EXPECT_EQ(values(mm(v, b)), (Floats{16, 22}));
  EXPECT_EQ(mm(v, v).item<float>(), 14.0f);
  EXPECT_EQ(mm(v, v).rank(), 0);
}

TEST_P(Families, MatmulOverBatches) {
  const auto mm = [](const Tensor& p, const Tensor& q) { return ops::matmul(p, q, "matmul", here); };
  const Tensor a = counted({2, 1, 2, 3}), b = counted({4, 3, 2});
  const Tensor c = mm(a, b);
  EXPECT_EQ(c.shape(), (Shape{2, 4, 2, 2}));
  const Tensor one =
      mm(ops::reshape(ops::select(a, 0, 1, "s", here), {2, 3}, "r", here), ops::select(b, 0, 2, "s", here));
  EXPECT_EQ(values(ops::select(ops::select(c, 0, 1, "s", here), 0, 2, "s", here)), values(one));
  // one right-hand side for all: folded into one product where the rows allow it, and not where they do not
  const Tensor x = counted({2, 3, 4}), w = counted({4, 5});
  const Tensor y = mm(x, w);
  EXPECT_EQ(y.shape(), (Shape{2, 3, 5}));
  EXPECT_EQ(values(y), values(mm(ops::reshape(x, {6, 4}, "r", here), w)));
  const Tensor swapped = ops::transpose(counted({3, 2, 4}), 0, 1, "t", here);  // (2, 3, 4), rows not in order
  const Tensor z = mm(swapped, w);
  EXPECT_EQ(values(z), values(mm(ops::reshape(ops::clone(swapped, "c", here), {6, 4}, "r", here), w)));
  EXPECT_EQ(mm(counted({4}), counted({2, 4, 3})).shape(), (Shape{2, 3}));
  EXPECT_EQ(mm(counted({2, 3, 4}), counted({4})).shape(), (Shape{2, 3}));
}

TEST_P(Families, MatmulOverNothing) {
  const auto mm = [](const Tensor& p, const Tensor& q) { return ops::matmul(p, q, "matmul", here); };
  EXPECT_EQ(values(mm(zeros({2, 0}, on()), zeros({0, 3}, on()))), Floats(6, 0.0f));
  EXPECT_EQ(mm(zeros({0, 3}, on()), zeros({3, 2}, on())).shape(), (Shape{0, 2}));
  EXPECT_EQ(mm(zeros({0}, on()), zeros({0}, on())).item<float>(), 0.0f);
  EXPECT_EQ(mm(zeros({0, 2, 3}, on()), zeros({3, 4}, on())).shape(), (Shape{0, 2, 4}));
}

TEST_P(Families, Linear) {
  const Tensor x = counted({2, 3}), w = counted({2, 3}), b = floats({10, 20}, {2});
  EXPECT_EQ(values(ops::linear(x, w, b, "linear", here)), (Floats{15, 34, 24, 70}));
  EXPECT_EQ(values(ops::linear(x, w, {}, "linear", here)), (Floats{5, 14, 14, 50}));
  const Tensor deep = ops::reshape(x, {1, 2, 1, 3}, "reshape", here);
  EXPECT_EQ(ops::linear(deep, w, b, "linear", here).shape(), (Shape{1, 2, 1, 2}));
  EXPECT_EQ(values(ops::linear(deep, w, b, "linear", here)), (Floats{15, 34, 24, 70}));
  EXPECT_EQ(values(ops::linear(ops::select(x, 0, 1, "s", here), w, b, "linear", here)), (Floats{24, 70}));
  // leading axes that cannot be one
  const Tensor swapped = ops::transpose(counted({2, 2, 3}), 0, 1, "t", here);
  EXPECT_EQ(values(ops::linear(swapped, w, b, "linear", here)),
            values(ops::linear(ops::clone(swapped, "clone", here), w, b, "linear", here)));
  EXPECT_EQ(values(ops::linear(zeros({2, 0}, on()), zeros({2, 0}, on()), b, "linear", here)), (Floats{10, 20, 10, 20}));
  EXPECT_EQ(values(ops::linear(zeros({1, 0}, on()), zeros({2, 0}, on()), {}, "linear", here)), (Floats{0, 0}));
  EXPECT_EQ(ops::linear(zeros({0, 3}, on()), w, b, "linear", here).shape(), (Shape{0, 2}));
}

constexpr auto all_wanted = [] { return ops::LinearBackward{true, true, true}; };

TEST_P(Families, LinearBackward) {
  const Tensor x = counted({2, 3}), w = counted({2, 3}), dy = floats({1, 2, 3, 4}, {2, 2});
  const auto g = ops::linear_backward(dy, x, w, all_wanted(), "linear", here);
  EXPECT_EQ(values(g.dx), (Floats{6, 9, 12, 12, 19, 26}));
  EXPECT_EQ(values(g.dweight), (Floats{9, 13, 17, 12, 18, 24}));
  EXPECT_EQ(values(g.dbias), (Floats{4, 6}));
  const auto some = ops::linear_backward(dy, x, w, {false, true, false}, "linear", here);
  EXPECT_FALSE(some.dx.defined());
  EXPECT_FALSE(some.dbias.defined());
  EXPECT_EQ(values(some.dweight), values(g.dweight));
  // a gradient spread by sum(): strides 0
  const Tensor spread = ops::expand(scalar(1, on()), {2, 2}, "expand", here);
  const auto s = ops::linear_backward(spread, x, w, all_wanted(), "linear", here);
  EXPECT_EQ(values(s.dx), (Floats{3, 5, 7, 3, 5, 7}));
  EXPECT_EQ(values(s.dweight), (Floats{3, 5, 7, 3, 5, 7}));
  EXPECT_EQ(values(s.dbias), (Floats{2, 2}));
  // transposed gradient, folded axes
  const Tensor turned = ops::transpose(floats({1, 3, 2, 4}, {2, 2}), 0, 1, "t", here);
  EXPECT_EQ(values(ops::linear_backward(turned, x, w, all_wanted(), "linear", here).dx), values(g.dx));
  const auto deep = ops::linear_backward(ops::reshape(dy, {2, 1, 2}, "r", here), ops::reshape(x, {2, 1, 3}, "r", here),
                                         w, all_wanted(), "linear", here);
  EXPECT_EQ(deep.dx.shape(), (Shape{2, 1, 3}));
  EXPECT_EQ(values(deep.dx), values(g.dx));
}

TEST_P(Families, LinearBackwardOverNothing) {
  const auto no_rows =
      ops::linear_backward(zeros({0, 2}, on()), zeros({0, 3}, on()), ones({2, 3}, on()), all_wanted(), "linear", here);
  EXPECT_EQ(no_rows.dx.shape(), (Shape{0, 3}));
  EXPECT_EQ(values(no_rows.dweight), Floats(6, 0.0f));
  EXPECT_EQ(values(no_rows.dbias), Floats(2, 0.0f));
  const auto no_features =
      ops::linear_backward(ones({3, 2}, on()), zeros({3, 0}, on()), zeros({2, 0}, on()), all_wanted(), "linear", here);
  EXPECT_EQ(no_features.dx.shape(), (Shape{3, 0}));
  EXPECT_EQ(values(no_features.dbias), (Floats{3, 3}));
  const auto no_outputs =
      ops::linear_backward(zeros({3, 0}, on()), ones({3, 2}, on()), zeros({0, 2}, on()), all_wanted(), "linear", here);
  EXPECT_EQ(values(no_outputs.dx), Floats(6, 0.0f));
}

TEST_P(Families, IndexSelectAndAdd) {
  const Tensor x = counted({3, 2});
  const Tensor index = from_vector(Ints{2, 0, 2}, {3}, device());
  EXPECT_EQ(values(ops::index_select(x, 0, index, "index_select", here)), (Floats{4, 5, 0, 1, 4, 5}));
  const Tensor columns = from_vector(std::vector<std::int32_t>{1, 1}, {2}, device());
  EXPECT_EQ(values(ops::index_select(x, -1, columns, "index_select", here)), (Floats{1, 1, 3, 3, 5, 5}));
  const Tensor turned = ops::transpose(x, 0, 1, "t", here);
  EXPECT_EQ(values(ops::index_select(turned, 1, index, "index_select", here)), (Floats{4, 0, 4, 5, 1, 5}));
  EXPECT_EQ(ops::index_select(x, 0, zeros({0}, on(DType::int64)), "index_select", here).shape(), (Shape{0, 2}));
  const Tensor every_other = ops::slice(from_vector(Ints{2, 0, 1}, {3}, device()), 0, {{}, {}, 2}, "slice", here);
  EXPECT_EQ(values(ops::index_select(x, 0, every_other, "index_select", here)), (Floats{4, 5, 2, 3}));

  const Tensor source = floats({1, 1, 10, 10, 100, 100}, {3, 2});
  const Tensor added = ops::index_add(x, 0, index, source, "index_add", here);
  EXPECT_EQ(values(added), (Floats{10, 11, 2, 3, 105, 106}));
  EXPECT_EQ(values(x), (Floats{0, 1, 2, 3, 4, 5}));
  const Tensor spread = ops::expand(scalar(1, on()), {3, 2}, "expand", here);
  EXPECT_EQ(values(ops::index_add(turned, 1, index, ops::transpose(spread, 0, 1, "t", here), "index_add", here)),
            (Floats{1, 2, 6, 2, 3, 7}));
}

TEST_P(Families, Softmax) {
  const Tensor x = floats({0, 0, 1e4f, -1e4f, 0, 0}, {3, 2});
  const Floats y = values(ops::softmax(false, x, 1, "softmax", here));
  EXPECT_EQ(y, (Floats{0.5f, 0.5f, 1, 0, 0.5f, 0.5f}));
  const Floats l = values(ops::softmax(true, x, -1, "log_softmax", here));
  EXPECT_FLOAT_EQ(l[0], -std::log(2.0f));
  EXPECT_FLOAT_EQ(l[3], -2e4f);
  EXPECT_EQ(ops::softmax(false, zeros({0, 2}, on()), 1, "softmax", here).shape(), (Shape{0, 2}));
  const Tensor p = floats({0.25f, 0.75f}, {1, 2}), dy = floats({1, 0}, {1, 2});
  const Floats dx = values(ops::softmax_backward(false, dy, p, 1, "softmax", here));
  EXPECT_FLOAT_EQ(dx[0], 0.25f * 0.75f);
  EXPECT_FLOAT_EQ(dx[1], -0.75f * 0.25f);
}

TEST_P(Families, CrossEntropy) {
  const Tensor logits = floats({0, 0, 0, std::log(3.0f)}, {2, 2});
  Tensor gradient;
  for (const DType dtype : {DType::int64, DType::int32}) {
    const Tensor labels = ops::cast(from_vector(Ints{0, 1}, {2}, device()), dtype, "cast", here);
    const Floats losses = values(ops::cross_entropy(logits, labels, &gradient, "cross_entropy", here));
    EXPECT_FLOAT_EQ(losses[0], std::log(2.0f));
    EXPECT_FLOAT_EQ(losses[1], std::log(4.0f / 3));
    const Floats g = values(gradient);
    EXPECT_FLOAT_EQ(g[0], -0.5f);
    EXPECT_FLOAT_EQ(g[1], 0.5f);
    EXPECT_NEAR(g[2], 0.25f, 1e-7f);
    EXPECT_NEAR(g[3], -0.25f, 1e-7f);
  }
}

TEST_P(Families, CastSaturatesAndNanBecomesZero) {  // T21
  const Tensor x = from_vector(Floats{NAN, inf, -inf, 3e9f, -7.9f, 300}, {6}, device());
  EXPECT_EQ(ops::cast(x, DType::int32, "to", here).to_vector<std::int32_t>(),
            (std::vector<std::int32_t>{0, 2147483647, -2147483647 - 1, 2147483647, -7, 300}));
  EXPECT_EQ(ops::cast(x, DType::uint8, "to", here).to_vector<std::uint8_t>(),
            (std::vector<std::uint8_t>{0, 255, 0, 255, 0, 255}));
  EXPECT_EQ(ops::cast(x, DType::float32, "to", here).shares_storage(x), false);
}

}  // namespace
}  // namespace weft
