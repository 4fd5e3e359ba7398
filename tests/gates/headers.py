"""Public headers: the umbrella stays cheap, each compiles alone, and none includes what a user should not pay for."""

import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import time

ALLOWED = {
    "string", "vector", "span", "optional", "functional", "memory", "stdexcept", "iosfwd", "cstdint", "cstddef",
    "initializer_list", "type_traits", "utility", "string_view", "concepts", "bit",
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]


def run(command, text=""):
    return subprocess.run(command, input=text, capture_output=True, text=True)


def budget(args):
    """Counts every line g++ -E prints, blank lines and line markers included: the strictest way to count."""
    failed = False
    for compiler in args.compilers:
        base = [compiler, "-std=c++20", f"-I{args.include}", "-x", "c++", "-"]
        text = "#include <weft/weft.h>\n"
        lines = run(base[:1] + ["-E"] + base[1:], text).stdout.splitlines()
        if not any("weft/tensor" in line for line in lines):
            print("weft.h did not preprocess, or does not reach the tensor")
            return True
        code = sum(1 for line in lines if line.strip() and not line.startswith("#"))
        times = []
        for _ in range(3):
            begin = time.perf_counter()
            done = run(base[:1] + ["-fsyntax-only"] + base[1:], text)
            times.append(time.perf_counter() - begin)
        print(f"{pathlib.Path(compiler).name}: weft.h is {len(lines)} preprocessed lines ({code} of them code), limit "
              f"{args.limit}; {min(times):.2f} s to compile")
        failed |= len(lines) > args.limit or done.returncode != 0
    return failed


def compile_alone(job):
    compiler, include, header = job
    command = [compiler, "-std=c++20", *WARNINGS, f"-I{include}", "-fsyntax-only", "-x", "c++", "-"]
    done = run(command, f"#include <weft/{header}>\n#include <weft/{header}>\n")
    return None if done.returncode == 0 else f"{header} with {compiler}:\n{done.stderr[:2000]}"


def alone(args):
    headers = args.public.read_text().split()
    jobs = [(compiler, args.include, header) for compiler in args.compilers for header in headers]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        failures = [text for text in pool.map(compile_alone, jobs) if text]
    print("\n".join(failures) or f"{len(headers)} headers compile alone with {', '.join(args.compilers)}")
    return bool(failures) or not headers


def std(args):
    problems = []
    headers = args.public.read_text().split()
    for header in headers:
        path = args.source / header
        if not path.exists():
            path = path.with_name(path.name + ".in")
        for bracket, name in INCLUDE.findall(path.read_text()):
            if name.startswith("weft/"):
                if name[len("weft/"):] not in headers:
                    problems.append(f"{header} includes the private header <{name}>")
            elif bracket != "<" or name not in ALLOWED:
                problems.append(f"{header} includes <{name}>")
    print("\n".join(problems) or f"{len(headers)} headers include only each other and {len(ALLOWED)} std headers")
    return bool(problems) or not headers


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["budget", "alone", "std"])
    parser.add_argument("--include", type=pathlib.Path)
    parser.add_argument("--source", type=pathlib.Path)
    parser.add_argument("--public", type=pathlib.Path)
    parser.add_argument("--compilers", nargs="+")
    parser.add_argument("--limit", type=int)
    args = parser.parse_args()
    sys.exit({"budget": budget, "alone": alone, "std": std}[args.what](args))


if __name__ == "__main__":
    main()
