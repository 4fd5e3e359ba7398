#include <weft/backends/serial/dispatch.h>
#include <weft/backends/serial/scratch.h>
#include <weft/backends/serial/serial_backend.h>
#include <weft/backends/serial/walk.h>
#include <weft/core/dtype_support.h>
#include <weft/core/subnormals.h>

namespace weft::backends::serial {
namespace {

/// Rows of one product, i-k-j: the sums of a row of out grow together, each in increasing k.
template <class T>
void product(const T* a, const Strides& as, const T* b, const Strides& bs, T* out, const Strides& os, std::int64_t m,
             std::int64_t n, std::int64_t k, int rank, bool accumulate, Compute<T>* sums) {
  using C = Compute<T>;
  const std::int64_t ai = as[rank - 2], ak = as[rank - 1], bk = bs[rank - 2], bj = bs[rank - 1];
  const std::int64_t oi = os[rank - 2], oj = os[rank - 1];
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) sums[j] = C(0);
    for (std::int64_t p = 0; p < k; ++p) {
      const C left = load(a + i * ai + p * ak);
      const T* right = b + p * bk;
      if (bj == 1) {
        for (std::int64_t j = 0; j < n; ++j) sums[j] += left * load(right + j);
      } else {
        for (std::int64_t j = 0; j < n; ++j) sums[j] += left * load(right + j * bj);
      }
    }
    T* row = out + i * oi;
    for (std::int64_t j = 0; j < n; ++j) {
      store(row + j * oj, accumulate ? load(row + j * oj) + sums[j] : sums[j]);
    }
  }
}

}  // namespace

void SerialBackend::matmul(const TensorView& a, const TensorView& b, const TensorView& out, bool accumulate) {
  if (!supports_matmul(out.dtype)) refuse_dtype("matmul", out.dtype);
  const FlushSubnormals flush;
  const int rank = out.rank();
  const std::int64_t m = out.shape[rank - 2], n = out.shape[rank - 1], k = a.shape[rank - 1];
  Shape batches = out.shape;
  batches[rank - 2] = batches[rank - 1] = 1;
  dispatch_floating(out.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    const Scratch<Compute<T>> sums(n);
    walk(batches, {&a.strides, &b.strides, &out.strides}, [&](const std::int64_t* at) {
      product<T>(a.as<T>() + at[0], a.strides, b.as<T>() + at[1], b.strides, out.as<T>() + at[2], out.strides, m, n, k,
                 rank, accumulate, sums.data());
    });
  });
}

}  // namespace weft::backends::serial
