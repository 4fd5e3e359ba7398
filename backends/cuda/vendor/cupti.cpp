#include <weft/backends/cuda/vendor/cupti.h>

#if __has_include(<cupti.h>)

#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <unordered_set>

#include <cupti.h>
#include <cxxabi.h>

#include <weft/backends/cuda/state.h>
#include <weft/backends/cuda/vendor/open.h>

namespace weft::backends::cuda {
namespace {

struct Cupti {
  decltype(&::cuptiGetVersion) version = nullptr;
  decltype(&::cuptiActivityRegisterTimestampCallback) clock = nullptr;
  decltype(&::cuptiActivityRegisterCallbacks) callbacks = nullptr;
  decltype(&::cuptiActivityEnable) enable = nullptr;
  decltype(&::cuptiActivityDisable) disable = nullptr;
  decltype(&::cuptiActivityFlushAll) flush = nullptr;
  decltype(&::cuptiActivityGetNextRecord) next = nullptr;
  bool usable = false;  ///< all there, and the records are laid out as these headers say
};

template <class F>
bool fill(const char* name, F*& entry) {
  entry = reinterpret_cast<F*>(vendor_symbol(Library::cupti, name));
  return entry != nullptr;
}

std::uint64_t steady_clock() { return static_cast<std::uint64_t>(now()); }

constexpr std::size_t buffer_bytes = std::size_t{1} << 20;
constexpr std::size_t buffer_alignment = 8;  // what the records need

void hand_out(std::uint8_t** buffer, std::size_t* size, std::size_t* most_records) {
  *buffer = static_cast<std::uint8_t*>(::operator new(buffer_bytes, std::align_val_t(buffer_alignment), std::nothrow));
  *size = *buffer != nullptr ? buffer_bytes : 0;
  *most_records = 0;
}

void take_back(CUcontext context, std::uint32_t stream, std::uint8_t* buffer, std::size_t size, std::size_t used);

const Cupti& cupti() {
  static const Cupti table = [] {
    Cupti t;
    const bool all = fill("cuptiGetVersion", t.version) && fill("cuptiActivityRegisterTimestampCallback", t.clock) &&
                     fill("cuptiActivityRegisterCallbacks", t.callbacks) && fill("cuptiActivityEnable", t.enable) &&
                     fill("cuptiActivityDisable", t.disable) && fill("cuptiActivityFlushAll", t.flush) &&
                     fill("cuptiActivityGetNextRecord", t.next);
    std::uint32_t version = 0;
    t.usable = all && t.version(&version) == CUPTI_SUCCESS && version == CUPTI_API_VERSION &&
               t.clock(&steady_clock) == CUPTI_SUCCESS && t.callbacks(&hand_out, &take_back) == CUPTI_SUCCESS;
    return t;
  }();
  return table;
}

std::mutex& lock() {
  static std::mutex& one = *new std::mutex;
  return one;
}
SpanReceiver receiver = nullptr;  // guarded by lock()

/// A readable name that stays: the trace keeps pointers. Guarded by lock().
const char* lasting(const char* mangled) {
  static auto& names = *new std::unordered_set<std::string>;
  int status = 0;
  char* plain = abi::__cxa_demangle(mangled, nullptr, nullptr, &status);
  const char* text = names.emplace(status == 0 && plain != nullptr ? plain : mangled).first->c_str();
  std::free(plain);
  return text;
}

void take_back(CUcontext, std::uint32_t, std::uint8_t* buffer, std::size_t, std::size_t used) {
  struct Delete {
    std::uint8_t* buffer;
    ~Delete() { ::operator delete(buffer, std::align_val_t(buffer_alignment)); }
  } const done{buffer};
  try {
    const std::lock_guard guard(lock());
    CUpti_Activity* record = nullptr;
    const auto tell = [](const char* name, std::uint64_t begin, std::uint64_t end) {
      if (receiver != nullptr) {
        receiver(name, "cuda", static_cast<std::int64_t>(begin), static_cast<std::int64_t>(end));
      }
    };
    while (used > 0 && cupti().next(buffer, used, &record) == CUPTI_SUCCESS) {
      switch (record->kind) {
        case CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL: {
          const auto* kernel = reinterpret_cast<const CUpti_ActivityKernel10*>(record);
          tell(lasting(kernel->name), kernel->start, kernel->end);
          break;
        }
        case CUPTI_ACTIVITY_KIND_MEMCPY: {
          const auto* copy = reinterpret_cast<const CUpti_ActivityMemcpy6*>(record);
          tell("memory copy", copy->start, copy->end);
          break;
        }
        case CUPTI_ACTIVITY_KIND_MEMSET: {
          const auto* fill = reinterpret_cast<const CUpti_ActivityMemset4*>(record);
          tell("memory fill", fill->start, fill->end);
          break;
        }
        default:
          break;
      }
    }
  } catch (...) {  // a trace is not worth an error
  }
}

constexpr CUpti_ActivityKind kinds[] = {CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL, CUPTI_ACTIVITY_KIND_MEMCPY,
                                        CUPTI_ACTIVITY_KIND_MEMSET};

}  // namespace

bool cupti_start(SpanReceiver to) noexcept try {
  const Cupti& api = cupti();
  if (!api.usable) return false;
  {
    const std::lock_guard guard(lock());
    receiver = to;
  }
  for (const CUpti_ActivityKind kind : kinds) {
    if (api.enable(kind) == CUPTI_SUCCESS) continue;
    cupti_stop();  // another tool may hold the device
    return false;
  }
  return true;
} catch (...) {
  return false;
}

void cupti_flush() noexcept {
  if (cupti().usable) cupti().flush(CUPTI_ACTIVITY_FLAG_FLUSH_FORCED);
}

void cupti_stop() noexcept {
  if (!cupti().usable) return;
  for (const CUpti_ActivityKind kind : kinds) cupti().disable(kind);
}

}  // namespace weft::backends::cuda

#else  // built where the toolkit has no CUPTI

namespace weft::backends::cuda {

bool cupti_start(SpanReceiver) noexcept { return false; }
void cupti_flush() noexcept {}
void cupti_stop() noexcept {}

}  // namespace weft::backends::cuda

#endif
