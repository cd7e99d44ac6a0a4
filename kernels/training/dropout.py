"""Unit-wise dropout in the forward pass: neurons, or whole channels."""

from collections.abc import Sequence

import torch
from torch import Tensor

from kernels.networks import Network, Parameters, columns


def forward(
    net: Network,
    theta: Parameters,
    h: Tensor,
    rates: Sequence[float],
    generator: torch.Generator | None,
) -> Tensor:
    """Outputs (n, outputs) with units of the hidden layers dropped at random.

    For every sample each unit of hidden layer l is dropped with probability
    ``rates[l - 1]``, and else multiplied by 1 / (1 - rate), so that its mean
    stays: a channel is kept or dropped whole.

    Parameters
    ----------
    net : the network
    theta : its parameters
    h : the inputs as ``net.features(theta, x, 0)`` gives them
    rates : one a hidden layer
    generator : on the device of ``h``
        Not used where all rates are 0.
    """
    for i, (weight, bias) in enumerate(theta, 1):
        h = net.activate(i, net.linear(i, weight, h, bias))
        if i < net.depth and rates[i - 1] > 0:
            h = _drop(h, net.widths[i], rates[i - 1], generator)
    return h


def _drop(h, units, rate, generator):
    mask = h.new_empty((len(h), units, 1))
    mask.bernoulli_(1 - rate, generator=generator)
    factor = 1 / (1 - rate)
    if h.dtype != torch.bfloat16:  # it would round the factor: scale after
        mask, factor = mask.mul_(factor), None
    if h.dim() == 4:  # (n, units, H, W), in whatever layout
        kept = h * mask[..., None]
    else:
        kept = (columns(h, units) * mask).view_as(h)  # (n, units, block)
    return kept if factor is None else kept.mul_(factor)


def rates(net: Network, dropout: float | Sequence[float]) -> tuple:
    """``dropout`` as one rate a hidden layer, checked."""
    hidden = len(net.hidden)
    if isinstance(dropout, Sequence):
        each = tuple(dropout)
    else:
        each = (dropout,) * hidden
    if len(each) != hidden:
        raise ValueError(
            f"dropout has {len(each)} rates; one number, or one for each "
            f"of the {hidden} hidden layers, will do"
        )
    for l, rate in enumerate(each, 1):  # noqa: E741
        if not 0 <= rate < 1:
            raise ValueError(
                f"dropout, hidden layer {l}: rate {rate}; 0 or more and less "
                "than 1 will do"
            )
    return each
