#include <weft/core/shape.h>

#include <weft/core/error.h>
#include <weft/core/message.h>

namespace weft {
namespace {

// Dims keeps only the first max_rank extents of a longer list, so nothing below may index past them.
void check_rank(const Shape& shape, const char* op, CallSite at) {
  if (shape.rank() > max_rank) {
    throw ShapeError(
        ErrorCode::rank_unsupported, op,
        message("shape ", shape, " has ", shape.rank(), " dimensions; at most ", max_rank, " are supported"), at);
  }
}

}  // namespace

std::string to_string(const Shape& shape) {
  std::string text = "(";
  for (std::int64_t extent : shape) {
    if (text.size() > 1) text += ", ";
    append(text, extent);
  }
  if (shape.rank() > max_rank) text += ", ...";
  if (shape.rank() == 1) text += ',';
  text += ')';
  return text;
}

std::int64_t check_shape(const Shape& shape, std::size_t bytes_per_element, const char* op, CallSite at) {
  check_rank(shape, op, at);
  // Zeros are left out of the product: (0, 2^62, 4) is refused like (2^62, 4), because its strides overflow.
  std::int64_t product = 1;
  bool empty = false;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const std::int64_t extent = shape[axis];
    if (extent < 0) {
      throw ShapeError(ErrorCode::shape_invalid, op,
                       message("shape ", shape, " has the negative extent ", extent, " at axis ", axis), at);
    }
    if (extent == 0) {
      empty = true;
    } else if (__builtin_mul_overflow(product, extent, &product)) {
      throw ShapeError(ErrorCode::shape_overflow, op, message("shape ", shape, " has more elements than 2^63 - 1"), at);
    }
  }
  std::int64_t bytes = 0;
  if (__builtin_mul_overflow(product, bytes_per_element, &bytes)) {
    throw ShapeError(
        ErrorCode::shape_overflow, op,
        message("shape ", shape, " at ", bytes_per_element, " bytes per element needs more than 2^63 - 1 bytes"), at);
  }
  return empty ? 0 : product;
}

Shape broadcast_shapes(const Shape& a, const Shape& b, const char* op, CallSite at) {
  check_rank(a, op, at);
  check_rank(b, op, at);
  const int rank = a.rank() > b.rank() ? a.rank() : b.rank();
  Shape out = Shape::filled(rank, 1);
  for (int back = 1; back <= rank; ++back) {
    const std::int64_t x = back <= a.rank() ? a[a.rank() - back] : 1;
    const std::int64_t y = back <= b.rank() ? b[b.rank() - back] : 1;
    if (x != y && x != 1 && y != 1) {
      throw ShapeError(ErrorCode::shape_mismatch, op,
                       message("shapes ", a, " and ", b, " cannot be broadcast together: axis -", back, " is ", x,
                               " against ", y, " (extents must be equal or 1)"),
                       at);
    }
    out[rank - back] = x == 1 ? y : x;
  }
  return out;
}

int normalize_axis(int axis, int rank, const char* op, CallSite at) {
  if (axis >= -rank && axis < rank) return axis < 0 ? axis + rank : axis;
  throw IndexError(
      ErrorCode::axis_out_of_range, op,
      rank == 0 ? message("axis ", axis, " is out of range: a rank-0 tensor has no axes")
                : message("axis ", axis, " is out of range for rank ", rank, "; expected ", -rank, " to ", rank - 1),
      at);
}

}  // namespace weft
