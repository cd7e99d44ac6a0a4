"""Random subsets of units."""

import math
from collections.abc import Sequence

import torch

from kernels import states
from kernels.networks import Network


@states("K19", "Definition 1")
def counts(
    net: Network, keep: float | Sequence[int | float], *, first: int = 1
) -> list[int]:
    """How many units are kept in each hidden layer, 1 … d - 1.

    ``keep``: a fraction of each layer's h units, of which floor(keep h) are
    kept (K19, Definition 1: ⌊h/2⌋ for 0.5; 1e-9 is added before rounding
    down, so that 0.29 of 100 is 29); or one entry a hidden layer, a fraction
    or, if an int, the exact number.  Layers below ``first`` keep all units.

    Raises ValueError where a layer would keep no unit, or more than it has.
    """
    hidden = net.depth - 1
    if not 1 <= first <= hidden:
        raise ValueError(
            f"first is {first}; the network's hidden layers are 1 to {hidden}"
        )
    each = [keep] * hidden if isinstance(keep, int | float) else list(keep)
    if len(each) != hidden:
        raise ValueError(
            f"keep has {len(each)} entries; the network has {hidden} hidden "
            "layers"
        )
    result = list(net.hidden[: first - 1])
    for i in range(first, hidden + 1):
        share, width = each[i - 1], net.hidden[i - 1]
        exact = isinstance(share, int) and not isinstance(keep, int)
        kept = share if exact else math.floor(share * width + 1e-9)
        if not 1 <= kept <= width:
            raise ValueError(
                f"keep is {share}: hidden layer {i} would keep {kept} of its "
                f"{width} units; 1 to {width} will do"
            )
        result.append(kept)
    return result


def draw(
    net: Network,
    keep: float | Sequence[int | float],
    draws: int,
    *,
    first: int = 1,
    generator: torch.Generator,
) -> list[torch.Tensor]:
    """Uniformly random subsets of exactly :func:`counts` units.

    Returns, for each hidden layer, a LongTensor (draws, kept) with ascending
    rows, on the CPU; layers below ``first`` keep all.  Draw t of all layers
    is ``[layer[t] for layer in draw(...)]``.
    """
    if draws < 1:
        raise ValueError(f"draws is {draws}; at least 1 will do")
    subsets = []
    sizes = counts(net, keep, first=first)
    for i, (width, size) in enumerate(zip(net.hidden, sizes), 1):
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
