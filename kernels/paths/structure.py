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

from dataclasses import dataclass

import torch
from torch import Tensor

from kernels.networks import Parameters, columns
from kernels.paths.exact import gap

_CHUNK = 1 << 17  # effective weights held at once: they stay in cache


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

    ``theta`` and ``other`` are the segment's ends.  Cost: a few passes over
    the weights of both, and one sort of the units a layer.
    """
    return segment_proof(theta, other).kind


def segment_proof(
    theta: Parameters, other: Parameters, *, drift: bool = False
) -> Proof:
    """The same, and whether it holds exactly.

    ``drift``: also collect what a proof that is not exact leaves open; one
    float64 copy of the hidden layers.
    """
    with torch.no_grad():
        first = theta[0][0]
        still = torch.zeros(first.shape[1], dtype=bool, device=first.device)
        below = _Below(first.shape[1], None, None, None, still, True)
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


@dataclass(frozen=True)
class _Below:
    """The features that a layer reads, in classes of equal ones.

    ``first``: one unit of each class; ``more`` and ``label``: the others, and
    the classes they belong to.  ``first`` None: each unit is its own class.
    ``exact``: the units of a class are equal, not nearly so.
    """

    units: int
    first: Tensor | None  # (classes,)
    more: Tensor | None  # (others,)
    label: Tensor | None  # (others,)
    varies: Tensor  # (classes,)
    exact: bool

    def sums(self, weight: Tensor) -> Tensor:
        """(rows, units, block) to (rows, classes, block): columns summed."""
        if self.first is None:
            return weight
        summed = weight[:, self.first]
        if not len(self.more):
            return summed
        return summed.index_add_(1, self.label, weight[:, self.more])

    def gap(self, left: Tensor, right: Tensor | None):
        """Bounds (rows, classes, block) on the sums' exact difference, and
        the sum of their terms' absolute values."""
        return gap(left, right, self.first, self.more, self.label)


