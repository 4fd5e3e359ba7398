// Drives the table of op_cases.h. One gtest per row and property; every comparison made counts as a case, the counts
// are printed at the end, and fewer than the floor is a failure (a table that silently stopped running would look
// green).

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>

#include <weft/autograd/functions.h>
#include <weft/autograd/gradcheck.h>
#include <weft/backends/registry.h>
#include <weft/core/error.h>
#include <weft/core/thread_pool.h>

#include "backend/op_case_inputs.h"

namespace weft::test {
namespace {

// ---- counting

std::map<std::string, int>& counts() {
  static auto& c = *new std::map<std::string, int>;
  return c;
}

class Report : public testing::Environment {
 public:
  void TearDown() override {
    int total = 0;
    for (const auto& [property, n] : counts()) {
      std::printf("op cases: %-22s %6d\n", property.c_str(), n);
      total += n;
    }
    std::printf("op cases: %-22s %6d\n", "total", total);
    if (testing::GTEST_FLAG(filter) == "*" && testing::UnitTest::GetInstance()->total_test_suite_count() > 0) {
      EXPECT_GE(total, floor) << "fewer op cases ran than are known to exist";
    }
  }
  static constexpr int floor = 80000;
};
const testing::Environment* const report = testing::AddGlobalTestEnvironment(new Report);

void count(const char* property) { ++counts()[property]; }

// ---- what is tried

const std::vector<Device>& devices() {
  static const auto& all = *[] {
    auto* found = new std::vector<Device>;
    for (const std::string& text : backend_names()) {
      const Device device = parse_device(text);
      const std::string why = backends::why_unavailable(device);
      if (why.empty()) {
        found->push_back(device);
      } else {
        std::printf("op cases: %s skipped: %s\n", text.c_str(), why.c_str());
      }
    }
    return found;
  }();
  return all;
}

constexpr DType all_dtypes[] = {DType::float32, DType::float64, DType::float16, DType::bfloat16,
                                DType::int64,   DType::int32,   DType::uint8,   DType::boolean};

Numbers numbers_for(DType dtype) { return is_floating(dtype) ? Numbers::real : Numbers::small_integers; }

double epsilon(DType dtype) {
  switch (dtype) {
    case DType::float64:
      return 0x1p-53;
    case DType::float32:
      return 0x1p-24;
    case DType::float16:
      return 0x1p-11;
    case DType::bfloat16:
      return 0x1p-8;
    default:
      return 0;
  }
}

/// The largest difference allowed at an element whose true value is `value`. Elementwise results: 4 ULP of their own,
/// or of the smallest normal number. Sums of n terms: n roundings of the largest result (16-bit dtypes round once,
/// accumulating in float32). `steps` counts the roundings in a row a composed backward may make on top.
double tolerance(const OpCase& row, DType dtype, double value, double largest, double steps) {
  const double eps = epsilon(dtype);
  if (eps == 0) return 0;
  const double smallest = dtype == DType::float16 ? 0x1p-14 : dtype == DType::float64 ? 0x1p-1022 : 0x1p-126;
  largest = steps > 0 ? std::max(largest, 4.0) : largest;  // a gradient may be a small difference of numbers this size
  if (row.elementwise) return 8 * eps * std::max(std::abs(value), smallest) + steps * eps * largest;
  const double accumulate = item_size(dtype) == 2 ? epsilon(DType::float32) : eps;
  return (4 + steps) * eps * largest + row.terms * accumulate * largest + eps * smallest;
}

void expect_close(const OpCase& row, const Tensor& actual, const Tensor& expected, double steps) {
  ASSERT_EQ(actual.shape(), expected.shape())
      << to_string(actual.shape()) << " against " << to_string(expected.shape());
  const std::vector<double> a = to_doubles(actual);
  std::vector<double> e = to_doubles(expected);
  if (actual.dtype() == DType::uint8) {
    for (double& v : e) v = std::fmod(std::fmod(v, 256) + 256, 256);  // unsigned arithmetic wraps
  }
  double largest = 0;
  for (const double v : e) largest = std::isfinite(v) ? std::max(largest, std::abs(v)) : largest;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(e[i]) && std::isnan(a[i])) continue;
    if (a[i] == e[i]) continue;
    ASSERT_LE(std::abs(a[i] - e[i]), tolerance(row, actual.dtype(), e[i], largest, steps))
        << "element " << i << " is " << a[i] << ", in float64 on serial " << e[i];
  }
}

bool same_bits(const Tensor& a, const Tensor& b) {
  if (!(a.shape() == b.shape()) || a.dtype() != b.dtype()) return false;
  const std::vector<double> x = to_doubles(a), y = to_doubles(b);
  return x.size() == y.size() && (x.empty() || std::memcmp(x.data(), y.data(), x.size() * sizeof(double)) == 0);
}

