#pragma once
// The functions users call. Each records how to go back when gradients are enabled and an argument records them; each
// formula for the way back stands beside its forward in autograd/<family>.cpp and is written with these same functions,
// so it works on every backend and can be differentiated again.
//
// Common to all: operands live on one device (DeviceError) and have one dtype (DTypeError names .to(); there is no
// implicit promotion; a number takes the tensor's dtype); shapes broadcast as in NumPy (ShapeError); zero-size and
// rank-0 tensors work. What each dtype can do is the table in core/dtype_support.h. Every function leaves its arguments
// unchanged, also when it throws. Calls from several threads are safe while nobody writes to the arguments.

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <weft/autograd/grad_mode.h>
#include <weft/tensor/creation.h>
#include <weft/tensor/tensor.h>
#include <weft/tensor/window.h>

namespace weft {

// ---- arithmetic (autograd/binary.cpp, unary.cpp)
WEFT_API Tensor add(const Operand& a, const Operand& b);
WEFT_API Tensor sub(const Operand& a, const Operand& b);
WEFT_API Tensor mul(const Operand& a, const Operand& b);
WEFT_API Tensor div(const Operand& a, const Operand& b);      ///< floating dtypes only
WEFT_API Tensor maximum(const Operand& a, const Operand& b);  ///< NaN wins; at ties the gradient is halved between both
WEFT_API Tensor minimum(const Operand& a, const Operand& b);
/// a to the power b, as C's pow has it at special values; floating dtypes only. The gradient of b is 0 where a is 0 and
/// b is not negative.
WEFT_API Tensor pow(const Operand& a, const Operand& b);
/// start + weight (end - start), exact at both ends; weight is a number or a tensor.
WEFT_API Tensor lerp(const Tensor& start, const Tensor& end, const Operand& weight);
WEFT_API Tensor neg(const Tensor& x, CallSite at = CallSite::here());
WEFT_API Tensor abs(const Tensor& x, CallSite at = CallSite::here());   ///< derivative at 0 is 0
WEFT_API Tensor sign(const Tensor& x, CallSite at = CallSite::here());  ///< -1, 0, 1; derivative 0
WEFT_API Tensor exp(const Tensor& x, CallSite at = CallSite::here());
WEFT_API Tensor expm1(const Tensor& x, CallSite at = CallSite::here());  ///< e^x - 1, also where e^x is nearly 1
WEFT_API Tensor log(const Tensor& x, CallSite at = CallSite::here());
WEFT_API Tensor log1p(const Tensor& x, CallSite at = CallSite::here());  ///< log(1 + x), also where x is small
WEFT_API Tensor sqrt(const Tensor& x, CallSite at = CallSite::here());
WEFT_API Tensor rsqrt(const Tensor& x, CallSite at = CallSite::here());  ///< 1 / sqrt(x)
WEFT_API Tensor square(const Tensor& x, CallSite at = CallSite::here());
WEFT_API Tensor sin(const Tensor& x, CallSite at = CallSite::here());  ///< radians, of any size
WEFT_API Tensor cos(const Tensor& x, CallSite at = CallSite::here());
WEFT_API Tensor erf(const Tensor& x, CallSite at = CallSite::here());
// To whole numbers: down, up, to the nearest with halves to even. Integers stay as they are; derivative 0.
WEFT_API Tensor floor(const Tensor& x, CallSite at = CallSite::here());
WEFT_API Tensor ceil(const Tensor& x, CallSite at = CallSite::here());
WEFT_API Tensor round(const Tensor& x, CallSite at = CallSite::here());
/// Into [min, max]; either may be absent, both: ValueError, and so is min > max or a NaN (PyTorch would silently return
/// max). NaN stays NaN. The derivative is 1 from min to max inclusive, 0 outside.
WEFT_API Tensor clamp(const Tensor& x, std::optional<backends::Number> min, std::optional<backends::Number> max = {},
                      CallSite at = CallSite::here());
WEFT_API Tensor tanh(const Tensor& x, CallSite at = CallSite::here());
WEFT_API Tensor sigmoid(const Tensor& x, CallSite at = CallSite::here());

// ---- activations (activations.cpp, unary.cpp); NaN stays NaN
WEFT_API Tensor relu(const Tensor& x, CallSite at = CallSite::here());  ///< derivative at 0 is 0
/// x where x > 0, else negative_slope x; the derivative at 0 is negative_slope.
WEFT_API Tensor leaky_relu(const Tensor& x, double negative_slope = 0.01, CallSite at = CallSite::here());
/// x where x > 0, else alpha (e^x - 1); the derivative at 0 is alpha.
WEFT_API Tensor elu(const Tensor& x, double alpha = 1, CallSite at = CallSite::here());
/// x Phi(x) with the normal distribution Phi; tanh: 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))). Hendrycks, Gimpel,
/// arXiv:1606.08415. At -infinity 0, the limit (PyTorch: NaN).
enum class Approximate : std::uint8_t { none, tanh };
WEFT_API Tensor gelu(const Tensor& x, Approximate approximate = Approximate::none, CallSite at = CallSite::here());
/// x / (1 + e^-x); at -infinity 0, the limit (PyTorch: NaN).
WEFT_API Tensor silu(const Tensor& x, CallSite at = CallSite::here());
/// log(1 + e^(beta x)) / beta, and x itself where beta x > threshold. beta must be finite and not 0.
WEFT_API Tensor softplus(const Tensor& x, double beta = 1, double threshold = 20, CallSite at = CallSite::here());

// ---- comparisons and choice (compare.cpp); comparisons write bool and have no gradient
WEFT_API Tensor eq(const Operand& a, const Operand& b);
WEFT_API Tensor ne(const Operand& a, const Operand& b);
WEFT_API Tensor lt(const Operand& a, const Operand& b);
WEFT_API Tensor le(const Operand& a, const Operand& b);
WEFT_API Tensor gt(const Operand& a, const Operand& b);
WEFT_API Tensor ge(const Operand& a, const Operand& b);
WEFT_API Tensor logical_and(const Tensor& a, const Tensor& b, CallSite at = CallSite::here());
WEFT_API Tensor logical_or(const Tensor& a, const Tensor& b, CallSite at = CallSite::here());
WEFT_API Tensor logical_not(const Tensor& x, CallSite at = CallSite::here());
// What kind of number; integers and bool are always finite.
WEFT_API Tensor isnan(const Tensor& x, CallSite at = CallSite::here());
WEFT_API Tensor isinf(const Tensor& x, CallSite at = CallSite::here());
WEFT_API Tensor isfinite(const Tensor& x, CallSite at = CallSite::here());
/// condition ? a : b, elementwise; condition is bool, all three broadcast. Two numbers give a float32.
WEFT_API Tensor where(const Tensor& condition, const Operand& a, const Operand& b);

// ---- reductions (reduce.cpp). No axes: over all. keepdim leaves the reduced axes with extent 1.
WEFT_API Tensor sum(const Tensor& x, const Axes& axes = {}, bool keepdim = false, CallSite at = CallSite::here());
WEFT_API Tensor mean(const Tensor& x, const Axes& axes = {}, bool keepdim = false,
                     CallSite at = CallSite::here());  ///< floating dtypes; of nothing: NaN
/// The largest element; the gradient is shared equally between ties. Over nothing: ValueError.
WEFT_API Tensor max(const Tensor& x, const Axes& axes = {}, bool keepdim = false, CallSite at = CallSite::here());
WEFT_API Tensor min(const Tensor& x, const Axes& axes = {}, bool keepdim = false, CallSite at = CallSite::here());
WEFT_API Tensor any(const Tensor& x, const Axes& axes = {}, bool keepdim = false, CallSite at = CallSite::here());
WEFT_API Tensor all(const Tensor& x, const Axes& axes = {}, bool keepdim = false, CallSite at = CallSite::here());
/// Of nothing 1; integers give int64. The gradient is right also where elements are 0.
WEFT_API Tensor prod(const Tensor& x, const Axes& axes = {}, bool keepdim = false, CallSite at = CallSite::here());
/// Sum of squared deviations from the mean over (count - correction), in two passes; NaN where that is not positive.
/// correction 0 is the population's variance. 16-bit dtypes compute in float32.
WEFT_API Tensor var(const Tensor& x, const Axes& axes = {}, std::int64_t correction = 1, bool keepdim = false,
                    CallSite at = CallSite::here());
/// sqrt(var); where it is 0 the gradient is 0 too.
WEFT_API Tensor std(const Tensor& x, const Axes& axes = {}, std::int64_t correction = 1, bool keepdim = false,
                    CallSite at = CallSite::here());
/// The p-norm of the elements: (sum |x|^p)^(1/p); p = infinity the largest |x|, -infinity the smallest, 0 the number of
/// elements that are not 0. At 0 the gradient of the norms of p = 1, 2 and infinity is 0. NaN p: ValueError.
WEFT_API Tensor norm(const Tensor& x, double p = 2, const Axes& axes = {}, bool keepdim = false,
                     CallSite at = CallSite::here());
/// log(sum(exp(x))) without overflow; -infinity of nothing, and of elements that all are -infinity, whose gradient is
/// 0.
WEFT_API Tensor logsumexp(const Tensor& x, const Axes& axes = {}, bool keepdim = false, CallSite at = CallSite::here());
/// int64 position of the first extreme along an axis, or among all elements in row-major order when no axis is given; a
/// NaN counts as the extreme. No gradient.
WEFT_API Tensor argmax(const Tensor& x, std::optional<int> axis = {}, bool keepdim = false,
                       CallSite at = CallSite::here());
WEFT_API Tensor argmin(const Tensor& x, std::optional<int> axis = {}, bool keepdim = false,
                       CallSite at = CallSite::here());

// ---- along one axis (scan.cpp)
/// Running sums; integers and bool give int64.
WEFT_API Tensor cumsum(const Tensor& x, int axis, CallSite at = CallSite::here());
/// The k largest (or smallest) elements along an axis, in order, and their positions (int64); equal ones by position,
/// NaN counts as largest. k must be 0 .. extent. The gradient goes to the elements chosen.
struct TopK {
  Tensor values, indices;
};
WEFT_API TopK topk(const Tensor& x, std::int64_t k, int axis = -1, bool largest = true, CallSite at = CallSite::here());

// ---- linear algebra (matmul.cpp)
/// (.., m, k) x (.., k, n) -> (.., m, n); leading axes broadcast; a vector is a row on the left, a column on the right.
WEFT_API Tensor matmul(const Tensor& a, const Tensor& b, CallSite at = CallSite::here());
/// x w^T + bias: x (.., in), weight (out, in), bias (out) or undefined -> (.., out). PyTorch's layout.
WEFT_API Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, CallSite at = CallSite::here());
/// The activation of that, in the same call: the values and gradients of relu(linear(..)) and its like, in fewer passes
/// over memory. 16-bit dtypes round once instead of twice, so their bits differ but for relu. nn::Sequential asks for
/// it by itself.
WEFT_API Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, Activation activation,
                       CallSite at = CallSite::here());
