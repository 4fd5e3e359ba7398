#pragma once
// Experiments on how a device itself behaves: small kernels that show one property each, timed by the device's clock.
// Only `cuda` has them; docs/kernels.md says what each kernel does and what to expect.
//
//     for (const weft::Exhibit& e : weft::exhibits()) {
//       for (std::int64_t setting : e.settings) {
//         const weft::ExhibitRun run = weft::run_exhibit(weft::cuda(), e.name, setting);
//         print(e.name, setting, run.figures.bytes / median(run.seconds));
//       }
//     }

#include <cstdint>
#include <string_view>
#include <vector>

#include <weft/backends/op_args.h>
#include <weft/core/call_site.h>
#include <weft/core/device.h>
#include <weft/core/export.h>

namespace weft {

struct Exhibit {
  const char* name;
  const char* setting;                 ///< what its setting is, with its unit
  std::vector<std::int64_t> settings;  ///< those worth a row; what is between two of them may work too
};

/// All there are, whatever devices this machine has.
WEFT_API std::vector<Exhibit> exhibits();

struct ExhibitRun {
  std::vector<double> seconds;       ///< of each repetition, in the order of measuring, after one to warm up
  backends::ExhibitFigures figures;  ///< what one repetition does
};

/// Waits for the device before and after. Throws ValueError for an unknown name (naming the nearest), for a setting the
/// exhibit cannot have and for repeats outside 1 .. 1000; DeviceError (not_built) where the device has no exhibits, and
/// as every call where it cannot be had. Safe from any thread; what other threads queue meanwhile is measured too.
WEFT_API ExhibitRun run_exhibit(Device device, std::string_view name, std::int64_t setting, int repeats = 5,
                                CallSite at = CallSite::here());

}  // namespace weft
