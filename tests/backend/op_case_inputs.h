#pragma once
// Makes the inputs of a row: numbers that depend on the row's name and the input's position only, laid out in memory as
// asked.

#include <cstdint>
#include <string>
#include <vector>

#include <weft/core/device.h>
#include <weft/tensor/tensor.h>

#include "backend/op_cases.h"

namespace weft::test {

enum class Layout { contiguous, strided, broadcast };
inline constexpr Layout layouts[] = {Layout::contiguous, Layout::strided, Layout::broadcast};
inline const char* name(Layout layout) {
  return layout == Layout::contiguous ? "contiguous" : layout == Layout::strided ? "strided" : "broadcast";
}

/// Real numbers of the input's domain, or small integers (for integer dtypes and for exact comparisons).
enum class Numbers { real, small_integers };

/// The numbers themselves, row-major, as float64 holds them.
std::vector<double> make_values(const OpCase& row, std::size_t input, const Shape& shape, Numbers numbers);

/// Rounded to dtype, so that an oracle in float64 sees exactly what the backend sees.
std::vector<double> rounded(const std::vector<double>& values, DType dtype);

/// Every element as float64, whatever the dtype.
std::vector<double> to_doubles(const Tensor& tensor);

/// A tensor on `device`. strided: every second element of a larger block, axes in reverse order, NaN between the
/// elements. broadcast: one row repeated with stride 0 (the values of the first row are used).
Tensor make_input(const std::vector<double>& values, const Shape& shape, DType dtype, Device device, Layout layout);

/// As make_input for every input of the row, in the shapes given; indices and conditions get their own dtype.
std::vector<Tensor> make_inputs(const OpCase& row, const std::vector<Shape>& shapes, DType dtype, Device device,
                                Layout layout, Numbers numbers);

/// The row's own shapes.
std::vector<Shape> shapes_of(const OpCase& row);

/// The shapes a row is tried with: its own; for elementwise rows a list of awkward ones; and those with nothing in
/// them.
std::vector<std::vector<Shape>> shapes_to_try(const OpCase& row);

/// The dtype of the oracle for values of `dtype`: float64, int64 or bool.
DType oracle_dtype(DType dtype);

struct Outcome {
  Tensor output;
  std::vector<Tensor> gradients;  ///< of the value inputs, in order
};

/// Calls the row; with gradients, also goes back with fixed weights on the output's elements.
Outcome run(const OpCase& row, std::vector<Tensor> inputs, bool gradients, Numbers numbers);

}  // namespace weft::test
