#include <weft/nn/sequential.h>

#include <typeinfo>

#include <weft/autograd/anomaly.h>
#include <weft/autograd/functions.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/nn/activations.h>
#include <weft/nn/children.h>
#include <weft/nn/linear.h>

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

namespace {

/// The activation that linear() can have in the same call; subclasses may do anything else.
Activation activation_of(const Module& module) {
  const std::type_info& type = typeid(module);
  if (type == typeid(ReLU)) return Activation::relu;
  if (type == typeid(Tanh)) return Activation::tanh;
  if (type == typeid(Sigmoid)) return Activation::sigmoid;
  if (type == typeid(GELU) && static_cast<const GELU&>(module).approximate() == Approximate::tanh) {
    return Activation::gelu_tanh;
  }
  return Activation::none;
}

}  // namespace

Tensor Sequential::forward(const Tensor& x) {
  const CallSite at = call_site();
  const auto& layers = named_children();
  Tensor y = x;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    Module& layer = *layers[i].second;
    if (typeid(layer) == typeid(Linear) && i + 1 < layers.size() && !DetectAnomaly::active()) {
      const Module& next = *layers[i + 1].second;
      const Activation activation = activation_of(next);
      if (activation != Activation::none && !has_hooks(layer) && !has_hooks(next)) {
        const Linear& made = static_cast<const Linear&>(layer);
        y = call_instead(
            layer, [&] { return linear(y, made.weight, made.bias, activation, call_site()); }, at);
        ++i;
        continue;
      }
    }
    y = layer(y, at);
  }
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
