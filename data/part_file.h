#pragma once
// Private: a download in progress: PATH.part, locked against other processes, renamed to PATH when it is complete.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <weft/core/call_site.h>

namespace weft {

class PartFile {
 public:
  /// Opens or makes PATH.part. Throws IoError: io_open, also while another process has it.
  PartFile(const std::string& path, CallSite at);
  ~PartFile();  ///< the file stays
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  std::int64_t size() const noexcept { return size_; }
  /// Cuts it to `size` bytes; what is written next follows them.
  void truncate(std::int64_t size);
  void append(std::span<const std::byte> bytes);
  /// Of all it holds.
  std::string sha256();
  /// fsync, rename to PATH, fsync of the folder.
  void commit();
  void remove() noexcept;

 private:
  [[noreturn]] void fail(const char* what);

  std::string path_;
  std::string part_;
  CallSite at_;
  int descriptor_ = -1;
  std::int64_t size_ = 0;
};

}  // namespace weft
