#pragma once
// Memory for time: a part of the model whose intermediate values are computed again when the backward needs them.
//
//     weft::Tensor h = weft::checkpoint([&](const weft::Tensor& x) { return block(x); }, x);
//
// The graph is recorded as ever, so gradients reach the inputs and everything the function captured (parameters of
// modules), and grad(), create_graph, retain_graph and hooks work as without; but none of the values the function's
// calls save are kept: only its inputs are. When a backward first needs one of them, the function is called once more
// on the same inputs, with random numbers drawn again from the same state, and its values are used and dropped as the
// backward passes. It may be nested; an inner part's inputs are then not kept either, the outer part makes them again.
//
// The function has to do the same the second time: the same calls in the same order on values that did not change. It
// is copied, and what it captures by reference must live until the backward is done. Where it depends on captured
// tensors, those that were written in place since (an optimiser's step between forward and backward) throw
// version_conflict; another number of saved values, or other shapes, AutogradError (saved_mismatch). Side effects
// happen twice: running statistics of a batch norm inside are updated twice.
//
// In a captured step (weft::capture) forward and backward have to be in the same step: StateError otherwise.
//
// What tensors of its own a captured function keeps alive is the caller's: pass large values as inputs.
//
// Threads: as for any graph. With preserve_rng_state the generators are set back during a recomputation, so no other
// thread may draw from them meanwhile.

#include <functional>
#include <vector>

#include <weft/core/call_site.h>
#include <weft/core/export.h>
#include <weft/tensor/generator.h>
#include <weft/tensor/tensor.h>

namespace weft {

struct CheckpointOptions {
  /// Random numbers of the recomputation are those of the first call: the default generator's and those of
  /// `generators`.
  bool preserve_rng_state = true;
  std::vector<Generator*> generators = {};  ///< others that fn draws from; they outlive the graph
};

/// fn(inputs). ValueError: fn or a generator is empty; StateError: an input is undefined. What fn throws passes
/// through.
WEFT_API std::vector<Tensor> checkpoint(const std::function<std::vector<Tensor>(const std::vector<Tensor>&)>& fn,
                                        const std::vector<Tensor>& inputs, const CheckpointOptions& options = {},
                                        CallSite at = CallSite::here());

/// For one tensor in and one out.
WEFT_API Tensor checkpoint(const std::function<Tensor(const Tensor&)>& fn, const Tensor& input,
                           const CheckpointOptions& options = {}, CallSite at = CallSite::here());

}  // namespace weft
