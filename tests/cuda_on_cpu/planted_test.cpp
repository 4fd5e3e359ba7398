// Bugs planted between the backend and what it stands on (planted.h), one at a time, each found with the right words.
// The same piece of work is done without a bug first: a test that reports what is right proves nothing. Bugs in kernels
// of their own are in harness_test.cpp.
//
// A report ends the program, so every bug gets a child process.

#include <gtest/gtest.h>

#include <cstdio>
#include <functional>
#include <string>

#include <weft/tensor/tensor_impl.h>
#include <weft/weft.h>

#include "cuda_on_cpu/plugin_control.h"

namespace weft_harness::test {
namespace {

using weft::Device;
using weft::Tensor;

[[noreturn]] void found(const char* how) {
  std::fprintf(stderr, "found: %s\n", how);
  std::_Exit(3);
}

Tensor numbers(Device device, const weft::Shape& shape) {
  weft::Generator generator(3);
  return weft::randn(shape, {device, weft::DType::float32}, generator);
}

std::vector<double> to_doubles(const Tensor& t) {
  const Tensor host = t.detach().to(weft::serial()).to(weft::DType::float64);
  return host.to_vector<double>();
}

/// Both devices compute it; another result, or an exception, is a bug found.
void compare(const std::function<Tensor(Device)>& work) {
  std::vector<double> expected, actual;
  try {
    expected = to_doubles(work(weft::serial()));
    actual = to_doubles(work(weft::cuda()));
  } catch (const weft::Error& e) {
    found(e.what());
  }
  if (expected.size() != actual.size()) found("wrong result: another size");
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (!(std::abs(expected[i] - actual[i]) <= 1e-4 * (1 + std::abs(expected[i])))) found("wrong result");
  }
}

class Planted : public testing::Test {
 protected:
  void SetUp() override {
    plant = WEFT_HARNESS_CONTROL(weft_harness_plant);
    ASSERT_NE(plant, nullptr) << "WEFT_BACKEND_PATH does not name the folder of the harness";
    hooks = WEFT_HARNESS_CONTROL(weft_harness_has_hooks)();
  }

  void expect_found(Bug bug, const std::string& words, const std::function<void()>& work) {
    // In children of their own: plans that a library has been asked for are kept.
    const auto child = [&](Bug planted_one) {
      plant(planted_one);
      work();
      std::fprintf(stderr, "nothing was found\n");
      std::_Exit(0);
    };
    EXPECT_EXIT(child(Bug::none), testing::ExitedWithCode(0), "nothing was found");
    EXPECT_DEATH(child(bug), words);
  }
  void expect_found(Bug bug, const std::string& words, const std::function<Tensor(Device)>& work) {
    expect_found(bug, words, std::function<void()>([&] { compare(work); }));
  }

