// Every function: first derivative against central differences, second derivative against differences of the first;
// plain, strided, broadcast, rank-0 and zero-size arguments.

#include <cmath>
#include <functional>

#include <weft/autograd/gradcheck.h>

#include "autograd/helpers.h"

using namespace weft;
using namespace weft::testing_autograd;

namespace {

struct Case {
  std::string name;
  GradcheckFunction fn;
  std::vector<Tensor> inputs;  // those of float64 are differentiated
};

std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.name; }

// Numbers with |x| in 0.2 .. 1.7: at a distance from the kinks at 0 and from each other.
Tensor away_from_zero(const Shape& shape, std::uint64_t seed) {
  Generator generator(seed);
  Generator signs(seed + 100);
  const Tensor size = uniform(shape, 0.2, 1.7, f64(), generator);
  return where(lt(rand(shape, f64(), signs), 0.5), size, -size);
}

Tensor positive(const Shape& shape, std::uint64_t seed) {
  Generator generator(seed);
  return uniform(shape, 0.3, 2.0, f64(), generator);
}

// The same values in another layout: every second element of a larger tensor, axes swapped where there are two.
Tensor strided(const Tensor& x) {
  if (x.rank() == 0) return cat({zeros({2}, f64()), x.reshape({1})}, 0).select(0, 2);
  if (x.rank() == 1) {
    Tensor wide = zeros({x.size(0) * 2}, f64());
    wide.slice(0, {0, std::nullopt, 2}).copy_(x);
    return wide.slice(0, {0, std::nullopt, 2});
  }
  return x.transpose(0, -1).clone().transpose(0, -1);
}

using Make = std::function<Tensor(const Shape&, std::uint64_t)>;

class Table {
 public:
  void add(std::string name, GradcheckFunction fn, std::vector<Tensor> inputs) {
    cases.push_back({std::move(name), std::move(fn), std::move(inputs)});
  }

  // An elementwise function of one argument in every shape and layout.
  void unary(const std::string& name, const std::function<Tensor(const Tensor&)>& f, const Make& make) {
    const GradcheckFunction fn = [f](const std::vector<Tensor>& in) { return f(in[0]); };
    add(name + "_matrix", fn, {make({3, 4}, 1)});
    add(name + "_strided", fn, {strided(make({3, 4}, 2))});
    add(name + "_rank0", fn, {make({}, 3)});
    add(name + "_zero_size", fn, {make({0, 3}, 4)});
    add(name + "_expanded", fn, {make({1, 3}, 5).expand({2, 3})});
  }

  // An elementwise function of two arguments: equal shapes, layouts, broadcasting both ways, numbers.
  void binary(const std::string& name, const std::function<Tensor(const Operand&, const Operand&)>& f,
              const Make& make) {
    const GradcheckFunction fn = [f](const std::vector<Tensor>& in) { return f(in[0], in[1]); };
    add(name + "_matrices", fn, {make({2, 3}, 1), make({2, 3}, 2)});
    add(name + "_strided", fn, {strided(make({2, 3}, 3)), strided(make({2, 3}, 4))});
    add(name + "_row", fn, {make({2, 3}, 5), make({3}, 6)});
    add(name + "_column", fn, {make({2, 1}, 7), make({2, 3}, 8)});
    add(name + "_outer", fn, {make({2, 1}, 9), make({1, 3}, 10)});
    add(name + "_rank0", fn, {make({}, 11), make({2, 2}, 12)});
    add(name + "_both_rank0", fn, {make({}, 13), make({}, 14)});
    add(name + "_zero_size", fn, {make({0, 3}, 15), make({3}, 16)});
    add(name + "_number_right", [f](const std::vector<Tensor>& in) { return f(in[0], 0.7); }, {make({2, 2}, 17)});
    add(name + "_number_left", [f](const std::vector<Tensor>& in) { return f(2, in[0]); }, {make({2, 2}, 18)});
    add(name + "_with_itself", [f](const std::vector<Tensor>& in) { return f(in[0], in[0] * 1.5); }, {make({3}, 19)});
  }

