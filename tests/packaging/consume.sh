#!/usr/bin/env bash
# One consumer of weft: consume.sh install | consume.sh <package|folder|fetch|pkgconfig> <shared|static>
# Builds examples/linking that way, runs it, and checks what a user's compile and link lines got from us.
set -euo pipefail

work=$WEFT_BUILD_TREE/packaging
prefix=$work/prefix
way=$1
kind=${2:-}

fail() { echo "packaging: $*" >&2; exit 1; }

if [ "$way" = install ]; then
  rm -rf "$work/prefix" "$work/staged"
  cmake --install "$WEFT_BUILD_TREE" --prefix "$work/staged" > /dev/null
  mv "$work/staged" "$prefix"  # the tree must not know where it was installed
  if grep -rIl --include='*.cmake' --include='*.pc' --include='*.h' -e "$WEFT_SOURCE_TREE" -e "$WEFT_BUILD_TREE" "$prefix"; then
    fail "the install tree names the source or build tree"
  fi
  while read -r header; do
    [ ! -e "$prefix/include/weft/$header" ] || fail "private header $header is installed"
  done < "$WEFT_PRIVATE_LIST"
  [ -e "$prefix/include/weft/weft.h" ] || fail "weft.h is not installed"
  [ "$(ls "$prefix/include")" = weft ] || fail "more than one folder below include/"
  exit 0
fi

# ---- build
shared=ON
[ "$kind" = shared ] || shared=OFF
build=$work/$way-$kind
case $way in
  package)
    rm -rf "$build"
    disable=(-DCMAKE_DISABLE_FIND_PACKAGE_Eigen3=ON -DCMAKE_DISABLE_FIND_PACKAGE_CUDAToolkit=ON)
    [ "$kind" = static ] || disable+=(-DCMAKE_DISABLE_FIND_PACKAGE_ZLIB=ON)
    from=(-DWEFT_FROM=package -DCMAKE_PREFIX_PATH="$prefix" "${disable[@]}") ;;
  folder | fetch)
    build=$work/nested
    from=(-DWEFT_FROM="$way" -DWEFT_SOURCE="$WEFT_SOURCE_TREE" -DFETCHCONTENT_BASE_DIR="$build" -DWEFT_PCH=ON) ;;
  pkgconfig)
    rm -rf "$build" && mkdir -p "$build" ;;
  *) fail "unknown way $way" ;;
esac
if [ "$way" = pkgconfig ]; then
  export PKG_CONFIG_PATH=$prefix/$WEFT_LIBDIR/pkgconfig
  make -s -f "$WEFT_SOURCE_TREE/examples/linking/Makefile" -C "$build" VPATH="$WEFT_SOURCE_TREE/examples/linking" \
    KIND="$kind" CXXFLAGS=-O0 CXX="$CXX"
  compile="$CXX $(pkg-config --cflags weft) -std=c++20"
else
  launcher=()
  if command -v ccache > /dev/null; then launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
  cmake --no-warn-unused-cli -S "$WEFT_SOURCE_TREE/examples/linking" -B "$build" -G Ninja -DCMAKE_CXX_COMPILER="$CXX" -DCMAKE_BUILD_TYPE= \
    -DBUILD_SHARED_LIBS=$shared -DCMAKE_EXPORT_COMPILE_COMMANDS=ON "${from[@]}" "${launcher[@]}" > "$work/$way-$kind.log" ||
    { cat "$work/$way-$kind.log"; exit 1; }
  cmake --build "$build" --target my_network >> "$work/$way-$kind.log" || { tail -40 "$work/$way-$kind.log"; exit 1; }
  compile=$(grep -o '"command": "[^"]*my_network.dir[^"]*"' "$build/compile_commands.json" | sed 's/"command": "//; s/"$//')
fi
program=$build/my_network

# ---- what the consumer got: one include folder, the language standard, nothing else
flags=$(tr ' ' '\n' <<< "$compile" | grep -E '^-' | grep -v -x -E -- '-o|-c|-O0|-g') || true
includes=$(grep -c -E -- '^-(I|isystem)' <<< "$flags") || true
[ "$includes" = 1 ] || fail "the consumer sees $includes include folders: $compile"
others=$(grep -v -E -- '^-(I.*|isystem|std=(c|gnu)\+\+20)$' <<< "$flags") || true
[ -z "$others" ] || fail "flags of ours reached the consumer: $others"
folder=$(grep -o -E -- '-(I|isystem )[^ ]+' <<< "$compile" | sed -E 's/-(I|isystem )//')
[ "$(ls "$folder")" = weft ] || fail "$folder holds more than weft/: $(ls "$folder")"
while read -r header; do
  [ ! -e "$folder/weft/$header" ] || fail "private header $header is reachable"
done < "$WEFT_PRIVATE_LIST"
private=$(head -n 1 "$WEFT_PRIVATE_LIST")
for unreachable in "weft/$private" core/error.h Eigen/Core; do
  if echo "#include <$unreachable>" | "$CXX" -std=c++20 -I"$folder" -fsyntax-only -x c++ - 2> /dev/null; then
    fail "<$unreachable> is reachable"
  fi
done

# ---- how it is linked, and that it runs
needed=$(readelf -d "$program" | grep NEEDED || true)
if [ "$kind" = shared ]; then
  grep -q 'libweft\.so\.[0-9]*\.[0-9]*\]' <<< "$needed" || fail "not linked to the versioned soname: $needed"
else
  if grep -q libweft <<< "$needed"; then fail "the static consumer needs libweft.so"; fi
fi
if grep -q -i -E 'cuda|cublas|cudnn|curl|gomp|iomp' <<< "$needed"; then fail "unwanted library: $needed"; fi
LD_LIBRARY_PATH=$([ "$way-$kind" = pkgconfig-shared ] && echo "$prefix/$WEFT_LIBDIR") "$program"
