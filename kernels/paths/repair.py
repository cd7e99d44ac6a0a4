"""Straight lines whose units keep the statistics of their ends (REPAIR).

Between two networks the average of the weights sends a weaker signal from
layer to layer: pre-activations that are not aligned cancel.  REPAIR (Jordan
et al., 2023) scales and shifts every hidden unit so that its mean and its
deviation over the data are the interpolated ones.
"""

from typing import Any

import torch
from torch import Tensor

from kernels.networks import Network, Parameters
from kernels.networks.kept import check_ends
from kernels.networks.samples import inputs
from kernels.paths.units import moments


def repaired(
    net: Network, theta_a: Parameters, theta_b: Parameters, t: float, x: Tensor
) -> Parameters:
    """The point ``t`` of the straight line, its hidden units repaired.

    In each hidden layer, the first first, a unit's pre-activation z becomes
    ``m + s (z - mean z) / std z``, with m and s the ends' mean and deviation
    over ``x``, interpolated: a row of the weight is scaled and a bias moved,
    so that the result is a network of the same kind.  A unit that does not
    move with the data is shifted alone.  At t = 0 and 1 the ends
    are returned as they are.  In between, the path over t is not straight.

    Parameters
    ----------
    net : fully connected, every hidden layer with a bias
    theta_a, theta_b : its parameters, the line's ends
    t : a number in [0, 1]
    x : (n, inputs), of the parameters' dtype

    Returns
    -------
    Parameters
        New parameters.

    Raises
    ------
    ValueError, TypeError
        For another network, t outside [0, 1], or inputs that do not fit or
        are not finite.

    Cost: three passes over ``x``.
    """
    theta_a, theta_b = check_ends(net, theta_a=theta_a, theta_b=theta_b)
    if not 0 <= t <= 1:
        raise ValueError(f"t is {t}; a number from 0 to 1 will do")
    plain = all(w.dim() == 2 and b is not None for w, b in theta_a[:-1])
    if not plain:
        raise ValueError(
            "net has convolutions or layers without a bias; fully connected "
            "layers with biases will do"
        )
    x = inputs(net, theta_a, x)
    if t in (0, 1):
        return theta_b if t else theta_a
    rows: Any = zip(theta_a, theta_b)
    mixed: list[Any] = [
        tuple(None if u is None else torch.lerp(u, v, t) for u, v in zip(*row))
        for row in rows
    ]
    h, ends = x, [x, x]
    for i, (weight, bias) in enumerate(mixed[:-1]):
        wanted = []
        for k, theta in enumerate((theta_a, theta_b)):
            own: Any = theta[i]
            z = ends[k] @ own[0].T + own[1]
            wanted.append(moments(z, 0)[:2])
            ends[k] = torch.relu(z)
        mean, size = (torch.lerp(u, v, t) for u, v in zip(*wanted))
        z = h @ weight.T + bias
        now, spread, still = moments(z, 0)
        scale = torch.where(still, 1.0, size / spread)
        shift = mean - scale * now
        mixed[i] = scale[:, None] * weight, scale * bias + shift
        h = torch.relu(scale * z + shift)
    return tuple(mixed)
