// The stand-in for the CUDA runtime: what is queued runs when something waits for it, streams are ordered by events
// alone, captures record and replay, and what may not be done in one breaks it.

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "cuda_on_cpu/counters.h"
#include "cuda_on_cpu/harness_kernels.h"
#include "cuda_on_cpu/report.h"
#include "cuda_on_cpu/stream.h"
#include "cuda_on_cpu/watch.h"

namespace weft_harness::test {
namespace {

class Runtime : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(cudaStreamCreateWithFlags(&a, cudaStreamNonBlocking), cudaSuccess);
    ASSERT_EQ(cudaStreamCreateWithFlags(&b, cudaStreamNonBlocking), cudaSuccess);
    ASSERT_EQ(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), cudaSuccess);
    ASSERT_EQ(cudaHostAlloc(reinterpret_cast<void**>(&pinned), 64, 0), cudaSuccess);
    word = allocate(4);
    ASSERT_EQ(cudaMemsetAsync(word, 0, 4, a), cudaSuccess);
    ASSERT_EQ(cudaStreamSynchronize(a), cudaSuccess);
  }
  void TearDown() override {
    settings().order = Order::forward;
    lost_device = cudaSuccess;
    cudaGetLastError();
    cudaFreeAsync(word, a);
    cudaStreamDestroy(a);
    cudaStreamDestroy(b);
    cudaEventDestroy(event);
    cudaFreeHost(pinned);
  }
  int* allocate(std::size_t bytes) {
    void* p = nullptr;
    EXPECT_EQ(cudaMallocAsync(&p, bytes, a), cudaSuccess);
    return static_cast<int*>(p);
  }
  void set(int value, cudaStream_t stream) { EXPECT_EQ(cudaMemsetAsync(word, value, 4, stream), cudaSuccess); }
  int read(cudaStream_t stream) {
    int value = 0;
    EXPECT_EQ(cudaMemcpyAsync(&value, word, 4, cudaMemcpyDeviceToHost, stream), cudaSuccess);
    return value & 0xFF;
  }
  cudaStream_t a = nullptr, b = nullptr;
  cudaEvent_t event = nullptr;
  int* pinned = nullptr;
  int* word = nullptr;
};

TEST_F(Runtime, WorkWaitsUntilItIsWaitedFor) {
  *pinned = 0;
  set(3, a);
  ASSERT_EQ(cudaMemcpyAsync(pinned, word, 4, cudaMemcpyDeviceToHost, a), cudaSuccess);
  EXPECT_EQ(*pinned, 0);
  EXPECT_EQ(cudaStreamQuery(a), cudaErrorNotReady);
  ASSERT_EQ(cudaStreamSynchronize(a), cudaSuccess);
  EXPECT_EQ(*pinned, 0x03030303);
  EXPECT_EQ(cudaStreamQuery(a), cudaSuccess);
}

TEST_F(Runtime, StreamsAreOrderedByEventsAlone) {
  set(1, a);
  EXPECT_EQ(read(b), 0) << "nothing told b to wait";
  set(2, a);
  ASSERT_EQ(cudaEventRecord(event, a), cudaSuccess);
  set(3, a);
  ASSERT_EQ(cudaStreamWaitEvent(b, event, 0), cudaSuccess);
  EXPECT_EQ(read(b), 2);
  EXPECT_EQ(read(a), 3);
}

TEST_F(Runtime, OtherOrdersRunOtherStreamsFirst) {
  settings().order = Order::reverse;
  set(1, a);
  EXPECT_EQ(read(b), 1) << "in this order what b does not wait for is done already";
}

TEST_F(Runtime, EventsThatWereNeverRecordedHoldNobodyUp) {
  ASSERT_EQ(cudaStreamWaitEvent(b, event, 0), cudaSuccess);
  EXPECT_EQ(read(b), 0);
  EXPECT_EQ(cudaEventSynchronize(event), cudaSuccess);
}

TEST_F(Runtime, PinnedMemoryIsReadLateAndPageableMemoryAtOnce) {
  *pinned = 5;
  int pageable = 6;
  ASSERT_EQ(cudaMemcpyAsync(word, pinned, 4, cudaMemcpyHostToDevice, a), cudaSuccess);
  *pinned = 7;
  EXPECT_EQ(read(a), 7);
  ASSERT_EQ(cudaMemcpyAsync(word, &pageable, 4, cudaMemcpyHostToDevice, a), cudaSuccess);
  pageable = 8;
  EXPECT_EQ(read(a), 6);
}

