#!/usr/bin/env bash
# Every check of weft, on a fresh Debian or Ubuntu: installs what is missing, runs the stages below, prints a table, and ends
# with "N passed, N failed, N skipped". A failed stage does not stop the others. Logs are in build/logs.
#
#   bash tests/run.sh                              all stages
#   WEFT_STAGES="gcc gates" bash tests/run.sh      some of them
#   WEFT_DATA_DIR=..                               folder with mnist/: also asserts the accuracy on the real digits
#   WEFT_TIDY_BASE=<commit>                        clang-tidy looks at the files changed since (default: the last commit)
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
. scripts/bootstrap.sh

ALL_STAGES="format gcc gates packaging cases mnist libtorch reference cuda harness races clang asan tsan tidy aarch64"
STAGES=${WEFT_STAGES:-$ALL_STAGES}
LOGS=$root/build/logs
JOBS=$(nproc)

# The fewest tests a stage may have run: a suite that silently shrank is a failure.
declare -A FLOOR=([format]=1 [gcc]=2000 [gates]=9 [packaging]=9 [cases]=4500 [mnist]=1 [libtorch]=1 [reference]=1
  [cuda]=3 [harness]=2000 [races]=1200 [clang]=50 [asan]=4000 [tsan]=200 [tidy]=1 [aarch64]=1)

# ---- what stages are made of

# What ccache has to be told to keep objects made with a precompiled header, and to find the library's objects again for
# another preset with the same flags.
export CCACHE_BASEDIR=${CCACHE_BASEDIR:-/} CCACHE_NOHASHDIR=1
export CCACHE_SLOPPINESS=${CCACHE_SLOPPINESS:-pch_defines,time_macros,include_file_mtime,include_file_ctime}
launcher=()
command -v ccache > /dev/null && launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)

configure() {  # preset, options
  local preset=$1
  shift
  cmake --preset "$preset" -DWEFT_WERROR=ON -DWEFT_BUILD_TESTS=ON -DWEFT_PCH=ON "${launcher[@]}" "$@"
}

build() {  # preset, targets
  local preset=$1
  shift
  cmake --build "build/$preset" -j "$JOBS" ${1:+--target "$@"} -- -k 0
}

count() { echo "$*" >> "$LOGS/$stage.counts"; }  # passed failed skipped

skip() {  # what, why
  count 0 0 1
  echo "SKIPPED $1: $2" | tee -a "$LOGS/$stage.skips"
}

check() {  # name, command: one check that is no ctest test
  local name=$1
  shift
  if "$@"; then count 1 0 0; else count 0 1 0 && echo "FAILED  $name" >> "$LOGS/$stage.failures" && return 1; fi
}

tests() {  # preset, ctest options: runs and counts
  local preset=$1 out code
  shift
  out=$LOGS/$stage.$((++run)).xml
  rm -rf "build/$preset/test-results" "$out"
  ctest --preset "$preset" -j "$JOBS" --output-junit "$out" "$@"
  code=$?
  python3 tests/results.py "$out" "build/$preset/test-results" > "$out.txt" || { count 0 1 0; return 1; }
  head -n 1 "$out.txt" >> "$LOGS/$stage.counts"
  grep '^FAILED' "$out.txt" >> "$LOGS/$stage.failures"
  grep '^SKIPPED' "$out.txt" >> "$LOGS/$stage.skips"
  return $code
}

sources() { find core backends tensor autograd nn data examples tests weft.h -regex '.*\.\(h\|cpp\|inc\|cu\|cuh\)'; }

# ---- the stages

stage_format() {
  if [[ "$(clang-format --version)" != *" 14."* ]]; then skip clang-format "this is not version 14"; return; fi
  check clang-format xargs clang-format --dry-run -Werror <<< "$(sources)"
}

stage_gcc() {
  # The op-case table and the contract run in the stage `cases`.
  configure release -DWEFT_LIBTORCH=OFF && build release && tests release -LE 'packaging|gates|libtorch|cases'
}

release_is_built() { [ -e build/release/CMakeCache.txt ] || configure release; build release; }

stage_gates() { release_is_built && tests release -L gates -V; }

stage_packaging() { release_is_built && tests release -L packaging -j 1; }

# The op-case table on every path through the cpu backend this processor has, alone and on more threads than cores. (That the
# bits do not depend on threads is a test of its own within the table.)
stage_cases() {
  release_is_built || return 1
  local isa threads=3 failed=0 sets=baseline
  grep -q -m 1 avx2 /proc/cpuinfo && sets+=" avx2"
  grep -q -m 1 avx512vl /proc/cpuinfo && sets+=" avx512"
  for isa in $sets; do
    echo "---- WEFT_CPU_ISA=$isa WEFT_NUM_THREADS=$threads"
    WEFT_CPU_ISA=$isa WEFT_NUM_THREADS=$threads tests release -L cases || failed=1
    threads=$((4 - threads))  # 3, 1, 3
  done
  return $failed
}

