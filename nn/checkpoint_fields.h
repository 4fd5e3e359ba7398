#pragma once
// Private: the names of a checkpoint's fields, see docs/data_formats.md.

#include <string>

#include <weft/nn/checkpoint_file.h>
#include <weft/nn/state_dict.h>

namespace weft::nn {

namespace field {
inline constexpr const char* format = "weft.checkpoint";
// Format 1 holds an optimiser of one parameter group and schedules for it; format 2 names the groups. A file is written
// in the first that can hold it, so that what does not need the second is readable by whoever knew only the first.
inline constexpr const char* format_version = "1";
inline constexpr const char* format_version_groups = "2";
inline constexpr const char* checksum = "weft.checkpoint.crc32c";
inline constexpr const char* tensor_checksum = "weft.crc32c.";  // written and verified by save/load_safetensors
inline constexpr const char* parts = "weft.checkpoint.parts";
inline constexpr const char* step = "weft.step";
inline constexpr const char* optimizer_type = "weft.optimizer.type";
inline constexpr const char* optimizer_groups = "weft.optimizer.groups";
inline constexpr const char* optimizer_lr = "weft.optimizer.lr";
inline constexpr const char* optimizer_steps = "weft.optimizer.steps";
inline constexpr const char* optimizer_option = "weft.optimizer.option.";
inline constexpr const char* optimizer_group = "weft.optimizer.group.";  // 1.lr, 1.option.momentum, ...
inline constexpr const char* schedule_type = "weft.schedule.type";
inline constexpr const char* schedule_position = "weft.schedule.position";
inline constexpr const char* schedule_option = "weft.schedule.option.";
inline constexpr const char* generator_seed = "weft.generator.seed";
inline constexpr const char* generator_draw = "weft.generator.draw";
inline constexpr const char* ema_decay = "weft.ema.decay";
inline constexpr const char* ema_updates = "weft.ema.updates";
inline constexpr const char* counter = "weft.counter.";
inline constexpr const char* identity = "weft.identity.";
inline constexpr const char* note = "weft.note.";
// Prefixes of tensor names.
inline constexpr const char* model = "model.";
inline constexpr const char* optimizer_tensor = "optimizer.";
inline constexpr const char* ema_tensor = "ema.";
}  // namespace field

/// CRC-32C (8 hexadecimal digits) over the fields but the checksums, sorted by name, and over names, dtypes and shapes
/// of the tensors: whatever the checksums of the tensors' bytes do not see.
std::string fields_checksum(const Fields& fields, const StateDict& tensors);

}  // namespace weft::nn
