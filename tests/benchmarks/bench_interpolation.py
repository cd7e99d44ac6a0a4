"""Path profiles against evaluating the path point by point.

    python -m pytest tests/benchmarks/bench_interpolation.py -s

Point by point means: the parameters at t, one forward pass over all samples,
the loss and the error; it is timed on five points and multiplied, as all
points cost the same.  Both ways run in turns on one thread; medians of three
rounds are compared, in process time, which other work on the machine disturbs
less than the clock.
"""

import statistics
import time

import pytest
import torch

from kernels import device, interpolation, networks, paths
from kernels.networks import losses

ROUNDS, SAMPLED = 3, 5


def seconds(work):
    start = time.process_time()
    work()
    return time.process_time() - start


def by_points(net, path, x, y, points):
    for t in torch.linspace(0.05, 0.95, points).tolist():
        z = net.forward(path(t), x)
        losses.mean_loss_and_error(z, y, "cross_entropy")


def ratio(benchmark, net, path, x, y, points):
    """Prints and returns how many times faster the profile is."""

    def ours():
        return interpolation.loss_curve(net, path, x, y, points)

    plain, fast = [], []
    with device.threads(1), torch.no_grad():
        total = len(ours().t)
        for _ in range(ROUNDS):
            few = seconds(lambda: by_points(net, path, x, y, SAMPLED))
            plain.append(few * total / SAMPLED)
            fast.append(seconds(ours))
        benchmark.pedantic(ours, rounds=1)
    ours, theirs = statistics.median(fast), statistics.median(plain)
    print(
        f"\n{path}, {total} points, {len(x)} samples: {ours:.2f} s, point by "
        f"point {theirs:.1f} s, {theirs / ours:.1f} times faster"
    )
    return theirs / ours


def data(n):
    g = torch.Generator().manual_seed(0)
    return torch.randn(n, 784, generator=g), torch.randint(
        10, (n,), generator=g
    )


def halves(net, seed):
    g = torch.Generator().manual_seed(seed)
    return [
        torch.randperm(h, generator=g)[: h // 2].sort().values
        for h in net.hidden
    ]


def two_nets(widths):
    net, g = networks.mlp(widths), torch.Generator().manual_seed(1)
    return net, net.init(generator=g), net.init(generator=g)


def test_theorem1_path(benchmark):
    """The whole path of 784-256-256-10, 25 points a segment."""
    net, a, b = two_nets([784, 256, 256, 10])
    path = paths.theorem1(
        net, a, b, kept_a=halves(net, 2), kept_b=halves(net, 3)
    )
    found = ratio(benchmark, net, path, *data(10_000), 25)
    assert found > 20


@pytest.mark.parametrize("width", [800, 3200])
def test_general_two_layer_segment(benchmark, width):
    """50 points, 10 000 samples; at N = 3200 at least 9 times."""
    net, a, b = two_nets([784, width, 10])
    found = ratio(benchmark, net, paths.straight(a, b), *data(10_000), 50)
    assert found > 9


def test_two_layer_theorem_path(benchmark):
    """Seven segments at N = 3200, 25 points each: at least 50 times."""
    net, a, b = two_nets([784, 3200, 10])
    path = paths.two_layer(
        net, a, b, kept_a=halves(net, 2), kept_b=halves(net, 3)
    )
    found = ratio(benchmark, net, path, *data(10_000), 25)
    assert found > 50


def test_general_deep_segment(benchmark):
    """784-256-256-10, 50 points: the first layer alone is shared."""
    net, a, b = two_nets([784, 256, 256, 10])
    path = paths.straight(a, b)
    found = ratio(benchmark, net, path, *data(10_000), 50)
    assert found > 2
