"""Straight lines through measurements, with honest errors."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Fit:
    """y = exp(intercept) * x^slope, least squares in the logarithms.

    `error` is the standard error of the slope over trials (None for one
    trial), `r2` the share of the variance of log y that the line explains.
    """

    slope: float
    error: float | None
    intercept: float
    r2: float

    def __call__(self, x):
        return np.exp(self.intercept) * np.asarray(x, dtype=float) ** (
            self.slope
        )

    def __str__(self):
        error = "" if self.error is None else f" ± {self.error:.2f}"
        return f"{self.slope:.2f}{error}"


def loglog(x, y):
    """Power law through the trials' mean at each x.

    Arguments: `x` (points,); `y` (points, trials), positive, or a row of
    trials per point, which may differ in number. Returns a `Fit`; its error
    (None where the rows differ) is the standard deviation of the trials' own
    slopes over the square root of their number. Raises ValueError where a
    mean is not positive, or with fewer than two points.
    """
    y = [np.asarray(row, dtype=float) for row in y]  # tensors too
    if len({row.size for row in y}) > 1:
        y = [[row.mean()] for row in y]
    x, y = np.asarray(x, dtype=float), np.atleast_2d(np.asarray(y, float))
    if y.shape[0] != len(x):
        raise ValueError(
            f"y has {y.shape[0]} rows for {len(x)} values of x; give one row "
            "of trials per value of x"
        )
    if len(x) < 2 or not (y.mean(1) > 0).all():
        raise ValueError("a power law needs two points or more, all positive")
    logs, target = np.log(x), np.log(y.mean(1))
    slope, intercept = np.polyfit(logs, target, 1)
    rest = target - (slope * logs + intercept)
    r2 = 1 - rest.var() / target.var()
    error = None
    if y.shape[1] > 1 and (y > 0).all():
        own = np.polyfit(logs, np.log(y), 1)[0]
        error = float(own.std(ddof=1) / np.sqrt(y.shape[1]))
    return Fit(float(slope), error, float(intercept), float(r2))
