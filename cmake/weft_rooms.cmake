# The vocabulary of weft's build.
#
#   weft_room(name SOURCES .. [PUBLIC ..] [PRIVATE ..] [NEEDS ..] [OPTIONS ..])
#       OBJECT library weft_<name>, collected into weft::shared and weft::static. Paths are relative to the calling folder.
#       PUBLIC headers are installed and reached as <weft/folder/file.h>; PRIVATE ones only by weft's own targets.
#       NEEDS names rooms below this one (core, backends, ...) and third-party helpers (eigen, json, zlib, curl).
#       OPTIONS are extra compile options of this object library alone. A room may be split: weft_room(backends_cpu ..).
#   weft_test(name SOURCES .. [LIBS ..] [NEEDS ..] [LABELS ..] [DEFINES ..] [ENVIRONMENT ..] [TIMEOUT s] [SINGLE])
#       GoogleTest program on weft::static, so that hidden symbols and private headers are reachable. Each TEST is one ctest
#       entry; SINGLE makes the whole program one entry (large generated tables, where a process per case costs too much).
#       Labels with a meaning: threads (also run under ThreadSanitizer), portable (also run on 64-bit Arm), libtorch.
#   weft_program(name SOURCES .. [NEEDS ..] [LIBS ..])
#       A program that uses weft as a user would: weft::weft and public headers only.
#
# Headers are listed, never globbed. The build tree gets one forwarding header per listed header, so that an include path holds
# exactly one folder and nothing private is reachable through it, as in the install tree.

set(WEFT_PUBLIC_INCLUDE ${PROJECT_BINARY_DIR}/include)
set(WEFT_PRIVATE_INCLUDE ${PROJECT_BINARY_DIR}/private)
set(WEFT_PROGRAM_DIR ${PROJECT_BINARY_DIR}/bin)

# The common settings of every target of weft's own: language, warnings, include path.
add_library(weft_build INTERFACE)
target_compile_features(weft_build INTERFACE cxx_std_20)
target_include_directories(weft_build INTERFACE ${WEFT_PUBLIC_INCLUDE})
target_compile_options(weft_build INTERFACE -Wall -Wextra -Wconversion -Wshadow $<$<BOOL:${WEFT_WERROR}>:-Werror>)
# a * b + c is two roundings wherever it is not written as std::fma: one source, the same bits on every processor.
target_compile_options(weft_build INTERFACE -ffp-contract=off)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(weft_build INTERFACE -Wno-restrict)  # false alarms on "text" + std::string: GCC bug 105651
endif()

add_library(weft_private INTERFACE)
target_include_directories(weft_private INTERFACE ${WEFT_PRIVATE_INCLUDE})

function(weft_path_in_tree out path)
  cmake_path(ABSOLUTE_PATH path BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} NORMALIZE)
  cmake_path(RELATIVE_PATH path BASE_DIRECTORY ${PROJECT_SOURCE_DIR})
  set(${out} ${path} PARENT_SCOPE)
endfunction()

# Public headers; `file.h` may be generated from `file.h.in` beside it.
function(weft_public_headers)
  foreach(header IN LISTS ARGN)
    weft_path_in_tree(path ${header})
    set(source ${PROJECT_SOURCE_DIR}/${path})
    set(forward ${WEFT_PUBLIC_INCLUDE}/weft/${path})
    if(EXISTS ${source}.in)
      configure_file(${source}.in ${forward} @ONLY)
      set(source ${forward})
    elseif(EXISTS ${source})
      file(CONFIGURE OUTPUT ${forward} CONTENT "#include \"${source}\"  // IWYU pragma: export\n" @ONLY)
    else()
      message(FATAL_ERROR "public header ${path} does not exist")
    endif()
    cmake_path(GET path PARENT_PATH folder)
    if(WEFT_INSTALL)
      install(FILES ${source} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/weft/${folder} COMPONENT weft_dev)
    endif()
    set_property(GLOBAL APPEND PROPERTY WEFT_PUBLIC_HEADERS ${path})
  endforeach()
endfunction()

