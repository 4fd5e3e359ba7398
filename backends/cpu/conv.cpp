#include <algorithm>
#include <cstring>

#include <weft/backends/cpu/columns.h>
#include <weft/backends/cpu/conv_direct.h>
#include <weft/backends/cpu/cpu_backend.h>
#include <weft/backends/cpu/dispatch.h>
#include <weft/backends/cpu/product.h>
#include <weft/backends/cpu/runs.h>
#include <weft/backends/cpu/scratch.h>
#include <weft/core/dtype_support.h>
#include <weft/core/thread_pool.h>

// A convolution as matrix products: with X the matrix of what every tap sees (columns.h), for each image and group
//
//   Y  = W X            dX = what W^T dY adds up to, position by position        dW = sum over the images of dY X^T
//
// Nearly all of them are computed without X (conv_direct.cpp). What is left here is 1x1 kernels, products of the image
// itself, and images too large to be copied with their padding: a block of at most 256 rows of X (one panel of the
// product's sums) by some hundred positions is gathered, multiplied and forgotten. Which way a convolution goes and all
// borders follow from the channels, the kernel and the image, so a result has the same bits in any batch and on any
// number of threads: y is the product's sum over (channel, tap) in order; dx adds tap after tap, here within each block
// of positions; dw adds panels of 256 positions, image after image within a run of images, the runs in order.

