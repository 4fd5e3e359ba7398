#include <weft/nn/pending.h>

#include <string_view>
#include <unordered_map>
#include <utility>

#include <weft/backends/backend.h>
#include <weft/tensor/ops.h>

namespace weft::nn {

PendingTensors::PendingTensors(const StateDict& own, const StateDict& given, const char* op, CallSite at)
    : op_(op), at_(at) {
  std::unordered_map<std::string_view, const Tensor*> by_name;
  for (const auto& [name, tensor] : given) by_name.emplace(name, &tensor);
  for (const auto& [name, tensor] : own) {
    const auto found = by_name.find(name);
    if (found == by_name.end() || found->second->is_same(tensor)) continue;
    const Tensor& source = *found->second;
    const bool near = source.device(at) == tensor.device(at);
    copies_.emplace_back(tensor, near ? source : ops::to_device(source, tensor.device(at), op, at));
  }
}

void PendingTensors::commit() {
  for (const auto& [target, source] : copies_) ops::copy_into(target, source, op_, at_);
}

}  // namespace weft::nn
