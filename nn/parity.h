#pragma once
// Do two backends compute the same? One forward and one backward of a model on each, every result of every operation
// compared in the order in which they were computed; the first one that differs is named.
//
//     const weft::ParityReport report = weft::parity(model, batch, weft::serial(), weft::cpu());
//     if (!report.agree) std::puts(report.message.c_str());
//
//     [matmul] in layer "encoder.2" (net.cpp:41), call 17, result 0 of shape (128, 10): cpu differs from serial by ...

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include <weft/core/call_site.h>
#include <weft/core/device.h>
#include <weft/core/export.h>
#include <weft/nn/module.h>
#include <weft/tensor/tensor.h>

namespace weft {

struct ParityOptions {
  /// Per tensor, of ||b - a|| / ||a||. A NaN or an infinity that only one side has is a difference of infinity. float32
  /// backends usually agree to 1e-5; a ReLU at a sign that rounding decides may cost more.
  double tolerance = 1e-4;
  std::uint64_t seed = 0;  ///< of dropout and other draws from the default generator, the same on both sides
  /// What is differentiated, from the model and the batch on the device of the run: a tensor of one element. The
  /// default is the mean of the squares of model(batch).
  std::function<Tensor(nn::Module&, const Tensor&)> loss = {};
};

struct ParityReport {
  bool agree = true;
  std::size_t compared = 0;  ///< tensors: each result of each call of the backends, forward and backward
  double worst = 0;          ///< the largest relative distance seen
  std::string worst_where;
  std::string message;  ///< what differs first; empty where nothing does
};

/// The model is run in the mode it is in. Afterwards it is where it was, with the values, buffers and generator state
/// it had; its gradients are dropped. Every result of one run is held on the host at once, as float64. Not thread-safe.
/// Throws what the model throws.
WEFT_API ParityReport parity(nn::Module& model, const Tensor& batch, Device a, Device b,
                             const ParityOptions& options = {}, CallSite at = CallSite::here());

}  // namespace weft
