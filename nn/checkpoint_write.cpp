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
  StateDict tensors;
  Fields fields;
  put(fields, field::format, field::format_version);
  put(fields, field::parts,
      message(training.model != nullptr ? "model " : "", training.optimizer != nullptr ? "optimizer " : "",
              training.schedule != nullptr ? "schedule " : "", training.generator != nullptr ? "generator " : ""));
  if (training.model != nullptr) {
    for (const auto& [name, tensor] : training.model->state_dict()) tensors.push_back({field::model + name, tensor});
  }
  if (training.optimizer != nullptr) {
    const OptimizerState state = training.optimizer->state_dict();
    for (const auto& [name, tensor] : state.tensors) tensors.push_back({field::optimizer_tensor + name, tensor});
    put(fields, field::optimizer_type, state.type);
    put(fields, field::optimizer_lr, message(state.lr));
    std::string steps;
    for (std::int64_t count : state.steps) steps += message(steps.empty() ? "" : ",", count);
    put(fields, field::optimizer_steps, steps);
    put_options(fields, field::optimizer_option, state.options);
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
  put(fields, field::step, message(progress.step));
  put_entries(fields, field::counter, progress.counters, at);
  put_entries(fields, field::identity, progress.identity, at);
  put_entries(fields, field::note, progress.notes, at);
  put(fields, field::checksum, fields_checksum(fields, tensors));
  save_safetensors(path, tensors, fields, at);
}

}  // namespace weft::nn
