#include <string>
#include <typeinfo>
#include <unordered_set>
#include <vector>

#include <weft/autograd/grad_mode.h>
#include <weft/backends/backend.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/nn/adopt.h>
#include <weft/nn/mismatch.h>
#include <weft/nn/module.h>
#include <weft/tensor/generator.h>
#include <weft/tensor/ops.h>

namespace weft::nn {
namespace {

/// The default generator is put back on the way out: initialising what is overwritten anyway draws nothing.
class KeepGenerator {
 public:
  KeepGenerator() noexcept : before_(default_generator()) {}
  ~KeepGenerator() { default_generator() = before_; }
  KeepGenerator(const KeepGenerator&) = delete;
  KeepGenerator& operator=(const KeepGenerator&) = delete;

 private:
  Generator before_;
};

/// Names and shapes only: dtypes and devices are taken over.
void compare(const char* what, const StateDict& own, const StateDict& made, std::vector<std::string>& problems) {
  for (const std::string& problem : mismatches(made, own, true)) {
    if (problem.find(": dtype ") == std::string::npos) problems.push_back(what + problem);
  }
}

}  // namespace

std::shared_ptr<Module> Module::fresh() const {
  throw StateError(ErrorCode::not_built, "clone",
                   message(describe(),
                           " does not say how to make another one: give its class the line `std::shared_ptr<Module> "
                           "fresh() const override { return std::make_shared<..>(..); }`"),
                   call_site());
}

std::shared_ptr<Module> Module::fresh_of(const Module& module) {
  std::shared_ptr<Module> made = module.fresh();
  const Module* other = made.get();
  if (other == nullptr || typeid(*other) != typeid(module)) {
    throw StateError(ErrorCode::state_mismatch, "clone",
                     message("fresh() of ", module.describe(), " made ",
                             other == nullptr ? "nothing" : "a module of another class, " + other->describe(),
                             ": a class derived from a layer needs a fresh() of its own"),
                     call_site());
  }
  return made;
}

std::shared_ptr<Module> Module::copy(CallSite at) const {
  const NoGrad off;
  const KeepGenerator keep;
  std::shared_ptr<Module> made = fresh_of(*this);
  const StateDict own = state_dict(), other = made->state_dict();
  std::vector<std::string> problems;
  compare("", own, other, problems);
  compare("unique parameter ", named_parameters(), made->named_parameters(), problems);
  if (!problems.empty()) {
    throw state_mismatch("clone", message("what fresh() of ", describe(), " makes differs from it"), problems, at);
  }
  std::unordered_set<const void*> done;
  for (std::size_t i = 0; i < own.size(); ++i) {
    const Tensor source = own[i].tensor, target = find(other, own[i].name);
    if (!done.insert(target.impl()).second) continue;
    adopt_storage(target, ops::clone(source, "clone", at));
    if (target.is_leaf() && target.requires_grad() != source.requires_grad()) {
      Tensor(target).requires_grad_(source.requires_grad(), at);
    }
  }
  const auto modules = named_modules();
  const auto copies = made->named_modules();
  for (std::size_t i = 0; i < modules.size() && i < copies.size(); ++i) {
    copies[i].second->training_ = modules[i].second->training_;
  }
  return made;
}

}  // namespace weft::nn
