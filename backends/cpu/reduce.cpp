#include <weft/backends/cpu/cpu_backend.h>
#include <weft/backends/cpu/dense.h>
#include <weft/backends/cpu/dispatch.h>
#include <weft/backends/cpu/kernels.h>
#include <weft/backends/cpu/reduce_layout.h>
#include <weft/core/dtype_support.h>
#include <weft/core/thread_pool.h>

namespace weft::backends::cpu {
namespace {

constexpr std::int64_t grain = 32768;        // elements read by a chunk of parallel work
constexpr std::int64_t column_strip = 1024;  // columns of one job

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
std::int64_t at_least_one(std::int64_t n) { return n < 1 ? 1 : n; }

/// Joins groups of partial values [outer, groups, inner] into out [outer, inner].
template <class T, class F>
void join_groups(T* partial, std::int64_t outer, std::int64_t groups, std::int64_t inner, T* out, F join) {
  parallel_for(outer * inner, at_least_one(grain / groups), [&](std::int64_t begin, std::int64_t end) {
    Scratch<T> line;
    if (inner > 1) line.get(groups);
    for (std::int64_t job = begin; job < end; ++job) {
      T* values = partial + job / inner * groups * inner + job % inner;
      if (inner > 1) {
        for (std::int64_t g = 0; g < groups; ++g) line.data()[g] = values[g * inner];
        values = line.data();
      }
      out[job] = reduce_tree(values, groups, join);
    }
  });
}

template <class T>
T join_one(Fold fold, T a, T b) {
  switch (fold) {
    case Fold::sum:
      return a + b;
    case Fold::max:
      return b > a || b != b ? b : a;
    default:
      return b < a || b != b ? b : a;
  }
}

/// isa/reduce.h on float32 or float64: out is [outer, inner].
template <class T>
void fold_floats(Fold fold, const ReduceKernels& kernels, const ReduceLayout& x, T* out) {
  const T* in = static_cast<const T*>(x.data);
  const int op = static_cast<int>(fold);
  const std::int64_t groups = ceil_div(x.reduced, reduce_chunk);
  Scratch<T> partial;
  T* to = groups == 1 ? out : partial.get(x.outer * groups * x.inner);
  if (x.inner == 1) {
    if (groups == 1) {
      parallel_for(x.outer, at_least_one(grain / x.reduced), [&](std::int64_t begin, std::int64_t end) {
        kernels.rows[op](in + begin * x.outer_stride, x.outer_stride, end - begin, x.reduced, to + begin);
      });
      return;
    }
    parallel_for(x.outer * groups, grain / reduce_chunk, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t job = begin; job < end; ++job) {
        const std::int64_t start = job % groups * reduce_chunk;
        const std::int64_t n = x.reduced - start < reduce_chunk ? x.reduced - start : reduce_chunk;
        kernels.rows[op](in + job / groups * x.outer_stride + start, 0, 1, n, to + job);
      }
    });
  } else {
    const std::int64_t strips = ceil_div(x.inner, column_strip);
    const std::int64_t rows_of_job = x.reduced < reduce_chunk ? x.reduced : reduce_chunk;
    const std::int64_t columns_of_job = x.inner < column_strip ? x.inner : column_strip;
    const std::int64_t jobs = x.outer * groups * strips;
    parallel_for(jobs, at_least_one(grain / (rows_of_job * columns_of_job)), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t job = begin; job < end; ++job) {
        const std::int64_t column = job % strips * column_strip, group = job / strips % groups;
        const std::int64_t row = group * reduce_chunk, o = job / strips / groups;
        const std::int64_t rows = x.reduced - row < reduce_chunk ? x.reduced - row : reduce_chunk;
        const std::int64_t columns = x.inner - column < column_strip ? x.inner - column : column_strip;
        kernels.columns[op](in + o * x.outer_stride + row * x.reduced_stride + column, x.reduced_stride, rows, columns,
                            to + (o * groups + group) * x.inner + column);
      }
    });
  }
  if (groups > 1) {
    join_groups(to, x.outer, groups, x.inner, out, [fold](T a, T b) { return join_one(fold, a, b); });
  }
}

