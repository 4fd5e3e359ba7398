#!/usr/bin/env bash
# Builds the measuring programs, weft's and those of the peers that are installed (OpenBLAS, oneDNN, LibTorch), and runs
# them interleaved, with a current PyTorch beside them where WEFT_BENCH_PYTHON or python3 can import torch:
#
#     bash tests/bench/run.sh [gemm] [train] [--filter 'mlp-*'] [--rounds 7] [--seconds 0.4] [--threads 1 2] [--out FOLDER]
set -euo pipefail
cd "$(dirname "$0")/../.."
[ -d build/release ] || cmake --preset release
cmake --build build/release --target weft_bench
exec python3 tests/bench/run.py --bin build/release/bin "$@"
