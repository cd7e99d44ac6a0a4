"""The best non-negative factor of the outputs, for many networks at once."""

import torch
from torch import Tensor

from kernels import states

_TILE = 1 << 17  # numbers held in cache at once
_LARGEST = 1e6
_GAIN = 1e-10  # a step that promises less is the last


@states("N21", "Experiment B")
def best_scale(
    s: Tensor,
    y: Tensor,
    *,
    bias: Tensor | None = None,
    loss: str = "cross_entropy",
    tolerance: float = 1e-6,
    steps: int = 60,
) -> Tensor:
    """The r >= 0 that minimises the mean loss of ``r s + bias``, a network.

    N21, experiment B, asks SciPy's Brent method for it, one network at a
    time and with negative factors allowed.  The loss is convex in r, so that
    its minimum over r >= 0 is where the derivative changes sign, or 0: for
    the cross-entropy, Newton's method on the derivative within a bracket, for
    the square loss a quotient.  On separable data the infimum may lie at
    infinity; r stops at 1e6, or where a step promises to change the loss by
    less than 1e-10.

    Parameters
    ----------
    s : (networks, C, n)
        Outputs without the output bias.
    y : as ``losses.targets`` returns it
    bias : (C,), None for zeros
    loss : ``"cross_entropy"`` or ``"square"``
    tolerance : relative to 1 + r
        It stops where a step changes r by less.
    steps : of Newton's method at most

    Returns
    -------
    Tensor
        (networks,), float64.

    Cost: some six passes over ``s``, in tiles that fit the cache.
    """
    bias = s.new_zeros(s.shape[1]) if bias is None else bias
    if loss == "square":
        rest = (y - bias).T  # (C, n)
        above = torch.stack([(part * rest).sum() for part in s]).double()
        below = torch.stack([part.square().sum() for part in s]).double()
        return (above / below.clamp_min(1e-300)).clamp(0, _LARGEST)
    r = s.new_ones(len(s), dtype=torch.float64)
    if s.shape[2] > 8192:  # a good start from a few samples
        few = s.shape[2] // 16
        r = _newton(s[..., :few], y[:few], bias, r, 1e-3, steps)
    return _newton(s, y, bias, r, tolerance, steps)


def _newton(s, y, bias, r, tolerance, steps):
    """Newton's method from r, kept inside a bracket of the sign change."""
    low, high = torch.full_like(r, -1.0), torch.full_like(r, torch.inf)
    r = r.clone()
    active = torch.arange(len(s), device=s.device)
    for _ in range(steps):
        at = r[active]
        slope, bend = _derivatives(s, active, y, bias, at)
        rising = slope > 0
        low[active] = lo = torch.where(rising, low[active], at)
        high[active] = hi = torch.where(rising, at, high[active])
        bend = bend.clamp_min(1e-300)
        # no further up than fourfold
        ahead = torch.minimum(at - slope / bend, 4 * at + 1)
        ahead = ahead.clamp(0, _LARGEST)
        outside = ((ahead <= lo) | (ahead >= hi)) & (ahead != at)
        r[active] = ahead = torch.where(outside, (lo + hi) / 2, ahead)
        moved = (ahead - at).abs() > tolerance * (1 + at)
        active = active[moved & (slope.square() / bend > _GAIN)]
        if len(active) == 0:
            break
    return r


def _derivatives(s, active, y, bias, r):
    """First and second derivative of the mean loss at r, (active,)."""
    _, outputs, n = s.shape
    step = max(1, _TILE // outputs)
    slope, bend = torch.zeros_like(r), torch.zeros_like(r)
    index = y[None, :]
    for k, (network, factor) in enumerate(zip(active.tolist(), r.tolist())):
        for start in range(0, n, step):
            cols = slice(start, start + step)
            part = s[network, :, cols]  # (C, tile)
            z = torch.add(bias[:, None], part, alpha=factor)
            z = torch.softmax(z, 0)
            z *= part
            mean = z.sum(0)
            z *= part
            own = part.gather(0, index[:, cols])
            slope[k] += (mean.sum() - own.sum()).double()
            bend[k] += (z.sum() - mean.square().sum()).double()
    return slope / n, bend / n
