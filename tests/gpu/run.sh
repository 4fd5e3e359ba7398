#!/usr/bin/env bash
# Everything that needs an NVIDIA GPU, on a machine that may have no network.
#
#   bash tests/gpu/run.sh [build|test|sanitize|train|bench]..     all of them, in this order, without an argument
#
#   WEFT_DEPS_DIR=..   folder filled by tests/gpu/deps.sh: headers, GoogleTest, MNIST; without it the system's are used
#   WEFT_GPU_OUT=..    where results.json and the logs go (build/gpu/results); at most 8 files
#   WEFT_GPU_BUILD=..  build folder (build/gpu)
#
# Every stage takes under 9 minutes on 16 cores. What a stage has finished it does not do again: delete the build folder's
# stage.* files to start over. results.json is written whole after every command.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root" || exit 1
. scripts/bootstrap.sh
weft_find_cuda || { echo "run.sh: no CUDA toolkit (nvcc) was found" >&2; exit 2; }
weft_has_gpu || { echo "run.sh: no NVIDIA GPU was found" >&2; exit 2; }

BUILD=${WEFT_GPU_BUILD:-$root/build/gpu}
RESULTS=${WEFT_GPU_OUT:-$BUILD/results}
DEPS=${WEFT_DEPS_DIR:-}
mkdir -p "$BUILD" "$RESULTS"
BUILD=$(cd "$BUILD" && pwd)
RESULTS=$(cd "$RESULTS" && pwd)
export WEFT_BACKEND_PATH=$BUILD/lib
[ -n "$DEPS" ] && [ -d "$DEPS/mnist" ] && export WEFT_DATA_DIR=$DEPS
failed=0

# run STAGE NAME SECONDS COMMAND..: once, with a limit, its end in results.json, all it said in the stage's log
run() {
  local stage=$1 name=$2 limit=$3 mark log code begin=$SECONDS
  shift 3
  mark=$BUILD/stage.$stage.$name
  [ -e "$mark" ] && return 0
  log=$(mktemp)
  echo "== $stage: $name"
  timeout "$limit" "$@" > "$log" 2>&1
  code=$?
  { echo "== $*"; cat "$log"; } >> "$RESULTS/$stage.log"
  python3 tests/gpu/record.py "$RESULTS/results.json" "$stage" "$code" "$((SECONDS - begin))" "$*" "$log"
  if [ "$code" = 0 ]; then
    touch "$mark"
  elif [ "$code" = 77 ]; then
    echo "   skipped: $(tail -n 1 "$log")"
  else
    tail -n 20 "$log"
    echo "   FAILED with status $code; all of it: $RESULTS/$stage.log"
    failed=$((failed + 1))
  fi
  rm -f "$log"
  return "$code"
}

# The device's own compute capability, so that nothing is compiled for other GPUs.
architecture() { nvidia-smi --query-gpu=compute_cap --format=csv,noheader -i 0 | tr -d '. '; }

stage_build() {
  local options=(-DWEFT_CUDA=plugin -DWEFT_CUDA_ARCHITECTURES="$(architecture)" -DWEFT_BUILD_TESTS=ON)
  [ -n "$DEPS" ] && options+=("-DCMAKE_PREFIX_PATH=$DEPS/root/usr;$DEPS/root/usr/lib/x86_64-linux-gnu")
  command -v ninja > /dev/null && options+=(-G Ninja)
  run build configure 120 cmake -S . -B "$BUILD" -DCMAKE_BUILD_TYPE=Release "${options[@]}" || return
  run build compile 530 cmake --build "$BUILD" -j "$(nproc)" --target weft_cuda contract_test composed_test op_cases_test \
    tape_test capture_test train_mnist weft_doctor gpu_bench
}

# The tables hold every backend that can be had, `serial` in float64 among them as the one the others are compared with.
stage_test() {
  run test doctor 60 "$BUILD/bin/weft_doctor"
  run test contract 240 "$BUILD/bin/contract_test" --gtest_brief=1
  run test composed 240 "$BUILD/bin/composed_test" --gtest_brief=1
  run test capture 120 "$BUILD/bin/capture_test" --gtest_brief=1
  run test cases 530 "$BUILD/bin/op_cases_test" --gtest_brief=1
}

stage_sanitize() {
  command -v compute-sanitizer > /dev/null || { echo "sanitize: no compute-sanitizer here"; failed=$((failed + 1)); return; }
  local tool
  export WEFT_CUDA_ALLOC=direct  # the pool would hide what lies beyond a block
  for tool in memcheck initcheck synccheck racecheck; do
    run sanitize "$tool" 500 compute-sanitizer --tool "$tool" --error-exitcode 1 "$BUILD/bin/contract_test" \
      --gtest_filter='*/cuda*:*cuda/*' --gtest_brief=1
  done
  unset WEFT_CUDA_ALLOC
}

stage_train() {
  run train mlp 240 "$BUILD/bin/train_mnist" --backend cuda --epochs 10 --json "$BUILD/mlp.json"
  run train lenet 280 "$BUILD/bin/train_mnist" --backend cuda --model cnn --epochs 3 --json "$BUILD/lenet.json"
}

stage_bench() {
  run bench step 180 "$BUILD/bin/gpu_bench" step
  run bench kernels 120 "$BUILD/bin/gpu_bench" kernels
  run bench gemm 180 "$BUILD/bin/gpu_bench" gemm
  run bench pytorch 530 python3 tests/gpu/torch_step.py
}

python3 tests/gpu/record.py "$RESULTS/results.json" machine
for stage in "${@:-build test sanitize train bench}"; do
  for one in $stage; do
    case $one in
      build | test | sanitize | train | bench) "stage_$one" ;;
      *) echo "usage: run.sh [build|test|sanitize|train|bench].." >&2; exit 2 ;;
    esac
  done
done
echo "$failed failed; results in $RESULTS/results.json"
exit $((failed > 0))
