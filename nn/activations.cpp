#include <weft/nn/activations.h>

#include <weft/autograd/functions.h>

namespace weft::nn {

Tensor ReLU::forward(const Tensor& x) { return relu(x, call_site()); }
std::string ReLU::describe() const { return "ReLU()"; }

Tensor Tanh::forward(const Tensor& x) { return tanh(x, call_site()); }
std::string Tanh::describe() const { return "Tanh()"; }

Tensor Sigmoid::forward(const Tensor& x) { return sigmoid(x, call_site()); }
std::string Sigmoid::describe() const { return "Sigmoid()"; }

}  // namespace weft::nn
