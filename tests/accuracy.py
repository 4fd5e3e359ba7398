"""Trains with train_mnist (arguments after the known ones are passed on) and asserts the test accuracy of the last epoch and,
if asked, the memory it took at most."""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("--at-least", type=float, required=True, help="percent, the mean over the seeds")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--megabytes", type=float, default=float("inf"), help="the most a run may have in use at once")
    args, passed_on = parser.parse_known_args()
    percents, peaks = [], []
    for seed in args.seeds:
        with tempfile.TemporaryDirectory() as folder:
            report = pathlib.Path(folder) / "report.json"
            subprocess.run([args.program, *passed_on, "--seed", str(seed), "--json", str(report)], check=True)
            result = json.loads(report.read_text())
        percents.append(100 * result["test_accuracy"])
        peaks.append(result["peak_memory_bytes"])
        print(f"seed {seed}: {percents[-1]:.2f} % on {result['dataset']}, {result['samples_per_second']:.0f} samples/s, "
              f"{result['peak_memory_bytes'] / 1e6:.0f} MB")
    mean = sum(percents) / len(percents)
    print(f"mean {mean:.2f} %, asked for {args.at_least} %")
    sys.exit(mean < args.at_least or max(peaks) > args.megabytes * 1e6)


if __name__ == "__main__":
    main()
