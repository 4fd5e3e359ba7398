# Toolchain file: 64-bit Arm from Debian's cross compiler; programs run under qemu-user. Headers-only libraries come from this
# machine, zlib from build/aarch64/sysroot (scripts/aarch64_sysroot.sh).
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64-static -L /usr/aarch64-linux-gnu)

set(sysroot ${CMAKE_CURRENT_LIST_DIR}/../build/aarch64/sysroot/usr)
set(ZLIB_INCLUDE_DIR ${sysroot}/include CACHE PATH "zlib's headers")
set(ZLIB_LIBRARY ${sysroot}/lib/aarch64-linux-gnu/libz.a CACHE FILEPATH "zlib for 64-bit Arm")
