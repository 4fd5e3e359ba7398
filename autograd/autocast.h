#pragma once
// Mixed precision: inside the scope the products of a float32 model are computed in 16 bits, where they are faster and
// half as large, and what needs float32's range or digits stays in it. docs/mixed_precision.md has the table.
//
//     {
//       const weft::Autocast on(weft::DType::bfloat16);
//       loss = weft::cross_entropy(model(x), labels);     // the loss is float32
//     }
//     loss.backward();                                    // gradients of the float32 parameters are float32
//
// float16 has few exponents: train with a GradScaler (nn/grad_scaler.h), or small gradients become 0. bfloat16 has
// float32's range and needs none.
//
// Casts are recorded like to(). A parameter (a leaf that asks for gradients) is cast once in a scope and again when it
// was written to; the copies are freed at the end of the scope. Tensors of float64, integers and bool are left alone.
// Backward passes run without it, whether a scope is open or not, in the dtypes the forward had; checkpoint() computes
// again as the forward did. Scopes are of the thread that made them, nest, and end in reverse order.

#include <memory>
#include <optional>

#include <weft/core/call_site.h>
#include <weft/core/dtype.h>
#include <weft/core/export.h>

namespace weft {

namespace autograd {
struct CastCache;
}

/// The 16-bit dtype in force on this thread, if any.
WEFT_API std::optional<DType> autocast_dtype() noexcept;

class WEFT_API Autocast {
 public:
  /// float16 or bfloat16; DTypeError for any other.
  explicit Autocast(DType dtype, CallSite at = CallSite::here());
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  std::unique_ptr<autograd::CastCache> cache_;
  DType dtype_before_;
  autograd::CastCache* cache_before_;
};

/// Everything in its arguments' own dtypes again, inside an Autocast. What comes in from outside may be 16-bit: see
/// to().
class WEFT_API NoAutocast {
 public:
  NoAutocast() noexcept;
  ~NoAutocast();
  NoAutocast(const NoAutocast&) = delete;
  NoAutocast& operator=(const NoAutocast&) = delete;

 private:
  DType dtype_before_;
  autograd::CastCache* cache_before_;
};

}  // namespace weft
