#pragma once
// The C boundary between weft and a backend in a shared library of its own (libweft_<name>.so).
//
// A plug-in is self-contained: it carries its own copies of core/ and composed.cpp, needs no symbol of its host and
// exports one function. It is opened with RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE, never closed, and looked for in
// $WEFT_BACKEND_PATH (a list separated by ':'), beside the library or program, in the install's library folder.
//
//     extern "C" weft::backends::Backend* weft_plugin(const weft::backends::PluginHost* host, const char** why_not);
//
// It returns its backend, or null with *why_not pointing at a sentence that stays alive ("no CUDA driver was found").

#include <cstddef>
#include <cstdint>

#include <weft/backends/backend.h>

namespace weft::backends {

inline constexpr std::uint32_t contract_version =
    3;  ///< raised whenever backend.h, op_args.h or an enum in core changes

/// What the host tells the plug-in. A plug-in whose own numbers differ returns null and says so: check() does that.
struct PluginHost {
  std::uint32_t contract = contract_version;
  std::uint32_t host_bytes = sizeof(PluginHost);
  std::uint32_t view_bytes = sizeof(TensorView);
  std::uint32_t optim_bytes = sizeof(OptimArgs) + sizeof(OptimSlot);
  const char* weft_version = "";
  /// Puts a finished span into the host's trace, on a row of its own; times are steady-clock nanoseconds, texts live as
  /// long as the program. No-op while tracing is off.
  void (*record_span)(const char* name, const char* category, std::int64_t begin_ns, std::int64_t end_ns) = nullptr;
  /// Whether the host's trace is being recorded: measuring may cost something.
  bool (*tracing)() = nullptr;
  /// Makes a tag the host's current_tag() too: the plug-in has one of its own.
  void (*remember_tag)(const OpTag& tag) = nullptr;
};

using PluginEntry = Backend* (*)(const PluginHost*, const char** why_not);
inline constexpr const char* plugin_entry_name = "weft_plugin";

/// For plug-ins: null when host and plug-in were built from the same contract, otherwise why not.
inline const char* mismatch(const PluginHost* host) noexcept {
  const PluginHost mine;
  if (host->contract != mine.contract || host->host_bytes != mine.host_bytes) {
    return "the plug-in was built for another version of weft";
  }
  if (host->view_bytes != mine.view_bytes || host->optim_bytes != mine.optim_bytes) {
    return "the plug-in was built with another compiler or layout than weft";
  }
  return nullptr;
}

}  // namespace weft::backends
