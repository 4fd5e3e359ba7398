"""Rules a reader would otherwise have to check: file length, the door's width, no process-ending calls in the library, no
variable of the environment that weft_doctor does not explain."""

import argparse
import pathlib
import re
import sys

ROOMS = ["core", "backends", "tensor", "autograd", "nn", "data"]
SUFFIXES = {".h", ".cpp", ".cu", ".cuh", ".inc"}
CODE_OF_THE_PROJECT = ROOMS + ["examples", "tests"]


def without_comments(text):
    text = re.sub(r'"(\\.|[^"\\\n])*"', lambda m: m[0].replace("//", "  "), text)
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=pathlib.Path, required=True)
    source = parser.parse_args().source
    problems, files, read = [], 0, set()
    for room in CODE_OF_THE_PROJECT:
        for path in sorted((source / room).rglob("*")):
            if path.suffix not in SUFFIXES or not path.is_file():
                continue
            files += 1
            name, text = path.relative_to(source).as_posix(), path.read_text()
            lines = text.count("\n")
            if lines > 900:
                problems.append(f"{name} has {lines} lines, more than 900")
            if name == "backends/backend.h" and lines > 200:
                problems.append(f"{name} has {lines} lines, more than 200: the door is getting wide")
            code = without_comments(text)
            read |= set(re.findall(r'getenv\(\s*"(WEFT_\w+)"', code)) if room in ROOMS else set()
            if room in ROOMS:
                for call in re.findall(r"(?<![\w:.>])(?:std::)?(assert|abort|exit|_exit|terminate)\s*\(", code):
                    problems.append(f"{name} calls {call}()")
    explained = set(re.findall(r'"(WEFT_\w+)"', (source / "examples/doctor/report.cpp").read_text()))
    for variable in sorted(read - explained):
        problems.append(f"{variable} is read by the library and not explained by weft_doctor")
    if files < 10:
        problems.append(f"only {files} files were found")
    print("\n".join(problems) or f"{files} files; environment: {', '.join(sorted(read)) or 'none read'}")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
