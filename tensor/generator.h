#pragma once
// Where random numbers come from: Philox4x32-10 (core/philox.h), a pure function of (seed, draw, element). The whole
// state is two integers, so saving and restoring it is exact, and the numbers do not depend on backend, threads or
// launch geometry.

#include <cstdint>

#include <weft/core/export.h>

namespace weft {

/// Not thread-safe: give each thread its own. The default generator is one per process.
class WEFT_API Generator {
 public:
  explicit Generator(std::uint64_t seed = 0) noexcept : seed_(seed) {}

  void manual_seed(std::uint64_t seed) noexcept {
    seed_ = seed;
    draw_ = 0;
  }
  std::uint64_t seed() const noexcept { return seed_; }
  std::uint64_t draw() const noexcept { return draw_; }  ///< how many draws were taken
  std::uint64_t next_draw() noexcept { return draw_++; }
  void set_state(std::uint64_t seed, std::uint64_t draw) noexcept {
    seed_ = seed;
    draw_ = draw;
  }

 private:
  std::uint64_t seed_;
  std::uint64_t draw_ = 0;
};

/// What creation functions, initialisers and dropout use when not told otherwise.
WEFT_API Generator& default_generator() noexcept;

/// default_generator().manual_seed(seed)
WEFT_API void manual_seed(std::uint64_t seed) noexcept;

}  // namespace weft
