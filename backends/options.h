#pragma once
// Settings that trade precision or the first steps' time for speed. They are of the whole process and may be changed at
// any time; what is queued or captured already keeps what it began with. Safe from any thread.

#include <string_view>
#include <vector>

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

/// Which kernel makes the float32 products of `device`: matmul, linear and both their ways back, of any size and
/// layout. "auto" is the default and the only name off `cuda`. There the ladder of docs/kernels.md, from the first idea
/// to what the hardware can do:
///   "naive", "coalesced", "shared-tile", "register-tile", "vectorised", "warp-tile"    in float32
///   "tensor-core"                    rounds what it multiplies to TF32 (10 bits of fraction) and adds in float32
///   "cublaslt"                       NVIDIA's library, the same as "auto"
/// Every rung gives the product, each with the last bits of its own order of adding. float64, float16 and bfloat16 stay
/// with "auto". A captured step takes the kernel in force at its first replay. Throws ValueError for another name
/// (naming the nearest), DeviceError where the device cannot be had; then nothing has changed.
WEFT_API void set_matmul_kernel(Device device, std::string_view name, CallSite at = CallSite::here());
/// The names it takes, slowest idea first, "auto" last. Literals. Asks no device.
WEFT_API std::vector<std::string_view> matmul_kernels(Device device);

/// The same for sums over all elements, or over rows, of float32: sum, mean and what is made of them.
///   "sequential"     one thread adds the elements of a result one after another
///   "tree"           halves in shared memory, a barrier to each level
///   "warp-shuffle"   the last five levels from register to register
///   "auto"           weft's kernel (docs/cuda.md)
/// Other reductions and dtypes stay with "auto".
WEFT_API void set_reduce_kernel(Device device, std::string_view name, CallSite at = CallSite::here());
WEFT_API std::vector<std::string_view> reduce_kernels(Device device);

}  // namespace weft
