#pragma once
// Private: files that are either the old ones or the new ones, never halves.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <weft/core/call_site.h>

namespace weft {

/// Writes a file so that a crash or a full disk at any moment leaves either the old file or the complete new one:
/// a temporary ".NAME.PID.tmp" in the same folder, fsync, rename, fsync of the folder.
///
///     AtomicFile file(path, "save");
///     file.write(header);
///     file.write(data);
///     file.commit();
///
/// Every failure (open, write, fsync, close, rename, fsync of the folder) throws IoError with the path and the system's
/// reason; the temporary is removed then, and when the object goes without commit(). A failure of the last step, the
/// fsync of the folder, is reported although the new file is in place. What exists and is no regular file (/dev/stdout,
/// a FIFO) is written directly. One thread at a time; two objects in one process may write the same path, the last
/// commit wins.
class AtomicFile {
 public:
  /// Opens the temporary. A symbolic link at `path` is followed: what it points to is replaced. `op` names the
  /// operation in errors. The new file has the permissions of the old one, or 0666 less the umask.
  AtomicFile(std::string path, const char* op, CallSite at = CallSite::here());
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  std::int64_t written() const noexcept { return written_; }
  void commit();

 private:
  [[noreturn]] void fail(const char* what, int error);
  void discard() noexcept;

  std::string path_;       // as the caller wrote it, for messages
  std::string target_;     // with symbolic links resolved
  std::string temporary_;  // empty once renamed or removed, and when the target is written directly
  const char* op_;
  CallSite at_;
  int fd_ = -1;
  bool direct_ = false;
  std::int64_t written_ = 0;
};

/// AtomicFile for bytes that are in memory already.
void write_file_atomically(const std::string& path, std::span<const std::byte> bytes, const char* op,
                           CallSite at = CallSite::here());

/// The whole of a regular file. Throws IoError naming path and reason: io_open (missing, unreadable, a folder, a FIFO
/// or another thing that is no regular file, more than `limit` bytes), io_read (the system's error, with the offset),
/// and io_truncated when the file shrinks while it is read.
std::vector<std::byte> read_file(const std::string& path, std::int64_t limit, const char* op,
                                 CallSite at = CallSite::here());

/// Removes ".NAME.PID.tmp" files that killed processes left beside `path`; those of living processes stay. Never
/// throws.
void remove_stale_temporaries(const std::string& path) noexcept;

}  // namespace weft
