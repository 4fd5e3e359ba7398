#include <weft/nn/sequential.h>

#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/nn/children.h>

namespace weft::nn {

Sequential::Sequential(std::initializer_list<AnyModule> layers, CallSite at) {
  for (const AnyModule& layer : layers) push_back(layer, at);
}

Sequential& Sequential::push_back(AnyModule layer, CallSite at) {
  return push_back(message(size()), std::move(layer), at);
}

Sequential& Sequential::push_back(std::string_view name, AnyModule layer, CallSite at) {
  register_module(name, layer.get(), at);
  return *this;
}

Module& Sequential::at(std::size_t index, CallSite at) const {
  if (index >= size()) {
    throw IndexError(ErrorCode::index_out_of_range, "Sequential::at",
                     message("index ", index, " of ", size(), " layers"), at);
  }
  return *named_children()[index].second;
}

Tensor Sequential::forward(const Tensor& x) {
  const CallSite at = call_site();
  Tensor y = x;
  for (const auto& [name, layer] : named_children()) y = (*layer)(y, at);
  return y;
}

std::string Sequential::describe() const { return "Sequential"; }

std::shared_ptr<Module> Sequential::fresh() const {
  auto made = std::make_shared<Sequential>();
  refill(
      *made, *this, [](const Module& module) { return fresh_of(module); }, call_site());
  return made;
}

}  // namespace weft::nn