namespace weft::backends::cpu {
namespace {

constexpr std::int64_t row_block = 192;           // rows of a product at a time
constexpr std::int64_t block_elements = 1 << 16;  // of X, about: it is to stay in the second-level cache
constexpr double chunk_work = conv_chunk_work;
constexpr std::int64_t workspace = 64 << 20;      // bytes of all chunks that may run at a time
constexpr std::int64_t partial_bytes = 32 << 20;  // of unfinished weight gradients
constexpr std::int64_t stage_elements = 8 << 20;  // of images converted or copied at a time

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
std::int64_t round_up(std::int64_t a, std::int64_t b) { return ceil_div(a, b) * b; }

/// [0, n) in equal parts of at most about `most`, whole multiples of `unit`.
std::int64_t part_of(std::int64_t n, std::int64_t most, std::int64_t unit) {
  return round_up(ceil_div(n, ceil_div(n, most)), unit);
}

/// Positions of a block of X with this many rows.
std::int64_t block_width(std::int64_t rows, std::int64_t positions, const ProductKernels& k) {
  return part_of(positions, std::clamp<std::int64_t>(block_elements / rows, 256, 1024), k.panel_columns);
}

double volume(std::int64_t a, std::int64_t b, std::int64_t c) {
  return static_cast<double>(a) * static_cast<double>(b) * static_cast<double>(c);
}

/// C (+)= A B for one block, on this thread.
void multiply(const ProductKernels& k, const Product& p, char* work) {
  for (std::int64_t i = 0; i < p.rows; i += row_block) {
    k.tile(p, nullptr, i, std::min(i + row_block, p.rows), 0, p.columns, work);
  }
}

std::int64_t work_bytes(const ProductKernels& k, std::int64_t rows, std::int64_t columns) {
  return static_cast<std::int64_t>(k.tile_work(std::min(rows, row_block), columns, true));
}

template <class T>
void forward(const ProductKernels& k, const ConvPlan& s, const T* x, const T* w, T* y) {
  if (direct_forward(s, x, w, y)) return;
  const bool direct = s.pointwise();
  const std::int64_t depth_block = direct ? s.depth : std::min(s.depth, product_panel);
  const std::int64_t width = block_width(std::min(s.depth, product_panel), s.out_size, k);
  const std::int64_t tiles = ceil_div(s.out_size, width), jobs = s.batch * s.groups * tiles;
  const std::int64_t block = direct ? 0 : depth_block * width;
  const std::int64_t bytes = block * static_cast<std::int64_t>(sizeof(T)) + work_bytes(k, s.filters, width);
  // Gathering an element costs about as much as eight multiply-adds.
  const std::int64_t chunk = conv_chunk(jobs, volume(s.filters + 8, s.depth, width), bytes);
  parallel_for(jobs, chunk, [&](std::int64_t begin, std::int64_t end) {
    const Scratch<T> columns(std::max<std::int64_t>(block, 1));
    const Scratch<char> work(work_bytes(k, s.filters, width));
    for (std::int64_t job = begin; job < end; ++job) {
      const std::int64_t image = job / tiles, g = image % s.groups;  // image: of one group
      const std::int64_t p0 = job % tiles * width, n = std::min(width, s.out_size - p0);
      const T* from = x + image * s.channels * s.in_size;
      for (std::int64_t d = 0; d < s.depth; d += depth_block) {
        Product p = {};
        p.rows = s.filters;
        p.columns = n;
        p.depth = std::min(depth_block, s.depth - d);
        p.a = w + g * s.filters * s.depth + d;
        p.a_row_stride = s.depth;
        p.a_depth_stride = 1;
        if (direct) {
          p.b = from + p0;
          p.b_depth_stride = s.in_size;
        } else {
          gather_columns(s, from, d, d + p.depth, p0, p0 + n, columns.data());
          p.b = columns.data();
          p.b_depth_stride = n;
        }
        p.b_column_stride = 1;
        p.c = y + image * s.filters * s.out_size + p0;
        p.c_row_stride = s.out_size;
        p.accumulate = d > 0;
        multiply(k, p, work.data());
      }
    }
  });
}

template <class T>
void grad_input(const ProductKernels& k, const ConvPlan& s, T* dx, const T* w, const T* dy) {
  if (direct_grad_input(s, dx, w, dy)) return;
  const bool direct = s.pointwise();
  // A job owns some channels of an image: what overlapping windows add to an element is added by one thread, in order.
  const std::int64_t channels = std::min(s.channels, std::max<std::int64_t>(1, row_block / s.taps));
  const std::int64_t channel_blocks = ceil_div(s.channels, channels);
  const std::int64_t rows = std::min(channels * s.taps, row_block);
  const std::int64_t width = block_width(rows, s.out_size, k);
  const std::int64_t jobs = s.batch * s.groups * channel_blocks;
  const std::int64_t block = direct ? 0 : rows * width;
  const std::int64_t bytes = block * static_cast<std::int64_t>(sizeof(T)) + work_bytes(k, rows, width);
  const std::int64_t chunk = conv_chunk(jobs, volume(s.filters + 8, channels * s.taps, s.out_size), bytes);
  parallel_for(jobs, chunk, [&](std::int64_t begin, std::int64_t end) {
    const Scratch<T> columns(std::max<std::int64_t>(block, 1));
    const Scratch<char> work(work_bytes(k, rows, width));
    for (std::int64_t job = begin; job < end; ++job) {
      const std::int64_t image = job / channel_blocks, g = image % s.groups;
      const std::int64_t c0 = job % channel_blocks * channels, c1 = std::min(c0 + channels, s.channels);
      T* to = dx + image * s.channels * s.in_size;
      if (!direct) std::memset(to + c0 * s.in_size, 0, static_cast<std::size_t>((c1 - c0) * s.in_size) * sizeof(T));
      for (std::int64_t p0 = 0; p0 < s.out_size; p0 += width) {
        const std::int64_t n = std::min(width, s.out_size - p0);
        for (std::int64_t row = c0 * s.taps; row < c1 * s.taps; row += rows) {
          Product p = {};
          p.rows = std::min(rows, c1 * s.taps - row);
          p.columns = n;
          p.depth = s.filters;
          p.a = w + g * s.filters * s.depth + row;
          p.a_row_stride = 1;
          p.a_depth_stride = s.depth;
          p.b = dy + image * s.filters * s.out_size + p0;
          p.b_depth_stride = s.out_size;
          p.b_column_stride = 1;
          p.c = direct ? to + row * s.in_size + p0 : columns.data();
          p.c_row_stride = direct ? s.in_size : n;
          multiply(k, p, work.data());
          if (!direct) add_columns(s, columns.data(), row, row + p.rows, p0, p0 + n, to);
        }
      }
    }
  });
}

template <class T>
void grad_weight(const ProductKernels& k, const ConvPlan& s, const T* x, T* dw, const T* dy, bool accumulate) {
  const bool direct = s.pointwise();
  const std::int64_t width = part_of(s.depth, product_panel, k.panel_columns);  // of dw, and rows of X
  const std::int64_t blocks = ceil_div(s.depth, width);
  const std::int64_t positions = std::min(product_panel, s.out_size);
  const std::int64_t count = s.groups * s.filters * s.depth;
  // Where the weights are few, runs of images are summed apart; how many depends on the shapes alone.
  const double work = static_cast<double>(s.batch) * volume(s.filters + 8, s.depth * s.groups, s.out_size);
  const std::int64_t runs =
      std::clamp<std::int64_t>(std::min({32 / (s.groups * blocks), static_cast<std::int64_t>(work / (2 * chunk_work)),
                                         partial_bytes / (count * static_cast<std::int64_t>(sizeof(T)))}),
                               1, s.batch);
  Scratch<T> partial;
  T* sums = runs == 1 ? dw : partial.get(runs * count);
  const std::int64_t block = direct ? 0 : width * positions;
  const std::int64_t bytes = block * static_cast<std::int64_t>(sizeof(T)) + work_bytes(k, s.filters, width);
  const std::int64_t jobs = runs * s.groups * blocks;
  const bool done = direct_grad_weight(s, x, dy, runs, width, runs == 1 && accumulate, sums);
  if (!done)
    parallel_for(
        jobs, conv_chunk(jobs, work / static_cast<double>(jobs), bytes), [&](std::int64_t begin, std::int64_t end) {
          const Scratch<T> columns(std::max<std::int64_t>(block, 1));
          const Scratch<char> memory(work_bytes(k, s.filters, width));
          for (std::int64_t job = begin; job < end; ++job) {
            const std::int64_t run = job / (s.groups * blocks), g = job / blocks % s.groups, d = job % blocks * width;
            const std::int64_t n0 = run * s.batch / runs, n1 = (run + 1) * s.batch / runs;
            bool add = runs == 1 && accumulate;
            for (std::int64_t n = n0; n < n1; ++n) {
              const T* from = x + (n * s.groups + g) * s.channels * s.in_size;
              const T* gradient = dy + (n * s.groups + g) * s.filters * s.out_size;
              for (std::int64_t p0 = 0; p0 < s.out_size; p0 += positions) {
                Product p = {};
                p.rows = s.filters;
                p.columns = std::min(width, s.depth - d);
                p.depth = std::min(positions, s.out_size - p0);
                p.a = gradient + p0;
                p.a_row_stride = s.out_size;
                p.a_depth_stride = 1;
                if (direct) {
                  p.b = from + d * s.in_size + p0;
                  p.b_column_stride = s.in_size;
                } else {
                  gather_columns(s, from, d, d + p.columns, p0, p0 + p.depth, columns.data());
                  p.b = columns.data();
                  p.b_column_stride = p.depth;
                }
                p.b_depth_stride = 1;
                p.c = sums + run * count + g * s.filters * s.depth + d;
                p.c_row_stride = s.depth;
                p.accumulate = add;
                multiply(k, p, memory.data());
                add = true;
              }
            }
          }
        });
  if (runs == 1) return;
  parallel_for(count, 1 + cheap_grain / runs, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      T sum = accumulate ? dw[i] + sums[i] : sums[i];
      for (std::int64_t run = 1; run < runs; ++run) sum += sums[run * count + i];
      dw[i] = sum;
    }
  });
}

