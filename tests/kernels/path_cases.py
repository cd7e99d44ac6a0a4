"""Random networks, subsets and checks shared by the tests of paths."""

import numpy as np
import plain_networks as plain
import torch
from hypothesis import strategies as st

from kernels import networks
from kernels.networks import Layer, Network, Pool

CODES = {"constant": 0, "affine": 1, "general": 2}
MIDDLE = {"paper": "01000000", "figure": "01000000", "short": "01000"}


def lemma1_pattern(d, style):
    """Kinds of Lemma 1's segments: 0 constant, 1 affine."""
    first, level = {
        "paper": ("10", "01000"),
        "figure": ("10", "1000"),
        "short": ("1", "01"),
    }[style]
    return first + level * (d - 2)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def drawn(net, seed, dtype=torch.float64):
    return net.init(generator=seeded(seed), dtype=dtype, bias="uniform")


def subset(width, size, seed):
    return torch.randperm(width, generator=seeded(seed))[:size].sort().values


def halves(net, seed, share=0.5):
    """Random subsets of at most ``share`` of each hidden layer."""
    return [
        subset(h, int(share * h), 10 * seed + i)
        for i, h in enumerate(net.hidden)
    ]


def inputs(net, n=6, seed=99):
    return torch.randn(
        n, *net.inputs, generator=seeded(seed), dtype=torch.float64
    )


def convolutional(bias=True):
    """Three convolutions, max- and average-pooling, two linear layers."""
    return Network(
        (2, 6, 6),
        (
            Layer(4, bias, 3, 1, pools=(Pool("max", 2),)),
            Layer(5, bias, 2, 0),
            Layer(4, bias, 3, 1, pools=(Pool("average", 2),)),
            Layer(7, bias),
            Layer(3, bias),
        ),
    )


@st.composite
def mlps(draw, min_depth=2, max_depth=5, max_width=7):
    depth = draw(st.integers(min_depth, max_depth))
    hidden = [draw(st.integers(1, max_width)) for _ in range(depth - 1)]
    return networks.mlp([3, *hidden, 2], bias=draw(st.booleans()))


@st.composite
def subsets(draw, width, most):
    units = draw(st.permutations(range(width)))
    return torch.tensor(sorted(units[: draw(st.integers(0, most))])).long()


@st.composite
def fitting(draw, net):
    """Kept sets of Theorem 1's two ends: any that fit, empty ones too."""
    kept_a, kept_b = [], []
    for i, h in enumerate(net.hidden, 1):
        most = h // 2 if i > 1 else h
        kept_a.append(draw(subsets(h, most)))
        most = min(most, h - len(kept_a[-1]))
        kept_b.append(draw(subsets(h, most)))
    return kept_a, kept_b


def subnetworks(net, kept, seed, dtype=torch.float64):
    """Random xi_0 … xi_{L-1} for kept sets."""
    rest = [h - len(units) for h, units in zip(net.hidden, kept)]
    return [
        drawn(
            net.narrow(
                [len(kept[m - 1]) if m else net.widths[0], *rest[m:]], first=m
            ),
            seed + m,
            dtype,
        )
        for m in range(net.depth)
    ]


def feature_output(net, theta, kept, xi, m, x):
    """xi_m on the kept features of layer m, in NumPy."""
    h = plain.features(net, theta, x)[m]
    units = kept[m - 1].numpy() if m else np.arange(net.widths[0])
    part = net.narrow([len(units), *(len(w) for w, _ in xi[:-1])], first=m)
    return plain.forward(part, xi, torch.as_tensor(h[:, units]))


def same(theta, other):
    """Bit for bit, and the very tensors."""
    return all(
        w0 is w1 and b0 is b1 for (w0, b0), (w1, b1) in zip(theta, other)
    )


def between(theta, other, s):
    """In float64, whatever the parameters' dtype."""
    return tuple(
        tuple(
            None if p is None else (1 - s) * p.double() + s * q.double()
            for p, q in zip(layer, twin)
        )
        for layer, twin in zip(theta, other)
    )


def assert_honest(net, path, x, tolerance=1e-12):
    """What ``path.kinds`` says holds on ``x``, by NumPy; kinds as digits."""
    for k, kind in enumerate(path.kinds):
        ends = path.knots[k], path.knots[k + 1]
        points = (0, 1 / 3, 0.7, 1)
        start, third, later, end = (
            plain.forward(net, between(*ends, s), x) for s in points
        )
        size = tolerance * max(1, *(abs(z).max() for z in (start, end)))
        if kind == "constant":
            assert abs(end - start).max() <= size, k
        if kind in ("constant", "affine"):
            chord = end - start
            assert abs(third - start - chord / 3).max() <= size, k
            assert abs(later - start - 0.7 * chord).max() <= size, k
    return "".join(str(CODES[kind]) for kind in path.kinds)


def assert_at_most(found, pattern):
    """No kind is weaker than the theorem says."""
    assert len(found) == len(pattern)
    assert all(f <= p for f, p in zip(found, pattern)), (found, pattern)


def distinct(net, path, x):
    """Outputs at the first knot of each function along the path."""
    return [
        plain.forward(net, path.knots[k], x)
        for k in sorted(set(path.functions))
    ]


def as_tensors(theta, has_bias):
    return tuple(
        (torch.as_tensor(w), torch.as_tensor(b) if has_bias else None)
        for w, b in theta
    )