stage_mnist() {
  release_is_built || return 1
  check "97 % on synthetic digits" python3 tests/accuracy.py build/release/bin/train_mnist --at-least 97 --megabytes 150 \
    --data synthetic
  if [ -n "${WEFT_DATA_DIR:-}" ]; then
    check "98.3 % on MNIST, mean of three seeds" python3 tests/accuracy.py build/release/bin/train_mnist --at-least 98.3 \
      --megabytes 150 --seeds 1 2 3 --data "$WEFT_DATA_DIR/mnist"
  else
    skip "98.3 % on MNIST" "WEFT_DATA_DIR is not set"
  fi
}

stage_libtorch() {
  if [ ! -e /usr/include/torch/csrc/api/include/torch/torch.h ]; then
    skip "comparison with LibTorch" "libtorch-dev is not installed"
    return
  fi
  configure release -DWEFT_LIBTORCH=ON && build release weft_libtorch_tests && tests release -L libtorch
}

# The API reference: no warning, and a page that a reader would look for.
stage_reference() {
  if ! command -v doxygen > /dev/null; then skip "API reference" "doxygen is not installed"; return; fi
  configure release || return 1
  check "API reference without a warning" cmake --build build/release --target reference || return 1
  check "API reference has the functions" grep -q "log_softmax" build/release/reference/html/functions_8h.html
}

# Without a CUDA toolkit the next three are skipped, by name; WEFT_REQUIRE_CUDA_TOOLKIT=1 makes that a failure.
has_toolkit() {
  weft_find_cuda && return 0
  if [ "${WEFT_REQUIRE_CUDA_TOOLKIT:-0}" = 1 ]; then
    check "$1: a CUDA toolkit (WEFT_REQUIRE_CUDA_TOOLKIT=1)" false
  else
    skip "$1" "no CUDA toolkit (nvcc) was found"
  fi
  return 1
}

at_most_megabytes() { [ "$(stat -c %s "$1")" -le $(($2 * 1000000)) ]; }

# The plug-in as nvcc makes it. No GPU is needed, and none is used.
stage_cuda() {
  has_toolkit "CUDA plug-in" || return 0
  configure release -DWEFT_CUDA=plugin || return 1
  check "CUDA plug-in: nvcc compiles and links it, warnings being errors" build release weft_cuda || return 1
  check "CUDA plug-in: under 50 MB" at_most_megabytes build/release/lib/libweft_cuda.so 50
  check "CUDA plug-in: no spills in the kernels of a training step" python3 tests/cuda_spills.py build/release batch \
    cross_entropy optimise unary binary fill_copy reduce naive coalesced shared_tile register_tile vectorised warp_tile \
    tensor_core sequential tree warp_shuffle exhibits
}

# The CUDA backend on the CPU (tests/cuda_on_cpu/README.md): table, contract, a short training, captured and eager, planted
# bugs; once under AddressSanitizer and UndefinedBehaviorSanitizer, once with the race hooks.
on_cpu() {  # preset
  configure "$1" && build "$1" weft_cuda_on_cpu_tests && tests "$1"
}
stage_harness() { ! has_toolkit "CUDA on the CPU" || on_cpu cuda-on-cpu; }
stage_races() { ! has_toolkit "CUDA on the CPU, races" || on_cpu cuda-on-cpu-races; }

# Everything is compiled by clang in the stage asan; here the library as it ships and, without precompiled headers, whether
# every file includes what it uses. The bits of the kernels are compared with their hashes.
stage_clang() {
  configure clang -DWEFT_PCH=OFF && build clang weft_lib_shared weft_doctor tutorial cpu_kernels_test cpu_backend_test &&
    tests clang -R '^(cpu_kernels_test|cpu_backend_test|examples.tutorial)'
}

stage_asan() { configure asan && build asan && tests asan; }

stage_tsan() { configure tsan && build tsan weft_threads_tests && tests tsan; }

