#pragma once
// The one table behind every op test. A row names a function, what it takes and what may be expected of it;
// op_cases_test.cpp drives from it: forward on every backend, dtype and layout against `serial` in float64, refused
// dtypes, gradients and second gradients against finite differences, gradients of every backend against those, exact
// integers with tolerance zero, the same bits for any number of threads, batch size and position;
// libtorch_cases_test.cpp compares forward and gradient to LibTorch. The rows stand in op_cases/<family>.cpp; a new
// function is a row there.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <weft/core/dtype_support.h>
#include <weft/core/shape.h>
#include <weft/tensor/tensor.h>

namespace weft::test {

/// Which numbers an input is filled with. All are multiples of 2^-7 or so below 8, so that 16-bit dtypes hold them
/// well.
enum class Domain {
  normal,          ///< about -3 .. 3
  positive,        ///< 0.1 .. 3
  away_from_zero,  ///< |x| in 0.25 .. 3: for functions with a kink or a pole at zero
  near_one,        ///< 0.5 .. 1.5: for products of many
  distinct,        ///< no two equal, well apart: for max, argmax and the like
};

/// What an input is: `value` has the dtype under test; the others have a dtype of their own.
enum class Kind { value, index, boolean };

struct Input {
  Shape shape;
  Domain domain = Domain::normal;
  Kind kind = Kind::value;
  std::int64_t limit = 0;  ///< an index is 0 .. limit - 1
};

using Call = std::function<Tensor(const std::vector<Tensor>&)>;

struct OpCase {
  std::string name;  ///< "function" or "function/what is special"
  std::vector<Input> inputs;
  Call call;
  bool (*accepts)(DType) = is_floating;  ///< the dtypes a value input may have; the rest must be refused
  bool elementwise = false;              ///< any shape will do: runs over a list of shapes, 4 ULP allowed per element
  bool gradient = true;
  double terms = 1;          ///< length of the longest sum: the tolerance grows with it
  bool exact = false;        ///< small integers give an exact result: tolerance zero
  bool rows = false;         ///< row i of the result follows from row i of input 0: batch and position do not matter
  std::vector<Shape> large;  ///< the inputs' shapes for the bit tests; empty: not run
  std::vector<std::vector<Shape>> empty;  ///< the inputs' shapes with nothing in them
  int refused_by = 0;                     ///< the input whose dtype is tried for refusal
};

/// Every row, in the order of the families.
const std::vector<OpCase>& op_cases();

// One function per family, each in its own file; op_cases() concatenates them.
std::vector<OpCase> elementwise_cases();
std::vector<OpCase> compare_cases();
std::vector<OpCase> reduce_cases();
std::vector<OpCase> linear_algebra_cases();
std::vector<OpCase> einsum_cases();
std::vector<OpCase> shape_cases();
std::vector<OpCase> rearrange_cases();
std::vector<OpCase> index_cases();
std::vector<OpCase> probability_cases();
std::vector<OpCase> window_cases();
std::vector<OpCase> norm_cases();
std::vector<OpCase> scan_cases();
std::vector<OpCase> loss_cases();
std::vector<OpCase> attention_cases();

/// Accepts every dtype; for `accepts`.
inline bool any_dtype(DType) { return true; }

}  // namespace weft::test
