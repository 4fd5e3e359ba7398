#pragma once
// Private: libcurl's functions, found with dlopen at first use and kept for ever. Their types are those of
// <curl/curl.h>.

#include <curl/curl.h>

#include <string>

namespace weft {

#define WEFT_CURL_FUNCTIONS(X) \
  X(curl_global_init)          \
  X(curl_easy_init)            \
  X(curl_easy_setopt)          \
  X(curl_easy_perform)         \
  X(curl_easy_getinfo)         \
  X(curl_easy_strerror)        \
  X(curl_easy_cleanup)

struct CurlLibrary {
#define WEFT_CURL_POINTER(name) decltype(&::name) name = nullptr;
  WEFT_CURL_FUNCTIONS(WEFT_CURL_POINTER)
#undef WEFT_CURL_POINTER
  std::string why_not;  ///< empty: all pointers are there
};

/// Thread-safe.
const CurlLibrary& curl_library();

}  // namespace weft
