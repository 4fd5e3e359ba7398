#pragma once
// The device a program was asked for by name, with a sentence for its user.

#include <string>
#include <string_view>

#include <weft/core/call_site.h>
#include <weft/core/device.h>
#include <weft/core/export.h>

namespace weft {

struct DeviceChoice {
  Device device;
  std::string reason;  ///< "cpu, because cuda cannot be had: no NVIDIA driver was found ..."
};

/// "auto" is CUDA where it can be had and the CPU otherwise; every other name is taken literally, as by parse_device()
/// (and its errors), and whether that device can be had shows when it is used. Looks for the CUDA plug-in.
///
///     const weft::DeviceChoice choice = weft::choose_device(argument);
///     std::printf("backend: %s\n", choice.reason.c_str());
WEFT_API DeviceChoice choose_device(std::string_view name, CallSite at = CallSite::here());

}  // namespace weft
