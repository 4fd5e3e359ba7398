"""Runs the measuring programs of this folder and their peers interleaved: round by round every competitor takes its turn on
every case, so that what else the machine does hits all alike. Writes a table, results.json and roofline.svg.

A competitor is one program with one setting of its threads; a peer counts with the best of its settings. Figures are medians
over the rounds of each round's median; ratios are medians of the ratios within a round."""

import argparse
import fnmatch
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent

# What a case computes: floating-point operations of one call.
MLP = 784 * 512 + 512 * 512 + 512 * 10


def work(case):
    kind, size = case.rsplit("-", 1)
    if "x" in size:
        m, n, k = map(int, size.split("x"))
        return 2 * m * n * k
    if kind == "square":
        return 2 * int(size) ** 3
    if kind == "mlp":  # no gradient of the input
        return int(size) * 2 * (3 * MLP - 784 * 512)
    if kind == "infer-mlp":
        return int(size) * 2 * MLP
    return None


def python_with_torch():
    """The python that can import torch: WEFT_BENCH_PYTHON, or python3; None where neither can."""
    for python in (os.environ.get("WEFT_BENCH_PYTHON"), "python3"):
        if python is None:
            continue
        try:
            run = subprocess.run([python, HERE / "bench_train_pytorch.py", "--check"], capture_output=True, text=True)
        except OSError as error:
            sys.exit(f"WEFT_BENCH_PYTHON is \"{python}\", which cannot be run: {error.strerror}")
        if run.returncode == 0:
            print(f"train: PyTorch {run.stdout.strip()} of {python}")
            return python
        if python == os.environ.get("WEFT_BENCH_PYTHON"):
            print(f"train: WEFT_BENCH_PYTHON ({python}) cannot import torch")
    return None


def competitors(kind, threads, folder):
    """(name, command, environment) for the programs of one kind; the first is weft's. A command of None is missing."""
    for name, program, env in programs(kind, threads):
        path = folder / program
        yield name, [path] if path.exists() else None, env
    if kind == "train":
        python = python_with_torch()
        for t in threads:
            yield (f"pytorch/{t}", [python, HERE / "bench_train_pytorch.py"] if python else None,
                   {"OMP_NUM_THREADS": str(t)})


def programs(kind, threads):
    for t in threads:
        yield f"weft/{t}", f"bench_{kind}", {"WEFT_NUM_THREADS": str(t)}
    if kind == "gemm":
        for t in threads:
            yield f"openblas/{t}", "bench_gemm_blas", {"OPENBLAS_NUM_THREADS": str(t)}
            yield f"onednn/{t}", "bench_gemm_dnnl", {"OMP_NUM_THREADS": str(t)}
    if kind == "train":
        most = max(threads)
        for own in sorted({1, most}):
            for blas in sorted({1, most}):
                yield (f"libtorch/{own}.{blas}", "bench_train_torch",
                       {"OMP_NUM_THREADS": str(own), "OPENBLAS_NUM_THREADS": str(blas)})


CLOCKS = {"wall": 0, "fastest": 1, "cpu": 2}  # the columns of what a program prints


def seconds(command, case, duration, env, clock):
    run = subprocess.run([*command, case, str(duration)], env={**os.environ, **env}, capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"{command[-1].name} {case} failed with {run.returncode}:\n{run.stderr}")
    return float(run.stdout.split()[CLOCKS[clock]])


