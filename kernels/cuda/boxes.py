"""A certificate's interval bounds where the last two layers move."""

from collections.abc import Sequence

import torch
from torch import Tensor

from kernels.cuda import launch
from kernels.cuda.segments import check
from kernels.networks.aliases import Pair

_WARPS, _TOGETHER = 8, 5  # boxes.cu: warps a block, outputs a warp


def reference(
    start: Tensor,
    end: Tensor,
    layer: Pair,
    other: Pair,
    places: Sequence[float],
) -> Tensor:
    """What :func:`interval_boxes` computes, all intervals at once.

    Parameters
    ----------
    start, end, layer, other, places : as there
    """
    s = start.new_tensor(places)[:, None, None]
    p, a = start + s * (end - start), layer[0] + s * (other[0] - layer[0])
    h = p.relu()  # (points, neurons, samples)
    z = a @ h  # (points, outputs, samples)
    c, d = layer[1], other[1]
    if c is not None and d is not None:
        z = z + (c + s[:, 0] * (d - c))[..., None]
    rise, turn = h[1:] - h[:-1], a[1:] - a[:-1]
    switch = h[:-1] + p[:-1] / (p[:-1] - p[1:]) * rise
    low = torch.where((p[:-1] < 0) != (p[1:] < 0), -switch, 0)
    up, down, bow = a.clamp_min(0), a.clamp_max(0), turn @ rise / 4
    lo = torch.minimum(up[:-1] @ low, up[1:] @ low) - bow.clamp_min(0)
    hi = torch.maximum(down[:-1] @ low, down[1:] @ low) - bow.clamp_max(0)
    return torch.stack((z[:-1], z[1:], lo, hi))


def interval_boxes(
    start: Tensor,
    end: Tensor,
    layer: Pair,
    other: Pair,
    places: Sequence[float],
) -> Tensor:
    """Outputs at both ends of each interval, and the box around the chord.

    What ``certificates.bounds.boxes`` computes where the last two layers
    alone move: a hidden unit leaves its chord only where it switches, and
    downwards; the output weights' own move bends the chord.

    Parameters
    ----------
    start, end, layer, other : as in ``segments.segment_losses``
    places : the intervals' ends, in order

    Returns
    -------
    Tensor
        (4, intervals, outputs, samples): outputs at the left and at the
        right end, lo and hi.

    Cost: 14 intervals x samples x neurons x outputs operations; nothing of
    size points x samples x neurons is stored.
    """
    outputs, (neurons, samples) = len(layer[0]), start.shape
    if not launch.usable(start):
        return reference(start, end, layer, other, places)
    check(start, end, layer, other)
    intervals = len(places) - 1
    groups = launch.cover(outputs, _TOGETHER)  # of outputs
    jobs = intervals * groups
    blocks = launch.cover(jobs, _WARPS)
    warps = launch.cover(jobs, blocks)
    bounds = start.new_empty(4, intervals, outputs, samples)
    arguments = (
        *map(launch.dense, (start, end, layer[0], other[0])),
        *map(launch.dense, (layer[1], other[1])),
        *(start.new_tensor(places), bounds),
        *(neurons, samples, intervals, outputs),
    )
    launch.launch(
        "boxes",
        "interval_boxes",
        (launch.cover(samples, launch.WARP), blocks, 1),
        (launch.WARP, warps, 1),
        arguments,
        outputs=launch.cover(outputs, groups),
    )
    return bounds
