"""Networks of one shape, stacked: one batched product a layer for all."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from kernels.networks import Network, columns
from kernels.networks.kept import sizes as kept_sizes


def kept_counts(
    net: Network, keep: float | Sequence[int | float]
) -> list[int]:
    """|I_l| for the hidden layers 1 … d - 1: N21's K_l = ⌈(1 - f) n_l⌉.

    Parameters
    ----------
    net : the network
    keep : 1 - f, or one entry a hidden layer
        Of a fraction 1e-9 units are forgiven before rounding up (2/3 of
        300 is 200); an entry that is an int is the exact number.

    Raises
    ------
    ValueError
        Where a layer would keep no unit, or more than it has.
    """
    return kept_sizes(net, keep, whole=lambda h: math.ceil(h - 1e-9))


def narrow(net: Network, sizes: Sequence[int], layer: int) -> Network:
    """The shape of xi_l, l = ``layer``: |I_l| inputs, n_p - |I_p| units.

    ``sizes``: |I_p| of the hidden layers; all inputs feed xi_0.
    """
    inputs = sizes[layer - 1] if layer else net.widths[0]
    rest = [h - k for h, k in zip(net.hidden, sizes)]
    return net.narrow([inputs, *rest[layer:]], first=layer)


def take(net: Network, layer: int, h: Tensor, kept: Tensor) -> Tensor:
    """Each draw's units of the features ``h`` of ``layer``.

    ``kept`` (draws, k).  Maps (n, C, H, W) become (n, draws * k, H, W), flat
    features (n, …) become (draws, n, k * block).
    """
    if h.dim() == 4:
        return h[:, kept.flatten()]
    blocks = columns(h, net.widths[layer])  # (n, units, block)
    return blocks[:, kept].flatten(2).transpose(0, 1)  # (draws, n, k * block)


def forward(net: Network, layers, h: Tensor) -> Tensor:
    """Outputs (draws, n, outputs) of stacked networks of ``net``'s shape.

    ``h``: what :func:`take` gives, or one input for all: (n, features) or
    (n, C, H, W).
    """
    for i, (weight, bias) in enumerate(layers, 1):
        layer = net.layers[i - 1]
        if layer.kernel is None:
            h = _linear(weight, bias, h)
        else:
            h = _convolve(net, i, weight, bias, h)
        if i < net.depth:
            h = torch.relu(h)
            for pool in layer.pools:
                h = pool(h)
            if h.dim() == 4 and net.layers[i].kernel is None:
                h = h.unflatten(1, weight.shape[:2]).flatten(2)
                h = h.transpose(0, 1)  # (draws, n, channels * H * W)
    return h


def _convolve(net, i, weight, bias, h):
    """Maps (n, draws * out, H, W), of one input for all or of one each."""
    offset = None if bias is None else bias.flatten()
    if h.shape[1] == weight.shape[2]:
        return net.linear(i, weight.flatten(0, 1), h, offset)
    layer = net.layers[i - 1]
    return functional.conv2d(
        h,
        weight.flatten(0, 1),
        offset,
        stride=layer.stride,
        padding=layer.padding,
        groups=len(weight),
    )


def _linear(weight, bias, h):
    if h.dim() == 3:
        if bias is None:
            return torch.bmm(h, weight.mT)
        return torch.baddbmm(bias[:, None], h, weight.mT)
    offset = None if bias is None else bias.flatten()
    z = functional.linear(h.flatten(1), weight.flatten(0, 1), offset)
    return z.unflatten(1, weight.shape[:2]).transpose(0, 1)
