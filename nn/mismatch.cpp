#include <weft/nn/mismatch.h>

#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include <weft/core/closest_name.h>
#include <weft/core/message.h>

namespace weft::nn {

std::vector<std::string> mismatches(const StateDict& own, const StateDict& given, bool strict) {
  std::vector<std::string> problems;
  std::unordered_map<std::string_view, const Tensor*> by_name;
  for (const auto& [name, tensor] : given) {
    if (!by_name.emplace(name, &tensor).second) problems.push_back(message(name, ": given twice"));
    if (!tensor.defined()) problems.push_back(message(name, ": is an undefined tensor"));
  }
  std::unordered_set<std::string_view> known;
  std::vector<std::string_view> missing;
  for (const auto& [name, tensor] : own) {
    known.insert(name);
    const auto found = by_name.find(name);
    if (found == by_name.end()) {
      missing.push_back(name);
      if (strict) problems.push_back(message(name, ": missing"));
      continue;
    }
    const Tensor& other = *found->second;
    if (!other.defined()) continue;
    if (other.shape() != tensor.shape()) {
      problems.push_back(message(name, ": shape ", tensor.shape(), " expected, ", other.shape(), " given"));
    }
    if (other.dtype() != tensor.dtype()) {
      problems.push_back(message(name, ": dtype ", tensor.dtype(), " expected, ", other.dtype(), " given"));
    }
  }
  if (strict) {
    for (const auto& [name, tensor] : given) {
      if (known.count(name) == 0) problems.push_back(message(name, ": unexpected", did_you_mean(name, missing)));
    }
  }
  return problems;
}

std::vector<std::string> mismatches(const Options& own, const Options& given) {
  std::vector<std::string> problems;
  const auto value_of = [](const Options& options, std::string_view name) -> const double* {
    for (const auto& option : options) {
      if (option.first == name) return &option.second;
    }
    return nullptr;
  };
  for (const auto& [name, value] : own) {
    const double* other = value_of(given, name);
    if (other == nullptr) {
      problems.push_back(message(name, ": missing"));
    } else if (*other != value) {
      problems.push_back(message(name, ": ", value, " expected, ", *other, " given"));
    }
  }
  for (const auto& [name, value] : given) {
    if (value_of(own, name) == nullptr) problems.push_back(message(name, ": unexpected"));
  }
  return problems;
}

StateError state_mismatch(const char* op, std::string_view what, const std::vector<std::string>& problems,
                          CallSite at) {
  std::string text = message(what, " in ", problems.size(), problems.size() == 1 ? " place" : " places");
  for (const std::string& problem : problems) text += "\n  " + problem;
  return StateError(ErrorCode::state_mismatch, op, text, at);
}

}  // namespace weft::nn
