#pragma once
// The door: a backend is a Backend. The pure functions alone make a complete and correct backend; everything below the
// line "fused" has a default composed from them (composed.cpp), everything below "abilities" a default that says no.
//
// What the caller (tensor/) has already done: shapes and dtypes are checked, broadcasting is resolved (stride 0),
// outputs are allocated, zero-size views never arrive. Outputs may be exactly one of the inputs (same data, shape and
// strides) in the elementwise functions; any other overlap is excluded. An output does not overlap itself.
//
// What a backend owes: views are used only until the call returns; work may still be queued then, on the calling
// thread's current stream. On a throw outputs are unspecified, in-out arguments unchanged (on asynchronous devices the
// first error is kept and thrown by the next synchronise, copy_out or replay). Indices and labels on synchronous
// backends are checked before the first write. Calls from several threads at once are safe as long as their memory is
// distinct. Backends are created on first use and never destroyed.

#include <cstddef>
#include <span>
#include <string_view>

#include <weft/backends/op_args.h>
#include <weft/core/device.h>
#include <weft/core/export.h>

namespace weft::backends {

struct DeviceFacts {
  const char* name = "";  ///< a text for people, e.g. the processor's name; lives as long as the backend
  std::size_t total_bytes = 0;
  std::size_t free_bytes = 0;
  int units = 1;  ///< threads, or streaming multiprocessors
  bool streams = false;
  bool graphs = false;
};

struct MemoryCounts {
  std::size_t live = 0;      ///< bytes handed out and not freed
  std::size_t peak = 0;      ///< the most `live` has been
  std::size_t reserved = 0;  ///< live plus what is kept for reuse
  std::uint64_t system_allocations = 0;
};

class Stream;   ///< opaque; a backend with streams defines its own
class Capture;  ///< opaque; a recorded step

class WEFT_API Backend {
 public:
  virtual ~Backend();
  virtual DeviceFacts facts() = 0;

  // ---- memory, in order on the calling thread's current stream
  virtual void* allocate(std::size_t bytes) = 0;  ///< 64-byte aligned, uninitialised; throws OutOfMemoryError
  virtual void free(void* p, std::size_t bytes) noexcept = 0;
  virtual void copy_in(void* to, const void* host, std::size_t bytes) = 0;  ///< host may be reused on return
  virtual void copy_out(void* host, const void* from,
                        std::size_t bytes) = 0;  ///< waits, then throws pending device errors
  virtual void synchronise() = 0;                ///< waits, then throws the oldest device error

