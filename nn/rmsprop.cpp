#include <weft/nn/optim.h>
#include <weft/nn/optim_options.h>

namespace weft::nn {

RMSprop::RMSprop(std::vector<Tensor> parameters, RMSpropOptions options, CallSite at) : Optimizer("RMSprop", 1, at) {
  add_param_group({std::move(parameters), options}, at);
}

RMSprop::RMSprop(std::vector<Group> groups, CallSite at) : Optimizer("RMSprop", groups.size(), at) {
  for (Group& group : groups) add_param_group(std::move(group), at);
}

void RMSprop::add_param_group(Group group, CallSite at) {
  const RMSpropOptions& o = group.options;
  const OptionCheck check("RMSprop", at);
  check.below_one("alpha", o.alpha);
  check.positive("eps", o.eps);
  check.not_negative("weight_decay", o.weight_decay);
  check.below_one("momentum", o.momentum);
  Recipe recipe;
  recipe.lr = o.lr;
  recipe.args.kind = backends::OptimKind::rmsprop;
  recipe.args.alpha = o.alpha;
  recipe.args.epsilon = o.eps;
  recipe.args.weight_decay = o.weight_decay;
  recipe.args.momentum = o.momentum;
  recipe.options = {{"alpha", o.alpha}, {"eps", o.eps}, {"weight_decay", o.weight_decay}, {"momentum", o.momentum}};
  if (o.momentum != 0) recipe.states[0] = "momentum_buffer";
  recipe.states[1] = "square_avg";
  add_group(std::move(group.parameters), std::move(recipe), at);
}

}  // namespace weft::nn
