"""N21's experiment B at the paper's scale: 2000 draws on 60 000 images.

    python -m pytest tests/benchmarks/bench_dropout.py -s

Protocol: a 784-10x245-10 network, draws that keep half of layers l … 10 for
each of l = 1 … 10, the output factor optimised on all 60 000 samples, one
thread, process time.  DRAWS draws a layer are timed and multiplied up to 200
(which counts the shared features 200 / DRAWS times, against us).  The plain
way is timed on one draw from layer 1: a masked network of full width, SciPy's
Brent method on its outputs.
"""

import time

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from kernels import device, dropout, networks

DRAWS, SAMPLES = 5, 60_000


def seconds(work):
    start = time.process_time()
    work()
    return time.process_time() - start


def plain(net, theta, x, y, generator):
    """One draw as one would write it."""
    from scipy.optimize import minimize_scalar

    kept = [d[0] for d in dropout.draw(net, 0.5, 1, generator=generator)]
    small = dropout.dropout_network(net, theta, kept)
    z = torch.cat([net.forward(small, part) for part in x.split(1024)])
    bias = small[-1][1]
    return minimize_scalar(
        lambda r: float(cross_entropy(r * (z - bias) + bias, y)),
        bounds=(0, 100),
        method="bounded",
    )


def test_experiment_b(benchmark):
    g = torch.Generator().manual_seed(0)
    net = networks.mlp([784, *[245] * 10, 10])
    theta = net.init(generator=g)
    x = torch.randn(SAMPLES, 784, generator=g)
    y = net.forward(theta, x).argmax(1)
    y = torch.where(torch.rand(SAMPLES, generator=g) < 0.1, 0, y)

    def layer(first):
        return dropout.stability(
            net, theta, x, y, first=first, draws=DRAWS, generator=g
        )

    with device.threads(1):
        layer(10)
        one = seconds(lambda: plain(net, theta, x, y, g))
        each = np.array([seconds(lambda f=f: layer(f)) for f in range(1, 11)])
        benchmark.pedantic(layer, args=(10,), rounds=1)
    minutes = each.sum() * 200 / DRAWS / 60
    print(
        f"\n2000 draws: {minutes:.1f} CPU-minutes; a draw from layer 1 "
        f"{each[0] / DRAWS:.3f} s, from layer 10 {each[9] / DRAWS:.3f} s; "
        f"plainly from layer 1 {one:.2f} s, {one * DRAWS / each[0]:.1f} times"
    )
    assert minutes < 15
