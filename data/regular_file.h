#pragma once
// Private: a regular file opened for reading. Directories, pipes and devices are refused without waiting on them.

#include <cstddef>
#include <cstdint>
#include <string>

#include <weft/core/call_site.h>

namespace weft {

class RegularFile {
 public:
  /// Throws IoError (io_open) naming `op` and the path.
  RegularFile(std::string path, const char* op, CallSite at);
  ~RegularFile();
  RegularFile(const RegularFile&) = delete;
  RegularFile& operator=(const RegularFile&) = delete;

  const std::string& path() const noexcept { return path_; }
  std::int64_t size() const noexcept { return size_; }  ///< when it was opened
  /// Up to `bytes` bytes from the current position; fewer only at the end of the file. Throws IoError (io_read).
  std::size_t read(void* to, std::size_t bytes);
  std::int64_t position() const noexcept { return position_; }
  void seek(std::int64_t position) noexcept { position_ = position; }

 private:
  std::string path_;
  const char* op_;
  CallSite at_;
  int descriptor_ = -1;
  std::int64_t size_ = 0;
  std::int64_t position_ = 0;
};

/// "No such file or directory" and the like, for an errno.
std::string system_message(int error_number);

}  // namespace weft
