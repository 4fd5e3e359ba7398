#include <weft/nn/module_list.h>

#include <weft/core/closest_name.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/nn/children.h>

namespace weft::nn {
namespace {

[[noreturn]] void refuse_other_type(const char* op, const Module& module, CallSite at) {
  throw ValueError(ErrorCode::value_invalid, op, message("the module is ", module.describe(), ", of another type"), at);
}

}  // namespace

// ---- ModuleList

ModuleList::ModuleList(std::initializer_list<AnyModule> modules, CallSite at) {
  for (const AnyModule& module : modules) push_back(module, at);
}

ModuleList& ModuleList::push_back(AnyModule module, CallSite at) {
  register_module(message(size()), module.get(), at);
  return *this;
}

Module& ModuleList::at(std::size_t index, CallSite at) const {
  if (index >= size()) {
    throw IndexError(ErrorCode::index_out_of_range, "ModuleList::at",
                     message("index ", index, " of ", size(), " modules"), at);
  }
  return *named_children()[index].second;
}

void ModuleList::refuse_type(const Module& module, CallSite at) { refuse_other_type("ModuleList::get", module, at); }

std::string ModuleList::describe() const { return "ModuleList"; }

std::shared_ptr<Module> ModuleList::fresh() const {
  auto made = std::make_shared<ModuleList>();
  refill(
      *made, *this, [](const Module& module) { return fresh_of(module); }, call_site());
  return made;
}

// ---- ModuleDict

ModuleDict::ModuleDict(std::initializer_list<std::pair<std::string, AnyModule>> modules, CallSite at) {
  for (const auto& [name, module] : modules) insert(name, module, at);
}

ModuleDict& ModuleDict::insert(std::string_view name, AnyModule module, CallSite at) {
  register_module(name, module.get(), at);
  return *this;
}

bool ModuleDict::contains(std::string_view name) const noexcept {
  for (const auto& entry : named_children()) {
    if (entry.first == name) return true;
  }
  return false;
}

std::vector<std::string> ModuleDict::keys() const {
  std::vector<std::string> names;
  for (const auto& entry : named_children()) names.push_back(entry.first);
  return names;
}

Module& ModuleDict::at(std::string_view name, CallSite at) const {
  std::vector<std::string_view> names;
  for (const auto& entry : named_children()) {
    if (entry.first == name) return *entry.second;
    names.push_back(entry.first);
  }
  throw ValueError(ErrorCode::value_invalid, "ModuleDict::at",
                   message("there is no module \"", name, '"', did_you_mean(name, names)), at);
}

void ModuleDict::refuse_type(const Module& module, CallSite at) { refuse_other_type("ModuleDict::get", module, at); }

std::string ModuleDict::describe() const { return "ModuleDict"; }

std::shared_ptr<Module> ModuleDict::fresh() const {
  auto made = std::make_shared<ModuleDict>();
  refill(
      *made, *this, [](const Module& module) { return fresh_of(module); }, call_site());
  return made;
}

}  // namespace weft::nn
