#pragma once
// Checkpoints: one safetensors file that holds everything a training run needs to go on as if it had never stopped.
//
//     weft::nn::Training training{.model = &model, .optimizer = &optimizer, .schedule = &schedule};
//     weft::nn::CheckpointFolder folder("runs/mnist");
//     if (auto loaded = folder.load_latest(training)) { ... continue at loaded->progress ... }
//     folder.save(training, {.step = step, .counters = {{"epoch", epoch}}});
//
// A file is written beside its final name, synced, renamed into place, and its folder synced: whenever the program is
// killed, the name holds the old contents or the new ones. Every tensor carries a CRC-32C, and so does the rest. The
// layout is in docs/data_formats.md. Restored values are the saved bits; with the loader's position (put its text into
// notes) and the same thread-independent backend, a resumed run ends with the bytes of one that was not interrupted.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weft/core/call_site.h>
#include <weft/core/export.h>
#include <weft/nn/ema.h>
#include <weft/nn/module.h>
#include <weft/nn/optim.h>
#include <weft/nn/schedule.h>
#include <weft/tensor/generator.h>

namespace weft::nn {

/// The parts of a run that are saved and restored. A null part is left out when saving and left alone when loading.
struct Training {
  Module* model = nullptr;
  Optimizer* optimizer = nullptr;
  Schedule* schedule = nullptr;
  Generator* generator = &default_generator();
  EMA* ema = nullptr;
};

/// What must be the same when a run goes on: {{"dataset", its hash}}.
using RunIdentity = std::vector<std::pair<std::string, std::string>>;

/// What a program remembers beside them.
struct Progress {
  std::int64_t step = 0;                                            ///< part of the file's name in a folder
  std::vector<std::pair<std::string, std::int64_t>> counters = {};  ///< epoch, batch, ...
  RunIdentity identity = {};                                        ///< compared by load
  std::vector<std::pair<std::string, std::string>> notes = {};      ///< anything, UTF-8

  /// The counter or note of that name, or the fallback.
  WEFT_API std::int64_t counter(std::string_view name, std::int64_t fallback = 0) const;
  WEFT_API std::string note(std::string_view name, std::string_view fallback = {}) const;
};

/// Waits for the device, then writes the file. Throws IoError (io_open, io_write) naming the path and the system's
/// reason; what was there before is untouched then. ValueError for two counters, notes or identities of one name,
/// StateError (state_mismatch) while averages of an EMA are applied: the model's own values are elsewhere then.
WEFT_API void save_checkpoint(const std::string& path, const Training& training, const Progress& progress = {},
                              CallSite at = CallSite::here());

/// Restores every part given. Throws IoError when the file cannot be read or is damaged, StateError (state_mismatch)
/// when it belongs to another model, optimiser, schedule or identity, listing every difference. Nothing has changed
/// then.
WEFT_API Progress load_checkpoint(const std::string& path, const Training& training, const RunIdentity& identity = {},
                                  CallSite at = CallSite::here());

struct CheckpointFolderOptions {
  int keep = 2;            ///< how many of the newest files stay, at least 1
  bool read_only = false;  ///< for looking at a folder another program trains in: takes no lock, save() throws
};

struct LoadedCheckpoint {
  std::string path;
  Progress progress;
  /// Newer files that were damaged, each with the reason; show them to the user. The next save() removes them.
  std::vector<std::string> skipped;
};

/// A folder of checkpoints, "checkpoint-000012-step-4690.safetensors". The first number grows with every save, also
/// over several runs, and decides which one is the newest. Not thread-safe.
///
/// The folder is created when only its last part is missing, and stays locked (a file ".lock", released by the system
/// when the process ends, however it ends) until the object is destroyed.
class WEFT_API CheckpointFolder {
 public:
  /// Throws IoError (io_open) when the folder cannot be made, opened or written, or when another program has it locked
  /// (the message names its process); ValueError for keep < 1. Removes unfinished files a killed run has left.
  explicit CheckpointFolder(std::string path, CheckpointFolderOptions options = {}, CallSite at = CallSite::here());
  ~CheckpointFolder();
  CheckpointFolder(CheckpointFolder&&) noexcept;
  CheckpointFolder& operator=(CheckpointFolder&&) = delete;

  const std::string& path() const noexcept { return path_; }
  std::vector<std::string> files(CallSite at = CallSite::here()) const;  ///< paths, the oldest first

  /// Writes the next file, then removes the oldest ones beyond `keep` and those load_latest() found damaged. Returns
  /// the path. Errors as save_checkpoint; every older file is still there then.
  std::string save(const Training& training, const Progress& progress = {}, CallSite at = CallSite::here());

  /// Restores the newest file that is whole; empty when the folder holds none. Errors as load_checkpoint, except that a
  /// damaged file only makes it try the one before; when all are damaged: IoError (io_checksum) that lists them. A file
  /// that is whole but does not fit throws at once.
  std::optional<LoadedCheckpoint> load_latest(const Training& training, const RunIdentity& identity = {},
                                              CallSite at = CallSite::here());

 private:
  struct Lock;
  std::string path_;
  CheckpointFolderOptions options_;
  std::vector<std::string> damaged_;
  std::unique_ptr<Lock> lock_;
};

}  // namespace weft::nn
