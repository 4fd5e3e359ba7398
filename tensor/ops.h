#pragma once
// Private: the non-recording families between the named functions of autograd/ and the backends. Each checks its
// arguments, resolves broadcasting, allocates the result and calls the backend once; none records a gradient; every one
// takes the public name of the function it works for (for messages and tags) and the user's call site. Zero-size
// results never reach a backend.

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <weft/backends/op_args.h>
#include <weft/tensor/creation.h>
#include <weft/tensor/tensor.h>
#include <weft/tensor/window.h>

namespace weft::ops {

// ---- checks (checks.cpp)
void check_defined(const Tensor& x, const char* name, const char* argument, CallSite at);
void check_same_device(const Tensor& a, const Tensor& b, const char* name, CallSite at);
/// Tells the tensor's backend who is calling and returns it (the recording tape's, when this thread records one).
backends::Backend& begin(const Tensor& x, const char* name, CallSite at);

// ---- elementwise (unary.cpp, binary.cpp, where.cpp)
Tensor unary(UnaryOp op, const Tensor& x, const char* name, CallSite at, const backends::UnaryArgs& args = {});
Tensor binary(BinaryOp op, const Operand& a, const Operand& b, const char* name, CallSite at);
Tensor where(const Tensor& condition, const Operand& a, const Operand& b, const char* name, CallSite at);

// ---- reductions (reduce.cpp)
Tensor reduce(ReduceOp op, const Tensor& x, const Axes& axes, bool keepdim, const char* name, CallSite at);
Tensor arg_reduce(ArgReduceOp op, const Tensor& x, int axis, bool keepdim, const char* name, CallSite at);
// ---- along an axis (scan.cpp)
Tensor cumsum(const Tensor& x, int axis, const char* name, CallSite at);
std::pair<Tensor, Tensor> topk(const Tensor& x, std::int64_t k, int axis, bool largest, const char* name, CallSite at);
/// Sums the axes along which `shape` was broadcast to x's shape: the way back of broadcasting.
Tensor sum_to(const Tensor& x, const Shape& shape, const char* name, CallSite at);

// ---- linear algebra (matmul.cpp)
Tensor matmul(const Tensor& a, const Tensor& b, const char* name, CallSite at);
/// Errors name "linear". aux, where not null, gets what the backend wants to remember of the activation (undefined:
/// nothing).
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, const char* name, CallSite at,
              Activation activation = Activation::none, Tensor* aux = nullptr);
struct LinearGrads {
  Tensor dx, dweight, dbias;  ///< undefined where not wanted
};
struct LinearBackward {
  bool want_dx, want_dweight, want_dbias;
  Activation activation = Activation::none;  ///< of this call, with its result and aux; none: dy is multiplied already
  Tensor y = {}, aux = {};
  Activation below = Activation::none;  ///< that made x: its derivative goes into dx
  const void* below_aux = nullptr;
};
LinearGrads linear_backward(const Tensor& dy, const Tensor& x, const Tensor& weight, const LinearBackward& call,
                            const char* name, CallSite at);

// ---- views (views.cpp): no copy, same storage
Tensor view(const Tensor& x, const Shape& shape, const Strides& strides, std::int64_t offset);  ///< trusts its caller
bool can_view_as(const Tensor& x, const Shape& shape, Strides* strides);
Shape resolve_shape(const Tensor& x, const Shape& shape, const char* name,
                    CallSite at);                                                    ///< -1 filled in, counts compared
Tensor reshape(const Tensor& x, const Shape& shape, const char* name, CallSite at);  ///< a view where possible
Tensor view_as(const Tensor& x, const Shape& shape, const char* name, CallSite at);  ///< refused if it must copy
Tensor permute(const Tensor& x, const Axes& order, const char* name, CallSite at);
Tensor transpose(const Tensor& x, int a, int b, const char* name, CallSite at);
Tensor expand(const Tensor& x, const Shape& shape, const char* name, CallSite at);
Tensor unsqueeze(const Tensor& x, int axis, const char* name, CallSite at);
Tensor squeeze(const Tensor& x, const Axes& axes, const char* name, CallSite at);
Tensor slice(const Tensor& x, int axis, const Slice& bounds, const char* name, CallSite at);
Tensor narrow(const Tensor& x, int axis, std::int64_t start, std::int64_t length, const char* name, CallSite at);
Tensor select(const Tensor& x, int axis, std::int64_t index, const char* name, CallSite at);