/// Contiguous views of float32 or float64. `accumulate`: dw is added to.
void run_conv(Pass pass, const ConvGeometry& g, const TensorView& x, const TensorView& w, const TensorView& y,
              bool accumulate) {
  const ProductKernels& k = product_kernels(x.dtype);
  const ConvPlan plan = conv_plan(g, x.shape, w.shape, y.shape);
  const auto run = [&](auto type) {
    using T = typename decltype(type)::type;
    switch (pass) {
      case Pass::forward:
        return forward<T>(k, plan, x.as<const T>(), w.as<const T>(), y.as<T>());
      case Pass::grad_input:
        return grad_input<T>(k, plan, x.as<T>(), w.as<const T>(), y.as<const T>());
      case Pass::grad_weight:
        return grad_weight<T>(k, plan, x.as<const T>(), w.as<T>(), y.as<const T>(), accumulate);
    }
  };
  if (x.dtype == DType::float64) return run(Type<double>{});
  run(Type<float>{});
}

bool in_place(const TensorView& view) { return is_native_float(view.dtype) && view.is_contiguous(); }

/// A dense copy in the dtype that is computed with, of a part of the samples or of all; the view itself where it is
/// that already.
class Staged {
 public:
  Staged(const TensorView& view, std::int64_t samples) : whole_(view) {
    if (in_place(view)) return;
    dense_ = view;
    dense_.shape[0] = samples;
    dense_ =
        contiguous_view(memory_.get(dense_.shape.numel() * static_cast<std::int64_t>(item())), dtype(), dense_.shape);
  }
  /// Samples [begin, begin + n) as they lie in the tensor.
  TensorView part(std::int64_t begin, std::int64_t n) const {
    TensorView part = whole_;
    part.data = address(whole_.data, whole_.dtype, begin * whole_.strides[0]);
    part.shape[0] = n;
    return part;
  }
  /// What is computed with.
  TensorView dense(std::int64_t begin, std::int64_t n) const {
    if (dense_.data == nullptr) return part(begin, n);
    TensorView view = dense_;
    view.shape[0] = n;
    return view;
  }
  bool copied() const { return dense_.data != nullptr; }

