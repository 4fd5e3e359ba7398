#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>

#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/nn/checkpoint_file.h>

namespace weft::nn {
namespace {

constexpr std::string_view stem = "checkpoint-";
constexpr std::string_view middle = "-step-";
constexpr std::string_view ending = ".safetensors";

std::string reason(int error) { return std::system_category().message(error); }

/// "000012", longer where needed: names sort as numbers up to a million saves, and sorting does not rely on it.
std::string padded(std::uint64_t number) {
  std::string digits = message(number);
  return digits.size() < 6 ? std::string(6 - digits.size(), '0') + digits : digits;
}

/// The number of a checkpoint's file name, 0 for any other name.
std::uint64_t sequence_of(std::string_view name) {
  if (name.substr(0, stem.size()) != stem || name.size() < stem.size() + ending.size()) return 0;
  if (name.substr(name.size() - ending.size()) != ending) return 0;
  name.remove_prefix(stem.size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc()) return 0;
  name.remove_prefix(static_cast<std::size_t>(end - name.data()));
  return name.substr(0, middle.size()) == middle ? number : 0;
}

struct Numbered {
  std::uint64_t sequence;
  std::string path;
};

/// The checkpoints of a folder, the oldest first.
std::vector<Numbered> scan(const std::string& folder, const char* op, CallSite at) {
  std::vector<Numbered> found;
  std::error_code error;
  std::filesystem::directory_iterator entries(folder, error);
  for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
    const std::string name = entries->path().filename().string();
    if (const std::uint64_t sequence = sequence_of(name)) found.push_back({sequence, folder + "/" + name});
  }
  if (error) throw IoError(ErrorCode::io_open, op, message(folder, ": ", error.message()), at);
  std::sort(found.begin(), found.end(), [](const Numbered& a, const Numbered& b) { return a.sequence < b.sequence; });
  return found;
}

/// What killed runs left unfinished. The lock is held: nobody is writing here.
void remove_unfinished(const std::string& folder) noexcept {
  std::error_code error;
  std::vector<std::filesystem::path> stale;
  std::filesystem::directory_iterator entries(folder, error);
  for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
    const std::string name = entries->path().filename().string();
    const bool temporary = name.size() > 4 && name.substr(name.size() - 4) == ".tmp";
    if (temporary && name.compare(0, 1 + stem.size(), "." + std::string(stem)) == 0) stale.push_back(entries->path());
  }
  for (const auto& path : stale) std::filesystem::remove(path, error);
}

}  // namespace

/// An flock() on ".lock": the system releases it with the process, so a killed run leaves nothing to clean up.
struct CheckpointFolder::Lock {
  Lock(const std::string& folder, CallSite at) {
    const std::string path = folder + "/.lock";
    fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) throw IoError(ErrorCode::io_open, "CheckpointFolder", message(path, ": ", reason(errno)), at);
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
      const int error = errno;
      char owner[32] = {};
      const ssize_t got = ::pread(fd, owner, sizeof owner - 1, 0);
      ::close(fd);
      if (error != EWOULDBLOCK) {
        throw IoError(ErrorCode::io_open, "CheckpointFolder", message(path, ": ", reason(error)), at);
      }
      const std::string_view pid(owner, got > 0 ? static_cast<std::size_t>(got) : 0);
      throw IoError(ErrorCode::io_open, "CheckpointFolder",
                    message(folder, " is locked by another training", pid.empty() ? "" : ", process ",
                            pid.substr(0, pid.find('\n')), ": two trainers must not share a folder"),
                    at);
    }
    // The number is for the message above; a full disk must not keep a run from starting.
    const std::string pid = message(::getpid(), '\n');
    if (::ftruncate(fd, 0) == 0) (void)!::pwrite(fd, pid.data(), pid.size(), 0);
  }
  ~Lock() { ::close(fd); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

  int fd = -1;
};

CheckpointFolder::CheckpointFolder(std::string path, CheckpointFolderOptions options, CallSite at)
    : path_(std::move(path)), options_(options) {
  if (options.keep < 1) {
    throw ValueError(ErrorCode::value_out_of_range, "CheckpointFolder", message("keep = ", options.keep, " is below 1"),
                     at);
  }
  while (path_.size() > 1 && path_.back() == '/') path_.pop_back();
  if (path_.empty()) throw ValueError(ErrorCode::value_invalid, "CheckpointFolder", "the path is empty", at);
  if (options.read_only) {
    scan(path_, "CheckpointFolder", at);
    return;
  }
  if (::mkdir(path_.c_str(), 0777) != 0 && errno != EEXIST) {
    const int error = errno;
    throw IoError(ErrorCode::io_open, "CheckpointFolder",
                  message(path_, " cannot be made: ", reason(error),
                          error == ENOENT ? " (the folder it would lie in is missing)" : ""),
                  at);
  }
  lock_ = std::make_unique<Lock>(path_, at);
  remove_unfinished(path_);
}

CheckpointFolder::~CheckpointFolder() = default;
CheckpointFolder::CheckpointFolder(CheckpointFolder&&) noexcept = default;

std::vector<std::string> CheckpointFolder::files(CallSite at) const {
  std::vector<std::string> paths;
  for (Numbered& file : scan(path_, "CheckpointFolder", at)) paths.push_back(std::move(file.path));
  return paths;
}

std::string CheckpointFolder::save(const Training& training, const Progress& progress, CallSite at) {
  if (lock_ == nullptr) {
    throw StateError(ErrorCode::read_only, "CheckpointFolder::save", message(path_, " was opened read-only"), at);
  }
  std::vector<Numbered> files = scan(path_, "CheckpointFolder::save", at);
  const std::uint64_t sequence = files.empty() ? 1 : files.back().sequence + 1;
  const std::string path = message(path_, '/', stem, padded(sequence), middle, progress.step, ending);
  save_checkpoint(path, training, progress, at);

  // The new file is safe: now the old ones may go. What cannot be removed is tried again next time.
  std::error_code ignored;
  for (const std::string& damaged : damaged_) {
    std::filesystem::remove(damaged, ignored);
    files.erase(std::remove_if(files.begin(), files.end(), [&](const Numbered& f) { return f.path == damaged; }),
                files.end());
  }
  damaged_.clear();
  const std::size_t others = static_cast<std::size_t>(options_.keep) - 1;
  for (std::size_t i = 0; i + others < files.size(); ++i) std::filesystem::remove(files[i].path, ignored);
  return path;
}

std::optional<LoadedCheckpoint> CheckpointFolder::load_latest(const Training& training, const RunIdentity& identity,
                                                              CallSite at) {
  const std::vector<Numbered> files = scan(path_, "CheckpointFolder::load_latest", at);
  LoadedCheckpoint loaded;
  std::vector<std::string> damaged;
  for (auto file = files.rbegin(); file != files.rend(); ++file) {
    CheckpointContents contents;
    try {
      contents = read_checkpoint(file->path, device_of(training), at);
    } catch (const IoError& error) {
      loaded.skipped.push_back(error.what());
      damaged.push_back(file->path);
      continue;
    }
    restore(contents, training, identity, at);
    loaded.path = file->path;
    loaded.progress = std::move(contents.progress);
    damaged_ = std::move(damaged);
    return loaded;
  }
  if (files.empty()) return std::nullopt;
  std::string text = message(path_, ": none of its ", files.size(), " checkpoints is whole");
  for (const std::string& skipped : loaded.skipped) text += "\n  " + skipped;
  throw IoError(ErrorCode::io_checksum, "CheckpointFolder::load_latest", text, at);
}

}  // namespace weft::nn
