#include <weft/nn/activations.h>

#include <cmath>

#include <weft/autograd/functions.h>
#include <weft/core/error.h>
#include <weft/core/message.h>

namespace weft::nn {

Tensor ReLU::forward(const Tensor& x) { return relu(x, call_site()); }
std::string ReLU::describe() const { return "ReLU()"; }
std::shared_ptr<Module> ReLU::fresh() const { return std::make_shared<ReLU>(); }

Tensor Tanh::forward(const Tensor& x) { return tanh(x, call_site()); }
std::string Tanh::describe() const { return "Tanh()"; }
std::shared_ptr<Module> Tanh::fresh() const { return std::make_shared<Tanh>(); }

Tensor Sigmoid::forward(const Tensor& x) { return sigmoid(x, call_site()); }
std::string Sigmoid::describe() const { return "Sigmoid()"; }
std::shared_ptr<Module> Sigmoid::fresh() const { return std::make_shared<Sigmoid>(); }

Tensor LeakyReLU::forward(const Tensor& x) { return leaky_relu(x, negative_slope_, call_site()); }
std::string LeakyReLU::describe() const { return message("LeakyReLU(", negative_slope_, ")"); }
std::shared_ptr<Module> LeakyReLU::fresh() const { return std::make_shared<LeakyReLU>(negative_slope_); }

Tensor ELU::forward(const Tensor& x) { return elu(x, alpha_, call_site()); }
std::string ELU::describe() const { return message("ELU(", alpha_, ")"); }
std::shared_ptr<Module> ELU::fresh() const { return std::make_shared<ELU>(alpha_); }

Tensor GELU::forward(const Tensor& x) { return gelu(x, approximate_, call_site()); }
std::string GELU::describe() const { return approximate_ == Approximate::tanh ? "GELU(tanh)" : "GELU()"; }
std::shared_ptr<Module> GELU::fresh() const { return std::make_shared<GELU>(approximate_); }

Tensor SiLU::forward(const Tensor& x) { return silu(x, call_site()); }
std::string SiLU::describe() const { return "SiLU()"; }
std::shared_ptr<Module> SiLU::fresh() const { return std::make_shared<SiLU>(); }

Softplus::Softplus(double beta, double threshold, CallSite at) : beta_(beta), threshold_(threshold) {
  if (std::isfinite(beta) && beta != 0) return;
  throw ValueError(ErrorCode::value_out_of_range, "Softplus", message("beta must be finite and not 0, not ", beta), at);
}
Tensor Softplus::forward(const Tensor& x) { return softplus(x, beta_, threshold_, call_site()); }
std::string Softplus::describe() const { return message("Softplus(", beta_, ", ", threshold_, ")"); }
std::shared_ptr<Module> Softplus::fresh() const { return std::make_shared<Softplus>(beta_, threshold_); }

Tensor Softmax::forward(const Tensor& x) { return softmax(x, axis_, call_site()); }
std::string Softmax::describe() const { return message("Softmax(", axis_, ")"); }
std::shared_ptr<Module> Softmax::fresh() const { return std::make_shared<Softmax>(axis_); }

Tensor LogSoftmax::forward(const Tensor& x) { return log_softmax(x, axis_, call_site()); }
std::string LogSoftmax::describe() const { return message("LogSoftmax(", axis_, ")"); }
std::shared_ptr<Module> LogSoftmax::fresh() const { return std::make_shared<LogSoftmax>(axis_); }

}  // namespace weft::nn
