"""The best non-negative factor of the outputs, for many networks at once."""

import math

import torch
from torch import Tensor

from kernels import states
from kernels.networks import losses
from kernels.networks.checks import check_finite

_TILE = 1 << 17  # numbers held in cache at once
_LARGEST = 1e6  # of a factor of outputs that are neither large nor small
_STEP = 16  # sizes are told apart by 2^16, so that most outputs stay as is
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
    the square loss a quotient.  With u a power of 2^16 near the mean size of
    a network's outputs, 1 for sizes from 1/256 to 256, Newton's method looks
    for the factor u r of the outputs over u: it does not matter in what
    units they are.  On separable data the infimum may lie at infinity; u r
    stops at 1e6, or where a step promises to change the loss by less than
    1e-10.

    Parameters
    ----------
    s : (networks, C, n)
        Outputs without the output bias.
    y : as ``losses.targets`` takes it
    bias : (C,), None for zeros
    loss : ``"cross_entropy"`` or ``"square"``
    tolerance : of Newton's method, relative to 1 + u r
        It stops where a step changes u r by less.  At least 0.
    steps : of Newton's method at most

    Returns
    -------
    Tensor
        (networks,), float64.

    Raises
    ------
    ValueError
        For another loss, tolerance, shape or number of samples, and for
        outputs or targets that are not finite.

    Cost: some six passes over ``s``, in tiles that fit the cache.
    """
    if s.dim() != 3 or s.numel() == 0:
        raise ValueError(
            f"s has shape {tuple(s.shape)}; (networks, outputs, samples), at "
            "least one of each, will do"
        )
    if not tolerance >= 0:
        raise ValueError(f"tolerance is {tolerance}; at least 0 will do")
    check_finite("s, the outputs,", s)
    y = losses.targets(y, s.shape[1], loss=loss, like=s)
    if len(y) != s.shape[2]:
        raise ValueError(
            f"y has {len(y)} samples and s has {s.shape[2]}; as many will do"
        )
    bias = s.new_zeros(s.shape[1]) if bias is None else bias
    units = torch.tensor([_unit(part) for part in s], dtype=torch.float64)
    units = units.to(s.device)
    if loss == "square":
        rest = (y - bias).T  # (C, n)
        sums = []
        for part, unit in zip(s, units.tolist()):
            part = _scaled(part, unit)
            sums.append(
                torch.stack([(part * rest).sum(), part.square().sum()])
            )
        above, below = torch.stack(sums).double().unbind(1)
        return (above / below.clamp_min(1e-300)).clamp_min(0) / units
    r = s.new_ones(len(s), dtype=torch.float64)
    if s.shape[2] > 8192:  # a good start from a few samples
        few = s.shape[2] // 16
        r = _newton(s[..., :few], units, y[:few], bias, r, 1e-3, steps)
    return _newton(s, units, y, bias, r, tolerance, steps) / units


def _unit(part):
    """A power of 2^16 near the mean size of a network's outputs."""
    size = float(part.abs().mean(dtype=torch.float64))
    most = int(math.log2(torch.finfo(part.dtype).max)) - 2 * _STEP
    most -= most % _STEP  # its inverse is a number too
    power = _STEP * ((math.frexp(size)[1] + 7) // _STEP)
    return 2.0 ** max(-most, min(power, most))


def _scaled(part, unit):
    return part if unit == 1 else part * (1 / unit)


def _newton(s, units, y, bias, r, tolerance, steps):
    """Newton's method from r, kept inside a bracket of the sign change."""
    low, high = torch.full_like(r, -1.0), torch.full_like(r, torch.inf)
    r = r.clone()
    active = torch.arange(len(s), device=s.device)
    for _ in range(steps):
        at = r[active]
        slope, bend = _derivatives(s, units, active, y, bias, at)
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


def _derivatives(s, units, active, y, bias, r):
    """First and second derivative of the mean loss at r, (active,).

    ``r`` multiplies the outputs over their ``units``.
    """
    _, outputs, n = s.shape
    step = max(1, _TILE // outputs)
    slope, bend = torch.zeros_like(r), torch.zeros_like(r)
    index = y[None, :]
    for k, (network, factor) in enumerate(zip(active.tolist(), r.tolist())):
        unit = float(units[network])
        for start in range(0, n, step):
            cols = slice(start, start + step)
            part = _scaled(s[network, :, cols], unit)  # (C, tile)
            z = torch.add(bias[:, None], part, alpha=factor)
            z = torch.softmax(z, 0)
            z *= part
            mean = z.sum(0)
            z *= part
            own = part.gather(0, index[:, cols])
            slope[k] += (mean.sum() - own.sum()).double()
            bend[k] += (z.sum() - mean.square().sum()).double()
    return slope / n, bend / n
