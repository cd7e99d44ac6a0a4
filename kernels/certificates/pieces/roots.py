"""Where polynomials change sign, isolated for certain."""

import torch
from torch import Tensor

from kernels.certificates.pieces import polynomials as poly

NARROWEST = 1e-13
_STEPS = 60


def isolate(
    c: Tensor, lo: Tensor, hi: Tensor, rho: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Cut each polynomial's piece [lo, hi] at its roots.

    ``c`` (q, K) Chebyshev coefficients, ``lo``, ``hi``, ``rho`` (K,): the true
    function is within ``rho`` of the polynomial.

    Returns ``(item, at, loose, zeta)``: the cuts, as the item's number and the
    place (both (cuts,)); whether the function may have another sign than the
    polynomial somewhere (K,); and how far the polynomial can lie on the wrong
    side of zero between a true root and its cut (K,).  From one end to the
    other the polynomial's sign changes at each cut, starting from the computed
    sign at ``lo``, up to ``zeta``.

    A part is done where the polynomial is away from zero by more than it can
    bend; where it is monotone, with one root; or where it is so small, or so
    narrow, that its size goes to ``zeta``.  Else it is halved.
    """
    bend, loss = poly.curvature(c), poly.rounding(c)
    zeta = torch.zeros_like(lo)
    loose = torch.zeros_like(lo, dtype=torch.bool)
    cuts, alone = [], []  # alone: parts with one root
    item = torch.arange(len(lo), device=lo.device)
    a, b = lo, hi
    pa, pb = poly.evaluate(c, a), poly.evaluate(c, b)
    while len(item):
        e, w = loss[item], b - a
        dev = bend[item] * w * w * (0.125 + 1e-12) + e
        size = torch.stack([pa.abs(), pb.abs()])
        least, most = size.amin(0), size.amax(0) + dev
        same = (pa > 0) == (pb > 0)
        clear = same & (least > dev)
        loose[item[clear & (least - dev <= rho[item])]] = True
        small = ~clear & (
            (most <= 16 * e + rho[item])
            | (w <= NARROWEST)
            | ~(most < torch.inf)
        )
        steep = (pb - pa).abs() - 2 * e > bend[item] * w * w * (0.5 + 1e-12)
        single = ~(clear | small | same) & steep
        if bool(small.any()):
            _raise(zeta, item[small], most[small])
            loose[item[small]] = True
            cut = small & ~same
            cuts.append((item[cut], (a[cut] + b[cut]) / 2))
        if bool(single.any()):
            alone.append([v[single] for v in (item, a, b, pa)])
        rest = ~(clear | small | single)
        item, a, b, pa, pb = (v[rest] for v in (item, a, b, pa, pb))
        m = (a + b) / 2
        pm = poly.evaluate(c[:, item], m)
        item = torch.cat([item, item])
        a, b = torch.cat([a, m]), torch.cat([m, b])
        pa, pb = torch.cat([pa, pm]), torch.cat([pm, pb])
    if alone:
        item, a, b, pa = map(torch.cat, zip(*alone))
        at = newton(c[:, item], a, b, pa)
        _raise(zeta, item, poly.evaluate(c[:, item], at).abs() + loss[item])
        loose[item] = True
        cuts.append((item, at))
    if not cuts:
        return item, a, loose, zeta
    item, at = (torch.cat(part) for part in zip(*cuts))
    return item, at, loose, zeta


def newton(c: Tensor, a: Tensor, b: Tensor, pa: Tensor) -> Tensor:
    """The root of each monotone polynomial between a and b, nearly.

    Newton's steps where they stay between the ends, else the middle.
    """
    slope = poly.derivative(c)
    enough = poly.rounding(c) / 8
    rises = pa <= 0
    at = (a + b) / 2
    for _ in range(_STEPS):
        p = poly.evaluate(c, at)
        if bool((p.abs() <= enough).all()):
            break
        left = (p <= 0) == rises
        a, b = torch.where(left, at, a), torch.where(left, b, at)
        step = at - p / poly.evaluate(slope, at)
        inside = (step >= a) & (step <= b)  # False for NaN
        move = torch.where(inside, step, (a + b) / 2)
        at = torch.where(p.abs() <= enough, at, move)
    return at


def _raise(into: Tensor, index: Tensor, values: Tensor) -> None:
    into.scatter_reduce_(0, index, values, "amax")