 private:
  DType dtype() const { return compute_dtype(whole_.dtype); }
  std::size_t item() const { return item_size(dtype()); }

  TensorView whole_, dense_;
  Scratch<char> memory_;
};

}  // namespace

std::int64_t conv_chunk(std::int64_t jobs, double work, std::int64_t bytes) {
  const auto by_work = 1 + static_cast<std::int64_t>(chunk_work / work);
  return std::max(by_work, ceil_div(jobs, std::max<std::int64_t>(1, workspace / bytes)));
}

void CpuBackend::conv(Pass pass, const ConvGeometry& g, const TensorView& x, const TensorView& w, const TensorView& y) {
  if (!supports_conv(x.dtype)) refuse_dtype("conv", x.dtype);
  if (in_place(x) && in_place(w) && in_place(y)) return run_conv(pass, g, x, w, y, false);
  // Converted or made dense some samples at a time. A sum over all samples (dw) of float32 and float64 must not show
  // how they lie in memory, so there it is all at once.
  const std::int64_t batch = x.shape[0], each = (x.numel() + y.numel()) / batch;
  const bool at_once = pass == Pass::grad_weight && is_native_float(x.dtype);
  const std::int64_t samples = at_once ? batch : std::clamp<std::int64_t>(stage_elements / each, 1, batch);
  const Staged xs(x, samples), ws(w, w.shape[0]), ys(y, samples);
  const TensorView weights = ws.dense(0, w.shape[0]);
  if (ws.copied() && pass != Pass::grad_weight) copy(w, weights);
  for (std::int64_t n = 0; n < batch; n += samples) {
    const std::int64_t count = std::min(samples, batch - n);
    const TensorView input = xs.dense(n, count), output = ys.dense(n, count);
    if (xs.copied() && pass != Pass::grad_input) copy(xs.part(n, count), input);
    if (ys.copied() && pass != Pass::forward) copy(ys.part(n, count), output);
    run_conv(pass, g, input, weights, output, n > 0);
    if (xs.copied() && pass == Pass::grad_input) copy(input, xs.part(n, count));
    if (ys.copied() && pass == Pass::forward) copy(output, ys.part(n, count));
  }
  if (ws.copied() && pass == Pass::grad_weight) copy(weights, w);
}

}  // namespace weft::backends::cpu
