#pragma once
// Private: watching the calls of the contract that a thread makes, without changing them: what profiling and comparing
// backends are made of. While a RouterScope holds an observer, every computing call of the thread passes through it.
// Memory is not observed: storages belong to the backend itself.

#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <weft/backends/backend.h>
#include <weft/backends/router.h>

namespace weft::backends {

/// One call. Views are valid during before() and after() only; optional ones that were not given are left out.
struct ObservedCall {
  const char* function;             ///< of the contract: "linear_backward"
  OpTag tag;                        ///< the public call it belongs to: "linear", train.cpp:41
  std::span<const TensorView> in;   ///< what is read
  std::span<const TensorView> out;  ///< what is written, in-out arguments included
  /// Arithmetic by the usual count: a product's multiplications and additions, one per element read or written (the
  /// larger) for everything else.
  double flops;
  Backend& target;
};

class Observer : public Router {
 public:
  Observer();
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;
  Backend& route(Backend& backend) override;

  virtual void before(const ObservedCall& call) = 0;
  virtual void after(const ObservedCall& call) = 0;  ///< not called when the call threw

 protected:
  ~Observer();

 private:
  class Watched;
  std::vector<std::pair<Backend*, std::unique_ptr<Watched>>> watched_;
};

/// The bytes behind a view: elements that stride 0 repeats are counted once.
double bytes_of(const TensorView& view) noexcept;

}  // namespace weft::backends
