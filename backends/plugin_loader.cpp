#include <weft/backends/plugin_loader.h>

#include <climits>
#include <cstdlib>
#include <string_view>
#include <vector>

#include <dlfcn.h>
#include <unistd.h>

#include <weft/backends/op_tag.h>
#include <weft/core/message.h>
#include <weft/core/trace.h>
#include <weft/core/trace_device.h>
#include <weft/core/version.h>

namespace weft::backends {
namespace {

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash == 0 ? 1 : slash);
}

std::string resolved(const char* path) {
  char* real = ::realpath(path, nullptr);
  if (real == nullptr) return {};
  std::string text = real;
  std::free(real);
  return text;
}

/// The folder of the library this code lies in, or of the program where weft is linked statically (for which dladdr may
/// know no more than argv[0], so the kernel is asked as well).
std::string folder_of_library() {
  Dl_info info{};
  if (::dladdr(reinterpret_cast<const void*>(&load_plugin), &info) == 0 || info.dli_fname == nullptr) return {};
  return folder_of(resolved(info.dli_fname));
}

std::string folder_of_program() { return folder_of(resolved("/proc/self/exe")); }

std::vector<std::string> places() {
  std::vector<std::string> folders;
  const auto add = [&](std::string folder) {
    if (folder.empty()) return;
    for (const std::string& known : folders) {
      if (known == folder) return;
    }
    folders.push_back(std::move(folder));
  };
  if (const char* list = std::getenv("WEFT_BACKEND_PATH"); list != nullptr) {
    std::string_view rest = list;
    while (!rest.empty()) {
      const std::size_t colon = rest.find(':');
      add(std::string(rest.substr(0, colon)));
      rest = colon == std::string_view::npos ? std::string_view() : rest.substr(colon + 1);
    }
  }
  add(folder_of_library());
  add(folder_of_program());
#ifdef WEFT_PLUGIN_DIR
  add(WEFT_PLUGIN_DIR);
#endif
  return folders;
}

void forward_span(const char* name, const char* category, std::int64_t begin_ns, std::int64_t end_ns) {
  trace_device_span(name, category, begin_ns, end_ns);
}

bool is_tracing() { return trace_running(); }

/// mismatch() in plugin.h is what a plug-in of another version answers with; its sentences begin alike on purpose.
bool is_mismatch(std::string_view why) { return why.starts_with("the plug-in was built "); }

Backend* open(const std::string& path, Unavailable& why) {
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr) {
    const char* reason = ::dlerror();
    why = {ErrorCode::plugin_incompatible,
           message("the plug-in ", path, " does not load: ", reason != nullptr ? reason : "no reason given")};
    return nullptr;
  }
  const auto entry = reinterpret_cast<PluginEntry>(::dlsym(library, plugin_entry_name));
  if (entry == nullptr) {
    why = {ErrorCode::plugin_incompatible, message(path, " is not a weft plug-in: it has no ", plugin_entry_name)};
    return nullptr;
  }
  return ask_plugin(entry, path, why);
}

}  // namespace

Backend* ask_plugin(PluginEntry entry, const std::string& where, Unavailable& why) {
  static PluginHost& host = *new PluginHost;
  host.weft_version = version();
  host.record_span = &forward_span;
  host.tracing = &is_tracing;
  host.remember_tag = [](const OpTag& tag) { remember_tag(tag); };
  const char* why_not = nullptr;
  Backend* backend = entry(&host, &why_not);
  if (backend == nullptr) {
    const std::string_view reason = why_not != nullptr ? why_not : "the plug-in gave no reason";
    if (is_mismatch(reason)) {
      why = {ErrorCode::plugin_incompatible, message(reason, " (", where, "; this is weft ", version(), ")")};
    } else {
      why = {ErrorCode::device_unavailable, message(reason, " (", where, ")")};
    }
  }
  return backend;
}

Backend* load_plugin(const std::string& name, Unavailable& why) {
  const std::vector<std::string> folders = places();
  const std::string file = message("libweft_", name, ".so");
  for (const std::string& folder : folders) {
    const std::string path = message(folder, folder.back() == '/' ? "" : "/", file);
    if (::access(path.c_str(), F_OK) == 0) return open(path, why);
  }
  std::string looked;
  for (const std::string& folder : folders) looked += message(looked.empty() ? "" : ", ", folder);
  why = {ErrorCode::device_unavailable,
         message("no plug-in ", file, " was found; looked in ", looked, " ($WEFT_BACKEND_PATH names further folders)")};
  return nullptr;
}

}  // namespace weft::backends