function(weft_private_headers)
  foreach(header IN LISTS ARGN)
    weft_path_in_tree(path ${header})
    if(NOT EXISTS ${PROJECT_SOURCE_DIR}/${path})
      message(FATAL_ERROR "private header ${path} does not exist")
    endif()
    file(CONFIGURE OUTPUT ${WEFT_PRIVATE_INCLUDE}/weft/${path}
         CONTENT "#include \"${PROJECT_SOURCE_DIR}/${path}\"  // IWYU pragma: export\n" @ONLY)
    set_property(GLOBAL APPEND PROPERTY WEFT_PRIVATE_HEADERS ${path})
  endforeach()
endfunction()

# What most files of a room, and most tests, read (WEFT_PCH). Never headers of a room above: the arrows are checked in the
# text of the files, but a file must not compile by accident.
set(WEFT_PCH_STD <algorithm> <cstdint> <functional> <memory> <optional> <span> <string> <utility> <vector>)
set(WEFT_PCH_backends <weft/backends/backend.h>)
set(WEFT_PCH_tensor <weft/tensor/tensor.h> <sstream>)
set(WEFT_PCH_autograd <weft/autograd/functions.h> <sstream>)

set(WEFT_PCH_OPTIONS $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)  # for ccache

function(weft_precompile_room name needs)
  set(headers ${WEFT_PCH_STD})
  foreach(room backends tensor autograd)
    if(room STREQUAL name OR room IN_LIST needs)
      list(APPEND headers ${WEFT_PCH_${room}})
    endif()
  endforeach()
  target_compile_options(weft_${name} PRIVATE ${WEFT_PCH_OPTIONS})
  target_precompile_headers(weft_${name} PRIVATE ${headers})
endfunction()

set(WEFT_TEST_OPTIONS $<$<CONFIG:Release>:-O1>)  # compiling tests costs more than running them

# One for all tests: made on first use, with the flags that weft_test gives.
function(weft_precompile_test name)
  if(NOT TARGET weft_test_pch)
    file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/test_pch.cpp CONTENT "" @ONLY)
    add_library(weft_test_pch OBJECT ${PROJECT_BINARY_DIR}/test_pch.cpp)
    set_target_properties(weft_test_pch PROPERTIES CXX_EXTENSIONS OFF)
    target_link_libraries(weft_test_pch PRIVATE weft_build weft_private GTest::gtest)
    target_compile_options(weft_test_pch PRIVATE ${WEFT_TEST_OPTIONS} ${WEFT_PCH_OPTIONS})
    target_precompile_headers(weft_test_pch PRIVATE ${WEFT_PCH_STD} <sstream> <gtest/gtest.h> <weft/weft.h>)
  endif()
  target_compile_options(${name} PRIVATE ${WEFT_PCH_OPTIONS})
  target_precompile_headers(${name} REUSE_FROM weft_test_pch)
endfunction()

