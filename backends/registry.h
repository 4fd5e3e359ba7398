#pragma once
// Which backends there are. An explicit table in registry.cpp, no registration by static constructors. Thread-safe.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <weft/backends/backend.h>
#include <weft/core/call_site.h>
#include <weft/core/device.h>
#include <weft/core/export.h>

namespace weft::backends {

/// The backend of a device, created on first use and never destroyed. Throws DeviceError when it cannot be had; the
/// message says what is missing (device_unavailable, plugin_incompatible, device_unknown). CUDA is never silently
/// replaced by the CPU.
WEFT_API Backend& backend_for(Device device, CallSite at = CallSite::here());

/// Lets a third party in: afterwards Device{kind} works everywhere and parse_device(name) finds it. The factory is
/// called at first use. Registering a taken name throws ValueError.
WEFT_API Device register_backend(std::string_view name, std::function<std::unique_ptr<Backend>()> factory,
                                 CallSite at = CallSite::here());

/// "serial", "cpu", "cuda", then registered names in order of registration.
WEFT_API std::vector<std::string> backend_names();

/// Empty when the backend can be used, otherwise why not, as backend_for() would say. Loads the backend to find out.
WEFT_API std::string why_unavailable(Device device);

inline bool is_available(Device device) { return why_unavailable(device).empty(); }

}  // namespace weft::backends

namespace weft {
using backends::backend_names;
using backends::is_available;
using backends::register_backend;
}  // namespace weft
