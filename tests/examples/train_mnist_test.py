#!/usr/bin/env python3
"""train_mnist as a user runs it: options, figures, checkpoints, signals, mistakes.

    train_mnist_test.py PROGRAM [unittest arguments]
"""
import hashlib
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM = ""
SMALL = ["--data", "synthetic", "--limit", "1500", "--hidden", "48", "--epochs", "3", "--dropout", "0.1"]


def run(*arguments, check=True, env=None):
    done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=600,
                          env={**os.environ, **(env or {})})
    if check and done.returncode != 0:
        raise AssertionError(f"exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def read_json(path):
    with open(path) as f:
        return json.load(f)


def newest(folder):
    return os.path.join(folder, max(n for n in os.listdir(folder) if n.endswith(".safetensors")))


def tensors_of(path):
    """Name, dtype, shape and bytes of every tensor; the metadata (times, notes) left out."""
    with open(path, "rb") as f:
        data = f.read()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    return {name: (e["dtype"], tuple(e["shape"]), data[8 + length + e["data_offsets"][0]:8 + length + e["data_offsets"][1]])
            for name, e in header.items()}


def digest(folder):
    h = hashlib.sha256()
    for name, (dtype, shape, data) in sorted(tensors_of(newest(folder)).items()):
        h.update(f"{name} {dtype} {shape}".encode() + data)
    return h.hexdigest()


class TrainMnist(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="weft-mnist-")
        self.addCleanup(temporary.cleanup)
        self.folder = temporary.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def test_help_is_quick_and_complete(self):
        best = min(self.seconds(lambda: run("--help")) for _ in range(5))
        self.assertLess(best, 0.05)
        text = run("--help").stdout
        for option in ("backend data download epochs limit batch-size model hidden optimizer lr momentum dropout seed threads "
                       "workers checkpoint resume json trace predictions").split():
            self.assertIn("--" + option, text)

    @staticmethod
    def seconds(action):
        begin = time.monotonic()
        action()
        return time.monotonic() - begin

    def test_the_cnn_reaches_97_percent_on_the_synthetic_digits(self):
        out = run("--data", "synthetic", "--model", "cnn", "--epochs", 1, "--json", self.path("a.json")).stdout
        self.assertIn("LeNet-5", out)
        figures = read_json(self.path("a.json"))
        print(f"LeNet-5 on synthetic digits, 1 epoch: {100 * figures['test_accuracy']:.2f} %, "
              f"{figures['samples_per_second']:.0f} samples/s")
        self.assertEqual((figures["model"], figures["parameters"]), ("cnn", 61706))
        self.assertNotIn("hidden", figures)
        self.assertGreaterEqual(figures["test_accuracy"], 0.97)

    def test_the_cnn_has_the_same_bits_for_any_threads(self):
        digests = set()
        for threads in (1, 2, 5):
            folder = self.path(str(threads))
            run("--data", "synthetic", "--model", "cnn", "--limit", 700, "--epochs", 1, "--threads", threads,
                "--checkpoint", folder)
            digests.add(digest(folder))
        self.assertEqual(len(digests), 1)

    def test_json_has_every_figure(self):
        run(*SMALL, "--seed", 7, "--threads", 1, "--batch-size", 64, "--json", self.path("a.json"))
        figures = read_json(self.path("a.json"))
        self.assertEqual(figures["backend"], "cpu")
        self.assertTrue(figures["device"])
        self.assertIn("synthetic", figures["dataset"])
        self.assertEqual((figures["threads"], figures["batch_size"], figures["seed"]), (1, 64, 7))
        self.assertEqual(figures["parameters"], 784 * 48 + 48 + 48 * 10 + 10)
        self.assertEqual((figures["model"], figures["hidden"]), ("mlp", [48]))
        self.assertEqual(len(figures["epochs"]), 3)
        for epoch in figures["epochs"]:
            self.assertEqual(set(epoch), {"train_loss", "test_accuracy", "seconds", "samples_per_second"})
        self.assertEqual(figures["test_accuracy"], figures["epochs"][-1]["test_accuracy"])
        rates = sorted(e["samples_per_second"] for e in figures["epochs"])
        self.assertEqual(figures["samples_per_second"], rates[1])
        self.assertGreater(figures["peak_memory_bytes"], 1e6)

    def test_trace_and_predictions(self):
        run(*SMALL, "--trace", self.path("t.json"), "--predictions", self.path("p.png"))
        events = read_json(self.path("t.json"))
        names = {e.get("name") for e in (events["traceEvents"] if isinstance(events, dict) else events)}
        self.assertTrue({"linear", "cross_entropy"} <= names, names)
        with open(self.path("p.png"), "rb") as f:
            self.assertEqual(f.read(8), b"\x89PNG\r\n\x1a\n")

    def test_profile_says_what_limits_each_operation(self):
        out = run(*SMALL, "--epochs", 1, "--profile").stdout
        for words in ("operation", "linear", "linear, backward", "cross_entropy", "SGD", "GFLOP/s", "between calls",
                      "As a whole: ", "-bound", "Peaks compared with", "What a training step keeps in memory",
                      "activations", "The backend has "):
            self.assertIn(words, out)

    def test_same_bytes_for_any_threads_and_workers(self):
        digests = set()
        for threads, workers in ((1, 0), (2, 1), (3, 4)):
            folder = self.path(f"{threads}-{workers}")
            run(*SMALL, "--threads", threads, "--workers", workers, "--checkpoint", folder)
            digests.add(digest(folder))
        self.assertEqual(len(digests), 1)

    def test_every_optimizer_trains_and_none_resumes_another(self):
        for optimizer in ("sgd", "adam", "adamw", "rmsprop"):
            with self.subTest(optimizer=optimizer):
                run(*SMALL, "--optimizer", optimizer, "--json", self.path("a.json"), "--checkpoint", self.path(optimizer))
                figures = read_json(self.path("a.json"))
                self.assertEqual((figures["optimizer"], figures["lr"]), (optimizer, 0.1 if optimizer == "sgd" else 0.001))
                losses = [e["train_loss"] for e in figures["epochs"]]
                print(f"{optimizer}: losses {[round(l, 3) for l in losses]}, {100 * figures['test_accuracy']:.1f} %")
                self.assertLess(losses[-1], 0.93 * losses[0])  # Adam at 0.001 has made 36 steps and came to 0.88
        done = run(*SMALL, "--optimizer", "adam", "--checkpoint", self.path("adamw"), "--resume", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("Adam expected, AdamW given", done.stderr)

    def test_serial_trains_too(self):
        out = run(*SMALL, "--backend", "serial", "--epochs", 1).stdout
        self.assertIn("on serial", out)

    def test_killed_and_resumed_ends_with_the_same_bytes(self):
        longer = [*SMALL, "--limit", "8000", "--batch-size", "32", "--checkpoint-every", "20"]
        run(*longer, "--checkpoint", self.path("whole"))
        want = digest(self.path("whole"))
        chance = random.Random(20)
        kills = kills_of_trained = 0
        folder = self.path("killed")

        def start(where):
            """The program, at the moment when it begins to train."""
            process = subprocess.Popen([PROGRAM, *longer, "--checkpoint", where, "--resume"], stdout=subprocess.PIPE,
                                       stderr=subprocess.STDOUT, text=True)
            for line in process.stdout:
                if "parameters on" in line:
                    return process
            raise AssertionError("it never began to train")

        def trained():
            return any(n.endswith(".safetensors") for n in os.listdir(folder))

        process = start(self.path("timed"))
        whole = self.seconds(process.communicate)
        while kills < 20:
            process = start(folder)
            try:
                out = process.communicate(timeout=chance.uniform(0, 0.3) * whole)[0]
                self.assertEqual(process.returncode, 0, out)
                self.assertEqual(digest(folder), want)  # it finished before the kill: begin again, the count goes on
                shutil.rmtree(folder)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
                kills += 1
                kills_of_trained += trained()
        print(f"killed 20 times, {kills_of_trained} of them with a checkpoint to go on from; training takes {whole:.1f} s")
        self.assertGreaterEqual(kills_of_trained, 10)
        resumes = trained()
        out = run(*longer, "--checkpoint", folder, "--resume").stdout
        self.assertEqual("resumed from" in out, resumes)
        self.assertEqual(digest(folder), want)

    def test_interrupted_saves_and_resumes(self):
        run(*SMALL, "--checkpoint", self.path("whole"))
        process = subprocess.Popen([PROGRAM, *SMALL, "--checkpoint", self.path("cut")], stdout=subprocess.PIPE, text=True)
        for line in process.stdout:
            if line.startswith("epoch"):
                break
        process.send_signal(signal.SIGTERM)
        rest = process.communicate()[0]
        self.assertEqual(process.returncode, 128 + signal.SIGTERM, rest)
        self.assertIn("--resume", rest)
        run(*SMALL, "--checkpoint", self.path("cut"), "--resume")
        self.assertEqual(digest(self.path("cut")), digest(self.path("whole")))

    def test_mistakes_are_explained(self):
        for arguments, status, words in [
            (["--epoch", 3], 2, ["--epoch"]),
            (["--epochs", -1], 2, ["--epochs"]),
            (["--epochs", 0], 2, ["--epochs"]),
            (["--batch-size", 0], 2, ["--batch-size"]),
            (["--seed", "one"], 2, ["--seed"]),
            (["--threads", 100000], 2, ["--threads"]),
            (["--workers", -1], 2, ["--workers"]),
            (["--dropout", 1.5], 2, ["--dropout"]),
            (["--lr", "fast"], 2, ["--lr"]),
            (["--model", "lenet"], 2, ["--model", "cnn"]),
            (["--model", "cnn", "--hidden", 32], 2, ["--hidden", "mlp"]),
            (["--optimizer", "adamm"], 2, ["--optimizer"]),
            (["--optimizer", "adam", "--momentum", 0.9], 2, ["--momentum", "sgd"]),
            (["--resume"], 2, ["--resume", "--checkpoint"]),
            (["--data", "synthetic", "--backend", "gpu"], 1, ["gpu", "cpu"]),
            (["--data", "synthetic", "--backend", "cuda"], 2, ["cannot be used: "]),
            (["--data", self.path("nowhere")], 1, ["nowhere"]),
            (["--data", self.folder], 1, ["train-images-idx3-ubyte"]),
            (["--data", "synthetic", "--json", self.path("no/folder.json")], 1, ["folder.json"]),
            (["--data", "synthetic", "--lr", 1e30, "--limit", 1000], 1, ["loss", "step", "learning rate"]),
        ]:
            with self.subTest(arguments=arguments):
                if "cuda" in arguments and not run(*arguments, "--limit", 100, "--epochs", 1, check=False).returncode:
                    continue  # there is a GPU here
                done = run(*arguments, check=False)
                self.assertEqual(done.returncode, status, done.stdout + done.stderr)
                for word in words:
                    self.assertIn(word, done.stdout + done.stderr)
                self.assertNotIn("terminate called", done.stderr)
                if "cuda" in arguments:
                    self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)

    def test_a_bad_thread_variable_is_explained(self):
        done = run(*SMALL, check=False, env={"WEFT_NUM_THREADS": "abc"})
        self.assertEqual(done.returncode, 1)
        self.assertIn("WEFT_NUM_THREADS", done.stderr)

    def test_another_model_does_not_resume(self):
        run(*SMALL, "--checkpoint", self.path("a"))
        done = run(*SMALL, "--hidden", 32, "--checkpoint", self.path("a"), "--resume", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("weight", done.stderr)

    def test_a_cnn_does_not_resume_as_an_mlp(self):
        cnn = ["--data", "synthetic", "--limit", 300, "--epochs", 1, "--model", "cnn", "--checkpoint", self.path("a")]
        run(*cnn)
        self.assertIn("resumed", run(*cnn, "--resume").stdout)
        done = run(*SMALL, "--checkpoint", self.path("a"), "--resume", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("model", done.stderr)
        self.assertIn("cnn", done.stderr)

    def test_a_comma_locale_changes_nothing(self):
        digests = set()
        for i, locale in enumerate(("C", "de_DE.UTF-8")):
            run(*SMALL, "--lr", "0.05", "--checkpoint", self.path(str(i)), env={"LC_ALL": locale})
            digests.add(digest(self.path(str(i))))
        self.assertEqual(len(digests), 1)


if __name__ == "__main__":
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