class _Rows:
    """What is known of each effective row of one layer.

    ``fixed``: the same at both ends, ``same``: exactly so; ``reads``: reads
    what varies; ``zero``: zero at both ends; ``key``: the row projected on a
    random direction, so that equal rows have nearly equal keys; ``size``: the
    largest entry.
    """

    def __init__(self, pair, twin, below):
        moves = pair[0] is not twin[0] or pair[1] is not twin[1]
        self.ends = (pair, twin) if moves else (pair,)
        self.below = below
        # what rounding the terms of a sum once or twice can do to it
        self.rounding = 2 * torch.finfo(pair[0].dtype).eps
        rows = pair[0].shape[0]
        self.step = max(1, _CHUNK * rows // max(1, pair[0].numel()))
        known = [
            self._look(slice(start, start + self.step))
            for start in range(0, max(rows, 1), self.step)
        ]
        self.fixed, self.same, self.reads, self.zero, self.size, self.key = (
            map(torch.cat, zip(*known))
        )

    def views(self, rows):
        """The rows at each end, float64: (rows, units, block), (rows, 1)."""
        for weight, bias in self.ends:
            view = columns(weight, self.below.units)[rows].double()
            if bias is None:
                yield view, view.new_zeros(len(view), 1)
            else:
                yield view, bias[rows].double()[:, None]

    def gaps(self, one, other):
        """Bounds and terms of two effective rows' difference, with bias."""
        (left, b), (right, c) = one, other
        bound, size = (part.flatten(1) for part in self.below.gap(left, right))
        return (
            torch.cat([bound, (b - c).abs()], 1),
            torch.cat([size, b.abs() + c.abs()], 1),
        )

    def agree(self, one, other):
        """Per row: equal up to rounding, and exactly equal."""
        bound, size = self.gaps(one, other)
        most = (size * self.rounding).clamp_max(1e308)  # inf is not close
        return (bound <= most).all(1), (bound == 0).all(1)

    def _look(self, rows):
        ends = list(self.views(rows))
        count, device = len(ends[0][0]), ends[0][0].device
        fixed = torch.ones(count, dtype=bool, device=device)
        same = fixed
        if len(ends) == 2:
            fixed, same = self.agree(*ends)
        size = ends[0][0].new_zeros(count)
        key = 0.0
        for weight, (view, bias) in zip((1.0, 0.5), ends):
            sums = torch.cat([self.below.sums(view).flatten(1), bias], 1)
            key = key + weight * (sums @ _ray(sums))
            torch.maximum(size, _largest(sums), out=size)
        zero = size == 0
        if self.below.first is not None and len(self.below.more):
            for row in torch.nonzero(zero)[:, 0]:  # but for rounding?
                zero[row] = all(self._vanishes(end, row) for end in ends)
        return fixed, same, self._reads(ends), zero, size, key

    def _vanishes(self, end, row):
        view, bias = end
        bound, _ = self.below.gap(view[row : row + 1], None)
        return bool((bound == 0).all() & (bias[row] == 0).all())

    def _reads(self, ends):
        """Which rows read a class that varies, unless exactly not."""
        below = self.below
        reads = torch.zeros(
            len(ends[0][0]), dtype=bool, device=ends[0][0].device
        )
        if not bool(below.varies.any()):
            return reads
        which = below.varies
        units = torch.nonzero(which)[:, 0]
        if below.first is not None:
            units = torch.cat(
                [below.first[which], below.more[which[below.label]]]
            )
        for view, _ in ends:
            some = (view[:, units] != 0).flatten(1).any(1) & ~reads
            rows = torch.nonzero(some)[:, 0]
            if below.first is None or not len(below.more):
                reads |= some
            elif len(rows):
                bound, _ = below.gap(view[rows], None)
                reads[rows] = (bound[:, which] != 0).flatten(1).any(1)
        return reads

    def classes(self):
        """Put units with equal rows in one class, leave out the zero ones."""
        live = torch.nonzero(~self.zero)[:, 0]
        order = live[torch.argsort(self.key[live])]
        varies = ~self.fixed | self.reads
        equal, same = self._equal(order[:-1], order[1:], varies)
        opens = torch.ones(len(order), dtype=bool, device=order.device)
        opens[1:] = ~equal
        first, more = order[opens], order[~opens]
        label = (torch.cumsum(opens, 0) - 1)[~opens]
        exact = self.below.exact and bool(
            (self.same | varies).all() and same[equal].all()
        )
        if len(first) == len(varies):
            return _Below(len(first), None, None, None, varies, exact)
        return _Below(len(varies), first, more, label, varies[first], exact)

    def _equal(self, units, others, varies):
        """Which pairs of units have equal effective rows at both ends."""
        near = (self.key[units] - self.key[others]).abs()
        cols = self.ends[0][0].shape[1:].numel() + 1
        scale = max(1e-9, 8 * self.rounding)
        equal = near <= scale * cols * self.size[units]
        exact = torch.zeros_like(equal)
        for chunk in torch.split(torch.nonzero(equal)[:, 0], self.step):
            close = torch.ones(len(chunk), dtype=bool, device=chunk.device)
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

    def drift(self, above):
        """How far each unit of a fixed class is from the class's first."""
        count, below = len(self.fixed), self.below
        stays = (self.fixed & ~self.reads) | self.zero
        home = torch.arange(count, device=stays.device)
        if above.first is not None:
            home[above.more] = above.first[above.label]
        weight, bias = self.ends[0]
        spread = torch.zeros_like(weight, dtype=torch.float64)
        into = columns(spread, below.units)
        offset = spread.new_zeros(count)
        moving = torch.nonzero(stays & ~self.zero)[:, 0]
        for chunk in torch.split(moving, self.step):
            start = next(iter(self.views(home[chunk])))
            bound = None
            for end in self.views(chunk):
                found, _ = self.gaps(end, start)
                bound = found if bound is None else bound.maximum(found)
            block = into.shape[2]
            read = (bound.shape[1] - 1) // block
            part = bound[:, :-1].reshape(len(chunk), read, block)
            if below.first is None:
                into[chunk] = part
            else:
                into[chunk[:, None], below.first] = part
            offset[chunk] = bound[:, -1]
        return Drift(spread, None if bias is None else offset, stays)


def _ray(rows):
    """A direction for the keys; the same for all chunks of a layer."""
    generator = torch.Generator().manual_seed(rows.shape[1])
    ray = torch.rand(rows.shape[1], generator=generator, dtype=rows.dtype)
    return ray.to(rows.device)


def _largest(rows):
    """The largest absolute value of each row."""
    if not rows.shape[1]:
        return rows.new_zeros(len(rows))
    return rows.abs().amax(1)
