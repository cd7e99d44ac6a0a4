"""Loss and error at many points of a segment, last two layers moving."""

from collections.abc import Sequence

import torch
from torch import Tensor

from kernels.cuda import launch
from kernels.networks.aliases import Pair
from kernels.networks.losses import labels, sample_errors, sample_losses

_WARPS = 6  # segments.cu


def reference(
    start: Tensor,
    end: Tensor,
    layer: Pair,
    other: Pair,
    places: Sequence[float],
    y: Tensor,
    loss: str,
) -> Tensor:
    """What :func:`segment_losses` computes, point by point.

    Parameters
    ----------
    start, end, layer, other, places, y, loss : as there
    """
    total = start.new_zeros(2, len(places), dtype=torch.float64)
    (a0, c0), (a1, c1) = layer, other
    for j, t in enumerate(places):
        h = torch.lerp(start, end, t).relu_()
        z = (torch.lerp(a0, a1, t) @ h).T  # (samples, outputs)
        if c0 is not None and c1 is not None:
            z = z + torch.lerp(c0, c1, t)
        total[0, j] = sample_losses(z, y, loss).sum(dtype=torch.float64)
        total[1, j] = sample_errors(z, y).sum()
    return total


def segment_losses(
    start: Tensor,
    end: Tensor,
    layer: Pair,
    other: Pair,
    places: Sequence[float],
    y: Tensor,
    loss: str = "cross_entropy",
) -> Tensor:
    """Summed loss and number of errors at each point, in one pass.

    At a point t the hidden pre-activations are ``start + t (end - start)``
    and the outputs ``a(t) relu(.) + c(t)`` with ``a(t) = a0 + t (a1 - a0)``,
    c alike; nothing of size points x samples x neurons is stored.

    Parameters
    ----------
    start, end : (neurons, samples), float32 or float64.
    layer, other : (a, c), the last layer at both ends: (outputs, neurons)
        and (outputs,) or None.
    places : the points t.
    y : as ``losses.targets`` returns it.
    loss : ``"cross_entropy"`` or ``"square"``

    Returns
    -------
    Tensor
        (2, points), float64.

    Cost: 2 points x samples x neurons x outputs operations; ``start`` and
    ``end`` are read from memory about points / 12 times, mostly out of the L2
    cache.
    """
    (a0, c0), (a1, c1) = layer, other
    outputs, (neurons, samples) = len(a0), start.shape
    if not launch.usable(start, outputs):
        return reference(start, end, layer, other, places, y, loss)
    check(start, end, layer, other)
    start, end = launch.padded(start), launch.padded(end)
    pitch = start.shape[1]
    points, pack = len(places), launch.pack(start)
    each = 2 if outputs <= 10 else 1  # points a warp
    jobs = launch.cover(points, each)
    warps = launch.cover(jobs, launch.cover(jobs, _WARPS))
    tiles = launch.cover(samples, launch.WARP * pack)
    groups = launch.cover(jobs, warps)
    split = launch.shares(
        tiles * groups, launch.WARP * warps, launch.cover(neurons, 128)
    )
    sums = start.new_empty(2, points, tiles, dtype=torch.float64)
    at = torch.tensor(places, dtype=start.dtype, device=start.device)
    arguments = (
        *(start, end, *map(launch.dense, (a0, a1, c0, c1)), at),
        labels(y).contiguous(),
        y.contiguous() if loss == "square" else None,
        start.new_empty(split, points, outputs, pitch),
        torch.zeros(groups * tiles, dtype=torch.int32, device=start.device),
        *(sums, neurons, samples, points, pitch),
    )
    grid, block = (tiles, groups, split), (launch.WARP, warps, 1)
    launch.launch(
        "segments",
        "segment_losses",
        grid,
        block,
        arguments,
        outputs=outputs,
    )
    return sums.sum(2)


def check(start: Tensor, end: Tensor, layer: Pair, other: Pair) -> None:
    """Refuse ends or layers that do not fit one another.

    Parameters
    ----------
    start, end, layer, other : as in :func:`segment_losses`

    Raises
    ------
    ValueError
        Where they do not; it says what they need.
    """
    weight, bias = layer
    shapes = [tuple(p.shape) for p in (end, weight, other[0])]
    wanted = [tuple(start.shape), *[(len(weight), len(start))] * 2]
    if shapes != wanted:
        raise ValueError(
            f"end and both last layers have shapes {shapes}; start, "
            f"{tuple(start.shape)}, needs {wanted}"
        )
    if (bias is None) != (other[1] is None):
        raise ValueError("one end has an output bias, the other has none")
