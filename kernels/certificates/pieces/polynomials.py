"""Polynomials on [-1, 1] by their values at few Chebyshev nodes.

Values at q nodes of the first kind *are* the polynomial, of degree below q:
nothing is lost by storing them.  What is computed from them is rounded;
``ROUNDING`` times the sum of the coefficients' sizes bounds what conversion
and evaluation lose together, for q up to ``MOST``.
"""

import math
from functools import cache

import torch
from torch import Tensor

UNIT = 2.0**-53
MOST = 4
ROUNDING = 128 * UNIT
# how far a polynomial can exceed its values at q nodes (Lebesgue constants)
LEBESGUE = (0.0, 1.0, 1.4143, 1.6667, 1.8478)
TINY = 1e-300  # what underflow can lose in a product, with room


@cache
def nodes(q: int) -> tuple[float, ...]:
    """The q zeros of the Chebyshev polynomial of degree q."""
    if q % 2:
        half = [math.cos(math.pi * (k + 0.5) / q) for k in range(q // 2)]
        return (*half, 0.0, *(-s for s in half[::-1]))
    return tuple(math.cos(math.pi * (k + 0.5) / q) for k in range(q))


@cache
def to_coefficients(q: int) -> Tensor:
    """(q, q): takes values at the nodes to Chebyshev coefficients."""
    rows = [
        [
            (1 if k == 0 else 2) / q * math.cos(k * math.acos(s))
            for s in nodes(q)
        ]
        for k in range(q)
    ]
    return torch.tensor(rows, dtype=torch.float64)


@cache
def lift(q: int, to: int) -> Tensor:
    """(to, q): takes values at q nodes to values at ``to`` nodes."""
    at = [[math.cos(k * math.acos(s)) for k in range(q)] for s in nodes(to)]
    return torch.tensor(at, dtype=torch.float64) @ to_coefficients(q)


def apply(matrix: Tensor, values: Tensor) -> Tensor:
    """(r, q) on values (q, …): (r, …)."""
    flat = matrix.to(values.device) @ values.flatten(1)
    return flat.unflatten(1, values.shape[1:])


def largest(values: Tensor) -> Tensor:
    """The largest size at the nodes: values (q, …) to (…)."""
    found = values[0].abs()
    for one in values[1:]:
        torch.maximum(found, one.abs(), out=found)
    return found


def evaluate(c: Tensor, s: Tensor) -> Tensor:
    """The polynomial of coefficients c (q, …) at s (…), by Clenshaw."""
    later = last = torch.zeros_like(c[0])
    for k in range(len(c) - 1, 0, -1):
        last, later = c[k] + 2 * s * last - later, last
    return c[0] + s * last - later


def derivative(c: Tensor) -> Tensor:
    """Coefficients of the derivative, (max(q - 1, 1), …)."""
    q = len(c)
    if q == 1:
        return torch.zeros_like(c)
    d = [torch.zeros_like(c[0])] * (q + 1)
    for k in range(q - 1, 0, -1):
        d[k - 1] = d[k + 1] + 2 * k * c[k]
    d[0] = d[0] / 2
    return torch.stack(d[: q - 1])


def curvature(c: Tensor) -> Tensor:
    """At least the largest second derivative on [-1, 1]."""
    total = torch.zeros_like(c[0])
    for k in range(2, len(c)):
        total = total + c[k].abs() * (k * k * (k * k - 1) / 3 * (1 + 1e-12))
    return total


def rounding(c: Tensor) -> Tensor:
    """What conversion to c and one evaluation can lose."""
    return c.abs().sum(0) * ROUNDING + TINY