// ---- copies (copy.cpp)
Tensor cat(std::span<const Tensor> tensors, int axis, const char* name, CallSite at);
Tensor cast(const Tensor& x, DType dtype, const char* name, CallSite at);         ///< always a copy
Tensor to_device(const Tensor& x, Device device, const char* name, CallSite at);  ///< always a copy
Tensor clone(const Tensor& x, const char* name, CallSite at);                     ///< row-major copy
Tensor contiguous(const Tensor& x, const char* name, CallSite at);                ///< x itself where it is

// ---- rearranged copies (rearrange.cpp)
Tensor repeat(const Tensor& x, const Shape& repeats, const char* name, CallSite at);
/// No axes: over the elements in row-major order.
Tensor roll(const Tensor& x, const Dims& shifts, const Axes& axes, const char* name, CallSite at);
Tensor flip(const Tensor& x, const Axes& axes, const char* name, CallSite at);
/// Refuses amounts that come in no pairs, are too many, or take away more than there is (ShapeError).
void check_pad(const Tensor& x, std::span<const std::int64_t> amounts, const char* name, CallSite at);
Tensor pad(const Tensor& x, std::span<const std::int64_t> amounts, backends::Number value, const char* name,
           CallSite at);
/// bool (rows, columns), true where column - row <= diagonal: a view of rows + columns - 1 elements, never written to.
Tensor on_or_below(const Tensor& like, std::int64_t rows, std::int64_t columns, std::int64_t diagonal, const char* name,
                   CallSite at);

// ---- in place (in_place.cpp): write and raise the version; refuse expanded targets (StateError read_only)
void fill(const Tensor& target, backends::Number value, const char* name, CallSite at);
void copy_into(const Tensor& target, const Tensor& source, const char* name, CallSite at);
void binary_into(BinaryOp op, const Tensor& target, const Operand& other, const char* name, CallSite at);
void unary_into(UnaryOp op, const Tensor& target, const char* name, CallSite at);
void masked_fill_into(const Tensor& target, const Tensor& mask, backends::Number value, const char* name, CallSite at);
/// scale * draw + shift for every element.
void random_into(RandomKind kind, const Tensor& target, const backends::RandomKey& key, double scale, double shift,
                 const char* name, CallSite at);
void bump_version(const Tensor& target);

// ---- indexing (gather.cpp)
Tensor index_select(const Tensor& x, int axis, const Tensor& index, const char* name, CallSite at);
Tensor index_add(const Tensor& x, int axis, const Tensor& index, const Tensor& source, const char* name, CallSite at);
Tensor gather(const Tensor& x, int axis, const Tensor& index, const char* name, CallSite at);
Tensor scatter_add(const Tensor& x, int axis, const Tensor& index, const Tensor& source, const char* name, CallSite at);
Tensor one_hot(const Tensor& labels, std::int64_t classes, const char* name, CallSite at);
/// Rows of uint8 data as dtype, scaled and shifted, and their labels (int64; undefined where none are given).
std::pair<Tensor, Tensor> gather_batch(const Tensor& data, const Tensor& labels, const Tensor& index,
                                       const backends::GatherBatchArgs& args, DType dtype, const char* name,
                                       CallSite at);

// ---- windows (conv.cpp, pool.cpp). check_..() refuses what cannot be done and says what the result will be; the
// functions after it take geometry and shape as they are, so that a gradient gets exactly the shape of what it belongs
// to.
struct ConvCall {
  backends::ConvGeometry geometry;
  Shape result;
};
ConvCall check_conv(const Tensor& x, const Tensor& weight, const Tensor& bias, int spatial, const ConvOptions& options,
                    const char* name, CallSite at);
/// The geometry is that of the convolution from the result to x, whose gradient the transposed one computes.
ConvCall check_conv_transpose(const Tensor& x, const Tensor& weight, const Tensor& bias, int spatial,
                              const ConvTransposeOptions& options, const char* name, CallSite at);
Tensor conv(const Tensor& x, const Tensor& weight, const Tensor& bias, const backends::ConvGeometry& g,
            const Shape& shape, const char* name, CallSite at);
