"""Two layers and the square loss: the supremum on a segment, exactly.

On a segment each hidden pre-activation is affine in t, so each unit switches
at most once a sample.  Between two switches every output is a quadratic in t
and the mean square loss a quartic; all switches are sorted and the quartics
follow one another by increments.

Rounding.  With P = |x| (|W_0| + |W_1 - W_0|) + |b_0| + |b_1 - b_0| and
Z = P (|a_0| + |a_1 - a_0|) + |c_0| + |c_1 - c_0| + |y|, an output's three
coefficients sum to at most Z in size, whichever units are on, and are off by
gamma_K Z, K = inputs + 2 h + 32: products, their sums, and units that a
rounded switch leaves on the wrong side, where they are that small.  A
sample's base and 2 h squares are off by gamma_{3 K + outputs} Z^2 each, and
adding all up by gamma_switches times what is added.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kernels.certificates.bisection import bisect
from kernels.certificates.engine import Task
from kernels.certificates.rounding import above, gamma
from kernels.networks import Layer, Network, Parameters, checks, tree

MOST_SWITCHES = 5_000_000
_CHUNK = 1 << 21  # switches x outputs held at once
_MOST_CELLS = 1 << 20  # where a piece is split further
_FINE = 1e-9  # allowances below that, relative, make no difference
_CLOSE = 1e-12  # how closely a quartic's maximum is found


@dataclass(frozen=True)
class Supremum:
    """``value`` at ``t``; no value exceeds ``upper``, which has ``allowance``
    for rounding in it."""

    value: float
    t: float
    upper: float
    allowance: float


def square_supremum(
    theta: Parameters, other: Parameters, x: Tensor, y: Tensor
) -> tuple[float, float]:
    """Largest mean square loss on the segment of two two-layer parameters.

    All are taken in float64.

    Parameters
    ----------
    theta, other : ``((W, b or None), (A, c or None))``, fully connected
    x : (n, inputs)
    y : (n, outputs), real

    Returns
    -------
    tuple[float, float]
        (supremum, the t in [0, 1] where it is reached), up to rounding.

    Raises
    ------
    ValueError, TypeError
        For what does not fit, no sample, and what is not finite.

    Cost: a sort of the at most n x h switches inside the segment; 1000
    samples and 64 units take about 0.1 s.  Memory: some 150 bytes a switch;
    see :func:`fits`.
    """
    net = _two_layers(theta)
    net.check(theta, "theta")
    net.check(other, "other")
    x, y = checks.tensor("x", x), checks.tensor("y", y)
    for name, values, each in (("x", x, net.inputs), ("y", y, net.widths[2:])):
        if values.dim() < 2 or math.prod(values.shape[1:]) != each[0]:
            raise ValueError(
                f"{name} has shape {tuple(values.shape)}; (n, {each[0]}) will "
                "do"
            )
        checks.check_finite(name, values)
    if len(x) != len(y) or len(x) == 0:
        raise ValueError(
            f"x has {len(x)} samples and y has {len(y)}; as many, and at "
            "least one, will do"
        )
    found = square_bound(theta, other, x, y.flatten(1))
    return found.value, found.t


def _two_layers(theta: Any) -> Network:
    """The network of two layers' parameters, each with or without a bias."""
    flat = isinstance(theta, list | tuple) and len(theta) == 2
    flat = flat and all(
        isinstance(layer, list | tuple)
        and len(layer) == 2
        and torch.is_tensor(layer[0])
        and layer[0].dim() == 2
        for layer in theta
    )
    if not flat:
        raise ValueError(
            "theta is not that of two fully connected layers; ((W, b or None)"
            ", (A, c or None)) will do"
        )
    layers = [Layer(len(w), bias=b is not None) for w, b in theta]
    return Network((theta[0][0].shape[1],), tuple(layers))


