#include <weft/nn/memory.h>

#include <charconv>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include <weft/autograd/grad_mode.h>
#include <weft/autograd/saved_tensor_hooks.h>
#include <weft/backends/registry.h>
#include <weft/core/message.h>
#include <weft/nn/running.h>
#include <weft/nn/text_table.h>
#include <weft/nn/walk.h>
#include <weft/tensor/generator.h>
#include <weft/tensor/tensor_impl.h>

namespace weft::nn {
namespace {

/// Storages, each with its bytes once.
class Storages {
 public:
  /// 0 for one that was met before. Holds on to the tensor, so that no address is used twice.
  std::size_t add(const Tensor& tensor) {
    if (!tensor.defined() || !met_.insert(tensor.impl()->storage).second) return 0;
    held_.push_back(tensor);
    return tensor.impl()->storage->bytes;
  }

 private:
  std::unordered_set<const Storage*> met_;
  std::vector<Tensor> held_;
};

/// Sets what a forward in train mode changes back.
class Restored {
 public:
  Restored(Module& model, CallSite at) : draw_(default_generator()), at_(at) {
    const NoGrad off;
    for (const Tensor& buffer : model.buffers()) buffers_.emplace_back(buffer, buffer.clone(at));
  }
  ~Restored() {
    default_generator() = draw_;
    const NoGrad off;
    try {
      for (auto& [buffer, before] : buffers_) buffer.copy_(before, at_);
    } catch (...) {  // same shape, dtype and device: nothing is left to refuse
    }
  }
  Restored(const Restored&) = delete;
  Restored& operator=(const Restored&) = delete;

 private:
  Generator draw_;
  CallSite at_;
  std::vector<std::pair<Tensor, Tensor>> buffers_;
};

/// "12.momentum_buffer" -> 12
std::size_t parameter_of(std::string_view name) {
  std::size_t index = 0;
  std::from_chars(name.data(), name.data() + name.size(), index);
  return index;
}

}  // namespace

MemoryReport memory_report(Module& model, const Tensor& input, const Optimizer* optimizer, CallSite at) {
  MemoryReport report;
  Storages storages;
  std::unordered_map<std::string, std::size_t> row_of_module;
  std::unordered_map<const TensorImpl*, std::size_t> row_of_parameter;
  for (const auto& [path, module] : model.named_modules()) {
    row_of_module.emplace(path, report.modules.size());
    MemoryKinds own;
    for (const auto& [name, tensor] : module->named_parameters()) {
      if (!is_own(name) || !row_of_parameter.emplace(tensor.impl(), report.modules.size()).second) continue;
      own.parameters += storages.add(tensor);
      own.gradients += storages.add(tensor.grad(at));
    }
    for (const auto& [name, tensor] : module->named_buffers()) {
      if (is_own(name)) own.buffers += storages.add(tensor);
    }
    report.modules.push_back({path, module->describe(), own});
  }

  if (optimizer != nullptr) {
    for (const auto& [name, tensor] : optimizer->state_dict().tensors) {
      const Tensor& parameter = optimizer->parameters()[parameter_of(name)];
      const auto row = row_of_parameter.find(parameter.impl());
      const std::size_t bytes = storages.add(tensor);
      if (row != row_of_parameter.end()) report.modules[row->second].own.optimizer_state += bytes;
    }
  }

  {
    const Restored restored(model, at);
    const EnableGrad on;
    const SavedTensorHooks keep([&](const Tensor& x) -> SavedTensorHooks::Unpack {
      const auto row = row_of_module.find(running_path());
      report.modules[row == row_of_module.end() ? 0 : row->second].own.activations += storages.add(x);
      return [x] { return x; };
    });
    model(input, at);
  }

  for (const ModuleMemory& module : report.modules) {
    report.total.parameters += module.own.parameters;
    report.total.gradients += module.own.gradients;
    report.total.optimizer_state += module.own.optimizer_state;
    report.total.buffers += module.own.buffers;
    report.total.activations += module.own.activations;
  }
  const backends::MemoryCounts counts = backends::backend_for(input.device(at), at).memory();
  report.live = counts.live;
  report.peak = counts.peak;
  report.reserved = counts.reserved;
  return report;
}

std::string MemoryReport::to_string() const {
  std::vector<TableRow> rows = {
      {"layer (bytes)", "parameters", "gradients", "optimizer", "buffers", "activations", "sum"}};
  const auto cells = [](std::string name, const MemoryKinds& kinds) {
    TableRow row = {std::move(name)};
    for (std::size_t bytes :
         {kinds.parameters, kinds.gradients, kinds.optimizer_state, kinds.buffers, kinds.activations, kinds.total()}) {
      row.push_back(bytes == 0 ? "-" : with_commas(static_cast<std::int64_t>(bytes)));
    }
    return row;
  };
  for (const ModuleMemory& module : modules) rows.push_back(cells(tree_cell(module.name, module.layer), module.own));
  rows.push_back(cells("all", total));
  std::string text = text_table(rows, 1);
  if (peak != 0) {
    const auto number = [](std::size_t bytes) { return with_commas(static_cast<std::int64_t>(bytes)); };
    text += message("The backend has ", number(live), " bytes in use now, had ", number(peak), " at most and holds ",
                    number(reserved), ".\n");
  }
  return text;
}

}  // namespace weft::nn
