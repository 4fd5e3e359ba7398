#include <weft/data/regular_file.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include <weft/core/error.h>
#include <weft/core/message.h>

namespace weft {

std::string system_message(int error_number) { return std::generic_category().message(error_number); }

RegularFile::RegularFile(std::string path, const char* op, CallSite at) : path_(std::move(path)), op_(op), at_(at) {
  const auto refuse = [&](const std::string& why) {
    if (descriptor_ >= 0) close(descriptor_);
    throw IoError(ErrorCode::io_open, op_, message(path_, ": cannot be opened: ", why), at_);
  };
  descriptor_ = open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);  // a pipe would block without
  if (descriptor_ < 0) refuse(system_message(errno));
  struct stat facts {};
  if (fstat(descriptor_, &facts) != 0) refuse(system_message(errno));
  if (S_ISDIR(facts.st_mode)) refuse("it is a directory");
  if (!S_ISREG(facts.st_mode)) refuse("it is no regular file");
  size_ = facts.st_size;
}

RegularFile::~RegularFile() { close(descriptor_); }

std::size_t RegularFile::read(void* to, std::size_t bytes) {
  std::size_t done = 0;
  while (done < bytes) {
    const ssize_t got = pread(descriptor_, static_cast<char*>(to) + done, bytes - done, position_);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      throw IoError(ErrorCode::io_read, op_,
                    message(path_, ": reading failed at byte ", position_, ": ", system_message(errno)), at_);
    }
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
    position_ += got;
  }
  return done;
}

}  // namespace weft