  decltype(weft_harness_plant)* plant = nullptr;
  bool hooks = false;
};

// ---- in kernels

TEST_F(Planted, BarriersLeftOut) {
  expect_found(Bug::skip_barrier, hooks ? "race: |uninitialised: read of .* shared memory" : "wrong result",
               [](Device d) {
                 return weft::softmax(numbers(d, {5, 3000}), 1);
               });
}

TEST_F(Planted, ShufflesOfHalfAWarp) {
  expect_found(Bug::half_warp_mask, "is not in its own mask", [](Device d) { return numbers(d, {4, 700}).sum({1}); });
}

TEST_F(Planted, AtomicsThatAreNone) {
  if (!hooks) GTEST_SKIP() << "the race hooks are in the build cuda-on-cpu-races";
  expect_found(Bug::plain_atomics, "race: ", [] {  // several threads report their index at once
    const Tensor table = numbers(weft::cuda(), {4, 3}).requires_grad_(false);
    try {
      const Tensor index = weft::full({64}, 9, {weft::cuda(), weft::DType::int64});
      weft::index_select(table, 0, index).sum().item();
    } catch (const weft::IndexError&) {  // it should
    }
  });
}

// ---- in the kernels of the ladder

/// A product by one of its rungs, with edges in every direction, of numbers that TF32 has too.
std::function<Tensor(Device)> product_by(const char* rung) {
  return [rung](Device d) {
    if (d == weft::cuda()) weft::set_matmul_kernel(d, rung);
    return weft::matmul(weft::round(numbers(d, {70, 40}) * 4.0), weft::sign(numbers(d, {40, 150})));
  };
}

TEST_F(Planted, BarriersLeftOutOfTheLadder) {
  for (const char* rung : {"shared-tile", "register-tile", "vectorised", "warp-tile", "tensor-core"}) {
    SCOPED_TRACE(rung);
    expect_found(Bug::skip_barrier, hooks ? "race: |uninitialised: read of .* shared memory" : "wrong result",
                 product_by(rung));
  }
}

TEST_F(Planted, ABlockTooFewOnEveryRung) {
  for (const char* rung : {"naive", "coalesced", "shared-tile", "register-tile", "vectorised", "warp-tile"}) {
    SCOPED_TRACE(rung);
    expect_found(Bug::grid_one_short,
                 hooks ? "uninitialised|wrong result|memory that was never written" : "wrong result", product_by(rung));
  }
}

TEST_F(Planted, ShufflesOfHalfAWarpInTheLadder) {
  expect_found(Bug::half_warp_mask, "is not in its own mask", product_by("tensor-core"));
  expect_found(Bug::half_warp_mask, "is not in its own mask", [](Device d) {
    if (d == weft::cuda()) weft::set_reduce_kernel(d, "warp-shuffle");
    return numbers(d, {700}).sum();
  });
}

TEST_F(Planted, BarriersLeftOutOfTheSums) {
  for (const char* rung : {"tree", "warp-shuffle"}) {
    SCOPED_TRACE(rung);
    expect_found(Bug::skip_barrier, hooks ? "race: |uninitialised: read of .* shared memory" : "wrong result",
                 [rung](Device d) {
                   if (d == weft::cuda()) weft::set_reduce_kernel(d, rung);
                   return numbers(d, {700}).sum();
                 });
  }
}

// ---- in launches

TEST_F(Planted, ABlockTooFew) {
  expect_found(Bug::grid_one_short, hooks ? "uninitialised|wrong result|memory that was never written" : "wrong result",
               [](Device d) {
                 return numbers(d, {300, 300}) + 1.0;
               });
}

TEST_F(Planted, BlocksTooLarge) {
  expect_found(Bug::block_too_large, "launch: .* threads in a block, at most 1024", [](Device d) {
    return numbers(d, {300, 300}) + 1.0;
  });
}

TEST_F(Planted, SharedMemoryTooShort) {
  expect_found(Bug::shared_memory_short, hooks ? "shared memory" : "AddressSanitizer", [](Device d) {
    return weft::topk(numbers(d, {3, 500}), 7).values;
  });
}

// ---- in the backend's calls of the runtime

TEST_F(Planted, AllocationsTooShort) {
  expect_found(Bug::allocation_short, "out of bounds|not allocated|AddressSanitizer|bytes wanted",
               [](Device d) { return numbers(d, {33}) * 2.0; });
}

TEST_F(Planted, MemoryFreedWhileItIsInUse) {
  expect_found(Bug::free_at_once, "not allocated|freed|AddressSanitizer",
               [](Device d) { return (numbers(d, {50}) * 2.0).sum({0}); });
}

TEST_F(Planted, WaitsLeftOut) {
  expect_found(Bug::skip_wait, "wrong result|not allocated|never written|AddressSanitizer|uninitialised|out of bounds",
               [] {
                 weft::backends::Backend& backend = weft::backends::backend_for(weft::cuda());
                 weft::backends::Stream* other = backend.make_stream();
                 const Tensor a = numbers(weft::cuda(), {64});
                 weft::backends::Backend& same = backend;
                 same.use_stream(other);
                 same.wait(nullptr);  // for what the shared queue has been given
                 const Tensor b = a * 3.0;
                 const std::vector<double> there = to_doubles(b);
                 same.use_stream(nullptr);
                 same.wait(other);
                 const std::vector<double> here = to_doubles(numbers(weft::serial(), {64}) * 3.0);
                 if (there != here) found("wrong result");
               });
}

/// A bad index is reported once; after that the optimiser works again. The error word is cleared by a fill.
void recover() {
  const Tensor table = numbers(weft::cuda(), {4, 3});
  try {
    weft::index_select(table, 0, weft::full({2}, 9, {weft::cuda(), weft::DType::int64})).sum().item();
    found("an index that was not reported");
  } catch (const weft::IndexError&) {  // as it should be
  }
  Tensor w = numbers(weft::cuda(), {6}).requires_grad_();
  const std::vector<double> before = to_doubles(w);
  weft::nn::SGD sgd({w}, {.lr = 0.5});
  (w * w).sum().backward();
  sgd.step();
  if (to_doubles(w) == before) found("the optimiser still takes the error for pending");
}

TEST_F(Planted, FillsLeftOut) {
  expect_found(Bug::skip_fill, "the optimiser still takes the error for pending", recover);
}

TEST_F(Planted, CopiesFromTheHostLeftOut) {
  expect_found(Bug::skip_copy, "wrong result|uninitialised|never written", [](Device d) {
    return weft::tensor({1.0, 2.0, 3.0}).to(d) + 1.0;
  });
}

TEST_F(Planted, ALostDeviceIsNamed) {
  expect_found(Bug::sticky_error, "the process has lost the device|The process has lost the device",
               [](Device d) { return numbers(d, {50}) * 2.0; });
}

/// A captured step of two operations, replayed.
Tensor captured(Device device) {
  const Tensor x = weft::full({8, 4}, 0.5, {device, weft::DType::float32});
  const Tensor w = weft::full({4, 4}, 0.25, {device, weft::DType::float32});
  Tensor y = weft::zeros({8, 4}, {device, weft::DType::float32});
  weft::CapturedStep step = weft::capture([&] { y.copy_(weft::matmul(x, w) + y); });
  step.replay(2);
  return y;
}

TEST_F(Planted, WaitsInACapture) { expect_found(Bug::wait_while_recording, "found: .*captur", captured); }

TEST_F(Planted, AllocationsInACapture) { expect_found(Bug::allocate_while_recording, "found: .*captur", captured); }

// ---- in calls of vendors' libraries

Tensor multiplied(Device device) {
  weft::Generator generator(5);
  const Tensor a = weft::randn({6, 5}, {device, weft::DType::float32}, generator);
  return weft::matmul(a, weft::randn({5, 7}, {device, weft::DType::float32}, generator));
}

TEST_F(Planted, LeadingDimension) {
  expect_found(Bug::leading_dimension, "cuBLASLt: leading dimension .* is smaller than its .* rows", multiplied);
}

TEST_F(Planted, Transpose) {
  expect_found(Bug::transpose, "cuBLASLt: A is .* where the product needs", multiplied);
  // Square matrices fit either way: then the numbers tell.
  expect_found(Bug::transpose, "wrong result", [](Device device) {
    weft::Generator generator(5);
    const Tensor a = weft::randn({6, 6}, {device, weft::DType::float32}, generator);
    return weft::matmul(a, weft::randn({6, 6}, {device, weft::DType::float32}, generator));
  });
}

/// relu(x w^T + b) with the bit mask for the way back, as the contract has it.
Tensor with_mask(Device device) {
  weft::Generator generator(5);
  const weft::TensorOptions options = {device, weft::DType::float32};
  const Tensor x = weft::randn({6, 5}, options, generator), w = weft::randn({7, 5}, options, generator);
  const Tensor b = weft::randn({7}, options, generator), y = weft::zeros({6, 7}, options);
  weft::backends::Backend& backend = weft::backends::backend_for(device);
  const std::size_t bytes = backend.linear_aux_bytes(weft::backends::Activation::relu, weft::view_of(y));
  void* aux = bytes == 0 ? nullptr : backend.allocate(bytes);
  backend.linear(weft::backends::Activation::relu, weft::view_of(x), weft::view_of(w), weft::view_of(b),
                 weft::view_of(y), aux);
  if (aux != nullptr) backend.free(aux, bytes);
  return y;
}

TEST_F(Planted, AuxLeadingDimension) {
  expect_found(Bug::aux_leading_dimension, "cuBLASLt: EPILOGUE_AUX_LD 127 of a ReLU mask has to be a multiple of 128",
               with_mask);
}

TEST_F(Planted, NoWorkspace) {
  expect_found(Bug::workspace_none, "cuBLASLt: the algorithm needs a workspace of 4096 bytes and was given 0",
               multiplied);
}

TEST_F(Planted, ComputeType) {
  expect_found(Bug::compute_type, "cuBLASLt: compute type .* does not go with matrices of types", multiplied);
}

TEST_F(Planted, MisalignedOperand) {
  expect_found(Bug::misaligned_operand, "cuBLASLt: B is not aligned to the .* bytes the algorithm was asked for",
               multiplied);
}

TEST_F(Planted, IllegalCallInACapture) {
  expect_found(Bug::vendor_wait_while_recording, "found: .*captur|found: .*cublasLtMatmul says", captured);
}

TEST_F(Planted, MissingStream) {
  expect_found(Bug::missing_stream, "default stream: cublasLtMatmul was given no stream", multiplied);
}

Tensor convolved(Device device) {
  weft::Generator generator(5);
  const Tensor x = weft::randn({2, 3, 6, 6}, {device, weft::DType::float32}, generator);
  return weft::conv2d(x, weft::randn({4, 3, 3, 3}, {device, weft::DType::float32}, generator), {});
}

TEST_F(Planted, ConvolutionWithoutWorkspace) {
  expect_found(Bug::workspace_none, "cuDNN: cudnnConvolutionForward needs a workspace", convolved);
}

TEST_F(Planted, ConvolutionWithoutStream) {
  expect_found(Bug::missing_stream, "default stream: cudnnConvolutionForward was given no stream", convolved);
}

}  // namespace
}  // namespace weft_harness::test
