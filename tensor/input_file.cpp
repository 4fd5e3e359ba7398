#include <weft/tensor/input_file.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <system_error>

#include <weft/core/error.h>
#include <weft/core/message.h>

namespace weft {

InputFile::InputFile(const std::string& path, const char* op, CallSite at)
    : path_(path),
      op_(op),
      at_(at),
      fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) {  // a FIFO would wait for a writer
  const auto refuse = [&](std::string_view why) {
    if (fd_ >= 0) close(fd_);
    throw IoError(ErrorCode::io_open, op_, message(path_, ": cannot be opened: ", why), at_);
  };
  if (fd_ < 0) refuse(std::generic_category().message(errno));
  struct stat info {};
  if (fstat(fd_, &info) != 0) refuse(std::generic_category().message(errno));
  if (S_ISDIR(info.st_mode)) refuse("it is a folder");
  if (!S_ISREG(info.st_mode)) refuse(S_ISFIFO(info.st_mode) ? "it is a FIFO" : "it is not a regular file");
  size_ = static_cast<std::uint64_t>(info.st_size);
}

InputFile::~InputFile() { close(fd_); }

void InputFile::read(std::uint64_t offset, std::span<std::byte> bytes) const {
  while (!bytes.empty()) {
    constexpr std::size_t piece = std::size_t{1} << 30;  // Linux reads no more than 2 GiB at once
    const ssize_t got = pread(fd_, bytes.data(), std::min(bytes.size(), piece), static_cast<off_t>(offset));
    if (got < 0) {
      if (errno == EINTR) continue;
      throw IoError(ErrorCode::io_read, op_,
                    message(path_, ": byte ", offset, ": ", std::generic_category().message(errno)), at_);
    }
    if (got == 0) {
      throw IoError(
          ErrorCode::io_truncated, op_,
          message(path_, ": byte ", offset, ": the file ends here; it had ", size_, " bytes when it was opened"), at_);
    }
    offset += static_cast<std::uint64_t>(got);
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
}

}  // namespace weft
