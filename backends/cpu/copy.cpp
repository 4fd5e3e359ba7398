#include <cstring>

#include <weft/backends/cpu/cpu_backend.h>
#include <weft/backends/cpu/runs.h>

namespace weft::backends::cpu {
namespace {

/// Float to integer saturates and NaN becomes 0; to bool is != 0; integers among themselves keep the low bits; 16-bit
/// results are rounded to nearest even from float32.
template <class To, class From>
To cast(From value) noexcept {
  if constexpr (std::is_floating_point_v<From> && std::is_floating_point_v<To>) {
    return static_cast<To>(value);
  } else if constexpr (std::is_floating_point_v<From>) {
    return Number(value).template to<To>();
  } else if constexpr (std::is_same_v<To, bool>) {
    return value != 0;
  } else if constexpr (is_half<To>) {
    return To(static_cast<float>(value));
  } else {
    return static_cast<To>(value);
  }
}

template <class From, class To>
void cast_run(const From* from, std::int64_t is, To* to, std::int64_t os, std::int64_t n) {
  if (is == 1 && os == 1) {
    if constexpr (is_half<From> && std::is_same_v<To, float>) return widen(dtype_of<From>, from, to, n);
    if constexpr (std::is_same_v<From, float> && is_half<To>) return narrow(dtype_of<To>, from, to, n);
    for (std::int64_t i = 0; i < n; ++i) to[i] = cast<To>(load(from + i));
  } else {
    for (std::int64_t i = 0; i < n; ++i) to[i * os] = cast<To>(load(from + i * is));
  }
}

/// to[r * to_pitch + c] = from[c * from_pitch + r], in squares small enough for both sides to stay in the cache.
template <class T>
void transpose_plane(const T* from, std::int64_t from_pitch, T* to, std::int64_t to_pitch, std::int64_t rows,
                     std::int64_t columns) {
  constexpr std::int64_t side = 32;
  for (std::int64_t r = 0; r < rows; r += side) {
    const std::int64_t r_end = r + side < rows ? r + side : rows;
    for (std::int64_t c = 0; c < columns; c += side) {
      const std::int64_t c_end = c + side < columns ? c + side : columns;
      for (std::int64_t i = r; i < r_end; ++i) {
        for (std::int64_t j = c; j < c_end; ++j) to[i * to_pitch + j] = from[j * from_pitch + i];
      }
    }
  }
}

/// Does the copy and returns true when the last two axes are a plane to be turned: the input runs along its rows, the
/// output along its columns.
template <class T>
bool copy_transposed(const StridedLoop<2>& loop, const T* from, T* to) {
  const int last = loop.rank - 1;
  if (loop.rank < 2 || loop.stride[1][last] != 1 || loop.stride[0][last - 1] != 1) return false;
  const std::int64_t rows = loop.extent[last - 1], columns = loop.extent[last];
  StridedLoop<2> outer = loop;  // one element for each plane
  outer.rank = last - 1;
  if (outer.rank == 0) outer.extent[outer.rank++] = 1;
  constexpr std::int64_t strip = 64;
  const std::int64_t strips = (rows + strip - 1) / strip, planes = outer.numel();
  const std::int64_t per_chunk = 1 + cheap_grain / (strip * columns);
  parallel_for(planes * strips, per_chunk, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t job = begin; job < end; ++job) {
      const std::int64_t r = job % strips * strip, count = rows - r < strip ? rows - r : strip;
      for_runs(outer, job / strips, job / strips + 1, [&](const std::int64_t* offset, std::int64_t) {
        transpose_plane(from + offset[0] + r, loop.stride[0][last], to + offset[1] + r * loop.stride[1][last - 1],
                        loop.stride[1][last - 1], count, columns);
      });
    }
  });
  return true;
}

template <class T>
void copy_same(const TensorView& in, const TensorView& out) {
  const auto loop = collapse(out.shape, {&in.strides, &out.strides});
  const std::int64_t is = loop.inner_stride(0), os = loop.inner_stride(1);
  const T* from = in.as<const T>();
  T* to = out.as<T>();
  if (copy_transposed(loop, from, to)) return;
  parallel_runs(loop, cheap_grain, [&](const std::int64_t* offset, std::int64_t n) {
    const T* p = from + offset[0];
    T* q = to + offset[1];
    if (is == 1 && os == 1) {
      std::memmove(q, p, static_cast<std::size_t>(n) * sizeof(T));
    } else if (is == 0 && os == 1) {
      const T value = *p;
      for (std::int64_t i = 0; i < n; ++i) q[i] = value;
    } else {
      for (std::int64_t i = 0; i < n; ++i) q[i * os] = p[i * is];
    }
  });
}

}  // namespace

void CpuBackend::fill(const TensorView& out, Number value) {
  const auto loop = collapse(out.shape, {&out.strides});
  const std::int64_t os = loop.inner_stride(0);
  dispatch(out.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    const T filling = value.to<T>();
    parallel_runs(loop, cheap_grain, [&](const std::int64_t* offset, std::int64_t n) {
      T* to = out.as<T>() + offset[0];
      if (os == 1) {
        for (std::int64_t i = 0; i < n; ++i) to[i] = filling;
      } else {
        for (std::int64_t i = 0; i < n; ++i) to[i * os] = filling;
      }
    });
  });
}

void CpuBackend::copy(const TensorView& in, const TensorView& out) {
  if (in.dtype == out.dtype && in.dtype != DType::boolean) {  // bits stay as they are, NaN payloads included
    return dispatch_size(in.dtype, [&](auto type) { copy_same<typename decltype(type)::type>(in, out); });
  }
  const auto loop = collapse(out.shape, {&in.strides, &out.strides});
  const std::int64_t is = loop.inner_stride(0), os = loop.inner_stride(1);
  dispatch(in.dtype, [&](auto in_type) {
    using From = typename decltype(in_type)::type;
    dispatch(out.dtype, [&](auto out_type) {
      using To = typename decltype(out_type)::type;
      parallel_runs(loop, cheap_grain, [&](const std::int64_t* offset, std::int64_t n) {
        cast_run(in.as<const From>() + offset[0], is, out.as<To>() + offset[1], os, n);
      });
    });
  });
}

}  // namespace weft::backends::cpu
