"""Samples on a line, and the bends that put groups of them on planes."""

from itertools import pairwise

import torch

TRIES = 32  # of random directions and planes; the widest gap is taken
_TINY = 1e-12


def bend(x, width, layers, generator):
    """Layers that put the samples on a line and bend it; its features."""
    draw = torch.randn(
        x.shape[1], TRIES, generator=generator, dtype=x.dtype
    ).div_(x.shape[1] ** 0.5)
    t, best = x @ draw, 0  # (N, tries)
    if len(x) > 1:
        spacing = t.sort(0).values.diff(dim=0).amin(0) / t.std(0)
        best = int(spacing.argmax())
        if not spacing[best] > _TINY:
            raise ValueError("x has a repeated row; distinct rows will do")
    weight, t = draw[:, best], t[:, best]
    low, high = t.min(), t.max()
    knots, groups = _zigzag(t, width, low - (high - low) / width)
    h = torch.relu(t[:, None] - knots)
    if layers == 1:
        return [(weight.repeat(len(knots), 1), -knots)], h, groups
    one = torch.ones(1, 1, dtype=x.dtype)
    front = [(weight[None], -low[None])]  # t - low, not negative
    front += [(one, torch.zeros_like(one[0]))] * (layers - 2)
    front.append((one.repeat(len(knots), 1), low - knots))
    return front, h, groups


def _zigzag(t, width, first):
    """Bends of a line, and groups of samples, one from each piece.

    A function that is linear on each piece and zero at a group's samples is
    a zigzag, whose slope is multiplied from piece to piece.  Steep groups go
    on to distant samples, and each bend is put where the slopes of all
    groups stay nearest to 1.
    """
    order = t.argsort()
    pieces = order.split(-(-len(t) // width))
    knots, groups = [first], [[j] for j in pieces[0]]
    slopes = torch.ones_like(t[pieces[0]])
    shares = torch.linspace(0, 1, 66, dtype=t.dtype)[1:-1, None]
    for piece, after in pairwise(pieces):
        here = t[torch.stack([group[-1] for group in groups])]
        bends = torch.lerp(t[piece[-1]], t[after[0]], shares)  # (64, 1)
        heights, steep = (slopes * (bends - here)).sort(1)
        steeper = heights[:, : len(after)] / (t[after] - bends)
        best = steeper.log().abs().amax(1).argmin()
        knots.append(bends[best, 0])
        for sample, g in zip(after, steep[best].tolist()):
            groups[g].append(sample)
        if len(after) < len(piece):  # the last
            break
        slopes = steeper[best][steep[best].argsort()]
    return torch.stack(knots), tuple(map(torch.stack, groups))
