#pragma once
// What the harness has to say about a kernel or a call, and the switches it is run with.
//
// A report is printed and ends the program, unless a self-test collects it. Environment:
//   WEFT_HARNESS_ORDER   forward (default), reverse, random: of threads, blocks, streams and graph nodes
//   WEFT_HARNESS_SEED    of the random order; printed with every report
//   WEFT_HARNESS_LOG     names every kernel as it runs

#include <cstdint>
#include <string>
#include <vector>

namespace weft_harness {

enum class Order { forward, reverse, random };

struct Settings {
  Order order = Order::forward;
  std::uint64_t seed = 1;
};
Settings& settings();

/// A report as the self-tests see it: "race: ...", "divergent barrier: ...".
void report(const std::string& text);

/// While it lives, reports are kept instead of ending the program (one at a time, not from several threads).
class Collect {
 public:
  Collect();
  ~Collect();
  Collect(const Collect&) = delete;
  Collect& operator=(const Collect&) = delete;
  const std::vector<std::string>& reports() const { return reports_; }
  bool has(const std::string& part) const;

 private:
  friend void report(const std::string&);
  std::vector<std::string> reports_;
  Collect* outer_;
};

/// "(3, 0, 0)", for threads and blocks.
std::string triple(unsigned x, unsigned y, unsigned z);

/// The name of a function in this program or library, from its symbol table: "softmax_rows<float>(..)".
std::string function_name(const void* code);

/// A sequence of random numbers that follows from the seed alone.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t x = (state_ += 0x9E3779B97F4A7C15u);  // splitmix64
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
  }
  std::uint64_t below(std::uint64_t n) { return next() % n; }

 private:
  std::uint64_t state_;
};

/// 0 .. n - 1 in the order asked for.
void fill_order(std::vector<unsigned>& order, unsigned n, Random& random);

}  // namespace weft_harness