/// (m) x (n) -> (m, n): every product of an element of a and one of b.
WEFT_API Tensor outer(const Tensor& a, const Tensor& b, CallSite at = CallSite::here());
/// Einstein's summation over one or two operands of a floating dtype, as NumPy and PyTorch write it (einsum.cpp):
/// einsum("bij,bjk->bik", {a, b}). A letter names an axis of each operand; axes whose letter is missing on the right of
/// "->" are summed, and extents of 1 are repeated. "..." stands for the axes that are not named. Without "->" the
/// result has the axes of "..." and then the letters that occur once, in ASCII order. Within one operand and within the
/// result a letter may occur once. ValueError names the position of what is wrong with the equation, ShapeError the
/// axes that do not go together.
WEFT_API Tensor einsum(std::string_view equation, std::span<const Tensor> operands, CallSite at = CallSite::here());
WEFT_API Tensor einsum(std::string_view equation, std::initializer_list<Tensor> operands,
                       CallSite at = CallSite::here());
/// The matrices (.., m, n) with zeros above (tril) or below (triu) a diagonal: 0 is the main one, 1 the one above it.
WEFT_API Tensor tril(const Tensor& x, std::int64_t diagonal = 0, CallSite at = CallSite::here());
WEFT_API Tensor triu(const Tensor& x, std::int64_t diagonal = 0, CallSite at = CallSite::here());

