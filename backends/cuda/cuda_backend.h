#pragma once
// Private: one NVIDIA GPU. Own kernels for everything but matrix products (cuBLASLt) and convolution (cuDNN); vendor
// calls in .cpp, device code in .cu, one family per file.
//
//   memory      memory.cpp     a stream-ordered pool that keeps what it has; copies; the error word is read at waits
//   queues      stream.cpp     each thread queues on its current stream; by default all threads share one
//   recording   capture.cpp    a CUDA graph with an arena of its own
//   products    matmul.cpp, linear.cpp over product.h: shapes turned into cuBLASLt's, plans kept per shape
//
// Work is queued when a call returns. Results depend on shapes, dtypes, options, device and library versions only: no
// atomic adds of floats anywhere, algorithms are chosen by shape. What only the device can see wrong (an index) is kept
// in the error word (device_word.h) and thrown by the next synchronise, copy_out or replay.
//
// Calls are safe from several threads as long as their memory is distinct.

#include <cuda_runtime_api.h>

#include <weft/backends/backend.h>
#include <weft/backends/cuda/device_word.h>

namespace weft::backends::cuda {

struct State;  // everything that lives as long as the backend: state.h

class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(State& state) : state_(state) {}

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

  // What a fused form does not cover goes to the composed one.
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
  std::size_t linear_aux_bytes(Activation act, const TensorView& y) override;
  void linear(Activation act, const TensorView& x, const TensorView& w, const TensorView& b, const TensorView& y,
              void* aux) override;
  void linear_backward(Activation act, const TensorView& dy, const TensorView& y, const void* aux, const TensorView& x,
                       const TensorView& w, Activation below, const void* below_aux, const TensorView& dx,
                       const TensorView& dw, const TensorView& db) override;
  void optimise(const OptimArgs& args, std::span<const OptimSlot> slots) override;
  void sum_squares(std::span<const TensorView> views, const TensorView& out) override;
  void gather_batch(const GatherBatchArgs& args, const TensorView& data, const TensorView& labels,
                    const TensorView& index, const TensorView& out, const TensorView& out_labels) override;

  Stream* make_stream() override;
  void use_stream(Stream* stream) override;
  void wait(Stream* until_done) override;
  void drop_stream(Stream* stream) noexcept override;
  bool begin_capture() override;
  Capture* end_capture() override;
  void replay(Capture* capture, int times) override;
  void drop_capture(Capture* capture) noexcept override;
  void* allocate_pinned(std::size_t bytes) override;
  void free_pinned(void* p, std::size_t bytes) noexcept override;
  void copy_in_async(void* to, const void* pinned, std::size_t bytes) override;
  MemoryCounts memory() const noexcept override;
  void release_cached() override;
  bool set_option(std::string_view key, std::string_view value) override;
  bool exhibit(std::string_view name, std::int64_t setting, ExhibitFigures& figures,
               std::span<double> seconds) override;
  void tag(const OpTag& tag) noexcept override;

  // ---- for the families

  /// Where the calling thread queues its work now; inside a recording, the stream that is recorded.
  cudaStream_t stream() const noexcept;
  /// For kernels that meet bad indices, and for those that must write nothing while an error is pending.
  Reporter reporter() const noexcept;
  int multiprocessors() const noexcept;
  /// An optimiser step begins: what is allocated by now outlives a step. Out-of-memory errors tell by it.
  void end_of_step() noexcept;

  State& state() const noexcept { return state_; }

 private:
  State& state_;
};

}  // namespace weft::backends::cuda
