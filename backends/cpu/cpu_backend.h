#pragma once
// Private: all cores, vectors, and bits that depend on dtype, shape and instruction set only: not on the number of
// threads, the batch, the position in it, alignment or cache sizes. Three rules give that:
//   product      every C[i,j] is one chain of fused multiply-adds in fixed order          isa/product.h
//   elementwise  every element takes the vector path, in padded blocks                    isa/elementwise.h
//   reductions   one fixed tree                                                           isa/reduce.h
//
// float16 and bfloat16 are converted to float32 in blocks, computed, and rounded once; their sums accumulate in
// float32. Every call runs under FlushSubnormals and has done its work when it returns. Safe from several threads as
// long as their memory is distinct. A strided or broadcast operand is walked in runs (common/strided.h).

#include <weft/backends/backend.h>

namespace weft::backends::cpu {

class CpuBackend final : public Backend {
 public:
  CpuBackend();

  DeviceFacts facts() override;

  void* allocate(std::size_t bytes) override;
  void free(void* p, std::size_t bytes) noexcept override;
  void copy_in(void* to, const void* host, std::size_t bytes) override;
  void copy_out(void* host, const void* from, std::size_t bytes) override;
  void synchronise() override;

  void fill(const TensorView& out, Number value) override;
  void copy(const TensorView& in, const TensorView& out) override;
  void unary(UnaryOp op, const UnaryArgs& args, const TensorView& in, const TensorView& out) override;
  void binary(BinaryOp op, const Argument& a, const Argument& b, const TensorView& out) override;
  void where(const TensorView& condition, const Argument& a, const Argument& b, const TensorView& out) override;
  void reduce(ReduceOp op, const TensorView& in, const TensorView& out) override;
  void arg_reduce(ArgReduceOp op, const TensorView& in, int axis, const TensorView& out) override;
  void matmul(const TensorView& a, const TensorView& b, const TensorView& out, bool accumulate) override;
  void gather(const TensorView& in, int axis, const TensorView& index, const TensorView& out) override;
  void scatter_add(const TensorView& from, int axis, const TensorView& index, const TensorView& inout) override;
  void random(RandomKind kind, const RandomKey& key, const TensorView& out) override;
  void conv(Pass pass, const ConvGeometry& g, const TensorView& x, const TensorView& w, const TensorView& y) override;
  void pool(const PoolGeometry& g, const TensorView& x, const TensorView& y, const TensorView& index) override;
  void pool_backward(const PoolGeometry& g, const TensorView& x, const TensorView& y, const TensorView& dy,
                     const TensorView& index, const TensorView& dx) override;
  void scan(ScanOp op, const TensorView& in, int axis, const TensorView& out) override;
  void topk(const TensorView& in, int axis, bool largest, const TensorView& values, const TensorView& indices) override;

  // Fused forms: one pass over memory where the composed form makes several. What they do not cover (16-bit dtypes,
  // strided views) goes to the composed form; the norms take everything, by way of a contiguous copy.
  void softmax(bool log, const TensorView& x, int axis, const TensorView& y) override;
  void softmax_backward(bool log, const TensorView& dy, const TensorView& y, int axis, const TensorView& dx) override;
  void cross_entropy(const CrossEntropyArgs& args, const TensorView& logits, const TensorView& labels,
                     const TensorView& class_weight, const TensorView& losses, const TensorView& dlogits) override;
  void layer_norm(const NormArgs& args, const TensorView& x, const TensorView& scale, const TensorView& shift,
                  const TensorView& y, const TensorView& mean, const TensorView& rstd) override;
  void layer_norm_backward(const TensorView& dy, const TensorView& x, const TensorView& scale, const TensorView& mean,
                           const TensorView& rstd, const TensorView& dx, const TensorView& dscale,
                           const TensorView& dshift) override;
  void batch_norm(const NormArgs& args, const TensorView& x, const TensorView& scale, const TensorView& shift,
                  const TensorView& running_mean, const TensorView& running_var, const TensorView& y,
                  const TensorView& mean, const TensorView& rstd) override;
  void batch_norm_backward(const TensorView& dy, const TensorView& x, const TensorView& scale, const TensorView& mean,
                           const TensorView& rstd, const TensorView& dx, const TensorView& dscale,
                           const TensorView& dshift) override;
  void dropout(double p, const RandomKey& key, const TensorView& x, const TensorView& y) override;
  void linear(Activation act, const TensorView& x, const TensorView& w, const TensorView& b, const TensorView& y,
              void* aux) override;
  void linear_backward(Activation act, const TensorView& dy, const TensorView& y, const void* aux, const TensorView& x,
                       const TensorView& w, Activation below, const void* below_aux, const TensorView& dx,
                       const TensorView& dw, const TensorView& db) override;
  void optimise(const OptimArgs& args, std::span<const OptimSlot> slots) override;
  void sum_squares(std::span<const TensorView> views, const TensorView& out) override;
  void gather_batch(const GatherBatchArgs& args, const TensorView& data, const TensorView& labels,
                    const TensorView& index, const TensorView& out, const TensorView& out_labels) override;

  MemoryCounts memory() const noexcept override;
  void release_cached() override;
};

}  // namespace weft::backends::cpu
