"""What rounded weights do to the outputs of an almost exact segment."""

import torch
from torch import Tensor

from kernels.certificates import rounding
from kernels.networks import Network, Parameters
from kernels.paths.structure import Drift


def mismatch(
    network: Network,
    theta: Parameters,
    other: Parameters,
    drift: tuple[Drift, ...],
    x: Tensor,
) -> Tensor:
    """How far the outputs can be from an affine function of s: (n, outputs).

    ``theta``, ``other``: a segment's ends in float64; ``drift``: of its
    ``paths.segment_proof(..., drift=True)``.  A unit of a class that does not
    vary computes its class's function phi up to eps: its effective row is the
    class's up to delta, and its weights, at any s, are at most max(|W|, |W'|):

        eps' = delta |phi| + max(|W|, |W'|) eps,   |phi| <= |h| + eps,

    h the features at ``theta``.  Units that vary are exactly equal in their
    class, and what reads them has exactly zero columns: eps = 0 stands for
    them.  Cost: three forward passes.
    """
    h = network.features(theta, x, 0)
    rho = torch.zeros_like(h)
    eps = torch.zeros_like(h)
    layers = zip(theta, other, (*drift, None))
    for i, ((w, b), (v, _), part) in enumerate(layers, 1):
        slack = 1 + 4 * rounding.gamma(w[0].numel() + 8)
        grown = network.linear(i, torch.maximum(w.abs(), v.abs()), eps)
        if part is None:  # the outputs
            return grown * slack
        size = h.abs() + rho + eps
        grown += network.linear(i, part.weight, size, part.bias)
        grown = grown * slack + w[0].numel() * rounding.TINY
        grown[:, ~part.stays] = 0.0
        z = network.linear(i, w, h, b)
        rho = rounding.linear(network, i, w, b, h, rho)
        for pool in network.layers[i - 1].pools:
            grown = rounding.pooled(pool, torch.zeros_like(grown), grown)
        if grown.dim() == 4 and network.layers[i].kernel is None:
            grown = grown.flatten(1)
        h, rho = rounding.activate(network, i, z, rho)
        eps = grown
    return eps
