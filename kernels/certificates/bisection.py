"""The engine of chords and boxes: best-first bisection."""

import heapq
import math
import time
from collections.abc import Iterator
from typing import Any

import torch

from kernels.certificates import rounding
from kernels.certificates.bounds import (
    box_losses,
    boxes,
    corner,
    fused_boxes,
    two_layers,
)
from kernels.certificates.engine import Task
from kernels.certificates.errors import error_bounds
from kernels.certificates.samples import FAIR, Samples
from kernels.runs.progress import progress

# of an interval: loss bound, its rounding, error bound, measures at both ends
Interval = tuple[float, float, float, list[tuple[float, float, float, float]]]

_HELD_CUDA = 1 << 26  # numbers of one layer's activations held at once


def bisect(task: Task) -> bool:
    """Bound every general segment by boxes, halving the worst interval.

    As ``engine.Task`` says.  Cost: about seven forward passes an interval.
    """
    known, spent = task.known, 0
    leaves: list[tuple[float, int, float, float, float, float]] = []
    end = math.inf
    if task.seconds is not None:
        end = time.monotonic() + task.seconds
    initial = max(1, min(task.initial, task.budget // len(task.segments)))

    def bound(k: int, places: list[float], cap: tuple[float, ...]) -> None:
        found = intervals(task.data, k, places)
        for a, b, (loss, slack, error, ends) in zip(places, places[1:], found):
            for s, (value, off, wrong, _) in zip((a, b), ends):
                known[k].found(value, off, wrong, s)
            known[k].intervals += 1
            # a bound on the whole holds on the parts
            loss, slack = min((loss, slack), cap[:2])
            error = min(error, cap[2])
            heapq.heappush(leaves, (-loss, k, a, b, error, slack))

    with progress(desc="bounding", unit="interval", total=task.budget) as bar:
        for k in task.segments:
            places = torch.linspace(0, 1, initial + 1).double().tolist()
            bound(k, places, (known[k].cap, known[k].rounding, 1.0))
            spent += initial
            bar.update(initial)
        while True:
            upper, k, a, b, error, slack = leaves[0]
            done = -upper - slack <= task.goal()
            if done or spent + 2 > task.budget or time.monotonic() > end:
                break
            heapq.heappop(leaves)
            bound(k, [a, (a + b) / 2, b], (-upper, slack, error))
            spent += 2
            bar.update(2)
    for k in task.segments:
        own = [leaf for leaf in leaves if leaf[1] == k]
        top = min(own)
        known[k].upper, known[k].rounding = -top[0], top[5]
        known[k].error_upper = max(leaf[4] for leaf in own)
        if known[k].slack > FAIR * known[k].highest:  # boxes round more
            known[k].sharpen(*task.data.at(k, known[k].where)[:2])
    return done


def intervals(
    data: Samples, segment: int, places: list[float]
) -> Iterator[Interval]:
    """One (loss bound, its rounding, error bound, both ends) an interval."""
    blocks = _fused(data, segment, places)
    if blocks is None:
        points = list(data.points(segment, places))
        most = data.limits(segment)
        blocks = [boxes(data.network, points, x, most) for x in data.blocks()]
    for parts in zip(*blocks):
        z0, z1, lo, hi, rho = map(torch.cat, zip(*parts))
        found = box_losses((z0, z1), lo, hi, rho, data.y, data.loss)
        means = [tuple(map(rounding.mean, end)) for end in found]
        slack = max(allowance for _, allowance in means)
        value = max(loss for loss, _ in means)
        if not math.isfinite(value + slack):
            raise ValueError(
                f"the bounds on segment {segment} are not finite: float64 "
                "overflows; smaller weights or inputs will do"
            )
        slack = rounding.above(slack, 8 * rounding.UNIT * (value + slack))
        worst = corner(lo, hi, data.y)
        around = rho + 4 * rounding.UNIT * (
            worst.abs() + z0.abs().maximum(z1.abs())
        )
        error, _ = error_bounds(z0 + worst, z1 + worst, around, around, data.y)
        ends = [data.measure(z, rho) for z in (z0, z1)]
        upper = rounding.above(value, slack)
        yield upper, rounding.above(slack, 0.0), error, ends


def _fused(
    data: Samples, segment: int, places: list[float]
) -> list[Any] | None:
    """Every block's boxes by the CUDA kernel, or None."""
    theta, other = data.points(segment, (0.0, 1.0))
    if not two_layers(data.network, theta, other):
        return None
    widest = max(math.prod(shape) for shape in data.network.shapes)
    return [
        fused_boxes(data.network, theta, other, places, x.double())
        for x in data.x.split(max(1, _HELD_CUDA // widest))
    ]
