#include <limits>

#include <weft/autograd/functions.h>
#include <weft/nn/clip.h>
#include <weft/nn/dropout.h>
#include <weft/nn/linear.h>
#include <weft/nn/optim.h>
#include <weft/nn/schedule.h>
#include <weft/nn/sequential.h>

#include "refusals/refusals.h"

namespace weft::test {
namespace {

Tensor leaf(Bench& bench, const Shape& shape) { return bench.keep(rand(shape)).requires_grad_(); }

std::string longer_name(const Tensor&) { return "extra.weight"; }

}  // namespace

std::vector<Refusal> module_refusals() {
  using E = ErrorCode;
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  constexpr double infinity = std::numeric_limits<double>::infinity();
  return {
      {"N1",
       "learning rate NaN",
       [](Bench& b) { nn::SGD({leaf(b, {2})}, {.lr = nan}); },
       E::value_out_of_range,
       {"[SGD]", "lr", "nan"}},
      {"N1",
       "learning rate infinite",
       [](Bench& b) { nn::SGD({leaf(b, {2})}, {.lr = infinity}); },
       E::value_out_of_range,
       {"[SGD]", "lr", "inf"}},
      {"N1",
       "learning rate negative",
       [](Bench& b) { nn::SGD({leaf(b, {2})}, {.lr = -0.5}); },
       E::value_out_of_range,
       {"[SGD]", "lr", "-0.5"}},
      {"N1",
       "learning rate set to NaN later",
       [](Bench& b) {
         nn::SGD optimizer({leaf(b, {2})}, {.lr = 0.1});
         optimizer.set_lr(nan);
       },
       E::value_out_of_range,
       {"lr", "nan"}},
      {"N2",
       "momentum 1",
       [](Bench& b) { nn::SGD({leaf(b, {2})}, {.momentum = 1}); },
       E::value_out_of_range,
       {"[SGD]", "momentum", "1"}},
      {"N2",
       "momentum negative",
       [](Bench& b) { nn::SGD({leaf(b, {2})}, {.momentum = -0.1}); },
       E::value_out_of_range,
       {"[SGD]", "momentum", "-0.1"}},
      {"N2",
       "Nesterov without momentum",
       [](Bench& b) { nn::SGD({leaf(b, {2})}, {.nesterov = true}); },
       E::value_invalid,
       {"[SGD]", "nesterov", "momentum"}},
      {"N2",
       "RMSprop's momentum 1",
       [](Bench& b) { nn::RMSprop({leaf(b, {2})}, {.momentum = 1}); },
       E::value_out_of_range,
       {"[RMSprop]", "momentum", "1"}},
      {"N3",
       "Adam's beta1 1",
       [](Bench& b) { nn::Adam({leaf(b, {2})}, {.beta1 = 1}); },
       E::value_out_of_range,
       {"[Adam]", "beta1", "1"}},
      {"N3",
       "AdamW's beta2 NaN",
       [](Bench& b) { nn::AdamW({leaf(b, {2})}, {.beta2 = nan}); },
       E::value_out_of_range,
       {"[AdamW]", "beta2", "nan"}},
      {"N3",
       "Adam's eps 0",
       [](Bench& b) { nn::Adam({leaf(b, {2})}, {.eps = 0}); },
       E::value_out_of_range,
       {"[Adam]", "eps", "0"}},
      {"N3",
       "RMSprop's eps negative",
       [](Bench& b) { nn::RMSprop({leaf(b, {2})}, {.eps = -1}); },
       E::value_out_of_range,
       {"[RMSprop]", "eps", "-1"}},
      {"N4",
       "AdamW's weight decay infinite",
       [](Bench& b) { nn::AdamW({leaf(b, {2})}, {.weight_decay = infinity}); },
       E::value_out_of_range,
       {"[AdamW]", "weight_decay", "inf"}},
      {"N4",
       "weight decay negative",
       [](Bench& b) { nn::SGD({leaf(b, {2})}, {.weight_decay = -1}); },
       E::value_out_of_range,
       {"[SGD]", "weight_decay", "-1"}},
      {"N4",
       "weight decay NaN",
       [](Bench& b) { nn::SGD({leaf(b, {2})}, {.weight_decay = nan}); },
       E::value_out_of_range,
       {"[SGD]", "weight_decay"}},
      {"N5",
       "no parameters",
       [](Bench&) { nn::SGD(std::vector<Tensor>{}); },
       E::value_invalid,
       {"[SGD]", "parameters"}},
      {"N5",
       "a second parameter group without parameters",
       [](Bench& b) {
         nn::SGD optimizer({leaf(b, {2})});
         optimizer.add_param_group({{}, {.lr = 0.1}});
       },
       E::value_invalid,
       {"[SGD]", "group 1"}},
      {"N6",
       "a parameter in two groups",
       [](Bench& b) {
         const Tensor p = leaf(b, {2});
         nn::AdamW({{{leaf(b, {3}), p}, {.lr = 0.1}}, {{p}, {.lr = 0.2}}});
       },
       E::value_invalid,
       {"[AdamW]", "parameter 0 of group 1", "twice"}},
      {"N6",
       "a parameter listed twice",
       [](Bench& b) {
         const Tensor p = leaf(b, {2});
         nn::SGD({p, p});
       },
       E::value_invalid,
       {"[SGD]", "1"}},
      {"N7",
       "a parameter that is no leaf",
       [](Bench& b) { nn::SGD({leaf(b, {2}) * 2}); },
       E::value_invalid,
       {"[SGD]", "leaf"}},
      {"N8",
       "a gradient of another shape",
       [](Bench& b) { leaf(b, {2}).set_grad(b.keep(rand({3}))); },
       E::gradient_mismatch,
       {"(2,)", "(3,)"}},
      {"N8",
       "a gradient on another device",
       [](Bench& b) { leaf(b, {2}).set_grad(b.keep(rand({2}, serial()))); },
       E::gradient_mismatch,
       {"serial", "cpu"}},
      {"N9",
       "a state dict that fits nowhere: everything listed",
       [](Bench& b) {
         nn::Sequential model{nn::Linear(3, 4), nn::Linear(4, 2)};
         for (const Tensor& p : model.parameters()) b.keep(p);
         nn::StateDict state = {{"0.weight", rand({4, 4})},
                                {"0.bias", rand({4}, DType::float64)},
                                {"1.weight", rand({2, 4})},
                                {longer_name({}), rand({1})}};
         model.load_state_dict(state);
       },
       E::state_mismatch,
       {"0.weight", "(4, 3)", "(4, 4)", "0.bias", "float64", "1.bias", "extra.weight"}},
      {"N10",
       "the state of an optimiser with other parameters",
       [](Bench& b) {
         nn::SGD one({leaf(b, {2})}, {.momentum = 0.9}), two({leaf(b, {2}), leaf(b, {3})}, {.momentum = 0.9});
         two.load_state_dict(one.state_dict());
       },
       E::state_mismatch,
       {"1", "2"}},
      {"N10",
       "the state of another optimiser",
       [](Bench& b) {
         nn::SGD sgd({leaf(b, {2})});
         nn::OptimizerState state = sgd.state_dict();
         state.type = "Adam";
         sgd.load_state_dict(state);
       },
       E::state_mismatch,
       {"Adam", "SGD"}},
      {"N9",
       "a key map that makes two names one",
       [](Bench& b) {
         nn::Sequential model{nn::Linear(3, 4)};
         for (const Tensor& p : model.parameters()) b.keep(p);
         const nn::StateDict state = {{"a.weight", rand({4, 3})}, {"b.weight", rand({4, 3})}, {"a.bias", rand({4})}};
         model.load_state_dict(state, true, {{"a.", "0."}, {"b.", "0."}});
       },
       E::state_mismatch,
       {"0.weight", "twice"}},
      {"N11",
       "a bound of 0 for the norm of gradients",
       [](Bench& b) { nn::clip_grad_norm_({leaf(b, {2})}, 0); },
       E::value_out_of_range,
       {"[clip_grad_norm_]", "max_norm", "0"}},
      {"N11",
       "a bound of NaN for the norm of gradients",
       [](Bench& b) { nn::clip_grad_norm_({leaf(b, {2})}, nan); },
       E::value_out_of_range,
       {"[clip_grad_norm_]", "max_norm", "nan"}},
      {"N11",
       "gradients whose norm is infinite",
       [](Bench& b) {
         Tensor p = leaf(b, {2});
         p.set_grad(b.keep(full({2}, infinity)));
         nn::clip_grad_norm_({p}, 1, 2, true);
       },
       E::value_out_of_range,
       {"[clip_grad_norm_]", "norm", "inf"}},
      {"N11",
       "a negative bound for the values of gradients",
       [](Bench& b) { nn::clip_grad_value_({leaf(b, {2})}, -1); },
       E::value_out_of_range,
       {"[clip_grad_value_]", "clip_value", "-1"}},
      {"N12",
       "a schedule of no steps",
       [](Bench& b) {
         nn::SGD optimizer({leaf(b, {2})});
         nn::WarmupCosine(optimizer, {.base_lr = 0.1, .total_steps = 0});
       },
       E::value_out_of_range,
       {"total_steps", "0"}},
      {"N10",
       "the state of an optimiser with other groups",
       [](Bench& b) {
         nn::SGD one({leaf(b, {2}), leaf(b, {3})}), two({{{leaf(b, {2})}, {.lr = 0.1}}, {{leaf(b, {3})}, {.lr = 0.2}}});
         two.load_state_dict(one.state_dict());
       },
       E::state_mismatch,
       {"groups", "2", "1"}},
      {"N12",
       "a gamma of NaN",
       [](Bench& b) {
         nn::SGD optimizer({leaf(b, {2})});
         nn::ExponentialLR(optimizer, {.gamma = nan});
       },
       E::value_out_of_range,
       {"[ExponentialLR]", "gamma", "nan"}},
      {"N12",
       "one cycle of 0 steps",
       [](Bench& b) {
         nn::SGD optimizer({leaf(b, {2})});
         nn::OneCycleLR(optimizer, {.max_lr = 0.1, .total_steps = 0});
       },
       E::value_out_of_range,
       {"[OneCycleLR]", "total_steps", "0"}},
      {"N12",
       "milestones out of order",
       [](Bench& b) {
         nn::SGD optimizer({leaf(b, {2})});
         nn::MultiStepLR(optimizer, {.milestones = {30, 10}});
       },
       E::value_invalid,
       {"[MultiStepLR]", "10", "30"}},
      {"N12",
       "a schedule with a rate of NaN",
       [](Bench& b) {
         nn::SGD optimizer({leaf(b, {2})});
         nn::WarmupCosine(optimizer, {.base_lr = nan, .total_steps = 5});
       },
       E::value_out_of_range,
       {"base_lr", "nan"}},
      {"N13", "a layer of 0 features", [](Bench&) { nn::Linear(0, 4); }, E::value_out_of_range, {"[Linear]", "0"}},
      {"N13", "a layer of -1 features", [](Bench&) { nn::Linear(4, -1); }, E::value_out_of_range, {"[Linear]", "-1"}},
      {"N14",
       "an input that does not fit: the layer is named",
       [](Bench& b) {
         nn::Sequential model{nn::Linear(3, 4), nn::Sequential{nn::Linear(5, 2)}};
         model(b.keep(rand({1, 3})));
       },
       E::shape_mismatch,
       {"1.0", "Linear(5, 2)", "(1, 4)"}},
      {"O29", "a dropout layer of 2", [](Bench&) { nn::Dropout(2.0); }, E::value_out_of_range, {"[Dropout]", "2"}},
  };
}

}  // namespace weft::test
