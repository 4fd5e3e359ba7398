#include <weft/backends/choose_device.h>

#include <weft/backends/registry.h>
#include <weft/core/message.h>

namespace weft {

DeviceChoice choose_device(std::string_view name, CallSite at) {
  if (name != "auto") {
    const Device device = parse_device(name, at);
    return {device, message(device, ", as asked")};
  }
  const std::string why_not = backends::why_unavailable(cuda());
  if (why_not.empty()) return {cuda(), "cuda, because it can be had"};
  return {cpu(), "cpu, because cuda cannot be had: " + why_not};
}

}  // namespace weft
