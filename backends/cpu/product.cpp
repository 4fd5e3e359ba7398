#include <weft/backends/cpu/product.h>

#include <algorithm>

#include <weft/backends/cpu/dispatch.h>
#include <weft/backends/cpu/kernels.h>
#include <weft/backends/cpu/scratch.h>
#include <weft/core/thread_pool.h>

namespace weft::backends::cpu {
namespace {

constexpr double inline_work = 2e6;      // multiply-adds below which one thread is faster: about 20 us
constexpr std::int64_t one_strip = 192;  // rows up to which tiles only divide the columns
constexpr std::int64_t tile_rows = 128;  // about: whole micro-kernels
constexpr std::int64_t tile_columns = 256;
constexpr std::int64_t turned_rows = 16;  // of C's columns, where its transpose is computed: whole lines are written
constexpr std::int64_t packed_limit = 4 << 20;  // elements of packed B at a time: 16 MiB of float32

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
std::int64_t round_up(std::int64_t a, std::int64_t b) { return ceil_div(a, b) * b; }

/// Work memory of the calling chunk.
struct Work {
  Work(const ProductKernels& k, std::int64_t rows, std::int64_t columns, bool packs_b)
      : memory(static_cast<std::int64_t>(k.tile_work(rows, columns, packs_b))) {}
  Scratch<char> memory;
};

void one_tile(const ProductKernels& k, const Product& p, const void* packed, std::int64_t i0, std::int64_t i1,
              std::int64_t j0, std::int64_t j1, TileDone done) {
  const Work work(k, i1 - i0, j1 - j0, packed == nullptr);
  k.tile(p, packed, i0, i1, j0, j1, work.memory.data());
  done(i0, i1, j0, j1);
}

/// Few rows: a tile has them all and packs B as it meets it.
void by_columns(const ProductKernels& k, const Product& p, TileDone done) {
  const double work = static_cast<double>(p.rows) * static_cast<double>(p.columns) * static_cast<double>(p.depth);
  if (work <= inline_work) {
    return parallel_for(1, 1,
                        [&](std::int64_t, std::int64_t) { one_tile(k, p, nullptr, 0, p.rows, 0, p.columns, done); });
  }
  // Wide enough for four times the work that pays for a thread, and to amortise packing A again for each tile.
  const auto by_work = static_cast<std::int64_t>(4 * inline_work / (work / static_cast<double>(p.columns)));
  const std::int64_t width = round_up(std::max<std::int64_t>(by_work, p.rows <= 16 ? 64 : 128), k.panel_columns);
  parallel_for(p.columns, width,
               [&](std::int64_t j0, std::int64_t j1) { one_tile(k, p, nullptr, 0, p.rows, j0, j1, done); });
}

/// The product transposed, C^T = B^T A^T, has the same chains. Worth it where B's columns are contiguous and A is the
/// smaller one: A is packed, once, and the larger B is only copied.
bool better_turned(const Product& p) {
  return p.rows > 3 && p.rows < p.columns && p.b_depth_stride == 1 && p.b_column_stride != 1 && p.a_depth_stride == 1;
}

void by_columns_turned(const ProductKernels& k, const Product& p, TileDone done) {
  Product t = p;
  t.a = p.b;
  t.b = p.a;
  t.rows = p.columns;
  t.columns = p.rows;
  t.a_row_stride = p.b_column_stride;
  t.a_depth_stride = p.b_depth_stride;
  t.b_depth_stride = p.a_depth_stride;
  t.b_column_stride = p.a_row_stride;
  t.turned = true;
  const Scratch<char> packed(round_up(t.columns, k.panel_columns) * t.depth * static_cast<std::int64_t>(k.item));
  const double work = static_cast<double>(p.rows) * static_cast<double>(p.columns) * static_cast<double>(p.depth);
  const std::int64_t pack_width =
      work <= inline_work ? t.columns : round_up(1 + 32768 / std::max<std::int64_t>(p.depth, 1), k.panel_columns);
  parallel_for(t.columns, pack_width, [&](std::int64_t j0, std::int64_t j1) { k.pack(t, packed.data(), j0, j1); });
  const auto by_work = static_cast<std::int64_t>(2 * inline_work / (work / static_cast<double>(p.columns)));
  const std::int64_t height =
      work <= inline_work ? p.columns : round_up(std::max<std::int64_t>(by_work, 64), turned_rows);
  parallel_for(p.columns, height, [&](std::int64_t i0, std::int64_t i1) {
    const Work memory(k, i1 - i0, t.columns, false);
    k.tile(t, packed.data(), i0, i1, 0, t.columns, memory.memory.data());
    done(0, p.rows, i0, i1);
  });
}

/// Many rows: B is packed once, a stretch of columns at a time, and shared by a grid of tiles.
void by_grid(const ProductKernels& k, const Product& p, TileDone done) {
  const std::int64_t stretch =
      std::max(tile_columns, packed_limit / std::max<std::int64_t>(p.depth, 1) / tile_columns * tile_columns);
  const std::int64_t padded = round_up(std::min(stretch, p.columns), k.panel_columns);
  const Scratch<char> packed(padded * p.depth * static_cast<std::int64_t>(k.item));
  const std::int64_t row_tiles = ceil_div(p.rows, tile_rows);
  for (std::int64_t j = 0; j < p.columns; j += stretch) {
    Product part = p;  // columns [j, j + stretch)
    const std::int64_t item = static_cast<std::int64_t>(k.stored);
    part.columns = std::min(stretch, p.columns - j);
    part.b = static_cast<const char*>(p.b) + j * p.b_column_stride * item;
    part.c = static_cast<char*>(p.c) + j * item;
    const std::int64_t pack_width = round_up(1 + 65536 / std::max<std::int64_t>(p.depth, 1), k.panel_columns);
    parallel_for(part.columns, pack_width,
                 [&](std::int64_t j0, std::int64_t j1) { k.pack(part, packed.data(), j0, j1); });
    const std::int64_t column_tiles = ceil_div(part.columns, tile_columns);
    const double tile_work = static_cast<double>(std::min(tile_rows, p.rows)) *
                             static_cast<double>(std::min(tile_columns, part.columns)) * static_cast<double>(p.depth);
    const std::int64_t tiles_to_a_chunk = 1 + static_cast<std::int64_t>(2 * inline_work / tile_work);
    parallel_for(row_tiles * column_tiles, tiles_to_a_chunk, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t t = begin; t < end; ++t) {
        const std::int64_t i = t / column_tiles, c = t % column_tiles * tile_columns;
        const auto at_done = [&](std::int64_t i0, std::int64_t i1, std::int64_t j0, std::int64_t j1) {
          done(i0, i1, j + j0, j + j1);
        };
        one_tile(k, part, packed.data(), i * p.rows / row_tiles, (i + 1) * p.rows / row_tiles, c,
                 std::min(c + tile_columns, part.columns), at_done);
      }
    });
  }
}

}  // namespace

const ProductKernels& product_kernels(DType dtype) {
  switch (dtype) {
    case DType::float64:
      return *kernels().product_float64;
    case DType::float16:
      return *kernels().product_float16;
    case DType::bfloat16:
      return *kernels().product_bfloat16;
    default:
      return *kernels().product_float32;
  }
}

void run_product(const ProductKernels& k, const Product& p, TileDone done) {
  if (p.rows <= one_strip && better_turned(p)) {
    by_columns_turned(k, p, done);
  } else if (p.rows <= one_strip) {
    by_columns(k, p, done);
  } else {
    by_grid(k, p, done);
  }
}

Product product_of(const TensorView& a, const TensorView& b, const TensorView& out, bool accumulate) {
  Product p = {};
  p.a = a.data;
  p.b = b.data;
  p.c = out.data;
  p.rows = out.shape[0];
  p.columns = out.shape[1];
  p.depth = a.shape[1];
  p.a_row_stride = a.strides[0];
  p.a_depth_stride = a.strides[1];
  p.b_depth_stride = b.strides[0];
  p.b_column_stride = b.strides[1];
  p.c_row_stride = out.strides[0];
  p.accumulate = accumulate;
  return p;
}

}  // namespace weft::backends::cpu
