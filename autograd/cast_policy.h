#pragma once
// Private: what an Autocast scope does to a function. Its first line says which dtype it wants its arguments in:
//
//     if (const autograd::In16 in; in) return matmul(in(a, at), in(b, at), at);       // products
//     if (const autograd::In32 in; in) return softmax(in(x, at), axis, at);           // what needs range or digits
//     if (autograd::meet(a, b)) return add(autograd::wider(a), autograd::wider(b));
//
// Inside an In16 or In32 the scope is suspended, so that composed functions run in the dtype that was decided here.

#include <span>
#include <utility>
#include <vector>

#include <weft/autograd/autocast.h>
#include <weft/tensor/tensor.h>

namespace weft::autograd {

struct CastMode {
  DType dtype = DType::float32;  ///< float32: off
  CastCache* cache = nullptr;    ///< of the innermost scope; null: none
  bool on() const noexcept { return dtype != DType::float32; }
};
CastMode cast_mode() noexcept;
void set_cast_mode(CastMode mode) noexcept;

/// Another mode for the length of a scope.
class CastModeScope {
 public:
  explicit CastModeScope(CastMode mode) noexcept : before_(cast_mode()) { set_cast_mode(mode); }
  ~CastModeScope() { set_cast_mode(before_); }
  CastModeScope(const CastModeScope&) = delete;
  CastModeScope& operator=(const CastModeScope&) = delete;

 private:
  CastMode before_;
};

/// An operand in another dtype, which it keeps: an Operand is a reference and lives as long as the full expression.
class CastOperand {
 public:
  CastOperand(const Operand& x, Tensor cast) : x_(x), cast_(std::move(cast)) {}
  operator Operand() const noexcept {  // NOLINT(google-explicit-constructor)
    return x_.is_number() ? x_ : Operand(cast_, x_.at());
  }

 private:
  const Operand x_;
  const Tensor cast_;
};

/// True inside an Autocast, which it suspends.
class Casting {
 public:
  Casting(const Casting&) = delete;
  Casting& operator=(const Casting&) = delete;
  explicit operator bool() const noexcept { return mode_.on(); }

 protected:
  Casting() noexcept : mode_(cast_mode()) {
    if (mode_.on()) set_cast_mode({});
  }
  ~Casting() {
    if (mode_.on()) set_cast_mode(mode_);
  }
  const CastMode mode_;
};

/// float32 and the other 16-bit dtype become the scope's; everything else stays, undefined tensors too.
class In16 : public Casting {
 public:
  In16() noexcept = default;
  Tensor operator()(const Tensor& x, CallSite at) const;
};

/// The 16-bit dtypes become float32; everything else stays, undefined tensors too.
class In32 : public Casting {
 public:
  In32() noexcept = default;
  Tensor operator()(const Tensor& x, CallSite at) const;
  CastOperand operator()(const Operand& x) const;
};

/// Inside an Autocast: two tensors of different floating dtypes, neither of them float64.
bool meet(const Operand& a, const Operand& b);
/// x as two that meet, meet: in float32, the narrowest that holds two different ones of float32, float16, bfloat16.
CastOperand wider(const Operand& x);
/// The same of a list.
bool meet(std::span<const Tensor> list);
std::vector<Tensor> wider(std::span<const Tensor> list, CallSite at);

}  // namespace weft::autograd
