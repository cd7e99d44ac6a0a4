"""Pooling on pieces."""

import torch
from torch import Tensor

from kernels.certificates.pieces import polynomials as poly
from kernels.certificates.pieces.layers import Pieces
from kernels.certificates.pieces.relu import divide
from kernels.certificates.pieces.roots import isolate
from kernels.networks import Pool

_UP = 1 + 1e-12
_ROUNDS = 4


def average(z: Pieces, pool: Pool) -> Pieces:
    """Averages of polynomials and of boxes."""
    terms = z.h.shape[-1] * z.h.shape[-2] + 8
    h = torch.stack([pool(one) for one in z.h])
    rough = poly.largest(z.h)
    gamma = 2 * terms * poly.UNIT * poly.LEBESGUE[len(h)]
    rho = pool(torch.add(z.rho, rough, alpha=gamma))
    rho = rho * (1 + 2 * terms * poly.UNIT) + poly.TINY
    return Pieces(z.sample, z.lo, z.hi, h, rho)


def maximum(
    z: Pieces, pool: Pool, slack: Tensor, gain: Tensor
) -> tuple[Pieces, Tensor]:
    """Largest of each window: one entry, and by how much another exceeds it.

    The window's winner is the largest in the middle of the piece.  With rho_w
    its box, the true maximum is at least p_w - rho_w and at most p_w + max
    (rho_w, sup(p_k - p_w) + rho_k).  Where the excess sup(p_k - p_w) weighs
    more than ``slack`` the piece is cut where p_k - p_w changes sign, and the
    parts choose their winners anew.  ``gain`` (outputs of the pool, flat).

    Returns the pieces and, for each cut, its sample.
    """
    cuts: list[Tensor] = []
    for turn in range(_ROUNDS + 1):
        h, rho, found = _choose(z, pool, slack, gain, cut=turn < _ROUNDS)
        if found is None:
            break
        piece, place = found
        cuts.append(z.sample[piece])
        parent, _, lo, hi = divide(z, piece, place)
        real = hi > lo
        z = z.pick(parent[real])
        z.lo, z.hi = lo[real], hi[real]
    at = torch.cat(cuts) if cuts else z.sample[:0]
    return Pieces(z.sample, z.lo, z.hi, h, rho), at


def _choose(
    z: Pieces, pool: Pool, slack: Tensor, gain: Tensor, cut: bool
) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor] | None]:
    q = len(z.h)
    rho = pool.windows(z.rho)  # (P, C, rows, columns, places)
    h = pool.windows(z.h.flatten(0, 1)).unflatten(0, (q, -1))
    outer = rho.shape[1:-1]
    h, rho = h.flatten(2, 4), rho.flatten(1, 3)  # (q, P, K, places)
    padding = rho == -torch.inf
    h, rho = h.masked_fill(padding, 0.0), rho.masked_fill(padding, 0.0)
    c = poly.apply(poly.to_coefficients(q), h)

    middle = poly.evaluate(c, ((z.lo + z.hi) / 2)[:, None, None])
    middle = middle.masked_fill(padding, -torch.inf)
    best = middle.argmax(-1, keepdim=True)
    own = best.expand(q, *best.shape)
    e = 4 * poly.rounding(c).amax(-1, True)
    c = c - c.gather(-1, own)  # (q, P, K, size²), the winner's is zero
    w = (z.hi - z.lo)[:, None, None]
    dev = poly.curvature(c) * w * w * (0.125 + 1e-12) + e
    ends = [poly.evaluate(c, p[:, None, None]) for p in (z.lo, z.hi)]
    excess = torch.maximum(*ends) + dev
    excess = excess.masked_fill(padding, -torch.inf)
    excess.scatter_(-1, best, 0.0)
    winner = rho.gather(-1, best)[..., 0]
    above = torch.maximum(winner, (excess + rho).amax(-1)) * _UP
    found = None
    if cut:
        heavy = (
            excess.clamp_min(0) * gain[:, None]
            > slack[z.sample][:, None, None]
        )
        heavy &= (ends[0] > 0) != (ends[1] > 0)
        heavy &= excess > rho + 16 * e
        piece, window, other = torch.nonzero(heavy, as_tuple=True)
        if len(piece):
            picked = c[:, piece, window, other]
            item, place, _, _ = isolate(
                picked, z.lo[piece], z.hi[piece], torch.zeros_like(z.lo[piece])
            )
            inside = (place > z.lo[piece[item]]) & (place < z.hi[piece[item]])
            piece, place = piece[item][inside], place[inside]
            order = torch.argsort(place)
            order = order[torch.argsort(piece[order], stable=True)]
            if len(order):
                found = piece[order], place[order]
    out = h.gather(-1, own)[..., 0].unflatten(-1, outer)
    return out, above.unflatten(-1, outer), found
