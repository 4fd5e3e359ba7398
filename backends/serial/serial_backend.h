#pragma once
// Private: one core, plain loops, each op from its definition. The baseline every speed-up is quoted against and the
// oracle the other backends are tested against; it therefore shares no code with them (nothing of backends/common).
//
// Built -O2 without vectorisation and without contraction in every preset. float16 and bfloat16 are computed in
// float32 and rounded once; products and sums accumulate in float32 for them, in the dtype itself otherwise, in
// increasing order of the index. Subnormal results are flushed to zero, as on every backend. The fused forms are the
// composed defaults.

#include <weft/backends/backend.h>

namespace weft::backends::serial {

class SerialBackend final : public Backend {
 public:
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

  MemoryCounts memory() const noexcept override;
  void release_cached() override;
};

}  // namespace weft::backends::serial
