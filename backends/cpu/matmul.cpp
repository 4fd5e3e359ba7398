#include <utility>

#include <weft/backends/common/strided.h>
#include <weft/backends/cpu/cpu_backend.h>
#include <weft/backends/cpu/dispatch.h>
#include <weft/backends/cpu/product.h>
#include <weft/backends/cpu/scratch.h>
#include <weft/core/dtype_support.h>
#include <weft/core/thread_pool.h>

namespace weft::backends::cpu {
namespace {

TensorView transposed(TensorView view) {
  const int r = view.rank();
  std::swap(view.shape[r - 1], view.shape[r - 2]);
  std::swap(view.strides[r - 1], view.strides[r - 2]);
  return view;
}

TensorView matrix(const TensorView& view, std::int64_t offset) {
  const int r = view.rank();
  return {static_cast<char*>(view.data) + offset * static_cast<std::int64_t>(item_size(view.dtype)),
          view.dtype,
          {view.shape[r - 2], view.shape[r - 1]},
          {view.strides[r - 2], view.strides[r - 1]},
          {}};
}

/// The batch axes of a product, joined into the rows where b is the same for all of them.
struct Batches {
  StridedLoop<3> loop;
  bool into_rows = false;
};

Batches batches_of(const TensorView& a, const TensorView& b, const TensorView& out) {
  const int r = out.rank();
  Shape shape;
  Strides as, bs, os;
  for (int i = 0; i < r - 2; ++i) {
    shape.push_back(out.shape[i]);
    as.push_back(a.strides[i]);
    bs.push_back(b.strides[i]);
    os.push_back(out.strides[i]);
  }
  Batches batches;
  batches.loop = collapse(shape, {&as, &bs, &os});
  const StridedLoop<3>& l = batches.loop;
  batches.into_rows = l.rank == 1 && l.extent[0] > 1 && l.stride[1][0] == 0 &&
                      l.stride[0][0] == a.strides[r - 2] * out.shape[r - 2] &&
                      l.stride[2][0] == out.strides[r - 2] * out.shape[r - 2];
  return batches;
}

}  // namespace

void CpuBackend::matmul(const TensorView& a, const TensorView& b, const TensorView& out, bool accumulate) {
  if (!supports_matmul(out.dtype)) refuse_dtype("matmul", out.dtype);
  const int r = out.rank();
  if (a.shape[r - 1] == 0) {  // an empty sum
    if (!accumulate) fill(out, Number(0.0));
    return;
  }
  if (out.strides[r - 1] != 1 && out.shape[r - 1] > 1) {
    // The transposed product has the same chains, element by element.
    if (out.strides[r - 2] == 1 || out.shape[r - 2] == 1) {
      return matmul(transposed(b), transposed(a), transposed(out), accumulate);
    }
    const Scratch<char> rows(out.numel() * static_cast<std::int64_t>(item_size(out.dtype)));
    const TensorView dense = contiguous_view(rows.data(), out.dtype, out.shape);
    if (accumulate) copy(out, dense);
    matmul(a, b, dense, accumulate);
    return copy(dense, out);
  }
  const ProductKernels& kernels = product_kernels(out.dtype);
  const auto nothing = [](std::int64_t, std::int64_t, std::int64_t, std::int64_t) {};
  const Batches batches = batches_of(a, b, out);
  const std::int64_t count = batches.loop.numel();
  if (batches.into_rows) {
    Product p = product_of(matrix(a, 0), matrix(b, 0), matrix(out, 0), accumulate);
    p.rows *= count;
    return run_product(kernels, p, nothing);
  }
  if (count == 1) {
    return run_product(kernels, product_of(matrix(a, 0), matrix(b, 0), matrix(out, 0), accumulate), nothing);
  }
  // Several products: the threads take whole ones if there are enough of them; a single one is then cut by nobody.
  const double each = static_cast<double>(out.shape[r - 2]) * static_cast<double>(out.shape[r - 1]) *
                      static_cast<double>(a.shape[r - 1]);
  const StridedLoop<3>& loop = batches.loop;
  const auto run = [&](std::int64_t begin, std::int64_t end) {
    for_runs(loop, begin, end, [&](const std::int64_t* offset, std::int64_t n) {
      for (std::int64_t i = 0; i < n; ++i) {
        const TensorView pa = matrix(a, offset[0] + i * loop.inner_stride(0));
        const TensorView pb = matrix(b, offset[1] + i * loop.inner_stride(1));
        const TensorView po = matrix(out, offset[2] + i * loop.inner_stride(2));
        run_product(kernels, product_of(pa, pb, po, accumulate), nothing);
      }
    });
  };
  if (count < 4 && each > 1e7) return run(0, count);
  parallel_for(count, 1 + static_cast<std::int64_t>(4e6 / each), run);
}

}  // namespace weft::backends::cpu
