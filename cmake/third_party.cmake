# What weft is built with. None of it is visible in a public header or reaches a consumer's compile line.
#   weft_eigen   headers only, to build            weft_json  headers only, to build
#   weft_zlib    linked privately                  weft_curl  headers only: libcurl is opened at run time
#   weft_cli     CLI11, for programs only          weft_threads

find_package(Threads REQUIRED)
add_library(weft_threads INTERFACE)
target_link_libraries(weft_threads INTERFACE Threads::Threads)

find_package(Eigen3 3.4 REQUIRED NO_MODULE)
add_library(weft_eigen INTERFACE)
get_target_property(eigen_include Eigen3::Eigen INTERFACE_INCLUDE_DIRECTORIES)
target_include_directories(weft_eigen SYSTEM INTERFACE ${eigen_include})

find_package(nlohmann_json 3.10 REQUIRED)
add_library(weft_json INTERFACE)
target_link_libraries(weft_json INTERFACE nlohmann_json::nlohmann_json)

find_package(ZLIB REQUIRED)
add_library(weft_zlib INTERFACE)
target_link_libraries(weft_zlib INTERFACE ZLIB::ZLIB)

add_library(weft_curl INTERFACE)
find_path(WEFT_CURL_INCLUDE curl/curl.h)
mark_as_advanced(WEFT_CURL_INCLUDE)
set(WEFT_DOWNLOADS false)
if(WEFT_CURL_INCLUDE)
  set(WEFT_DOWNLOADS true)
  target_include_directories(weft_curl SYSTEM INTERFACE ${WEFT_CURL_INCLUDE})
  target_compile_definitions(weft_curl INTERFACE WEFT_HAVE_CURL=1)
endif()

add_library(weft_cli INTERFACE)
find_package(CLI11 QUIET)
if(CLI11_FOUND)
  target_link_libraries(weft_cli INTERFACE CLI11::CLI11)
endif()
