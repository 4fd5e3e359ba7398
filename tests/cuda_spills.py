#!/usr/bin/env python3
"""Compiles kernels with nvcc once more, register spills being errors.

    python3 tests/cuda_spills.py build/release cross_entropy optimise ..
"""
import concurrent.futures
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile

build, families = pathlib.Path(sys.argv[1]), sys.argv[2:]
commands = {}
for entry in json.loads((build / "compile_commands.json").read_text()):
    source = pathlib.Path(entry["file"])
    if source.suffix == ".cu":
        commands[source.stem] = (entry["directory"], shlex.split(entry["command"]))


def spills(family):
    """What is wrong with it; empty: nothing."""
    if family not in commands:
        return "is not compiled here"
    folder, command = commands[family]
    if command[0].endswith("ccache"):
        command = command[1:]
    with tempfile.TemporaryDirectory() as scratch:
        command[command.index("-o") + 1] = scratch + "/out.o"
        if "-MF" in command:
            command[command.index("-MF") + 1] = scratch + "/out.d"
        result = subprocess.run(command + ["-Xptxas=-warn-spills,-Werror"], cwd=folder, text=True, capture_output=True)
    return "" if result.returncode == 0 else "FAILED\n" + result.stdout + result.stderr


failed = 0
with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    for family, wrong in zip(families, pool.map(spills, families)):
        print(f"{family}.cu: {wrong or 'no spills'}", flush=True)
        failed += wrong != ""
sys.exit(1 if failed else 0)
