#pragma once
// What the tests of the cpu backend share: numbers that depend on a seed alone, and comparison by bits.

#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <weft/backends/cpu/kernels.h>
#include <weft/core/philox.h>
#include <weft/core/thread_pool.h>

namespace weft::cpu_test {

using backends::cpu::Kernels;
using backends::cpu::KernelSets;

/// Every instruction set of this machine.
inline std::vector<const Kernels*> all_sets() {
  const KernelSets sets = backends::cpu::kernel_sets();
  return {sets.set, sets.set + sets.count};
}

inline bool has_fma(const Kernels& kernels) { return std::strcmp(kernels.isa, "baseline") != 0; }

/// About -3 .. 3, all bits of the fraction in use.
template <class T>
std::vector<T> numbers(std::int64_t n, std::uint64_t seed) {
  std::vector<T> values(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i) {
    values[static_cast<std::size_t>(i)] = static_cast<T>(philox_normal_f64(seed, 0, static_cast<std::uint64_t>(i)));
  }
  return values;
}

template <class T>
bool same_bits(T a, T b) {
  return std::memcmp(&a, &b, sizeof a) == 0;
}

/// How many elements differ in a bit.
template <class T>
std::int64_t different(const T* a, const T* b, std::int64_t n) {
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < n; ++i) count += same_bits(a[i], b[i]) ? 0 : 1;
  return count;
}
template <class T>
std::int64_t different(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() ? different(a.data(), b.data(), static_cast<std::int64_t>(a.size())) : -1;
}

/// FNV-1a over bytes, for recorded results.
inline std::uint64_t hash_of(const void* data, std::size_t bytes) {
  std::uint64_t h = 0xcbf29ce484222325u;
  for (std::size_t i = 0; i < bytes; ++i) h = (h ^ static_cast<const unsigned char*>(data)[i]) * 0x100000001b3u;
  return h;
}

/// Runs with `n` threads, then with as many as before.
class Threads {
 public:
  explicit Threads(int n) : before_(num_threads()) { set_num_threads(n); }
  ~Threads() { set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

/// n elements, 64-byte aligned plus `shift` elements, sentinels around them.
template <class T>
class Guarded {
 public:
  explicit Guarded(std::int64_t n, std::int64_t shift = 0) : n_(n), memory_(static_cast<std::size_t>(n + 96 + 64)) {
    std::memset(memory_.data(), 0xA5, memory_.size() * sizeof(T));
    auto address = reinterpret_cast<std::uintptr_t>(memory_.data() + 32);
    address = (address + 63) / 64 * 64;
    data_ = reinterpret_cast<T*>(address) + shift;
  }
  T* data() { return data_; }
  std::vector<T> values() const { return {data_, data_ + n_}; }
  bool unharmed() const {
    const auto* begin = reinterpret_cast<const unsigned char*>(memory_.data());
    const auto* end = reinterpret_cast<const unsigned char*>(memory_.data() + memory_.size());
    const auto* first = reinterpret_cast<const unsigned char*>(data_);
    const auto* last = reinterpret_cast<const unsigned char*>(data_ + n_);
    for (const auto* p = begin; p != end; ++p) {
      if ((p < first || p >= last) && *p != 0xA5) return false;
    }
    return true;
  }

 private:
  std::int64_t n_;
  std::vector<T> memory_;
  T* data_ = nullptr;
};

}  // namespace weft::cpu_test
