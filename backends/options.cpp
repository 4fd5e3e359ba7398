#include <weft/backends/options.h>

#include <atomic>

#include <weft/backends/registry.h>
#include <weft/core/error.h>
#include <weft/core/message.h>

namespace weft {
namespace {

std::atomic<bool> high{false};

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

}  // namespace weft
