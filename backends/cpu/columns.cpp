#include <weft/backends/cpu/columns.h>

#include <algorithm>
#include <cstring>

namespace weft::backends::cpu {
namespace {

// Lines are short (an image's width), so calling memcpy for each would cost more than the copy. An addition gives the
// same bits in any vector, so these need no instruction set of their own.
template <class T>
struct Block {
  typedef T type __attribute__((vector_size(16), aligned(sizeof(T)), may_alias));
  static constexpr std::int64_t size = 16 / static_cast<std::int64_t>(sizeof(T));
};

template <class T>
void copy_line(const T* __restrict from, T* __restrict to, std::int64_t n) {
  using V = typename Block<T>::type;
  constexpr std::int64_t L = Block<T>::size;
  if (n < L) {
    for (std::int64_t i = 0; i < n; ++i) to[i] = from[i];
    return;
  }
  for (std::int64_t i = 0; i + L <= n; i += L) {
    *reinterpret_cast<V*>(to + i) = *reinterpret_cast<const V*>(from + i);
  }
  *reinterpret_cast<V*>(to + n - L) = *reinterpret_cast<const V*>(from + n - L);  // the rest, overlapping
}

/// to[i] = from[2 i]
template <class T>
void copy_every_second(const T* __restrict from, T* __restrict to, std::int64_t n) {
  std::int64_t i = 0;
  if constexpr (sizeof(T) == sizeof(float)) {
    using V = typename Block<T>::type;
    for (; i + 4 < n; i += 4) {  // not the last one: nothing behind the line is read
      const V a = *reinterpret_cast<const V*>(from + 2 * i), b = *reinterpret_cast<const V*>(from + 2 * i + 4);
      *reinterpret_cast<V*>(to + i) = __builtin_shufflevector(a, b, 0, 2, 4, 6);
    }
  }
  for (; i < n; ++i) to[i] = from[2 * i];
}

template <class T>
void add_line(const T* __restrict from, T* __restrict to, std::int64_t n) {
  using V = typename Block<T>::type;
  constexpr std::int64_t L = Block<T>::size;
  std::int64_t i = 0;
  for (; i + L <= n; i += L) {
    *reinterpret_cast<V*>(to + i) = *reinterpret_cast<const V*>(to + i) + *reinterpret_cast<const V*>(from + i);
  }
  for (; i < n; ++i) to[i] += from[i];
}

/// Visits positions [p0, p1) of one tap, line by line: line(where, n, begin, end, source) gets the line's first column,
/// its n columns, those of them [begin, end) that fall inside the image, and the offset of column `begin` in the
/// channel.
template <class F>
void each_line(const ConvPlan& plan, std::int64_t tap, std::int64_t p0, std::int64_t p1, F line) {
  const WindowAxis &outer = plan.axis[0], &middle = plan.axis[1], &inner = plan.axis[2];
  const std::int64_t t2 = tap % inner.kernel, t1 = tap / inner.kernel % middle.kernel,
                     t0 = tap / inner.kernel / middle.kernel;
  std::int64_t lo = 0, hi = 0;
  inner.inside(t2, &lo, &hi);
  std::int64_t o2 = p0 % inner.out, o1 = p0 / inner.out % middle.out, o0 = p0 / inner.out / middle.out;
  for (std::int64_t p = p0; p < p1;) {
    const std::int64_t n = std::min(inner.out - o2, p1 - p);
    const std::int64_t i0 = outer.first(o0) + t0 * outer.dilation, i1 = middle.first(o1) + t1 * middle.dilation;
    const bool inside = i0 >= 0 && i0 < outer.in && i1 >= 0 && i1 < middle.in;
    const std::int64_t begin = std::clamp<std::int64_t>(lo - o2, 0, n);
    const std::int64_t end = inside ? std::clamp(hi - o2, begin, n) : begin;
    const std::int64_t i2 = inner.first(o2 + begin) + t2 * inner.dilation;
    line(p - p0, n, begin, end, (i0 * middle.in + i1) * inner.in + i2);
    p += n;
    o2 = 0;
    if (++o1 == middle.out) {
      o1 = 0;
      ++o0;
    }
  }
}

}  // namespace

template <class T>
void gather_columns(const ConvPlan& plan, const T* image, std::int64_t row0, std::int64_t row1, std::int64_t p0,
                    std::int64_t p1, T* columns) {
  const std::int64_t step = plan.axis[2].stride;
  for (std::int64_t row = row0; row < row1; ++row, columns += p1 - p0) {
    const T* channel = image + row / plan.taps * plan.in_size;
    each_line(plan, row % plan.taps, p0, p1,
              [&](std::int64_t at, std::int64_t n, std::int64_t begin, std::int64_t end, std::int64_t source) {
                T* to = columns + at;
                for (std::int64_t i = 0; i < begin; ++i) to[i] = 0;
                if (end > begin) {
                  const T* from = channel + source;
                  if (step == 1) {
                    copy_line(from, to + begin, end - begin);
                  } else {
                    for (std::int64_t i = begin; i < end; ++i, from += step) to[i] = *from;
                  }
                }
                for (std::int64_t i = end; i < n; ++i) to[i] = 0;
              });
  }
}

template <class T>
void add_columns(const ConvPlan& plan, const T* columns, std::int64_t row0, std::int64_t row1, std::int64_t p0,
                 std::int64_t p1, T* image) {
  const std::int64_t step = plan.axis[2].stride;
  for (std::int64_t row = row0; row < row1; ++row, columns += p1 - p0) {
    T* channel = image + row / plan.taps * plan.in_size;
    each_line(plan, row % plan.taps, p0, p1,
              [&](std::int64_t at, std::int64_t, std::int64_t begin, std::int64_t end, std::int64_t source) {
                if (end <= begin) return;
                const T* from = columns + at + begin;
                T* to = channel + source;
                if (step == 1) {
                  add_line(from, to, end - begin);
                } else {
                  for (std::int64_t i = begin; i < end; ++i, to += step) *to += *from++;
                }
              });
  }
}

template <class T>
void pad_image(const PaddedImage& padded, const T* image, const std::int64_t* in, std::int64_t channels, T* to) {
  const std::int64_t run = padded.run(), step = padded.phases * padded.step[2];
  for (std::int64_t phase = 0; phase < padded.phases; ++phase) {
    const std::int64_t shift = phase - padded.low[2];  // element o of the run is element o step + shift of the line
    const std::int64_t begin = std::clamp<std::int64_t>(shift >= 0 ? 0 : (step - 1 - shift) / step, 0, run);
    const std::int64_t end = std::clamp<std::int64_t>(shift >= in[2] ? 0 : (in[2] - 1 - shift) / step + 1, begin, run);
    T* line_to = to + phase * run;
    for (std::int64_t c = 0; c < channels; ++c) {
      for (std::int64_t o0 = 0; o0 < padded.extent[0]; ++o0) {
        const std::int64_t i0 = o0 * padded.step[0] - padded.low[0];
        for (std::int64_t o1 = 0; o1 < padded.extent[1]; ++o1, line_to += padded.extent[2]) {
          const std::int64_t i1 = o1 * padded.step[1] - padded.low[1];
          if (i0 < 0 || i0 >= in[0] || i1 < 0 || i1 >= in[1] || end == begin) {
            std::memset(line_to, 0, static_cast<std::size_t>(run) * sizeof(T));
            continue;
          }
          const T* from = image + ((c * in[0] + i0) * in[1] + i1) * in[2] + begin * step + shift;
          for (std::int64_t i = 0; i < begin; ++i) line_to[i] = 0;
          if (step == 1) {
            copy_line(from, line_to + begin, end - begin);
          } else if (step == 2) {
            copy_every_second(from, line_to + begin, end - begin);
          } else {
            for (std::int64_t i = begin; i < end; ++i, from += step) line_to[i] = *from;
          }
          for (std::int64_t i = end; i < run; ++i) line_to[i] = 0;
        }
      }
    }
  }
}

template void pad_image(const PaddedImage&, const float*, const std::int64_t*, std::int64_t, float*);
template void pad_image(const PaddedImage&, const double*, const std::int64_t*, std::int64_t, double*);
template void gather_columns(const ConvPlan&, const float*, std::int64_t, std::int64_t, std::int64_t, std::int64_t,
                             float*);
template void gather_columns(const ConvPlan&, const double*, std::int64_t, std::int64_t, std::int64_t, std::int64_t,
                             double*);
template void add_columns(const ConvPlan&, const float*, std::int64_t, std::int64_t, std::int64_t, std::int64_t,
                          float*);
template void add_columns(const ConvPlan&, const double*, std::int64_t, std::int64_t, std::int64_t, std::int64_t,
                          double*);

}  // namespace weft::backends::cpu
