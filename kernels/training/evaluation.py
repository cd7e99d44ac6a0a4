"""Mean loss and error of one network on a set."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from kernels.networks import Network, Parameters, losses
from kernels.networks.samples import samples
from kernels.training import dropout as drop
from kernels.training.precision import Precision

_HELD = 1 << 22  # numbers of one layer's activations held at once
_HELD_CUDA = 1 << 27


@torch.no_grad()
def evaluate(
    net: Network,
    theta: Parameters,
    x: Tensor,
    y: Tensor,
    *,
    loss: str = "cross_entropy",
    dropout: float | Sequence[float] = 0.0,
    generator: torch.Generator | None = None,
    block: int | None = None,
    mixed_precision: bool = False,
) -> tuple[float, float]:
    """Mean loss and error rate on a set, computed in blocks of samples.

    Parameters
    ----------
    net : the network
    theta : its parameters
    x : (n, features) or (n, C, H, W)
    y : class indices (n,) or, for the square loss, real targets
        As in ``networks.losses``.
    loss : ``"cross_entropy"`` or ``"square"``
    dropout : one rate, or one a hidden layer
        Leaves dropout on as in training, one draw a sample.
    generator : for dropout, which needs one
    block : samples at once
        None: as many as hold about four million activations of a layer.
    mixed_precision : products in bfloat16, of float32 parameters alone
        Some three digits; the losses and their sums are not.

    Returns
    -------
    tuple[float, float]
        (loss, error), sums taken in float64.

    Raises
    ------
    ValueError
        Where a parameter, ``x``, ``y`` or the loss is not finite.
    """
    net.check(theta)
    rates = drop.rates(net, dropout)
    if any(rates) and generator is None:
        raise ValueError(f"dropout is {dropout}; that needs a generator")
    precision = Precision(mixed_precision, theta[0][0])
    h, y = samples(net, theta, x, y, loss=loss)
    block = block or block_size(net, h)
    tally = torch.zeros(2, dtype=torch.float64, device=h.device)
    for hs, ys in zip(h.split(block), y.split(block)):
        with precision():
            z = drop.forward(
                net, theta, precision.inputs(hs), rates, generator
            )
        z = precision.outputs(z)
        tally[0] += losses.sample_losses(z, ys, loss).double().sum()
        tally[1] += losses.sample_errors(z, ys).sum()
    mean_loss, error = (tally / len(h)).tolist()
    if not math.isfinite(mean_loss):
        raise ValueError(
            f"the mean loss is {mean_loss}: the outputs overflow {z.dtype}; "
            "smaller parameters or inputs will do"
        )
    return mean_loss, error


def block_size(net: Network, x: Tensor, copies: int = 1) -> int:
    """Samples at a time, so that their activations fit the cache or device.

    Parameters
    ----------
    net : the network
    x : samples; their device counts
    copies : how many times the widest layer is held
    """
    widest = max(math.prod(shape) for shape in net.shapes)
    held = _HELD_CUDA if x.is_cuda else _HELD
    return max(1, held // (widest * copies))