  // A reduction over all axes, one, several, with and without keepdim.
  void reduction(const std::string& name, const std::function<Tensor(const Tensor&, const Axes&, bool)>& f,
                 bool of_nothing) {
    const auto with = [&f](const Axes& axes, bool keepdim) {
      return [f, axes, keepdim](const std::vector<Tensor>& in) { return f(in[0], axes, keepdim); };
    };
    add(name + "_all", with({}, false), {normal({2, 3}, 1)});
    add(name + "_all_kept", with({}, true), {normal({2, 3}, 2)});
    add(name + "_axis", with(1, false), {normal({2, 3, 2}, 3)});
    add(name + "_axis_kept", with(-1, true), {normal({2, 3}, 4)});
    add(name + "_axes", with({0, -1}, false), {normal({2, 3, 2}, 5)});
    add(name + "_strided", with(0, false), {strided(normal({3, 4}, 6))});
    add(name + "_rank0", with({}, false), {normal({}, 7)});
    add(name + "_no_results", with(1, false), {normal({0, 3}, 8)});
    if (of_nothing) add(name + "_of_nothing", with(0, false), {normal({0, 3}, 9)});
  }

  std::vector<Case> cases;
};

Tensor int_index(std::initializer_list<double> values, DType dtype = DType::int64) {
  return tensor(values, TensorOptions(serial(), dtype));
}

void add_matmul(Table& t) {
  const GradcheckFunction fn = [](const std::vector<Tensor>& in) { return matmul(in[0], in[1]); };
  t.add("matmul_matrices", fn, {normal({2, 3}, 1), normal({3, 4}, 2)});
  t.add("matmul_strided", fn, {strided(normal({2, 3}, 3)), strided(normal({3, 4}, 4))});
  t.add("matmul_dot", fn, {normal({3}, 5), normal({3}, 6)});
  t.add("matmul_row", fn, {normal({3}, 7), normal({3, 2}, 8)});
  t.add("matmul_column", fn, {normal({2, 3}, 9), normal({3}, 10)});
  t.add("matmul_batches", fn, {normal({2, 2, 3}, 11), normal({2, 3, 2}, 12)});
  t.add("matmul_batch_one_right", fn, {normal({2, 2, 3}, 13), normal({3, 2}, 14)});
  t.add("matmul_batch_one_left", fn, {normal({2, 3}, 15), normal({2, 3, 2}, 16)});
  t.add("matmul_batches_broadcast", fn, {normal({2, 1, 2, 3}, 17), normal({2, 3, 2}, 18)});
  t.add("matmul_row_batch", fn, {normal({3}, 19), normal({2, 3, 2}, 20)});
  t.add("matmul_batch_column", fn, {normal({2, 2, 3}, 21), normal({3}, 22)});
  t.add("matmul_no_rows", fn, {normal({0, 3}, 23), normal({3, 2}, 24)});
  t.add("matmul_no_inner", fn, {normal({2, 0}, 25), normal({0, 2}, 26)});
  t.add("matmul_empty_batch", fn, {normal({0, 2, 3}, 27), normal({3, 2}, 28)});
  const GradcheckFunction lin = [](const std::vector<Tensor>& in) { return linear(in[0], in[1], in[2]); };
  t.add("linear", lin, {normal({4, 3}, 1), normal({2, 3}, 2), normal({2}, 3)});
  t.add("linear_strided", lin, {strided(normal({4, 3}, 4)), strided(normal({2, 3}, 5)), strided(normal({2}, 6))});
  t.add("linear_batch", lin, {normal({2, 2, 3}, 7), normal({2, 3}, 8), normal({2}, 9)});
  t.add("linear_row", lin, {normal({3}, 10), normal({2, 3}, 11), normal({2}, 12)});
  t.add("linear_no_rows", lin, {normal({0, 3}, 13), normal({2, 3}, 14), normal({2}, 15)});
  t.add("linear_without_bias", [](const std::vector<Tensor>& in) { return linear(in[0], in[1]); },
        {normal({2, 3}, 16), normal({2, 3}, 17)});
}

