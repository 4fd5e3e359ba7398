#pragma once
// Private: finds and opens libweft_<name>.so (plugin.h says how a plug-in looks from the other side).

#include <string>

#include <weft/backends/plugin.h>
#include <weft/core/error.h>

namespace weft::backends {

/// Why a backend cannot be had: what DeviceError will say.
struct Unavailable {
  ErrorCode code = ErrorCode::device_unavailable;
  std::string why;
};

/// The plug-in's backend, or null with `why` filled in: no such file in any of the places (which are listed), a file
/// that does not load, a library that is no weft plug-in, a plug-in of another version, or what the plug-in itself
/// says. The first file found decides; a plug-in that was opened stays open. Call it under the lock of the backend it
/// is for.
Backend* load_plugin(const std::string& name, Unavailable& why);

/// Asks a plug-in's entry for its backend; `where` says in the message which plug-in spoke.
Backend* ask_plugin(PluginEntry entry, const std::string& where, Unavailable& why);

}  // namespace weft::backends
