#pragma once
// Private: a checkpoint as tensors and text fields, the contents of one safetensors file.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weft/core/call_site.h>
#include <weft/nn/checkpoint.h>
#include <weft/nn/state_dict.h>

namespace weft::nn {

/// The text fields: names and values, in order of writing.
using Fields = std::vector<std::pair<std::string, std::string>>;

/// What a file holds, decoded but not compared with anything.
struct CheckpointContents {
  std::string path;
  StateDict model;
  bool has_model = false;
  std::optional<OptimizerState> optimizer;
  std::optional<ScheduleState> schedule;
  std::optional<Generator> generator;
  std::optional<EMAState> ema;
  Progress progress;
};

/// Where the tensors of a file should be read to: the device of the first parameter.
Device device_of(const Training& training);

/// Throws IoError: unreadable, damaged, or no checkpoint of weft.
CheckpointContents read_checkpoint(const std::string& path, Device device, CallSite at);

/// Restores what `training` names, or throws StateError that lists everything that does not fit.
void restore(const CheckpointContents& contents, const Training& training, const RunIdentity& identity, CallSite at);

}  // namespace weft::nn
