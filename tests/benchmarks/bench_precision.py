"""VGG-11's training step in bfloat16 against float32, and against products.

    python -m pytest tests/benchmarks/bench_precision.py -s

Protocol: full width, batch 128, momentum and weight decay as K19's; the steps
in float32, those in bfloat16 and the square products of both kinds in turns,
so that what else the machine does falls on all; the best of ROUNDS, in process
time.  A training step takes three times the products of a forward pass, two
operations each.
"""

import time

import torch

from kernels import training
from kernels.networks import vgg11

ROUNDS, BATCH, STEPS, SIDE = 5, 128, 3, 2048


def operations(net):
    """Of a training step on one image."""
    total = 0
    for i in range(1, net.depth + 1):
        weight = net.weight_shape(i)
        places = 1
        layer, below = net.layers[i - 1], net.shapes[i - 1]
        if layer.kernel is not None:  # each output position
            side = below[1] + 2 * layer.padding - layer.kernel
            places = (side // layer.stride + 1) ** 2
        total += places * int(torch.tensor(weight).prod())
    return 3 * 2 * total


def seconds(work):
    start = time.process_time()
    work()
    return time.process_time() - start


def test_a_step_of_vgg11(benchmark, capsys):
    g = torch.Generator().manual_seed(0)
    net = vgg11(hidden=512, inputs=(3, 32, 32))
    theta = net.init(generator=g)
    x = torch.randn((BATCH, 3, 32, 32), generator=g)
    y = torch.randint(10, (BATCH,), generator=g)

    def steps(mixed):
        training.train(
            net, theta, (x, y), step_size=1e-4, momentum=0.9,
            weight_decay=5e-4, batch=BATCH, steps=STEPS, generator=g,
            mixed_precision=mixed,
        )  # fmt: skip

    full = torch.randn((SIDE, SIDE), generator=g)
    half = full.bfloat16()
    works = {
        "float32": lambda: steps(False),
        "bfloat16": lambda: steps(True),
        "product32": lambda: full @ full,
        "product16": lambda: half @ half,
    }
    best = dict.fromkeys(works, float("inf"))
    for _ in range(ROUNDS):
        for name, work in works.items():
            best[name] = min(best[name], seconds(work))
    benchmark.pedantic(works["bfloat16"], rounds=1)
    work = operations(net) * BATCH * STEPS
    rates = {
        "float32": work / best["float32"],
        "bfloat16": work / best["bfloat16"],
        "product32": 2 * SIDE**3 / best["product32"],
        "product16": 2 * SIDE**3 / best["product16"],
    }
    faster = best["float32"] / best["bfloat16"]
    share = rates["bfloat16"] / rates["product16"]
    with capsys.disabled():
        print(
            f"\nbfloat16 {faster:.2f} times float32, {share:.0%} of the "
            "bfloat16 product's rate; Gflop/s: "
            + ", ".join(f"{k} {v / 1e9:.0f}" for k, v in rates.items())
        )
    assert faster >= 1.7
    assert share >= 0.8
