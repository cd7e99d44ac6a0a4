"""A forward pass in twice float64's precision, at one point of a segment.

Each number is a sum of two float64 numbers, hi + lo.  Products are exact:
weights and features are split into ``SLICES`` parts of b bits, each part a
multiple of its row's own power of two, so that n products of parts and their
sum, in any order, fit 53 bits (Ozaki, Ogita, Oishi, Rump, Numer. Algorithms
59, 2012); the sums are added by error-free transformations (``paths.exact``).

With 2^w at least a row's weights at both ends of the segment, 2^h at least a
sample's features and their error rho, what a layer loses is at most

    |W| rho + n 2^(w + h) (SLICES + 1) 2^(-SLICES b)  +  LOST (n 2^(w + h) + B)

first the parts that are left out, then roundings of lo, of the weights, of
the bias, B at least the bias.  ReLU and max-pooling are exact; an average
rounds.  On eleven trained layers rho is some 1e9 times smaller than
``certificates.rounding``'s, for at most ten products a layer.
"""

import math
from typing import Any

import torch
from torch import Tensor

from kernels.certificates.rounding import TINY, gamma, normal, pooled
from kernels.networks import Network, Parameters, Pool
from kernels.networks.aliases import Pair
from kernels.paths.exact import two_sum

SLICES = 4
LOST = 2.0**-96
_ORDER = [(j, k - j) for k in range(SLICES) for j in range(k + 1)]

Two = tuple[Tensor, Tensor]  # hi, lo: lo is at most hi's last half digit


def forward(
    network: Network, theta: Parameters, other: Parameters, s: float, x: Tensor
) -> Two:
    """Outputs at (1 - s) theta + s other and the bound on their error.

    All in float64, both (n, outputs).  The point is that of the real numbers.
    """
    h = network.features(theta, x, 0)
    two, rho = (h, torch.zeros_like(h)), torch.zeros_like(h)
    for i, (pair, twin) in enumerate(zip(theta, other), 1):
        two, rho = _linear(network, i, pair, twin, s, two, rho)
        if i == network.depth:
            break
        on = two[0] > 0
        two = two[0] * on, two[1] * on
        for pool in network.layers[i - 1].pools:
            two, rho = _pool(pool, two, rho)
        if rho.dim() == 4 and network.layers[i].kernel is None:
            two, rho = (two[0].flatten(1), two[1].flatten(1)), rho.flatten(1)
    return two[0], rho + two[1].abs()


def two_product(a: float, b: Tensor) -> Two:
    """p and e with p = fl(a b) and p + e = a b exactly (Dekker)."""
    (a0, a1), (b0, b1) = _halves(a), _halves(b)
    p = a * b
    return p, ((a0 * b0 - p) + a0 * b1 + a1 * b0) + a1 * b1


def _halves(a: Any) -> Any:
    c = 134217729.0 * a
    high = c - (c - a)
    return high, a - high


def _between(p: Tensor, q: Tensor, s: float) -> tuple[Two, Tensor]:
    """(1 - s) p + s q as hi + lo, and a bound on it anywhere."""
    step, lost = two_sum(q, -p)
    move, rest = two_product(s, step)
    high, low = two_sum(p, move)
    most = normal(p.abs().maximum(q.abs()))
    return two_sum(high, low + (rest + s * lost)), most


def _linear(
    network: Network,
    i: int,
    pair: Pair,
    twin: Pair,
    s: float,
    h: Two,
    rho: Tensor,
) -> tuple[Two, Tensor]:
    weight, most = _between(pair[0], twin[0], s)
    terms = weight[0][0].numel()
    bits = (53 - math.ceil(math.log2(terms))) // 2
    rows, samples = _powers(most), _powers(h[0].abs() + rho)
    left = _slices(weight, rows, bits)
    right = _slices(h, samples, bits)
    z = lost = torch.zeros((), dtype=rho.dtype, device=rho.device)
    for j, k in _ORDER:
        if j < len(left) and k < len(right):
            z, rest = two_sum(z, network.linear(i, left[j], right[k]))
            lost = lost + rest
    size = samples.flatten()[:, None] * rows.flatten() * terms
    size = size.reshape(*size.shape, *[1] * (z.dim() - 2))
    off = size * ((SLICES + 1) * 2.0 ** (-SLICES * bits) + LOST)
    if pair[1] is not None:
        assert twin[1] is not None  # ends of one network
        bias, most = _between(pair[1], twin[1], s)
        z, rest = two_sum(z, bias[0].reshape(-1, *[1] * (z.dim() - 2)))
        lost = lost + (rest + bias[1].reshape(-1, *[1] * (z.dim() - 2)))
        off = off + LOST * most.reshape(-1, *[1] * (z.dim() - 2))
    rho = network.linear(i, weight[0].abs(), rho)
    rho = (rho + off) * (1 + 4 * gamma(terms + 8)) + 32 * terms * TINY
    return two_sum(z, lost), rho


def _powers(size: Tensor) -> Tensor:
    """For each row a power of two that is above all its entries."""
    shape = len(size), *[1] * (size.dim() - 1)
    most = size.flatten(1).amax(1).reshape(shape)
    power = most / torch.frexp(most).mantissa
    return torch.where(most > 0, power, 1.0)


def _slices(two: Two, power: Tensor, bits: int) -> list[Tensor]:
    """Leading parts: whole multiples of power 2^(-bits), 2^(-2 bits), …

    As many as there are, at least one, at most ``SLICES``.
    """
    high, low = two
    parts: list[Tensor] = []
    while len(parts) < SLICES and (not parts or bool(high.any())):
        shift = 1.5 * 2.0 ** (52 - (len(parts) + 1) * bits) * power
        parts.append((high + shift) - shift)
        high, low = two_sum(high - parts[-1], low)
    return parts


def _pool(pool: Pool, h: Two, rho: Tensor) -> tuple[Two, Tensor]:
    high, low = h
    if pool.kind == "max":  # of equal hi the largest lo
        top = pool(high)
        ties = pool.windows(high) == top[..., None]
        low = torch.where(ties, pool.windows(low), -torch.inf).amax(-1)
        return (top, low), pool(rho)
    top = pool(high)
    return (top, torch.zeros_like(top)), pooled(pool, high, rho + low.abs())
