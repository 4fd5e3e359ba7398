#if defined(WEFT_HAVE_CURL)

#include <weft/data/curl_library.h>

#include <dlfcn.h>

namespace weft {
namespace {

// clang-format off
#undef curl_easy_setopt   // <curl/curl.h> checks argument types with macros of the functions' names
#undef curl_easy_getinfo
// clang-format on

CurlLibrary* open_library() {
  auto* library = new CurlLibrary;
  void* handle = nullptr;
  for (const char* name : {"libcurl.so.4", "libcurl-gnutls.so.4"}) {
    handle = dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (handle != nullptr) break;
  }
  if (handle == nullptr) {
    library->why_not =
        "libcurl (libcurl.so.4) is not installed; Debian and Ubuntu: apt install libcurl4, Fedora: dnf install libcurl";
    return library;
  }
#define WEFT_CURL_FIND(name)                                                 \
  library->name = reinterpret_cast<decltype(&::name)>(dlsym(handle, #name)); \
  if (library->name == nullptr) library->why_not = "libcurl has no function " #name;
  WEFT_CURL_FUNCTIONS(WEFT_CURL_FIND)
#undef WEFT_CURL_FIND
  if (library->why_not.empty() && library->curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
    library->why_not = "libcurl could not be initialised";
  }
  return library;
}

}  // namespace

const CurlLibrary& curl_library() {
  static const CurlLibrary& library = *open_library();
  return library;
}

}  // namespace weft

#endif