// ---- shape (shape.cpp): views of the same memory, but for a reshape that must copy, cat and stack
WEFT_API Tensor reshape(const Tensor& x, const Shape& shape, CallSite at = CallSite::here());
/// As reshape, but never a copy: ShapeError where the strides of x do not allow the shape.
WEFT_API Tensor view(const Tensor& x, const Shape& shape, CallSite at = CallSite::here());
WEFT_API Tensor flatten(const Tensor& x, int first_axis = 0, int last_axis = -1, CallSite at = CallSite::here());
WEFT_API Tensor transpose(const Tensor& x, int a, int b, CallSite at = CallSite::here());
WEFT_API Tensor permute(const Tensor& x, const Axes& order, CallSite at = CallSite::here());
WEFT_API Tensor expand(const Tensor& x, const Shape& shape, CallSite at = CallSite::here());
WEFT_API Tensor unsqueeze(const Tensor& x, int axis, CallSite at = CallSite::here());
/// Drops the axes named (none named: all) that have extent 1; the others stay.
WEFT_API Tensor squeeze(const Tensor& x, const Axes& axes = {}, CallSite at = CallSite::here());
WEFT_API Tensor slice(const Tensor& x, int axis, Slice bounds, CallSite at = CallSite::here());
WEFT_API Tensor narrow(const Tensor& x, int axis, std::int64_t start, std::int64_t length,
                       CallSite at = CallSite::here());
