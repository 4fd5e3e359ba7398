#!/usr/bin/env python3
"""A state dict that PyTorch wrote, loaded by name through every layer with weights; the results are PyTorch's.

    pytorch_file_test.py PROGRAM       exit code 77: no PyTorch here
"""
import os
import subprocess
import sys
import tempfile

# Run by a Python that has PyTorch. The layout of a safetensors file is written out where the package is missing.
WRITE = """
import json, struct, sys, torch
from torch import nn
torch.manual_seed(5)
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.bn = nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 16, 3, padding=1, groups=8, bias=False)
        self.gn = nn.GroupNorm(4, 16)
        self.up = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.line = nn.Conv1d(8, 12, 5, padding=4, dilation=2)
        self.ln = nn.LayerNorm(12)
        self.words = nn.Embedding(20, 12)
        self.attention = nn.MultiheadAttention(12, 3, batch_first=True)
        self.head = nn.Linear(12, 5)
net = Net()
for p in net.parameters():
    if p.dim() == 1: nn.init.normal_(p)          # scales and shifts that a forgotten one would show
image, tokens = torch.randn(4, 3, 16, 16), torch.randint(0, 20, (4, 7))
net.train(); net.bn(net.stem(image))             # running statistics of their own
net.eval()
with torch.no_grad():
    windows = net.up(torch.relu(net.gn(net.depthwise(torch.relu(net.bn(net.stem(image)))))))
    memory = net.ln(net.line(windows.flatten(2)).transpose(1, 2))
    attended = net.attention(net.words(tokens), memory, memory, need_weights=False)[0]
    output = net.head(attended)
tensors = {"model." + k: v for k, v in net.state_dict().items()}
tensors |= {"image": image, "tokens": tokens, "windows": windows, "attended": attended, "output": output}
try:
    from safetensors.torch import save_file
    save_file({k: v.contiguous() for k, v in tensors.items()}, sys.argv[1])
except ImportError:
    header, body = {}, b""
    for name, t in tensors.items():
        data = t.contiguous().numpy().tobytes()
        kind = {torch.float32: "F32", torch.int64: "I64"}[t.dtype]
        header[name] = {"dtype": kind, "shape": list(t.shape), "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    open(sys.argv[1], "wb").write(struct.pack("<Q", len(text)) + text + body)
"""


def python_with_torch():
    for python in (sys.executable, "/usr/bin/python3"):
        if os.path.exists(python) and subprocess.run([python, "-c", "import torch"], capture_output=True).returncode == 0:
            return python
    return None


def main(program):
    python = python_with_torch()
    if python is None:
        print("skipped: no Python here has PyTorch")
        return 77
    with tempfile.TemporaryDirectory(prefix="weft-pytorch-") as folder:
        path = os.path.join(folder, "net.safetensors")
        subprocess.run([python, "-c", WRITE, path], check=True)
        for backend in ("serial", "cpu"):
            done = subprocess.run([program, path, backend], capture_output=True, text=True)
            print(backend, done.stdout, done.stderr, sep="\n")
            if done.returncode != 0:
                return 1
            found = dict(line.split() for line in done.stdout.splitlines())
            if set(found) != {"windows", "attention", "output"} or any(not float(v) < 1e-5 for v in found.values()):
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
