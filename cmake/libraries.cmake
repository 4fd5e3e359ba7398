# weft::shared and weft::static from the same objects; weft::weft is the one a user links.
get_property(rooms GLOBAL PROPERTY WEFT_ROOMS)
get_property(static_cuda GLOBAL PROPERTY WEFT_STATIC_NEEDS)  # the CUDA run-time library, where the backend is linked in
set(objects "")
foreach(room IN LISTS rooms)
  list(APPEND objects $<TARGET_OBJECTS:weft_${room}>)
endforeach()

foreach(kind SHARED STATIC)
  string(TOLOWER ${kind} name)
  add_library(weft_lib_${name} ${kind} ${objects})
  set_target_properties(weft_lib_${name} PROPERTIES OUTPUT_NAME weft EXPORT_NAME ${name} LINKER_LANGUAGE CXX
                        LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
  target_compile_features(weft_lib_${name} INTERFACE cxx_std_20)
  target_include_directories(weft_lib_${name} INTERFACE $<BUILD_INTERFACE:${WEFT_PUBLIC_INCLUDE}>
                             $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(weft_lib_${name} PRIVATE ZLIB::ZLIB Threads::Threads ${CMAKE_DL_LIBS} ${static_cuda})
  add_library(weft::${name} ALIAS weft_lib_${name})
endforeach()

# Before 1.0 a minor version may change the binary interface, so it is part of the soname.
set_target_properties(weft_lib_shared PROPERTIES VERSION ${PROJECT_VERSION}
                      SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
if(NOT WEFT_SANITIZE)  # clang leaves the run-time library of its sanitizers to the program
  target_link_options(weft_lib_shared PRIVATE -Wl,--no-undefined)
endif()

if(DEFINED BUILD_SHARED_LIBS AND NOT BUILD_SHARED_LIBS)
  add_library(weft::weft ALIAS weft_lib_static)
else()
  add_library(weft::weft ALIAS weft_lib_shared)
endif()