WEFT_API Tensor select(const Tensor& x, int axis, std::int64_t index, CallSite at = CallSite::here());
/// Pieces of `size` along axis, the last one what is left; or pieces of these sizes, which add up to the extent.
WEFT_API std::vector<Tensor> split(const Tensor& x, std::int64_t size, int axis = 0, CallSite at = CallSite::here());
WEFT_API std::vector<Tensor> split(const Tensor& x, const std::vector<std::int64_t>& sizes, int axis = 0,
                                   CallSite at = CallSite::here());
/// Pieces of ceil(extent / chunks): at most `chunks` of them, fewer where the extent is used up before.
WEFT_API std::vector<Tensor> chunk(const Tensor& x, std::int64_t chunks, int axis = 0, CallSite at = CallSite::here());
WEFT_API Tensor cat(std::span<const Tensor> tensors, int axis = 0, CallSite at = CallSite::here());
WEFT_API Tensor cat(std::initializer_list<Tensor> tensors, int axis = 0, CallSite at = CallSite::here());
/// Tensors of one shape side by side along a new axis.
WEFT_API Tensor stack(std::span<const Tensor> tensors, int axis = 0, CallSite at = CallSite::here());
WEFT_API Tensor stack(std::initializer_list<Tensor> tensors, int axis = 0, CallSite at = CallSite::here());

// ---- rearranged copies (rearrange.cpp)
/// x side by side, repeats[i] times along axis i; more repeats than axes: new axes in front.
WEFT_API Tensor repeat(const Tensor& x, const Shape& repeats, CallSite at = CallSite::here());
/// Moves element i of an axis to i + shift, what leaves at one end comes back at the other; one shift per axis. Without
/// axes: the elements in row-major order.
WEFT_API Tensor roll(const Tensor& x, const Dims& shifts, const Axes& axes, CallSite at = CallSite::here());
WEFT_API Tensor roll(const Tensor& x, std::int64_t shift, CallSite at = CallSite::here());
/// The order along the axes reversed; no axes: along all. A copy, as in PyTorch; slice() with step -1 is the view.
WEFT_API Tensor flip(const Tensor& x, const Axes& axes = {}, CallSite at = CallSite::here());
/// What stands in the padding: a value; the elements next to the edge mirrored without the edge itself, fewer than
/// there are; the edge; or the elements of the other end, no more than there are.
enum class PadMode : std::uint8_t { constant, reflect, replicate, circular };
/// x with `amounts` more elements before and after each axis, in PyTorch's order: the last axis first, {left, right,
/// top, bottom, ..}. Axes that are not named stay. A negative amount takes elements away.
WEFT_API Tensor pad(const Tensor& x, const std::vector<std::int64_t>& amounts, PadMode mode = PadMode::constant,
                    backends::Number value = 0, CallSite at = CallSite::here());