std::string describe(const std::vector<Shape>& shapes) {
  std::string text;
  for (const Shape& shape : shapes) text += (text.empty() ? "" : " ") + to_string(shape);
  return text;
}

bool has_elements(const std::vector<Shape>& shapes) {
  return std::all_of(shapes.begin(), shapes.end(), [](const Shape& s) { return s.numel() > 0; });
}

class OpCases : public testing::TestWithParam<std::size_t> {
 protected:
  const OpCase& row() const { return op_cases()[GetParam()]; }
};

// ---- forward and gradients of every backend, dtype, shape and layout against serial in float64

TEST_P(OpCases, AgreeWithSerialInFloat64) {
  for (const DType dtype : all_dtypes) {
    if (!row().accepts(dtype)) continue;
    for (const std::vector<Shape>& shapes : shapes_to_try(row())) {
      for (const Layout layout : layouts) {
        const Numbers numbers = numbers_for(dtype);
        const bool gradients = row().gradient && is_floating(dtype);
        // The oracle sees the values as rounded to the dtype, in the same layout (which decides what is repeated).
        std::vector<Tensor> oracle_inputs;
        for (const Tensor& input : make_inputs(row(), shapes, dtype, serial(), layout, numbers)) {
          const bool is_value = row().inputs[oracle_inputs.size()].kind == Kind::value;
          oracle_inputs.push_back(is_value ? to(input, oracle_dtype(dtype)) : input);
        }
        const Outcome expected = run(row(), oracle_inputs, gradients, numbers);
        for (const Device device : devices()) {
          SCOPED_TRACE(row().name + " on " + to_string(device) + ", " + weft::name(dtype) + ", " + name(layout) + " " +
                       describe(shapes));
          const Outcome actual =
              run(row(), make_inputs(row(), shapes, dtype, device, layout, numbers), gradients, numbers);
          expect_close(row(), actual.output, expected.output, 0);
          count("forward");
          ASSERT_EQ(actual.gradients.size(), expected.gradients.size());
          for (std::size_t i = 0; i < actual.gradients.size(); ++i) {
            ASSERT_EQ(actual.gradients[i].dtype(), dtype);
            expect_close(row(), actual.gradients[i], expected.gradients[i], 6);
            count("gradient");
          }
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

// ---- what is not accepted is refused, and nothing is touched

TEST_P(OpCases, RefuseOtherDtypes) {
  for (const DType dtype : all_dtypes) {
    if (row().accepts(dtype)) continue;
    for (const Device device : devices()) {
      SCOPED_TRACE(row().name + " on " + to_string(device) + ", " + weft::name(dtype));
      const std::vector<Tensor> inputs =
          make_inputs(row(), shapes_of(row()), dtype, device, Layout::contiguous, Numbers::small_integers);
      const std::vector<double> before = to_doubles(inputs[0]);
      try {
        row().call(inputs);
        ADD_FAILURE() << "accepted";
      } catch (const DTypeError& e) {
        EXPECT_TRUE(e.code() == ErrorCode::dtype_unsupported || e.code() == ErrorCode::dtype_mismatch) << e.what();
        EXPECT_NE(std::string(e.what()).find(weft::name(dtype)), std::string::npos) << e.what();
        EXPECT_NE(std::string(e.what()).find('['), std::string::npos) << e.what();
      }
      EXPECT_EQ(to_doubles(inputs[0]), before);
      count("refused dtype");
    }
  }
}

// ---- gradients against finite differences, in float64 on serial

TEST_P(OpCases, GradientsAgreeWithFiniteDifferences) {
  if (!row().gradient) GTEST_SKIP() << "no gradient";
  for (const std::vector<Shape>& shapes : shapes_to_try(row())) {
    if (!has_elements(shapes)) continue;
    SCOPED_TRACE(row().name + " " + describe(shapes));
    const std::vector<Tensor> inputs =
        make_inputs(row(), shapes, DType::float64, serial(), Layout::contiguous, Numbers::real);
    std::vector<Tensor> values;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (row().inputs[i].kind == Kind::value) values.push_back(Tensor(inputs[i]).requires_grad_());
    }
    const auto call = [&](const std::vector<Tensor>& x) {
      std::vector<Tensor> all = inputs;
      for (std::size_t i = 0, next = 0; i < all.size(); ++i) {
        if (row().inputs[i].kind == Kind::value) all[i] = x[next++];
      }
      return row().call(all);
    };
    const GradcheckResult first = gradcheck(call, values);
    EXPECT_TRUE(first.ok) << first.message;
    count("gradcheck");
    const GradcheckResult second = gradgradcheck(call, values);
    EXPECT_TRUE(second.ok) << second.message;
    count("gradgradcheck");
  }
}

// ---- small integers: products and sums are exact, so nothing may differ

TEST_P(OpCases, ExactOnSmallIntegers) {
  if (!row().exact) GTEST_SKIP() << "not exact in floating point";
  const bool gradients =
      row().gradient && std::all_of(row().inputs.begin(), row().inputs.end(), [](const Input& input) {
        return input.domain == Domain::normal;  // ties would share a gradient in thirds
      });
  for (const DType dtype : all_dtypes) {
    // (uint8 cannot hold the negative ones: other numbers, another result)
    if (!row().accepts(dtype) || dtype == DType::uint8) continue;
    for (const std::vector<Shape>& shapes : {shapes_of(row()), row().large}) {
      if (shapes.empty()) continue;
      const bool back = gradients && is_floating(dtype);
      const Outcome expected = run(
          row(), make_inputs(row(), shapes, oracle_dtype(dtype), serial(), Layout::contiguous, Numbers::small_integers),
          back, Numbers::small_integers);
      for (const Device device : devices()) {
        SCOPED_TRACE(row().name + " on " + to_string(device) + ", " + weft::name(dtype) + " " + describe(shapes));
        const Outcome actual =
            run(row(), make_inputs(row(), shapes, dtype, device, Layout::contiguous, Numbers::small_integers), back,
                Numbers::small_integers);
        EXPECT_EQ(to_doubles(actual.output), rounded(to_doubles(expected.output), actual.output.dtype()));
        for (std::size_t i = 0; i < actual.gradients.size(); ++i) {
          EXPECT_EQ(to_doubles(actual.gradients[i]), rounded(to_doubles(expected.gradients[i]), dtype));
        }
        count("exact");
        if (HasFailure()) return;
      }
    }
  }
}

// ---- the same bits for any number of threads

TEST_P(OpCases, SameBitsForAnyNumberOfThreads) {
  if (row().large.empty()) GTEST_SKIP() << "no large shapes";
  const int before = num_threads();
  for (const DType dtype : {DType::float32, DType::float64, DType::bfloat16, DType::boolean}) {
    if (!row().accepts(dtype)) continue;
    const Numbers numbers = numbers_for(dtype);
    const bool gradients = row().gradient && is_floating(dtype);
    Outcome one;
    for (const int threads : {1, 2, 3, 8}) {
      SCOPED_TRACE(row().name + ", " + weft::name(dtype) + ", threads " + std::to_string(threads));
      set_num_threads(threads);
      const Outcome now =
          run(row(), make_inputs(row(), row().large, dtype, cpu(), Layout::contiguous, numbers), gradients, numbers);
      if (threads == 1) {
        one = now;
        continue;
      }
      EXPECT_TRUE(same_bits(now.output, one.output));
      for (std::size_t i = 0; i < now.gradients.size(); ++i) {
        EXPECT_TRUE(same_bits(now.gradients[i], one.gradients[i])) << "gradient " << i;
      }
      count("threads");
    }
  }
  set_num_threads(before);
}

// ---- the same bits alone, in a small batch, in a large one, and wherever in it

TEST_P(OpCases, SameBitsForAnyBatchAndPosition) {
  if (!row().rows || row().large.empty()) GTEST_SKIP() << "rows are not independent";
  for (const Device device : devices()) {
    for (const DType dtype : {DType::float32, DType::float64, DType::float16}) {
      if (!row().accepts(dtype)) continue;
      const std::vector<Tensor> whole =
          make_inputs(row(), row().large, dtype, device, Layout::contiguous, Numbers::real);
      const std::int64_t batch = whole[0].size(0);
      const NoGrad off;
      const Tensor all = row().call(whole);
      for (const auto& [start, length] : std::initializer_list<std::pair<std::int64_t, std::int64_t>>{
               {0, 1}, {0, 7}, {5, 7}, {batch - 3, 3}, {1, batch - 1}}) {
        if (start + length > batch) continue;
        std::vector<Tensor> part;
        for (const Tensor& input : whole) {
          const bool belongs = input.rank() > 0 && input.size(0) == batch;
          part.push_back(belongs ? input.narrow(0, start, length).clone() : input);
        }
        EXPECT_TRUE(same_bits(row().call(part), all.narrow(0, start, length)))
            << row().name << " on " << to_string(device) << ", " << weft::name(dtype) << ", rows " << start << " to "
            << start + length;
        count("batch and position");
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

INSTANTIATE_TEST_SUITE_P(Table, OpCases, testing::ValuesIn(every_row()), test_name);

TEST(OpCaseTable, NamesAreUnique) {
  std::map<std::string, int> seen;
  for (const OpCase& row : op_cases()) EXPECT_EQ(++seen[row.name], 1) << row.name;
}

}  // namespace
}  // namespace weft::test
