"""The loss and the error on pieces of the outputs."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from kernels.certificates.pieces import polynomials as poly
from kernels.certificates.pieces.layers import Pieces
from kernels.networks import losses

_UP = 1 + 1e-12


@dataclass
class Bounds:
    """What is known of some samples on an interval.

    ``left``, ``right`` (n,): at least the loss at the interval's ends;
    ``excess`` (n,): the loss is below the chord of both plus this;
    ``wrong``: sample, start and stop in [-1, 1] of all parts on which a sample
    may be classified wrongly, sorted; ``pieces`` and ``cuts`` (n,) how many.
    """

    left: Tensor
    right: Tensor
    excess: Tensor
    wrong: tuple[Tensor, Tensor, Tensor]
    pieces: Tensor
    cuts: Tensor

    def replace(self, index: Tensor, other: "Bounds") -> None:
        """Take the samples ``index`` from ``other``, which has those alone."""
        for name in ("left", "right", "excess", "pieces", "cuts"):
            getattr(self, name)[index] = getattr(other, name)
        kept = torch.ones_like(self.left, dtype=torch.bool)
        kept[index] = False
        kept = kept[self.wrong[0]]
        own = [part[kept] for part in self.wrong]
        new = [index[other.wrong[0]], *other.wrong[1:]]
        sample, start, stop = (torch.cat(pair) for pair in zip(own, new))
        self.wrong = sample, start, stop

    def mean(self) -> float:
        """At least the mean loss anywhere on the interval."""
        n = len(self.left)
        ends = torch.maximum(self.left.mean(), self.right.mean())
        sizes = self.left.abs() + self.right.abs() + self.excess
        upper = ends + self.excess.mean()
        upper = upper + 4 * (n + 8) * poly.UNIT * sizes.mean()
        found = float(upper)
        return math.inf if math.isnan(found) else found

    def error(self) -> tuple[float, float]:
        """At least the largest error rate on the interval, and where.

        As many parts as nowhere else overlap around that place, which is in
        their middle: at its ends rounding decides.
        """
        start, stop = merge(*self.wrong)
        if not len(start):
            return 0.0, 0.0
        start, stop = start.sort().values, stop.sort().values
        over = torch.arange(1, len(start) + 1, device=start.device)
        over = over - torch.searchsorted(stop, start)
        most = int(over.argmax())
        first = start[most]
        behind = int(torch.searchsorted(stop, first))
        last = stop[min(behind, len(stop) - 1)]
        return float(over[most]) / len(self.left), float(first + last) / 2


def merge(
    sample: Tensor, start: Tensor, stop: Tensor
) -> tuple[Tensor, Tensor]:
    """Unions of parts that touch, sample by sample: starts and stops."""
    order = torch.argsort(start)
    order = order[torch.argsort(sample[order], stable=True)]
    sample, start, stop = sample[order], start[order], stop[order]
    opens = torch.ones_like(sample, dtype=torch.bool)
    opens[1:] = (sample[1:] != sample[:-1]) | (start[1:] > stop[:-1])
    closes = torch.ones_like(opens)
    closes[:-1] = opens[1:]
    return start[opens], stop[closes]


def summarise(
    z: Pieces, y: Tensor, loss: str
) -> tuple[list[Tensor], tuple[Tensor, Tensor]]:
    """Losses and wrong parts of pieces of the outputs.

    ``y`` as ``losses.targets`` gives it, of all samples.  Returns the losses
    at both ends of each piece, each at least the true one there; under their
    chord on the piece; and of each piece ``wrong_from``, ``wrong_to`` in
    [-1, 1], twice: before and after the part where it is surely right, with
    NaN where there is none.
    """
    y = y[z.sample]
    c = poly.apply(poly.to_coefficients(len(z.h)), z.h)
    w = (z.hi - z.lo)[:, None]
    e = poly.rounding(c)
    box = (poly.curvature(c) * w * w * (0.125 + 1e-12) + 2 * e + z.rho) * _UP
    ends = [poly.evaluate(c, place[:, None]) for place in (z.lo, z.hi)]
    return (
        [_loss(end, box, y, loss) for end in ends],
        _wrong([_margin(end, box, y) for end in ends], z.lo, z.hi),
    )


def _loss(z: Tensor, box: Tensor, y: Tensor, loss: str) -> Tensor:
    """At least the largest loss in the box around each output."""
    if loss == "square":
        far = ((z - y).abs() * (1 + 4 * poly.UNIT) + box) * _UP
        far = far + 4 * poly.UNIT * (z.abs() + y.abs())
        return far.square().sum(1) * (1 + (z.shape[1] + 8) * 2 * poly.UNIT)
    own = y[:, None]
    worst = z + box
    worst.scatter_(1, own, (z - box).gather(1, own))
    value = losses.sample_losses(worst, y, loss)
    size = worst.abs().amax(1) + value + 1
    return value + 8 * (z.shape[1] + 16) * poly.UNIT * size


def _margin(z: Tensor, box: Tensor, y: Tensor) -> Tensor:
    """Own output less each rival's, at least, over the box; (P, rivals)."""
    own = losses.labels(y)[:, None]
    slack = 4 * poly.UNIT * (z.abs().amax(1, True) + box.amax(1, True))
    if z.shape[1] == 1:
        return torch.where(own > 0, z, -z) - box - slack - poly.TINY
    mine = (z - box).gather(1, own)
    margins = mine - (z + box) - slack - poly.TINY
    return margins.scatter(1, own, torch.inf)


def _wrong(
    margins: list[Tensor], lo: Tensor, hi: Tensor
) -> tuple[Tensor, Tensor]:
    """Parts of each piece on which some margin may be at most zero."""
    a, b = margins
    s = a / (a - b)  # where the line vanishes
    left = torch.where(a > 0, -1.0, torch.where(b > 0, s + 1e-12, 2.0))
    right = torch.where(b > 0, 2.0, torch.where(a > 0, s - 1e-12, -1.0))
    left = torch.where(a == torch.inf, -1.0, left).amax(1)
    right = torch.where(a == torch.inf, 2.0, right).amin(1)
    never = (left >= right) | ~(left < 3) | ~(right > -3)
    left, right = left.clamp(0, 1), right.clamp(0, 1)
    nan = torch.full_like(lo, torch.nan)
    width = hi - lo
    before = torch.where(left > 0, lo + left * width, nan)
    after = torch.where(right < 1, lo + right * width, nan)
    before, after = (
        torch.where(never, hi, before),
        torch.where(never, nan, after),
    )
    # the ends themselves, unrounded; and outward
    before = torch.minimum(before + 4 * poly.UNIT, hi)
    after = torch.maximum(after - 4 * poly.UNIT, lo)
    return before, after
