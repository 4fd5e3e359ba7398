#pragma once
// Joules, where the system counts them: the processor's counter (powercap), the GPU's (NVML, opened at run time).

#include <optional>

#include <weft/core/device.h>

namespace lab {

/// What the counter of that device stands at, in joules; nothing where there is none that may be read.
std::optional<double> joules(weft::Device device);

}  // namespace lab