  // ---- the pure set
  virtual void fill(const TensorView& out, Number value) = 0;
  /// Any strides, any two dtypes. Float to integer saturates, NaN becomes 0; to bool is != 0; to 16 bits rounds to
  /// even.
  virtual void copy(const TensorView& in, const TensorView& out) = 0;
  virtual void unary(UnaryOp op, const UnaryArgs& args, const TensorView& in, const TensorView& out) = 0;
  /// Operands and out have one shape and (comparisons aside) one dtype; at most one operand is a number.
  virtual void binary(BinaryOp op, const Argument& a, const Argument& b, const TensorView& out) = 0;
  /// out = condition ? a : b; condition is bool; both a and b may be numbers.
  virtual void where(const TensorView& condition, const Argument& a, const Argument& b, const TensorView& out) = 0;
  /// out has in's rank; the reduced axes have extent 1. The order of a sum depends on in's shape only. out's dtype is
  /// result_dtype(op, in.dtype). max and min propagate NaN.
  virtual void reduce(ReduceOp op, const TensorView& in, const TensorView& out) = 0;
  /// out is int64 with extent 1 along axis: the first position of the extreme; a NaN counts as the extreme.
  virtual void arg_reduce(ArgReduceOp op, const TensorView& in, int axis, const TensorView& out) = 0;
  /// out[.., i, j] = sum_k a[.., i, k] b[.., k, j] over views of one rank >= 2; transposes and broadcast batches are
  /// strides. accumulate adds the finished sum to what out holds.
  virtual void matmul(const TensorView& a, const TensorView& b, const TensorView& out, bool accumulate) = 0;
  /// out[.., i, ..] = in[.., index[.., i, ..], ..] along axis. index (int64 or int32) is broadcast to out's shape:
  /// stride 0 everywhere but on the axis makes it a row gather (embedding, index_select), which a backend should
  /// recognise.
  virtual void gather(const TensorView& in, int axis, const TensorView& index, const TensorView& out) = 0;
  /// inout[.., index[.., i, ..], ..] += from[.., i, ..]; duplicate indices are summed in the order of i.
  virtual void scatter_add(const TensorView& from, int axis, const TensorView& index, const TensorView& inout) = 0;
  /// Element i, counted in logical (row-major) order, is a function of (kind, key, i, dtype class) alone:
  /// core/philox.h. `bits` writes integers: the 32-bit word, zero-extended to int64, cut for uint8. uniform and normal
  /// write floats; float16 and bfloat16 get the float32 stream rounded.
  virtual void random(RandomKind kind, const RandomKey& key, const TensorView& out) = 0;
  /// Writes y, dx (in x's place) or dw (in w's place) from the other two. Extents are the views' own: y may have fewer
  /// positions than fit, and what no window of y looks at gets gradient 0. Sums over the batch have a fixed order.
  virtual void conv(Pass pass, const ConvGeometry& g, const TensorView& x, const TensorView& w,
                    const TensorView& y) = 0;
  /// The caller has made sure that every window sees an element of x. Averages count what a window has in the padding
  /// or not, never what it has beyond it. max: the first NaN, else the first of the largest, wins; index (int64, y's
  /// shape, its position in the plane, row-major) has null data where it is not wanted, and for averages.
  virtual void pool(const PoolGeometry& g, const TensorView& x, const TensorView& y, const TensorView& index) = 0;
  /// x, y and index are read for max only; where index has null data the positions are found again in x.
  virtual void pool_backward(const PoolGeometry& g, const TensorView& x, const TensorView& y, const TensorView& dy,
                             const TensorView& index, const TensorView& dx) = 0;
  /// Inclusive scan along axis; out's dtype as for reduce.
  virtual void scan(ScanOp op, const TensorView& in, int axis, const TensorView& out) = 0;
  /// The k = values.shape[axis] largest (or smallest) elements in order, ties by lower position; NaN counts as largest.
  virtual void topk(const TensorView& in, int axis, bool largest, const TensorView& values,
                    const TensorView& indices) = 0;

