#include <weft/nn/optim.h>
#include <weft/nn/optim_options.h>

namespace weft::nn {
namespace {

void check(const SGDOptions& options, CallSite at) {
  const OptionCheck check("SGD", at);
  check.below_one("momentum", options.momentum);
  check.fraction("dampening", options.dampening);
  check.not_negative("weight_decay", options.weight_decay);
  if (options.nesterov && (options.momentum == 0 || options.dampening != 0)) {
    throw ValueError(ErrorCode::value_invalid, "SGD",
                     message("nesterov needs momentum > 0 and dampening = 0, not momentum = ", options.momentum,
                             ", dampening = ", options.dampening),
                     at);
  }
}

}  // namespace

SGD::SGD(std::vector<Tensor> parameters, SGDOptions options, CallSite at) : Optimizer("SGD", 1, at) {
  add_param_group({std::move(parameters), options}, at);
}

SGD::SGD(std::vector<Group> groups, CallSite at) : Optimizer("SGD", groups.size(), at) {
  for (Group& group : groups) add_param_group(std::move(group), at);
}

void SGD::add_param_group(Group group, CallSite at) {
  const SGDOptions& o = group.options;
  check(o, at);
  Recipe recipe;
  recipe.lr = o.lr;
  recipe.args.kind = backends::OptimKind::sgd;
  recipe.args.momentum = o.momentum;
  recipe.args.dampening = o.dampening;
  recipe.args.weight_decay = o.weight_decay;
  recipe.args.nesterov = o.nesterov;
  recipe.options = {{"momentum", o.momentum},
                    {"dampening", o.dampening},
                    {"weight_decay", o.weight_decay},
                    {"nesterov", o.nesterov ? 1.0 : 0.0}};
  if (o.momentum != 0) recipe.states[0] = "momentum_buffer";
  add_group(std::move(group.parameters), std::move(recipe), at);
}

}  // namespace weft::nn
