#include <weft/nn/module.h>

#include <unordered_set>

#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/nn/walk.h>

namespace weft::nn {

Module::~Module() = default;
Module::Module(Module&&) noexcept = default;

std::string Module::describe() const { return "Module"; }

// ---- registration

void Module::check_name(std::string_view name, const char* what, CallSite at) const {
  const auto refuse = [&](const char* why) {
    throw ValueError(ErrorCode::value_invalid, what, message("the name \"", name, "\" ", why, " in ", describe()), at);
  };
  if (name.empty() || name.find('.') != std::string_view::npos) refuse("must not be empty or hold a dot");
  for (const auto& entry : parameters_) {
    if (entry.name == name) refuse("is taken by a parameter");
  }
  for (const auto& entry : buffers_) {
    if (entry.name == name) refuse("is taken by a buffer");
  }
  for (const auto& entry : children_) {
    if (entry.first == name) refuse("is taken by a module");
  }
}

Tensor Module::register_parameter(std::string_view name, const Tensor& parameter, CallSite at) {
  check_name(name, "register_parameter", at);
  if (!parameter.defined()) return parameter;
  parameters_.push_back({std::string(name), parameter});
  try {
    parameters_.back().tensor.requires_grad_(true, at);
  } catch (...) {
    parameters_.pop_back();
    throw;
  }
  return parameter;
}

Tensor Module::register_buffer(std::string_view name, const Tensor& buffer, CallSite at) {
  check_name(name, "register_buffer", at);
  if (buffer.defined()) buffers_.push_back({std::string(name), buffer});
  return buffer;
}

void Module::check_child(std::string_view name, const Module* module, const char* what, CallSite at) const {
  if (module == nullptr) {
    throw StateError(ErrorCode::tensor_undefined, what, message("\"", name, "\" is a null pointer"), at);
  }
  for (const auto& [path, below] : module->named_modules()) {
    if (below == this) {
      throw ValueError(ErrorCode::value_invalid, what,
                       message("\"", name, "\" would make ", describe(), " contain itself"), at);
    }
  }
}

void Module::add_child(std::string_view name, std::shared_ptr<Module> module, CallSite at) {
  check_name(name, "register_module", at);
  check_child(name, module.get(), "register_module", at);
  children_.emplace_back(name, std::move(module));
}

void Module::replace_child(std::string_view name, std::shared_ptr<Module> module, CallSite at) {
  check_child(name, module.get(), "replace_module", at);
  std::string known;
  for (auto& [own, child] : children_) {
    if (own == name) {
      child = std::move(module);
      return;
    }
    known += (known.empty() ? "" : ", ") + own;
  }
  throw ValueError(ErrorCode::value_invalid, "replace_module",
                   message(describe(), " has no module \"", name, "\", only: ", known.empty() ? "none" : known), at);
}

// ---- what is registered

StateDict Module::named_parameters() const {
  StateDict found;
  std::unordered_set<const void*> seen;
  for (const auto& [path, module] : named_modules()) {
    for (const auto& [name, tensor] : module->parameters_) {
      if (seen.insert(tensor.impl()).second) found.push_back({join(path, name), tensor});
    }
  }
  return found;
}

StateDict Module::named_buffers() const {
  StateDict found;
  std::unordered_set<const void*> seen;
  for (const auto& [path, module] : named_modules()) {
    for (const auto& [name, tensor] : module->buffers_) {
      if (seen.insert(tensor.impl()).second) found.push_back({join(path, name), tensor});
    }
  }
  return found;
}

namespace {

std::vector<Tensor> tensors_of(StateDict named) {
  std::vector<Tensor> tensors;
  tensors.reserve(named.size());
  for (auto& entry : named) tensors.push_back(std::move(entry.tensor));
  return tensors;
}

}  // namespace

std::vector<Tensor> Module::parameters() const { return tensors_of(named_parameters()); }
std::vector<Tensor> Module::buffers() const { return tensors_of(named_buffers()); }

std::int64_t Module::num_parameters() const {
  std::int64_t count = 0;
  for (const Tensor& parameter : parameters()) count += parameter.numel();
  return count;
}

std::vector<std::pair<std::string, const Module*>> Module::named_modules() const {
  std::vector<std::pair<std::string, const Module*>> found;
  std::unordered_set<const Module*> seen;
  walk(std::string(), *this, [&](const std::string& path, const Module& module) {
    const bool first = seen.insert(&module).second;
    if (first) found.emplace_back(path, &module);
    return first;
  });
  return found;
}

std::vector<std::pair<std::string, Module*>> Module::named_modules() {
  std::vector<std::pair<std::string, Module*>> found;
  for (auto& [path, module] : std::as_const(*this).named_modules()) {
    found.emplace_back(path, const_cast<Module*>(module));  // reached from this, which is not const
  }
  return found;
}

// ---- mode

Module& Module::train(bool on) {
  for (auto& entry : named_modules()) entry.second->training_ = on;
  return *this;
}

void Module::zero_grad(CallSite at) {
  for (Tensor& parameter : parameters()) parameter.zero_grad(at);
}

Module& Module::requires_grad_(bool on, CallSite at) {
  for (Tensor& parameter : parameters()) parameter.requires_grad_(on, at);
  return *this;
}

// ---- printing

namespace {

void print(std::string& out, const Module& module, std::size_t indent) {
  out += module.describe();
  const auto& children = module.named_children();
  if (children.empty()) return;
  out += "(\n";
  for (const auto& [name, child] : children) {
    out.append(indent + 2, ' ');
    out += "(" + name + "): ";
    print(out, *child, indent + 2);
    out += '\n';
  }
  out.append(indent, ' ');
  out += ')';
}

}  // namespace

std::string to_string(const Module& module) {
  std::string out;
  print(out, module, 0);
  return out;
}

}  // namespace weft::nn