  // ---- fused forms; defaults composed from the pure set, with scratch from allocate()
  virtual void softmax(bool log, const TensorView& x, int axis, const TensorView& y);
  virtual void softmax_backward(bool log, const TensorView& dy, const TensorView& y, int axis, const TensorView& dx);
  /// Rows of logits [B, C] against labels [B]: the loss of each row and d(loss)/d(logits) in one pass. Null-data
  /// outputs are not wanted; class_weight [C] may be null. A label outside 0..C-1 other than ignore_index is an error.
  /// With args.mean (float32, float64): losses has rank 0 and gets the sum of the rows' losses over the sum of the
  /// class weights of the rows kept, and dlogits are divided by that sum.
  virtual void cross_entropy(const CrossEntropyArgs& args, const TensorView& logits, const TensorView& labels,
                             const TensorView& class_weight, const TensorView& losses, const TensorView& dlogits);
  /// x [rows, n]; scale and shift [n] may be null; mean and rstd [rows] are written for the backward.
  virtual void layer_norm(const NormArgs& args, const TensorView& x, const TensorView& scale, const TensorView& shift,
                          const TensorView& y, const TensorView& mean, const TensorView& rstd);
  virtual void layer_norm_backward(const TensorView& dy, const TensorView& x, const TensorView& scale,
                                   const TensorView& mean, const TensorView& rstd, const TensorView& dx,
                                   const TensorView& dscale, const TensorView& dshift);
  /// x [N, C, S]; everything else [C]. Training: batch statistics, and the running ones (unbiased variance) are
  /// updated.
  virtual void batch_norm(const NormArgs& args, const TensorView& x, const TensorView& scale, const TensorView& shift,
                          const TensorView& running_mean, const TensorView& running_var, const TensorView& y,
                          const TensorView& mean, const TensorView& rstd);
  virtual void batch_norm_backward(const TensorView& dy, const TensorView& x, const TensorView& scale,
                                   const TensorView& mean, const TensorView& rstd, const TensorView& dx,
                                   const TensorView& dscale, const TensorView& dshift);
  /// y = x / (1 - p) where philox_uniform(float32) >= p, else 0. The mask is never stored: backward is this call on dy.
  virtual void dropout(double p, const RandomKey& key, const TensorView& x, const TensorView& y);
  /// How many bytes the backend wants for remembering act's derivative; 0: it reads y. Never 0 for gelu_tanh, whose
  /// derivative does not follow from y.
  virtual std::size_t linear_aux_bytes(Activation act, const TensorView& y);
  /// y = act(x w^T + b): x [rows, in], w [out, in], b [out] or null, y [rows, out]. aux may be null where no backward
  /// follows, and for every activation but gelu_tanh also where one does.
  virtual void linear(Activation act, const TensorView& x, const TensorView& w, const TensorView& b,
                      const TensorView& y, void* aux);
  /// dz = dy act'(y); dx = dz w, dw = dz^T x, db = column sums of dz. Null-data outputs are not wanted. below: the
  /// activation that produced x, whose derivative is folded into dx (gelu_tanh: with its aux); none where unknown.
  virtual void linear_backward(Activation act, const TensorView& dy, const TensorView& y, const void* aux,
                               const TensorView& x, const TensorView& w, Activation below, const void* below_aux,
                               const TensorView& dx, const TensorView& dw, const TensorView& db);
  /// Every parameter in one call. Writes nothing while a device error is pending.
  virtual void optimise(const OptimArgs& args, std::span<const OptimSlot> slots);
  /// out (rank 0, float64) = sum of squares of every element of every view.
  virtual void sum_squares(std::span<const TensorView> views, const TensorView& out);
  /// Rows `index` [B] (int64) of a uint8 data set [N, ...] as floats [B, ...], and their labels [N] -> [B] (may be
  /// null).
  virtual void gather_batch(const GatherBatchArgs& args, const TensorView& data, const TensorView& labels,
                            const TensorView& index, const TensorView& out, const TensorView& out_labels);

  // ---- abilities
  virtual Stream* make_stream();  ///< null: this backend has one queue
  virtual void use_stream(Stream* stream);
  virtual void wait(Stream* until_done);
  virtual void drop_stream(Stream* stream) noexcept;
  virtual bool begin_capture();  ///< false: not supported; a tape (tape.h) records these calls instead
  virtual Capture* end_capture();
  virtual void replay(Capture* capture, int times);
  virtual void drop_capture(Capture* capture) noexcept;
  virtual void* allocate_pinned(std::size_t bytes);  ///< host memory a copy engine can read; plain memory by default
  virtual void free_pinned(void* p, std::size_t bytes) noexcept;
  virtual void copy_in_async(void* to, const void* pinned,
                             std::size_t bytes);  ///< pinned stays untouched until synchronise
  virtual MemoryCounts memory() const noexcept;
  virtual void release_cached();
  /// "matmul.kernel", "float32.precision", ...; false: this backend does not know the key or the value.
  virtual bool set_option(std::string_view key, std::string_view value);
  /// An experiment on how the device itself behaves (exhibits.h has the names and what a setting is), made once to warm
  /// up and once for each element of `seconds`, which the device's own clock measures. false: none of that name or
  /// setting.
  virtual bool exhibit(std::string_view name, std::int64_t setting, ExhibitFigures& figures, std::span<double> seconds);
  /// The public call the next calls of this thread belong to. The default remembers it for current_tag().
  virtual void tag(const OpTag& tag) noexcept;
};

/// The calling thread's last tag, for error messages.
WEFT_API OpTag current_tag() noexcept;

}  // namespace weft::backends