TEST_F(Runtime, CopiesKnowTheirDirectionAndTheirBlock) {
  Collect collect;
  EXPECT_EQ(cudaMemcpyAsync(word, pinned, 4, cudaMemcpyDeviceToHost, a), cudaErrorInvalidValue);
  EXPECT_TRUE(collect.has("the direction given"));
  EXPECT_EQ(cudaMemcpyAsync(word, pinned, 8, cudaMemcpyHostToDevice, a), cudaErrorInvalidValue);
  EXPECT_TRUE(collect.has("out of bounds: cudaMemcpyAsync of 8 bytes at byte 0 of block"));
  EXPECT_EQ(cudaMemsetAsync(pinned, 0, 4, a), cudaErrorInvalidValue);
  EXPECT_TRUE(collect.has("not device memory"));
}

TEST_F(Runtime, TheDefaultStreamIsRefused) {
  Collect collect;
  EXPECT_EQ(cudaMemsetAsync(word, 0, 4, nullptr), cudaErrorInvalidResourceHandle);
  EXPECT_TRUE(collect.has("default stream: cudaMemsetAsync was given no stream"));
}

TEST_F(Runtime, FreesOnceAndWhatIsItsOwn) {
  Collect collect;
  int* p = allocate(16);
  EXPECT_EQ(cudaFreeAsync(p + 1, a), cudaErrorInvalidValue);
  EXPECT_TRUE(collect.has("free: cudaFreeAsync of byte 4 of block"));
  EXPECT_EQ(cudaFreeAsync(p, a), cudaSuccess);
  EXPECT_EQ(cudaFreeAsync(p, a), cudaErrorInvalidValue);
  EXPECT_TRUE(collect.has("(freed)"));
}

TEST_F(Runtime, MemoryIsThereInTheOrderOfTheQueue) {
  int* p = allocate(16);  // on a
  Collect collect;
  EXPECT_EQ(cudaMemsetAsync(p, 0, 16, b), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(b), cudaSuccess);  // a has not come to the allocation
  if (address_sanitizer || race_hooks) {
    EXPECT_TRUE(collect.has("memory that is not allocated"));
  }
  cudaFreeAsync(p, a);
}

