#include <weft/nn/flatten.h>

#include <weft/autograd/functions.h>
#include <weft/core/message.h>

namespace weft::nn {

Tensor Flatten::forward(const Tensor& x) { return flatten(x, first_, last_, call_site()); }

std::string Flatten::describe() const { return message("Flatten(", first_, ", ", last_, ")"); }

std::shared_ptr<Module> Flatten::fresh() const { return std::make_shared<Flatten>(first_, last_); }

}  // namespace weft::nn
