# Decides what WEFT_CUDA means here and remembers why, for the summary and for weft_doctor.
#   WEFT_CUDA_KIND   plugin, static or off
#   WEFT_CUDA_WHY    one sentence
find_package(CUDAToolkit QUIET)
if(CUDAToolkit_FOUND)
  set(toolkit "toolkit ${CUDAToolkit_VERSION} found at ${CUDAToolkit_TARGET_DIR}")
else()
  set(toolkit "no CUDA toolkit found")
endif()

set(WEFT_CUDA_KIND off)
if(NOT EXISTS ${PROJECT_SOURCE_DIR}/backends/cuda/CMakeLists.txt)
  set(WEFT_CUDA_WHY "this version has no CUDA backend yet; ${toolkit}")
  if(NOT WEFT_CUDA MATCHES "^(auto|off)$")
    message(FATAL_ERROR "WEFT_CUDA=${WEFT_CUDA}: ${WEFT_CUDA_WHY}")
  endif()
elseif(WEFT_CUDA STREQUAL "off")
  set(WEFT_CUDA_WHY "switched off by WEFT_CUDA=off; ${toolkit}")
endif()
