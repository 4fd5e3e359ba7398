#pragma once
// Private: reads a file as it is, or through gzip when it starts with gzip's magic bytes.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <weft/core/call_site.h>
#include <weft/data/regular_file.h>

namespace weft {

class UnpackedFile {
 public:
  /// Throws IoError (io_open).
  UnpackedFile(const std::string& path, const char* op, CallSite at);
  ~UnpackedFile();

  bool packed() const noexcept { return gzip_ != nullptr; }
  const std::string& path() const noexcept { return file_.path(); }
  std::int64_t file_size() const noexcept { return file_.size(); }
  std::int64_t position() const noexcept { return position_; }  ///< unpacked bytes delivered
  /// Up to `bytes` bytes; fewer only at the end of the contents. A broken gzip stream throws IoError: io_truncated,
  /// io_checksum or io_format, with the byte offset in the packed file.
  std::size_t read(void* to, std::size_t bytes);
  /// Whether the contents end here. For gzip that means the end of the member, its checksum verified; anything behind
  /// it throws IoError (io_format).
  bool at_end();

 private:
  struct Gzip;
  std::size_t inflate_into(unsigned char* to, std::size_t bytes);
  [[noreturn]] void refuse_stream(int status);

  RegularFile file_;
  const char* op_;
  CallSite at_;
  std::int64_t position_ = 0;
  std::unique_ptr<Gzip> gzip_;
};

}  // namespace weft
