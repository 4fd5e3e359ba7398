// What is particular to the CUDA backend and no other: its messages, its memory, its queues, errors that come later,
// its row in the trace. Runs with 256 MiB of device memory.

#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <weft/tensor/tensor_impl.h>
#include <weft/weft.h>

namespace weft_harness::test {
namespace {

using namespace weft;
using backends::Backend;
using backends::TensorView;

Backend& gpu() { return backends::backend_for(cuda()); }

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// What a machine of another kind says.
std::string why(const char* machine) {
  ::setenv("WEFT_HARNESS_MACHINE", machine, 1);
  std::string text = backends::why_unavailable(cuda());
  ::unsetenv("WEFT_HARNESS_MACHINE");
  return text;
}

// The first test of the program: afterwards the backend is there and is not looked for again.
TEST(Cuda, EachWayOfNotHavingItHasItsSentence) {
  EXPECT_TRUE(contains(why("no-driver"), "no NVIDIA driver was found (libcuda.so.1)")) << why("no-driver");
  EXPECT_TRUE(contains(why("old-driver"), "too old: it supports CUDA 11.4, this plug-in was built for 1"))
      << why("old-driver");
  ::setenv("CUDA_VISIBLE_DEVICES", "7", 1);
  EXPECT_TRUE(contains(why("no-device"), "CUDA_VISIBLE_DEVICES is \"7\"")) << why("no-device");
  ::unsetenv("CUDA_VISIBLE_DEVICES");
  EXPECT_TRUE(contains(why("no-device"), "no NVIDIA GPU was found")) << why("no-device");
  EXPECT_TRUE(contains(why("no-code"), "(compute capability 9.0): it was built for ")) << why("no-code");
  EXPECT_TRUE(contains(why("no-code"), "-DWEFT_CUDA_ARCHITECTURES=90")) << why("no-code");
  EXPECT_EQ(backends::why_unavailable(cuda()), "");
}

TEST(Cuda, AMissingLibraryIsAnErrorOfTheCallThatNeedsIt) {
  const Tensor a = ones({2, 2}, cuda());
  ::setenv("WEFT_HARNESS_MACHINE", "no-cublaslt", 1);
  try {
    matmul(a, a);
    ADD_FAILURE() << "a product without cuBLAS";
  } catch (const DeviceError& error) {
    EXPECT_EQ(error.code(), ErrorCode::device_unavailable);
    EXPECT_TRUE(contains(error.what(), "[matmul]")) << error.what();
    EXPECT_TRUE(contains(error.what(), "cuBLAS")) << error.what();
  }
  EXPECT_EQ((a + a).sum().item(), 8.0) << "what needs no library goes on";
  ::unsetenv("WEFT_HARNESS_MACHINE");
  EXPECT_EQ(matmul(a, a).sum().item(), 8.0) << "and it is looked for again";
}

TEST(Cuda, OutOfMemoryNamesWhatFillsTheDeviceAndWhatWouldFit) {
  nn::Linear layer(4, 4);
  layer.to(cuda());
  nn::SGD sgd(layer.parameters(), {.lr = 0.1});
  layer(ones({2, 4}, cuda())).sum().backward();
  sgd.step();
  const Tensor kept = zeros({16 << 20}, cuda());  // 64 MiB
  std::vector<Tensor> more;
  try {
    for (int i = 0; i < 64; ++i) more.push_back(zeros({8 << 20}, cuda()));
    ADD_FAILURE() << "2 GiB were found in 256 MiB";
  } catch (const OutOfMemoryError& error) {
    const std::string text = error.what();
    for (const char* part : {"[zeros]", "32 MiB do not fit: of the device's 256 MiB", "the largest: 64 MiB (zeros at ",
                             "backend_test.cpp:", "a batch of at most ", " % of this one would fit"}) {
      EXPECT_TRUE(contains(text, part)) << part << " is not in: " << text;
    }
  }
  EXPECT_FALSE(more.empty());
  more.clear();
  EXPECT_EQ(zeros({8 << 20}, cuda()).sum().item(), 0.0) << "a smaller one fits";
  EXPECT_EQ(kept.sum().item(), 0.0);
  gpu().release_cached();
}

TEST(Cuda, AReplayThrowsWhatAnEarlierOneMetAndTheParametersStay) {
  Tensor table = zeros({4, 2}, cuda());
  table.requires_grad_();
  nn::SGD sgd({table}, {.lr = 1});
  Tensor row = zeros({1}, {cuda(), DType::int64});
  CapturedStep step = capture([&] {
    sgd.zero_grad();
    index_select(table, 0, row).sum().backward();
    sgd.step();
  });
  step.replay(2);
  const std::vector<float> before = to(table.detach(), cpu()).to_vector<float>();
  row.fill_(9);
  bool thrown = false;
  try {
    step.replay();
    gpu().synchronise();
  } catch (const IndexError& error) {
    thrown = true;
    EXPECT_EQ(error.code(), ErrorCode::index_out_of_range);
    EXPECT_TRUE(contains(error.what(), "index 9 at position 0 is out of range for extent 4")) << error.what();
    EXPECT_TRUE(contains(error.what(), "backend_test.cpp:")) << error.what();
  }
  EXPECT_TRUE(thrown);
  EXPECT_NO_THROW(gpu().synchronise()) << "once";
  EXPECT_EQ(to(table.detach(), cpu()).to_vector<float>(), before);
  row.fill_(1);
  step.replay();
  EXPECT_NE(to(table.detach(), cpu()).to_vector<float>(), before) << "and life goes on";
}

TEST(Cuda, AStreamWaitsForAnotherOnTheDevice) {
  Backend& b = gpu();
  backends::Stream* side = b.make_stream();
  ASSERT_NE(side, nullptr);
  const TensorView x = backends::contiguous_view(b.allocate(4096), DType::float32, {1024});
  b.fill(x, 1);
  b.use_stream(side);
  b.wait(nullptr);  // for the shared queue
  b.binary(BinaryOp::add, x, backends::Number(2.0), x);
  b.use_stream(nullptr);
  b.wait(side);
  b.binary(BinaryOp::mul, x, backends::Number(5.0), x);
  std::vector<float> values(1024);
  b.copy_out(values.data(), x.data, 4096);
  EXPECT_EQ(values, std::vector<float>(1024, 15.0f));
  b.drop_stream(side);
  b.free(x.data, 4096);
}

TEST(Cuda, PinnedMemoryMayBeReusedAfterCopyIn) {
  Backend& b = gpu();
  auto* host = static_cast<float*>(b.allocate_pinned(4096));
  void* device = b.allocate(4096);
  for (int i = 0; i < 1024; ++i) host[i] = 1;
  b.copy_in(device, host, 4096);
  for (int i = 0; i < 1024; ++i) host[i] = 2;
  std::vector<float> values(1024);
  b.copy_out(values.data(), device, 4096);
  EXPECT_EQ(values, std::vector<float>(1024, 1.0f));
  b.copy_in_async(device, host, 4096);
  b.synchronise();
  b.copy_out(values.data(), device, 4096);
  EXPECT_EQ(values, std::vector<float>(1024, 2.0f));
  b.free(device, 4096);
  b.free_pinned(host, 4096);
}

TEST(Cuda, TheTraceHasARowOfTheDevice) {
  trace_start();
  const Tensor x = ones({64}, cuda());
  EXPECT_EQ(exp(x * 0.0).sum().item(), 64.0);
  trace_stop();
  const std::string path = testing::TempDir() + "weft_cuda_trace_" + std::to_string(getpid()) + ".json";
  trace_write(path);
  std::ifstream file(path);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  ::unlink(path.c_str());
  EXPECT_TRUE(contains(text, "\"thread_name\"")) << text;
  EXPECT_TRUE(contains(text, "\"args\":{\"name\":\"cuda\"}")) << text;
  EXPECT_TRUE(contains(text, "\"name\":\"exp\"")) << text;
  EXPECT_TRUE(contains(text, "\"cat\":\"cuda\"")) << text;
}

TEST(Cuda, AutotunedProductsAreTheSameProducts) {
  set_autotune(true);
  testing::internal::CaptureStderr();
  const Tensor a = arange(0, 35, 1, {cuda(), DType::float32}).reshape({5, 7}), b = ones({7, 3}, cuda());
  const double sum = matmul(a, b).sum().item();
  const std::string said = testing::internal::GetCapturedStderr();
  set_autotune(false);
  EXPECT_EQ(sum, 3.0 * 34 * 35 / 2);
  // Nothing is said where the library proposes one candidate only.
  EXPECT_TRUE(said.empty() || contains(said, "autotune: product 5 x 3 x 7 of float32: candidate ")) << said;
}

}  // namespace
}  // namespace weft_harness::test
