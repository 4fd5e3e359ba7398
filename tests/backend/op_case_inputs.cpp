#include "backend/op_case_inputs.h"

#include <cmath>
#include <limits>

#include <weft/autograd/functions.h>
#include <weft/tensor/creation.h>

namespace weft::test {
namespace {

std::uint64_t seed_of(const std::string& text) {  // FNV-1a
  std::uint64_t h = 1469598103934665603ull;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  return h;
}

/// Integers below `limit`, well mixed; the test's own generator, so that the library's cannot hide a mistake of its
/// own.
std::uint64_t mixed(std::uint64_t seed, std::uint64_t i) {  // SplitMix64
  std::uint64_t z = seed + (i + 1) * 0x9E3779B97F4A7C15ull;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

double draw(Domain domain, std::uint64_t r) {
  const double fine = static_cast<double>(r % 769) / 128 - 3;  // -3 .. 3.0 in steps of 2^-7
  switch (domain) {
    case Domain::positive:
      return 0.125 + static_cast<double>(r % 369) / 128;
    case Domain::near_one:
      return 0.5 + static_cast<double>(r % 129) / 128;
    case Domain::away_from_zero:
      return fine < 0 ? fine - 0.25 : fine + 0.25;
    default:
      return fine;
  }
}

}  // namespace

std::vector<double> make_values(const OpCase& row, std::size_t input, const Shape& shape, Numbers numbers) {
  const Input& spec = row.inputs[input];
  const std::uint64_t seed = seed_of(row.name) + input * 7919;
  const auto count = static_cast<std::uint64_t>(shape.numel());
  std::vector<double> values(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t r = mixed(seed, i);
    double& v = values[i];
    if (spec.kind == Kind::boolean) {
      v = static_cast<double>(r & 1);
    } else if (spec.kind == Kind::index) {
      v = static_cast<double>(r % static_cast<std::uint64_t>(spec.limit));
    } else if (numbers == Numbers::small_integers) {
      v = static_cast<double>(r % 5) - 2;
    } else if (spec.domain == Domain::distinct) {
      // steps of 1/4 in shuffled order, shifted by 1/16 per input: no ties within, between, or with integers
      const std::uint64_t stride = count % 2 == 0 ? count / 2 + (count / 2 % 2 == 0 ? 1 : 2) : (count + 1) / 2;
      std::uint64_t a = stride, b = count;
      while (b != 0) {
        const std::uint64_t rest = a % b;
        a = b;
        b = rest;
      }
      const std::uint64_t place = a == 1 ? i * stride % count : (count - 1 - i);
      v = (static_cast<double>(place) - static_cast<double>(count) / 2) / 4 + static_cast<double>(input + 1) / 16;
    } else {
      v = draw(spec.domain, r);
    }
  }
  return values;
}

DType oracle_dtype(DType dtype) {
  return is_floating(dtype) ? DType::float64 : is_integer(dtype) ? DType::int64 : DType::boolean;
}

std::vector<double> rounded(const std::vector<double>& values, DType dtype) {
  std::vector<double> out = values;
  for (double& v : out) {
    switch (dtype) {
      case DType::float64:
        break;
      case DType::float32:
        v = static_cast<float>(v);
        break;
      case DType::float16:
        v = static_cast<float>(float16(static_cast<float>(v)));
        break;
      case DType::bfloat16:
        v = static_cast<float>(bfloat16(static_cast<float>(v)));
        break;
      case DType::uint8:
        v = std::abs(std::trunc(v));
        break;
      case DType::boolean:
        v = v > 0 ? 1 : 0;
        break;
      default:
        v = std::trunc(v);
    }
  }
  return out;
}

std::vector<double> to_doubles(const Tensor& tensor) {
  const NoGrad off;
  const Tensor host = tensor.detach().to(serial());
  const auto convert = [](const auto& from) {
    std::vector<double> out;
    out.reserve(from.size());
    for (const auto v : from) {
      if constexpr (std::is_arithmetic_v<std::remove_cvref_t<decltype(v)>>) {
        out.push_back(static_cast<double>(v));
      } else {
        out.push_back(static_cast<double>(static_cast<float>(v)));
      }
    }
    return out;
  };
  switch (host.dtype()) {
    case DType::float32:
      return convert(host.to_vector<float>());
    case DType::float64:
      return host.to_vector<double>();
    case DType::float16:
      return convert(host.to_vector<float16>());
    case DType::bfloat16:
      return convert(host.to_vector<bfloat16>());
    case DType::int64:
      return convert(host.to_vector<std::int64_t>());
    case DType::int32:
      return convert(host.to_vector<std::int32_t>());
    case DType::uint8:
      return convert(host.to_vector<std::uint8_t>());
    case DType::boolean:
      break;
  }
  std::vector<double> out;
  for (const bool b : host.to_vector<bool>()) out.push_back(b ? 1 : 0);
  return out;
}

Tensor make_input(const std::vector<double>& values, const Shape& shape, DType dtype, Device device, Layout layout) {
  const NoGrad off;
  const Tensor dense = from_vector<double>(values, shape, serial()).to(dtype).to(device);
  if (layout == Layout::contiguous || shape.rank() == 0) return dense;
  if (layout == Layout::broadcast) {
    if (shape[0] < 2) return dense;
    return dense.narrow(0, 0, 1).expand(shape);
  }
  Shape block;
  Axes reversed;
  for (int i = shape.rank() - 1; i >= 0; --i) {
    block.push_back(2 * shape[i] + 1);
    reversed.push_back(i);
  }
  Tensor view = empty(block, {device, dtype});
  view.fill_(is_floating(dtype) ? backends::Number(std::numeric_limits<double>::quiet_NaN()) : backends::Number(1));
  for (int i = 0; i < shape.rank(); ++i) view = view.slice(i, {1, {}, 2});
  view = view.permute(reversed);
  view.copy_(dense);
  return view;
}

std::vector<Tensor> make_inputs(const OpCase& row, const std::vector<Shape>& shapes, DType dtype, Device device,
                                Layout layout, Numbers numbers) {
  std::vector<Tensor> inputs;
  for (std::size_t i = 0; i < row.inputs.size(); ++i) {
    const Kind kind = row.inputs[i].kind;
    const DType own = kind == Kind::index ? DType::int64 : kind == Kind::boolean ? DType::boolean : dtype;
    // A repeated index or condition is a different call, not another layout of the same one.
    const Layout how = kind != Kind::value && layout == Layout::broadcast ? Layout::contiguous : layout;
    inputs.push_back(make_input(rounded(make_values(row, i, shapes[i], numbers), own), shapes[i], own, device, how));
  }
  return inputs;
}

std::vector<Shape> shapes_of(const OpCase& row) {
  std::vector<Shape> shapes;
  for (const Input& input : row.inputs) shapes.push_back(input.shape);
  return shapes;
}

std::vector<std::vector<Shape>> shapes_to_try(const OpCase& row) {
  std::vector<std::vector<Shape>> all = {shapes_of(row)};
  if (row.elementwise) {
    for (const Shape& shape :
         {Shape{}, Shape{1}, Shape{67}, Shape{4, 1, 5}, Shape{2, 3, 2, 2}, Shape{0}, Shape{3, 0, 2}}) {
      all.emplace_back(row.inputs.size(), shape);
    }
  }
  all.insert(all.end(), row.empty.begin(), row.empty.end());
  return all;
}

Outcome run(const OpCase& row, std::vector<Tensor> inputs, bool gradients, Numbers numbers) {
  Outcome outcome;
  if (!gradients) {
    const NoGrad off;
    outcome.output = row.call(inputs);
    return outcome;
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (row.inputs[i].kind == Kind::value) inputs[i].requires_grad_();
  }
  outcome.output = row.call(inputs);
  OpCase weights;
  weights.name = "weights";
  weights.inputs = {{outcome.output.shape()}};
  const std::vector<double> w = make_values(weights, 0, outcome.output.shape(), numbers);
  outcome.output.backward(
      make_input(w, outcome.output.shape(), outcome.output.dtype(), outcome.output.device(), Layout::contiguous));
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (row.inputs[i].kind == Kind::value) outcome.gradients.push_back(inputs[i].grad());
  }
  return outcome;
}

}  // namespace weft::test
