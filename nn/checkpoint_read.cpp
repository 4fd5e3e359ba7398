#include <algorithm>
#include <charconv>

#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/nn/checkpoint_fields.h>
#include <weft/nn/checkpoint_file.h>
#include <weft/nn/mismatch.h>
#include <weft/nn/pending.h>
#include <weft/tensor/safetensors.h>

namespace weft::nn {
namespace {

bool starts_with(std::string_view text, std::string_view prefix) { return text.substr(0, prefix.size()) == prefix; }

/// The fields of a file, with errors that name it.
class Reader {
 public:
  Reader(const std::string& path, const Fields& fields, CallSite at) : path_(path), fields_(fields), at_(at) {}

  const std::string* find(std::string_view key) const {
    for (const auto& field : fields_) {
      if (field.first == key) return &field.second;
    }
    return nullptr;
  }
  const std::string& text(const char* key) const {
    const std::string* value = find(key);
    if (value == nullptr) fail(message("the field ", key, " is missing"));
    return *value;
  }
  template <class Number>
  Number number(std::string_view key, std::string_view value) const {
    Number parsed{};
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), parsed);
    if (error != std::errc() || end != value.data() + value.size()) {
      fail(message("the field ", key, " holds \"", value.substr(0, 40), "\", not a number"));
    }
    return parsed;
  }
  template <class Number>
  Number number(const char* key) const {
    return number<Number>(key, text(key));
  }
  /// Calls found(name, value) for every field prefix + name.
  template <class Found>
  void each(const char* prefix, Found&& found) const {
    for (const auto& [key, value] : fields_) {
      if (starts_with(key, prefix)) found(key.substr(std::string_view(prefix).size()), value, key);
    }
  }
  std::vector<std::pair<std::string, double>> options(const char* prefix) const {
    std::vector<std::pair<std::string, double>> found;
    each(prefix, [&](std::string name, const std::string& value, const std::string& key) {
      found.emplace_back(std::move(name), number<double>(key, value));
    });
    return found;
  }
  /// "12,12,0"
  std::vector<std::int64_t> list(const char* key) const {
    std::vector<std::int64_t> values;
    std::string_view rest = text(key);
    while (!rest.empty()) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      values.push_back(number<std::int64_t>(key, rest.substr(0, comma)));
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
    return values;
  }
  [[noreturn]] void fail(const std::string& why, ErrorCode code = ErrorCode::io_format) const {
    throw IoError(code, "load_checkpoint", message(path_, ": ", why), at_);
  }

 private:
  const std::string& path_;
  const Fields& fields_;
  CallSite at_;
};

OptimizerState read_optimizer(const Reader& reader) {
  OptimizerState state;
  state.type = reader.text(field::optimizer_type);
  state.steps = reader.list(field::optimizer_steps);
  std::vector<std::int64_t> sizes = {static_cast<std::int64_t>(state.steps.size())};
  if (reader.find(field::optimizer_groups) != nullptr) sizes = reader.list(field::optimizer_groups);
  for (std::size_t g = 0; g < sizes.size(); ++g) {
    const std::string prefix = message(field::optimizer_group, g, '.');
    OptimizerGroupState group;
    group.parameters = sizes[g];
    group.lr = reader.number<double>(g == 0 ? field::optimizer_lr : (prefix + "lr").c_str());
    group.options = reader.options(g == 0 ? field::optimizer_option : (prefix + "option.").c_str());
    state.groups.push_back(std::move(group));
  }
  return state;
}

}  // namespace

std::int64_t Progress::counter(std::string_view name, std::int64_t fallback) const {
  for (const auto& [key, value] : counters) {
    if (key == name) return value;
  }
  return fallback;
}

std::string Progress::note(std::string_view name, std::string_view fallback) const {
  for (const auto& [key, value] : notes) {
    if (key == name) return value;
  }
  return std::string(fallback);
}

Device device_of(const Training& training) {
  if (training.model != nullptr) {
    const std::vector<Tensor> parameters = training.model->parameters();
    if (!parameters.empty()) return parameters[0].device();
  }
  return training.optimizer != nullptr ? training.optimizer->parameters()[0].device() : cpu();
}

