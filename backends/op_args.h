#pragma once
// Plain structs that cross the door beside TensorView. All trivially copyable: a kernel takes them by value, a tape
// stores them.

#include <concepts>
#include <cstdint>
#include <type_traits>

#include <weft/backends/tensor_view.h>
#include <weft/core/op_kinds.h>

namespace weft::backends {

/// A host number, kept exactly: int64 as int64, everything else as double.
struct Number {
  double real = 0;
  std::int64_t integer = 0;
  bool is_integer = false;

  constexpr Number() = default;
  template <class T>
  requires(std::integral<T> ||
           std::floating_point<T>) constexpr Number(T value) noexcept  // NOLINT(google-explicit-constructor)
      : real(static_cast<double>(value)),
        integer(std::integral<T> ? static_cast<std::int64_t>(value) : 0),
        is_integer(std::integral<T>) {}

  /// The number in the dtype of the tensor beside it. Float to integer saturates and NaN becomes 0, as casts do.
  template <class T>
  constexpr T to() const noexcept {
    if constexpr (std::is_same_v<T, bool>) {
      return is_integer ? integer != 0 : real != 0;
    } else if constexpr (std::integral<T>) {
      if (is_integer) return static_cast<T>(integer);
      if (!(real == real)) return T{0};
      constexpr T lowest = std::is_signed_v<T> ? static_cast<T>(T{1} << (sizeof(T) * 8 - 1)) : T{0};
      constexpr T highest = static_cast<T>(~lowest);
      if (real <= static_cast<double>(lowest)) return lowest;
      if (real >= static_cast<double>(highest)) return highest;
      return static_cast<T>(real);
    } else if constexpr (std::floating_point<T>) {
      return is_integer ? static_cast<T>(integer) : static_cast<T>(real);
    } else {  // float16, bfloat16
      return T(is_integer ? static_cast<float>(integer) : static_cast<float>(real));
    }
  }
};

/// A view, or a number that takes the other operand's dtype: x * 0.5 allocates nothing and copies nothing to a device.
struct Argument {
  TensorView view;
  Number number;
  bool is_number = false;

  Argument() = default;
  Argument(const TensorView& v) : view(v) {}          // NOLINT(google-explicit-constructor)
  Argument(Number n) : number(n), is_number(true) {}  // NOLINT(google-explicit-constructor)
};

/// Extra parameters of parametric unary operations (bounds, slope, exponent); what they mean is said at the UnaryOp.
struct UnaryArgs {
  double a = 0;
  double b = 0;
};

/// Which random numbers: Philox4x32-10 with key = seed, counter = (element / 4, draw + *draw_base), see core/philox.h.
/// draw_base is null in eager mode; in a captured step it points at a device word every replay advances, so that replay
/// n draws what eager step n would have drawn.
struct RandomKey {
  std::uint64_t seed = 0;
  std::uint64_t draw = 0;
  const std::uint64_t* draw_base = nullptr;
};

/// What a convolution call writes: y, dx or dw.
enum class Pass : std::uint8_t { forward, grad_input, grad_weight };

/// Windows over up to three spatial axes. Layouts: x [N, C, spatial...], w [K, C / groups, kernel...], y [N, K,
/// spatial...].
struct ConvGeometry {
  int spatial = 2;
  std::int64_t kernel[3] = {1, 1, 1};
  std::int64_t stride[3] = {1, 1, 1};
  std::int64_t padding[3] = {0, 0, 0};
  std::int64_t dilation[3] = {1, 1, 1};
  std::int64_t groups = 1;
};

enum class PoolKind : std::uint8_t { max, average, average_count_padding };
struct PoolGeometry {
  PoolKind kind = PoolKind::max;
  bool adaptive = false;  ///< floor(o in / out) .. ceil((o + 1) in / out) - 1; of `window` only `spatial` is read
  ConvGeometry window;
};

using weft::Activation;

struct CrossEntropyArgs {
  std::int64_t ignore_index = -100;  ///< rows with this label have loss 0 and gradient 0
  double smoothing = 0;              ///< label smoothing in [0, 1]
  bool mean = false;                 ///< of the rows kept, weighted: see Backend::cross_entropy
};

struct NormArgs {
  double epsilon = 1e-5;
  double momentum = 0.1;  ///< weight of the new value in the running statistics
  bool training = true;
};

enum class OptimKind : std::uint8_t { sgd, adam, adamw, rmsprop };

/// What changes per step (lr, step, grad_scale) is a number in eager mode and a rank-0 float64 view inside a captured
/// step, where nothing may be frozen. Formulas as in PyTorch's optimisers of the same name.
struct OptimArgs {
  OptimKind kind = OptimKind::sgd;
  Argument lr = Number(0.1);
  Argument step = Number(1);          ///< counted from 1
  Argument grad_scale = Number(1.0);  ///< gradients are multiplied by it first (clipping, loss scaling)
  double momentum = 0;
  double dampening = 0;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;
  double alpha = 0.99;
  bool nesterov = false;
};

/// One parameter with its gradient and its optimiser state; unused states have null data. All of one shape, contiguous.
struct OptimSlot {
  TensorView param;
  TensorView grad;
  TensorView state1;  ///< sgd, rmsprop: momentum buffer; adam, adamw: first moment; zeros before step 1
  TensorView state2;  ///< adam, adamw: second moment; rmsprop: mean of squared gradients; zeros before step 1
};

/// out = in[index] * scale + shift for rows of a data set that stays uint8; computed in float64 and rounded once for
/// float32 and float64, so that a batch has the same bits wherever it is made.
struct GatherBatchArgs {
  double scale = 1.0 / 255;
  double shift = 0;
};

/// What one run of an exhibit did, counted from the kernel and not measured: seconds are beside it.
struct ExhibitFigures {
  double bytes =
      0;  ///< that the kernel's instructions ask for: of device memory, of shared memory for "bank-conflicts"
  double operations = 0;  ///< float32 additions and multiplications
  int threads = 0;        ///< of a block
  std::int64_t blocks = 0;
  int warps = 0;       ///< resident on a multiprocessor, by the runtime's occupancy calculation
  int most_warps = 0;  ///< that a multiprocessor holds
};

/// Names the public call that issued the work: for errors, traces and memory reports.
struct OpTag {
  const char* name = "";  ///< string literals
  const char* file = "";
  unsigned line = 0;
};

static_assert(std::is_trivially_copyable_v<Argument> && std::is_trivially_copyable_v<OptimArgs> &&
              std::is_trivially_copyable_v<OptimSlot> && std::is_trivially_copyable_v<PoolGeometry>);

}  // namespace weft::backends