# Without precompiled headers: nothing is built here, and clang-tidy would look for the one its compile commands name.
stage_tidy() {
  configure clang -DWEFT_PCH=OFF || return 1
  local base=${WEFT_TIDY_BASE:-HEAD~1} changed
  if ! git rev-parse -q --verify "$base^{commit}" > /dev/null; then skip clang-tidy "no commit $base to compare with"; return; fi
  # Only files that are compiled here; headers are seen through them.
  changed=$(git diff --name-only --diff-filter=d "$base" -- '*.cpp' |
    while read -r file; do grep -q -F "\"$root/$file\"" build/clang/compile_commands.json && echo "$file"; done)
  if [ -z "$changed" ]; then skip clang-tidy "no source file changed since $base"; return; fi
  check clang-tidy xargs -P "$JOBS" -n 1 clang-tidy -p build/clang --quiet --warnings-as-errors='*' <<< "$changed"
}

# 64-bit Arm: cross-built, run under qemu-user where that works.
stage_aarch64() {
  if ! command -v aarch64-linux-gnu-g++ > /dev/null; then skip "64-bit Arm" "g++-aarch64-linux-gnu is not installed"; return; fi
  bash scripts/aarch64_sysroot.sh build/aarch64/sysroot || { skip "64-bit Arm" "no zlib for arm64 could be had"; return 0; }
  # -O1 but for the kernels, which keep their own -O2: it is compiled once and emulated once.
  cmake --preset aarch64 -DWEFT_WERROR=ON -DWEFT_PCH=ON -DCMAKE_CXX_FLAGS_RELEASE="-O1 -DNDEBUG" "${launcher[@]}" || return 1
  check "64-bit Arm: weft builds" build aarch64 weft_lib_shared weft_lib_static weft_doctor weft_portable_tests || return 1
  if ! qemu-aarch64-static -L /usr/aarch64-linux-gnu build/aarch64/bin/weft_doctor; then
    skip "64-bit Arm: tests" "qemu-user cannot run the programs here: untested"
    return
  fi
  tests aarch64
}

# ---- running them

run_stage() {
  local begin=$SECONDS code passed failed skipped result=ok
  stage=$1 run=0
  rm -f "$LOGS/$stage".*
  : > "$LOGS/$stage.counts"
  echo "== $stage"
  (stage_"$stage") > "$LOGS/$stage.log" 2>&1 < /dev/null
  code=$?
  read -r passed failed skipped < <(awk '{p += $1; f += $2; s += $3} END {print p + 0, f + 0, s + 0}' "$LOGS/$stage.counts")
  if [ $code != 0 ] && [ "$failed" = 0 ]; then
    failed=1
    echo "FAILED  stage $stage (exit code $code)" >> "$LOGS/$stage.failures"
  fi
  if [ $((passed + failed + skipped)) -lt "${FLOOR[$stage]}" ]; then
    failed=$((failed + 1))
    echo "FAILED  stage $stage ran $((passed + skipped)) tests, fewer than its floor of ${FLOOR[$stage]}" >> "$LOGS/$stage.failures"
  fi
  [ "$failed" = 0 ] || result=FAILED failed_stages+=" $stage"
  table+=$(printf '%-10s %8d %7d %8d %8.1f  %s' "$stage" "$passed" "$failed" "$skipped" \
    "$(awk "BEGIN {print ($SECONDS - $begin) / 60}")" $result)$'\n'
  total_passed=$((total_passed + passed)) total_failed=$((total_failed + failed)) total_skipped=$((total_skipped + skipped))
}

for stage in $STAGES; do
  [ -n "${FLOOR[$stage]:-}" ] || { echo "no stage '$stage'; there are: $ALL_STAGES" >&2; exit 2; }
done
mkdir -p "$LOGS"
weft_bootstrap test || exit 1
command -v ccache > /dev/null && launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)

table="" failed_stages="" total_passed=0 total_failed=0 total_skipped=0
for stage in $STAGES; do run_stage "$stage"; done

echo
for stage in $STAGES; do [ ! -e "$LOGS/$stage.skips" ] || sed "s/^/$stage: /" "$LOGS/$stage.skips"; done | sort | uniq -c |
  sed -E 's/^ *1 //; s/^ *([0-9]+) (.*)/\2 (\1 times)/'
# Last, beside the table: what shows only the end of a long output still shows what failed.
for stage in $failed_stages; do
  printf '\n== %s FAILED; the end of %s:\n' "$stage" "build/logs/$stage.log"
  tail -n 40 "$LOGS/$stage.log"
  head -n 40 "$LOGS/$stage.failures" | cut -c -600
done
printf '\n%-10s %8s %7s %8s %8s\n%s' stage passed failed skipped minutes "$table"
printf '%-10s %35.1f\n\n' total "$(awk "BEGIN {print $SECONDS / 60}")"
echo "$total_passed passed, $total_failed failed, $total_skipped skipped"
[ "$total_failed" = 0 ]
