# The install tree: headers (installed where they are listed), both libraries, package config and weft.pc.
# Shared and static are separate export sets, so that a consumer of the shared library needs nothing but weft.
include(CMakePackageConfigHelpers)
set(weft_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/weft)

foreach(kind shared static)
  install(TARGETS weft_lib_${kind} EXPORT weft-${kind}
          LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT weft_runtime NAMELINK_COMPONENT weft_dev
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT weft_dev)
  install(EXPORT weft-${kind} NAMESPACE weft:: DESTINATION ${weft_cmake_dir} FILE weft-${kind}-targets.cmake
          COMPONENT weft_dev)
endforeach()

configure_package_config_file(cmake/weft-config.cmake.in ${PROJECT_BINARY_DIR}/package/weft-config.cmake
                              INSTALL_DESTINATION ${weft_cmake_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/weft-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/package/weft-config.cmake ${PROJECT_BINARY_DIR}/package/weft-config-version.cmake
        DESTINATION ${weft_cmake_dir} COMPONENT weft_dev)

# weft.pc finds its prefix from where it lies, so the tree may be moved.
set(weft_pc_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH weft_pc_up /${weft_pc_dir} /)
string(REGEX REPLACE "/$" "" weft_pc_up ${weft_pc_up})
configure_file(cmake/weft.pc.in ${PROJECT_BINARY_DIR}/package/weft.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/package/weft.pc DESTINATION ${weft_pc_dir} COMPONENT weft_dev)
