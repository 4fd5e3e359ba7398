#pragma once
// Which sanitizer this test is built with; g++ and clang say it in different ways.

namespace weft::testing {

#if defined(__has_feature)
#define WEFT_TEST_HAS(feature) __has_feature(feature)
#else
#define WEFT_TEST_HAS(feature) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || WEFT_TEST_HAS(address_sanitizer)
inline constexpr bool under_asan = true;
#else
inline constexpr bool under_asan = false;
#endif

#if defined(__SANITIZE_THREAD__) || WEFT_TEST_HAS(thread_sanitizer)
inline constexpr bool under_tsan = true;
#else
inline constexpr bool under_tsan = false;
#endif

#undef WEFT_TEST_HAS

}  // namespace weft::testing