// ---- copies (copy.cpp)
WEFT_API Tensor to(const Tensor& x, DType dtype, CallSite at = CallSite::here());
WEFT_API Tensor to(const Tensor& x, Device device, CallSite at = CallSite::here());
WEFT_API Tensor contiguous(const Tensor& x, CallSite at = CallSite::here());
WEFT_API Tensor clone(const Tensor& x, CallSite at = CallSite::here());

// ---- indexing (index.cpp); indices are int64 or int32, 0 <= index < extent, else IndexError naming position and value
/// Rows (along axis) named by a 1-D index. The gradient is index_add, duplicates summed in order.
WEFT_API Tensor index_select(const Tensor& x, int axis, const Tensor& index, CallSite at = CallSite::here());
/// A copy of x to which the rows of `source` were added at `index` along axis.
WEFT_API Tensor index_add(const Tensor& x, int axis, const Tensor& index, const Tensor& source,
                          CallSite at = CallSite::here());
/// y[.., i, ..] = x[.., index[.., i, ..], ..] along axis. index has x's rank and no larger extents beside the axis.
WEFT_API Tensor gather(const Tensor& x, int axis, const Tensor& index, CallSite at = CallSite::here());
/// A copy of x to which source[.., i, ..] was added at index[.., i, ..] along axis. index has their rank, and extents
/// no larger than source's, nor than x's beside the axis; what of source lies beyond index is not used. Elements with
/// the same index are added in the order of i.
WEFT_API Tensor scatter_add(const Tensor& x, int axis, const Tensor& index, const Tensor& source,
                            CallSite at = CallSite::here());
/// x where mask is false, value where it is true; the mask broadcasts. value: a number, or a rank-0 tensor.
WEFT_API Tensor masked_fill(const Tensor& x, const Tensor& mask, const Operand& value);
/// Rows of weight (n, width) named by indices of any shape: (.., width). Rows at padding_idx (negative counts from the
/// end) get no gradient, as in PyTorch.
WEFT_API Tensor embedding(const Tensor& indices, const Tensor& weight, std::optional<std::int64_t> padding_idx = {},
                          CallSite at = CallSite::here());
/// A batch of a data set that stays uint8: rows data[index] (B, ..) as dtype, value * scale + shift, and labels[index].
struct GatherBatchOptions {
  double scale = 1.0 / 255;
  double shift = 0;
  DType dtype = DType::float32;
};
struct GatheredBatch {
  Tensor rows, labels;  ///< labels is undefined where none were given
};
/// In one call and without the host, so a captured step can choose its batch from a data set that lies on the device:
/// data (N, ..) uint8; labels (N) of an integer dtype, delivered as int64, or undefined; index (B) int64 or int32; all
/// on one device. dtype is floating (DTypeError). No gradient.
WEFT_API GatheredBatch gather_batch(const Tensor& data, const Tensor& labels, const Tensor& index,
                                    const GatherBatchOptions& options = {}, CallSite at = CallSite::here());
/// int64 (.., num_classes) with a 1 at the label. num_classes -1: the largest label + 1, which is read on the host.
WEFT_API Tensor one_hot(const Tensor& labels, std::int64_t num_classes = -1, CallSite at = CallSite::here());

// ---- convolution (conv.cpp). Cross-correlation, as everywhere in deep learning: y[n, k, o] = bias[k] + the sum over
// channels c and taps t of weight[k, c, t] x[n, c, o stride - padding + t dilation], x being 0 in the padding.
// Extents: floor((in + 2 padding - dilation (kernel - 1) - 1) / stride) + 1; below 1: ShapeError. Floating dtypes.
/// x (N, C, L), or one sample (C, L); weight (K, C / groups, kernel); bias (K) or undefined -> (N, K, L').
WEFT_API Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const ConvOptions& options = {},
                       CallSite at = CallSite::here());
/// x (N, C, H, W), or one sample (C, H, W); weight (K, C / groups, kernel...).
WEFT_API Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const ConvOptions& options = {},
                       CallSite at = CallSite::here());
/// The gradient of conv1d with respect to its input, taken as a function: weight (C, K / groups, kernel), as PyTorch.
/// Extents: (in - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1.
WEFT_API Tensor conv_transpose1d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                                 const ConvTransposeOptions& options = {}, CallSite at = CallSite::here());
WEFT_API Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                                 const ConvTransposeOptions& options = {}, CallSite at = CallSite::here());

