"""A set (x, y) that a network is to see: one rule for every entry point.

x and y are tensors, NumPy arrays or lists.  x holds real numbers: floats of
the parameters' dtype, or integers of any type; y is what
``networks.losses.targets`` reads.  There is at least one sample, as many in
x as in y, all finite, on the parameters' device.
"""

from typing import Any

from torch import Tensor

from kernels.networks import checks, losses
from kernels.networks.aliases import Parameters
from kernels.networks.network import Network


def inputs(net: Network, theta: Parameters, x: Any) -> Tensor:
    """``x`` as layer 1 reads it: (n, features) or (n, C, H, W).

    Parameters
    ----------
    net : the network
    theta : its parameters
    x : a tensor, an array or nested lists

    Raises
    ------
    ValueError, TypeError
        For another shape or dtype, no sample, another device than
        ``theta``'s, or what is not finite.
    """
    h, like = net.features(theta, x, 0), theta[0][0]
    if len(h) == 0:
        raise ValueError("x has no samples; at least one will do")
    if h.device != like.device:
        raise ValueError(
            f"x is on {h.device}, the parameters on {like.device}; one device "
            "for both will do"
        )
    checks.check_finite("x", h)
    return h


def samples(
    net: Network, theta: Parameters, x: Any, y: Any, *, loss: str
) -> tuple[Tensor, Tensor]:
    """Inputs as layer 1 reads them, and targets as the losses do.

    Parameters
    ----------
    net : the network
    theta : its parameters
    x : inputs
        Tensors, arrays or nested lists, as is ``y``.
    y : targets, as ``losses.targets`` takes them
    loss : ``"cross_entropy"`` or ``"square"``

    Raises
    ------
    ValueError, TypeError
        As :func:`inputs` and ``losses.targets`` do, and for lengths that
        differ.
    """
    x, y = checks.tensor("x", x), checks.tensor("y", y)
    counts = [len(v) if v.dim() else 0 for v in (x, y)]
    if counts[0] != counts[1] or counts[0] == 0:
        raise ValueError(
            f"x has {counts[0]} samples and y has {counts[1]}; as many, and "
            "at least one, will do"
        )
    h = inputs(net, theta, x)
    return h, losses.targets(y, net.widths[-1], loss=loss, like=h)
