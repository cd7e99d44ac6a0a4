"""ReLU on pieces: what is stable passes, what flips is boxed or cut."""

import torch
from torch import Tensor

from kernels.certificates.pieces import polynomials as poly
from kernels.certificates.pieces.layers import Pieces
from kernels.certificates.pieces.roots import isolate

Cuts = tuple[Tensor, Tensor, Tensor]  # piece, unit, place

_UP = 1 + 1e-12
MOST = 1 << 25  # numbers that the parts of several pieces may hold


class TooMany(Exception):
    """Several pieces are cut into more parts than should be held at once."""


def relu(z: Pieces, slack: Tensor, gain: Tensor) -> tuple[Pieces, Tensor]:
    """The features after ReLU, on as many pieces as that takes.

    A unit whose sign is certain on the piece passes or vanishes.  Of the
    others, a unit that can be relaxed at little cost is: with l <= z <= u
    and l < 0 < u, ReLU is within mu = -l u / (2 (u - l)) of lambda z + mu,
    lambda = u / (u - l).  Cheap is mu times ``gain`` (units,), the unit's
    weight in the outputs, up to ``slack`` (samples,).  For the rest the piece
    is cut at the unit's roots; on each part the unit passes or vanishes, and
    its box grows by how far the cut may be from the root.

    Returns the pieces and, for each cut, its sample.  Takes the memory of
    ``z`` over.  Raises TooMany where the parts of several pieces would hold
    more than ``MOST`` numbers: fewer pieces will do.
    """
    shape = z.rho.shape[1:]
    z = Pieces(z.sample, z.lo, z.hi, z.h.flatten(2), z.rho.flatten(1))
    top, low = z.h.amax(0), z.h.amin(0)
    reach = top - low  # twice the reach, and twice the middle:
    middle = top.add_(low)
    on = (middle > 0).double()
    middle.abs_()
    z.size = torch.add(middle, reach, out=low)
    reach.mul_(poly.LEBESGUE[len(z.h)] * _UP).add_(z.rho, alpha=2 * _UP)
    unsure = torch.nonzero((middle <= reach).flatten())[:, 0]
    radius = z.rho.flatten()[unsure]
    z.rho.mul_(on)
    cuts = _settle(z, on, unsure, radius, slack, gain) if len(unsure) else None
    if cuts is None:
        out, cut = z, z.sample[:0]
        out.h.mul_(on)
        z.size.mul_(on)
    else:
        _check_parts(z, cuts[0])
        out, cut = _cut(z, on, *cuts), z.sample[cuts[0]]
    out.h = out.h.unflatten(2, shape)
    out.rho = out.rho.unflatten(1, shape)
    out.size = out.size.unflatten(1, shape)
    return out, cut


def _settle(
    z: Pieces,
    on: Tensor,
    unsure: Tensor,
    radius: Tensor,
    slack: Tensor,
    gain: Tensor,
) -> Cuts | None:
    """Settle each unsure unit of a piece; returns the cuts that remain.

    ``unsure`` (K,) counts units piece by piece, ``radius`` (K,) is their rho.
    Changed in place: ``on`` (P, units) is 1 where a unit passes at the start
    of the piece and 0 elsewhere, ``z`` has the lines of those that are boxed,
    and their boxes.
    """
    units = on.shape[1]
    piece, unit = unsure // units, unsure % units
    h = z.h.flatten(1).index_select(1, unsure)
    c = poly.apply(poly.to_coefficients(len(h)), h)
    lo, hi = z.lo[piece], z.hi[piece]
    e, w = poly.rounding(c), hi - lo
    dev = poly.curvature(c) * w * w * (0.125 + 1e-12) + e
    ends = poly.evaluate(c, lo), poly.evaluate(c, hi)
    least = torch.minimum(*ends) - dev - radius - e
    most = torch.maximum(*ends) + dev + radius + e
    active, flat = least >= 0, most <= 0
    active |= (h == 0).all(0)  # |ReLU| is at most radius there
    # on a line: how far from it ReLU can be
    slope = most / (most - least)
    mu = slope * -least / 2 * _UP
    within = torch.minimum(-least, most) <= 1.25 * radius + 32 * e
    cheap = (mu * gain[unit] <= slack[z.sample[piece]]) | within
    boxed = cheap & ~(active | flat)
    rest = ~(active | flat | boxed)

    starts = ends[0] > 0
    on.view(-1)[unsure] = (active | boxed | (rest & starts)).double()
    box = torch.where(active, radius, 0.0)
    some = torch.nonzero(boxed)[:, 0]
    if len(some):
        slope, mu = slope[some], mu[some]
        line = h.index_select(1, some).mul_(slope).add_(mu)
        z.h.view(len(h), -1).index_copy_(1, unsure[some], line)
        size = c.index_select(1, some).abs().sum(0) * slope + mu
        z.size.view(-1)[unsure[some]] = 2 * size * _UP
        over = slope * radius[some] + mu
        box[some] = (over + 16 * poly.UNIT * size) * _UP
    rest = torch.nonzero(rest)[:, 0]
    cuts = None
    if len(rest):
        radius = radius[rest]
        item, at, loose, zeta = isolate(
            c.index_select(1, rest), lo[rest], hi[rest], radius
        )
        stays = loose | starts[rest]
        box[rest] = torch.where(stays, (radius + zeta) * _UP, 0.0)
        if len(item):
            item_of = rest[item]
            cuts = piece[item_of], unit[item_of], at
    z.rho.view(-1)[unsure] = box
    return cuts


def _check_parts(z: Pieces, piece: Tensor) -> None:
    """Raise TooMany where fewer pieces at once would need less memory."""
    each = torch.bincount(piece, minlength=len(z))
    signs = int((each * (each + 1)).sum()) // 2  # that `_cut` turns round
    numbers = (len(z) + len(piece)) * z.h[:, 0].numel()
    if len(z) > 1 and max(signs, numbers) > MOST:
        raise TooMany


def _cut(
    z: Pieces, on: Tensor, piece: Tensor, unit: Tensor, at: Tensor
) -> Pieces:
    """Cut pieces at the places ``at``; there the units change sign.

    ``z`` has what units pass on where they are on; ``on`` (P, units) is 1
    where they are at each piece's start, else 0.
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
    on = on.index_select(0, parent)
    flipped = child * units + unit
    on.view(-1)[flipped] = 1 - on.view(-1)[flipped]
    out.h.mul_(on)
    out.size.mul_(on)
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
