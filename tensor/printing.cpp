#include <algorithm>
#include <charconv>
#include <cmath>
#include <ostream>
#include <string>
#include <vector>

#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/tensor/by_type.h>
#include <weft/tensor/make.h>
#include <weft/tensor/ops.h>
#include <weft/tensor/tensor.h>

// Tensors as text, laid out as PyTorch does:
//
//   tensor([[ 1.0000, -0.5000],
//           [ 2.2500,     nan]], dtype=float64)
//
// All elements get one width. Whole numbers are written "3."; other floats with four digits, in scientific notation
// when the largest magnitude reaches 1e8, the smallest is below 1e-4 or one is over 1000 times the other (whole
// numbers: at 1e8 only). Over 1000 elements the middle of every long axis is left out; only what is shown is copied to
// the host.

namespace weft {
namespace {

constexpr std::int64_t whole_up_to = 1000;  // elements
constexpr std::int64_t edge = 3;            // what is shown at either end of an axis
constexpr int line_width = 80;
constexpr int digits = 4;

std::string text_of(double value, std::chars_format format, int precision) {
  char buffer[400];  // a fixed float64 has up to 309 digits before the point
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value, format, precision).ptr};
}

// How the floats of one tensor are written.
class FloatFormat {
 public:
  explicit FloatFormat(const std::vector<double>& values) {
    double largest = 0, smallest = INFINITY;
    for (double value : values) {
      if (!std::isfinite(value)) continue;
      if (value != std::trunc(value)) whole_ = false;
      const double magnitude = std::fabs(value);
      if (magnitude == 0) continue;
      largest = std::max(largest, magnitude);
      smallest = std::min(smallest, magnitude);
    }
    scientific_ = largest >= 1e8 || (!whole_ && (smallest < 1e-4 || largest > 1000 * smallest));
  }

  std::string operator()(double value) const {
    if (std::isnan(value)) return "nan";
    if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
    if (scientific_) return text_of(value, std::chars_format::scientific, digits);
    return whole_ ? text_of(value, std::chars_format::fixed, 0) + "."
                  : text_of(value, std::chars_format::fixed, digits);
  }

 private:
  bool whole_ = true;
  bool scientific_ = false;
};

template <class T>
std::vector<std::string> texts(const Tensor& x, CallSite at) {
  const std::vector<T> values = x.to_vector<T>(at);
  std::vector<std::string> out;
  out.reserve(values.size());
  if constexpr (std::is_same_v<T, bool>) {
    for (const bool value : values) out.emplace_back(value ? "true" : "false");
  } else if constexpr (std::is_integral_v<T>) {
    for (const T value : values) out.push_back(message(value));
  } else {
    std::vector<double> wide;
    wide.reserve(values.size());
    for (const T value : values) {
      if constexpr (std::is_same_v<T, double>) {
        wide.push_back(value);
      } else {
        wide.push_back(static_cast<double>(static_cast<float>(value)));
      }
    }
    const FloatFormat format(wide);
    for (const double value : wide) out.push_back(format(value));
  }
  return out;
}

// The first and last few of every long axis, next to each other.
Tensor edges(Tensor x, CallSite at) {
  for (int axis = 0; axis < x.rank(); ++axis) {
    const std::int64_t extent = x.size(axis);
    if (extent <= 2 * edge) continue;
    const Tensor ends[] = {ops::narrow(x, axis, 0, edge, "to_string", at),
                           ops::narrow(x, axis, extent - edge, edge, "to_string", at)};
    x = ops::cat(ends, axis, "to_string", at);
  }
  return x;
}

class Layout {
 public:
  Layout(const Shape& shape, bool abbreviated, const std::vector<std::string>& elements)
      : shape_(shape), abbreviated_(abbreviated), elements_(elements) {
    for (const std::string& element : elements) width_ = std::max(width_, element.size());
    indent_ = 7;  // "tensor("
  }

  std::string text() {
    out_ = "tensor(";
    write(0);
    return out_;
  }

 private:
  bool cut(int axis) const { return abbreviated_ && shape_[axis] > 2 * edge; }
  std::int64_t shown(int axis) const { return cut(axis) ? 2 * edge : shape_[axis]; }

  void write(int axis) {
    if (axis == shape_.rank()) {
      const std::string& element = elements_[next_++];
      if (axis > 0) out_.append(width_ - element.size(), ' ');
      out_ += element;
      return;
    }
    out_ += '[';
    const bool innermost = axis + 1 == shape_.rank();
    const std::size_t column = indent_ + static_cast<std::size_t>(axis) + 1;
    const std::size_t fit = line_width > column ? (line_width - column) / (width_ + 2) : 0;
    const auto per_line = static_cast<std::int64_t>(std::max<std::size_t>(1, fit));
    std::int64_t on_line = 0;
    const auto separate = [&] {
      out_ += ',';
      if (!innermost) {
        out_.append(static_cast<std::size_t>(shape_.rank() - axis - 1), '\n');
        out_.append(column, ' ');
      } else if (on_line == per_line) {
        out_ += '\n';
        out_.append(column, ' ');
        on_line = 0;
      } else {
        out_ += ' ';
      }
    };
    for (std::int64_t i = 0; i < shown(axis); ++i) {
      if (i > 0) separate();
      if (i == edge && cut(axis)) {
        out_ += "...";
        ++on_line;
        separate();
      }
      write(axis + 1);
      ++on_line;
    }
    out_ += ']';
  }

  const Shape& shape_;
  bool abbreviated_;
  const std::vector<std::string>& elements_;
  std::size_t width_ = 0, indent_ = 0, next_ = 0;
  std::string out_;
};

}  // namespace

std::string to_string(const Tensor& tensor) {
  if (!tensor.defined()) return "tensor(undefined)";
  const CallSite nowhere{};
  const Shape& shape = tensor.shape();
  const bool empty = tensor.numel() == 0, abbreviated = tensor.numel() > whole_up_to;
  std::string text = "tensor([]";
  if (!empty) {
    const Tensor shown = abbreviated ? edges(tensor, nowhere) : tensor;
    const auto elements =
        by_type(tensor.dtype(), [&](auto type) { return texts<typename decltype(type)::type>(shown, nowhere); });
    text = Layout(shape, abbreviated, elements).text();
  }
  if ((empty && shape != Shape{0}) || abbreviated) text += ", shape=" + to_string(shape);
  if (tensor.dtype() != DType::float32) text += message(", dtype=", tensor.dtype());
  if (tensor.device() != cpu()) text += message(", device=", tensor.device());
  text += ')';
  return text;
}

std::ostream& operator<<(std::ostream& out, const Tensor& tensor) { return out << to_string(tensor); }

}  // namespace weft