void add_shape(Table& t) {
  const auto one = [&t](const std::string& name, const std::function<Tensor(const Tensor&)>& f, const Tensor& x) {
    // Multiplied by itself, so that the second derivative is not all zero.
    t.add(name, [f](const std::vector<Tensor>& in) { return f(in[0] * in[0]); }, {x});
  };
  one(
      "reshape_view",
      [](const Tensor& x) {
        return x.reshape({3, -1});
      },
      normal({2, 3}, 1));
  one(
      "reshape_copy", [](const Tensor& x) { return x.transpose(0, 1).reshape({6}); }, normal({2, 3}, 2));
  one(
      "reshape_rank0",
      [](const Tensor& x) {
        return x.reshape({1, 1});
      },
      normal({}, 3));
  one(
      "reshape_zero_size",
      [](const Tensor& x) {
        return x.reshape({2, 0});
      },
      normal({0, 3}, 3));
  one(
      "flatten", [](const Tensor& x) { return x.flatten(1); }, normal({2, 3, 2}, 4));
  one(
      "flatten_rank0", [](const Tensor& x) { return x.flatten(); }, normal({}, 5));
  one(
      "transpose", [](const Tensor& x) { return x.transpose(0, -1); }, normal({2, 3, 2}, 6));
  one(
      "t", [](const Tensor& x) { return x.t(); }, normal({2, 3}, 7));
  one(
      "permute",
      [](const Tensor& x) {
        return x.permute({2, 0, 1});
      },
      normal({2, 3, 2}, 8));
  one(
      "permute_negative",
      [](const Tensor& x) {
        return x.permute({-1, 0, 1});
      },
      normal({2, 3, 2}, 9));
  one(
      "expand",
      [](const Tensor& x) {
        return x.expand({2, 3, 4});
      },
      normal({3, 1}, 10));
  one(
      "expand_kept",
      [](const Tensor& x) {
        return x.expand({2, -1});
      },
      normal({3}, 11));
  one(
      "unsqueeze", [](const Tensor& x) { return x.unsqueeze(1); }, normal({2, 3}, 12));
  one(
      "squeeze", [](const Tensor& x) { return x.squeeze(1); }, normal({2, 1, 3}, 13));
  one(
      "squeeze_nothing", [](const Tensor& x) { return x.squeeze(0); }, normal({2, 1}, 14));
  one(
      "slice",
      [](const Tensor& x) {
        return x.slice(1, {1, 4, 2});
      },
      normal({2, 5}, 15));
  one(
      "slice_backwards",
      [](const Tensor& x) {
        return x.slice(0, {std::nullopt, std::nullopt, -2});
      },
      normal({5}, 16));
  one(
      "slice_negative_bounds",
      [](const Tensor& x) {
        return x.slice(0, {-3, -1, 1});
      },
      normal({4, 2}, 17));
  one(
      "slice_empty",
      [](const Tensor& x) {
        return x.slice(0, {3, 1, 1});
      },
      normal({4, 2}, 18));
  one(
      "narrow", [](const Tensor& x) { return x.narrow(1, 1, 2); }, normal({2, 4}, 19));
  one(
      "narrow_negative", [](const Tensor& x) { return x.narrow(0, -2, 1); }, normal({3}, 20));
  one(
      "select", [](const Tensor& x) { return x.select(1, 2); }, normal({2, 3}, 21));
  one(
      "select_negative", [](const Tensor& x) { return x.select(-1, -1); }, normal({2, 3}, 22));
  one(
      "index_operator", [](const Tensor& x) { return x[1][0]; }, normal({2, 3}, 23));
  one(
      "view_of_view",
      [](const Tensor& x) {
        return x.slice(0, {1, 3, 1}).transpose(0, 1)[0];
      },
      normal({4, 2}, 24));
  one(
      "cat_with_itself",
      [](const Tensor& x) {
        return cat({x, x * 2.0}, 0);
      },
      normal({2, 2}, 25));
  t.add("cat", [](const std::vector<Tensor>& in) { return cat(in, 1).exp(); },
        {normal({2, 1}, 26), normal({2, 3}, 27), normal({2, 0}, 28)});
  t.add("cat_negative_axis", [](const std::vector<Tensor>& in) { return cat(in, -2).exp(); },
        {normal({1, 2}, 29), strided(normal({2, 2}, 30))});
}

