// Backwards on several threads: separate graphs at once, one graph by one thread only.

#include <atomic>
#include <thread>

#include "autograd/helpers.h"

using namespace weft;
using namespace weft::testing_autograd;

namespace {

void in_parallel(int count, const std::function<void(int)>& body) {
  std::atomic<int> waiting{count};
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([&, i] {
      waiting.fetch_sub(1);
      while (waiting.load() > 0) std::this_thread::yield();
      body(i);
    });
  }
  for (std::thread& t : threads) t.join();
}

TEST(Threads, RecordingIsPerThread) {
  const NoGrad off;
  bool other = false;
  std::thread([&] { other = grad_enabled(); }).join();
  EXPECT_TRUE(other);
  EXPECT_FALSE(grad_enabled());
}

TEST(Threads, SeparateGraphsAtOnce) {
  std::vector<Tensor> leaves;
  for (int i = 0; i < 4; ++i) leaves.push_back(leaf({16, 16}, 1 + static_cast<std::uint64_t>(i)));
  in_parallel(4, [&](int i) {
    const Tensor& x = leaves[static_cast<std::size_t>(i)];
    for (int k = 0; k < 50; ++k) matmul(tanh(x), x).sum().backward();
  });
  for (int i = 0; i < 4; ++i) {
    Tensor x = leaf({16, 16}, 1 + static_cast<std::uint64_t>(i));
    for (int k = 0; k < 50; ++k) matmul(tanh(x), x).sum().backward();
    EXPECT_EQ(values(leaves[static_cast<std::size_t>(i)].grad()), values(x.grad()));
  }
}

TEST(Threads, SeparateGraphsMayEndInTheSameLeaves) {
  Tensor w = leaf_of({1, 2, 3});
  in_parallel(4, [&](int) {
    for (int k = 0; k < 200; ++k) (w * 2.0).sum().backward();
  });
  EXPECT_EQ(values(w.grad()), (Values{1600, 1600, 1600}));
  for (int round = 0; round < 300; ++round) {  // the first gradients of a leaf, arriving together
    w.zero_grad();
    in_parallel(2, [&](int) { (w * 2.0).sum().backward(); });
    ASSERT_EQ(values(w.grad()), (Values{4, 4, 4})) << "round " << round;
  }
}

// Every thread either goes through the whole graph or is refused before it changed anything.
TEST(Threads, OneGraphIsGoneThroughByOneThread) {
  for (int round = 0; round < 50; ++round) {
    Tensor x = leaf_of({1, 2});
    Tensor y = x;
    for (int i = 0; i < 50; ++i) y = y * 1.0;
    const Tensor total = y.sum();
    std::atomic<int> done{0}, refused{0};
    in_parallel(3, [&](int) {
      try {
        total.backward();
        ++done;
      } catch (const AutogradError& e) {
        EXPECT_TRUE(e.code() == ErrorCode::reentrant_backward || e.code() == ErrorCode::graph_freed) << e.what();
        ++refused;
      }
    });
    EXPECT_EQ(done, 1);
    EXPECT_EQ(refused, 2);
    EXPECT_EQ(values(x.grad()), (Values{1, 1}));
  }
}

TEST(Threads, TwoGraphsWithACommonPart) {
  for (int round = 0; round < 50; ++round) {
    Tensor x = leaf_of({1, 2});
    const Tensor trunk = x * 3.0;
    const Tensor heads[] = {trunk.sum(), (trunk * 10.0).sum()};
    std::atomic<int> sum{0};
    in_parallel(2, [&](int i) {
      for (;;) {
        try {
          heads[i].backward({}, true);
          sum += i == 0 ? 3 : 30;
          return;
        } catch (const AutogradError& e) {
          ASSERT_EQ(e.code(), ErrorCode::reentrant_backward) << e.what();
          std::this_thread::yield();
        }
      }
    });
    EXPECT_EQ(sum, 33);
    EXPECT_EQ(values(x.grad()), (Values{33, 33}));
  }
}

TEST(Threads, TheMessageNamesTheOtherThread) {
  Tensor x = leaf_of({1});
  Tensor h = x * 2.0;
  const Tensor y = h.sum();
  h.register_hook([&](const Tensor&) {
    std::thread([&] {
      expect_error<AutogradError>([&] { y.backward(); }, ErrorCode::reentrant_backward, {"another thread"});
    }).join();
    return Tensor();
  });
  y.backward();
  EXPECT_EQ(values(x.grad()), Values{2});
}

TEST(Threads, AGraphMayBeFreedByAnotherThread) {
  Tensor x = leaf_of({1});
  Tensor y = x;
  for (int i = 0; i < 10000; ++i) y = y + 1;
  std::thread([moved = std::move(y)]() mutable { moved = Tensor(); }).join();
  x.backward();
  EXPECT_EQ(values(x.grad()), Values{1});
}

}  // namespace
