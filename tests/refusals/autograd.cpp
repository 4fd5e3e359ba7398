#include <weft/autograd/anomaly.h>
#include <weft/autograd/checkpoint.h>
#include <weft/autograd/function.h>
#include <weft/autograd/functions.h>
#include <weft/autograd/grad.h>
#include <weft/autograd/saved_tensor_hooks.h>

#include "refusals/refusals.h"

namespace weft::test {
namespace {

/// A function of the user's own whose backward gives something wrong.
enum class Fault { none, too_few, shape, dtype, not_a_tensor };
template <Fault fault>
struct Scaled : Function<Scaled<fault>> {
  static constexpr const char* name = "scaled";
  static constexpr bool once_differentiable = true;
  static Tensor forward(FunctionContext& ctx, const Tensor& x, double factor) {
    ctx.save_for_backward({x});
    return x * factor;
  }
  static std::vector<Tensor> backward(FunctionContext&, const std::vector<Tensor>& dy) {
    if constexpr (fault == Fault::too_few) return {dy[0]};
    if constexpr (fault == Fault::shape) return {ones({3, 3}), {}};
    if constexpr (fault == Fault::dtype) return {dy[0].to(DType::float64), {}};
    if constexpr (fault == Fault::not_a_tensor) return {dy[0], dy[0]};
    return {dy[0] * 2.0, {}};
  }
};

struct Writes : Function<Writes> {
  static constexpr const char* name = "writes";
  static Tensor forward(FunctionContext&, const Tensor& x) {
    Tensor target = x;
    return target.mul_(1.0);
  }
  static std::vector<Tensor> backward(FunctionContext&, const std::vector<Tensor>& dy) { return dy; }
};

template <Fault fault>
void go_back(Bench& b) {
  Scaled<fault>::apply(b.keep(rand({2})).requires_grad_(), 2.0).sum().backward();
}

}  // namespace

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
      {"A9",
       "a function of one's own gives too few gradients",
       go_back<Fault::too_few>,
       E::gradient_mismatch,
       {"[scaled]", "1 gradients", "2 arguments", "autograd.cpp"}},
      {"A9",
       "a function of one's own gives a gradient of another shape",
       go_back<Fault::shape>,
       E::gradient_mismatch,
       {"[scaled]", "argument 0", "(3, 3)", "(2,)"}},
      {"A9",
       "a function of one's own gives a gradient of another dtype",
       go_back<Fault::dtype>,
       E::gradient_mismatch,
       {"[scaled]", "float64", "float32"}},
      {"A9",
       "a function of one's own gives a number a gradient",
       go_back<Fault::not_a_tensor>,
       E::gradient_mismatch,
       {"[scaled]", "argument 1", "no tensor"}},
      {"A11",
       "NaN in a backward under anomaly mode: the forward call is named",
       [](Bench& b) {
         const Tensor x = b.keep(zeros({2})).requires_grad_();
         const Tensor y = sum(sqrt(x) * 0.0);
         const DetectAnomaly on;
         y.backward();
       },
       E::non_finite,
       {"[backward]", "[sqrt]", "autograd.cpp", "NaN at (0,)"}},
      {"A11",
       "an infinity in a backward, when asked",
       [](Bench& b) {
         const Tensor x = b.keep(zeros({2})).requires_grad_();
         const DetectAnomaly on({.infinities = true});
         sum(sqrt(x)).backward();
       },
       E::non_finite,
       {"[sqrt]", "infinity"}},
      {"A11",
       "NaN in a forward call, when asked",
       [](Bench& b) {
         const DetectAnomaly on({.forward = true});
         log(b.keep(full({2}, -1)).requires_grad_());
       },
       E::non_finite,
       {"[log]", "NaN"}},
      {"A14",
       "the second derivative of a function that has only a first",
       [](Bench& b) {
         const Tensor x = b.keep(rand({2})).requires_grad_();
         const Tensor first = grad({Scaled<Fault::none>::apply(x * x, 2.0).sum()}, {x}, {}, false, true)[0];
         first.sum().backward();
       },
       E::differentiated_once,
       {"[scaled]", "once_differentiable"}},
      {"A15",
       "a checkpointed function that does something else the second time",
       [](Bench& b) {
         int calls = 0;
         const auto fickle = [&](const Tensor& x) { return ++calls == 1 ? exp(x) : exp(exp(x)); };
         checkpoint(fickle, b.keep(rand({2})).requires_grad_()).sum().backward();
       },
       E::saved_mismatch,
       {"[checkpoint]", "autograd.cpp"}},
      {"A15",
       "a hook that unpacks another shape",
       [](Bench& b) {
         const Tensor x = b.keep(rand({2})).requires_grad_();
         Tensor y;
         {
           const SavedTensorHooks hooks([](const Tensor& t) { return t; }, [](const Tensor&) { return ones({3}); });
           y = sum(x * x);
         }
         y.backward();
       },
       E::saved_mismatch,
       {"[mul]", "(3,)", "(2,)"}},
      {"A16",
       "a function of one's own that writes to its argument",
       [](Bench& b) { Writes::apply(b.keep(rand({2})).requires_grad_()); },
       E::in_place_recorded,
       {"[writes]", "argument 0"}},
  };
}

}  // namespace weft::test
