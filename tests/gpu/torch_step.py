"""The training step of gpu_bench in PyTorch, for comparison: eager, compiled, and compiled with CUDA graphs. Prints JSON lines.

The same network, batch sizes, data of the same kind on the device, SGD with momentum, float32 and TF32, the same machine.
"""

import json
import statistics
import sys
import time

try:
    import torch
except ImportError:
    print("torch_step: no PyTorch here", file=sys.stderr)
    sys.exit(77)

EXAMPLES, STEPS = 16384, 4096


def median_us(call, calls):
    for _ in range(20):
        call()
    rounds = []
    for _ in range(9):
        torch.cuda.synchronize()
        begin = time.perf_counter()
        for _ in range(calls):
            call()
        torch.cuda.synchronize()
        rounds.append((time.perf_counter() - begin) / calls)
    return statistics.median(rounds) * 1e6


def make(batch, mode):
    device = "cuda"
    model = torch.nn.Sequential(torch.nn.Linear(784, 512), torch.nn.ReLU(), torch.nn.Linear(512, 512), torch.nn.ReLU(),
                                torch.nn.Linear(512, 10)).to(device)
    images = torch.rand(EXAMPLES, 784, device=device)
    labels = torch.randint(0, 10, (EXAMPLES,), device=device)
    order = torch.randint(0, EXAMPLES, (STEPS, batch), device=device)
    cursor = torch.zeros((), dtype=torch.int64, device=device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, fused=True)

    def loss_of(cursor):
        rows = order[cursor % STEPS]
        return torch.nn.functional.cross_entropy(model(images[rows]), labels[rows])

    forward = loss_of if mode is None else torch.compile(loss_of, mode=mode)

    def step():
        optimizer.zero_grad(set_to_none=True)
        if mode == "reduce-overhead":
            torch.compiler.cudagraph_mark_step_begin()
        forward(cursor).backward()
        optimizer.step()
        cursor.add_(1)

    return step


def main():
    for precision in ("highest", "high"):
        torch.set_float32_matmul_precision(precision)
        for batch in (128, 512, 4096):
            for mode in (None, "default", "reduce-overhead"):
                name = "eager" if mode is None else f"compile({mode})"
                entry = {"what": "pytorch step 784-512-512-10", "precision": "tf32" if precision == "high" else "float32",
                         "batch": batch, "mode": name, "torch": torch.__version__}
                try:
                    torch._dynamo.reset()
                    entry["us"] = round(median_us(make(batch, mode), 100), 3)
                except Exception as error:  # one mode may not run here; the others still count
                    entry["error"] = str(error).splitlines()[0][:200]
                print(json.dumps(entry), flush=True)


if __name__ == "__main__":
    main()
