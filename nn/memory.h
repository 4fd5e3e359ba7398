#pragma once
// Knowing why: what a training step keeps in memory, by module and by what it is for.
//
//     std::cout << weft::nn::memory_report(model, images, &optimizer).to_string();

#include <cstddef>
#include <string>
#include <vector>

#include <weft/core/call_site.h>
#include <weft/core/export.h>
#include <weft/nn/module.h>
#include <weft/nn/optim.h>
#include <weft/tensor/tensor.h>

namespace weft::nn {

/// Bytes of tensors, by what they are for. A storage that several tensors share is counted once, where it is first met.
struct MemoryKinds {
  std::size_t parameters = 0;
  std::size_t gradients = 0;        ///< those there are now: none before the first backward() and after zero_grad()
  std::size_t optimizer_state = 0;  ///< there from a parameter's first step on
  std::size_t buffers = 0;
  std::size_t activations = 0;  ///< what the graph of one forward keeps for its backward, the input included

  std::size_t total() const noexcept { return parameters + gradients + optimizer_state + buffers + activations; }
};

struct ModuleMemory {
  std::string name;   ///< "body.0"; "" is the model itself
  std::string layer;  ///< Module::describe()
  MemoryKinds own;    ///< without what lies below it
};

struct WEFT_API MemoryReport {
  std::vector<ModuleMemory> modules;  ///< the model, then everything below it, in the order of named_modules()
  MemoryKinds total;
  /// What the backend of the input counts, for everything it has given out; 0 where it counts nothing.
  std::size_t live = 0;
  std::size_t peak = 0;      ///< the most `live` has been
  std::size_t reserved = 0;  ///< live plus what is kept for reuse

  std::string to_string() const;  ///< a table, in bytes
};

/// Calls the model once with `input`, in the mode it is in, recording, and drops the result. Activations are given to
/// the innermost module that was being called through operator(const Tensor&) when the graph kept them; they are seen
/// through SavedTensorHooks, so helper tensors of fused losses are not among them, and hooks that the program has
/// installed are not asked. Buffers (running statistics) and the default generator are afterwards what they were, also
/// when the call throws; a generator that a module holds itself moves on. Hooks of the model run.
///
/// `optimizer` may be null; its tensors are given to the modules whose parameters they belong to.
WEFT_API MemoryReport memory_report(Module& model, const Tensor& input, const Optimizer* optimizer = nullptr,
                                    CallSite at = CallSite::here());

}  // namespace weft::nn
