// The vector form of the random streams against core/philox.h, element by element.

#include "support.h"

namespace weft::cpu_test {
namespace {

using backends::cpu::RandomKernels;

constexpr std::uint64_t seed = 0x123456789ABCDEF0, draw = 0xFEDCBA9876543210;
// Around a carry out of the lower counter word (block 2^32 is element 2^34), and at the start.
constexpr std::int64_t starts[] = {0, 64, 896, (std::int64_t{1} << 34) - 64, std::int64_t{1} << 34};
constexpr std::int64_t lengths[] = {1, 3, 63, 64, 65, 200};

template <class T, class Reference>
void same_stream(void (*stream)(std::uint64_t, std::uint64_t, std::int64_t, std::int64_t, T*), Reference reference,
                 const char* what) {
  for (const std::int64_t first : starts) {
    for (const std::int64_t n : lengths) {
      Guarded<T> out(n, n % 3);
      stream(seed, draw, first, n, out.data());
      EXPECT_TRUE(out.unharmed());
      for (std::int64_t i = 0; i < n; ++i) {
        ASSERT_TRUE(same_bits(out.data()[i], reference(seed, draw, static_cast<std::uint64_t>(first + i))))
            << what << " first " << first << " element " << i;
      }
    }
  }
}

TEST(RandomStreams, EverySetGivesTheElementsOfPhilox) {
  for (const Kernels* set : all_sets()) {
    const RandomKernels& k = *set->random;
    same_stream<std::uint32_t>(
        k.bits, [](auto s, auto d, auto i) { return philox_bits(s, d, i); }, set->isa);
    same_stream<float>(
        k.uniform_float32, [](auto s, auto d, auto i) { return philox_uniform_f32(s, d, i); }, set->isa);
    same_stream<double>(
        k.uniform_float64, [](auto s, auto d, auto i) { return philox_uniform_f64(s, d, i); }, set->isa);
    same_stream<float>(
        k.normal_float32, [](auto s, auto d, auto i) { return philox_normal_f32(s, d, i); }, set->isa);
    same_stream<double>(
        k.normal_float64, [](auto s, auto d, auto i) { return philox_normal_f64(s, d, i); }, set->isa);
  }
}

template <class T>
void dropout_keeps_the_right_ones(void (*dropout)(std::uint64_t, std::uint64_t, std::int64_t, std::int64_t, double,
                                                  const T*, T*),
                                  const char* isa) {
  const std::vector<T> x = numbers<T>(300, 4);
  for (const double p : {0.0, 0.2, 0.999}) {
    for (const std::int64_t n : {1, 17, 64, 300}) {
      Guarded<T> y(n);
      dropout(seed, draw, 128, n, p, x.data(), y.data());
      EXPECT_TRUE(y.unharmed());
      for (std::int64_t i = 0; i < n; ++i) {
        const bool stays = philox_uniform_f32(seed, draw, static_cast<std::uint64_t>(128 + i)) >= static_cast<float>(p);
        const T expected = stays ? x[static_cast<std::size_t>(i)] / static_cast<T>(1 - p) : T(0);
        ASSERT_TRUE(same_bits(y.data()[i], expected)) << isa << " p " << p << " element " << i;
      }
    }
  }
}

TEST(RandomStreams, DropoutKeepsWhatTheUniformStreamSays) {
  for (const Kernels* set : all_sets()) {
    dropout_keeps_the_right_ones<float>(set->random->dropout_float32, set->isa);
    dropout_keeps_the_right_ones<double>(set->random->dropout_float64, set->isa);
  }
}

}  // namespace
}  // namespace weft::cpu_test
