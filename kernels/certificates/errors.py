"""The supremum of the 0-1 error where the outputs move affinely."""

import numpy as np
import torch
from torch import Tensor

from kernels.networks.losses import labels

SLACK = 1e-12


def error_supremum(z0: Tensor, z1: Tensor, y: Tensor) -> tuple[float, float]:
    """Largest error rate along the chord from z0 to z1.

    ``z0``, ``z1`` (n, outputs): outputs at both ends; ``y`` as
    ``losses.targets`` returns it.  A sample is right where the output of its
    class is the largest, which on the chord is an interval of t; a sweep over
    all intervals' ends finds the t in [0, 1] with the fewest right samples.
    The error is not convex: its supremum can exceed both ends.  Outputs that
    are equal all along the chord are told apart as by
    ``losses.sample_errors``; where two samples swap at one t, both count as
    wrong there; and intervals are shortened by 1e-12 at each end, so that
    rounding cannot make the result too small.

    Returns (supremum, a t where it is reached).  Cost: O(n log n).
    """
    left, right = right_intervals(z0, z1, y)
    n = len(left)
    keep = left < right
    left, right = np.sort(left[keep]), np.sort(right[keep])
    t = np.clip(np.concatenate([[0.0, 1.0], left, right]), 0, 1)
    count = np.searchsorted(left, t) - np.searchsorted(right, t, "right")
    worst = int(count.argmin())
    return float(n - count[worst]) / n, float(t[worst])


def right_intervals(z0: Tensor, z1: Tensor, y: Tensor):
    """For each sample the open interval of t where it is right.

    Two NumPy arrays (n,); -1 and 2 stand for ends outside [0, 1].  Empty
    where left >= right.
    """
    start, wins = _margins(z0, y)  # (n, rivals)
    end, _ = _margins(z1, y)
    zero = torch.nan_to_num(start / (start - end))  # where it vanishes
    at_start = (start > 0) | ((start == 0) & wins)
    at_end = (end > 0) | ((end == 0) & wins)
    left = torch.where(at_start, -1.0, torch.where(at_end, zero, 2.0))
    right = torch.where(at_end, 2.0, torch.where(at_start, zero, -1.0))
    left = left.amax(1) + SLACK
    right = right.amin(1) - SLACK
    return left.cpu().numpy(), right.cpu().numpy()


def _margins(z, y):
    """Own output minus each rival's, and whether a tie is won."""
    z, own_class = z.double(), labels(y)[:, None]
    if z.shape[1] == 1:
        return torch.where(own_class > 0, z, -z), own_class == 0
    own = z.gather(1, own_class)
    margins = (own - z).scatter(1, own_class, torch.inf)
    rivals = torch.arange(z.shape[1], device=z.device)
    return margins, own_class < rivals
