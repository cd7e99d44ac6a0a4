"""How long certificates take.

    python -m pytest tests/benchmarks/bench_certificates.py -s

Two networks of width 64 trained on the digits, the first 1000 training
samples, the straight line between them, within 5 and within 1 per cent of the
largest loss found.  And eleven layers on MNIST, 200 samples, by pieces: within
2 per cent at width 128, within 1 at width 245.  One thread, process time.

Two threads against one, 11 x 128: wall time, on a machine that does nothing
else.  On one that is busy the ratio says nothing; what it prints of process
time says what the threads themselves cost.
"""

import time

import pytest
import torch
from torch.nn.functional import cross_entropy

from kernels import certificates, data, device, networks, paths

IMAGES = 20000  # that the eleven layers are trained on
SAMPLES = 200


def trained(net, x, y, seed, steps=300):
    """Full-batch Adam; any trained network will do."""
    theta = net.init(generator=torch.Generator().manual_seed(seed))
    flat = [p.requires_grad_() for layer in theta for p in layer]
    optimiser = torch.optim.Adam(flat, lr=3e-3)
    for _ in range(steps):
        optimiser.zero_grad()
        cross_entropy(net.forward(theta, x), y).backward()
        optimiser.step()
    return tuple((w.detach().double(), b.detach().double()) for w, b in theta)


@pytest.mark.parametrize("tolerance", [0.05, 0.01])
@pytest.mark.parametrize("depth", [2, 3, 4])
def test_straight_line(benchmark, depth, tolerance):
    digits = data.load("digits").train
    x, y = digits.x[:1000].flatten(1), digits.y[:1000]
    net = networks.mlp([x.shape[1], *[64] * (depth - 1), 10])
    with device.threads(1):
        path = paths.straight(*(trained(net, x, y, s) for s in (1, 2)))
        start = time.process_time()
        found = certificates.certify(net, path, x, y, tolerance=tolerance)
        spent = time.process_time() - start
        benchmark.pedantic(
            certificates.certify,
            args=(net, path, x, y),
            kwargs={"tolerance": tolerance},
            rounds=1,
        )
    print(
        f"\ndepth {depth}, within {tolerance:.0%}: {spent:.2f} s, "
        f"{found.intervals} intervals, attained {found.attained:.4f}, "
        f"upper {found.upper:.4f}"
    )
    assert found.complete
    assert spent < 5


def minibatches(net, x, y, seed):
    """Three epochs of Adam in batches of 100."""
    g = torch.Generator().manual_seed(seed)
    theta = net.init(generator=g)
    flat = [p.requires_grad_() for layer in theta for p in layer]
    optimiser = torch.optim.Adam(flat, lr=5e-4)
    for _ in range(3):
        for rows in torch.randperm(len(x), generator=g).split(100):
            optimiser.zero_grad()
            cross_entropy(net.forward(theta, x[rows]), y[rows]).backward()
            optimiser.step()
    return tuple((w.detach(), b.detach()) for w, b in theta)


@pytest.mark.parametrize(
    ("width", "tolerance", "limit"), [(128, 0.02, 15), (245, 0.01, 50)]
)
def test_eleven_layers(benchmark, width, tolerance, limit):
    mnist = data.load("mnist").train
    x, y = mnist.x[:IMAGES].flatten(1), mnist.y[:IMAGES]
    net = networks.mlp([784, *[width] * 10, 10])
    with device.threads(1):
        path = paths.straight(*(minibatches(net, x, y, s) for s in (1, 2)))
        start = time.process_time()
        found = benchmark.pedantic(
            certificates.certify,
            args=(net, path, x[:SAMPLES], y[:SAMPLES]),
            kwargs={"tolerance": tolerance},
            rounds=1,
        )
        spent = time.process_time() - start
    print(
        f"\n11 x {width}, within {tolerance:.0%}: {spent:.1f} s, "
        f"{found.segments[0].flips:.0f} cuts a sample, attained "
        f"{found.attained:.4f}, upper {found.upper:.4f}"
    )
    assert found.complete
    assert spent < limit


def test_two_threads(benchmark):
    mnist = data.load("mnist").train
    x, y = mnist.x[:IMAGES].flatten(1), mnist.y[:IMAGES]
    net = networks.mlp([784, *[128] * 10, 10])
    spent: dict[int, tuple[float, float]] = {}
    found = {}

    def both():
        for threads in (1, 2):
            start = time.perf_counter(), time.process_time()
            found[threads] = certificates.certify(
                net,
                path,
                x[:SAMPLES],
                y[:SAMPLES],
                tolerance=0.02,
                threads=threads,
            )
            spent[threads] = (
                time.perf_counter() - start[0],
                time.process_time() - start[1],
            )

    with device.threads(1):
        path = paths.straight(*(minibatches(net, x, y, s) for s in (1, 2)))
        benchmark.pedantic(both, rounds=1)
    (wall, cpu), (wall2, cpu2) = spent[1], spent[2]
    print(
        f"\ntwo threads: {wall / wall2:.2f} times as fast ({wall:.1f} s, "
        f"{wall2:.1f} s), {cpu2 / cpu:.2f} times the process time"
    )
    assert found[1] == found[2]
    assert wall / wall2 >= 1.7
