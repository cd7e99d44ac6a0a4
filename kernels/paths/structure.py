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

Sums run in float64, whatever the weights' dtype; two effective weights count
as equal when they differ by at most ``TOLERANCE`` times the layer's largest
weight, which is what rounding can do to the sums.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from kernels.networks import Parameters, columns

TOLERANCE = 1e-13
_CHUNK = 1 << 17  # effective weights held at once: they stay in cache


def segment_kind(theta: Parameters, other: Parameters) -> str:
    """``"constant"``, ``"affine"`` or ``"general"``, as proved.

    ``theta`` and ``other`` are the segment's ends.  Cost: a few passes over
    the weights of both, and one sort of the units a layer.
    """
    with torch.no_grad():
        first = theta[0][0]
        still = torch.zeros(first.shape[1], dtype=bool, device=first.device)
        below = _Below(first.shape[1], None, None, None, still)
        for pair, twin in zip(theta[:-1], other[:-1]):
            below = _Rows(pair, twin, below).classes()
        output = _Rows(theta[-1], other[-1], below)
        if bool(output.reads.any()):
            return "general"
        return "constant" if bool(output.fixed.all()) else "affine"


@dataclass(frozen=True)
class _Below:
    """The features that a layer reads, in classes of equal ones.

    ``first``: one unit of each class; ``more`` and ``label``: the others, and
    the classes they belong to.  ``first`` None: each unit is its own class.
    """

    units: int
    first: Tensor | None  # (classes,)
    more: Tensor | None  # (others,)
    label: Tensor | None  # (others,)
    varies: Tensor  # (classes,)

    def sums(self, weight: Tensor) -> Tensor:
        """(rows, units, block) to (rows, classes, block): columns summed."""
        if self.first is None:
            return weight
        summed = weight[:, self.first]
        return summed.index_add_(1, self.label, weight[:, self.more])


class _Rows:
    """What is known of each effective row of one layer.

    ``fixed``: the same at both ends; ``reads``: reads what varies; ``zero``:
    zero at both ends; ``key``: the row projected on a random direction, so
    that equal rows have equal keys; ``size``: the largest entry.
    """

    def __init__(self, pair, twin, below):
        same = pair[0] is twin[0] and pair[1] is twin[1]
        self.ends = (pair,) if same else (pair, twin)
        self.below = below
        self.tolerance = TOLERANCE * max(_largest(w) for w, _ in self.ends)
        rows = pair[0].shape[0]
        self.step = max(1, _CHUNK * rows // max(1, pair[0].numel()))
        known = [
            self._look(slice(start, start + self.step))
            for start in range(0, max(rows, 1), self.step)
        ]
        self.fixed, self.reads, self.zero, self.size, self.key = map(
            torch.cat, zip(*known)
        )

    def effective(self, rows):
        """The rows at each end: (rows, classes x block [+ 1]), float64.

        They may be views of the weights.
        """
        for weight, bias in self.ends:
            view = columns(weight, self.below.units)[rows].double()
            sums = self.below.sums(view).flatten(1)
            if bias is not None:
                sums = torch.cat([sums, bias[rows].double()[:, None]], 1)
            elif not sums.shape[1]:  # reads zero units alone
                sums = sums.new_zeros(len(sums), 1)
            yield sums

    def _look(self, rows):
        start, *end = self.effective(rows)
        size = start.abs()
        fixed = torch.ones(len(start), dtype=bool, device=start.device)
        ray = _ray(start)
        key = start @ ray
        for moved in end:
            key += 0.5 * (moved @ ray)
            torch.maximum(size, moved.abs(), out=size)
            gap = (moved - start).abs_()  # moved may be the weights
            fixed = gap.amax(1) <= self.tolerance
        reads = torch.zeros_like(fixed)
        varies = self.below.varies
        if bool(varies.any()):
            block = self.ends[0][0][0].numel() // self.below.units
            read = size[:, : len(varies) * block]
            read = read.reshape(len(size), len(varies), block)
            read = read[:, varies].flatten(1) > self.tolerance
            reads = read.any(1)
        size = size.amax(1)
        return fixed, reads, size <= self.tolerance, size, key

    def classes(self):
        """Put units with equal rows in one class, leave out the zero ones."""
        live = torch.nonzero(~self.zero)[:, 0]
        order = live[torch.argsort(self.key[live])]
        equal = self._equal(order[:-1], order[1:])
        opens = torch.ones(len(order), dtype=bool, device=order.device)
        opens[1:] = ~equal
        first, more = order[opens], order[~opens]
        label = (torch.cumsum(opens, 0) - 1)[~opens]
        varies = ~self.fixed | self.reads
        if len(first) == len(varies):
            return _Below(len(first), None, None, None, varies)
        return _Below(len(varies), first, more, label, varies[first])

    def _equal(self, units, others):
        """Which pairs of units have equal effective rows at both ends."""
        close = (self.key[units] - self.key[others]).abs()
        cols = self.ends[0][0].shape[1:].numel() + 1
        equal = close <= 1e-9 * cols * self.size[units]
        pairs = torch.nonzero(equal)[:, 0]
        for chunk in torch.split(pairs, self.step):
            same = torch.ones(len(chunk), dtype=bool, device=chunk.device)
            for left, right in zip(
                self.effective(units[chunk]), self.effective(others[chunk])
            ):
                same &= (left - right).abs().amax(1) <= self.tolerance
            equal[chunk] = same
        return equal


def _ray(rows):
    """A direction for the keys; the same for all chunks of a layer."""
    generator = torch.Generator().manual_seed(rows.shape[1])
    ray = torch.rand(rows.shape[1], generator=generator, dtype=rows.dtype)
    return ray.to(rows.device)


def _largest(weight):
    if not weight.numel():
        return 0.0
    low, high = torch.aminmax(weight)
    return max(-float(low), float(high))
