#include <weft/data/part_file.h>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <vector>

#include <weft/core/checksum.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/data/regular_file.h>

namespace weft {

PartFile::PartFile(const std::string& path, CallSite at) : path_(path), part_(path + ".part"), at_(at) {
  const auto refuse = [&](const std::string& why) {
    if (descriptor_ >= 0) close(descriptor_);
    throw IoError(ErrorCode::io_open, "download", message(part_, ": ", why), at_);
  };
  descriptor_ = open(part_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
  if (descriptor_ < 0) refuse("cannot be opened: " + system_message(errno));
  struct stat facts {};
  if (fstat(descriptor_, &facts) != 0 || !S_ISREG(facts.st_mode)) refuse("it is no regular file");
  if (flock(descriptor_, LOCK_EX | LOCK_NB) != 0) refuse("another process is downloading this file");
  // The process that held the lock a moment ago may have renamed the file meanwhile: then this is the finished one.
  struct stat named {};
  if (stat(part_.c_str(), &named) != 0 || named.st_ino != facts.st_ino || named.st_dev != facts.st_dev) {
    refuse("another process has just downloaded this file");
  }
  size_ = facts.st_size;
}

PartFile::~PartFile() { close(descriptor_); }

void PartFile::fail(const char* what) {
  const int error = errno;
  throw IoError(ErrorCode::io_write, "download",
                message(part_, ": ", what, " failed at byte ", size_, ": ", system_message(error)), at_);
}

void PartFile::truncate(std::int64_t size) {
  if (ftruncate(descriptor_, size) != 0) fail("truncating");
  size_ = size;
}

void PartFile::append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = pwrite(descriptor_, bytes.data(), bytes.size(), size_);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail("writing");
    size_ += written;
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

std::string PartFile::sha256() {
  Sha256 hash;
  std::vector<std::byte> chunk(std::size_t{1} << 18);
  std::int64_t position = 0;
  while (true) {
    const ssize_t got = pread(descriptor_, chunk.data(), chunk.size(), position);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("reading back");
    if (got == 0) return to_hex(hash.digest());
    hash.update(std::span(chunk).first(static_cast<std::size_t>(got)));
    position += got;
  }
}

void PartFile::commit() {
  if (fsync(descriptor_) != 0) fail("fsync");
  if (rename(part_.c_str(), path_.c_str()) != 0) fail("renaming");
  const std::size_t slash = path_.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
  const int folder_descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder_descriptor < 0) fail("opening the folder");
  const int status = fsync(folder_descriptor);
  close(folder_descriptor);
  if (status != 0) fail("fsync of the folder");
}

void PartFile::remove() noexcept { unlink(part_.c_str()); }

}  // namespace weft
