"""Two layers and the square loss: the supremum on a segment, exactly.

On a segment each hidden pre-activation is affine in t, so each unit switches
at most once a sample.  Between two switches every output is a quadratic in t
and the mean square loss a quartic; all switches are sorted and the quartics
follow one another by increments.
"""

import numpy as np
import torch
from torch import Tensor

from kernels.networks import Parameters

MOST_SWITCHES = 5_000_000
_CHUNK = 1 << 21  # switches x outputs held at once


def square_supremum(
    theta: Parameters, other: Parameters, x: Tensor, y: Tensor
) -> tuple[float, float]:
    """Largest mean square loss on the segment of two two-layer parameters.

    ``theta``, ``other``: ``((W, b or None), (A, c or None))``, fully
    connected; ``x`` (n, inputs); ``y`` (n, outputs), real.  All are taken in
    float64.

    Returns (supremum, the t in [0, 1] where it is reached), up to rounding.
    Cost: a sort of the at most n x h switches inside the segment; 1000
    samples and 64 units take about 0.1 s.  Memory: 48 bytes a switch; see
    :func:`fits`.
    """
    ends = [
        [None if p is None else p.detach().double().cpu() for p in pair]
        for end in (theta, other)
        for pair in end
    ]
    x, y = x.detach().double().cpu().flatten(1), y.detach().double().cpu()
    hidden, outputs = ends[1][0].shape[1], y.shape[1]
    block = max(1, _CHUNK // max(1, hidden * outputs))
    total, times, jumps = np.zeros(5), [], []
    for start in range(0, len(x), block):
        rows = slice(start, start + block)
        base, t, jump = _switches(ends, x[rows], y[rows])
        total += base
        times.append(t)
        jumps.append(jump)
    times, jumps = np.concatenate(times), np.concatenate(jumps)
    order = np.argsort(times, kind="stable")
    knots = np.concatenate([[0.0], times[order], [1.0]])
    pieces = np.concatenate([total[None], jumps[order]]).cumsum(0)
    return _largest(pieces / max(len(x), 1), knots)


def fits(theta: Parameters, samples: int) -> bool:
    """Whether :func:`square_supremum` can be asked: two layers, in memory."""
    two = len(theta) == 2 and theta[0][0].dim() == 2
    return two and theta[0][0].shape[0] * samples <= MOST_SWITCHES


def _switches(ends, x, y):
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
    sample, unit = torch.nonzero((t > 0) & (t < 1), as_tuple=True)
    t = t[sample, unit]
    order = np.lexsort((t.numpy(), sample.numpy()))
    sample, unit, t = sample[order], unit[order], t[order]
    sign = torch.where(dp[sample, unit] > 0, 1.0, -1.0)[:, None]
    p, d = p0[sample, unit][:, None] * sign, dp[sample, unit][:, None] * sign
    a, e = a0.T[unit], da.T[unit]  # (s, C)
    step = torch.stack([p * a, p * e + d * a, d * e], -1)  # (s, C, 3)
    run = step.cumsum(0)
    first = torch.searchsorted(sample, sample)  # the sample's first switch
    run = run - torch.where(
        (first > 0)[:, None, None], run[(first - 1).clamp_min(0)], 0
    )
    after = z[sample] + run
    jumps = _square(after) - _square(after - step)
    return _square(z).sum(0).numpy(), t.numpy(), jumps.numpy()


def _square(z):
    """Quadratics (s, C, 3) to the sums over C of their squares, (s, 5)."""
    c, b, a = z.unbind(-1)
    return torch.stack(
        [
            (c * c).sum(1),
            2 * (c * b).sum(1),
            (b * b + 2 * c * a).sum(1),
            2 * (b * a).sum(1),
            (a * a).sum(1),
        ],
        -1,
    )


def _largest(pieces, knots):
    """The largest value of the quartics on their pieces, and where."""
    left, right = knots[:-1], knots[1:]
    powers = np.arange(5)
    at_left = (pieces * left[:, None] ** powers).sum(1)
    at_right = (pieces * right[:, None] ** powers).sum(1)
    ends = np.maximum(at_left, at_right)
    best = int(ends.argmax())
    value = float(ends[best])
    where = left[best] if at_left[best] >= at_right[best] else right[best]
    # a quartic rises above its chord by at most width² max|q''| / 8
    bend = np.abs(pieces[:, 2:]) @ np.array([2.0, 6.0, 12.0])
    reach = ends + (right - left) ** 2 * bend / 8
    for piece in np.argsort(-reach):
        if reach[piece] <= value:
            break
        slope = pieces[piece, 1:] * powers[1:]
        roots = np.roots(slope[::-1])
        roots = roots.real[np.abs(roots.imag) < 1e-6]
        for t in roots[(roots > left[piece]) & (roots < right[piece])]:
            height = float((pieces[piece] * t**powers).sum())
            if height > value:
                value, where = height, t
    return value, float(where)