// ---- pooling (pool.cpp) over the last one or two axes of (N, C, spatial...) or (C, spatial...). Extents as for
// convolution, with ceil_mode rounded up (a last window that would start behind x and its left padding is dropped).
// Padding is at most half the window (ValueError).
/// NaN wins; the gradient goes to the first of the largest elements, as in PyTorch.
WEFT_API Tensor max_pool1d(const Tensor& x, const PerAxis& kernel, const MaxPoolOptions& options = {},
                           CallSite at = CallSite::here());
WEFT_API Tensor max_pool2d(const Tensor& x, const PerAxis& kernel, const MaxPoolOptions& options = {},
                           CallSite at = CallSite::here());
WEFT_API Tensor avg_pool1d(const Tensor& x, const PerAxis& kernel, const AvgPoolOptions& options = {},
                           CallSite at = CallSite::here());
WEFT_API Tensor avg_pool2d(const Tensor& x, const PerAxis& kernel, const AvgPoolOptions& options = {},
                           CallSite at = CallSite::here());
/// Windows floor(o in / out) .. ceil((o + 1) in / out) - 1 for any output extents; 1 pools a whole plane.
WEFT_API Tensor adaptive_avg_pool1d(const Tensor& x, const PerAxis& output_size, CallSite at = CallSite::here());
WEFT_API Tensor adaptive_avg_pool2d(const Tensor& x, const PerAxis& output_size, CallSite at = CallSite::here());
WEFT_API Tensor adaptive_max_pool2d(const Tensor& x, const PerAxis& output_size, CallSite at = CallSite::here());

// ---- probability (softmax.cpp, random.cpp)
WEFT_API Tensor softmax(const Tensor& x, int axis, CallSite at = CallSite::here());
WEFT_API Tensor log_softmax(const Tensor& x, int axis, CallSite at = CallSite::here());
/// Zeroes each element with probability p and divides the rest by 1 - p; x itself when not training. One draw per call.
/// The mask is not stored: the way back draws it again.
WEFT_API Tensor dropout(const Tensor& x, double p, bool training = true, Generator& generator = default_generator(),
                        CallSite at = CallSite::here());

// ---- normalisation (norm.cpp): y = (x - mean) / sqrt(variance + eps) * weight + bias, variance biased. weight and
// bias may be undefined (1 and 0) and have x's dtype; statistics of 16-bit dtypes are float32. eps must be positive
// (ValueError).

/// Over the last axes, whose extents are normalized_shape; weight and bias have that shape (Ba et al., 2016). A row's
/// result does not depend on the other rows.
WEFT_API Tensor layer_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight = {},
                           const Tensor& bias = {}, double eps = 1e-5, CallSite at = CallSite::here());
/// Per channel of x (N, C) or (N, C, spatial..); weight, bias, running_mean and running_var are (C) (Ioffe and Szegedy,
/// 2015). Training: by the batch's statistics, of at least two values per channel (else ValueError); where running
/// statistics are given they become (1 - momentum) running + momentum now, in place, with the unbiased variance, both
/// or (on a throw) neither. Not training: by the running statistics, which must be given and are left alone. They have
/// x's dtype, or float32 beside 16-bit dtypes.
WEFT_API Tensor batch_norm(const Tensor& x, const Tensor& running_mean, const Tensor& running_var,
                           const Tensor& weight = {}, const Tensor& bias = {}, bool training = false,
                           double momentum = 0.1, double eps = 1e-5, CallSite at = CallSite::here());
/// Per sample and group of channels of x (N, C, spatial..); num_groups divides C; weight and bias are (C) (Wu and He,
/// 2018).
WEFT_API Tensor group_norm(const Tensor& x, std::int64_t num_groups, const Tensor& weight = {}, const Tensor& bias = {},
                           double eps = 1e-5, CallSite at = CallSite::here());

