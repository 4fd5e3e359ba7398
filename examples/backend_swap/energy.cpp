#include "energy.h"

#include <dlfcn.h>

#include <fstream>

namespace lab {
namespace {

// NVML's own signatures, of nvml.h: handles are pointers, 0 is success.
struct Nvml {
  int (*init)() = nullptr;
  int (*handle)(unsigned, void**) = nullptr;
  int (*energy)(void*, unsigned long long*) = nullptr;
  bool ready = false;
};

const Nvml& nvml() {
  static const Nvml table = [] {
    Nvml n;
    void* library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return n;
    n.init = reinterpret_cast<int (*)()>(dlsym(library, "nvmlInit_v2"));
    n.handle = reinterpret_cast<int (*)(unsigned, void**)>(dlsym(library, "nvmlDeviceGetHandleByIndex_v2"));
    n.energy =
        reinterpret_cast<int (*)(void*, unsigned long long*)>(dlsym(library, "nvmlDeviceGetTotalEnergyConsumption"));
    n.ready = n.init != nullptr && n.handle != nullptr && n.energy != nullptr && n.init() == 0;
    return n;
  }();
  return table;
}

}  // namespace

std::optional<double> joules(weft::Device device) {
  if (device.kind == weft::BackendKind::cuda) {
    void* gpu = nullptr;
    unsigned long long millijoules = 0;
    if (!nvml().ready || nvml().handle(static_cast<unsigned>(device.index), &gpu) != 0) return {};
    if (nvml().energy(gpu, &millijoules) != 0) return {};
    return static_cast<double>(millijoules) * 1e-3;
  }
  std::ifstream counter("/sys/class/powercap/intel-rapl:0/energy_uj");  // AMD's processors have it under this name, too
  double microjoules = 0;
  if (!(counter >> microjoules)) return {};
  return microjoules * 1e-6;
}

}  // namespace lab
