#pragma once
// A training step recorded once and replayed: the device's calls without the host's work between them.
//
//     weft::CapturedStep step = weft::capture([&] {
//       optimizer.zero_grad();
//       const weft::Tensor rows = order.index_select(0, cursor);       // a batch chosen on the device
//       loss = weft::cross_entropy(model(images.index_select(0, rows)), labels.index_select(0, rows));
//       loss.backward();
//       optimizer.step();
//       schedule.step();
//       cursor.add_(batch_size);
//     });
//     step.replay(99);                                                  // 100 steps in all
//     std::printf("%f\n", loss.item());
//
// capture(fn) calls fn twice: the first call executes, it is step 1; the second only records and executes nothing, on
// any backend. n replays are then steps 2 to n + 1, with the bits of n + 1 eager calls.
//
// What is counted on the host goes on counting: an optimiser's steps and learning rate, a schedule's position, a
// generator's draws. Their objects must outlive the captured step; lr may be changed between replays. Storages written
// in place have their versions raised by every replay.
//
// What would freeze a host value in the step is refused by name (StateError, read_only), while recording: item(),
// to_vector(), printing, copies from or to the host (a batch from a DataLoader, from_vector), randperm, another device.
// So is a gradient that stands from before the step, which every replay would add again: begin with zero_grad().
//
// What is carried from step to step must be written in place, as `cursor` above: a Tensor variable assigned in fn
// names, after the capture, the result of the recorded call, and holds what the latest replay wrote. Before the first
// replay such results hold nothing. Indices and labels are checked by the replay that uses them. Tensors that the step
// uses and that fn does not keep alive (variables of the caller) must live until the last replay.
//
// A replay that throws leaves the host's counters at the last whole step.

#include <cstddef>
#include <functional>
#include <memory>

#include <weft/core/call_site.h>
#include <weft/core/export.h>

namespace weft {

/// Movable, not copyable; its memory lives as long as it and the tensors the step made. Use from one thread at a time.
class WEFT_API CapturedStep {
 public:
  CapturedStep(CapturedStep&&) noexcept;
  CapturedStep& operator=(CapturedStep&&) noexcept;
  ~CapturedStep();

  /// Makes the step `times` more times; ValueError below 0.
  void replay(int times = 1, CallSite at = CallSite::here());

  std::size_t recorded_calls() const noexcept;  ///< calls of the backend per replay
  std::size_t memory_bytes() const;             ///< what the step's results and temporaries occupy

 private:
  struct Impl;
  explicit CapturedStep(std::unique_ptr<Impl> impl) noexcept;
  friend WEFT_API CapturedStep capture(const std::function<void()>& step, CallSite at);
  std::unique_ptr<Impl> impl_;
};

/// Runs `step` once, records it once. The device is the one the step's first call ran on. Throws what `step` throws; a
/// throw from the recording leaves the one executed step standing.
WEFT_API CapturedStep capture(const std::function<void()>& step, CallSite at = CallSite::here());

}  // namespace weft
