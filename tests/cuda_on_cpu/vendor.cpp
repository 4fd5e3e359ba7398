#include "cuda_on_cpu/vendor.h"

#include "cuda_on_cpu/memory.h"
#include "cuda_on_cpu/planted.h"
#include "cuda_on_cpu/report.h"
#include "cuda_on_cpu/runtime_call.h"
#include "cuda_on_cpu/watch.h"

namespace weft_harness {

bool readable(const char* what, const void* p, std::size_t bytes) {
  const std::string why = why_not_readable(p, bytes);
  if (!why.empty()) report(std::string(what) + " reads " + why + ", near " + describe_address(p));
  return why.empty();
}

bool writable(const char* what, const void* p, std::size_t bytes) {
  const std::string why = why_not_writable(p, bytes);
  if (!why.empty()) report(std::string(what) + " writes " + why + ", near " + describe_address(p));
  return why.empty();
}

bool in_device_memory(const char* what, const void* p, std::size_t bytes) {
  if (is_device_address(p)) {
    const Block* block = device_block(p);
    const auto* at = static_cast<const char*>(p);
    if (block != nullptr && at >= block->begin && at + bytes <= block->begin + block->bytes) return true;
  }
  report(std::string(what) + ": " + std::to_string(bytes) + " bytes wanted at " + describe_address(p));
  return false;
}

bool put_vendor_call(const char* what, cudaStream_t stream, std::function<void()> run) {
  const std::lock_guard lock(device_lock());
  if (planted(Bug::missing_stream)) stream = nullptr;
  if (check_stream(what, stream) != cudaSuccess) return false;
  if (planted(Bug::vendor_wait_while_recording)) cudaStreamSynchronize(stream);
  return put(stream, {Task::Kind::vendor, what, std::move(run), nullptr}) == cudaSuccess;
}

}  // namespace weft_harness
