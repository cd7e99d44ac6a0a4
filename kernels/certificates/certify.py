"""The supremum of the loss over the continuum of a path."""

import heapq
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from kernels import states
from kernels.certificates.bounds import (
    box_losses,
    boxes,
    corner,
    fused_boxes,
    two_layers,
)
from kernels.certificates.certificate import Certificate, Segment
from kernels.certificates.errors import error_supremum
from kernels.certificates.quartic import fits, square_supremum
from kernels.networks import Network, losses
from kernels.paths import Path
from kernels.runs.progress import progress

_HELD = 1 << 24  # numbers of one layer's activations held at once
_HELD_CUDA = 1 << 26
_TINY = 1e-12


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
) -> Certificate:
    """Bound the mean loss over the whole continuum of a path.

    Constant and affine segments (as ``path.kinds`` proves them): a convex
    loss is largest at a knot, and knots joined by constant segments compute
    the same function, so the distinct functions alone are evaluated: 2d on
    the path of K19's Theorem 1, 2L + 1 on that of N21's Theorem 4.1.  The 0-1
    error, which is not convex, is swept over each affine segment: exact.  The
    ends are epsilon-connected (S20, Definition 3.2) where ``upper`` is at
    most the larger of their losses plus epsilon.

    General segments: chord-and-remainder bounds (``certificates.bounds``) on
    ``initial`` intervals a segment, then best-first bisection over all
    segments together, until the largest bound is within ``tolerance``
    (relative) of the largest loss found anywhere on the path, or ``budget``
    intervals have been bounded.  The error's bound comes from the same
    intervals, which are refined for the loss alone.  With two fully connected
    layers and the square loss the supremum of the loss is exact there too
    (it is piecewise a quartic in t).

    Parameters
    ----------
    network, path : the path's parameters fit the network.
    x : (n, features) or (n, C, H, W).
    y : (n,) class indices; for ``loss="square"`` also real targets.
    loss : "cross_entropy" or "square", as in ``networks.losses``.
    tolerance : at least 0.
    batch : samples at once; None: as many as hold one layer's activations at
        all points in 128 MiB.

    Computed in float64, whatever the parameters' dtype.  An allowance for
    rounding is added to ``upper``: 1e-9 of it for float64 parameters, 1e-5
    for lower precision, whose knots agree to that only, and 1e-12.

    Returns a :class:`Certificate`.  Raises ValueError for a bad tolerance,
    budget, loss or shape.

    Cost: a forward pass for each distinct function, about six for each
    interval.  The bounds multiply by |W| layer by layer: beyond some eight
    layers they may not close within the budget.
    """
    for name, value, least in (
        ("tolerance", tolerance, 0),
        ("budget", budget, 1),
        ("initial", initial, 1),
        ("batch", 1 if batch is None else batch, 1),
    ):
        if not value >= least:
            raise ValueError(f"{name} is {value}; at least {least} will do")
    if len(x) != len(y) or len(x) == 0:
        raise ValueError(
            f"x has {len(x)} samples and y has {len(y)}; as many, and at "
            "least one, will do"
        )
    network.check(path.knots[0], "path.knots[0]")
    if batch is None:
        widest = max(math.prod(shape) for shape in network.shapes)
        batch = max(1, _HELD // (widest * (initial + 1)))
    with torch.no_grad():
        data = _Data(network, path, x, y, loss, batch)
        known, evaluations = _at_knots(data)
        general = [k for k in range(len(path)) if path.kind(k) == "general"]
        complete = not general or _between_knots(
            data, known, general, tolerance, budget, initial
        )
    return _certificate(path, known, evaluations, complete)


@dataclass
class _Known:
    """What is known of one segment so far."""

    attained: float
    error_attained: float
    upper: float = math.inf
    error_upper: float = math.inf
    intervals: int = 0

    def found(self, loss, error):
        self.attained = max(self.attained, loss)
        self.error_attained = max(self.error_attained, error)


class _Data:
    """The path's outputs on all samples, in float64, in blocks of them."""

    def __init__(self, network, path, x, y, loss, batch):
        self.network, self.path, self.loss = network, path, loss
        self.x, self.batch = x.to(path.knots[0][0][0].device), batch
        like = self.x.new_empty(0, dtype=torch.float64)
        self.y = losses.targets(y, network.widths[-1], loss=loss, like=like)

    def blocks(self):
        return (block.double() for block in self.x.split(self.batch))

    def outputs(self, theta):
        theta = _double(theta)
        return torch.cat(
            [self.network.forward(theta, x) for x in self.blocks()]
        )

    def measure(self, z):
        """Mean loss and error of outputs (n, C)."""
        loss, error = losses.mean_loss_and_error(z, self.y, self.loss)
        return float(loss), float(error)

    def points(self, segment, places):
        """Parameters in float64; layers that do not move are shared."""
        pairs = []
        for layer, twin in zip(*self.path.ends(segment)):
            for p, q in zip(layer, twin):
                still = p is q or torch.equal(p, q)
                p = None if p is None else p.double()
                pairs.append((p, p if still else q.double()))
        for s in places:
            flat = [p if p is q else torch.lerp(p, q, s) for p, q in pairs]
            yield tuple(zip(flat[::2], flat[1::2]))

    def intervals(self, segment, places):
        """One (loss bound, error bound, measures at both ends) an interval."""
        blocks = self.fused(segment, places)
        if blocks is None:
            points = list(self.points(segment, places))
            blocks = [boxes(self.network, points, x) for x in self.blocks()]
        for parts in zip(*blocks):
            z0, z1, lo, hi = map(torch.cat, zip(*parts))
            ends = box_losses((z0, z1), lo, hi, self.y, self.loss)
            worst = corner(lo, hi, self.y)
            error, _ = error_supremum(z0 + worst, z1 + worst, self.y)
            bound = max(float(end.mean()) for end in ends)
            yield bound, error, (self.measure(z0), self.measure(z1))

    def fused(self, segment, places):
        """Every block's boxes by the CUDA kernel, or None."""
        ends = tuple(self.points(segment, (0.0, 1.0)))
        if not two_layers(self.network, *ends):
            return None
        widest = max(math.prod(shape) for shape in self.network.shapes)
        return [
            fused_boxes(self.network, *ends, places, x.double())
            for x in self.x.split(max(1, _HELD_CUDA // widest))
        ]


def _at_knots(data):
    """Evaluates each distinct function once; settles what that settles."""
    path, functions = data.path, data.path.functions
    known, evaluations = [], 0
    before = z = at = None
    for k, function in enumerate(
        progress(functions, desc="certifying the knots", unit="knot")
    ):
        if function == k:
            before, z = z, data.outputs(path.knots[k])
            last, at = at or data.measure(z), data.measure(z)
            evaluations += 1
        else:
            last = at
        if k == 0:
            continue
        segment = _Known(*at)
        segment.found(*last)
        kind = path.kind(k - 1)
        if kind == "affine":
            segment.error_attained, _ = error_supremum(before, z, data.y)
        if kind != "general":
            segment.upper = segment.attained
            segment.error_upper = segment.error_attained
        known.append(segment)
    return known, evaluations


def _between_knots(data, known, general, tolerance, budget, initial):
    """Bounds the general segments; whether within the tolerance."""
    quartic = data.loss == "square" and fits(data.path.knots[0], len(data.y))
    if quartic:
        for k in general:
            value, s = square_supremum(*data.path.ends(k), data.x, data.y)
            (point,) = data.points(k, [s])
            known[k].found(*data.measure(data.outputs(point)))
            known[k].upper = max(value, known[k].attained)
    initial = max(1, min(initial, budget // len(general)))
    leaves, spent = [], 0

    def bound(k, places, cap):
        found = data.intervals(k, places)
        for a, b, (loss, error, ends) in zip(places, places[1:], found):
            for measures in ends:
                known[k].found(*measures)
            known[k].intervals += 1
            # a bound on the whole holds on the parts
            loss, error = min(loss, cap[0]), min(error, cap[1])
            heapq.heappush(leaves, (-loss, k, a, b, error))

    with progress(desc="bounding", unit="interval", total=budget) as bar:
        for k in general:
            places = torch.linspace(0, 1, initial + 1).tolist()
            bound(k, places, (known[k].upper, 1.0))
            spent += initial
            bar.update(initial)
        while True:
            goal = max(segment.attained for segment in known)
            goal = goal * (1 + tolerance) + _TINY
            if quartic or -leaves[0][0] <= goal or spent + 2 > budget:
                break
            upper, k, a, b, error = heapq.heappop(leaves)
            bound(k, [a, (a + b) / 2, b], (-upper, error))
            spent += 2
            bar.update(2)
    for k in general:
        own = [leaf for leaf in leaves if leaf[1] == k]
        known[k].upper = max(-leaf[0] for leaf in own)
        known[k].error_upper = max(leaf[4] for leaf in own)
    return -leaves[0][0] <= goal


def _certificate(path, known, evaluations, complete):
    exact = path.knots[0][0][0].dtype == torch.float64
    slack = 1 + (1e-9 if exact else 1e-5)
    segments = tuple(
        Segment(
            start=k / len(path),
            stop=(k + 1) / len(path),
            kind=path.kind(k),
            upper=segment.upper * slack + _TINY,
            attained=segment.attained,
            exact=segment.upper <= segment.attained * (1 + _TINY) + _TINY,
            error_upper=segment.error_upper,
            error_attained=segment.error_attained,
            intervals=segment.intervals,
        )
        for k, segment in enumerate(known)
    )
    upper = max(segment.upper for segment in known)
    attained = max(segment.attained for segment in known)
    error_upper = max(segment.error_upper for segment in segments)
    error_attained = max(segment.error_attained for segment in segments)
    return Certificate(
        upper=upper * slack + _TINY,
        attained=attained,
        exact=upper <= attained * (1 + _TINY) + _TINY,
        complete=complete,
        error_upper=error_upper,
        error_attained=error_attained,
        error_exact=error_upper <= error_attained,
        evaluations=evaluations,
        intervals=sum(segment.intervals for segment in segments),
        segments=segments,
    )


def _double(theta):
    return tuple(
        (weight.double(), None if bias is None else bias.double())
        for weight, bias in theta
    )
