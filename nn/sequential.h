#pragma once
// Modules one after the other.

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include <weft/core/call_site.h>
#include <weft/core/export.h>
#include <weft/nn/module.h>

namespace weft::nn {

/// nn::Sequential model{nn::Linear(784, 512), nn::ReLU(), nn::Linear(512, 10)};
///
/// The children are named "0", "1", ..., so the parameters above are "0.weight", "0.bias", "2.weight", "2.bias". An
/// empty one returns its argument. A Linear and the ReLU, Tanh, Sigmoid or GELU (tanh) behind it become one call of
/// linear() with its activation, where nobody could tell: neither has hooks, and anomaly mode is off. A profile then
/// has "linear_relu" in the place of both. One Sequential alone in braces is moved from by some compilers and wrapped
/// by others: to wrap it, push_back() it.
class WEFT_API Sequential : public Module {
 public:
  Sequential() noexcept {}
  Sequential(std::initializer_list<AnyModule> layers, CallSite at = CallSite::here());

  /// Appends under the next number, or under a name of its own.
  Sequential& push_back(AnyModule layer, CallSite at = CallSite::here());
  Sequential& push_back(std::string_view name, AnyModule layer, CallSite at = CallSite::here());

  std::size_t size() const noexcept { return named_children().size(); }
  /// Throws IndexError (index_out_of_range) naming the size.
  Module& at(std::size_t index, CallSite at = CallSite::here()) const;

  Tensor forward(const Tensor& x) override;
  std::string describe() const override;

 protected:
  std::shared_ptr<Module> fresh() const override;
};

}  // namespace weft::nn
