"""How far float64 can be from the real numbers: a running error bound.

A network's parameters and inputs are taken as the real numbers that they are
(float32 and half precision are widened exactly).  Every quantity h is carried
with a bound rho >= |h - exact|, entry by entry:

* linear: a product of length n, summed in any order, fused or not, errs by at
  most gamma(n + 1) |W||h|, gamma(k) = k u / (1 - k u), u = 2^-53 (Higham,
  *Accuracy and stability*, section 3.1), so that
  rho' = |W| (rho + gamma |h|) + gamma |b|;
* ReLU and max-pooling are exact and enlarge no entry of rho beyond its
  window's largest; average pooling is a product of length its window;
* underflow: one more ``TINY`` a product, which covers flushed subnormals too;
  and points between weights are rounded as if these were at least ``SMALL``
  in size, :func:`normal`, or 0;
* losses: :func:`sample_losses`.

Assumed: IEEE float64 sums and products (in a convolution too: no Winograd or
FFT), and that exp and log err by at most 8 units in the last place.
"""

import math

import torch
from torch import Tensor

from kernels.networks import Network, Parameters, Pool, losses

UNIT = 2.0**-53
TINY = 2.0**-1020  # above what one product and its bound lose by underflow
SMALL = 2.0**-960  # times 2^-100 still above all subnormal steps
_LEAST = 2.0**-480  # the square root of what squares may lose, and more


def gamma(k: int) -> float:
    """k u / (1 - k u), rounded up: the relative error of k roundings."""
    return k * UNIT / (1 - k * UNIT) * (1 + 4 * UNIT)


def normal(size: Tensor) -> Tensor:
    """``size``, sizes of weights, no smaller than ``SMALL`` but for zeros.

    What is rounded relative to it is then more than subnormal steps.
    """
    return torch.where(size > 0, size.clamp_min(SMALL), 0.0)


def forward(
    network: Network, theta: Parameters, x: Tensor, *, norms: bool = False
) -> tuple[Tensor, Tensor]:
    """Outputs (n, outputs) and the bound on their error, both float64.

    ``theta``, ``x``: float64.  Cost: two forward passes; with ``norms`` one,
    for a larger bound: |W| v is then bounded by the rows' norms times v's.
    """
    return features(network, theta, x, network.depth, norms=norms)


def features(
    network: Network,
    theta: Parameters,
    x: Tensor,
    layer: int,
    *,
    norms: bool = False,
) -> tuple[Tensor, Tensor]:
    """The same of ``layer``'s features; layer 0 gives the input, exact."""
    h = network.features(theta, x, 0)
    rho = h.new_zeros(()).expand_as(h)
    for i, (weight, bias) in enumerate(theta[:layer], 1):
        z = network.linear(i, weight, h, bias)
        if norms and weight.dim() == 2:
            rho = by_norms(weight, bias, h, rho)
        else:
            rho = linear(network, i, weight, bias, h, rho)
        h, rho = activate(network, i, z, rho)
    return h, rho


def linear(
    network: Network,
    i: int,
    weight: Tensor,
    bias: Tensor | None,
    h: Tensor,
    rho: Tensor,
) -> Tensor:
    """Bound on the error of layer i's pre-activations.

    ``h`` errs by at most ``rho``.  Zero where nothing but zeros is read: the
    bias is then the answer.
    """
    return widened(network, i, weight.abs(), bias, h.abs(), rho, 2)


def widened(
    network: Network,
    i: int,
    weight: Tensor,
    bias: Tensor | None,
    size: Tensor,
    rho: Tensor,
    more: int,
    times: int = 1,
) -> Tensor:
    """|W| (rho + g |h|) + g |b| with g = gamma(times (n + more)).

    ``weight``, ``size``: bounds on |W| and |h|.  With ``times`` 1 the weights
    themselves are exact.
    """
    terms = weight[0].numel()
    g = gamma(times * (terms + more))
    size = size + rho / g
    bias = None if bias is None else bias.abs()
    grown = network.linear(i, weight, size, bias)
    grown *= g * (1 + 2 * gamma(terms + 8))
    grown += times * (terms + more) * TINY
    dead = size.flatten(1).amax(1) == 0
    if times == 1 and bool(dead.any()):
        grown[dead] = 0.0
    return grown


