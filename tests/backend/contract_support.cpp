#include "backend/contract_support.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "backend/toy_backend.h"

namespace weft::contract_test {
namespace {

constexpr unsigned char sentinel = 0xA5;
constexpr std::size_t margin = 64;  // bytes of sentinels before and behind

double decode(DType dtype, const unsigned char* p) {
  const auto as = [p](auto value) {
    std::memcpy(&value, p, sizeof value);
    return value;
  };
  switch (dtype) {
    case DType::float32:
      return static_cast<double>(as(float{}));
    case DType::float64:
      return as(double{});
    case DType::float16:
      return static_cast<double>(static_cast<float>(as(float16{})));
    case DType::bfloat16:
      return static_cast<double>(static_cast<float>(as(bfloat16{})));
    case DType::int64:
      return static_cast<double>(as(std::int64_t{}));
    case DType::int32:
      return static_cast<double>(as(std::int32_t{}));
    case DType::uint8:
    case DType::boolean:
      return static_cast<double>(*p);
  }
  return 0;
}

void encode(DType dtype, double value, unsigned char* p) {
  const auto put = [p](auto typed) { std::memcpy(p, &typed, sizeof typed); };
  switch (dtype) {
    case DType::float32:
      return put(static_cast<float>(value));
    case DType::float64:
      return put(value);
    case DType::float16:
      return put(float16(static_cast<float>(value)));
    case DType::bfloat16:
      return put(bfloat16(static_cast<float>(value)));
    case DType::int64:
      return put(static_cast<std::int64_t>(value));
    case DType::int32:
      return put(static_cast<std::int32_t>(value));
    case DType::uint8:
      return put(static_cast<std::uint8_t>(value));
    case DType::boolean:
      *p = value != 0 ? 1 : 0;
      return;
  }
}

std::uint64_t mix(std::uint64_t x) {  // splitmix64's finaliser: any good scrambler will do
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

}  // namespace

const char* name(Layout layout) {
  constexpr const char* names[] = {"contiguous", "transposed", "gapped", "reversed"};
  return names[static_cast<int>(layout)];
}

std::size_t Array::position(const Shape& index) const {
  std::int64_t p = 0;
  for (int i = 0; i < shape.rank(); ++i) p = p * shape[i] + index[i];
  return static_cast<std::size_t>(p);
}

void for_each_index(const Shape& shape, const std::function<void(const Shape&)>& f) {
  Shape index = Shape::filled(shape.rank(), 0);
  for (std::int64_t n = shape.numel(); n > 0; --n) {
    f(index);
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      if (++index[axis] < shape[axis]) break;
      index[axis] = 0;
    }
  }
}

double round_to(DType dtype, double value) {
  unsigned char bytes[8];
  encode(dtype, value, bytes);
  return decode(dtype, bytes);
}

std::vector<double> round_to(DType dtype, std::vector<double> values) {
  for (double& value : values) value = round_to(dtype, value);
  return values;
}

Array random_array(DType dtype, const Shape& shape, std::uint64_t seed, double low, double high) {
  Array array(shape);
  for (std::size_t i = 0; i < array.values.size(); ++i) {
    const double u = static_cast<double>(mix(seed * 1000003 + i) >> 11) * 0x1p-53;
    double value = low + u * (high - low);
    if (is_integer(dtype)) value = std::floor(dtype == DType::uint8 ? std::fabs(value) : value);
    if (dtype == DType::boolean) value = u < 0.5 ? 0 : 1;
    array.values[i] = round_to(dtype, value);
  }
  return array;
}

void Block::make(DType dtype, const Shape& shape, Layout layout, unsigned repeated) {
  const int rank = shape.rank();
  const std::int64_t item = static_cast<std::int64_t>(item_size(dtype));
  Strides strides = Strides::filled(rank, 0);
  std::int64_t step = layout == Layout::gapped ? 2 : 1;
  std::int64_t first = 0;
  for (int k = 0; k < rank; ++k) {
    const int axis = layout == Layout::transposed ? k : rank - 1 - k;
    if ((repeated >> axis & 1) != 0) continue;
    strides[axis] = layout == Layout::reversed ? -step : step;
    if (layout == Layout::reversed) first += (shape[axis] - 1) * step;
    step *= shape[axis] * (layout == Layout::gapped ? 2 : 1);
  }
  image_.assign(2 * margin + static_cast<std::size_t>(step * item), sentinel);
  first_ = margin + static_cast<std::size_t>(first * item);
  view_ = {nullptr, dtype, shape, strides, {}};
}

Block::Block(Backend& backend, DType dtype, const Array& values, Layout layout, unsigned repeated) : backend_(backend) {
  make(dtype, values.shape, layout, repeated);
  const auto item = static_cast<std::int64_t>(item_size(dtype));
  std::size_t i = 0;
  for_each_index(values.shape, [&](const Shape& index) {
    std::int64_t offset = 0;
    for (int axis = 0; axis < index.rank(); ++axis) offset += index[axis] * view_.strides[axis];
    encode(dtype, values.values[i++], image_.data() + static_cast<std::int64_t>(first_) + offset * item);
  });
  memory_ = backend.allocate(image_.size());
  backend.copy_in(memory_, image_.data(), image_.size());
  view_.data = static_cast<unsigned char*>(memory_) + first_;
}

Block::Block(Backend& backend, DType dtype, const Shape& shape, Layout layout) : backend_(backend) {
  make(dtype, shape, layout, 0);
  memory_ = backend.allocate(image_.size());
  backend.copy_in(memory_, image_.data(), image_.size());
  view_.data = static_cast<unsigned char*>(memory_) + first_;
}

Block::~Block() { backend_.free(memory_, image_.size()); }

std::vector<unsigned char> Block::download() const {
  std::vector<unsigned char> now(image_.size());
  backend_.copy_out(now.data(), memory_, now.size());
  return now;
}

Array Block::read() const {
  const std::vector<unsigned char> now = download();
  std::vector<bool> element(now.size(), false);
  Array array(view_.shape);
  const std::size_t item = item_size(view_.dtype);
  std::size_t i = 0;
  for_each_index(view_.shape, [&](const Shape& index) {
    std::int64_t offset = 0;
    for (int axis = 0; axis < index.rank(); ++axis) offset += index[axis] * view_.strides[axis];
    const std::size_t at =
        static_cast<std::size_t>(static_cast<std::int64_t>(first_) + offset * static_cast<std::int64_t>(item));
    if (view_.dtype == DType::boolean) {
      EXPECT_LE(now[at], 1) << "a bool that is neither 0 nor 1";
    }
    array.values[i++] = decode(view_.dtype, now.data() + at);
    for (std::size_t b = 0; b < item; ++b) element[at + b] = true;
  });
  for (std::size_t b = 0; b < now.size(); ++b) {
    if (element[b] || now[b] == sentinel) continue;
    ADD_FAILURE() << "byte " << b << " of " << now.size() << " lies outside the view and was written";
    break;
  }
  return array;
}

std::vector<unsigned char> Block::bytes() const {
  const std::vector<unsigned char> now = download();
  std::vector<unsigned char> all;
  const std::size_t item = item_size(view_.dtype);
  for_each_index(view_.shape, [&](const Shape& index) {
    std::int64_t offset = 0;
    for (int axis = 0; axis < index.rank(); ++axis) offset += index[axis] * view_.strides[axis];
    const unsigned char* at = now.data() + static_cast<std::int64_t>(first_) + offset * static_cast<std::int64_t>(item);
    all.insert(all.end(), at, at + item);
  });
  return all;
}

bool Block::untouched() const { return download() == image_; }

double tolerance(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return 1e-5;
    case DType::float64:
      return 1e-12;
    case DType::float16:
      return 4e-3;
    case DType::bfloat16:
      return 3e-2;
    default:
      return 0;
  }
}

