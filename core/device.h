#pragma once
// A device is a backend and an index. cpu() is every core, serial() one core with plain loops, cuda(i) the i-th GPU.

#include <cstdint>
#include <string>
#include <string_view>

#include <weft/core/call_site.h>
#include <weft/core/export.h>

namespace weft {

/// Which backend. Third parties get a number from 16 up when they register (backends/registry.h).
enum class BackendKind : std::uint8_t { serial = 0, cpu = 1, cuda = 2, first_registered = 16 };

struct Device {
  BackendKind kind = BackendKind::cpu;
  std::int16_t index = 0;

  friend constexpr bool operator==(const Device&, const Device&) = default;
};

constexpr Device serial() noexcept { return {BackendKind::serial, 0}; }
constexpr Device cpu() noexcept { return {BackendKind::cpu, 0}; }
constexpr Device cuda(int index = 0) noexcept { return {BackendKind::cuda, static_cast<std::int16_t>(index)}; }

/// "serial", "cpu", "cuda:0"; a registered backend's own name.
WEFT_API std::string to_string(Device device);

/// The name of a kind: "serial", "cpu", "cuda", or what register_kind() was told. Never null.
WEFT_API const char* name(BackendKind kind) noexcept;

/// Reserves a number for a further backend name; the same name gets the same number. For the registry; thread-safe.
WEFT_API BackendKind register_kind(std::string_view name, CallSite at = CallSite::here());

/// "cpu", "cuda", "cuda:1", a registered name. Throws DeviceError (device_unknown) naming the closest known one.
WEFT_API Device parse_device(std::string_view text, CallSite at = CallSite::here());

}  // namespace weft
