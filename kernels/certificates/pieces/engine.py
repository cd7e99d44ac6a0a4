"""The engine that cuts: as ``certificates.engine`` asks for one."""

import math

import torch

from kernels.certificates.bisection import intervals
from kernels.certificates.engine import Task
from kernels.certificates.pieces.cover import Cover
from kernels.certificates.pieces.interval import Segment, prepare, snap
from kernels.certificates.pieces.probe import sign_changes
from kernels.certificates.pieces.refine import refine
from kernels.certificates.samples import Samples

_PROBE = 1 / 64
_EQUAL = 0.25  # boxes that cost as much as the cuts of one sign change
_EQUAL_CONVOLVED = 1.2  # the same, where layers are convolutions


def cut(task: Task) -> bool:
    """Bound every general segment by pieces, the worst interval first.

    As ``engine.Task`` says; an interval counts each time it is bounded.  What
    is left of the budget once the loss is within its tolerance goes to the
    error's supremum, if ``task.error``.  Intervals that were never reached get
    the bound of chords and boxes.

    Cost: forward passes at some sign changes / 12 places of a segment, and
    about five for each piece of the outputs.  Memory: as ``interval.bound``
    says for each thread, and some twenty numbers a sample and interval.
    """
    data, covers = task.data, []
    for k in task.segments:
        covers.append(
            Cover(_prepared(data, k), ((0.0, 1.0, task.known[k].cap, 1.0),))
        )
    complete = refine(
        covers,
        task.tolerance,
        floor=max(known.highest for known in task.known),
        budget=task.budget,
        seconds=task.seconds,
        threads=task.threads,
        error=task.error,
    )
    for k, cover in zip(task.segments, covers):
        known = task.known[k]
        if cover.unreached:
            cover.fall_back(_boxes(task, k, known.cap))
        places = [cover.attained()[1]]
        if task.error:
            places.append(cover.error_attained()[1])
        for t in places:
            loss, slack, error, _ = data.at(k, t)
            known.found(loss, slack, error, t)
        if cover.upper < known.cap:  # else the cap's own allowance stands
            known.rounding = 0.0
        known.upper = cover.upper
        if not known.upper < math.inf:
            raise ValueError(
                f"the bounds on segment {k} are not finite: float64 "
                "overflows; smaller weights or inputs will do"
            )
        known.error_upper = cover.error_upper
        known.intervals = cover.bounded
        known.flips = float(cover.cuts.double().mean())
    return complete


def deep(task: Task) -> bool:
    """Whether cutting is likely to cost less than chords and boxes.

    A box in the middle of the highest segment says how many boxes the
    tolerance asks for, since boxes shrink as the square of their length; the
    sign changes, counted on a few samples, say how many cuts.  The rest is
    measurement: three layers of width 128 want boxes, six and more cuts.
    With convolutions, where both were tried, on 26 segments of two to fourteen
    layers: up to 1.1 boxes for a sign change they closed earlier than pieces,
    or within 0.02 s of them; in fourteen segments with more than 1.5 they did
    not close in 6 to 15 s or 600 intervals, but for two, which they closed in
    a third and in 0.4 of the time that pieces took.
    """
    k = max(task.segments, key=lambda k: task.known[k].highest)
    a, b = 0.5 - _PROBE / 2, 0.5 + _PROBE / 2
    try:
        ((loss, _, _, ends),) = intervals(task.data, k, [a, b])
    except ValueError:  # not finite
        return True
    excess = loss - max(end[0] for end in ends)
    room = max(task.tolerance, 1e-6) * max(task.goal(), 1e-12)
    boxes = math.sqrt(max(excess, 0.0) / room) / _PROBE
    if boxes <= 2 * task.initial:
        return False
    convolved = any(layer.kernel for layer in task.data.network.layers)
    equal = _EQUAL_CONVOLVED if convolved else _EQUAL
    return boxes > equal * sign_changes(_prepared(task.data, k))


def _prepared(data: Samples, k: int) -> Segment:
    theta, other = data.path.ends(k)
    return prepare(data.network, theta, other, data.x, data.y, data.loss)


def _boxes(task: Task, k: int, cap: float) -> tuple[tuple[float, ...], ...]:
    places = [snap(s) for s in torch.linspace(0, 1, task.initial + 1).tolist()]
    try:
        found = list(intervals(task.data, k, places))
    except ValueError:  # not finite
        return ((0.0, 1.0, cap, 1.0),)
    return tuple(
        (a, b, min(loss, cap), error)
        for a, b, (loss, _, error, _) in zip(places[:-1], places[1:], found)
    )
