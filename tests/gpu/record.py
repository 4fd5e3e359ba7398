"""Keeps the results of tests/gpu/run.sh in one JSON file, written whole after every entry, so that a run that is cut short
leaves what it has found.

    record.py FILE machine                      what the machine is: GPU, driver, clocks, date
    record.py FILE STAGE STATUS SECONDS COMMAND [LOG]   a finished command; JSON lines in LOG are kept as figures
"""

import ctypes
import datetime
import json
import os
import pathlib
import re
import subprocess
import sys


def load(path):
    return json.loads(path.read_text()) if path.exists() else {"machine": {}, "runs": []}


def store(path, results):
    part = path.with_suffix(".part")
    part.write_text(json.dumps(results, indent=1) + "\n")
    os.replace(part, path)


def ask(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout.strip()
    except OSError:
        return ""


def energy_joules():
    """What the first GPU has used since its driver was loaded, or None."""
    try:
        nvml = ctypes.CDLL("libnvidia-ml.so.1")
        device, used = ctypes.c_void_p(), ctypes.c_ulonglong()
        if nvml.nvmlInit_v2() or nvml.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(device)):
            return None
        if nvml.nvmlDeviceGetTotalEnergyConsumption(device, ctypes.byref(used)):
            return None
        return used.value / 1000
    except (OSError, AttributeError):
        return None


def machine():
    fields = "name,driver_version,clocks.sm,clocks.mem,clocks.max.sm,clocks.max.mem,power.draw,power.limit,memory.total"
    values = ask("nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader", "-i", "0").split(", ")
    nvcc = ask("nvcc", "--version").splitlines()
    return {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "gpu": dict(zip(fields.split(","), values)),
            "nvcc": nvcc[-1] if nvcc else "",
            "compiler": ask("c++", "--version").split("\n")[0],
            "cores": os.cpu_count()}


def figures(log):
    found = []
    for line in log.read_text(errors="replace").splitlines():
        if line.startswith("{"):
            try:
                found.append(json.loads(line))
            except ValueError:
                pass
    return found


def counts(text):
    """What GoogleTest and compute-sanitizer say at their ends."""
    said = {}
    for key, pattern in (("passed", r"\[  PASSED  \] (\d+) test"), ("failed", r"\[  FAILED  \] (\d+) test"),
                         ("skipped", r"\[  SKIPPED \] (\d+) test"), ("sanitizer_errors", r"ERROR SUMMARY: (\d+) error"),
                         ("sanitizer_hazards", r"RACECHECK SUMMARY: (\d+) hazard")):
        numbers = [int(n) for n in re.findall(pattern, text)]
        if numbers:
            said[key] = sum(numbers)
    return said


def main():
    path = pathlib.Path(sys.argv[1])
    results = load(path)
    if sys.argv[2] == "machine":
        results["machine"] = machine()
        return store(path, results)
    stage, status, seconds, command = sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), sys.argv[5]
    entry = {"stage": stage, "command": command, "status": status, "seconds": seconds,
             "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
             "clocks_after": ask("nvidia-smi", "--query-gpu=clocks.sm,clocks.mem,power.draw", "--format=csv,noheader", "-i", "0"),
             "energy_joules_since_driver": energy_joules()}
    if len(sys.argv) > 6:
        log = pathlib.Path(sys.argv[6])
        entry["counts"] = counts(log.read_text(errors="replace"))
        entry["figures"] = figures(log)
        if status != 0:
            entry["end_of_log"] = log.read_text(errors="replace")[-3000:]
    results["runs"] = [run for run in results["runs"] if (run["stage"], run["command"]) != (stage, command)] + [entry]
    store(path, results)


if __name__ == "__main__":
    main()
