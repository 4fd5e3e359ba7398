#pragma once
// Private: how a device says that something was wrong with the values it was given. A kernel that meets a bad index
// reports it (device/report.cuh): the first report wins, the rest are counted as nothing. The host sees it without
// asking the device: the winner also writes it to pinned host memory.
//
// Kernels that write in place to what outlives a step (optimiser, running statistics, scatter_add) read `raised` first
// and write nothing while it is set, so parameters keep the value of the last good step. The host clears the word when
// it throws the error: at synchronise, copy_out or replay, once.

#include <cstdint>

namespace weft::backends::cuda {

enum class Complaint : std::uint32_t {
  none,
  index,  ///< "index VALUE at position POSITION is out of range for extent LIMIT"
  label,  ///< "label VALUE of row POSITION is out of range for LIMIT classes"
};

/// What went wrong, as the host reads it. Trivially copyable; lies in pinned host memory.
struct Report {
  std::uint32_t what;  ///< a Complaint; 0 while nothing is wrong
  std::uint32_t line;
  const char* name;  ///< the public call, and its place: literals of the host, which the device only carries
  const char* file;
  std::int64_t value;
  std::int64_t limit;
  std::int64_t position;
};

/// In device memory.
struct DeviceWord {
  std::uint32_t raised;  ///< 0: nothing is wrong. Set by atomicCAS.
  std::uint32_t number;  ///< how many errors this word has held
  Report* mirror;        ///< pinned host memory, written by whoever set `raised`; `what` last
};

/// What a kernel is given by value: the word, and whom to name.
struct Reporter {
  DeviceWord* word;
  const char* name;
  const char* file;
  std::uint32_t line;
};

}  // namespace weft::backends::cuda
