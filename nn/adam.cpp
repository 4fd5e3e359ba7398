#include <weft/nn/optim.h>
#include <weft/nn/optim_options.h>

namespace weft::nn {

Adam::Adam(std::vector<Tensor> parameters, AdamOptions options, CallSite at) : Optimizer("Adam", 1, at) {
  add_param_group({std::move(parameters), options}, at);
}

Adam::Adam(std::vector<Group> groups, CallSite at) : Optimizer("Adam", groups.size(), at) {
  for (Group& group : groups) add_param_group(std::move(group), at);
}

AdamW::AdamW(std::vector<Tensor> parameters, AdamWOptions options, CallSite at) : Optimizer("AdamW", 1, at) {
  add_param_group({std::move(parameters), options}, at);
}

AdamW::AdamW(std::vector<Group> groups, CallSite at) : Optimizer("AdamW", groups.size(), at) {
  for (Group& group : groups) add_param_group(std::move(group), at);
}

namespace {

/// What the recipes of Adam and AdamW share.
template <class Recipe, class Options>
Recipe adam_recipe(backends::OptimKind kind, const char* name, const Options& o, CallSite at) {
  const OptionCheck check(name, at);
  check.below_one("beta1", o.beta1);
  check.below_one("beta2", o.beta2);
  check.positive("eps", o.eps);
  check.not_negative("weight_decay", o.weight_decay);
  Recipe recipe;
  recipe.lr = o.lr;
  recipe.args.kind = kind;
  recipe.args.beta1 = o.beta1;
  recipe.args.beta2 = o.beta2;
  recipe.args.epsilon = o.eps;
  recipe.args.weight_decay = o.weight_decay;
  recipe.options = {{"beta1", o.beta1}, {"beta2", o.beta2}, {"eps", o.eps}, {"weight_decay", o.weight_decay}};
  recipe.states[0] = "exp_avg";
  recipe.states[1] = "exp_avg_sq";
  return recipe;
}

}  // namespace

void Adam::add_param_group(Group group, CallSite at) {
  add_group(std::move(group.parameters), adam_recipe<Recipe>(backends::OptimKind::adam, "Adam", group.options, at), at);
}

void AdamW::add_param_group(Group group, CallSite at) {
  add_group(std::move(group.parameters), adam_recipe<Recipe>(backends::OptimKind::adamw, "AdamW", group.options, at),
            at);
}

}  // namespace weft::nn