TEST_F(Runtime, OutOfMemoryIsAnErrorThatPasses) {
  void* p = nullptr;
  EXPECT_EQ(cudaMallocAsync(&p, std::size_t{1} << 40, a), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaGetLastError(), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  p = allocate(4);
  EXPECT_EQ(cudaFreeAsync(p, a), cudaSuccess);
}

TEST_F(Runtime, StickyErrorsStay) {
  lost_device = cudaErrorIllegalAddress;
  EXPECT_EQ(cudaStreamSynchronize(a), cudaErrorIllegalAddress);
  EXPECT_EQ(cudaGetLastError(), cudaErrorIllegalAddress);
  EXPECT_EQ(cudaGetLastError(), cudaErrorIllegalAddress);
  void* p = nullptr;
  EXPECT_EQ(cudaMallocAsync(&p, 4, a), cudaErrorIllegalAddress);
}

TEST_F(Runtime, CountsWhatIsAskedOfIt) {
  const Counters before = counters();
  int* p = allocate(4);
  launch_touch(word, p, a);
  cudaStreamSynchronize(a);
  cudaFreeAsync(p, a);
  EXPECT_EQ(counters().allocations - before.allocations, 1u);
  EXPECT_EQ(counters().kernels - before.kernels, 1u);
  EXPECT_EQ(counters().host_waits - before.host_waits, 1u);
}

// ---- capture

TEST_F(Runtime, CapturesRecordAndReplay) {
  int* from = allocate(4);
  *pinned = 41;
  ASSERT_EQ(cudaStreamBeginCapture(a, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  ASSERT_EQ(cudaMemcpyAsync(from, pinned, 4, cudaMemcpyHostToDevice, a), cudaSuccess);
  launch_touch(from, word, a);
  cudaStreamCaptureStatus status{};
  ASSERT_EQ(cudaStreamIsCapturing(a, &status), cudaSuccess);
  EXPECT_EQ(status, cudaStreamCaptureStatusActive);
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(a, &graph), cudaSuccess);
  EXPECT_EQ(read(a), 0) << "nothing has run yet";
  std::size_t nodes = 0;
  ASSERT_EQ(cudaGraphGetNodes(graph, nullptr, &nodes), cudaSuccess);
  EXPECT_EQ(nodes, 2u);
  cudaGraphExec_t instance = nullptr;
  ASSERT_EQ(cudaGraphInstantiate(&instance, graph, 0), cudaSuccess);
  cudaGraphDestroy(graph);
  for (const int value : {42, 43}) {
    *pinned = value;
    ASSERT_EQ(cudaGraphLaunch(instance, a), cudaSuccess);
    EXPECT_EQ(read(a), value);
  }
  cudaGraphExecDestroy(instance);
  cudaFreeAsync(from, a);
}

TEST_F(Runtime, AWaitBreaksACapture) {
  ASSERT_EQ(cudaStreamBeginCapture(a, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  set(1, a);
  EXPECT_EQ(cudaStreamSynchronize(a), cudaErrorStreamCaptureUnsupported);
  EXPECT_EQ(cudaMemsetAsync(word, 0, 4, a), cudaErrorStreamCaptureInvalidated);
  cudaGraph_t graph = nullptr;
  EXPECT_EQ(cudaStreamEndCapture(a, &graph), cudaErrorStreamCaptureInvalidated);
  EXPECT_EQ(graph, nullptr);
  EXPECT_EQ(read(a), 0);
}

TEST_F(Runtime, AllocationsBreakACapture) {
  void* p = nullptr;
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamBeginCapture(a, cudaStreamCaptureModeGlobal), cudaSuccess);
  EXPECT_EQ(cudaMalloc(&p, 4), cudaErrorStreamCaptureUnsupported);
  EXPECT_EQ(cudaStreamEndCapture(a, &graph), cudaErrorStreamCaptureInvalidated);
  // In relaxed mode a thread may, outside what it records.
  ASSERT_EQ(cudaStreamBeginCapture(a, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
  ASSERT_EQ(cudaThreadExchangeStreamCaptureMode(&mode), cudaSuccess);
  EXPECT_EQ(cudaMallocAsync(&p, 4, b), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(b), cudaSuccess);
  ASSERT_EQ(cudaThreadExchangeStreamCaptureMode(&mode), cudaSuccess);
  EXPECT_EQ(mode, cudaStreamCaptureModeRelaxed);
  set(1, a);
  EXPECT_EQ(cudaStreamEndCapture(a, &graph), cudaSuccess);
  cudaGraphDestroy(graph);
  cudaFreeAsync(p, b);
}

TEST_F(Runtime, ForkedStreamsHaveToJoinAgain) {
  cudaGraph_t graph = nullptr;
  for (const bool join : {false, true}) {
    ASSERT_EQ(cudaStreamBeginCapture(a, cudaStreamCaptureModeThreadLocal), cudaSuccess);
    set(1, a);
    ASSERT_EQ(cudaEventRecord(event, a), cudaSuccess);
    ASSERT_EQ(cudaStreamWaitEvent(b, event, 0), cudaSuccess);
    set(2, b);
    if (join) {
      ASSERT_EQ(cudaEventRecord(event, b), cudaSuccess);
      ASSERT_EQ(cudaStreamWaitEvent(a, event, 0), cudaSuccess);
      set(3, a);
    }
    EXPECT_EQ(cudaStreamEndCapture(a, &graph), join ? cudaSuccess : cudaErrorStreamCaptureUnjoined);
  }
  cudaGraphExec_t instance = nullptr;
  ASSERT_EQ(cudaGraphInstantiate(&instance, graph, 0), cudaSuccess);
  cudaGraphDestroy(graph);
  for (const Order order : {Order::forward, Order::reverse, Order::random}) {
    settings().order = order;
    ASSERT_EQ(cudaGraphLaunch(instance, a), cudaSuccess);
    EXPECT_EQ(read(a), 3);
  }
  cudaGraphExecDestroy(instance);
}

TEST_F(Runtime, AnEventFromOutsideBreaksACapture) {
  ASSERT_EQ(cudaEventRecord(event, b), cudaSuccess);
  ASSERT_EQ(cudaStreamBeginCapture(a, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  EXPECT_EQ(cudaStreamWaitEvent(a, event, 0), cudaErrorStreamCaptureIsolation);
  cudaGraph_t graph = nullptr;
  EXPECT_EQ(cudaStreamEndCapture(a, &graph), cudaErrorStreamCaptureInvalidated);
}

}  // namespace
}  // namespace weft_harness::test
