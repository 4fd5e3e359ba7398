// Forward and gradient of every row against LibTorch, in float32 and float64, on every backend. A row without a
// counterpart must be listed with its reason: a new function cannot forget this comparison.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

#include <weft/autograd/functions.h>
#include <weft/backends/registry.h>

#include "backend/op_case_inputs.h"
#include "libtorch/torch_functions.h"

namespace weft::test {
namespace {

int cases_run = 0;

class Report : public testing::Environment {
 public:
  void TearDown() override {
    std::printf("libtorch cases: %d\n", cases_run);
    if (testing::GTEST_FLAG(filter) == "*") {
      EXPECT_GE(cases_run, 800);
    }
  }
};
const testing::Environment* const report = testing::AddGlobalTestEnvironment(new Report);

torch::Tensor to_torch(const std::vector<double>& values, const Shape& shape, Kind kind, DType dtype) {
  const std::vector<std::int64_t> extents(shape.begin(), shape.end());
  const torch::Tensor wide = torch::tensor(values, torch::kFloat64).reshape(extents);
  if (kind == Kind::index) return wide.to(torch::kInt64);
  if (kind == Kind::boolean || dtype == DType::boolean) return wide.to(torch::kBool);
  return dtype == DType::float32 ? wide.to(torch::kFloat32) : wide;
}

std::vector<double> to_doubles(const torch::Tensor& tensor) {
  const torch::Tensor wide = tensor.detach().to(torch::kFloat64).contiguous();
  return {wide.data_ptr<double>(), wide.data_ptr<double>() + wide.numel()};
}

/// ||a - b|| / ||b|| below the limit, and the same shape.
void expect_close(const Tensor& ours, const torch::Tensor& theirs, double limit) {
  ASSERT_EQ(to_string(ours.shape()), to_string(Shape(std::span(theirs.sizes().data(), theirs.sizes().size()))));
  const std::vector<double> a = test::to_doubles(ours), b = to_doubles(theirs);
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]))) {  // infinities and NaN have no difference
      norm += std::isfinite(b[i]) ? b[i] * b[i] : 0;
      continue;
    }
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    norm += b[i] * b[i];
  }
  EXPECT_LE(std::sqrt(difference), limit * std::sqrt(norm));
}

/// From fixed weights on the result's elements, as run() does.
void go_back(const torch::Tensor& result) {
  OpCase weights;
  weights.name = "weights";
  const Shape shape(std::span(result.sizes().data(), result.sizes().size()));
  weights.inputs = {{shape}};
  const DType wide = result.dtype() == torch::kFloat32 ? DType::float32 : DType::float64;
  result.backward(to_torch(make_values(weights, 0, shape, Numbers::real), shape, Kind::value, wide));
}

class LibTorch : public testing::TestWithParam<std::size_t> {};

TEST_P(LibTorch, Agrees) {
  const OpCase& row = op_cases()[GetParam()];
  const auto found = torch_functions().find(row.name);
  if (found == torch_functions().end()) {
    ASSERT_TRUE(without_counterpart().count(row.name)) << row.name << " has no LibTorch function and no reason why";
    GTEST_SKIP() << without_counterpart().at(row.name);
  }
  for (const DType dtype : {DType::float32, DType::float64, DType::boolean}) {
    if (!row.accepts(dtype)) continue;
    const bool gradients = row.gradient && is_floating(dtype);
    const double limit = dtype == DType::float32 ? 1e-5 : dtype == DType::float64 ? 1e-12 : 0;
    for (const std::vector<Shape>& shapes : shapes_to_try(row)) {
      std::vector<torch::Tensor> theirs;
      for (std::size_t i = 0; i < row.inputs.size(); ++i) {
        const std::vector<double> values = rounded(make_values(row, i, shapes[i], Numbers::real),
                                                   row.inputs[i].kind == Kind::value ? dtype : DType::float64);
        theirs.push_back(to_torch(values, shapes[i], row.inputs[i].kind, dtype));
        if (gradients && row.inputs[i].kind == Kind::value) theirs.back().requires_grad_();
      }
      torch::Tensor expected;
      try {
        expected = found->second(theirs);
        if (gradients) go_back(expected);
      } catch (const c10::Error&) {  // of nothing LibTorch takes less than weft
        if (std::none_of(shapes.begin(), shapes.end(), [](const Shape& s) { return s.numel() == 0; })) throw;
        continue;
      }
      for (const std::string& text : backend_names()) {
        const Device device = parse_device(text);
        if (!is_available(device)) continue;
        SCOPED_TRACE(row.name + " on " + text + ", " + name(dtype) + " " + to_string(shapes[0]));
        const Outcome ours = run(row, make_inputs(row, shapes, dtype, device, Layout::contiguous, Numbers::real),
                                 gradients, Numbers::real);
        expect_close(ours.output, expected, limit);
        ++cases_run;
        for (std::size_t i = 0, next = 0; i < row.inputs.size() && gradients; ++i) {
          if (row.inputs[i].kind != Kind::value) continue;
          expect_close(ours.gradients[next++], theirs[i].grad(), limit);
          ++cases_run;
        }
      }
    }
  }
}

std::vector<std::size_t> every_row() {
  std::vector<std::size_t> indices(op_cases().size());
  for (std::size_t i = 0; i < indices.size(); ++i) indices[i] = i;
  return indices;
}

std::string test_name(const testing::TestParamInfo<std::size_t>& info) {
  std::string text = op_cases()[info.param].name;
  for (char& c : text) c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return text;
}

INSTANTIATE_TEST_SUITE_P(Table, LibTorch, testing::ValuesIn(every_row()), test_name);

}  // namespace
}  // namespace weft::test
