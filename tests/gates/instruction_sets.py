"""Code built with -m flags must not leave a weak symbol the linker could choose for everybody.

Every object in a folder isa/ may define weak symbols only inside Eigen_<set>; DW.ref.* (a
pointer to the exception personality) is the same in every object. Data and functions with strong linkage are weft's own and
carry the set in their name.
"""

import argparse
import pathlib
import re
import subprocess
import sys

EIGEN = re.compile(r"\bEigen_(baseline|avx2|avx512|neon)\w*::")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=pathlib.Path, required=True)
    args = parser.parse_args()
    paths = [line.split("\t") for line in args.objects.read_text().splitlines() if line]
    paths = [path for room, path in paths if "/isa/" in path]
    problems, weak = [], 0
    for path in paths:
        for line in subprocess.run(["nm", "-C", path], check=True, capture_output=True, text=True).stdout.splitlines():
            match = re.match(r"^[0-9a-f]* +([VWvwu]) (.*)$", line)
            if not match or match[1] in "vw" and not line[0].isalnum():
                continue  # undefined weak references bind to whatever the program has
            weak += 1
            name = match[2]
            if not EIGEN.search(name) and not name.startswith("DW.ref."):
                problems.append(f"{path}: {name}")
    if len(paths) < 2:
        problems.append(f"only {len(paths)} objects of instruction sets were found: the check saw nothing")
    print("\n".join(problems) or f"{len(paths)} objects, {weak} weak symbols, all inside Eigen_<set>")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
