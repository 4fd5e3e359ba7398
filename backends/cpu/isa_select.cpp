#include <cstdlib>
#include <cstring>
#include <string>

#include <weft/backends/cpu/kernels.h>
#include <weft/core/error.h>
#include <weft/core/message.h>

namespace weft::backends::cpu {

#if defined(__x86_64__)
namespace baseline {
extern const Kernels table;
}
namespace avx2 {
extern const Kernels table;
}
namespace avx512 {
extern const Kernels table;
}
#elif defined(__aarch64__)
namespace neon {
extern const Kernels table;
}
#else
#error "weft's cpu backend knows x86-64 and 64-bit Arm"
#endif

KernelSets kernel_sets() {
#if defined(__x86_64__)
  // The compiler's own checks include that the operating system saves the registers.
  KernelSets sets = {{&baseline::table}, 1};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    sets.set[sets.count++] = &avx2::table;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw")) {
      sets.set[sets.count++] = &avx512::table;
    }
  }
  return sets;
#else
  return {{&neon::table}, 1};
#endif
}

const Kernels& choose_kernels(const char* name) {
  const KernelSets sets = kernel_sets();
  if (name == nullptr || *name == '\0') return *sets.set[sets.count - 1];
  std::string allowed;
  for (int i = 0; i < sets.count; ++i) {
    if (std::strcmp(sets.set[i]->isa, name) == 0) return *sets.set[i];
    if (i > 0) allowed += ", ";
    allowed += sets.set[i]->isa;
  }
  throw ValueError(ErrorCode::value_invalid, "WEFT_CPU_ISA",
                   message("the environment variable WEFT_CPU_ISA is \"", std::string_view(name).substr(0, 64),
                           "\"; this machine has: ", allowed));
}

const Kernels& kernels() {
  static const Kernels& chosen = choose_kernels(std::getenv("WEFT_CPU_ISA"));
  return chosen;
}

}  // namespace weft::backends::cpu