def square_bound(
    theta: Parameters, other: Parameters, x: Tensor, y: Tensor
) -> Supremum:
    """The same, and an upper bound in exact arithmetic."""
    theta, other = (
        tree.to(tree.at_rest(end), torch.float64, "cpu")
        for end in (theta, other)
    )
    ends: Any = (*theta, *other)
    x, y = x.detach().double().cpu().flatten(1), y.detach().double().cpu()
    hidden, outputs = ends[1][0].shape[1], y.shape[1]
    block = max(1, _CHUNK // max(1, hidden * outputs))
    total, off = np.zeros(5), 0.0
    times: Any = []
    jumps: Any = []
    for start in range(0, len(x), block):
        rows = slice(start, start + block)
        base, t, jump = _switches(ends, x[rows], y[rows])
        total += base
        times.append(t)
        jumps.append(jump)
        off += float(_sizes(ends, x[rows], y[rows]).square().sum())
    times, jumps = np.concatenate(times), np.concatenate(jumps)
    order = np.argsort(times, kind="stable")
    knots = np.concatenate([[0.0], times[order], [1.0]])
    pieces = np.concatenate([total[None], jumps[order]])
    added = np.abs(pieces).sum()
    pieces = pieces.cumsum(0)
    terms = 3 * (x.shape[1] + 2 * hidden + 32) + outputs + 16
    off = off * (2 * hidden + 1) * gamma(terms)
    off += gamma(len(times) + len(x) + 16) * added
    value, where, upper = _largest(pieces / max(len(x), 1), knots)
    allowance = float(off / max(len(x), 1) * (1 + 1e-9) + _CLOSE * abs(upper))
    return Supremum(value, where, above(upper, allowance), allowance)


def quartics(task: Task) -> bool:
    """The engine for two layers and the square loss (``engine.Task``).

    The error's bounds come from ``task.initial`` boxes a segment.
    """
    data, least = task.data, {}
    for k in task.segments:
        theta, other = data.path.ends(k)
        found = square_bound(theta, other, data.x, data.y)
        loss, slack, wrong, _ = data.at(k, found.t)
        known = task.known[k]
        known.found(loss, slack, wrong, found.t)
        allowance = 2 * found.allowance + slack
        least[k] = found.upper, allowance
        if found.upper < known.cap:
            known.cap, known.rounding = found.upper, allowance
    complete = bisect(task)
    for k, (upper, allowance) in least.items():
        known = task.known[k]
        if known.upper >= upper * (1 - _FINE):  # boxes are no better
            known.rounding = max(known.rounding, allowance)
    return complete


def fits(theta: Parameters, samples: int) -> bool:
    """Whether :func:`square_supremum` can be asked: two layers, in memory."""
    two = len(theta) == 2 and theta[0][0].dim() == 2
    return two and theta[0][0].shape[0] * samples <= MOST_SWITCHES


def _switches(
    ends: Any, x: Tensor, y: Tensor
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Quartic at 0, switch times (s,) and jumps of the quartic (s, 5)."""
    (w0, b0), (a0, c0), (w1, b1), (a1, c1) = ends
    p0, dp = x @ w0.T, x @ (w1 - w0).T  # (n, h)
    if b0 is not None:
        p0, dp = p0 + b0, dp + (b1 - b0)
    da = a1 - a0
    live = (p0 > 0) | ((p0 == 0) & (dp > 0))
    on0, ond = torch.where(live, p0, 0), torch.where(live, dp, 0)
    z = torch.stack(
        [on0 @ a0.T - y, on0 @ da.T + ond @ a0.T, ond @ da.T], -1
    )  # (n, C, 3): outputs minus targets, quadratics in t
    if c0 is not None:
        z[..., 0] += c0
        z[..., 1] += c1 - c0
    t = -p0 / dp
    switches = (t > 0) & (t < 1)
    t, order = torch.where(switches, t, torch.inf).sort(1)
    switches = switches.gather(1, order)
    sign = torch.where(dp > 0, 1.0, -1.0)
    p, d = (
        (part * sign).gather(1, order)[..., None] * switches[..., None]
        for part in (p0, dp)
    )  # (n, h, 1): zero where a unit does not switch
    a, e = a0.T[order], da.T[order]  # (n, h, C)
    step = torch.stack([p * a, p * e + d * a, d * e], -1)  # (n, h, C, 3)
    after = z[:, None] + step.cumsum(1)
    before = torch.cat([z[:, None], after[:, :-1]], 1)
    jumps = (_square(after) - _square(before))[switches]
    return _square(z).sum(0).numpy(), t[switches].numpy(), jumps.numpy()


def _sizes(ends: Any, x: Tensor, y: Tensor) -> Tensor:
    """Z, which bounds the coefficients of all outputs: (n, C)."""
    (w0, b0), (a0, c0), (w1, b1), (a1, c1) = (
        (w, 0.0 * w[:, 0] if b is None else b) for w, b in ends
    )
    size = x.abs() @ (w0.abs() + (w1 - w0).abs()).T
    size = size + b0.abs() + (b1 - b0).abs()
    size = size @ (a0.abs() + (a1 - a0).abs()).T
    size = size + c0.abs() + (c1 - c0).abs() + y.abs()
    return size * (1 + 4 * gamma(x.shape[1] + a0.shape[1] + 8))


def _square(z: Tensor) -> Tensor:
    """Quadratics (…, C, 3) to the sums over C of their squares, (…, 5)."""
    c, b, a = z.unbind(-1)
    return torch.stack(
        [
            (c * c).sum(-1),
            2 * (c * b).sum(-1),
            (b * b + 2 * c * a).sum(-1),
            2 * (b * a).sum(-1),
            (a * a).sum(-1),
        ],
        -1,
    )


def _largest(
    pieces: np.ndarray, knots: np.ndarray
) -> tuple[float, float, float]:
    """The largest value of the quartics on their pieces, where, and a bound.

    On a cell a quartic is at most its ends' larger value and width^2 max|q''|
    / 8; cells that could exceed the largest value found are halved.
    """
    powers = np.arange(5)
    left, right = knots[:-1], knots[1:]
    value, where, upper = -math.inf, 0.0, -math.inf
    while len(left):
        ends = np.stack(
            [(pieces * t[:, None] ** powers).sum(1) for t in (left, right)]
        )
        side, cell = np.unravel_index(ends.argmax(), ends.shape)
        if ends[side, cell] > value:
            value, where = (
                float(ends[side, cell]),
                float((left, right)[side][cell]),
            )
        bend = _bend(pieces, left, right)
        reach = ends.max(0) + (right - left) ** 2 * bend / 8
        middle = (left + right) / 2
        split = reach > value + _CLOSE * abs(value)
        split &= (left < middle) & (middle < right)
        if 2 * split.sum() > _MOST_CELLS:
            split[:] = False
        settled = ~split
        if settled.any():
            upper = max(upper, float(reach[settled].max()))
        pieces = np.repeat(pieces[split], 2, 0)
        left, middle, right = left[split], middle[split], right[split]
        left = np.stack([left, middle], 1).ravel()
        right = np.stack([middle, right], 1).ravel()
    return value, where, max(upper, value)


def _bend(
    pieces: np.ndarray, left: np.ndarray, right: np.ndarray
) -> np.ndarray:
    """Bounds on |q''|, which is a quadratic, on cells."""
    middle, half = (left + right) / 2, (right - left) / 2
    c, d, e = pieces[:, 2:].T
    second = 2 * c + 6 * d * middle + 12 * e * middle**2
    slope = 6 * d + 24 * e * middle
    size = np.abs(pieces[:, 2:]) @ np.array([2.0, 6.0, 12.0])
    return (
        np.abs(second)
        + np.abs(slope) * half
        + 12 * np.abs(e) * half**2
        + 1e-15 * size
    )
