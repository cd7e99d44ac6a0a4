"""Sums of floating-point numbers compared as real numbers."""

from collections.abc import Iterator

import torch
from torch import Tensor

_SLACK = 1 + 2.0**-40  # above what adding a few bounds up can round away


def two_sum(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """A sum as a float and what rounding lost of it (Knuth's TwoSum).

    Parameters
    ----------
    a, b : of one dtype, of shapes that broadcast

    Returns
    -------
    tuple
        s and e, s = fl(a + b) and s + e = a + b exactly, unless the sum
        overflows.

    Cost: six additions a number.
    """
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

    Units are summed over classes: class c holds ``first[c]`` and each
    ``more[j]`` with ``label[j] == c``.  Terms are added by error-free
    transformations, three levels deep; what is beyond them is bounded.

    Parameters
    ----------
    left : (rows, units, block), float64
    right : as ``left``, or None for zeros
    first : int64 (classes,), or None: each unit is its own class
    more, label : int64, a unit and its class each

    Returns
    -------
    tuple
        An upper bound on the exact difference's absolute value, zero only
        where the sums are equal as real numbers, and the sum of all terms'
        absolute values: both (rows, classes, block).
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
