#include <weft/autograd/functions.h>

#include "refusals/refusals.h"

namespace weft::test {

std::vector<Refusal> autograd_refusals() {
  using E = ErrorCode;
  return {
      {"A1",
       "backward of two elements without a gradient",
       [](Bench& b) { (b.keep(rand({2})).requires_grad_() * 2).backward(); },
       E::no_gradient,
       {"[backward]", "(2,)"}},
      {"A2",
       "gradient of another shape",
       [](Bench& b) { (b.keep(rand({2})).requires_grad_() * 2).backward(b.keep(ones({3}))); },
       E::gradient_mismatch,
       {"[backward]", "(2,)", "(3,)"}},
      {"A2",
       "gradient of another dtype",
       [](Bench& b) { (b.keep(rand({2})).requires_grad_() * 2).backward(ones({2}, DType::float64)); },
       E::gradient_mismatch,
       {"[backward]", "float64", "float32"}},
      {"A2",
       "gradient on another device",
       [](Bench& b) { (b.keep(rand({2})).requires_grad_() * 2).backward(ones({2}, serial())); },
       E::gradient_mismatch,
       {"[backward]", "serial", "cpu"}},
      {"A3",
       "backward twice without retain_graph",
       [](Bench& b) {
         const Tensor x = b.keep(rand({2})).requires_grad_();
         const Tensor loss = sum(x * x);
         loss.backward();
         loss.backward();
       },
       E::graph_freed,
       {"[backward]", "retain_graph"}},
      {"A4",
       "in-place on a leaf that records",
       [](Bench& b) { b.keep(rand({2})).requires_grad_().add_(1); },
       E::in_place_recorded,
       {"[add_]"}},
      {"A4",
       "in-place with an argument that records",
       [](Bench& b) { b.keep(rand({2})).mul_(b.keep(rand({2})).requires_grad_()); },
       E::in_place_recorded,
       {"[mul_]"}},
      {"A4",
       "+= on a result that records",
       [](Bench& b) {
         Tensor y = b.keep(rand({2})).requires_grad_() * 2;
         y += 1;
       },
       E::in_place_recorded,
       {"[+=]"}},
      {"A5",
       "in-place on a saved value",
       [](Bench& b) {
         const Tensor x = b.keep(rand({2})).requires_grad_();
         Tensor factor = rand({2});
         const Tensor y = sum(x * factor);
         factor.add_(1);
         y.backward();
       },
       E::version_conflict,
       {"mul", "autograd.cpp"}},
      {"A5",
       "in-place through a view of a saved value",
       [](Bench& b) {
         const Tensor x = b.keep(rand({4})).requires_grad_();
         const Tensor factor = rand({4});
         const Tensor y = sum(x * factor);
         factor.narrow(0, 1, 2).fill_(0);
         y.backward();
       },
       E::version_conflict,
       {"mul"}},
      {"A6",
       "backward of what records nothing",
       [](Bench& b) { sum(b.keep(rand({2}))).backward(); },
       E::no_gradient,
       {"[backward]"}},
      {"A6",
       "backward of what was computed under NoGrad",
       [](Bench& b) {
         Tensor y;
         {
           const NoGrad off;
           y = sum(b.keep(rand({2})).requires_grad_());
         }
         y.backward();
       },
       E::no_gradient,
       {"[backward]"}},
      {"A7",
       "gradients of integers",
       [](Bench& b) { b.keep(randint(0, 5, {2})).requires_grad_(); },
       E::dtype_unsupported,
       {"[requires_grad_]", "int64"}},
      {"A8",
       "backward inside a backward of the same graph",
       [](Bench& b) {
         const Tensor x = b.keep(rand({2})).requires_grad_();
         Tensor y = x * 2;
         Tensor loss = sum(y * y);
         y.register_hook([&](const Tensor&) {
           loss.backward({}, true);
           return Tensor();
         });
         loss.backward({}, true);
       },
       E::reentrant_backward,
       {"[backward]"}},
  };
}

}  // namespace weft::test
