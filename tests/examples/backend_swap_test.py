"""backend_swap: what it refuses and how, what it writes, and the claims it exists for (label claims)."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree

PROGRAM = None
SMALL = ["matmul", "--sizes", "8,16,32", "--quick", "--backends", "serial,cpu"]


def cells(section):
    for table in section["tables"]:
        for row in table["rows"]:
            for column, cell in zip(table["columns"], row):
                yield table, row, column, cell


def table_of(section, title):
    found = [t for t in section["tables"] if t["title"].startswith(title)]
    assert found, (title, [t["title"] for t in section["tables"]])
    return found[0]


def column_of(table, title):
    return [c["title"] for c in table["columns"]].index(title)


class BackendSwap(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="weft-backend-swap-")
        self.addCleanup(temporary.cleanup)
        self.folder = temporary.name
        self.out = os.path.join(self.folder, "out")

    def run_program(self, *arguments, out=None):
        command = [PROGRAM, *arguments, "--out", out or self.out]
        return subprocess.run(command, capture_output=True, text=True, timeout=900)

    def run_well(self, *arguments):
        done = self.run_program(*arguments)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        with open(os.path.join(self.out, "results.json")) as f:
            results = json.load(f)
        return done, {s["name"]: s for s in results["sections"]}, results

    def read(self, name):
        with open(os.path.join(self.out, name)) as f:
            return f.read()

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as f:
            f.write(text if isinstance(text, str) else json.dumps(text))
        return path

    def assert_refused_unmeasured(self, done, *words):
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        self.assertNotIn("matmul ...", done.stdout)
        for word in words:
            self.assertIn(word, done.stderr)

    def test_an_unknown_experiment_names_the_nearest(self):
        for wrong, right in [("matmull", "matmul"), ("corse", "cores"), ("al", "all"), ("vectoradd", "vector-add")]:
            done = self.run_program(wrong)
            self.assertEqual(done.returncode, 2)
            self.assertIn(f'did you mean "{right}"', done.stderr)
        self.assertFalse(os.path.exists(self.out))

    def test_options_that_make_no_sense_are_refused(self):
        for arguments in [[], ["matmul", "--backends", "tpu"], ["matmul", "--sizes", "1"], ["list", "matmul"],
                          ["matmul", "--limit", "-1"]]:
            done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, cwd=self.folder)
            self.assertEqual(done.returncode, 2, (arguments, done.stdout, done.stderr))
            self.assertTrue(done.stderr)
        self.assertEqual(os.listdir(self.folder), [])

    def test_an_unwritable_folder_fails_before_any_measuring(self):
        file = self.write("file", "not a folder")
        begin = time.monotonic()
        done = self.run_program(*SMALL, out=os.path.join(file, "below"))
        self.assert_refused_unmeasured(done, "--out", file)
        self.assertLess(time.monotonic() - begin, 10)

    def test_a_data_folder_that_is_not_there_is_refused(self):
        self.assert_refused_unmeasured(self.run_program(*SMALL, "--data", self.folder + "/none"), "--data", "is no folder")

    def test_a_strange_but_valid_overlay_is_drawn(self):
        _, _, results = self.run_well(*SMALL)
        chart = results["sections"][0]["charts"][0]
        point = {"x": 1e16, "y": 1e-300, "low": -5, "high": 1e300, "label": "<far> away"}
        chart["series"] = [{"name": "far", "line": True, "dots": True, "published": False, "points": [point, {**point, "x": 1e16 + 2}]}]
        bars = results["sections"][0]["charts"][1]
        bars["bars"] = [{"label": "none", "parts": [], "low": 0, "high": 0, "note": ""},
                        {"label": "less than nothing", "parts": [-3], "low": -4, "high": -2, "note": ""}]
        results["sections"][0]["charts"].append({**chart, "id": "only-there"})
        self.run_well(*SMALL, "--overlay", self.write("overlay.json", results))
        for name in ["matmul.svg", "matmul-speedup.svg", "only-there.svg"]:
            xml.etree.ElementTree.fromstring(self.read(name))

    def test_bad_overlays_are_refused_with_the_field_named(self):
        _, _, good = self.run_well(*SMALL)

        def changed(change):
            copy = json.loads(json.dumps(good))
            change(copy)
            return copy

        def set_in(*path, value):
            def change(copy):
                at = copy
                for key in path[:-1]:
                    at = at[key]
                at[path[-1]] = value
            return change

        row = good["sections"][0]["tables"][0]["rows"][0]
        cases = [
            ("broken", json.dumps(good)[:-40], ["is no JSON", "byte"]),
            ("empty", "", ["is no JSON"]),
            ("a number too large", json.dumps(good).replace('"value": ', '"value": 1e999, "old": ', 1), ["is no JSON"]),
            ("a list", [], ['"schema"']),
            ("foreign", {"weft": "0.1.0", "backend": "cpu"}, ['"schema"', "no results.json"]),
            ("another schema", changed(set_in("schema", value="other")), ['"schema"', "other"]),
            ("older", changed(set_in("schema_version", value=0)), ['"schema_version"', "record the run again"]),
            ("newer", changed(set_in("schema_version", value=99)), ['"schema_version"', "newer"]),
            ("no device", changed(lambda c: c.pop("device")), ['"device" is missing']),
            ("a number as text", changed(set_in("sections", 0, "tables", 0, "rows", 0, 1, value={"value": "fast"})),
             ['"sections[0].tables[0].rows[0][1].value"', "must be a number"]),
            ("a row too short", changed(set_in("sections", 0, "tables", 0, "rows", 0, value=row[:2])),
             ['"sections[0].tables[0].rows[0]"', "cells"]),
            ("a chart outside the folder", changed(set_in("sections", 0, "charts", 0, "id", value="../../evil")),
             ['"sections[0].charts[0].id"']),
            ("a lane that is not there", changed(lambda c: c["sections"][0]["charts"][0]["spans"].append(
                {"lane": 7, "kind": 0, "begin": 0, "end": 1, "label": ""})), ['charts[0].spans[0].lane"']),
        ]
        for name, text, words in cases:
            with self.subTest(name):
                path = self.write("overlay.json", text)
                self.assert_refused_unmeasured(self.run_program(*SMALL, "--overlay", path), path, *words)
        self.assert_refused_unmeasured(self.run_program(*SMALL, "--overlay", self.folder + "/none.json"), "cannot be read")

    def test_what_a_run_writes(self):
        done, sections, results = self.run_well(*SMALL)
        self.assertEqual((results["schema"], results["schema_version"]), ("weft.backend_swap", 1))
        for key in ["date", "device", "quick", "machine"]:
            self.assertIn(key, results)
        for key in ["processor", "cores", "gpu", "weft", "commit", "compiler", "flags", "flags of serial"]:
            self.assertTrue(results["machine"][key], key)
        measured = 0
        for _, row, column, cell in cells(sections["matmul"]):
            self.assertEqual(len({"value", "absent", "text"} & set(cell)), 1, cell)
            if "rounds" in cell:
                measured += 1
                self.assertGreaterEqual(cell["rounds"], 3)
                self.assertTrue(0 < cell["low"] <= cell["value"] <= cell["high"], cell)
            if column["title"].startswith("cuda"):
                self.assertEqual(cell, {"absent": "not measured: --backends leaves cuda out"})
        self.assertGreater(measured, 12)
        self.assertIn("cpu, all threads", done.stdout)
        charts = [c["id"] + ".svg" for c in sections["matmul"]["charts"]]
        self.assertEqual(sorted(os.listdir(self.out)), sorted(charts + ["report.html", "results.json"]))
        for name in charts:
            root = xml.etree.ElementTree.fromstring(self.read(name))
            self.assertTrue(root.tag.endswith("svg"))
            self.assertGreater(len(list(root.iter())), 20)
            for attribute in ["x", "y", "width", "height", "x1", "y1", "cx"]:
                for element in root.iter():
                    if attribute in element.attrib and element.attrib[attribute] != "100%":
                        self.assertTrue(-1 <= float(element.attrib[attribute]) < 2000, element.attrib)
        page = self.read("report.html")
        self.assertNotIn("<script", page)
        self.assertEqual(set(re.findall(r'(?:href|src)="([^#][^"]*)"', page)), set())  # nothing is fetched
        for word in ["viewport", "prefers-color-scheme:dark", "<svg", sections["matmul"]["claim"]]:
            self.assertIn(word, page)

    def test_a_recorded_run_is_shown_and_labelled(self):
        _, _, results = self.run_well(*SMALL)
        results["device"] = "Test <b>GPU</b> & \"x\""
        results["date"] = "2026-01-02T03:04:05Z"
        overlay = self.write("overlay.json", results)
        done, _, again = self.run_well(*SMALL, "--overlay", overlay)
        label = "Test &lt;b&gt;GPU&lt;/b&gt; &amp; &quot;x&quot;, 2026-01-02"
        page = self.read("report.html")
        self.assertIn("recorded on " + label, page)
        self.assertNotIn("<b>GPU", page)
        self.assertIn(f"serial [{label}]", self.read("matmul.svg"))
        xml.etree.ElementTree.fromstring(self.read("matmul.svg"))
        self.assertIn('recorded on Test <b>GPU</b> & "x", 2026-01-02:', done.stdout)
        self.assertNotIn("Test <b>", json.dumps(again))  # what was measured here and what was not stay apart

    def test_report_makes_the_same_page_again(self):
        self.run_well(*SMALL)
        page, chart = self.read("report.html"), self.read("matmul.svg")
        for name in ["report.html", "matmul.svg"]:
            os.remove(os.path.join(self.out, name))
        done = self.run_program("report", os.path.join(self.out, "results.json"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.read("report.html"), page)
        self.assertEqual(self.read("matmul.svg"), chart)
        done = self.run_program("report", self.folder + "/none.json")
        self.assertEqual(done.returncode, 2)
        self.assertIn("none.json: cannot be read", done.stderr)

    def test_sections_of_earlier_runs_stay_and_other_machines_are_kept_apart(self):
        self.run_well("reduce", "--quick", "--backends", "serial")
        _, sections, results = self.run_well(*SMALL)
        self.assertEqual(list(sections), ["matmul", "reduce"])
        ladder = table_of(sections["reduce"], "The ladder of sums")
        self.assertEqual([c["title"] for c in ladder["columns"]], ["elements", "cuda sequential", "cuda tree", "cuda warp-shuffle"])
        for row in ladder["rows"]:
            self.assertEqual(row[1:], [{"absent": "not measured: --backends leaves cuda out"}] * 3)
        results["device"] = "another machine"
        with open(os.path.join(self.out, "results.json"), "w") as f:
            json.dump(results, f)
        self.assert_refused_unmeasured(self.run_program(*SMALL), '"device"', "another machine", "--overlay")

    def test_what_would_take_too_long_says_so(self):
        begin = time.monotonic()
        _, sections, _ = self.run_well("matmul", "--quick", "--backends", "serial", "--sizes", "64,256,1024,4096")
        self.assertLess(time.monotonic() - begin, 60)
        table = table_of(sections["matmul"], "Floating-point")
        cell = table["rows"][3][column_of(table, "serial")]
        self.assertRegex(cell["absent"], r"^not run \(would take about [0-9,.]+ s\)$")
        self.assertIn("value", table["rows"][0][column_of(table, "serial")])

    # ---- the claims

    def skip_where_time_means_nothing(self):
        if os.environ.get("WEFT_TEST_SANITIZE"):
            self.skipTest("a sanitized build: its times mean nothing")

    def assert_at_least(self, ratio, least, section):
        """A ratio of medians that must hold on cores of one's own; beside other programs it may, and is then not judged."""
        busy = re.findall(r"kept ([0-9.]+) of this machine", " ".join(section["notes"]))
        if ratio < least and busy:
            self.skipTest(f"{ratio:.3g} instead of {least}, while other programs kept {busy[0]} of {os.cpu_count()} cores busy")
        self.assertGreaterEqual(ratio, least)

    def values(self, table, *columns, **where):
        """Cells of these columns, row by row, where others have these texts."""
        at = [column_of(table, c) for c in columns]
        for row in table["rows"]:
            if all(row[column_of(table, c)].get("text") == v for c, v in where.items()):
                yield [row[i] for i in at]

    def test_claim_a_schedules(self):
        _, sections, _ = self.run_well("cores", "--quick")
        table = table_of(sections["cores"], "Two workers")
        eight = {s["text"]: p["value"] for t, s, p in self.values(table, "tasks", "schedule", "predicted") if t["text"][0] == "2"}
        self.assertEqual(eight, {"halves": 20, "queue": 19, "longest first": 18})
        heavy = {s["text"]: (g["value"], c) for t, s, g, c in
                 self.values(table, "tasks", "schedule", "predicted gain over halves", "gain") if t["text"][0] != "2"}
        self.assertGreaterEqual(heavy["queue"][0], 1.3)
        # On the wall clock only where two cores are there for it.
        self.skip_where_time_means_nothing()
        gain = heavy["queue"][1]
        if "value" not in gain:
            self.skipTest(gain["absent"])
        self.assert_at_least(gain["value"], 1.1, sections["cores"])

    def test_claim_b_all_threads_against_serial(self):
        self.skip_where_time_means_nothing()
        _, sections, _ = self.run_well("matmul", "--sizes", "1024", "--backends", "serial,cpu")
        table = table_of(sections["matmul"], "Times as fast")
        ways = {w["text"]: s for w, s in self.values(table, "way", "speed-up over serial")}
        self.assert_at_least(ways["cpu, all threads"]["value"], 20, sections["matmul"])

    def test_claim_c_parity(self):
        _, sections, _ = self.run_well("parity")
        table = table_of(sections["parity"], "One forward")
        missing = set()
        for pair, worst, beyond in self.values(table, "backends", "largest relative distance", "first beyond 1e-4"):
            if "absent" in worst:
                missing.add(pair["text"])
                continue
            self.assertEqual(beyond.get("text"), "none", pair)
            self.assertLess(worst["value"], 1e-4, pair)
        self.assertNotIn("serial and cpu", missing)
        if missing:
            self.skipTest(f"serial and cpu agree; not compared, for want of a CUDA plug-in ($WEFT_BACKEND_PATH): {sorted(missing)}")

    def test_claim_d_a_crashed_worker(self):
        done, sections, _ = self.run_well("processes", "--quick")
        table = table_of(sections["processes"], "Worker 2 is made to crash")
        fates = {w["text"]: (f["text"], s["text"], e["text"]) for w, f, s, e in
                 self.values(table, "workers", "what became of worker 2", "lost share, bytes", "the program")}
        for crew in ["processes, shared memory", "processes, pipes"]:
            fate, share, end = fates[crew]
            self.assertIn("died of signal 11", fate)
            self.assertRegex(share, r"^[0-9,]+ to [0-9,]+$")
            self.assertEqual(end, "runs on")
        self.assertIn("is lost", done.stdout)

    def test_claim_e_accuracy_is_equal(self):
        _, sections, _ = self.run_well("train", "--quick", "--data", "synthetic", "--limit", "512")
        section = sections["train"]
        table = table_of(section, "The same 512 digits")
        accuracies = [a for a, in self.values(table, "test accuracy") if "value" in a]
        self.assertGreaterEqual(len(accuracies), 3)
        spread = max(a["high"] - a["low"] for a in accuracies)
        medians = [a["value"] for a in accuracies]
        self.assertLessEqual(max(medians) - min(medians), max(0.3, spread))
        self.assertGreater(min(medians), 15)  # something was learned: guessing is 10


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