/// Everything else, in plain loops: chunks of 4,096 in increasing position, joined by the same tree. read(T) gives the
/// value an element counts as.
template <class T, class Total, class Read, class Join>
void fold_plain(const ReduceLayout& x, Total* out, Read read, Join join) {
  const T* in = static_cast<const T*>(x.data);
  const std::int64_t groups = ceil_div(x.reduced, reduce_chunk);
  Scratch<Total> partial;
  Total* to = groups == 1 ? out : partial.get(x.outer * groups * x.inner);
  const std::int64_t rows_of_job = x.reduced < reduce_chunk ? x.reduced : reduce_chunk;
  parallel_for(x.outer * groups, at_least_one(grain / (rows_of_job * x.inner)),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t job = begin; job < end; ++job) {
                   const std::int64_t row = job % groups * reduce_chunk;
                   const std::int64_t rows = x.reduced - row < reduce_chunk ? x.reduced - row : reduce_chunk;
                   const T* p = in + job / groups * x.outer_stride + row * x.reduced_stride;
                   Total* totals = to + job * x.inner;
                   for (std::int64_t i = 0; i < x.inner; ++i) totals[i] = read(p + i);
                   for (std::int64_t r = 1; r < rows; ++r) {
                     const T* line = p + r * x.reduced_stride;
                     for (std::int64_t i = 0; i < x.inner; ++i) totals[i] = join(totals[i], read(line + i));
                   }
                 }
               });
  if (groups > 1) join_groups(to, x.outer, groups, x.inner, out, join);
}

template <class T>
void reduce_plain(ReduceOp op, const ReduceLayout& x, void* out) {
  const auto plain = [](const T* p) { return load(p); };
  if constexpr (std::is_same_v<T, bool>) {
    bool* to = static_cast<bool*>(out);
    switch (op) {
      case ReduceOp::any:
      case ReduceOp::max:
        return fold_plain<T>(x, to, plain, [](bool a, bool b) { return a || b; });
      case ReduceOp::all:
      case ReduceOp::min:
        return fold_plain<T>(x, to, plain, [](bool a, bool b) { return a && b; });
      default:
        break;
    }
  } else {
    T* to = static_cast<T*>(out);
    switch (op) {
      case ReduceOp::max:
        return fold_plain<T>(x, to, plain, [](T a, T b) { return b > a ? b : a; });
      case ReduceOp::min:
        return fold_plain<T>(x, to, plain, [](T a, T b) { return b < a ? b : a; });
      default:
        break;
    }
  }
  using Total = std::conditional_t<std::is_integral_v<T>, std::int64_t, T>;
  const auto wide = [](const T* p) { return static_cast<Total>(load(p)); };
  Total* to = static_cast<Total*>(out);
  if (op == ReduceOp::prod) {
    return fold_plain<T>(x, to, wide,
                         [](Total a, Total b) { return wrapping(a, b, [](auto p, auto q) { return p * q; }); });
  }
  fold_plain<T>(x, to, wide, [](Total a, Total b) { return wrapping(a, b, [](auto p, auto q) { return p + q; }); });
}

}  // namespace

void CpuBackend::reduce(ReduceOp op, const TensorView& in, const TensorView& out) {
  if (!supports(op, in.dtype)) refuse_dtype(name(op), in.dtype);
  const DType dtype = compute_dtype(in.dtype);
  if (reduce_plan(in.shape, out.shape).reduced_groups() == 0) return copy(in, out);
  const ReduceLayout x(*this, in, out.shape, dtype);
  DenseOutput results(*this, out, result_dtype(op, dtype));
  if (is_native_float(dtype) && op != ReduceOp::prod) {
    const Fold fold = op == ReduceOp::sum ? Fold::sum : op == ReduceOp::max ? Fold::max : Fold::min;
    if (dtype == DType::float64) {
      fold_floats(fold, *kernels().reduce_float64, x, static_cast<double*>(results.data()));
    } else {
      fold_floats(fold, *kernels().reduce_float32, x, static_cast<float*>(results.data()));
    }
  } else {
    dispatch(dtype, [&](auto type) {
      using T = typename decltype(type)::type;
      if constexpr (!is_half<T>) reduce_plain<T>(op, x, results.data());
    });
  }
  results.finish();
}

}  // namespace weft::backends::cpu