void add_copies(Table& t) {
  const auto one = [&t](const std::string& name, const std::function<Tensor(const Tensor&)>& f, const Tensor& x) {
    t.add(name, [f](const std::vector<Tensor>& in) { return f(in[0] * in[0]); }, {x});
  };
  one(
      "to_same_dtype", [](const Tensor& x) { return x.to(DType::float64); }, normal({2, 2}, 1));
  one(
      "contiguous_copy", [](const Tensor& x) { return x.transpose(0, 1).contiguous(); }, normal({2, 3}, 2));
  one(
      "contiguous_same", [](const Tensor& x) { return x.contiguous(); }, normal({2, 3}, 3));
  one(
      "clone", [](const Tensor& x) { return x.clone(); }, normal({2, 3}, 4));
}

void add_indexing(Table& t) {
  const GradcheckFunction select = [](const std::vector<Tensor>& in) { return index_select(in[0] * in[0], 0, in[1]); };
  t.add("index_select", select, {normal({4, 2}, 1), int_index({2, 0, 2})});
  t.add("index_select_int32", select, {normal({4, 2}, 2), int_index({3, 3}, DType::int32)});
  t.add("index_select_strided", select, {strided(normal({4, 2}, 3)), int_index({1, 2})});
  t.add("index_select_nothing", select, {normal({4, 2}, 4), int_index({})});
  t.add("index_select_last_axis", [](const std::vector<Tensor>& in) { return index_select(in[0].exp(), -1, in[1]); },
        {normal({2, 3}, 5), int_index({2, 2, 0})});
  const GradcheckFunction add = [](const std::vector<Tensor>& in) {
    return index_add(in[0] * in[0], 0, in[2], in[1].exp());
  };
  t.add("index_add", add, {normal({3, 2}, 6), normal({4, 2}, 7), int_index({2, 0, 2, 1})});
  t.add("index_add_nothing", add, {normal({3, 2}, 8), normal({0, 2}, 9), int_index({})});
}

void add_choice(Table& t) {
  const Tensor condition = gt(normal({2, 3}, 40), 0);
  const GradcheckFunction fn = [condition](const std::vector<Tensor>& in) {
    return where(condition, in[0].exp(), in[1].exp());
  };
  t.add("where", fn, {normal({2, 3}, 1), normal({2, 3}, 2)});
  t.add("where_broadcast", fn, {normal({3}, 3), normal({2, 1}, 4)});
  t.add("where_rank0", fn, {normal({}, 5), normal({2, 3}, 6)});
  t.add("where_number", [condition](const std::vector<Tensor>& in) { return where(condition, in[0].exp(), -1.5); },
        {normal({2, 3}, 7)});
  t.add("where_broadcast_condition",
        [](const std::vector<Tensor>& in) {
          return where(gt(tensor({1, -1}, f64()), 0), in[0].exp(), 0);
        },
        {normal({3, 2}, 8)});
}

void add_probability(Table& t) {
  for (const bool log : {false, true}) {
    const std::string name = log ? "log_softmax" : "softmax";
    const auto along = [log](int axis) {
      return
          [log, axis](const std::vector<Tensor>& in) { return log ? log_softmax(in[0], axis) : softmax(in[0], axis); };
    };
    t.add(name + "_last", along(-1), {normal({2, 3}, 1)});
    t.add(name + "_first", along(0), {normal({3, 2}, 2)});
    t.add(name + "_middle", along(1), {normal({2, 3, 2}, 3)});
    t.add(name + "_strided", along(1), {strided(normal({2, 3}, 4))});
    t.add(name + "_zero_size", along(1), {normal({0, 3}, 5)});
  }
  t.add("dropout",
        [](const std::vector<Tensor>& in) {
          Generator generator(7);
          return dropout(in[0] * in[0], 0.4, true, generator);
        },
        {normal({4, 4}, 6)});
  t.add("dropout_all", [](const std::vector<Tensor>& in) { return dropout(in[0] * in[0], 1.0); }, {normal({3}, 7)});
  t.add("dropout_off", [](const std::vector<Tensor>& in) { return dropout(in[0] * in[0], 0.5, false); },
        {normal({3}, 8)});
  for (const Reduction reduction : {Reduction::mean, Reduction::sum, Reduction::none}) {
    const std::string name = reduction == Reduction::mean ? "mean" : reduction == Reduction::sum ? "sum" : "none";
    const GradcheckFunction fn = [reduction](const std::vector<Tensor>& in) {
      return cross_entropy(in[0], in[1], reduction);
    };
    t.add("cross_entropy_" + name, fn, {normal({3, 4}, 9), int_index({3, 0, 3})});
    t.add("cross_entropy_int32_" + name, fn, {normal({2, 3}, 10), int_index({1, 2}, DType::int32)});
    t.add("cross_entropy_strided_" + name, fn, {strided(normal({3, 4}, 11)), int_index({0, 1, 2})});
  }
}

