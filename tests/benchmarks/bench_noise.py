"""Spectral norms of Jacobians: Lanczos against what else one could do.

    python -m pytest tests/benchmarks/bench_noise.py -s

On J^{1,d-1} of a random network, all samples at once: "svd" writes the
Jacobians down and decomposes them; "power" is power iteration with as many
products as take the same time as Lanczos' method to 1e-6, and what error that
leaves.  Medians of runs in turns.
"""

import statistics
import time

import pytest
import torch

from kernels import networks, noise
from kernels.noise.linearised import Linearised
from kernels.noise.spectral import _gram

ROUNDS = 5


@torch.no_grad()
def power(apply, like, steps):
    g = torch.Generator().manual_seed(0)
    q = torch.randn(like.shape, generator=g, dtype=like.dtype)
    for _ in range(steps):
        q = q / q.flatten(1).norm(dim=1).view(-1, *[1] * (q.dim() - 1))
        q, _ = _gram(apply, q, None)
    return q.flatten(1).norm(dim=1).sqrt()


@torch.no_grad()
def dense(apply, like):
    columns = torch.eye(like[0].numel(), dtype=like.dtype)
    images = [
        apply(column.view(like[0].shape).expand_as(like)).flatten(1)
        for column in columns
    ]
    return torch.linalg.matrix_norm(torch.stack(images, 2), 2)


@pytest.mark.parametrize("case", ["256-256-256", "conv 8 channels"])
def test_spectral_norms(benchmark, capsys, case):
    g = torch.Generator().manual_seed(0)
    net = networks.mlp([64, 256, 256, 256, 10], bias=False)
    if case != "256-256-256":
        net = networks.conv3(channels=8, inputs=(1, 8, 8))
    theta = net.init(generator=g)
    at = Linearised(net, theta, torch.randn((32, 64), generator=g))

    def apply(t):
        return at.jacobian(1, net.depth - 1, t)

    like = at.z[1]
    works = {
        "lanczos": lambda: noise.spectral_norms(apply, like)[0],
        "svd": lambda: dense(apply, like),
        "power": lambda: power(apply, like, 60),
    }
    times = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - start)
    times = {name: statistics.median(each) for name, each in times.items()}
    same = max(1, round(60 * times["lanczos"] / times["power"]))
    exact = works["svd"]()
    off = {
        "lanczos": 1 - works["lanczos"]() / exact,
        "power": 1 - power(apply, like, same) / exact,
    }
    off = {name: float(error.abs().max()) for name, error in off.items()}
    benchmark(works["lanczos"])
    with capsys.disabled():
        print(
            f"\n{case}: {1e3 * times['lanczos'] / len(like):.2f} ms a sample, "
            f"svd {times['svd'] / times['lanczos']:.1f} times as long; "
            f"largest error {off['lanczos']:.1e}, of {same} power steps in "
            f"the same time {off['power']:.1e}"
        )
