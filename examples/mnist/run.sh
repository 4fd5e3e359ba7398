#!/usr/bin/env bash
# Trains a digit classifier on this machine, starting from nothing: installs what is missing (Debian, Ubuntu), builds
# train_mnist and runs it. Arguments are passed on: bash examples/mnist/run.sh --epochs 3 --backend cpu
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$root/scripts/bootstrap.sh"

begin=$SECONDS
weft_bootstrap build
build=$root/build/release
log=$build/run.log
mkdir -p "$build"
: > "$log"
quietly() { "$@" >> "$log" 2>&1 || { tail -n 40 "$log" >&2; echo "failed: $*   (all of it: $log)" >&2; exit 1; }; }

options=()
weft_has_gpu || options+=(-DWEFT_CUDA=off)  # the CUDA plug-in takes minutes to build and needs a GPU to be of use
[ -e "$build/CMakeCache.txt" ] || options+=(-DWEFT_BUILD_TESTS=OFF)
if command -v ccache > /dev/null; then options+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
quietly cmake -S "$root" --preset release "${options[@]}"
grep -E '^-- +CUDA ' "$log"
targets=(train_mnist)
if [[ "$(cmake --build "$build" --target help)" == *"weft_cuda:"* ]]; then targets+=(weft_cuda); fi
[ -x "$build/bin/train_mnist" ] || echo "building train_mnist ..."
quietly cmake --build "$build" --target "${targets[@]}"
echo "ready after $((SECONDS - begin)) s: $build/bin/train_mnist $*"
exec "$build/bin/train_mnist" "$@"
