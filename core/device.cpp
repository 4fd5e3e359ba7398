#include <weft/core/device.h>

#include <array>
#include <atomic>
#include <charconv>
#include <limits>
#include <mutex>
#include <vector>

#include <weft/core/closest_name.h>
#include <weft/core/error.h>
#include <weft/core/message.h>

namespace weft {
namespace {

constexpr int kind_count = 256;  // BackendKind is one byte
constexpr int first_registered = static_cast<int>(BackendKind::first_registered);

// Names are read without a lock and never freed: a number keeps its name for the life of the process.
struct KindTable {
  std::array<std::atomic<const char*>, kind_count> names{};
  std::mutex adding;

  KindTable() {
    names[static_cast<int>(BackendKind::serial)] = "serial";
    names[static_cast<int>(BackendKind::cpu)] = "cpu";
    names[static_cast<int>(BackendKind::cuda)] = "cuda";
  }
  const char* at(int kind) const noexcept {
    return names[static_cast<std::size_t>(kind)].load(std::memory_order_acquire);
  }
  int find(std::string_view name) const noexcept {
    for (int kind = 0; kind < kind_count; ++kind) {
      const char* known = at(kind);
      if (known != nullptr && name == known) return kind;
    }
    return -1;
  }
};

KindTable& kinds() {
  static KindTable& table = *new KindTable;
  return table;
}

[[noreturn]] void unknown_device(std::string_view text, CallSite at) {
  std::vector<std::string_view> names;
  std::string known;
  for (int kind = 0; kind < kind_count; ++kind) {
    const char* name = kinds().at(kind);
    if (name == nullptr) continue;
    names.emplace_back(name);
    known += (known.empty() ? "" : ", ") + std::string(name);
  }
  const std::string_view kind = text.substr(0, text.find(':'));
  // "gpu" is one letter from "cpu", but that is not what its writer means
  const bool gpu = edit_distance(kind, "gpu") == 0;
  throw DeviceError(
      ErrorCode::device_unknown, "parse_device",
      message("unknown device \"", text.substr(0, 64), "\"",
              gpu ? "; did you mean \"cuda\"?" : did_you_mean(kind, names).c_str(), " (known: ", known, ")"),
      at);
}

}  // namespace

const char* name(BackendKind kind) noexcept {
  const char* known = kinds().at(static_cast<int>(kind));
  return known != nullptr ? known : "unregistered";
}

std::string to_string(Device device) {
  std::string text = name(device.kind);
  if (device.kind == BackendKind::cuda || device.index != 0) {
    text += ':';
    append(text, device.index);
  }
  return text;
}

BackendKind register_kind(std::string_view name, CallSite at) {
  const bool plain = !name.empty() && name.size() <= 64 && name.find_first_of(": \t\r\n\"") == std::string_view::npos &&
                     name.find('\0') == std::string_view::npos;
  if (!plain) {
    throw ValueError(ErrorCode::value_invalid, "register_kind",
                     message("a backend's name has 1 to 64 characters and no colon, quote or space; got \"",
                             name.substr(0, 64), "\""),
                     at);
  }
  KindTable& table = kinds();
  const std::lock_guard lock(table.adding);
  if (const int known = table.find(name); known >= 0) return static_cast<BackendKind>(known);
  for (int kind = first_registered; kind < kind_count; ++kind) {
    if (table.at(kind) != nullptr) continue;
    char* copy = new char[name.size() + 1];
    name.copy(copy, name.size());
    copy[name.size()] = '\0';
    table.names[static_cast<std::size_t>(kind)].store(copy, std::memory_order_release);
    return static_cast<BackendKind>(kind);
  }
  throw ValueError(ErrorCode::value_out_of_range, "register_kind",
                   message("no number is left for the backend \"", name, "\": ", kind_count - first_registered,
                           " are registered already"),
                   at);
}

Device parse_device(std::string_view text, CallSite at) {
  const std::size_t colon = text.find(':');
  const int kind = kinds().find(text.substr(0, colon));
  if (kind < 0) unknown_device(text, at);
  Device device{static_cast<BackendKind>(kind), 0};
  if (colon == std::string_view::npos) return device;
  const std::string_view digits = text.substr(colon + 1);
  const bool single = device.kind == BackendKind::serial || device.kind == BackendKind::cpu;
  const int highest = single ? 0 : std::numeric_limits<std::int16_t>::max();
  int index = -1;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
  if (error != std::errc() || end != digits.data() + digits.size() || index < 0 || index > highest) {
    throw DeviceError(ErrorCode::device_unknown, "parse_device",
                      message("\"", text.substr(0, 64), "\" has no valid index after the colon; expected ",
                              single ? "0 or no index" : "a whole number from 0 to 32767"),
                      at);
  }
  device.index = static_cast<std::int16_t>(index);
  return device;
}

}  // namespace weft
