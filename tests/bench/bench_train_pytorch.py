"""The training steps of bench_train.cpp with PyTorch, subnormals flushed; called and answering as timing.h says. OMP_NUM_THREADS
chooses its threads. Called with --check it prints PyTorch's version, or fails where there is none."""

import statistics
import sys
import time

try:
    import torch
except ImportError:
    sys.exit("this python has no torch")
from torch import nn

SAMPLES = 8192


class Block(nn.Module):
    def __init__(self, into, out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(into, out, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out)
        self.shortcut = nn.Identity()
        if into != out:
            self.shortcut = nn.Sequential(nn.Conv2d(into, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        y = self.norm2(self.conv2(torch.relu(self.norm1(self.conv1(x)))))
        return torch.relu(y + self.shortcut(x))


def make_model(name):
    if name == "mlp":
        return nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    if name == "lenet":
        return nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(),
                             nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(),
                             nn.Linear(84, 10))
    return nn.Sequential(nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), Block(16, 16, 1),
                         Block(16, 32, 2), Block(32, 64, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


SHAPES = {"mlp": (784,), "lenet": (1, 28, 28), "resnet8": (3, 32, 32)}


def step_of(name, batch, train):
    torch.manual_seed(1)
    model = make_model(name)
    sgd = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    images, labels = torch.rand(SAMPLES, *SHAPES[name]), torch.randint(0, 10, (SAMPLES,))
    model.train(train)
    at = 0

    def step():
        nonlocal at
        at = 0 if at + 2 * batch > SAMPLES else at + batch
        x = images[at:at + batch]
        if not train:
            with torch.no_grad():
                model(x)
            return
        sgd.zero_grad()
        nn.functional.cross_entropy(model(x), labels[at:at + batch]).backward()
        sgd.step()

    return step


CASES = {f"mlp-{b}": ("mlp", b, True) for b in (32, 128, 1024)}
CASES.update({"lenet-128": ("lenet", 128, True), "resnet8-128": ("resnet8", 128, True), "infer-mlp-1": ("mlp", 1, False)})


def measure(call, duration):
    call()
    begin, warm = time.perf_counter(), 0
    while True:
        call()
        warm += 1
        if time.perf_counter() - begin >= duration / 5:
            break
    calls = max(1, int(2e-3 / ((time.perf_counter() - begin) / warm)))
    slices, processor = [], []
    begin = time.perf_counter()
    while time.perf_counter() - begin < duration or len(slices) < 3:
        start, processor_start = time.perf_counter(), time.process_time()
        for _ in range(calls):
            call()
        slices.append((time.perf_counter() - start) / calls)
        processor.append((time.process_time() - processor_start) / calls)
    print(f"{statistics.median(slices):.9g} {min(slices):.9g} {statistics.median(processor):.9g}")


def main():
    if len(sys.argv) < 2:
        print("\n".join(CASES))
    elif sys.argv[1] == "--check":
        print(torch.__version__)
    elif sys.argv[1] not in CASES:
        sys.exit(f'{sys.argv[0]} has no case "{sys.argv[1]}"; called without arguments it lists them')
    else:
        torch.set_flush_denormal(True)
        measure(step_of(*CASES[sys.argv[1]]), float(sys.argv[2]) if len(sys.argv) > 2 else 0.5)


if __name__ == "__main__":
    main()
