#pragma once
// What the contract tests are written with: elements in a backend's memory, laid out in any way, with sentinels around
// and between them, and textbook references over plain arrays of doubles.

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <weft/backends/backend.h>
#include <weft/backends/registry.h>

namespace weft::contract_test {

using backends::Argument;
using backends::Backend;
using backends::Number;
using backends::TensorView;

/// Where the elements lie: row-major; axes in reverse order; every second place along every axis; backwards.
enum class Layout { contiguous, transposed, gapped, reversed };
inline constexpr Layout layouts[] = {Layout::contiguous, Layout::transposed, Layout::gapped, Layout::reversed};
inline Layout after(Layout layout, int steps = 1) { return layouts[(static_cast<int>(layout) + steps) % 4]; }
const char* name(Layout layout);

inline constexpr DType all_dtypes[] = {DType::float32, DType::float64, DType::float16, DType::bfloat16,
                                       DType::int64,   DType::int32,   DType::uint8,   DType::boolean};
inline constexpr DType floating_dtypes[] = {DType::float32, DType::float64, DType::float16, DType::bfloat16};
inline constexpr DType integer_dtypes[] = {DType::int64, DType::int32, DType::uint8};

/// Elements in row-major order.
struct Array {
  Shape shape;
  std::vector<double> values;

  Array() = default;
  Array(const Shape& s, std::vector<double> v) : shape(s), values(std::move(v)) {}
  explicit Array(const Shape& s, double filling = 0) : shape(s), values(static_cast<std::size_t>(s.numel()), filling) {}
  double& at(const Shape& index) { return values[position(index)]; }
  double at(const Shape& index) const { return values[position(index)]; }
  std::size_t position(const Shape& index) const;
};

/// Calls f for every index of `shape` in row-major order.
void for_each_index(const Shape& shape, const std::function<void(const Shape&)>& f);

/// `values` as the dtype holds them.
double round_to(DType dtype, double value);
std::vector<double> round_to(DType dtype, std::vector<double> values);

/// Numbers in [low, high] (whole ones for integers, 0 and 1 for bool), already rounded to the dtype; a function of the
/// seed.
Array random_array(DType dtype, const Shape& shape, std::uint64_t seed, double low = -2, double high = 2);

/// Elements in the memory of a backend.
class Block {
 public:
  /// Axes whose bit is set in `repeated` have stride 0: `values` must repeat along them.
  Block(Backend& backend, DType dtype, const Array& values, Layout layout = Layout::contiguous, unsigned repeated = 0);
  /// Nothing but sentinels: for outputs.
  Block(Backend& backend, DType dtype, const Shape& shape, Layout layout = Layout::contiguous);
  ~Block();
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  const TensorView& view() const noexcept { return view_; }
  operator const TensorView&() const noexcept { return view_; }  // NOLINT(google-explicit-constructor)
  operator Argument() const noexcept { return view_; }           // NOLINT(google-explicit-constructor)

  /// What is there now; every byte that is no element must still be a sentinel.
  Array read() const;
  /// The raw bytes of the elements in row-major order.
  std::vector<unsigned char> bytes() const;
  /// Whether nothing was written since this block was made.
  bool untouched() const;

 private:
  void make(DType dtype, const Shape& shape, Layout layout, unsigned repeated);
  std::vector<unsigned char> download() const;

  Backend& backend_;
  TensorView view_;
  void* memory_ = nullptr;
  std::vector<unsigned char> image_;  // what was uploaded
  std::size_t first_ = 0;             // the byte of the first element
};

/// Relative to the size of what is compared: 1e-5 float32, 1e-12 float64, 4e-3 float16, 3e-2 bfloat16, 0 otherwise.
double tolerance(DType dtype);

/// Every element within tolerance(dtype) * slack of max(1, |want|); NaN equals NaN, infinities must be equal.
void expect_close(DType dtype, const Array& got, const Array& want, double slack = 1);
void expect_equal(const Array& got, const Array& want);

/// One entry per backend that can be used here: "serial", "cpu", "toy", ...
std::vector<std::string> backends_under_test();
Backend& backend_named(const std::string& name);

/// Tests over every backend, each run for the name in GetParam().
class OnEveryBackend : public testing::TestWithParam<std::string> {
 protected:
  Backend& backend() const { return backend_named(GetParam()); }
};

#define WEFT_ON_EVERY_BACKEND(Suite)                                                                      \
  INSTANTIATE_TEST_SUITE_P(Every, Suite, testing::ValuesIn(::weft::contract_test::backends_under_test()), \
                           [](const auto& which) { return which.param; })

/// Shapes every elementwise function is tried with: rank 0, single elements, odd lengths, long lines, rank 8.
const std::vector<Shape>& shapes();
/// The small ones among them.
const std::vector<Shape>& small_shapes();

/// A view of `shape` in which `values` (of extent 1 where it repeats) is repeated.
Array repeat(const Array& values, const Shape& shape);

template <class T>
std::vector<T> to_host(Backend& backend, const TensorView& contiguous) {
  std::vector<T> host(static_cast<std::size_t>(contiguous.numel()));
  backend.copy_out(host.data(), contiguous.data, host.size() * sizeof(T));
  return host;
}

}  // namespace weft::contract_test
