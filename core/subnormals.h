#pragma once
// One floating-point environment on every thread that computes: round to nearest, subnormals flushed to zero.
//
// A subnormal operand can cost a hundred times a normal one, and a region whose threads disagree about them gives bits
// that depend on the number of threads. So parallel_for() and the workers of the pool run under this guard.

#include <cstdint>

namespace weft {

/// Sets flush-to-zero, denormals-are-zero and round-to-nearest for the calling thread, and restores the control
/// register it found on destruction. The exception masks stay as they are. x86-64 (MXCSR) and 64-bit Arm (FPCR); does
/// nothing elsewhere. Costs two register reads when the setting is in force already.
class FlushSubnormals {
 public:
  FlushSubnormals() noexcept : before_(read()) {
    const std::uint64_t wanted = (before_ & ~rounding) | flush;
    if (wanted != before_) write(wanted);
  }
  ~FlushSubnormals() {
    // On x86-64 the same register holds the sticky exception flags: those raised meanwhile stay raised.
    constexpr std::uint64_t mine = rounding | flush;
    const std::uint64_t now = read();
    if (((now ^ before_) & mine) != 0) write((now & ~mine) | (before_ & mine));
  }
  FlushSubnormals(const FlushSubnormals&) = delete;
  FlushSubnormals& operator=(const FlushSubnormals&) = delete;

  /// Whether the calling thread flushes now.
  static bool active() noexcept { return flush != 0 && (read() & flush) == flush; }

 private:
#if defined(__x86_64__)
  static constexpr std::uint64_t flush = 0x8040;     // FTZ, DAZ
  static constexpr std::uint64_t rounding = 0x6000;  // RC
  static std::uint64_t read() noexcept {
    std::uint32_t value;
    __asm__ volatile("stmxcsr %0" : "=m"(value) : : "memory");
    return value;
  }
  static void write(std::uint64_t value) noexcept {
    const std::uint32_t low = static_cast<std::uint32_t>(value);
    __asm__ volatile("ldmxcsr %0" : : "m"(low) : "memory");
  }
#elif defined(__aarch64__)
  static constexpr std::uint64_t flush = std::uint64_t{1} << 24;     // FZ flushes operands and results
  static constexpr std::uint64_t rounding = std::uint64_t{3} << 22;  // RMode
  static std::uint64_t read() noexcept {
    std::uint64_t value;
    __asm__ volatile("mrs %0, fpcr" : "=r"(value) : : "memory");
    return value;
  }
  static void write(std::uint64_t value) noexcept { __asm__ volatile("msr fpcr, %0" : : "r"(value) : "memory"); }
#else
  static constexpr std::uint64_t flush = 0;
  static constexpr std::uint64_t rounding = 0;
  static std::uint64_t read() noexcept { return 0; }
  static void write(std::uint64_t) noexcept {}
#endif

  std::uint64_t before_;
};

}  // namespace weft
