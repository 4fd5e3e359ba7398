#include <weft/nn/dropout.h>

#include <weft/autograd/functions.h>
#include <weft/core/error.h>
#include <weft/core/message.h>

namespace weft::nn {

Dropout::Dropout(double p, Generator& generator, CallSite at) : p_(p), generator_(&generator) {
  if (!(p >= 0 && p <= 1)) {
    throw ValueError(ErrorCode::value_out_of_range, "Dropout", message("p = ", p, " is not in [0, 1]"), at);
  }
}

Tensor Dropout::forward(const Tensor& x) { return dropout(x, p_, is_training(), *generator_, call_site()); }

std::string Dropout::describe() const { return message("Dropout(", p_, ")"); }

std::shared_ptr<Module> Dropout::fresh() const { return std::make_shared<Dropout>(p_, *generator_); }

}  // namespace weft::nn
