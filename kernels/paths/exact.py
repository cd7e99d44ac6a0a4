"""Sums of floating-point numbers compared as real numbers."""

from collections.abc import Iterator

import torch
from torch import Tensor

_SLACK = 1 + 2.0**-40  # above what adding a few bounds up can round away


def two_sum(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """s and e with s = fl(a + b) and s + e = a + b exactly (Knuth)."""
    s = a + b
    c = s - a
    return s, (a - (s - c)) + (b - c)


def gap(
    left: Tensor,
    right: Tensor | None,
    first: Tensor | None = None,
    more: Tensor | None = None,
    label: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """How far the columns' sums of ``left`` and ``right`` can differ.

    ``left``, ``right``: (rows, units, block), float64; None: zeros.  Units
    are summed over classes: class c holds ``first[c]`` and each ``more[j]``
    with ``label[j] == c`` (``first`` None: each unit is its own class).

    Returns an upper bound on the exact difference's absolute value, zero only
    where the sums are equal as real numbers, and the sum of all terms'
    absolute values: (rows, classes, block).  Terms are added by error-free
    transformations, three levels deep; what is beyond them is bounded.
    """
    a = left if first is None else left[:, first]
    b = torch.zeros_like(a)
    if right is not None:
        b = right if first is None else right[:, first]
    size = a.abs() + b.abs()
    bound = (a - b).abs()  # not zero unless a == b: gradual underflow
    bound = torch.where((bound == 0) & (a != b), size, bound)  # or flushed
    if first is None or more is None or label is None or not len(more):
        return bound * _SLACK, size
    many = torch.unique(label)
    place = torch.full((len(first),), -1, device=label.device)
    place[many] = torch.arange(len(many), device=label.device)
    sums = [*two_sum(a[:, many], -b[:, many])]
    sums += [torch.zeros_like(sums[0]) for _ in range(2)]  # the last: a bound
    total = size[:, many]
    for at, units in _ranks(place[label], more):
        for part, sign in ((left, 1), (right, -1)):
            if part is None:
                continue
            term = part[:, units]
            total[:, at] += term.abs()
            term = sign * term
            for level in range(3):
                sums[level][:, at], term = two_sum(sums[level][:, at], term)
            sums[3][:, at] += term.abs()
    s, e, f, rest = sums
    for _ in range(2):
        e, f = two_sum(e, f)
        s, e = two_sum(s, e)
    found = (s.abs() + e.abs() + f.abs() + rest) * _SLACK
    bound, size = bound * _SLACK, size.clone()
    bound[:, many], size[:, many] = found, total
    return bound, size


def _ranks(label: Tensor, more: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """(classes, units): the second units of all classes, the third, …"""
    order = torch.argsort(label, stable=True)
    label, more = label[order], more[order]
    start = torch.searchsorted(label, label)
    rank = torch.arange(len(label), device=label.device) - start
    for r in range(int(rank.max()) + 1):
        take = rank == r
        yield label[take], more[take]
