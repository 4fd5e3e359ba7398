"""The rooms may refer to each other in one direction only, checked by #include and by nm.

    core <- backends <- tensor <- autograd <- nn <- examples        core, tensor <- data <- examples
"""

import argparse
import collections
import pathlib
import re
import subprocess
import sys

BELOW = {
    "core": set(),
    "backends": {"core"},
    "tensor": {"core", "backends"},
    "autograd": {"core", "backends", "tensor"},
    "nn": {"core", "backends", "tensor", "autograd"},
    "data": {"core", "tensor"},
}
BELOW["examples"] = set(BELOW)
# Inline functions of a header carry references to what that header's own room may use.
LINKS = {room: set().union(below, *(BELOW[b] for b in below)) for room, below in BELOW.items()}

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.MULTILINE)
SOURCES = {".h", ".cpp", ".cu", ".cuh", ".inc", ".in"}

# Inside backends/: serial is the oracle and shares nothing with what it judges.
SERIAL_AVOIDS = ("weft/backends/common/", "weft/backends/cpu/", "Eigen/")
# Code built with -m flags sees Eigen (renamed), intrinsics and headers that define no function another object could share;
# through weft's own headers too.
ISA_HEADERS = re.compile(
    r"^(Eigen/Core|Eigen/src/.*|immintrin\.h|arm_neon\.h|(math|stdint|stddef|stdio|stdlib|string|float|limits)\.h"
    r"|c(math|stdint|stddef|string|float|limits|stdlib)|bit|concepts|limits|type_traits)$")


def room_of(path):
    return path.split("/")[0]


def includes(path):
    return INCLUDE.findall(path.read_text())


def isa_problems(source, path):
    """What a file built with -m flags includes, directly or through weft's headers, that is not in ISA_HEADERS."""
    seen, pending, problems = set(), [path], []
    while pending:
        current = pending.pop()
        for included in includes(current):
            own = source / included[len("weft/"):] if included.startswith("weft/") else current.parent / included
            if own.exists():
                if own not in seen:
                    seen.add(own)
                    pending.append(own)
            elif not ISA_HEADERS.match(included):
                through = "" if current == path else f" through {current.relative_to(source)}"
                problems.append(f"{path.relative_to(source)} is built with -m flags and includes <{included}>{through}")
    return problems


def check_includes(source):
    problems, files = [], 0
    for room in BELOW:
        for path in sorted((source / room).rglob("*")):
            if path.suffix not in SOURCES or not path.is_file():
                continue
            files += 1
            name = path.relative_to(source).as_posix()
            if name.startswith("backends/cpu/isa/"):
                problems += isa_problems(source, path)
            for included in includes(path):
                if included.startswith("weft/"):
                    other = room_of(included[len("weft/"):])
                    if other == "weft.h":
                        if room != "examples":
                            problems.append(f"{name} includes the umbrella header")
                    elif other not in BELOW:
                        problems.append(f"{name} includes <{included}>, which is no room")
                    elif other != room and other not in BELOW[room]:
                        problems.append(f"{name} ({room}) includes <{included}> ({other})")
                elif included.startswith("../") or room_of(included) in BELOW:
                    problems.append(f'{name} includes "{included}"; write <weft/...>')
                if name.startswith("backends/serial/") and included.startswith(SERIAL_AVOIDS):
                    problems.append(f"{name}: the oracle includes <{included}>")
    if files == 0:
        problems.append("no source file was found")
    return problems, f"{files} files"


def symbols(objects):
    """room -> (defined, undefined {symbol: object})"""
    defined, undefined = collections.defaultdict(set), collections.defaultdict(dict)
    for target, path in objects:
        room = target.split("_")[0]
        for line in subprocess.run(["nm", path], check=True, capture_output=True, text=True).stdout.splitlines():
            kind, symbol = line.split()[-2:]
            if kind in "Uw":
                undefined[room][symbol] = path
            elif kind not in "tdbr":
                defined[room].add(symbol)
    return defined, undefined


def check_symbols(objects):
    defined, undefined = symbols(objects)
    problems, checked = [], 0
    for room, wanted in undefined.items():
        reachable = {room} | LINKS[room]
        for symbol, path in wanted.items():
            owners = {other for other in defined if symbol in defined[other]}
            checked += bool(owners)
            if owners and not owners & reachable:
                problems.append(f"{path} ({room}) refers to {symbol}, defined in {', '.join(sorted(owners))}")
    if checked == 0:
        problems.append("no reference between rooms was found: the check saw nothing")
    filtered = subprocess.run(["c++filt"], input="\n".join(problems), check=True, capture_output=True, text=True)
    return filtered.stdout.splitlines(), f"{len(objects)} objects, {checked} references between rooms"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["includes", "symbols"])
    parser.add_argument("--source", type=pathlib.Path)
    parser.add_argument("--objects", type=pathlib.Path)
    args = parser.parse_args()
    if args.what == "includes":
        problems, seen = check_includes(args.source)
    else:
        problems, seen = check_symbols([line.split("\t") for line in args.objects.read_text().splitlines() if line])
    print("\n".join(problems) or f"the arrows hold: {seen}")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
