#include <weft/nn/linear.h>

#include <cmath>

#include <weft/autograd/functions.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/nn/init.h>

namespace weft::nn {

Linear::Linear(std::int64_t in, std::int64_t out, bool with_bias, TensorOptions options, Generator& generator,
               CallSite at)
    : in_(in), out_(out) {
  if (in < 1 || out < 1) {
    throw ValueError(ErrorCode::value_out_of_range, "Linear",
                     message("in = ", in, ", out = ", out, ": a layer has at least 1 input and 1 output"), at);
  }
  if (!is_floating(options.dtype)) {
    throw DTypeError(ErrorCode::dtype_unsupported, "Linear",
                     message("parameters are floating, dtype ", options.dtype, " was given"), at);
  }
  weight = empty({out, in}, options, at);
  init::kaiming_uniform_(weight, std::sqrt(5.0), generator, at);
  register_parameter("weight", weight, at);
  if (with_bias) {
    const double bound = 1 / std::sqrt(static_cast<double>(in));
    bias = empty({out}, options, at);
    init::uniform_(bias, -bound, bound, generator, at);
    register_parameter("bias", bias, at);
  }
}

Tensor Linear::forward(const Tensor& x) { return linear(x, weight, bias, call_site()); }

std::string Linear::describe() const {
  return message("Linear(", in_, ", ", out_, bias.defined() ? ")" : ", bias=false)");
}

std::shared_ptr<Module> Linear::fresh() const {
  return std::make_shared<Linear>(in_, out_, bias.defined(), TensorOptions(weight.device(), weight.dtype()));
}

}  // namespace weft::nn