void expect_close(DType dtype, const Array& got, const Array& want, double slack) {
  ASSERT_EQ(got.values.size(), want.values.size());
  for (std::size_t i = 0; i < got.values.size(); ++i) {
    const double g = got.values[i], w = want.values[i];
    if (std::isnan(w) ? std::isnan(g) : g == w) continue;
    const double allowed = tolerance(dtype) * slack * std::max(1.0, std::fabs(w));
    if (std::fabs(g - w) <= allowed) continue;
    ADD_FAILURE() << "element " << i << " of " << got.values.size() << " (" << weft::name(dtype) << ", shape "
                  << to_string(got.shape) << "): got " << g << ", expected " << w << " +- " << allowed;
    return;
  }
}

void expect_equal(const Array& got, const Array& want) {
  ASSERT_EQ(got.values.size(), want.values.size());
  for (std::size_t i = 0; i < got.values.size(); ++i) {
    const double g = got.values[i], w = want.values[i];
    if (g == w || (std::isnan(g) && std::isnan(w))) continue;
    ADD_FAILURE() << "element " << i << " of " << got.values.size() << ": got " << g << ", expected " << w;
    return;
  }
}

std::vector<std::string> backends_under_test() {
  register_toy();
  std::vector<std::string> names;
  for (const std::string& name : backend_names()) {
    if (is_available(parse_device(name))) names.push_back(name);
  }
  return names;
}

Backend& backend_named(const std::string& name) {
  register_toy();
  return backends::backend_for(parse_device(name));
}

const std::vector<Shape>& shapes() {
  static const auto& all = *new std::vector<Shape>{
      {}, {1}, {5}, {17}, {3, 4}, {1, 6}, {2, 3, 5}, {4, 33}, {70, 67}, {9001}, {2, 1, 3, 1, 2, 2, 1, 3}};
  return all;
}

const std::vector<Shape>& small_shapes() {
  static const auto& all = *new std::vector<Shape>{{}, {1}, {7}, {3, 4}, {2, 3, 5}, {2, 1, 3, 1, 2, 2, 1, 3}};
  return all;
}

Array repeat(const Array& values, const Shape& shape) {
  Array out(shape);
  std::size_t i = 0;
  for_each_index(shape, [&](const Shape& index) {
    Shape from = index;
    for (int axis = 0; axis < shape.rank(); ++axis) {
      if (values.shape[axis] == 1) from[axis] = 0;
    }
    out.values[i++] = values.at(from);
  });
  return out;
}

}  // namespace weft::contract_test
