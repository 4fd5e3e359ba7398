#include <weft/backends/cuda/vendor/nvml.h>

#include <mutex>

#include <weft/backends/cuda/vendor/open.h>

namespace weft::backends::cuda {
namespace {

using Device = void*;
constexpr int success = 0;
enum Clock : int { sm_clock = 1, memory_clock = 2 };  // nvmlClockType_t

struct Nvml {
  int (*init)() = nullptr;
  int (*by_address)(const char* address, Device* device) = nullptr;
  int (*energy)(Device device, unsigned long long* millijoules) = nullptr;
  int (*power)(Device device, unsigned* milliwatts) = nullptr;
  int (*clock)(Device device, int which, unsigned* megahertz) = nullptr;
  int (*most_clock)(Device device, int which, unsigned* megahertz) = nullptr;
  bool ready = false;
};

template <class F>
void fill(const char* name, F*& entry) {
  entry = reinterpret_cast<F*>(vendor_symbol(Library::nvml, name));
}

const Nvml& nvml() {
  static const Nvml table = [] {
    Nvml t;
    fill("nvmlInit_v2", t.init);
    fill("nvmlDeviceGetHandleByPciBusId_v2", t.by_address);
    fill("nvmlDeviceGetTotalEnergyConsumption", t.energy);
    fill("nvmlDeviceGetPowerUsage", t.power);
    fill("nvmlDeviceGetClockInfo", t.clock);
    fill("nvmlDeviceGetMaxClockInfo", t.most_clock);
    t.ready = t.init != nullptr && t.by_address != nullptr && t.init() == success;
    return t;
  }();
  return table;
}

}  // namespace

PowerReading read_power(const char* pci_address) noexcept try {
  PowerReading reading;
  const Nvml& api = nvml();
  Device device = nullptr;
  if (!api.ready || api.by_address(pci_address, &device) != success) return reading;
  reading.known = true;
  unsigned long long energy = 0;
  if (api.energy != nullptr && api.energy(device, &energy) == success) reading.energy_millijoules = energy;
  if (api.power == nullptr || api.power(device, &reading.power_milliwatts) != success) reading.power_milliwatts = 0;
  if (api.clock != nullptr) {
    if (api.clock(device, sm_clock, &reading.sm_megahertz) != success) reading.sm_megahertz = 0;
    if (api.clock(device, memory_clock, &reading.memory_megahertz) != success) reading.memory_megahertz = 0;
  }
  if (api.most_clock != nullptr && api.most_clock(device, sm_clock, &reading.most_sm_megahertz) != success) {
    reading.most_sm_megahertz = 0;
  }
  return reading;
} catch (...) {  // no memory: nothing is known
  return {};
}

}  // namespace weft::backends::cuda
