#include <weft/autograd/autocast.h>

#include <unordered_map>

#include <weft/autograd/cast_policy.h>
#include <weft/autograd/record.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/tensor/step_script.h>
#include <weft/tensor/tensor_impl.h>

namespace weft {
namespace autograd {

/// The parameters a scope has cast. What is kept has no history: every use gets a node of its own, so that a second
/// backward in the scope finds no graph that the first one has freed, and evaluation without gradients shares the copy.
struct CastCache {
  struct Entry {
    backends::Stamp stamp;
    backends::TensorView source;
    Tensor cast;
  };
  /// A step that is being recorded has to cast by itself, or every replay would compute with the weights of the first.
  const StepScript* const script = StepScript::recording();
  std::unordered_map<const TensorImpl*, Entry> entries;
};

namespace {

thread_local constinit CastMode mode;

constexpr bool narrow_float(DType dtype) noexcept { return dtype == DType::float16 || dtype == DType::bfloat16; }
constexpr bool casts(DType dtype) noexcept { return dtype == DType::float32 || narrow_float(dtype); }

bool same(const backends::TensorView& a, const backends::TensorView& b) noexcept {
  return a.data == b.data && a.dtype == b.dtype && a.shape == b.shape && a.strides == b.strides;
}

Tensor cached(const Tensor& x, const CastMode& in, CallSite at) {
  const backends::TensorView view = view_of(x);
  CastCache::Entry& entry = in.cache->entries[x.impl()];
  const bool fresh = entry.cast.defined() && entry.stamp.storage == view.stamp.storage &&
                     entry.stamp.version == view.stamp.version && same(entry.source, view) &&
                     entry.cast.dtype() == in.dtype;
  if (!fresh) entry = {view.stamp, view, ops::cast(x, in.dtype, "autocast", at)};
  Tensor y = without_history(entry.cast);
  if (Recorder r{"autocast", at, x}) {
    r.record(y, [from = x.dtype()](Back& back) { back[0] = to(back.dy, from, back.at); });
  }
  return y;
}

}  // namespace

CastMode cast_mode() noexcept { return mode; }
void set_cast_mode(CastMode next) noexcept { mode = next; }

Tensor In16::operator()(const Tensor& x, CallSite at) const {
  if (!x.defined() || !casts(x.dtype()) || x.dtype() == mode_.dtype) return x;
  const bool parameter = x.requires_grad() && x.is_leaf() && x.impl()->storage->id != 0;
  if (parameter && mode_.cache != nullptr && mode_.cache->script == StepScript::recording())
    return cached(x, mode_, at);
  return to(x, mode_.dtype, at);
}

Tensor In32::operator()(const Tensor& x, CallSite at) const {
  return x.defined() && narrow_float(x.dtype()) ? to(x, DType::float32, at) : x;
}

CastOperand In32::operator()(const Operand& x) const {
  return {x, x.is_number() ? Tensor() : (*this)(x.tensor(), x.at())};
}

bool meet(const Operand& a, const Operand& b) {
  if (!mode.on() || a.is_number() || b.is_number() || !a.tensor().defined() || !b.tensor().defined()) return false;
  const DType left = a.tensor().dtype(), right = b.tensor().dtype();
  return left != right && casts(left) && casts(right);
}

CastOperand wider(const Operand& x) { return {x, to(x.tensor(), DType::float32, x.at())}; }

bool meet(std::span<const Tensor> list) {
  if (!mode.on()) return false;
  bool differ = false;
  for (const Tensor& x : list) {
    if (!x.defined() || !casts(x.dtype())) return false;
    differ |= x.dtype() != list[0].dtype();
  }
  return differ;
}

std::vector<Tensor> wider(std::span<const Tensor> list, CallSite at) {
  std::vector<Tensor> all;
  all.reserve(list.size());
  for (const Tensor& x : list) all.push_back(to(x, DType::float32, at));
  return all;
}

}  // namespace autograd

using autograd::cast_mode;
using autograd::CastCache;
using autograd::set_cast_mode;

std::optional<DType> autocast_dtype() noexcept {
  if (!cast_mode().on()) return {};
  return cast_mode().dtype;
}

Autocast::Autocast(DType dtype, CallSite at) : dtype_before_(cast_mode().dtype), cache_before_(cast_mode().cache) {
  if (dtype != DType::float16 && dtype != DType::bfloat16) {
    throw DTypeError(ErrorCode::dtype_unsupported, "Autocast",
                     message("dtype is ", dtype, ", expected float16 or bfloat16"), at);
  }
  cache_ = std::make_unique<CastCache>();
  set_cast_mode({dtype, cache_.get()});
}
Autocast::~Autocast() { set_cast_mode({dtype_before_, cache_before_}); }

NoAutocast::NoAutocast() noexcept : dtype_before_(cast_mode().dtype), cache_before_(cast_mode().cache) {
  set_cast_mode({});
}
NoAutocast::~NoAutocast() { set_cast_mode({dtype_before_, cache_before_}); }

}  // namespace weft
