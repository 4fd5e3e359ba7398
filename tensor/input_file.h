#pragma once
// Private: a regular file read at offsets.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <weft/core/call_site.h>

namespace weft {

/// Opening throws IoError io_open for what is missing, unreadable or no regular file (a symbolic link to one is
/// followed).
class InputFile {
 public:
  InputFile(const std::string& path, const char* op, CallSite at);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  std::uint64_t size() const noexcept { return size_; }  ///< when it was opened
  /// Fills `bytes`. Throws IoError: io_read, or io_truncated when the file has become shorter.
  void read(std::uint64_t offset, std::span<std::byte> bytes) const;

 private:
  std::string path_;
  const char* op_;
  CallSite at_;
  int fd_;
  std::uint64_t size_ = 0;
};

}  // namespace weft
