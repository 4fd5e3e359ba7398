#include <weft/backends/registry.h>

#include <atomic>
#include <exception>
#include <mutex>
#include <utility>

#include <weft/backends/builtin.h>
#include <weft/backends/plugin_loader.h>
#include <weft/core/error.h>
#include <weft/core/message.h>

#ifdef WEFT_CUDA_STATIC  // the plug-in is linked in: a direct call, which an archive cannot lose
extern "C" weft::backends::Backend* weft_plugin(const weft::backends::PluginHost* host, const char** why_not);
#endif

namespace weft::backends {
namespace {

constexpr int kind_count = 256;  // BackendKind is one byte

/// The fast path: what has been made. Zero-initialised, trivially destroyed.
constinit std::atomic<Backend*> made[kind_count] = {};

using Factory = std::function<std::unique_ptr<Backend>()>;

struct Entry {
  std::mutex making;  // held while the backend is made: the first use from several threads makes one
  Factory factory;    // guarded by `making`; empty: not registered
};

struct Table {
  Entry entries[kind_count];
  std::mutex adding;
  std::vector<BackendKind> registered;  // guarded by `adding`, in order of registration
};

Table& table() {
  static Table& all = *new Table;
  return all;
}

std::atomic<Backend*>& made_of(BackendKind kind) { return made[static_cast<int>(kind)]; }
Entry& entry_of(BackendKind kind) { return table().entries[static_cast<int>(kind)]; }

#ifdef WEFT_CUDA_STATIC
Backend* make_cuda(Unavailable& why) { return ask_plugin(&weft_plugin, "linked in", why); }
#else
Backend* make_cuda(Unavailable& why) { return load_plugin("cuda", why); }
#endif

/// The table itself. What a factory throws passes through.
Backend* make(BackendKind kind, const Factory& factory, Unavailable& why) {
  switch (kind) {
    case BackendKind::serial:
      return make_serial().release();
    case BackendKind::cpu:
      return make_cpu().release();
    case BackendKind::cuda:
      return make_cuda(why);
    default:
      break;
  }
  if (!factory) {
    why = {ErrorCode::device_unknown, message("no backend is registered under the number ", static_cast<int>(kind))};
    return nullptr;
  }
  Backend* backend = factory().release();
  if (backend == nullptr) why.why = message("the factory of '", name(kind), "' returned no backend");
  return backend;
}

/// Null with `why` filled in when it cannot be had.
Backend* find(Device device, Unavailable& why) {
  if (device.index != 0) {
    why = {ErrorCode::device_unknown,
           message("there is no ", device, ": this version of weft drives one device of each backend")};
    return nullptr;
  }
  std::atomic<Backend*>& slot = made_of(device.kind);
  if (Backend* ready = slot.load(std::memory_order_acquire); ready != nullptr) return ready;
  Entry& entry = entry_of(device.kind);
  const std::lock_guard lock(entry.making);
  if (Backend* ready = slot.load(std::memory_order_acquire); ready != nullptr) return ready;
  Backend* backend = make(device.kind, entry.factory, why);
  slot.store(backend, std::memory_order_release);
  return backend;
}

}  // namespace

Backend& backend_for(Device device, CallSite at) {
  if (device.index == 0) {
    if (Backend* ready = made_of(device.kind).load(std::memory_order_acquire); ready != nullptr) return *ready;
  }
  Unavailable why;
  Backend* backend = find(device, why);
  if (backend == nullptr) {
    throw DeviceError(why.code, "backend_for", message("'", device, "' cannot be used: ", why.why), at);
  }
  return *backend;
}

std::string why_unavailable(Device device) {
  try {
    Unavailable why;
    return find(device, why) != nullptr ? std::string() : why.why;
  } catch (const std::exception& error) {
    return error.what();
  }
}

Device register_backend(std::string_view name, std::function<std::unique_ptr<Backend>()> factory, CallSite at) {
  if (!factory) {
    throw ValueError(ErrorCode::value_invalid, "register_backend",
                     message("the factory of \"", name, "\" is an empty function"), at);
  }
  Table& all = table();
  const std::lock_guard adding(all.adding);
  const BackendKind kind = register_kind(name, at);
  Entry& entry = entry_of(kind);
  const std::lock_guard making(entry.making);
  if (kind < BackendKind::first_registered || entry.factory) {
    throw ValueError(ErrorCode::value_invalid, "register_backend",
                     message("the name \"", name, "\" is taken by another backend"), at);
  }
  all.registered.push_back(kind);
  entry.factory = std::move(factory);
  return {kind, 0};
}

std::vector<std::string> backend_names() {
  std::vector<std::string> names = {"serial", "cpu", "cuda"};
  Table& all = table();
  const std::lock_guard lock(all.adding);
  for (BackendKind kind : all.registered) names.emplace_back(name(kind));
  return names;
}

}  // namespace weft::backends
