"""ReLU on pieces: what is stable passes, what flips is boxed or cut."""

from functools import reduce

import torch
from torch import Tensor

from kernels.certificates.pieces import polynomials as poly
from kernels.certificates.pieces.layers import Pieces
from kernels.certificates.pieces.roots import isolate

Boxed = tuple[tuple[Tensor, Tensor], Tensor]  # (piece, unit), features there
Cuts = tuple[Tensor, Tensor, Tensor]  # piece, unit, place

_UP = 1 + 1e-12


def relu(z: Pieces, slack: Tensor, gain: Tensor) -> tuple[Pieces, Tensor]:
    """The features after ReLU, on as many pieces as that takes.

    A unit whose sign is certain on the piece passes or vanishes.  Of the
    others, a unit that can be relaxed at little cost is: with l <= z <= u
    and l < 0 < u, ReLU is within mu = -l u / (2 (u - l)) of lambda z + mu,
    lambda = u / (u - l).  Cheap is mu times ``gain`` (units,), the unit's
    weight in the outputs, up to ``slack`` (samples,).  For the rest the piece
    is cut at the unit's roots; on each part the unit passes or vanishes, and
    its box grows by how far the cut may be from the root.

    Returns the pieces and, for each cut, its sample.
    """
    shape, rho = z.rho.shape, z.rho.flatten(1)
    h = z.h.flatten(2)
    top, low = reduce(torch.maximum, h), reduce(torch.minimum, h)
    middle = top + low  # twice the middle, and twice the reach
    on = middle > 0
    reach = (top - low).mul_(poly.LEBESGUE[len(h)])
    reach.add_(rho, alpha=2).mul_(_UP)
    unsure = middle.abs_() <= reach
    piece, unit = torch.nonzero(unsure, as_tuple=True)
    rho = rho * on
    boxed = cuts = None
    if len(piece):
        boxed, cuts = _unsure(z, rho, on, piece, unit, slack, gain)
    out = Pieces(z.sample, z.lo, z.hi, h * on, rho)
    if boxed is not None:
        (p, u), values = boxed
        out.h[:, p, u] = values
    cut = z.sample[:0]
    if cuts is not None:
        cut = z.sample[cuts[0]]
        out = _cut(out, h, on, *cuts)
    out.h = out.h.unflatten(2, shape[1:])
    out.rho = out.rho.unflatten(1, shape[1:])
    return out, cut


def _unsure(
    z: Pieces,
    rho: Tensor,
    on: Tensor,
    piece: Tensor,
    unit: Tensor,
    slack: Tensor,
    gain: Tensor,
) -> tuple[Boxed | None, Cuts | None]:
    """Settle each unsure (piece, unit).

    Returns the features of those that are boxed, and the cuts that remain.
    ``rho`` and ``on`` are changed in place.
    """
    radius = z.rho.flatten(1)[piece, unit]
    h = z.h.flatten(2)[:, piece, unit]
    c = poly.apply(poly.to_coefficients(len(h)), h)
    lo, hi = z.lo[piece], z.hi[piece]
    e, w = poly.rounding(c), hi - lo
    dev = poly.curvature(c) * w * w * (0.125 + 1e-12) + e
    ends = torch.stack([poly.evaluate(c, lo), poly.evaluate(c, hi)])
    least = (ends.amin(0) - dev - radius) - e
    most = (ends.amax(0) + dev + radius) + e
    active, flat = least >= 0, most <= 0
    active |= (h == 0).all(0)  # |ReLU| is at most radius there
    # on a line: how far from it ReLU can be
    slope = most / (most - least)
    mu = slope * -least / 2 * _UP
    within = torch.minimum(-least, most) <= 1.25 * radius + 32 * e
    cheap = (mu * gain[unit] <= slack[z.sample[piece]]) | within
    boxed = cheap & ~(active | flat)
    rest = ~(active | flat | boxed)

    on[piece, unit] = active | boxed | (rest & (ends[0] > 0))
    rho[piece, unit] = torch.where(active, radius, 0.0)
    lines = None
    if bool(boxed.any()):
        p, u = piece[boxed], unit[boxed]
        slope, mu = slope[boxed], mu[boxed]
        lines = (p, u), slope * h[:, boxed] + mu
        size = c[:, boxed].abs().sum(0) * slope + mu
        rho[p, u] = (slope * radius[boxed] + mu + 16 * poly.UNIT * size) * _UP
    if not bool(rest.any()):
        return lines, None
    piece, unit, radius = piece[rest], unit[rest], radius[rest]
    item, at, loose, zeta = isolate(c[:, rest], lo[rest], hi[rest], radius)
    stays = loose | (ends[0][rest] > 0)
    rho[piece, unit] = torch.where(stays, (radius + zeta) * _UP, 0.0)
    if not len(item):
        return lines, None
    return lines, (piece[item], unit[item], at)


def _cut(
    z: Pieces,
    before: Tensor,
    on: Tensor,
    piece: Tensor,
    unit: Tensor,
    at: Tensor,
) -> Pieces:
    """Cut pieces at the places ``at``; there the units change sign.

    ``before`` (q, P, units): what they pass on where they are on, and which
    are ``on`` at each piece's start.
    """
    order = torch.argsort(at)
    order = order[torch.argsort(piece[order], stable=True)]
    piece, unit, at = piece[order], unit[order], at[order]
    parent, first, lo, hi = divide(z, piece, at)
    # a unit that was cut there has another sign on all later parts
    parts = torch.bincount(piece, minlength=len(z)) + 1
    number = torch.arange(len(piece), device=at.device) + 1 + piece
    later = first[piece] + parts[piece] - number
    child = number.repeat_interleave(later)
    start = torch.cumsum(later, 0) - later
    child += torch.arange(len(child), device=at.device)
    child -= start.repeat_interleave(later)
    units = on.shape[1]
    flat, times = torch.unique(
        child * units + unit.repeat_interleave(later), return_counts=True
    )
    flat = flat[times % 2 == 1]
    child, unit = flat // units, flat % units
    real = hi > lo
    if not bool(real.all()):
        kept = real[child]
        child, unit = (torch.cumsum(real, 0) - 1)[child[kept]], unit[kept]
        parent, lo, hi = parent[real], lo[real], hi[real]
    out = z.pick(parent)
    out.lo, out.hi = lo, hi
    origin = parent[child]
    flipped = ~on[origin, unit]
    out.h[:, child, unit] = before[:, origin, unit] * flipped
    return out


def divide(
    z: Pieces, piece: Tensor, at: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Parts of pieces cut at ``at``, sorted by piece and place.

    Returns each part's parent and, for each piece, its first part; the parts'
    ends.  Parts can be empty.
    """
    counts = torch.bincount(piece, minlength=len(z)) + 1
    first = torch.cumsum(counts, 0) - counts
    parent = torch.arange(len(z), device=at.device).repeat_interleave(counts)
    lo, hi = z.lo[parent], z.hi[parent]
    number = torch.arange(len(piece), device=at.device) + piece
    hi[number] = at  # the part before the cut ends there
    lo[number + 1] = at
    return parent, first, lo, hi
