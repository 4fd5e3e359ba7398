#include <set>

#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/nn/checkpoint_fields.h>
#include <weft/nn/checkpoint_file.h>
#include <weft/tensor/safetensors.h>

namespace weft::nn {
namespace {

void put(Fields& fields, std::string key, std::string value) { fields.emplace_back(std::move(key), std::move(value)); }

void put_options(Fields& fields, const std::string& prefix,
                 const std::vector<std::pair<std::string, double>>& options) {
  for (const auto& [name, value] : options) put(fields, prefix + name, message(value));
}

/// "12,12,0"
std::string list_of(const std::vector<std::int64_t>& values) {
  std::string text;
  for (std::int64_t value : values) text += message(text.empty() ? "" : ",", value);
  return text;
}

template <class Entries>
void put_entries(Fields& fields, const char* prefix, const Entries& entries, CallSite at) {
  std::set<std::string> names;
  for (const auto& [name, value] : entries) {
    if (!names.insert(name).second) {
      throw ValueError(ErrorCode::value_invalid, "save_checkpoint",
                       message("two entries are called \"", name, "\" in ", prefix), at);
    }
    put(fields, prefix + name, message(value));
  }
}

}  // namespace

void save_checkpoint(const std::string& path, const Training& training, const Progress& progress, CallSite at) {
  if (progress.step < 0) {
    throw ValueError(ErrorCode::value_out_of_range, "save_checkpoint", message("step = ", progress.step, " is below 0"),
                     at);
  }
  if (training.ema != nullptr && training.ema->applied()) {
    throw StateError(ErrorCode::state_mismatch, "save_checkpoint",
                     "the averages are applied to the model: call EMA::restore() first", at);
  }
  StateDict tensors;
  Fields fields;
  const bool groups = training.optimizer != nullptr && training.optimizer->num_groups() > 1;
  put(fields, field::format, groups ? field::format_version_groups : field::format_version);
  put(fields, field::parts,
      message(training.model != nullptr ? "model " : "", training.optimizer != nullptr ? "optimizer " : "",
              training.schedule != nullptr ? "schedule " : "", training.generator != nullptr ? "generator " : "",
              training.ema != nullptr ? "ema " : ""));
  if (training.model != nullptr) {
    for (const auto& [name, tensor] : training.model->state_dict()) tensors.push_back({field::model + name, tensor});
  }
  if (training.optimizer != nullptr) {
    const OptimizerState state = training.optimizer->state_dict();
    for (const auto& [name, tensor] : state.tensors) tensors.push_back({field::optimizer_tensor + name, tensor});
    put(fields, field::optimizer_type, state.type);
    put(fields, field::optimizer_steps, list_of(state.steps));
    std::vector<std::int64_t> sizes;
    for (std::size_t g = 0; g < state.groups.size(); ++g) {
      const std::string prefix = g == 0 ? "" : message(field::optimizer_group, g, '.');
      put(fields, g == 0 ? field::optimizer_lr : prefix + "lr", message(state.groups[g].lr));
      put_options(fields, g == 0 ? field::optimizer_option : prefix + "option.", state.groups[g].options);
      sizes.push_back(state.groups[g].parameters);
    }
    if (groups) put(fields, field::optimizer_groups, list_of(sizes));
  }
  if (training.schedule != nullptr) {
    const ScheduleState state = training.schedule->state_dict();
    put(fields, field::schedule_type, state.type);
    put(fields, field::schedule_position, message(state.position));
    put_options(fields, field::schedule_option, state.options);
  }
  if (training.generator != nullptr) {
    put(fields, field::generator_seed, message(training.generator->seed()));
    put(fields, field::generator_draw, message(training.generator->draw()));
  }
  if (training.ema != nullptr) {
    const EMAState state = training.ema->state_dict();
    for (const auto& [name, tensor] : state.tensors) tensors.push_back({field::ema_tensor + name, tensor});
    put(fields, field::ema_decay, message(state.decay));
    put(fields, field::ema_updates, message(state.updates));
  }
  put(fields, field::step, message(progress.step));
  put_entries(fields, field::counter, progress.counters, at);
  put_entries(fields, field::identity, progress.identity, at);
  put_entries(fields, field::note, progress.notes, at);
  put(fields, field::checksum, fields_checksum(fields, tensors));
  save_safetensors(path, tensors, fields, at);
}

}  // namespace weft::nn