std::vector<Case> all_cases() {
  Table t;
  const Make any_number = [](const Shape& s, std::uint64_t seed) { return normal(s, seed); };
  t.binary(
      "add", [](const Operand& a, const Operand& b) { return exp(add(a, b)); }, any_number);
  t.binary(
      "sub", [](const Operand& a, const Operand& b) { return exp(sub(a, b)); }, any_number);
  t.binary(
      "mul", [](const Operand& a, const Operand& b) { return mul(a, b); }, any_number);
  t.binary(
      "div", [](const Operand& a, const Operand& b) { return div(a, b); }, away_from_zero);
  t.binary(
      "maximum", [](const Operand& a, const Operand& b) { return exp(maximum(a, b)); }, away_from_zero);
  t.binary(
      "minimum", [](const Operand& a, const Operand& b) { return exp(minimum(a, b)); }, away_from_zero);
  t.binary(
      "operators", [](const Operand& a, const Operand& b) { return (a + b) * (a - b) / ((a - b) * (a - b) + 1); },
      any_number);
  t.unary(
      "neg", [](const Tensor& x) { return exp(neg(x)); }, any_number);
  t.unary(
      "abs", [](const Tensor& x) { return exp(abs(x)); }, away_from_zero);
  t.unary(
      "sign", [](const Tensor& x) { return sign(x) * x * x; }, away_from_zero);
  t.unary(
      "exp", [](const Tensor& x) { return exp(x); }, any_number);
  t.unary(
      "log", [](const Tensor& x) { return log(x); }, positive);
  t.unary(
      "sqrt", [](const Tensor& x) { return sqrt(x); }, positive);
  t.unary(
      "tanh", [](const Tensor& x) { return tanh(x); }, any_number);
  t.unary(
      "sigmoid", [](const Tensor& x) { return sigmoid(x); }, any_number);
  t.unary(
      "relu", [](const Tensor& x) { return relu(x) * x; }, away_from_zero);
  t.reduction(
      "sum", [](const Tensor& x, const Axes& axes, bool keep) { return (x * x).sum(axes, keep); }, true);
  t.reduction(
      "mean", [](const Tensor& x, const Axes& axes, bool keep) { return (x * x).mean(axes, keep); }, false);
  t.reduction(
      "max", [](const Tensor& x, const Axes& axes, bool keep) { return exp(max(x, axes, keep)); }, false);
  t.reduction(
      "min", [](const Tensor& x, const Axes& axes, bool keep) { return exp(min(x, axes, keep)); }, false);
  add_matmul(t);
  add_shape(t);
  add_copies(t);
  add_indexing(t);
  add_choice(t);
  add_probability(t);
  for (Case& c : t.cases) {
    for (Tensor& x : c.inputs) {
      if (x.dtype() == DType::float64) x.requires_grad_();
    }
  }
  return t.cases;
}

class Functions : public ::testing::TestWithParam<Case> {};

TEST_P(Functions, FirstDerivative) {
  const GradcheckResult result = gradcheck(GetParam().fn, GetParam().inputs);
  EXPECT_TRUE(result) << result.message;
}

TEST_P(Functions, SecondDerivative) {
  const GradcheckResult result = gradgradcheck(GetParam().fn, GetParam().inputs);
  EXPECT_TRUE(result) << result.message;
}

INSTANTIATE_TEST_SUITE_P(All, Functions, ::testing::ValuesIn(all_cases()),
                         [](const ::testing::TestParamInfo<Case>& row) { return row.param.name; });

// A table that lost its rows would pass.
TEST(FunctionsTable, HasItsRows) { EXPECT_GE(all_cases().size(), 200u); }

}  // namespace
