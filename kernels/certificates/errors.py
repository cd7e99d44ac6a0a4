"""The supremum of the 0-1 error where the outputs move affinely."""

import numpy as np
import torch
from torch import Tensor

from kernels.certificates.rounding import UNIT
from kernels.networks import checks
from kernels.networks.losses import labels

SLACK = 1e-12


def error_supremum(z0: Tensor, z1: Tensor, y: Tensor) -> tuple[float, float]:
    """Largest error rate along the chord from z0 to z1.

    A sample is right where the output of its class is the largest, which on
    the chord is an interval of t; a sweep over all intervals' ends finds the t
    in [0, 1] with the fewest right samples.  The error is not convex: its
    supremum can exceed both ends.  Outputs that are equal all along the chord
    are told apart as by ``losses.sample_errors``; where two samples swap at
    one t, both count as wrong there; and intervals are shortened by 1e-12 at
    each end, so that rounding cannot make the result too small.

    Parameters
    ----------
    z0, z1 : (n, outputs)
        Outputs at both ends.
    y : as ``losses.targets`` returns it

    Returns
    -------
    tuple[float, float]
        (supremum, a t where it is reached).

    Raises
    ------
    ValueError, TypeError
        For shapes that do not fit, no sample, classes out of range, and what
        is not finite.

    Cost: O(n log n).
    """
    z0, z1, y = (
        checks.tensor(name, values)
        for name, values in (("z0", z0), ("z1", z1), ("y", y))
    )
    if z0.dim() != 2 or z0.shape != z1.shape or z0.numel() == 0:
        raise ValueError(
            f"z0 has shape {tuple(z0.shape)} and z1 {tuple(z1.shape)}; (n, "
            "outputs) for both, with one sample at least, will do"
        )
    classes = checks.indices("y", y)
    shape = z0.shape if classes is None else z0.shape[:1]
    if y.shape != shape:
        raise ValueError(f"y has shape {tuple(y.shape)}; needed: {(*shape,)}")
    for name, values in (("z0", z0), ("z1", z1), ("y", y)):
        checks.check_finite(name, values)
    if classes is not None:
        y, most = classes, max(z0.shape[1], 2) - 1
        if not 0 <= int(y.min()) <= int(y.max()) <= most:
            raise ValueError(
                f"y has classes {int(y.min())} to {int(y.max())}; with "
                f"{z0.shape[1]} outputs 0 to {most} will do"
            )
    return _sweep(*right_intervals(z0, z1, y))


def error_bounds(
    z0: Tensor, z1: Tensor, rho0: Tensor, rho1: Tensor, y: Tensor
) -> tuple[float, float]:
    """Bounds on that supremum where the outputs are known to ``rho`` only.

    ``rho0``, ``rho1`` (n, outputs): how far the outputs' exact values are
    from ``z0`` and ``z1``, between which they move affinely (or, all along
    the chord, from it).  Above, a sample is right only where its own output
    leads by more than rounding can do; below, wrong only where it trails by
    more.  Returns (upper, attained).
    """
    upper, _ = _sweep(*right_intervals(z0, z1, y, rho0, rho1))
    attained, _ = _sweep(*right_intervals(z0, z1, y, rho0, rho1, sure=False))
    return upper, attained


def right_intervals(
    z0: Tensor,
    z1: Tensor,
    y: Tensor,
    rho0: Tensor | None = None,
    rho1: Tensor | None = None,
    sure: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """For each sample the open interval of t where it is right.

    Two NumPy arrays (n,); -1 and 2 stand for ends outside [0, 1].  Empty
    where left >= right.  With ``rho``: where it is surely or (not ``sure``)
    possibly right.
    """
    sign = 1 if sure else -1
    start, wins = _margins(z0, y, rho0, sign)  # (n, rivals)
    end, _ = _margins(z1, y, rho1, sign)
    start, end = start / 2, end / 2  # their difference is no overflow
    zero = torch.nan_to_num(start / (start - end))  # where it vanishes
    at_start = (start > 0) | ((start == 0) & wins)
    at_end = (end > 0) | ((end == 0) & wins)
    left = torch.where(at_start, -1.0, torch.where(at_end, zero, 2.0))
    right = torch.where(at_end, 2.0, torch.where(at_start, zero, -1.0))
    left = left.amax(1) + sign * SLACK
    right = right.amin(1) - sign * SLACK
    return left.cpu().numpy(), right.cpu().numpy()


def _sweep(left: np.ndarray, right: np.ndarray) -> tuple[float, float]:
    n = len(left)
    keep = left < right
    left, right = np.sort(left[keep]), np.sort(right[keep])
    t = np.clip(np.concatenate([[0.0, 1.0], left, right]), 0, 1)
    count = np.searchsorted(left, t) - np.searchsorted(right, t, "right")
    worst = int(count.argmin())
    return float(n - count[worst]) / n, float(t[worst])


def _margins(
    z: Tensor, y: Tensor, rho: Tensor | None, sign: int
) -> tuple[Tensor, Tensor]:
    """Own output minus each rival's, and whether a tie is won."""
    z, own_class = z.double(), labels(y)[:, None]
    if z.shape[1] == 1:
        margins = torch.where(own_class > 0, z, -z)
        if rho is not None:
            margins = margins - sign * rho
        return margins, own_class == 0
    own = z.gather(1, own_class)
    margins = own - z
    if rho is not None:
        doubt = rho + rho.gather(1, own_class)
        doubt += 4 * UNIT * (margins.abs() + doubt)
        margins = margins - sign * doubt
    margins = margins.scatter(1, own_class, torch.inf)
    rivals = torch.arange(z.shape[1], device=z.device)
    return margins, own_class < rivals
