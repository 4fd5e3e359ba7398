"""finetune: with the file it makes itself, and with one PyTorch wrote."""

import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import unittest

PROGRAM = None

# Run by a Python that has PyTorch. The layout of a safetensors file is written out, so that the package is not needed.
WRITE = """
import json, struct, sys, torch
from torch import nn
torch.manual_seed(3)
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU())
        self.classifier = nn.Linear(64, 10)
header, body = {}, b""
for name, tensor in Net().state_dict().items():
    data = tensor.contiguous().numpy().tobytes()
    header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [len(body), len(body) + len(data)]}
    body += data
text = json.dumps(header).encode()
open(sys.argv[1], "wb").write(struct.pack("<Q", len(text)) + text + body)
"""


def python_with_torch():
    for python in (sys.executable, "/usr/bin/python3"):
        if os.path.exists(python) and subprocess.run([python, "-c", "import torch"], capture_output=True).returncode == 0:
            return python
    return None


def accuracies(out):
    return [float(x) for x in re.findall(r"([0-9.]+) %", out)]


class Finetune(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="weft-finetune-")
        self.addCleanup(temporary.cleanup)
        self.folder = temporary.name

    def run_program(self, *arguments):
        return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, env={**os.environ, "TMPDIR": self.folder})

    def test_with_its_own_file(self):
        done = self.run_program()
        self.assertEqual(done.returncode, 0, done.stderr)
        print(done.stdout)
        self.assertIn("head: Linear(64, 2)", done.stdout)
        frozen, tuned = accuracies(done.stdout)
        self.assertGreater(frozen, 80)
        self.assertGreater(tuned, frozen)

    def test_with_a_file_of_pytorch(self):
        python = python_with_torch()
        if python is None:
            self.skipTest("no Python with PyTorch here")
        path = os.path.join(self.folder, "torch.safetensors")
        subprocess.run([python, "-c", WRITE, path], check=True)
        done = self.run_program("cpu", path)
        self.assertEqual(done.returncode, 0, done.stderr)
        frozen, tuned = accuracies(done.stdout)  # of random features
        self.assertGreater(tuned, max(frozen, 60))

    def test_a_file_that_does_not_fit_is_explained(self):
        path = os.path.join(self.folder, "other.safetensors")
        header = json.dumps({"features.0.weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
        with open(path, "wb") as f:
            f.write(struct.pack("<Q", len(header)) + header + b"\0\0\0\0")
        done = self.run_program("cpu", path)
        self.assertEqual(done.returncode, 1)
        self.assertIn("body.0.weight: shape (128, 784) expected, (1,) given", done.stderr)
        self.assertIn("head.weight: missing", done.stderr)


if __name__ == "__main__":
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
