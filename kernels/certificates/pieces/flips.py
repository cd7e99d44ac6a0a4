"""How nonlinear a path is: sign changes of hidden units along it."""

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from kernels.certificates.pieces.interval import bound, prepare, snap
from kernels.certificates.pieces.probe import FLIPS, sign_changes
from kernels.networks import Network, Parameters, tree
from kernels.networks.checks import tensor
from kernels.networks.samples import inputs
from kernels.paths import Path


def flips(network: Network, path: Path, x: Tensor) -> Tensor:
    """How often hidden units change sign along each segment.

    A unit that changes sign k times counts k times; the maximum of a window
    that passes to another entry counts too.  Between two such places the
    outputs are a polynomial in t.  All are found, isolated as in
    ``certify(engine="pieces")``; two within rounding of each other may count
    as none.

    Parameters
    ----------
    network : the network
    path : a path through its parameters
    x : (n, features) or (n, C, H, W), taken in float64

    Returns
    -------
    Tensor
        Int64 (segments, n).

    Raises
    ------
    ValueError, TypeError
        For a path or inputs that do not fit, no sample, and what is not
        finite.

    Cost: some five forward passes a sign change.
    """
    for k in range(len(path) + 1):
        network.check(path.knots[k], f"path.knots[{k}]")
    theta = tree.to(path.knots[0], torch.float64)
    x = inputs(network, theta, tensor("x", x).double())
    with torch.no_grad():
        return torch.stack(
            [_on(network, *path.ends(k), x) for k in range(len(path))]
        )


def _on(
    network: Network, theta: Parameters, other: Parameters, x: Tensor
) -> Any:
    y = torch.zeros(len(x), dtype=torch.int64, device=x.device)
    segment = prepare(network, theta, other, x, y, "cross_entropy")
    number = max(1, round(sign_changes(segment) / FLIPS))
    places = [snap(k / number) for k in range(number + 1)]
    slack = torch.zeros(len(x), dtype=torch.float64, device=x.device)
    return sum(bound(segment, a, b, slack).cuts for a, b in pairwise(places))
