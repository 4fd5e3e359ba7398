#include <cmath>

#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/nn/optim.h>

namespace weft::nn {
namespace {

SGDOptions checked(SGDOptions options, CallSite at) {
  const auto refuse = [&](const char* name, double value, const char* range) {
    throw ValueError(ErrorCode::value_out_of_range, "SGD", message(name, " = ", value, ' ', range), at);
  };
  if (!(options.momentum >= 0 && options.momentum < 1)) refuse("momentum", options.momentum, "is not in [0, 1)");
  if (!(options.dampening >= 0 && options.dampening <= 1)) refuse("dampening", options.dampening, "is not in [0, 1]");
  if (!std::isfinite(options.weight_decay) || options.weight_decay < 0) {
    refuse("weight_decay", options.weight_decay, "is not a finite number >= 0");
  }
  if (options.nesterov && (options.momentum == 0 || options.dampening != 0)) {
    throw ValueError(ErrorCode::value_invalid, "SGD",
                     message("nesterov needs momentum > 0 and dampening = 0, not momentum = ", options.momentum,
                             ", dampening = ", options.dampening),
                     at);
  }
  return options;
}

}  // namespace

SGD::SGD(std::vector<Tensor> parameters, SGDOptions options, CallSite at)
    : Optimizer("SGD", std::move(parameters), options.lr, at), options_(checked(options, at)) {}

const char* SGD::type() const noexcept { return "SGD"; }

std::vector<std::pair<std::string, double>> SGD::options() const {
  return {{"momentum", options_.momentum},
          {"dampening", options_.dampening},
          {"weight_decay", options_.weight_decay},
          {"nesterov", options_.nesterov ? 1.0 : 0.0}};
}

backends::OptimArgs SGD::args() const {
  backends::OptimArgs args;
  args.kind = backends::OptimKind::sgd;
  args.momentum = options_.momentum;
  args.dampening = options_.dampening;
  args.weight_decay = options_.weight_decay;
  args.nesterov = options_.nesterov;
  return args;
}

std::vector<std::string> SGD::state_names() const {
  if (options_.momentum == 0) return {};
  return {"momentum_buffer"};
}

}  // namespace weft::nn
