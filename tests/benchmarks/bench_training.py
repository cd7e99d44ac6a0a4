"""A training step against the usual loops.

    python -m pytest tests/benchmarks/bench_training.py -s

"loop" is a DataLoader over a TensorDataset, an nn.Sequential and
torch.optim.SGD; "in memory" the same without the DataLoader.  All run the
same number of steps in turns, and medians are compared.
"""

import itertools
import statistics
import time

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from kernels import networks, training

ROUNDS = 7
CASES = {
    "digits 64-64-64-10": ((64, 64, 64, 10), 50, 100),
    "MNIST 784-10x245-10": ((784, *(245,) * 10, 10), 100, 40),
}


def plain(widths):
    layers = []
    for inputs, outputs in itertools.pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def steps(net, batches):
    optimiser = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    for x, y in batches:
        optimiser.zero_grad()
        functional.cross_entropy(net(x), y).backward()
        optimiser.step()


@pytest.mark.parametrize("case", CASES)
def test_training(benchmark, capsys, case):
    widths, batch, count = CASES[case]
    g = torch.Generator().manual_seed(0)
    x = torch.randn((batch * count, widths[0]), generator=g)
    y = torch.randint(10, (batch * count,), generator=g)
    net = networks.mlp(widths)
    theta = net.init(generator=g)
    module = plain(widths)

    def ours():
        training.train(
            net,
            theta,
            (x, y),
            step_size=1e-3,
            momentum=0.9,
            batch=batch,
            steps=count,
            generator=g,
        )

    def loop():
        loader = DataLoader(TensorDataset(x, y), batch, shuffle=True)
        steps(module, loader)

    def in_memory():
        order = torch.randperm(len(x), generator=g).split(batch)
        steps(module, ((x[rows], y[rows]) for rows in order))

    works = {"ours": ours, "loop": loop, "in memory": in_memory}
    times = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            times[name].append((time.perf_counter() - start) / count)
    times = {name: statistics.median(each) for name, each in times.items()}
    benchmark(ours)
    with capsys.disabled():
        print(
            f"\n{case}: {1e6 * times['ours']:.0f} us a step; loop "
            f"{times['loop'] / times['ours']:.2f}, in memory "
            f"{times['in memory'] / times['ours']:.2f} times as long"
        )
