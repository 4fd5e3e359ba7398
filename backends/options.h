#pragma once
// Settings that trade precision or the first steps' time for speed. They are of the whole process and may be changed at
// any time; what is queued or captured already keeps what it began with. Safe from any thread.

#include <string_view>

#include <weft/core/call_site.h>
#include <weft/core/device.h>
#include <weft/core/export.h>

namespace weft {

/// How float32 products and convolutions may be computed.
///   "highest"   in float32 (the default)
///   "high"      a device with TF32 may round what it multiplies to 10 bits of fraction (about 3 decimal digits) and
///   add
///               in float32; on `serial`, `cpu` and devices without TF32 nothing changes
/// Throws ValueError for any other word. Looks for the CUDA backend, which loads it.
WEFT_API void set_float32_matmul_precision(std::string_view precision, CallSite at = CallSite::here());
WEFT_API std::string_view float32_matmul_precision() noexcept;

/// On: a product of a shape seen for the first time is made by several candidates, the fastest is kept and named on
/// stderr. Faster from then on, but which candidate wins, and with it the last bits of results, may differ from run to
/// run. Off (the default): the choice is a function of shape, dtype, device and library version.
WEFT_API void set_autotune(bool on);

/// One setting of one backend, as its documentation names it ("conv.kernel" = "direct" on `cuda`). Throws ValueError
/// where the backend does not know the key or the value, DeviceError where it cannot be had.
WEFT_API void set_backend_option(Device device, std::string_view key, std::string_view value,
                                 CallSite at = CallSite::here());

}  // namespace weft
