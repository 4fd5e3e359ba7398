"""Instructions per eager call, counted by callgrind: a number that does not depend on what else the machine does. The
AVX2 path is taken because valgrind has no AVX-512. A count above its limit fails; so does one far below it, because then
the limit has stopped guarding anything and should come down."""

import argparse
import os
import re
import shutil
import subprocess
import sys

# Measured with g++ 12 -O3 plus a tenth. Lower them when the code gets better; a higher one needs a reason in its commit.
LIMITS = {
    "add": 2400,
    "add and its backward": 12200,
    "add, recorded": 3100,
    "linear": 3200,
    "linear, recorded": 4100,
    "mul by a number": 2350,
    "reshape, recorded": 1500,
    "sum": 2000,
    "tanh, recorded": 3050,
}

# The same for calls whose arithmetic is what costs.
HEAVY = {
    "convolution 16x16x32x32": 900000,
    "product 1x512x784": 417000,
    "product 32x512x784": 4340000,
    "step of an MLP, batch 32": 19900000,
}
LIMITS.update(HEAVY)


def instructions(program, name, count):
    env = dict(os.environ, WEFT_CPU_ISA="avx2", WEFT_NUM_THREADS="1")
    run = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, name, str(count)],
        env=env, capture_output=True, text=True)
    found = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode != 0 or not found:
        sys.exit(f"{name}: valgrind failed with {run.returncode}\n{run.stderr}")
    return int(found[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True)
    args = parser.parse_args()
    if shutil.which("valgrind") is None:
        print("skipped: valgrind is not installed")
        sys.exit(77)
    if "avx2" not in open("/proc/cpuinfo").read():
        print("skipped: this processor has no AVX2")
        sys.exit(77)
    names = subprocess.run([args.program], capture_output=True, text=True, check=True).stdout.splitlines()
    problems = [f"{name} has no limit here" for name in names if name not in LIMITS]
    problems += [f"{name} is not a call of the program" for name in LIMITS if name not in names]
    for name in names:
        few, many = (2, 6) if name in HEAVY else (200, 1200)
        per_call = (instructions(args.program, name, many) - instructions(args.program, name, few)) / (many - few)
        limit = LIMITS.get(name, 0)
        print(f"{name:24} {per_call:8.0f} instructions per call, limit {limit}")
        if not limit / 2 <= per_call <= limit:
            problems.append(f"{name}: {per_call:.0f} instructions per call, limit {limit}")
    print("\n".join(problems))
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