// ---- attention (attention.cpp)
/// softmax(query key^T scale) value: query (.., L, E), key (.., S, E), value (.., S, Ev) -> (.., L, Ev); leading axes
/// broadcast; scale is 1 / sqrt(E) unless given (Vaswani et al., 2017). L and S may differ.
///
/// attn_mask, broadcast to (.., L, S), says what is left out: bool, true where a query may look at a key; or floating,
/// added to the scaled scores, where -inf leaves out. So (N, 1, 1, S) masks keys that are padding. is_causal lets query
/// i look at keys 0 .. i only, on top of the mask. A query that may look at nothing gives zeros, and zero gradients.
/// dropout_p drops attention weights, one draw of the generator per call; the caller passes 0 when not training.
WEFT_API Tensor scaled_dot_product_attention(const Tensor& query, const Tensor& key, const Tensor& value,
                                             const Tensor& attn_mask = {}, double dropout_p = 0, bool is_causal = false,
                                             std::optional<double> scale = {},
                                             Generator& generator = default_generator(),
                                             CallSite at = CallSite::here());

// ---- losses (loss.cpp, class_loss.cpp). A sum or mean over no elements, or over no samples or classes: ValueError.
enum class Reduction : std::uint8_t { mean, sum, none };

/// weight (C): a factor per class, none where undefined; it gets no gradient. A negative one or NaN: ValueError where
/// the host can read them (serial, cpu). Samples labelled ignore_index have
/// loss 0. The mean divides by the sum of the weights of the samples kept, so it is NaN where all are ignored, as in
/// PyTorch.
struct NllLossOptions {
  Tensor weight = {};
  std::int64_t ignore_index = -100;
  Reduction reduction = Reduction::mean;
};
/// label_smoothing in [0, 1] mixes the label with the uniform distribution over the classes.
struct CrossEntropyOptions {
  Tensor weight = {};
  std::int64_t ignore_index = -100;
  double label_smoothing = 0;
  Reduction reduction = Reduction::mean;
};
/// -weight[label] log softmax(logits)[label]: logits (B, C) or (B, C, d1, ..), labels (B) or (B, d1, ..), int64 or
/// int32. With s = label_smoothing: (1 - s) of that, and s / C sum_c -weight[c] log softmax(logits)[c]. Labels outside
/// 0..C-1 but for ignore_index: IndexError.
WEFT_API Tensor cross_entropy(const Tensor& logits, const Tensor& labels, const CrossEntropyOptions& options,
                              CallSite at = CallSite::here());
WEFT_API Tensor cross_entropy(const Tensor& logits, const Tensor& labels, Reduction reduction = Reduction::mean,
                              CallSite at = CallSite::here());
/// -weight[label] log_probs[label], shapes and labels as for cross_entropy.
WEFT_API Tensor nll_loss(const Tensor& log_probs, const Tensor& labels, const NllLossOptions& options,
                         CallSite at = CallSite::here());
WEFT_API Tensor nll_loss(const Tensor& log_probs, const Tensor& labels, Reduction reduction = Reduction::mean,
                         CallSite at = CallSite::here());

// Elementwise losses: x and target have one shape (ShapeError; nothing is broadcast), gradients go to both.
WEFT_API Tensor mse_loss(const Tensor& x, const Tensor& target, Reduction reduction = Reduction::mean,
                         CallSite at = CallSite::here());
WEFT_API Tensor l1_loss(const Tensor& x, const Tensor& target, Reduction reduction = Reduction::mean,
                        CallSite at = CallSite::here());
/// With d = |x - target|: d^2 / (2 beta) below beta, d - beta / 2 from there on; beta = 0 is l1_loss, below:
/// ValueError.
WEFT_API Tensor smooth_l1_loss(const Tensor& x, const Tensor& target, Reduction reduction = Reduction::mean,
                               double beta = 1, CallSite at = CallSite::here());
/// Both factors broadcast to the logits; undefined: 1.
struct BceOptions {
  Tensor weight = {};      ///< of each element
  Tensor pos_weight = {};  ///< of the positive class, usually (C) for logits (B, C)
  Reduction reduction = Reduction::mean;
};
/// -weight (pos_weight target log sigmoid(x) + (1 - target) log(1 - sigmoid(x))), without overflow; target in [0, 1].
WEFT_API Tensor bce_with_logits(const Tensor& logits, const Tensor& target, const BceOptions& options,
                                CallSite at = CallSite::here());
WEFT_API Tensor bce_with_logits(const Tensor& logits, const Tensor& target, Reduction reduction = Reduction::mean,
                                CallSite at = CallSite::here());

}  // namespace weft
