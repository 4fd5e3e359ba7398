#include <weft/core/trace.h>

#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include <weft/core/atomic_file.h>
#include <weft/core/error.h>
#include <weft/core/json_text.h>
#include <weft/core/message.h>
#include <weft/core/trace_device.h>

namespace weft {

bool trace_detail::running = false;

namespace {

struct Event {
  const char* name;
  const char* category;       // null: a counter
  const char* argument_name;  // null: no argument
  std::int64_t start;
  std::int64_t duration;
  union {
    std::int64_t argument;
    double value;  // of a counter
  };
};

constexpr std::int64_t events_per_block = 256;

struct Block {
  std::unique_ptr<Event[]> events;
  std::int64_t used, size;
};

struct ThreadBuffer {
  std::mutex mutex;
  int number = 0;  // shown as the thread's id; never reused
  std::string name;
  std::vector<Block> blocks;  // guarded by mutex, as is everything below
  std::int64_t dropped = 0;
  bool thread_ended = false;
};

struct Recorder {
  std::mutex mutex;
  std::vector<std::unique_ptr<ThreadBuffer>> buffers;  // guarded by mutex
  int last_number = 0;                                 // guarded by mutex
  ThreadBuffer* device = nullptr;                      // guarded by mutex; one of the buffers
  std::atomic<std::int64_t> room{0};                   // events that may still be given to threads
  std::atomic<std::int64_t> started{0};                // steady clock, nanoseconds
  std::atomic<std::int64_t> dropped_by_ended{0};
};

thread_local ThreadBuffer* own_buffer = nullptr;

std::atomic<Recorder*>& current_recorder();

std::int64_t steady_nanoseconds() noexcept {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

void thread_ends(void*) noexcept {
  ThreadBuffer* buffer = std::exchange(own_buffer, nullptr);
  if (buffer == nullptr) return;
  Recorder& recorder = *current_recorder().load(std::memory_order_acquire);
  const std::lock_guard lock(recorder.mutex);
  bool empty = false;
  {
    const std::lock_guard own(buffer->mutex);
    buffer->thread_ended = true;
    empty = buffer->blocks.empty();
    if (empty) recorder.dropped_by_ended.fetch_add(buffer->dropped, std::memory_order_relaxed);
  }
  if (empty) std::erase_if(recorder.buffers, [&](const auto& b) { return b.get() == buffer; });
}

pthread_key_t thread_end_key() {
  // A key's destructor runs when a thread ends, but not when the process does.
  static const pthread_key_t key = [] {
    pthread_key_t k{};
    pthread_key_create(&k, thread_ends);
    pthread_atfork(nullptr, nullptr, [] {
      // Locks may be held by threads that do not exist here, so the parent's recorder is left alone.
      __atomic_store_n(&trace_detail::running, false, __ATOMIC_RELAXED);
      current_recorder().store(new Recorder, std::memory_order_release);
      own_buffer = nullptr;
    });
    return k;
  }();
  return key;
}

std::atomic<Recorder*>& current_recorder() {
  static std::atomic<Recorder*>& recorder = *new std::atomic<Recorder*>(new Recorder);
  return recorder;
}

Recorder& recorder() {
  thread_end_key();
  return *current_recorder().load(std::memory_order_acquire);
}

ThreadBuffer& buffer_of_this_thread() {
  if (own_buffer != nullptr) return *own_buffer;
  auto buffer = std::make_unique<ThreadBuffer>();
  char name[32] = "";
  if (syscall(SYS_gettid) == getpid()) {
    buffer->name = "main";
  } else if (pthread_getname_np(pthread_self(), name, sizeof name) == 0) {
    buffer->name = name;
  }
  Recorder& r = recorder();
  const std::lock_guard lock(r.mutex);
  buffer->number = ++r.last_number;
  r.buffers.push_back(std::move(buffer));
  own_buffer = r.buffers.back().get();
  pthread_setspecific(thread_end_key(), own_buffer);
  return *own_buffer;
}

std::int64_t take_room(Recorder& r) noexcept {
  std::int64_t room = r.room.load(std::memory_order_relaxed);
  for (;;) {
    const std::int64_t grant = std::min(room, events_per_block);
    if (grant <= 0) return 0;
    if (r.room.compare_exchange_weak(room, room - grant, std::memory_order_relaxed)) return grant;
  }
}

/// The row of what a device did; no thread of the host.
ThreadBuffer& buffer_of_the_device(const char* name) {
  Recorder& r = recorder();
  const std::lock_guard lock(r.mutex);
  if (r.device == nullptr) {
    auto buffer = std::make_unique<ThreadBuffer>();
    buffer->name = name;
    buffer->number = ++r.last_number;
    r.buffers.push_back(std::move(buffer));
    r.device = r.buffers.back().get();
  }
  return *r.device;
}

// `zero` is the start of the recording the event belongs to.
void keep_in(ThreadBuffer& buffer, const Event& event, std::int64_t zero) {
  Recorder& r = recorder();
  const std::lock_guard lock(buffer.mutex);
  if (!trace_running() || r.started.load(std::memory_order_relaxed) != zero) return;  // another recording by now
  if (buffer.blocks.empty() || buffer.blocks.back().used == buffer.blocks.back().size) {
    ++buffer.dropped;  // taken back below
    const std::int64_t room = take_room(r);
    if (room == 0) return;
    buffer.blocks.push_back({std::make_unique<Event[]>(static_cast<std::size_t>(room)), 0, room});
    --buffer.dropped;
  }
  Block& block = buffer.blocks.back();
  block.events[static_cast<std::size_t>(block.used++)] = event;
}

void keep(const Event& event, std::int64_t zero) noexcept try {
  keep_in(buffer_of_this_thread(), event, zero);
} catch (...) {  // out of memory: the event is among the dropped ones
}

// ---- the file

// The format counts microseconds.
void append_microseconds(std::string& out, std::int64_t nanoseconds) {
  if (nanoseconds < 0) nanoseconds = 0;
  append(out, nanoseconds / 1000);
  const int rest = static_cast<int>(nanoseconds % 1000);
  out += '.';
  out += static_cast<char>('0' + rest / 100);
  out += static_cast<char>('0' + rest / 10 % 10);
  out += static_cast<char>('0' + rest % 10);
}

void append_event(std::string& out, const Event& event, int thread, pid_t process) {
  out += "{\"name\":";
  append_json_string(out, event.name);
  out += event.category == nullptr ? ",\"ph\":\"C\",\"ts\":" : ",\"ph\":\"X\",\"ts\":";
  append_microseconds(out, event.start);
  if (event.category != nullptr) {
    out += ",\"dur\":";
    append_microseconds(out, event.duration);
    out += ",\"cat\":";
    append_json_string(out, event.category);
  }
  out += message(",\"pid\":", process, ",\"tid\":", thread);
  if (event.category == nullptr) {
    out += ",\"args\":{\"value\":";
    append(out, std::isfinite(event.value) ? event.value : 0.0);  // JSON has no other numbers
    out += '}';
  } else if (event.argument_name != nullptr) {
    out += ",\"args\":{";
    append_json_string(out, event.argument_name);
    out += ':';
    append(out, event.argument);
    out += '}';
  }
  out += '}';
}

void append_name(std::string& out, const char* kind, std::string_view name, int thread, pid_t process) {
  out +=
      message("{\"name\":\"", kind, "\",\"ph\":\"M\",\"pid\":", process, ",\"tid\":", thread, ",\"args\":{\"name\":");
  append_json_string(out, name);
  out += "}}";
}

}  // namespace

std::int64_t trace_detail::now() noexcept { return steady_nanoseconds(); }

void trace_detail::record(const char* name, const char* category, std::int64_t start, std::int64_t argument,
                          const char* argument_name) noexcept {
  const std::int64_t end = steady_nanoseconds();
  const std::int64_t zero = recorder().started.load(std::memory_order_relaxed);
  if (!trace_running() || start < zero) return;  // stopped, or begun before this recording
  Event event{name, category != nullptr ? category : "", argument_name, start - zero, end - start, {}};
  event.argument = argument;
  keep(event, zero);
}

void trace_device_span(const char* name, const char* device, std::int64_t begin, std::int64_t end) noexcept try {
  const std::int64_t zero = recorder().started.load(std::memory_order_relaxed);
  if (!trace_running() || begin < zero) return;  // stopped, or begun before this recording
  keep_in(buffer_of_the_device(device), Event{name, device, nullptr, begin - zero, end - begin, {}}, zero);
} catch (...) {  // out of memory: the event is among the dropped ones
}

void trace_counter(const char* name, double value) noexcept {
  if (!trace_running()) return;
  const std::int64_t zero = recorder().started.load(std::memory_order_relaxed);
  Event event{name, nullptr, nullptr, steady_nanoseconds() - zero, 0, {}};
  event.value = value;
  keep(event, zero);
}

void trace_start(std::int64_t capacity, CallSite at) {
  constexpr std::int64_t most = 100'000'000;
  if (capacity < 1 || capacity > most) {
    throw ValueError(ErrorCode::value_out_of_range, "trace_start",
                     message("capacity is ", capacity, "; expected 1 to ", most), at);
  }
  Recorder& r = recorder();
  const std::lock_guard lock(r.mutex);
  __atomic_store_n(&trace_detail::running, false, __ATOMIC_RELAXED);
  for (const auto& buffer : r.buffers) {
    const std::lock_guard own(buffer->mutex);
    buffer->blocks.clear();
    buffer->dropped = 0;
  }
  std::erase_if(r.buffers, [](const auto& buffer) { return buffer->thread_ended; });  // written under r.mutex
  r.room.store(capacity, std::memory_order_relaxed);
  r.dropped_by_ended.store(0, std::memory_order_relaxed);
  r.started.store(steady_nanoseconds(), std::memory_order_relaxed);
  __atomic_store_n(&trace_detail::running, true, __ATOMIC_RELEASE);
}

void trace_stop() noexcept { __atomic_store_n(&trace_detail::running, false, __ATOMIC_RELAXED); }

void trace_thread_name(std::string_view name) {
  ThreadBuffer& buffer = buffer_of_this_thread();
  const std::lock_guard lock(buffer.mutex);
  buffer.name = name;
}

void trace_write(const std::string& path, CallSite at) {
  AtomicFile file(path, "trace_write", at);
  const pid_t process = getpid();
  std::string out = "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n";
  const auto flush = [&](std::size_t above) {
    if (out.size() <= above) return;
    file.write(std::as_bytes(std::span(out)));
    out.clear();
  };
  append_name(out, "process_name", "weft", 0, process);
  Recorder& r = recorder();
  std::int64_t dropped = r.dropped_by_ended.load(std::memory_order_relaxed);
  {
    const std::lock_guard lock(r.mutex);
    for (const auto& buffer : r.buffers) {
      const std::lock_guard own(buffer->mutex);
      dropped += buffer->dropped;
      if (buffer->blocks.empty()) continue;
      out += ",\n";
      append_name(out, "thread_name", buffer->name, buffer->number, process);
      for (const Block& block : buffer->blocks) {
        for (std::int64_t i = 0; i < block.used; ++i) {
          out += ",\n";
          append_event(out, block.events[static_cast<std::size_t>(i)], buffer->number, process);
        }
        flush(std::size_t{1} << 20);
      }
    }
  }
  out += message("\n],\"otherData\":{\"dropped_events\":", dropped, "}}\n");
  flush(0);
  file.commit();
}

}  // namespace weft
