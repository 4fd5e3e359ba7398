#pragma once
// Private: what convolution and pooling check about their windows in the same words.

#include <optional>

#include <weft/backends/op_args.h>
#include <weft/core/shape.h>
#include <weft/tensor/window.h>

namespace weft::ops {

/// The numbers of `values` for each spatial axis; refuses (ValueError) another count of numbers than 1 or `spatial`,
/// and numbers below `least`.
void spread(const PerAxis& values, int spatial, std::int64_t least, const char* argument, const char* name, CallSite at,
            std::int64_t (&to)[3]);

/// The result's extent along spatial axis `axis` of x; refuses (ShapeError) what does not fit into 63 bits and extents
/// below 1.
std::int64_t extent_of(std::optional<std::int64_t> extent, int axis, const Shape& x, const backends::ConvGeometry& g,
                       const char* name, CallSite at);

}  // namespace weft::ops
