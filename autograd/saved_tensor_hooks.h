#pragma once
// What is done with the values a graph keeps for its backward: kept elsewhere, kept smaller, computed again.
//
//     {
//       const weft::SavedTensorHooks half(
//           [](const weft::Tensor& x) { return x.to(weft::DType::bfloat16); },            // pack: any type may come
//           out
//           [](const weft::Tensor& packed) { return packed.to(weft::DType::float32); });  // unpack: the tensor again
//       loss = model(x);  // what the graph keeps takes half the memory
//     }
//     loss.backward();    // unpacks each value when its turn comes
//
// While a scope is alive, every value that a recorded call on this thread keeps goes through `pack`, which sees it
// without history and with gradients off; only what pack returned is kept. `unpack` is called by the backward, once for
// each time a call is gone through, and has to return a tensor of the same shape and dtype on the same device: else
// AutogradError (saved_mismatch). What pack or unpack throw passes through, out of the function called or out of the
// backward. Scopes nest: the innermost one alone is asked. Inside pack no hook is asked. Formulas that compute a helper
// tensor of their own (cross_entropy's gradient, made in the same pass as the loss) keep it without asking.
//
// Values already written over are still found out: where unpack returns a tensor on the storage that was packed and
// that storage was written to since, the backward throws version_conflict as it does without hooks. A copy made by pack
// has the value of then, whatever happens to the original.
//
// Thread-local. The scope object must be destroyed on the thread that made it, in reverse order of construction.

#include <concepts>
#include <functional>
#include <type_traits>
#include <utility>

#include <weft/core/call_site.h>
#include <weft/core/export.h>
#include <weft/tensor/tensor.h>

namespace weft {

namespace autograd {
class Saved;
}

class WEFT_API SavedTensorHooks {
 public:
  using Unpack = std::function<Tensor()>;
  using Pack = std::function<Unpack(const Tensor&)>;

  /// `pack` returns the function that gives the value back. ValueError (value_invalid) when it is empty.
  explicit SavedTensorHooks(Pack pack, CallSite at = CallSite::here());

  /// `pack` takes a tensor and returns anything copyable, `unpack` makes the tensor from it again.
  template <class P, class U>
  requires std::is_invocable_v<P&, const Tensor&> && std::is_invocable_r_v < Tensor, U&,
      const std::invoke_result_t<P&, const Tensor&>
  & > SavedTensorHooks(P pack, U unpack, CallSite at = CallSite::here())
      : SavedTensorHooks(Pack([pack = std::move(pack), unpack = std::move(unpack)](const Tensor& x) mutable -> Unpack {
                           return
                               [packed = pack(x), unpack]() mutable -> Tensor { return unpack(std::as_const(packed)); };
                         }),
                         at) {}

  ~SavedTensorHooks();
  SavedTensorHooks(const SavedTensorHooks&) = delete;
  SavedTensorHooks& operator=(const SavedTensorHooks&) = delete;

 private:
  friend class autograd::Saved;
  Pack pack_;
  SavedTensorHooks* outer_;
};

}  // namespace weft
