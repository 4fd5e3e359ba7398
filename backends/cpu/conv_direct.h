#pragma once
// Private: convolutions whose windows are read where they lie, in a copy of the image with its padding around it, with
// the sums of conv.cpp to the bit. Each returns false, having written nothing, where the geometry is not for it; that
// is decided by channels, kernel and image alone.

#include <weft/backends/common/conv_geometry.h>

namespace weft::backends::cpu {

/// Limits of conv.cpp that both have to share.
inline constexpr double conv_chunk_work = 2e6;  ///< multiply-adds that pay for waking a thread: about 20 us
/// Jobs to a chunk: enough to pay for a thread, and so few chunks that all of them together stay within the workspace.
std::int64_t conv_chunk(std::int64_t jobs, double work, std::int64_t bytes);

template <class T>
bool direct_forward(const ConvPlan& plan, const T* x, const T* w, T* y);
template <class T>
bool direct_grad_input(const ConvPlan& plan, T* dx, const T* w, const T* dy);

/// The weights' gradient in `runs` runs of images, each summed to its own part of `sums` [runs, groups filters, depth],
/// in blocks of `width` of depth. `add`: onto what is there.
template <class T>
bool direct_grad_weight(const ConvPlan& plan, const T* x, const T* dy, std::int64_t runs, std::int64_t width, bool add,
                        T* sums);

}  // namespace weft::backends::cpu
