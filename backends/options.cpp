#include <weft/backends/options.h>

#include <algorithm>
#include <atomic>

#include <weft/backends/registry.h>
#include <weft/core/closest_name.h>
#include <weft/core/error.h>
#include <weft/core/message.h>

namespace weft {
namespace {

std::atomic<bool> high{false};

void set_kernel(const char* fn, const char* key, Device device, std::string_view name,
                const std::vector<std::string_view>& names, CallSite at) {
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    std::string known;
    for (std::string_view each : names) known += message(known.empty() ? "" : ", ", each);
    throw ValueError(
        ErrorCode::value_invalid, fn,
        message("'", device, "' has no kernel \"", name, '"', did_you_mean(name, names), " (known: ", known, ")"), at);
  }
  // A backend without a choice does not know the key, and has what is asked for.
  if (backends::backend_for(device, at).set_option(key, name) || name == "auto") return;
  throw ValueError(ErrorCode::value_invalid, fn, message("'", device, "' was built without the kernel \"", name, '"'),
                   at);
}

}  // namespace

void set_float32_matmul_precision(std::string_view precision, CallSite at) {
  if (precision != "highest" && precision != "high") {
    throw ValueError(ErrorCode::value_invalid, "set_float32_matmul_precision",
                     message("precision is \"", precision, "\", expected \"highest\" or \"high\""), at);
  }
  high.store(precision == "high", std::memory_order_relaxed);
  if (backends::is_available(cuda())) {
    backends::backend_for(cuda()).set_option("float32.precision", precision == "high" ? "tf32" : "float32");
  }
}

std::string_view float32_matmul_precision() noexcept {
  return high.load(std::memory_order_relaxed) ? "high" : "highest";
}

void set_autotune(bool on) {
  if (backends::is_available(cuda())) backends::backend_for(cuda()).set_option("autotune", on ? "on" : "off");
}

void set_backend_option(Device device, std::string_view key, std::string_view value, CallSite at) {
  if (backends::backend_for(device, at).set_option(key, value)) return;
  throw ValueError(ErrorCode::value_invalid, "set_backend_option",
                   message("'", device, "' knows no option \"", key, "\" with the value \"", value, "\""), at);
}

std::vector<std::string_view> matmul_kernels(Device device) {
  if (device.kind != BackendKind::cuda) return {"auto"};
  return {"naive",     "coalesced",   "shared-tile", "register-tile", "vectorised",
          "warp-tile", "tensor-core", "cublaslt",    "auto"};
}

void set_matmul_kernel(Device device, std::string_view name, CallSite at) {
  set_kernel("set_matmul_kernel", "matmul.kernel", device, name, matmul_kernels(device), at);
}

std::vector<std::string_view> reduce_kernels(Device device) {
  if (device.kind != BackendKind::cuda) return {"auto"};
  return {"sequential", "tree", "warp-shuffle", "auto"};
}

void set_reduce_kernel(Device device, std::string_view name, CallSite at) {
  set_kernel("set_reduce_kernel", "reduce.kernel", device, name, reduce_kernels(device), at);
}

}  // namespace weft