def by_norms(
    weight: Tensor, bias: Tensor | None, h: Tensor, rho: Tensor
) -> Tensor:
    """A larger bound than :func:`linear`'s, for vectors, without a product.

    |W| v is at most the rows' Euclidean norms times v's (Cauchy, Schwarz).
    """
    terms = weight.shape[1]
    g = gamma(terms + 2)
    size = g * torch.linalg.vector_norm(h, dim=1)
    size += torch.linalg.vector_norm(rho, dim=1)
    size += _LEAST  # where squares underflow
    grown = size[:, None] * (torch.linalg.vector_norm(weight, dim=1) + _LEAST)
    if bias is not None:
        grown += g * bias.abs()
    grown *= 1 + 4 * gamma(terms + 8)
    return grown + (terms + 2) * TINY


def activate(
    network: Network, i: int, z: Tensor, rho: Tensor
) -> tuple[Tensor, Tensor]:
    """What layer i + 1 reads, and the bound on its error."""
    if i == network.depth:
        return z, rho
    h = torch.relu(z)
    for pool in network.layers[i - 1].pools:
        rho = pooled(pool, h, rho)
        h = pool(h)
    if h.dim() == 4 and network.layers[i].kernel is None:
        h, rho = h.flatten(1), rho.flatten(1)
    return h, rho


def pooled(pool: Pool, size: Tensor, rho: Tensor) -> Tensor:
    """The bound behind a pooling of entries of at most ``size``."""
    if pool.kind == "max":
        return pool(rho)
    g = gamma(size.shape[2] * size.shape[3] + 8)
    size = size.abs()
    some = pool((rho + size > 0).to(rho)) > 0  # zeros' average is exact
    return pool(rho + g * size) * (1 + 2 * g) + TINY * some


def sample_losses(
    z: Tensor, rho: Tensor, y: Tensor, loss: str
) -> tuple[Tensor, Tensor]:
    """Each sample's loss as computed, and how far the exact one can be.

    ``z`` (n, outputs) with exact outputs within ``rho``; ``y`` as
    ``losses.targets`` returns it.  Both (n,).

    Cross entropy: its derivative is p_j - [j = y], so that it moves by at
    most rho_y plus the largest other rho; computing it errs by u times four
    |z|, two an output and 64 for exp and log.  Square: expanded.
    """
    values = losses.sample_losses(z, y, loss)
    outputs = z.shape[1]
    if loss == "cross_entropy":
        own = rho.gather(1, y[:, None])[:, 0]
        moved = own + rho.scatter(1, y[:, None], 0.0).amax(1)
        computed = UNIT * (4 * z.abs().amax(1) + 2 * outputs + 64)
        return values, (moved + computed) * (1 + 8 * UNIT)
    far = (z - y).abs()
    moved = (rho * (2 * far + rho)).sum(1)
    computed = gamma(outputs + 8) * (far + rho).square().sum(1)
    slack = 1 + gamma(outputs + 16)
    return values, (moved + computed) * slack + outputs * TINY


def mean(values: Tensor) -> float:
    """The mean of (n,) numbers, off by at most two roundings."""
    return math.fsum(values.tolist()) / len(values)


def mean_loss(
    z: Tensor, rho: Tensor, y: Tensor, loss: str
) -> tuple[float, float]:
    """The mean loss as computed, and how far the exact one can be."""
    values, allowance = sample_losses(z, rho, y, loss)
    value, slack = mean(values), mean(allowance)
    return value, (slack + 4 * UNIT * abs(value)) * (1 + 8 * UNIT)


def above(value: float, slack: float) -> float:
    """A float64 number that is at least value + slack."""
    return math.nextafter(value + slack, math.inf)
