#pragma once
// The harness inside the plug-in that this program has loaded.

#include <cstdlib>
#include <string>

#include <dlfcn.h>

#include <weft/backends/registry.h>

#include "cuda_on_cpu/control.h"

namespace weft_harness::test {

/// Null where the 'cuda' this program has is not the harness.
template <class F>
F* control(const char* name) {
  weft::backends::backend_for(weft::cuda());  // loads it
  const char* folder = std::getenv("WEFT_BACKEND_PATH");
  const std::string path = std::string(folder == nullptr ? "." : folder) + "/libweft_cuda.so";
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
  return library == nullptr ? nullptr : reinterpret_cast<F*>(::dlsym(library, name));
}
#define WEFT_HARNESS_CONTROL(function) ::weft_harness::test::control<decltype(function)>(#function)

}  // namespace weft_harness::test
