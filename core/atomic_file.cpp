#include <weft/core/atomic_file.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include <weft/core/error.h>
#include <weft/core/message.h>

namespace weft {
namespace {

// write() and read() take at most this much on Linux (2^31 - 4096), and a smaller piece is interrupted less often.
constexpr std::size_t piece = std::size_t{1} << 30;

std::string reason(int error) {
  char text[256];
  return strerror_r(error, text, sizeof text);  // the GNU variant, thread-safe; its result may be a static string
}

// Where the link chain at `path` ends; `path` itself when nothing is there yet.
std::string resolved(const std::string& path) {
  const std::unique_ptr<char, void (*)(void*)> real(realpath(path.c_str(), nullptr), std::free);
  return real != nullptr ? std::string(real.get()) : path;
}

std::pair<std::string, std::string> split(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {".", path};
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

// The number keeps two files of one process apart.
std::string temporary_name(const std::string& target) {
  static std::atomic<unsigned> count{0};
  const auto [folder, name] = split(target);
  const unsigned number = count.fetch_add(1, std::memory_order_relaxed);
  // NAME_MAX bounds the whole name; a long one is shortened, as only its uniqueness matters
  const std::string kept = name.substr(0, NAME_MAX - 40);
  return message(folder, "/.", kept, ".", getpid(), number == 0 ? std::string() : message("-", number), ".tmp");
}

}  // namespace

AtomicFile::AtomicFile(std::string path, const char* op, CallSite at)
    : path_(std::move(path)), target_(resolved(path_)), op_(op), at_(at) {
  struct stat old {};
  const bool exists = stat(target_.c_str(), &old) == 0;
  if (exists && S_ISDIR(old.st_mode)) fail("it is a folder", 0);
  if (exists && !S_ISREG(old.st_mode)) {
    direct_ = true;  // renaming a file over a device would destroy the device
    fd_ = open(path_.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (fd_ < 0) {
      throw IoError(ErrorCode::io_open, op_, message("cannot write ", path_, ": ", reason(errno)), at_);
    }
    return;
  }
  std::string temporary = temporary_name(target_);
  // A temporary of this very name can only be left over from a dead process with the same id.
  unlink(temporary.c_str());
  fd_ = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (fd_ < 0) {
    const int error = errno;
    throw IoError(ErrorCode::io_open, op_,
                  message("cannot write ", path_, ": cannot create ", temporary, ": ", reason(error)), at_);
  }
  temporary_ = std::move(temporary);
  if (exists) static_cast<void>(fchmod(fd_, old.st_mode & 07777));
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::discard() noexcept {
  if (fd_ >= 0) close(std::exchange(fd_, -1));
  if (!temporary_.empty()) unlink(temporary_.c_str());
  temporary_.clear();
}

void AtomicFile::fail(const char* what, int error) {
  discard();
  throw IoError(ErrorCode::io_write, op_,
                error == 0 ? message("cannot write ", path_, ": ", what)
                           : message("cannot write ", path_, " (byte ", written_, "): ", what, ": ", reason(error)),
                at_);
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  if (fd_ < 0) fail("the file is closed already", 0);
  while (!bytes.empty()) {
    const ssize_t got = ::write(fd_, bytes.data(), std::min(bytes.size(), piece));
    if (got < 0) {
      if (errno == EINTR) continue;
      fail("write", errno);
    }
    written_ += got;
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
}

void AtomicFile::commit() {
  if (fd_ < 0) fail("the file is closed already", 0);
  if (fsync(fd_) != 0 && !(direct_ && errno == EINVAL)) fail("fsync", errno);  // pipes and terminals have none
  if (close(std::exchange(fd_, -1)) != 0) fail("close", errno);
  if (direct_) return;
  // Looked at again, because rename() would replace a device without a word, and root is allowed to.
  struct stat now {};
  if (lstat(target_.c_str(), &now) == 0 && !S_ISREG(now.st_mode) && !S_ISLNK(now.st_mode)) {
    fail("rename: what is there is no regular file", 0);
  }
  if (rename(temporary_.c_str(), target_.c_str()) != 0) fail("rename", errno);
  temporary_.clear();
  const std::string folder = split(target_).first;
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) {
    if (errno == EACCES) return;  // a folder one may write to but not list cannot be synchronised by anyone
    fail("opening its folder", errno);
  }
  const int error = fsync(fd) != 0 ? errno : 0;
  close(fd);
  if (error != 0 && error != EINVAL && error != ENOTSUP) fail("fsync of its folder", error);  // some have none
}

void write_file_atomically(const std::string& path, std::span<const std::byte> bytes, const char* op, CallSite at) {
  AtomicFile file(path, op, at);
  file.write(bytes);
  file.commit();
}

std::vector<std::byte> read_file(const std::string& path, std::int64_t limit, const char* op, CallSite at) {
  const auto refuse = [&](ErrorCode code, std::string_view why) {
    throw IoError(code, op, message("cannot read ", path, ": ", why), at);
  };
  // O_NONBLOCK: opening a FIFO would otherwise wait for a writer.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) refuse(ErrorCode::io_open, reason(errno));
  struct Closer {
    int fd;
    ~Closer() { close(fd); }
  } const closer{fd};
  struct stat info {};
  if (fstat(fd, &info) != 0) refuse(ErrorCode::io_open, reason(errno));
  if (S_ISDIR(info.st_mode)) refuse(ErrorCode::io_open, "it is a folder");
  if (S_ISFIFO(info.st_mode)) refuse(ErrorCode::io_open, "it is a FIFO, not a regular file");
  if (!S_ISREG(info.st_mode)) refuse(ErrorCode::io_open, "it is not a regular file");
  if (info.st_size > limit) {
    refuse(ErrorCode::io_open, message("it has ", info.st_size, " bytes; at most ", limit, " are read"));
  }
  std::vector<std::byte> bytes(static_cast<std::size_t>(info.st_size));
  std::size_t offset = 0;
  while (offset < bytes.size()) {
    const ssize_t got = ::read(fd, bytes.data() + offset, std::min(bytes.size() - offset, piece));
    if (got < 0) {
      if (errno == EINTR) continue;
      refuse(ErrorCode::io_read, message("at byte ", offset, ": ", reason(errno)));
    }
    if (got == 0) {
      refuse(ErrorCode::io_truncated, message("it ended at byte ", offset, " of ", bytes.size(), " while it was read"));
    }
    offset += static_cast<std::size_t>(got);
  }
  return bytes;
}

void remove_stale_temporaries(const std::string& path) noexcept try {
  const auto [folder, name] = split(resolved(path));
  const std::string prefix = "." + name.substr(0, NAME_MAX - 40) + ".";
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(opendir(folder.c_str()), closedir);
  if (listing == nullptr) return;
  while (const dirent* entry = readdir(listing.get())) {
    std::string_view rest = entry->d_name;
    if (!rest.starts_with(prefix) || !rest.ends_with(".tmp")) continue;
    rest.remove_prefix(prefix.size());
    rest.remove_suffix(4);
    const std::string_view digits = rest.substr(0, rest.find('-'));
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), pid);
    if (error != std::errc() || end != digits.data() + digits.size() || pid <= 0) continue;
    if (kill(pid, 0) != 0 && errno == ESRCH) unlink((folder + "/" + entry->d_name).c_str());
  }
} catch (...) {  // only memory can be short here, and a left-over file harms nobody
}

}  // namespace weft
