#pragma once
// One counting job, done by threads or by processes with memory of their own.

#include <cstdint>
#include <string>
#include <vector>

namespace lab {

enum class Crew { threads, pipes, shared_memory };

struct Share {
  std::int64_t begin = 0, end = 0;  ///< bytes of the data
  std::int64_t count = 0;
  std::string lost = {};  ///< empty: counted. Otherwise what became of the worker: "died of signal 11 (...)"
};

/// Counts the bytes that are 7 in data[0, n). threads: all look at the same memory. pipes: each process is sent its
/// share through a pipe and sends the count back. shared_memory: `data` lies in memory that the processes share
/// (SharedBytes), and so do the counts. A worker that dies takes nothing down: its share is named as lost. crash: the
/// number of the worker that is made to die of a signal half-way through; -1: none. Throws std::runtime_error when the
/// system refuses a process or a pipe.
std::vector<Share> count_sevens(Crew crew, const std::uint8_t* data, std::int64_t n, int workers, int crash = -1);

/// Memory that processes forked later share with this one.
class SharedBytes {
 public:
  explicit SharedBytes(std::int64_t n);
  SharedBytes(const SharedBytes&) = delete;
  SharedBytes& operator=(const SharedBytes&) = delete;
  ~SharedBytes();
  std::uint8_t* data() const { return data_; }

 private:
  std::uint8_t* data_;
  std::int64_t size_;
};

}  // namespace lab
