// Graphs far deeper than a stack: walking and destroying them is iterative. The test runs in a thread with a stack of
// 256 KiB, so that a recursion of a few thousand levels would already crash.

#include <pthread.h>
#include <sys/resource.h>

#include <chrono>
#include <fstream>

#include "autograd/helpers.h"

using namespace weft;
using namespace weft::testing_autograd;

namespace {

void on_a_small_stack(const std::function<void()>& body) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 256 * 1024);
  pthread_t thread;
  const auto entry = [](void* fn) -> void* { return (*static_cast<const std::function<void()>*>(fn))(), nullptr; };
  ASSERT_EQ(pthread_create(&thread, &attributes, entry, const_cast<std::function<void()>*>(&body)), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

double resident_mib() {
  std::ifstream statm("/proc/self/statm");
  double pages_total = 0, pages_resident = 0;
  statm >> pages_total >> pages_resident;
  return pages_resident * 4096 / (1 << 20);
}

double seconds_of(const std::function<void()>& body) {
  const auto begin = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;
#elif defined(__has_feature)
constexpr bool sanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
constexpr bool sanitized = false;
#endif

constexpr int depth = sanitized ? 100'000 : 1'000'000;

Tensor chain(const Tensor& x) {
  Tensor y = x;
  for (int i = 0; i < depth; ++i) y = y + 1;
  return y;
}

TEST(Deep, AMillionCallsForwardBackwardAndFreed) {
  on_a_small_stack([] {
    Tensor x = number(1).requires_grad_();
    const double before = resident_mib();
    Tensor y;
    const double forward = seconds_of([&] { y = chain(x); });
    const double held = resident_mib() - before;
    const double backward = seconds_of([&] { y.backward(); });
    EXPECT_EQ(values(x.grad()), Values{1});
    std::printf("%d calls: forward %.2f s, backward %.2f s, graph %.0f MiB\n", depth, forward, backward, held);
    if (!sanitized) {
      EXPECT_LT(backward, 10);
      EXPECT_LT(held, 400);
    }
  });
}

TEST(Deep, AnUnusedMillionIsFreedWithoutBackward) {
  on_a_small_stack([] {
    Tensor x = number(1).requires_grad_();
    Tensor y = chain(x);
    const double freed = seconds_of([&] { y = Tensor(); });
    std::printf("%d calls freed in %.3f s\n", depth, freed);
    if (!sanitized) {
      EXPECT_LT(freed, 2);
    }
    Tensor z = chain(x);  // the memory is there to be used again
    const double before = resident_mib();
    z = Tensor();
    z = chain(x);
    if (!sanitized) {
      EXPECT_LT(resident_mib() - before, 50);
    }
  });
}

// Every node saves its result and its argument, so that values and nodes hold each other in one long chain.
TEST(Deep, SavedValuesAreFreedIterativelyToo) {
  on_a_small_stack([] {
    Tensor x = number(0.5).requires_grad_();
    Tensor y = x;
    for (int i = 0; i < depth / 10; ++i) y = tanh(y * y);
    y = Tensor();
    y = x;
    for (int i = 0; i < depth / 10; ++i) y = tanh(y * x);
    y.backward();
    EXPECT_TRUE(x.grad().defined());
  });
}

TEST(Deep, ManyUsersOfOneTensor) {
  on_a_small_stack([] {
    Tensor x = number(1).requires_grad_();
    const Tensor h = x * 2.0;
    Tensor total = h;
    for (int i = 0; i < depth / 10; ++i) total = total + h;
    total.backward();
    EXPECT_EQ(values(x.grad()), Values{2.0 * (depth / 10 + 1)});
  });
}

}  // namespace
