"""Random subsets of units."""

import math
from collections.abc import Sequence

import torch

from kernels import states
from kernels.networks import Network
from kernels.networks.kept import sizes


@states("K19", "Definition 1")
def counts(
    net: Network, keep: float | Sequence[int | float], *, first: int = 1
) -> list[int]:
    """How many units are kept in each hidden layer, 1 … d - 1.

    Of a fraction floor(keep h) units are kept (K19, Definition 1: ⌊h/2⌋ for
    0.5; 1e-9 is added before rounding down, so that 0.29 of 100 is 29).

    Parameters
    ----------
    net : the network
    keep : a fraction of each layer's h units, or one entry a hidden layer
        An entry is a fraction or, if an integer of any type, the exact
        number.
    first : layers below it keep all units

    Raises
    ------
    ValueError
        Where a layer would keep no unit, or more than it has.
    TypeError
        For what is no number.
    """
    hidden = net.depth - 1
    if not 1 <= first <= hidden:
        raise ValueError(
            f"first is {first}; the network's hidden layers are 1 to {hidden}"
        )
    return sizes(net, keep, first=first, whole=lambda h: math.floor(h + 1e-9))


def draw(
    net: Network,
    keep: float | Sequence[int | float],
    draws: int,
    *,
    first: int = 1,
    generator: torch.Generator,
) -> list[torch.Tensor]:
    """Uniformly random subsets of exactly :func:`counts` units.

    Parameters
    ----------
    net : the network
    keep : as in :func:`counts`
    draws : how many subsets, at least 1
    first : layers below it keep all units
    generator : draws on its own device

    Returns
    -------
    list[torch.Tensor]
        For each hidden layer, a LongTensor (draws, kept) with ascending
        rows, on the CPU. Draw t of all layers is ``[layer[t] for layer in
        draw(...)]``.
    """
    if draws < 1:
        raise ValueError(f"draws is {draws}; at least 1 will do")
    subsets = []
    kept = counts(net, keep, first=first)
    for i, (width, size) in enumerate(zip(net.hidden, kept), 1):
        if i < first:
            subsets.append(torch.arange(width).expand(draws, width))
            continue
        order = torch.rand(
            draws,
            width,
            generator=generator,
            dtype=torch.float64,
            device=generator.device,
        ).argsort(1)
        subsets.append(order[:, :size].sort(1).values.cpu())
    return subsets
