#pragma once
// Private: energy, power and clocks, asked of the driver's management library. nvml.h is not part of the toolkit
// packages: the few functions needed are declared here, as NVIDIA's NVML reference documents them.

#include <cstdint>

namespace weft::backends::cuda {

struct PowerReading {
  bool known = false;
  std::uint64_t energy_millijoules = 0;  ///< since the driver was loaded; 0 where the device does not count it
  unsigned power_milliwatts = 0;
  unsigned sm_megahertz = 0;
  unsigned memory_megahertz = 0;
  unsigned most_sm_megahertz = 0;
};

/// What the device with this PCI address ("0000:3b:00.0") draws now; `known` is false where NVML cannot be had.
PowerReading read_power(const char* pci_address) noexcept;

}  // namespace weft::backends::cuda
