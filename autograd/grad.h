#pragma once
// Going back without touching grad(): d(outputs)/d(inputs) as tensors.
//
// How a backward works, here and in Tensor::backward(): every recorded call has a number that grows with time; the
// graph behind the outputs is walked from the highest number down, on the calling thread, without recursion. A node
// runs once, with the sum of everything that arrived. Saved values and the links to earlier nodes are freed as the walk
// passes, unless retain_graph; create_graph records the walk itself (and implies retain_graph), so that the results can
// be differentiated again. Hooks of a tensor see its complete gradient, those of leaves at the end.
//
// A backward that throws (a saved value was overwritten, a hook threw, memory ran out) has added to no leaf's grad().
// Nodes it had already passed stay freed unless retain_graph was set.
//
// Threads: backwards of separate graphs may run at once, also when they end in the same leaves (one lock guards the
// additions; their order is then the threads' order). A graph being gone through belongs to that backward: another one
// that reaches it, from a hook or another thread, throws AutogradError (reentrant_backward) before it changes anything.
//
// Under create_graph, a leaf's grad() holds a graph that leads back to the leaf: the two keep each other alive until
// zero_grad(). grad() below has no such cycle; prefer it for second derivatives.

#include <initializer_list>
#include <span>
#include <vector>

#include <weft/core/call_site.h>
#include <weft/core/export.h>
#include <weft/tensor/tensor.h>

namespace weft {

/// The gradients of sum_i <outputs[i], grad_outputs[i]> with respect to each input, which may be leaves or results on
/// the way. A grad_output may be undefined, or the list empty, where the output has one element (then it is 1).
/// AutogradError: no_gradient (an output or input records nothing; an input that no output depends on, unless
/// allow_unused: its gradient is then undefined), gradient_mismatch, graph_freed, version_conflict, reentrant_backward.
/// ValueError: grad_outputs is neither empty nor as long as outputs, or a list is empty.
WEFT_API std::vector<Tensor> grad(std::span<const Tensor> outputs, std::span<const Tensor> inputs,
                                  std::span<const Tensor> grad_outputs = {}, bool retain_graph = false,
                                  bool create_graph = false, bool allow_unused = false, CallSite at = CallSite::here());

/// The same for lists written in place: grad({loss}, {w, b}).
WEFT_API std::vector<Tensor> grad(std::initializer_list<Tensor> outputs, std::initializer_list<Tensor> inputs,
                                  std::initializer_list<Tensor> grad_outputs = {}, bool retain_graph = false,
                                  bool create_graph = false, bool allow_unused = false, CallSite at = CallSite::here());

}  // namespace weft