CheckpointContents read_checkpoint(const std::string& path, Device device, CallSite at) {
  const Safetensors file = load_safetensors(path, device, at);
  const Reader reader(path, file.metadata, at);
  const std::string* version = reader.find(field::format);
  if (version == nullptr) reader.fail("is a safetensors file but not a checkpoint of weft");
  if (*version != field::format_version && *version != field::format_version_groups) {
    reader.fail(message("was written in checkpoint format \"", version->substr(0, 20), "\"; this weft reads formats ",
                        field::format_version, " and ", field::format_version_groups));
  }
  if (reader.text(field::checksum) != fields_checksum(file.metadata, file.tensors)) {
    reader.fail("the checksum of its fields does not match: the file is damaged", ErrorCode::io_checksum);
  }

  CheckpointContents contents;
  contents.path = path;
  const std::string& parts = reader.text(field::parts);
  const auto has = [&](const char* part) { return parts.find(message(part, ' ')) != std::string::npos; };
  contents.has_model = has("model");
  if (has("optimizer")) contents.optimizer = read_optimizer(reader);
  if (has("ema")) {
    contents.ema =
        EMAState{reader.number<double>(field::ema_decay), reader.number<std::int64_t>(field::ema_updates), {}};
  }
  const auto rest_of = [](const std::string& name, const char* prefix) {
    return name.substr(std::string_view(prefix).size());
  };
  for (const auto& [name, tensor] : file.tensors) {
    if (starts_with(name, field::model)) {
      contents.model.push_back({rest_of(name, field::model), tensor});
    } else if (starts_with(name, field::optimizer_tensor) && contents.optimizer) {
      contents.optimizer->tensors.push_back({rest_of(name, field::optimizer_tensor), tensor});
    } else if (starts_with(name, field::ema_tensor) && contents.ema) {
      contents.ema->tensors.push_back({rest_of(name, field::ema_tensor), tensor});
    } else {
      reader.fail(message("the tensor \"", name, "\" belongs to no part of a checkpoint"));
    }
  }
  if (has("schedule")) {
    contents.schedule =
        ScheduleState{reader.text(field::schedule_type), reader.number<std::int64_t>(field::schedule_position),
                      reader.options(field::schedule_option)};
  }
  if (has("generator")) {
    Generator generator;
    generator.set_state(reader.number<std::uint64_t>(field::generator_seed),
                        reader.number<std::uint64_t>(field::generator_draw));
    contents.generator = generator;
  }
  Progress& progress = contents.progress;
  progress.step = reader.number<std::int64_t>(field::step);
  reader.each(field::counter, [&](std::string name, const std::string& value, const std::string& key) {
    progress.counters.emplace_back(std::move(name), reader.number<std::int64_t>(key, value));
  });
  reader.each(field::identity, [&](std::string name, const std::string& value, const std::string&) {
    progress.identity.emplace_back(std::move(name), value);
  });
  reader.each(field::note, [&](std::string name, const std::string& value, const std::string&) {
    progress.notes.emplace_back(std::move(name), value);
  });
  return contents;
}

void restore(const CheckpointContents& contents, const Training& training, const RunIdentity& identity, CallSite at) {
  std::vector<std::string> problems;
  const auto require = [&](bool wanted, bool present, const char* part) {
    if (wanted && !present) problems.push_back(message(part, ": not in the checkpoint"));
    return wanted && present;
  };
  for (const auto& [name, value] : identity) {
    const std::string* saved = nullptr;
    for (const auto& [other, text] : contents.progress.identity) {
      if (other == name) saved = &text;
    }
    if (saved == nullptr) {
      problems.push_back(message(name, ": \"", value, "\" expected, not in the checkpoint"));
    } else if (*saved != value) {
      problems.push_back(message(name, ": \"", value, "\" expected, the checkpoint has \"", *saved, '"'));
    }
  }
  StateDict own;
  if (require(training.model != nullptr, contents.has_model, "model")) {
    own = training.model->state_dict();
    for (const std::string& problem : mismatches(own, contents.model, true)) problems.push_back("model " + problem);
  }
  std::optional<PendingOptimizer> optimizer;
  if (require(training.optimizer != nullptr, contents.optimizer.has_value(), "optimizer")) {
    optimizer.emplace(*training.optimizer, *contents.optimizer, "optimizer ", problems, at);
  }
  const bool has_schedule = require(training.schedule != nullptr, contents.schedule.has_value(), "schedule");
  if (has_schedule) {
    for (const std::string& problem : training.schedule->mismatches(*contents.schedule)) {
      problems.push_back("schedule " + problem);
    }
  }
  const bool has_generator = require(training.generator != nullptr, contents.generator.has_value(), "generator");
  const bool has_ema = require(training.ema != nullptr, contents.ema.has_value(), "ema");
  if (has_ema) {
    for (const std::string& problem : training.ema->mismatches(*contents.ema)) problems.push_back("ema " + problem);
  }
  if (!problems.empty()) {
    throw state_mismatch("load_checkpoint", message(contents.path, " belongs to another training: it differs"),
                         problems, at);
  }
  PendingTensors(own, contents.model, "load_checkpoint", at).commit();
  if (has_schedule) training.schedule->set_position(contents.schedule->position, at);
  if (optimizer) optimizer->commit();  // after the schedule: the saved learning rate has the last word
  if (has_ema) training.ema->load_state_dict(*contents.ema, at);
  if (has_generator) *training.generator = *contents.generator;
}

Progress load_checkpoint(const std::string& path, const Training& training, const RunIdentity& identity, CallSite at) {
  CheckpointContents contents = read_checkpoint(path, device_of(training), at);
  restore(contents, training, identity, at);
  return std::move(contents.progress);
}

}  // namespace weft::nn
