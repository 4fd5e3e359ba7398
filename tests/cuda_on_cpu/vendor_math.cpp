#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include <weft/core/dtype.h>

#include "cuda_on_cpu/vendor.h"

namespace weft_harness {

std::size_t bytes_of(cudaDataType_t type) {
  switch (type) {
    case CUDA_R_64F:
      return 8;
    case CUDA_R_32F:
      return 4;
    case CUDA_R_16F:
    case CUDA_R_16BF:
      return 2;
    default:
      return 0;
  }
}

namespace {

template <class T>
double load_as(const void* p, std::int64_t element) {
  T value;
  std::memcpy(static_cast<void*>(&value), static_cast<const char*>(p) + element * static_cast<std::int64_t>(sizeof(T)),
              sizeof(T));
  if constexpr (sizeof(T) == 2) {
    return static_cast<double>(static_cast<float>(value));
  } else {
    return static_cast<double>(value);
  }
}

template <class T>
void store_as(void* p, std::int64_t element, double value) {
  T rounded;
  if constexpr (sizeof(T) == 8) {
    rounded = value;
  } else {
    rounded = T(static_cast<float>(value));
  }
  std::memcpy(static_cast<char*>(p) + element * static_cast<std::int64_t>(sizeof(T)),
              static_cast<const void*>(&rounded), sizeof(T));
}

/// Ten bits of fraction, to nearest.
double to_tf32(double value) {
  if (!std::isfinite(value) || value == 0) return value;
  int exponent = 0;
  const double fraction = std::frexp(value, &exponent);
  return std::ldexp(std::nearbyint(fraction * 2048), exponent - 11);
}

}  // namespace

double load(cudaDataType_t type, const void* p, std::int64_t element) {
  switch (type) {
    case CUDA_R_64F:
      return load_as<double>(p, element);
    case CUDA_R_16F:
      return load_as<weft::float16>(p, element);
    case CUDA_R_16BF:
      return load_as<weft::bfloat16>(p, element);
    default:
      return load_as<float>(p, element);
  }
}

void store(cudaDataType_t type, void* p, std::int64_t element, double value) {
  switch (type) {
    case CUDA_R_64F:
      return store_as<double>(p, element, value);
    case CUDA_R_16F:
      return store_as<weft::float16>(p, element, value);
    case CUDA_R_16BF:
      return store_as<weft::bfloat16>(p, element, value);
    default:
      return store_as<float>(p, element, value);
  }
}

void product(std::int64_t m, std::int64_t n, std::int64_t k, const MatrixRef& a, const MatrixRef& b, bool tf32,
             double* sums) {
  std::vector<double> column(static_cast<std::size_t>(m * k));  // of A, row index fastest
  for (std::int64_t j = 0; j < k; ++j) {
    for (std::int64_t i = 0; i < m; ++i) {
      const double value = load(a.type, a.data, i * a.row_step + j * a.column_step);
      column[static_cast<std::size_t>(j * m + i)] = tf32 ? to_tf32(value) : value;
    }
  }
  for (std::int64_t c = 0; c < n; ++c) {
    double* out = sums + c * m;
    for (std::int64_t i = 0; i < m; ++i) out[i] = 0;
    for (std::int64_t j = 0; j < k; ++j) {
      const double loaded = load(b.type, b.data, j * b.row_step + c * b.column_step);
      const double factor = tf32 ? to_tf32(loaded) : loaded;
      const double* from = column.data() + j * m;
      for (std::int64_t i = 0; i < m; ++i) out[i] += from[i] * factor;
    }
  }
}

void convolve(const ConvolutionShape& s, ConvolutionPass pass, void* x, void* w, void* y, double alpha, double beta,
              double error) {
  const auto volume = [](const int* e) { return std::int64_t{e[0]} * e[1] * e[2] * e[3] * e[4]; };
  const auto at = [](const int* e, int n, int c, int d, int h, int l) {
    return (((std::int64_t{n} * e[1] + c) * e[2] + d) * e[3] + h) * e[4] + l;
  };
  const bool to_y = pass == ConvolutionPass::forward, to_x = pass == ConvolutionPass::data;
  const int* extents = to_y ? s.y : to_x ? s.x : s.w;
  std::vector<double> sums(static_cast<std::size_t>(volume(extents)), 0.0);
  const auto all = [&](const int* e, const void* p, bool used) {
    std::vector<double> values(used ? static_cast<std::size_t>(volume(e)) : 0);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = load(s.type, p, static_cast<std::int64_t>(i));
    return values;
  };
  const std::vector<double> xs = all(s.x, x, !to_x), ws = all(s.w, w, pass != ConvolutionPass::filter),
                            ys = all(s.y, y, !to_y);
  const int per_group = s.w[1], outputs = s.w[0] / s.groups;
  for (int n = 0; n < s.y[0]; ++n) {
    for (int o = 0; o < s.y[1]; ++o) {
      for (int od = 0; od < s.y[2]; ++od) {
        for (int oh = 0; oh < s.y[3]; ++oh) {
          for (int ow = 0; ow < s.y[4]; ++ow) {
            const std::int64_t yi = at(s.y, n, o, od, oh, ow);
            for (int c = 0; c < per_group; ++c) {
              const int channel = o / outputs * per_group + c;
              for (int kd = 0; kd < s.w[2]; ++kd) {
                const int d = od * s.stride[0] - s.padding[0] + kd * s.dilation[0];
                if (d < 0 || d >= s.x[2]) continue;
                for (int kh = 0; kh < s.w[3]; ++kh) {
                  const int h = oh * s.stride[1] - s.padding[1] + kh * s.dilation[1];
                  if (h < 0 || h >= s.x[3]) continue;
                  for (int kw = 0; kw < s.w[4]; ++kw) {
                    const int l = ow * s.stride[2] - s.padding[2] + kw * s.dilation[2];
                    if (l < 0 || l >= s.x[4]) continue;
                    const auto xi = static_cast<std::size_t>(at(s.x, n, channel, d, h, l));
                    const auto wi = static_cast<std::size_t>(at(s.w, o, c, kd, kh, kw));
                    const auto yj = static_cast<std::size_t>(yi);
                    if (to_y) {
                      sums[yj] += xs[xi] * ws[wi];
                    } else if (to_x) {
                      sums[xi] += ys[yj] * ws[wi];
                    } else {
                      sums[wi] += ys[yj] * xs[xi];
                    }
                  }
                }
              }
            }
          }
        }
      }
    }
  }
  void* out = to_y ? y : to_x ? x : w;
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const auto element = static_cast<std::int64_t>(i);
    double value = alpha * sums[i] * (1 + error);
    if (beta != 0) value += beta * load(s.type, out, element);
    store(s.type, out, element, value);
  }
}

}  // namespace weft_harness
