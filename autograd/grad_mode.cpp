#include <weft/autograd/grad_mode.h>

namespace weft {
namespace {

thread_local bool recording = true;

}  // namespace

bool grad_enabled() noexcept { return recording; }
void set_grad_enabled(bool on) noexcept { recording = on; }

}  // namespace weft