Tensor conv_grad_input(const Tensor& dy, const Tensor& weight, const Tensor& bias, const backends::ConvGeometry& g,
                       const Shape& shape, const char* name, CallSite at);
Tensor conv_grad_weight(const Tensor& x, const Tensor& dy, const backends::ConvGeometry& g, const Shape& shape,
                        const char* name, CallSite at);
struct PoolCall {
  backends::PoolGeometry geometry;
  Shape result;
};
PoolCall check_pool(const Tensor& x, int spatial, backends::PoolKind kind, const PerAxis& kernel, const PerAxis& stride,
                    const PerAxis& padding, const PerAxis& dilation, bool ceil_mode, const char* name, CallSite at);
PoolCall check_adaptive_pool(const Tensor& x, int spatial, backends::PoolKind kind, const PerAxis& output,
                             const char* name, CallSite at);
/// index: null, or where the positions of the largest are to be put.
Tensor pool(const Tensor& x, const backends::PoolGeometry& g, const Shape& shape, Tensor* index, const char* name,
            CallSite at);
/// x, y and index are needed for max only.
Tensor pool_backward(const Tensor& dy, const backends::PoolGeometry& g, const Tensor& x, const Tensor& y,
                     const Tensor& index, const Shape& shape, const char* name, CallSite at);
/// The elements of x's planes at the positions in `index`.
Tensor pool_pick(const Tensor& x, const Tensor& index, const char* name, CallSite at);

// ---- fused (softmax.cpp, loss.cpp, norm.cpp, random.cpp)
Tensor softmax(bool log, const Tensor& x, int axis, const char* name, CallSite at);
Tensor softmax_backward(bool log, const Tensor& dy, const Tensor& y, int axis, const char* name, CallSite at);
/// What the losses over classes take apart from the reduction; weight may be undefined.
struct ClassLoss {
  Tensor weight = {};
  std::int64_t ignore_index = -100;
  double smoothing = 0;
};
/// Scores (B, C, ..) called `argument`, labels (B, ..), and the options.
void check_class_loss(const Tensor& scores, const char* argument, const Tensor& labels, const ClassLoss& options,
                      const char* name, CallSite at);
/// Losses of the rows [B] of logits (B, C), or their weighted mean (rank 0; float32 and float64); with dlogits not null
/// also the gradient of their sum, or of the mean, from the same pass.
Tensor cross_entropy(const Tensor& logits, const Tensor& labels, Tensor* dlogits, const char* name, CallSite at,
                     const ClassLoss& options = {}, bool mean = false);
// Norms (norm.cpp). mean and rstd are float32 for 16-bit dtypes, one value per row or channel.
void check_norm_eps(double eps, const char* name, CallSite at);
/// weight or bias, where defined: x's device and dtype, this shape.
void check_norm_vector(const Tensor& vector, const Tensor& x, const Shape& shape, const char* argument,
                       const char* name, CallSite at);
struct Normalized {
  Tensor y, mean, rstd;
};
struct NormGrads {
  Tensor dx, dweight, dbias;  ///< undefined where not wanted
};
Normalized layer_norm(const Tensor& x, const Shape& normalized, const Tensor& weight, const Tensor& bias, double eps,
                      const char* name, CallSite at);
NormGrads layer_norm_backward(const Tensor& dy, const Tensor& x, const Shape& normalized, const Tensor& weight,
                              const Tensor& mean, const Tensor& rstd, bool want_dx, bool want_dweight, bool want_dbias,
                              const char* name, CallSite at);
/// Writes the running statistics (which may be undefined) when training.
Normalized batch_norm(const Tensor& x, const Tensor& running_mean, const Tensor& running_var, const Tensor& weight,
                      const Tensor& bias, const backends::NormArgs& args, const char* name, CallSite at);
/// Of a training call.
NormGrads batch_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& weight, const Tensor& mean,
                              const Tensor& rstd, bool want_dx, bool want_dweight, bool want_dbias, const char* name,
                              CallSite at);
void check_dropout(const Tensor& x, double p, const char* name, CallSite at);
Tensor dropout(const Tensor& x, double p, const backends::RandomKey& key, const char* name, CallSite at);
Tensor random(RandomKind kind, const Shape& shape, TensorOptions options, const backends::RandomKey& key,
              const char* name, CallSite at);

}  // namespace weft::ops
