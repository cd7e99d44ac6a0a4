"""A mean-field step against the machine's own sgemm and against autograd.

    python -m pytest tests/benchmarks/bench_meanfield.py -s

Rates are fractions of what a 2048 x 2048 single-precision product reaches in
the same run on the same threads.  "autograd" is the plain way: nn.Linear
layers, loss.backward() and torch.optim.SGD, one network after the other;
"batched autograd" gives autograd the trials in one product as well.
Everything is measured in turns, round after round, and medians are compared.
A machine that does other work gives numbers that mean nothing.
"""

import statistics
import time

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from kernels import device, meanfield

INPUTS, CLASSES, BATCH = 785, 10, 100
ROUNDS = 9


def seconds(work, repeats):
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - start) / repeats


def medians(*works):
    """Median seconds of each piece of work, in turns of about 0.1 s."""
    repeats = [max(1, round(0.1 / seconds(work, 2))) for work in works]
    rounds = [
        [seconds(*pair) for pair in zip(works, repeats)] for _ in range(ROUNDS)
    ]
    return [statistics.median(times) for times in zip(*rounds)]


def sgemm():
    a, b, out = (torch.randn(2048, 2048) for _ in range(3))
    return lambda: torch.mm(a, b, out=out)


def minibatch(trials):
    g = torch.Generator().manual_seed(0)
    x = torch.randn((trials, BATCH, INPUTS), generator=g)
    return x, torch.randint(CLASSES, (trials, BATCH), generator=g)


def ours(width, trials):
    theta = meanfield.init(
        (INPUTS, width, CLASSES),
        trials=trials,
        generator=torch.Generator().manual_seed(0),
    )
    step = meanfield.Step(theta, batch=BATCH, step_size=1e-3)
    x, y = minibatch(trials)
    return lambda: step(x, y)


def autograd(width, trials):
    nets = [
        nn.Sequential(
            nn.Linear(INPUTS, width, bias=False),
            nn.ReLU(),
            nn.Linear(width, CLASSES, bias=False),
        )
        for _ in range(trials)
    ]
    optimisers = [
        torch.optim.SGD(net.parameters(), lr=1e-3 * width) for net in nets
    ]
    x, y = minibatch(trials)

    def work():
        for net, optimiser, xs, ys in zip(nets, optimisers, x, y):
            optimiser.zero_grad()
            F.cross_entropy(net(xs) / width, ys).backward()
            optimiser.step()

    return work


def batched_autograd(width, trials):
    w = nn.Parameter(torch.randn(trials, width, INPUTS) / INPUTS**0.5)
    a = nn.Parameter(torch.randn(trials, CLASSES, width))
    optimiser = torch.optim.SGD([w, a], lr=1e-3 * width)
    x, y = minibatch(trials)

    def work():
        optimiser.zero_grad()
        z = torch.relu(x @ w.mT) @ a.mT / width
        loss = F.cross_entropy(z.flatten(0, 1), y.flatten(), reduction="sum")
        (loss / BATCH).backward()
        optimiser.step()

    return work


@pytest.mark.parametrize(
    ("threads", "trials", "width"),
    [(1, 1, 3200), (2, 4, 200), (2, 4, 800), (2, 4, 3200)],
)
def test_step(benchmark, capsys, threads, trials, width):
    flops = trials * BATCH * width * (4 * INPUTS + 6 * CLASSES)
    with device.threads(threads):
        step = ours(width, trials)
        gemm, mine, plain, batched = medians(
            sgemm(),
            step,
            autograd(width, trials),
            batched_autograd(width, trials),
        )
        benchmark(step)
    peak = 2 * 2048**3 / gemm
    found = {
        "sgemm_GF_per_s": peak / 1e9,
        "step_ms_per_trial": 1e3 * mine / trials,
        "step_of_sgemm": flops / mine / peak,
        "autograd_of_sgemm": flops / plain / peak,
        "faster_than_autograd": plain / mine,
        "faster_than_batched_autograd": batched / mine,
    }
    benchmark.extra_info.update(found)
    with capsys.disabled():
        print(f"\n{threads} threads, {trials} trials, N = {width}: ", end="")
        print(", ".join(f"{k} {v:.3g}" for k, v in found.items()))


def three_layers(width, mixed):
    theta = meanfield.init(
        (INPUTS, width, width, CLASSES),
        trials=1,
        generator=torch.Generator().manual_seed(0),
    )
    step = meanfield.Step(
        theta, batch=BATCH, step_size=1e-3, mixed_precision=mixed
    )
    x, y = minibatch(1)
    return lambda: step(x, y)


@pytest.mark.parametrize("width", [1600, 3200])
def test_bfloat16_step(benchmark, capsys, width):
    """Three layers on two threads: float32's time over bfloat16's."""
    with device.threads(2):
        works = [three_layers(width, mixed) for mixed in (False, True)]
        full, mixed = medians(*works)
        benchmark(works[1])
    found = {"mixed_ms": 1e3 * mixed, "faster_than_float32": full / mixed}
    benchmark.extra_info.update(found)
    with capsys.disabled():
        print(f"\nN = {width}: ", end="")
        print(", ".join(f"{k} {v:.3g}" for k, v in found.items()))
