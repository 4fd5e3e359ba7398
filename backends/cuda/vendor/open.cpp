#include <weft/backends/cuda/vendor/open.h>

#include <cstdlib>
#include <mutex>
#include <string_view>
#include <vector>

#include <dlfcn.h>

#include <cublasLt.h>
#include <cudnn_version.h>

#include <weft/core/message.h>

// The major version in a file's name is that of the headers this was compiled with: another major version may have
// other structures.

#ifndef WEFT_CUDA_LIBRARY_DIR
#define WEFT_CUDA_LIBRARY_DIR ""
#endif
#define WEFT_TEXT_OF(x) #x
#define WEFT_TEXT(x) WEFT_TEXT_OF(x)

namespace weft::backends::cuda {
namespace {

struct Opened {
  std::once_flag once;
  void* handle = nullptr;
  std::string missing;
};

const char* file_of(Library library) {
  switch (library) {
    case Library::cublaslt:
      return "libcublasLt.so." WEFT_TEXT(CUBLAS_VER_MAJOR);
    case Library::cudnn:
      return "libcudnn.so." WEFT_TEXT(CUDNN_MAJOR);
    case Library::nvml:
      return "libnvidia-ml.so.1";
    case Library::cupti:
      return "libcupti.so." WEFT_TEXT(CUBLAS_VER_MAJOR);  // numbered like the toolkit
  }
  return "";
}

const char* purpose_of(Library library) {
  switch (library) {
    case Library::cublaslt:
      return "matrix products on 'cuda' need cuBLAS";
    case Library::cudnn:
      return "convolutions on 'cuda' need cuDNN";
    case Library::nvml:
      return "energy and clocks need the driver's NVML";
    case Library::cupti:
      return "kernel spans from the device need CUPTI";
  }
  return "";
}

std::string folder_of_plugin() {
  Dl_info info{};
  if (::dladdr(reinterpret_cast<const void*>(&vendor_symbol), &info) == 0 || info.dli_fname == nullptr) return {};
  const std::string_view path = info.dli_fname;
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string() : std::string(path.substr(0, slash + 1));
}

void open(Library library, Opened& into) {
  const std::string file = file_of(library);
  std::vector<std::string> paths = {file};  // LD_LIBRARY_PATH, the system's cache
  if (const std::string beside = folder_of_plugin(); !beside.empty()) paths.push_back(beside + file);
  if (*WEFT_CUDA_LIBRARY_DIR != '\0') paths.push_back(WEFT_CUDA_LIBRARY_DIR "/" + file);
  std::string said;
  for (const std::string& path : paths) {
    into.handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (into.handle != nullptr) return;
    const char* reason = ::dlerror();
    if (said.empty() && reason != nullptr) said = reason;
  }
  into.missing = message(purpose_of(library), ", and ", file, " was not found (", said,
                         "); install it or add its folder to LD_LIBRARY_PATH");
}

Opened& opened(Library library) {
  static Opened& cublaslt = *new Opened;
  static Opened& cudnn = *new Opened;
  static Opened& nvml = *new Opened;
  static Opened& cupti = *new Opened;
  Opened* all[] = {&cublaslt, &cudnn, &nvml, &cupti};
  Opened& one = *all[static_cast<int>(library)];
  std::call_once(one.once, open, library, one);
  return one;
}

}  // namespace

void* vendor_symbol(Library library, const char* name) noexcept {
  try {
    const Opened& one = opened(library);
    return one.handle == nullptr ? nullptr : ::dlsym(one.handle, name);
  } catch (...) {  // no memory for a message
    return nullptr;
  }
}

std::string vendor_missing(Library library) { return opened(library).missing; }

}  // namespace weft::backends::cuda
