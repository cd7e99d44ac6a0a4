"""The supremum of the loss over the continuum of a path."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from kernels import states
from kernels.certificates import rounding
from kernels.certificates.bisection import bisect
from kernels.certificates.certificate import (
    Certificate,
    certificate,
    first_of_highest,
)
from kernels.certificates.engine import Known, Task
from kernels.certificates.errors import error_bounds
from kernels.certificates.pieces import cut, deep
from kernels.certificates.quartic import fits, quartics
from kernels.certificates.samples import FINE, Samples
from kernels.networks import Network, Parameters
from kernels.networks.checks import whole
from kernels.paths import Path
from kernels.paths.structure import Proof
from kernels.runs.progress import progress

ENGINES = (None, "boxes", "pieces")
_HELD = 1 << 24  # numbers of one layer's activations held at once


@states("S20", "Definition 3.2")
def certify(
    network: Network,
    path: Path,
    x: Tensor,
    y: Tensor,
    loss: str = "cross_entropy",
    tolerance: float = 0.05,
    *,
    budget: int = 600,
    initial: int = 8,
    batch: int | None = None,
    engine: str | None = None,
    seconds: float | None = None,
    threads: int | None = None,
    error: bool = True,
) -> Certificate:
    """Bound the mean loss over the whole continuum of a path.

    Constant and affine segments (as ``path.kinds`` proves them): a convex
    loss is largest at a knot, and knots joined by constant segments compute
    the same function, so the distinct functions alone are evaluated: 2d on
    the path of K19's Theorem 1, 2L + 1 on that of N21's Theorem 4.1.  The 0-1
    error, which is not convex, is swept over each affine segment: exact.  The
    ends are epsilon-connected (S20, Definition 3.2) where ``upper`` is at
    most the larger of their losses plus epsilon.

    General segments, by one of two engines.  Boxes (``certificates.bounds``):
    chords and boxes on ``initial`` intervals a segment, then best-first
    bisection over all segments together.  Pieces (``certificates.pieces``):
    each sample's outputs are cut where hidden units change sign, between
    which they are polynomials; what weighs little goes to a box.  Both stop
    where the largest bound is within ``tolerance`` (relative) of the largest
    loss found anywhere on the path, or when ``budget`` intervals have been
    bounded or ``seconds`` have passed.  The error's bound comes from the same
    intervals; what is left of the budget goes to it with pieces.  With two
    fully connected layers and the square loss the supremum of the loss is
    exact there too (it is piecewise a quartic in t).

    Parameters
    ----------
    network, path : the path's parameters fit the network.
    x : (n, features) or (n, C, H, W).
    y : (n,) class indices; for ``loss="square"`` also real targets.
    loss : "cross_entropy" or "square", as in ``networks.losses``.
    tolerance : at least 0
        1e-12 more counts as within it, for losses of 0.
    budget : intervals that are bounded at most, over all segments
        One for each general segment, however few.
    initial : intervals of a segment to begin with
    batch : samples at once; None: as many as hold one layer's activations at
        all points in 128 MiB.
    engine : "boxes", "pieces", or None: by a probe of the path (shallow
        networks and short moves get boxes, deep fully connected networks
        pieces, convolutions pieces where boxes would take far longer).
    seconds : None, or when to begin no further interval, wherever the bounds
        are then: results depend on the machine.  The first look at every
        segment, a pass for each interval to begin with, is not cut short.
    threads : that share the intervals of pieces; None: as many as torch has
        for one operation (``device.threads``).  No number of the result
        depends on them, unless ``seconds`` does end it.
    error : whether pieces go on to the error's supremum once the loss is
        within its tolerance; without, ``error_upper`` is what was found on
        the way there: it holds, and may be far above.

    Returns
    -------
    Certificate

    Raises
    ------
    ValueError
        For a bad tolerance, budget, loss or shape, a layer without units,
        and where a parameter, ``x``, ``y``, an output or the loss is not
        finite.

    What is bounded is the loss of the real numbers: parameters of any dtype
    and inputs as the numbers that they are, all points of the path between
    its knots as stored, in exact arithmetic.  Computed in float64; what
    rounding can do is carried through the layers and the loss
    (``certificates.rounding``, ``twofold``), added to ``upper``,
    ``error_upper`` and the error's sweep, and taken from ``attained``.  Kinds
    are proved from the weights, whatever the caller of ``Path`` said; where
    rounded weights are constant or affine only
    nearly, the difference is bounded on ``x`` and added too.

    Cost: a forward pass for each distinct function, about six for each
    interval of boxes, which multiply by |W| layer by layer: beyond some six
    layers they may not close within the budget.  Pieces: see ``pieces.cut``;
    a line between two networks of eleven layers of 128 units, on 200 samples,
    takes seconds.
    """
    for name, value, least in (
        ("tolerance", tolerance, 0),
        ("budget", budget, 1),
        ("seconds", 0 if seconds is None else seconds, 0),
    ):
        if not value >= least:
            raise ValueError(f"{name} is {value}; at least {least} will do")
    initial = whole("initial", initial)
    batch = None if batch is None else whole("batch", batch)
    if threads is None:
        threads = torch.get_num_threads()
    threads = whole("threads", threads)
    if engine not in ENGINES:
        raise ValueError(f"engine is {engine!r}; one of {ENGINES} will do")
    if len(x) != len(y) or len(x) == 0:
        raise ValueError(
            f"x has {len(x)} samples and y has {len(y)}; as many, and at "
            "least one, will do"
        )
    _check_knots(network, path)
    if 0 in network.widths:
        raise ValueError(
            f"the network has widths {network.widths}; layers of one unit and "
            "more will do"
        )
    if batch is None:
        widest = max(math.prod(shape) for shape in network.shapes)
        batch = max(1, _HELD // (widest * (initial + 1)))
    with torch.no_grad():
        data = Samples(network, path, x, y, loss, batch)
        known, evaluations, sample = _at_knots(data)
        general = _unsettled(known)
        task = Task(
            data,
            known,
            general,
            tolerance,
            budget,
            initial,
            seconds=seconds,
            threads=threads,
            error=error,
        )
        complete = not general or choose(task, engine)(task)
        worst = first_of_highest([segment.highest for segment in known])
        top = known[worst]
        if top.slack > FINE * top.highest:
            top.sharpen(*data.at(worst, top.where)[:2])
        if general:
            sample = data.hardest(worst, top.where)
    return certificate(path, known, evaluations, complete, sample)


def choose(task: Task, engine: str | None = None) -> Callable[[Task], bool]:
    """The engine for a path's general segments: a function of the task.

    Two layers and the square loss have a closed form; else chords and boxes
    or pieces, whichever a probe expects to cost less.
    """
    square = engine is None and task.data.loss == "square"
    if square and fits(task.data.path.knots[0], len(task.data.y)):
        return quartics
    pieces = engine == "pieces" or (engine is None and deep(task))
    return cut if pieces else bisect


def _check_knots(network: Network, path: Path) -> None:
    """Raise where a knot does not fit or is not finite."""
    before: Parameters = ()
    for k in range(len(path.knots)):
        knot = path.knots[k]
        new = [pair is not old for pair, old in zip(knot, before)] or [True]
        if any(new):
            network.check(knot, f"path.knots[{k}]")
        before = knot


def _at_knots(data: Samples) -> tuple[list[Known], int, int]:
    """Evaluates each distinct function once; settles what that settles.

    Also how many there were, and the hardest sample at the highest knot.
    """
    path = data.path
    known, evaluations = [], 0
    most, sample = -math.inf, 0
    now: Any = None
    at: Any = None
    for k in progress(
        range(len(path.knots)), desc="certifying the knots", unit="knot"
    ):
        proof = path.proof(k - 1) if k else None
        same = proof and proof.kind == "constant" and proof.exact
        before, last = now, at
        if not same:
            now = data.outputs(path.knots[k], f"path.knots[{k}]")
            at = data.measure(*now)
            evaluations += 1
            if at[0] > most:
                most, sample = at[0], data.hardest_of(now[0])
        if proof:
            known.append(_between(data, k - 1, proof, before, now, last, at))
    return known, evaluations, sample


def _between(
    data: Samples,
    segment: int,
    proof: Proof,
    before: Any,
    now: Any,
    last: Any,
    at: Any,
) -> Known:
    """What the ends of a segment and its kind settle."""
    known = Known(kind=proof.kind)
    for s, (loss, slack, error, _) in enumerate((last, at)):
        known.found(loss, slack, error, s)
    if proof.kind == "general":
        return known
    ends = [before, now]
    if not proof.exact:
        extra = 2 * data.mismatch(segment)
        known.mismatch = float(extra.amax())
        if not known.mismatch < math.inf:  # the boxes must do
            return known
        ends = [(z, rho + extra) for z, rho in ends]
        last, at = (data.measure(*end) for end in ends)
    known.upper = max(rounding.above(*end[:2]) for end in (last, at))
    known.rounding = rounding.above(known.upper - known.highest, 0.0)
    known.error_upper = at[3]
    if before is not now:
        (z0, rho0), (z1, rho1) = ends
        found = error_bounds(z0, z1, rho0, rho1, data.y)
        known.error_upper = found[0]
        known.error_attained = max(known.error_attained, found[1])
    return known


def _unsettled(known: list[Known]) -> list[int]:
    """The general segments, and those whose rounded weights differ much."""
    most = max(segment.highest for segment in known)
    unsettled = []
    for k, segment in enumerate(known):
        loose = segment.mismatch != 0 and not (
            segment.upper <= segment.highest + max(1e-3 * most, 1e-12)
        )
        if segment.kind == "general" or loose:
            segment.kind, segment.cap = "general", segment.upper
            unsettled.append(k)
    return unsettled