function(weft_room name)
  cmake_parse_arguments(PARSE_ARGV 1 ROOM "" "" "SOURCES;PUBLIC;PRIVATE;NEEDS;OPTIONS")
  if(ROOM_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "weft_room(${name}): what is '${ROOM_UNPARSED_ARGUMENTS}'?")
  endif()
  weft_public_headers(${ROOM_PUBLIC})
  weft_private_headers(${ROOM_PRIVATE})
  if(NOT ROOM_SOURCES)
    return()
  endif()
  add_library(weft_${name} OBJECT ${ROOM_SOURCES})
  set_target_properties(weft_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_EXTENSIONS OFF
                        CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  target_link_libraries(weft_${name} PRIVATE weft_build weft_private)
  target_compile_options(weft_${name} PRIVATE ${ROOM_OPTIONS})
  foreach(need IN LISTS ROOM_NEEDS)
    target_link_libraries(weft_${name} PRIVATE weft_${need})
  endforeach()
  # g++ 12 optimising code of a precompiled standard header warns of overflows that are not there.
  if(WEFT_PCH AND NOT (WEFT_WERROR AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU"))
    weft_precompile_room(${name} "${ROOM_NEEDS}")
  endif()
  set_property(GLOBAL APPEND PROPERTY WEFT_ROOMS ${name})
endfunction()

function(weft_test name)
  cmake_parse_arguments(PARSE_ARGV 1 TEST "SINGLE" "TIMEOUT" "SOURCES;LIBS;NEEDS;LABELS;DEFINES;ENVIRONMENT")
  if(TEST_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "weft_test(${name}): what is '${TEST_UNPARSED_ARGUMENTS}'?")
  endif()
  if(NOT TEST_TIMEOUT)
    set(TEST_TIMEOUT 300)
  endif()
  if(CMAKE_CROSSCOMPILING OR WEFT_SANITIZE)  # emulated, or several times slower
    math(EXPR TEST_TIMEOUT "${TEST_TIMEOUT} * 3")
  endif()
  weft_path_in_tree(folder .)
  string(REGEX REPLACE "^tests/([^/]*).*" "\\1" room ${folder})
  add_executable(${name} ${TEST_SOURCES})
  set_target_properties(${name} PROPERTIES CXX_EXTENSIONS OFF RUNTIME_OUTPUT_DIRECTORY ${WEFT_PROGRAM_DIR})
  target_link_libraries(${name} PRIVATE weft_build weft_private weft_lib_static GTest::gtest_main ${TEST_LIBS})
  target_compile_options(${name} PRIVATE ${WEFT_TEST_OPTIONS})
  if(WEFT_PCH AND NOT TEST_LIBS AND NOT "torch" IN_LIST TEST_NEEDS)  # those may bring options of their own
    weft_precompile_test(${name})
  endif()
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_compile_definitions(${name} PRIVATE WEFT_SOURCE_DIR="${PROJECT_SOURCE_DIR}" ${TEST_DEFINES})
  foreach(need IN LISTS TEST_NEEDS)
    target_link_libraries(${name} PRIVATE weft_${need})
  endforeach()
  foreach(label threads portable)
    string(TOUPPER WEFT_${label}_TESTS listed)
    if(name IN_LIST ${listed})
      list(APPEND TEST_LABELS ${label})
    endif()
  endforeach()
  list(REMOVE_DUPLICATES TEST_LABELS)
  foreach(label IN LISTS TEST_LABELS)
    if(TARGET weft_${label}_tests)
      add_dependencies(weft_${label}_tests ${name})
    endif()
  endforeach()
  if(TEST_SINGLE)
    add_test(NAME ${name} COMMAND ${name} --gtest_output=xml:${PROJECT_BINARY_DIR}/test-results/${name}.xml)
    set_tests_properties(${name} PROPERTIES TIMEOUT ${TEST_TIMEOUT} LABELS "${room};single;${TEST_LABELS}"
                         ENVIRONMENT "${TEST_ENVIRONMENT}")
  else()
    gtest_discover_tests(${name} TEST_PREFIX ${room}. DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 120
                         TEST_LIST ${name}_discovered PROPERTIES TIMEOUT ${TEST_TIMEOUT})
    # Properties that are lists do not survive gtest_discover_tests; a file included after it sets them.
    set(after ${CMAKE_CURRENT_BINARY_DIR}/${name}_properties.cmake)
    file(CONFIGURE OUTPUT ${after} @ONLY CONTENT "if(@name@_discovered)
  set_tests_properties(\${@name@_discovered} PROPERTIES LABELS \"${room};${TEST_LABELS}\" ENVIRONMENT \"${TEST_ENVIRONMENT}\")
endif()
")
    set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${after})
  endif()
endfunction()

function(weft_program name)
  cmake_parse_arguments(PARSE_ARGV 1 PROGRAM "" "" "SOURCES;NEEDS;LIBS")
  if(PROGRAM_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "weft_program(${name}): what is '${PROGRAM_UNPARSED_ARGUMENTS}'?")
  endif()
  add_executable(${name} ${PROGRAM_SOURCES})
  set_target_properties(${name} PROPERTIES CXX_EXTENSIONS OFF RUNTIME_OUTPUT_DIRECTORY ${WEFT_PROGRAM_DIR})
  target_link_libraries(${name} PRIVATE weft_build weft::weft ${PROGRAM_LIBS})
  foreach(need IN LISTS PROGRAM_NEEDS)
    target_link_libraries(${name} PRIVATE weft_${need})
  endforeach()
endfunction()
