"""Counts what a ctest run really ran: `results.py junit.xml [folder]` prints "passed failed skipped", then what failed or was
skipped, and why.

A test registered as SINGLE is a whole GoogleTest program; its own report lies in `folder` as <name>.xml and is counted instead.
"""

import collections
import pathlib
import re
import sys
import xml.etree.ElementTree as xml


def first_reason(text):
    match = re.search(r": Skipped\n(.*)", text or "")
    return match[1].strip() if match and match[1].strip() else "no reason given"


def first_failure(text):
    """The lines in which GoogleTest, a sanitizer or a script says what was wrong, on one line."""
    lines = [line.strip() for line in (text or "").splitlines() if line.strip()]
    start = next((i for i, line in enumerate(lines) if re.search(r"Failure$|ERROR|runtime error|Error:|FAILED", line)), None)
    chosen = lines[start:start + 5] if start is not None else lines[-3:]
    return " | ".join(chosen)[:400] or "no output"


def program(path, results):
    for case in xml.parse(path).getroot().iter("testcase"):
        name = f"{path.stem}: {case.get('classname')}.{case.get('name')}"
        if case.get("status") != "run":
            continue
        if case.find("failure") is not None:
            results["failed"].append((name, first_failure(case.find("failure").get("message"))))
        elif case.find("skipped") is not None:
            message = (case.find("skipped").get("message") or "").strip().splitlines()
            results["skipped"].append((name, message[-1] if message else "no reason given"))
        else:
            results["passed"].append(name)


def main():
    results = collections.defaultdict(list)
    folder = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None
    for case in xml.parse(sys.argv[1]).getroot().iter("testcase"):
        name, status = case.get("name"), case.get("status")
        report = folder / f"{name}.xml" if folder else None
        if report and report.exists():
            before = len(results["failed"])
            program(report, results)
            if status == "fail" and len(results["failed"]) == before:
                results["failed"].append((f"{name} (outside its tests)", first_failure(case.findtext("system-out"))))
        elif status == "run":
            results["passed"].append(name)
        elif status == "disabled":
            continue
        elif status == "notrun" and "SKIP" in (case.find("skipped").get("message") or ""):
            results["skipped"].append((name, first_reason(case.findtext("system-out"))))
        else:
            results["failed"].append((name, first_failure(case.findtext("system-out"))))
    print(*(len(results[kind]) for kind in ("passed", "failed", "skipped")))
    for name, why in results["failed"]:
        print(f"FAILED  {name}: {why}")
    for name, reason in results["skipped"]:
        print(f"SKIPPED {name}: {reason}")


if __name__ == "__main__":
    main()
