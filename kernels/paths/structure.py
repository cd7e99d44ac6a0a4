"""The structural certificate: what a segment does, proved from its weights.

On a segment every weight moves linearly.  Layer by layer, from the input:

* units whose *effective* rows agree at both ends compute the same feature all
  along the segment; they form one class.  A unit's effective row is its
  weights with the columns of each class below summed, and its bias;
* a unit is *fixed* where its effective row is the same at both ends and reads
  no class that is not fixed;
* a unit whose effective row is zero at both ends computes zero, and what it
  feeds does not matter.

If the output reads fixed classes alone, it is affine in t on every input; if
its effective weights also agree at both ends, it is constant.  A unit that
cannot reach the output has zero columns into all that can, so that it is
never read.  The argument holds for channels as for neurons: units that are
equal as maps stay equal through ReLU, pooling and flattening.

Weights are compared as the real numbers that they are: sums over a class by
error-free transformations (``kernels.paths.exact``), never by a threshold.
Where sums differ by no more than the rounding of their own terms, as those of
columns r w and (1 - r) w differ from w, the units of a *fixed* class may
differ a little: the proof then is not ``exact``, and :class:`Drift` has the
differences, layer by layer, from which ``certificates.mismatch`` bounds what
they do to the outputs.  Classes that vary are of units that are exactly
equal, and a column that must be zero is exactly zero.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kernels.networks import Parameters, columns
from kernels.paths.classes import Below

Layer = tuple[Tensor, Tensor | None]
Row = tuple[Tensor, Tensor]

_CHUNK = 1 << 17  # weights held at once, in float64: they stay in cache


@dataclass(frozen=True)
class Drift:
    """How far one layer's units may be from the first of their class.

    ``weight`` and ``bias``: of the layer's shape, float64, nonnegative:
    bounds on the effective rows' differences, at the columns of the first
    unit of each class below; ``stays``: the units that do not vary.
    """

    weight: Tensor
    bias: Tensor | None
    stays: Tensor


@dataclass(frozen=True)
class Proof:
    """What is proved of a segment.

    ``exact``: of the real numbers that the weights are; else up to what
    ``drift`` (one entry a hidden layer, made where it was asked for) says.
    """

    kind: str
    exact: bool
    drift: tuple[Drift, ...] = ()


def segment_kind(theta: Parameters, other: Parameters) -> str:
    """``"constant"``, ``"affine"`` or ``"general"``, as proved.

    Parameters
    ----------
    theta, other : the segment's ends

    Cost: a few passes over the weights of both, and one sort of the units a
    layer.
    """
    return segment_proof(theta, other).kind


def segment_proof(
    theta: Parameters, other: Parameters, *, drift: bool = False
) -> Proof:
    """The kind of a segment, and whether it holds exactly.

    Parameters
    ----------
    theta, other : the segment's ends
    drift : also collect what a proof that is not exact leaves open
        One float64 copy of the hidden layers.
    """
    with torch.no_grad():
        first = theta[0][0]
        still = first.new_zeros(first.shape[1], dtype=torch.bool)
        units = torch.arange(len(still), device=first.device)
        below = Below(len(still), units, units[:0], units[:0], still, True)
        drifts = []
        for pair, twin in zip(theta[:-1], other[:-1]):
            rows = _Rows(pair, twin, below)
            below = rows.classes()
            if drift:
                drifts.append(rows.drift(below))
        output = _Rows(theta[-1], other[-1], below)
        if bool(output.reads.any()):
            return Proof("general", True)
        if not bool(output.fixed.all()):
            return Proof("affine", below.exact, tuple(drifts))
        exact = below.exact and bool(output.same.all())
        return Proof("constant", exact, tuple(drifts))


class _Rows:
    """What is known of each effective row of one layer.

    ``fixed``: the same at both ends, ``same``: exactly so; ``reads``: reads
    what varies; ``zero``: zero at both ends; ``key``: the row projected on a
    random direction, so that equal rows have nearly equal keys; ``size``: the
    terms of the key, their absolute values summed.

    Most rows are settled by their bits or by keys that differ by more than
    rounding can do; the sums of the others are compared exactly.
    """

    def __init__(self, pair: Layer, twin: Layer, below: Below) -> None:
        moves = pair[0] is not twin[0] or pair[1] is not twin[1]
        self.ends = (pair, twin) if moves else (pair,)
        self.below = below
        # what rounding the terms of a sum once or twice can do to it
        self.rounding = 2 * torch.finfo(pair[0].dtype).eps
        self.near = max(1e-9, 8 * self.rounding)
        self.ray, self.bias_ray = _ray(pair[0], below)
        self.read = below.spread(torch.ones_like(below.varies))[:, None]
        self.varies = below.spread(below.varies)[:, None]
        rows = pair[0].shape[0]
        self.step = max(1, _CHUNK * rows // max(1, pair[0].numel()))
        known = [
            self._look(slice(start, start + self.step))
            for start in range(0, max(rows, 1), self.step)
        ]
        self.fixed, self.same, self.reads, self.zero, self.size, self.key = (
            map(torch.cat, zip(*known))
        )

    def views(self, rows: slice | Tensor) -> Iterator[Row]:
        """The rows at each end: (rows, units, block) and (rows, 1)."""
        for weight, bias in self.ends:
            view = columns(weight, self.below.units)[rows]
            if bias is None:
                yield view, view.new_zeros(len(view), 1)
            else:
                yield view, bias[rows][:, None]

    def gaps(self, one: Row, other: Row) -> Row:
        """Bounds and terms of two effective rows' difference, with bias."""
        (left, b), (right, c) = one, other
        bound, size = (part.flatten(1) for part in self.below.gap(left, right))
        b, c = b.double(), c.double()
        return (
            torch.cat([bound, (b - c).abs()], 1),
            torch.cat([size, b.abs() + c.abs()], 1),
        )

    def agree(
        self, one: Row, other: Row, doubt: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Per row: equal up to rounding, and exactly equal.

        Rows that are not in ``doubt`` and not the same bits are neither.
        """
        same = _among(one[0] != other[0])
        same |= _among(one[1] != other[1])
        open_ = same if doubt is None else same & doubt
        close, same = ~same, ~same
        rows = torch.nonzero(open_)[:, 0]
        if len(rows):
            bound, size = self.gaps(
                (one[0][rows], one[1][rows]), (other[0][rows], other[1][rows])
            )
            most = (size * self.rounding).clamp_max(1e308)  # not inf
            close[rows] = (bound <= most).all(1)
            same[rows] = (bound == 0).all(1)
        return close, same

    def _look(self, rows: slice) -> tuple[Tensor, ...]:
        ends = list(self.views(rows))
        keys, sizes = zip(*(self._key(*end) for end in ends))
        fixed = same = torch.ones_like(keys[0], dtype=torch.bool)
        size, key = sizes[0], keys[0]
        if len(ends) == 2:
            size = sizes[0] + sizes[1]
            apart = (keys[0] - keys[1]).abs() > self.near * size
            fixed, same = self.agree(ends[0], ends[1], ~apart)
            key = keys[0] + keys[1] / 2
        zero = torch.ones_like(fixed)
        reads = torch.zeros_like(fixed)
        for end, at, terms in zip(ends, keys, sizes):
            zero &= at.abs() <= self.near * terms
            zero[zero.clone()] = self._vanish(end, zero)
            reads |= self._reads(end[0], terms, ~reads)
        return fixed, same, reads, zero, size, key

    def _key(self, view: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        wide, offset = view.flatten(1).double(), bias[:, 0].double()
        terms = torch.linalg.vector_norm(wide, 1, dim=1) + offset.abs()
        return wide @ self.ray + self.bias_ray * offset, terms

    def _vanish(self, end: Row, rows: Tensor) -> Tensor:
        """Which of ``rows`` are exactly zero."""
        view, bias = end[0][rows], end[1][rows]
        some = _among((view != 0) & self.read)
        doubt = torch.nonzero(some)[:, 0]
        if len(doubt) and len(self.below.more):
            bound, _ = self.below.gap(view[doubt], None)
            some[doubt] = _among(bound != 0)
        return ~some & (bias[:, 0] == 0)

    def _reads(self, view: Tensor, terms: Tensor, rows: Tensor) -> Tensor:
        """Which of ``rows`` read a class that varies, unless exactly not."""
        varies = self.below.varies
        if not bool(varies.any()):
            return torch.zeros_like(rows)
        reads = rows & _among((view != 0) & self.varies)
        if len(self.below.more):  # sums that cancel?
            ray = self.ray * self.varies.expand_as(view[0]).flatten()
            found = (view.flatten(1).double() @ ray).abs()
            doubt = torch.nonzero(reads & ~(found > self.near * terms))[:, 0]
            if len(doubt):
                bound, _ = self.below.gap(view[doubt], None)
                reads[doubt] = _among(bound[:, varies] != 0)
        return reads

    def classes(self) -> Below:
        """Put units with equal rows in one class, leave out the zero ones."""
        live = torch.nonzero(~self.zero)[:, 0]
        order = live[torch.argsort(self.key[live])]
        varies = ~self.fixed | self.reads
        equal, same = self._equal(order[:-1], order[1:], varies)
        opens = torch.ones_like(order, dtype=torch.bool)
        opens[1:] = ~equal
        first, more = order[opens], order[~opens]
        label = (torch.cumsum(opens, 0) - 1)[~opens]
        exact = self.below.exact and bool(
            (self.same | varies).all() and same[equal].all()
        )
        return Below(len(varies), first, more, label, varies[first], exact)

    def _equal(
        self, units: Tensor, others: Tensor, varies: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Which pairs of units have equal effective rows at both ends."""
        apart = (self.key[units] - self.key[others]).abs()
        equal = apart <= self.near * self.size[units]
        exact = torch.zeros_like(equal)
        for chunk in torch.split(torch.nonzero(equal)[:, 0], self.step):
            close = torch.ones_like(chunk, dtype=torch.bool)
            same = close.clone()
            for left, right in zip(
                self.views(units[chunk]), self.views(others[chunk])
            ):
                for known, found in zip(
                    (close, same), self.agree(left, right)
                ):
                    known &= found
            vary = varies[units[chunk]] | varies[others[chunk]]
            equal[chunk] = torch.where(vary, same & self.below.exact, close)
            exact[chunk] = same
        return equal, exact

    def drift(self, above: Below) -> Drift:
        """How far each unit of a fixed class is from the class's first."""
        count, below = len(self.fixed), self.below
        stays = (self.fixed & ~self.reads) | self.zero
        home = torch.arange(count, device=stays.device)
        home[above.more] = above.first[above.label]
        weight, bias = self.ends[0]
        spread = torch.zeros_like(weight, dtype=torch.float64)
        into = columns(spread, below.units)
        offset = spread.new_zeros(count)
        moving = torch.nonzero(stays & ~self.zero)[:, 0]
        for chunk in torch.split(moving, self.step):
            start = next(iter(self.views(home[chunk])))
            bound: Any = None
            for end in self.views(chunk):
                found, _ = self.gaps(end, start)
                bound = found if bound is None else bound.maximum(found)
            part = bound[:, :-1].unflatten(1, (-1, into.shape[2]))
            into[chunk[:, None], below.first] = part
            offset[chunk] = bound[:, -1]
        return Drift(spread, None if bias is None else offset, stays)


def _ray(weight: Tensor, below: Below) -> Row:
    """A direction for the keys, the same for equal units: flat; the bias's."""
    block = weight[0].numel() // max(1, below.units)
    generator = torch.Generator().manual_seed(len(below.first) * block + 1)
    count = len(below.first) * block + 1
    ray = torch.rand(count, generator=generator, dtype=torch.float64)
    ray = ray.to(weight.device)
    return below.spread(ray[:-1].unflatten(0, (-1, block))).flatten(), ray[-1]


def _among(found: Tensor) -> Tensor:
    """Which rows have any."""
    return found.flatten(1).any(1)
