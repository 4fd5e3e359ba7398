#!/usr/bin/env python3
"""Compiles kernels of a training step with nvcc once more, register spills being errors.

    python3 tests/cuda_spills.py build/release cross_entropy optimise ..
"""
import json
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
failed = 0
for family in families:
    if family not in commands:
        print(f"{family}.cu is not compiled here")
        failed += 1
        continue
    folder, command = commands[family]
    if command[0].endswith("ccache"):
        command = command[1:]
    with tempfile.TemporaryDirectory() as scratch:
        command[command.index("-o") + 1] = scratch + "/out.o"
        if "-MF" in command:
            command[command.index("-MF") + 1] = scratch + "/out.d"
        result = subprocess.run(command + ["-Xptxas=-warn-spills,-Werror"], cwd=folder, text=True, capture_output=True)
    print(f"{family}.cu: {'no spills' if result.returncode == 0 else 'FAILED'}")
    if result.returncode != 0:
        print(result.stdout + result.stderr)
        failed += 1
sys.exit(1 if failed else 0)