def svg(path, peaks, points):
    """The roofline: operations per byte of what a product reads and writes once, against operations per second."""
    width, height, left, bottom = 760, 460, 70, 400
    flops, bandwidth = peaks["flops"], peaks["bytes"]
    x0, x1, y0, y1 = 0.25, 512.0, 1e9, flops * 2
    x = lambda v: left + (width - left - 20) * math.log(v / x0) / math.log(x1 / x0)
    y = lambda v: bottom - (bottom - 30) * math.log(max(v, y0) / y0) / math.log(y1 / y0)
    ridge = flops / bandwidth
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="11">',
           f'<rect width="{width}" height="{height}" fill="white"/>',
           f'<path d="M{x(x0)},{y(bandwidth * x0)} L{x(ridge)},{y(flops)} L{x(x1)},{y(flops)}" fill="none" stroke="black"/>',
           f'<text x="{x(ridge)}" y="{y(flops) - 6}">{flops / 1e9:.0f} GFLOP/s, {bandwidth / 1e9:.1f} GB/s, '
           f'{peaks["threads"]} thread(s)</text>',
           f'<text x="{left}" y="{height - 20}">operations per byte read or written once</text>']
    for tick in (1, 4, 16, 64, 256):
        out.append(f'<text x="{x(tick) - 6}" y="{bottom + 16}">{tick}</text>')
    tick = 1e9
    while tick < y1:
        out.append(f'<text x="8" y="{y(tick) + 4}">{tick / 1e9:.0f} GF/s</text>')
        tick *= 4
    for case, rate in points:
        size = case.rsplit("-", 1)[1]
        m, n, k = map(int, size.split("x")) if "x" in size else [int(size)] * 3
        intensity = 2 * m * n * k / (4 * (m * k + k * n + m * n))
        out.append(f'<circle cx="{x(intensity):.1f}" cy="{y(rate):.1f}" r="3.5" fill="#c03"><title>{case}: '
                   f'{rate / 1e9:.1f} GFLOP/s</title></circle>')
    path.write_text("\n".join(out + ["</svg>\n"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", help="gemm, train (default: both)")
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="where the programs are")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("bench-results"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.4, help="of each measurement")
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, min(2, os.cpu_count())}))
    parser.add_argument("--clock", choices=CLOCKS, default="wall",
                        help="what is compared: the median on the clock, the fastest slice, or the processor time, which is "
                             "the one to take on one thread of a machine that others use")
    parser.add_argument("--filter", default="*", help="cases, as a shell pattern")
    args = parser.parse_args()
    kinds = args.kinds or ["gemm", "train"]
    for kind in kinds:
        if kind not in ("gemm", "train"):
            sys.exit(f"there is no kind of benchmark \"{kind}\"; there are: gemm, train")
    args.out.mkdir(parents=True, exist_ok=True)
    result = {"rounds": args.rounds, "clock": args.clock, "seconds": args.seconds, "peaks": [], "cases": {}}
    for t in args.threads:
        answer = subprocess.run([args.bin / "bench_peak"], env={**os.environ, "WEFT_NUM_THREADS": str(t)},
                                capture_output=True, text=True, check=True).stdout.split()
        result["peaks"].append({"threads": t, "flops": float(answer[1]), "bytes": float(answer[2])})
        print(f"{t} thread(s): {float(answer[1]) / 1e9:.1f} GFLOP/s multiply-add, {float(answer[2]) / 1e9:.1f} GB/s copied")
    matched = False
    for kind in kinds:
        here = []
        missing = set()
        for name, command, env in competitors(kind, args.threads, args.bin):
            if command:
                here.append((name, command, env))
            else:
                missing.add(name.split("/")[0])
        for name in sorted(missing):
            print(f"{kind}: {name} is not compared: " +
                  ("no python can import torch (WEFT_BENCH_PYTHON names one that can)" if name == "pytorch" else
                   "its program was not built (is the library installed?)"))
        if not here:
            continue
        cases = subprocess.run(here[0][1], capture_output=True, text=True, check=True).stdout.split()
        cases = [c for c in cases if fnmatch.fnmatch(c, args.filter)]
        matched = matched or bool(cases)
        for case in cases:
            times = {name: [] for name, _, _ in here}
            for _ in range(args.rounds):
                for name, command, env in here:
                    times[name].append(seconds(command, case, args.seconds, env, args.clock))
            flops = work(case)
            entry = {"flops": flops, "seconds": {n: statistics.median(v) for n, v in times.items()}, "all": times}
            own = [n for n in times if n.startswith("weft/")]
            line = [f"{case:18}"]
            for n, v in times.items():
                t = statistics.median(v)
                line.append(f"{n} {flops / t / 1e9:.1f} GF/s" if flops and kind == "gemm" else f"{n} {t * 1e6:.0f} us")
            # Peers by library: for a product at the same number of threads, for a step with the best setting.
            entry["ratio"] = {}
            for w in own:
                for peer in sorted({n.split("/")[0] for n in times} - {"weft"}):
                    group = [n for n in times if n.split("/")[0] == peer and
                             (kind == "train" or n.split("/")[1] == w.split("/")[1])]
                    best = min(group, key=lambda n: statistics.median(times[n]))
                    entry["ratio"][f"{w} to {peer}"] = statistics.median(p / q for p, q in zip(times[best], times[w]))
            line += [f"| {n}: {r:.2f}x" for n, r in entry["ratio"].items()]
            print("  ".join(line), flush=True)
            result["cases"][case] = entry
    if not matched:
        sys.exit(f"no case is called like \"{args.filter}\"; the programs list their cases when called without arguments")
    (args.out / "results.json").write_text(json.dumps(result, indent=1))
    peaks = result["peaks"][-1]
    points = [(c, e["flops"] / e["seconds"][f"weft/{peaks['threads']}"]) for c, e in result["cases"].items()
              if e["flops"] and "mlp" not in c]
    svg(args.out / "roofline.svg", peaks, points)
    print(f"{args.out}/results.json, {args.out}/roofline.svg")


if __name__ == "__main__":
    main()
