#include <weft/nn/summary.h>

#include <cstdint>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <weft/autograd/grad_mode.h>
#include <weft/core/dtype.h>
#include <weft/core/message.h>
#include <weft/nn/text_table.h>
#include <weft/nn/walk.h>
#include <weft/tensor/creation.h>

namespace weft::nn {
namespace {

/// Eval mode and a hook on every module; both taken back on the way out.
class Watched {
 public:
  explicit Watched(Module& model, CallSite at) : modules_(model.named_modules()) {
    for (const auto& entry : modules_) modes_.push_back(entry.second->is_training());
    handles_.reserve(modules_.size());
    for (const auto& entry : modules_) {
      handles_.push_back(entry.second->register_forward_hook(
          [this](Module& module, const Tensor&, const Tensor& y) {
            Call& call = calls_[&module];
            call.shape = y.defined() ? to_string(y.shape()) : "undefined";
            ++call.count;
          },
          at));
    }
    model.eval();
  }
  ~Watched() {
    for (HookHandle& handle : handles_) handle.remove();
    for (std::size_t i = 0; i < modules_.size(); ++i) modules_[i].second->train(modes_[i]);  // parents first
  }
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;

  const std::vector<std::pair<std::string, Module*>>& modules() const { return modules_; }
  std::string result_of(const Module* module) const {
    const auto found = calls_.find(module);
    if (found == calls_.end()) return "-";
    const auto& [shape, count] = found->second;
    return count == 1 ? shape : message(shape, " x", count);
  }

 private:
  struct Call {
    std::string shape;
    int count = 0;
  };
  std::vector<std::pair<std::string, Module*>> modules_;
  std::vector<bool> modes_;
  std::vector<HookHandle> handles_;
  std::unordered_map<const Module*, Call> calls_;
};

struct Count {
  std::int64_t elements = 0, trained = 0, bytes = 0;
  void add(const Tensor& tensor) {
    const std::int64_t n = tensor.numel();
    elements += n;
    trained += tensor.requires_grad() ? n : 0;
    bytes += n * static_cast<std::int64_t>(item_size(tensor.dtype()));
  }
};

}  // namespace

std::string summary(Module& model, const Tensor& input, CallSite at) {
  const NoGrad off;
  std::vector<TableRow> rows = {{"layer", "result", "parameters", "bytes"}};
  Count all, buffers;
  {
    const Watched watched(model, at);
    model(input, at);
    std::unordered_set<const void*> seen;
    for (const auto& [path, module] : watched.modules()) {
      Count own;
      for (const auto& [name, tensor] : module->named_parameters()) {
        if (!is_own(name) || !seen.insert(tensor.impl()).second) continue;
        own.add(tensor);
        all.add(tensor);
      }
      for (const auto& [name, tensor] : module->named_buffers()) {
        if (is_own(name) && seen.insert(tensor.impl()).second) buffers.add(tensor);
      }
      rows.push_back({tree_cell(path, module->describe()), watched.result_of(module), with_commas(own.elements),
                      with_commas(own.bytes)});
    }
  }
  std::string text = text_table(rows, 2);
  text += message(with_commas(all.elements), " parameters, ", with_commas(all.trained), " of them trained, ",
                  with_commas(all.bytes), " bytes");
  if (buffers.elements > 0) {
    text += message("; buffers: ", with_commas(buffers.elements), buffers.elements == 1 ? " element, " : " elements, ",
                    with_commas(buffers.bytes), " bytes");
  }
  return text + '\n';
}

std::string summary(Module& model, const Shape& input, CallSite at) {
  TensorOptions options;
  const std::vector<Tensor> parameters = model.parameters();
  if (!parameters.empty()) options = {parameters[0].device(at), parameters[0].dtype(at)};
  return summary(model, zeros(input, options, at), at);
}

}  // namespace weft::nn
