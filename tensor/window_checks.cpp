#include <weft/tensor/window_checks.h>

#include <weft/core/error.h>
#include <weft/core/message.h>

namespace weft::ops {

void spread(const PerAxis& values, int spatial, std::int64_t least, const char* argument, const char* name, CallSite at,
            std::int64_t (&to)[3]) {
  if (values.count() != 1 && values.count() != spatial) {
    throw ValueError(ErrorCode::value_invalid, name,
                     message(argument, " has ", values.count(), " numbers; ", spatial,
                             spatial == 1 ? " spatial axis needs 1" : " spatial axes need one for all or one each"),
                     at);
  }
  for (int i = 0; i < spatial; ++i) {
    if (values[i] < least) {
      throw ValueError(
          ErrorCode::value_out_of_range, name,
          message(argument, " is ", values[i], " along spatial axis ", i, "; at least ", least, " is needed"), at);
    }
    to[i] = values[i];
  }
}

std::int64_t extent_of(std::optional<std::int64_t> extent, int axis, const Shape& x, const backends::ConvGeometry& g,
                       const char* name, CallSite at) {
  if (!extent) {
    throw ShapeError(
        ErrorCode::shape_overflow, name,
        message("spatial axis ", axis, " of x ", x, " with kernel ", g.kernel[axis], ", stride ", g.stride[axis],
                ", padding ", g.padding[axis], " and dilation ", g.dilation[axis], " leaves 63 bits"),
        at);
  }
  if (*extent < 1) {
    throw ShapeError(ErrorCode::shape_invalid, name,
                     message("nothing is left of spatial axis ", axis, " of x ", x, ": kernel ", g.kernel[axis],
                             " with dilation ", g.dilation[axis], ", stride ", g.stride[axis], " and padding ",
                             g.padding[axis], " give the extent ", *extent),
                     at);
  }
  return *extent;
}

}  // namespace weft::ops
