"""What a hidden unit's values are like over the samples."""

from torch import Tensor

_STILL = 1e-6  # a deviation this far below the values is rounding


def moments(values: Tensor, dim: int) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and deviation of each unit over samples, and whether it is still.

    Parameters
    ----------
    values : what the units compute, real
    dim : the dimension of the samples, which is left out of the results

    Returns
    -------
    tuple[Tensor, Tensor, Tensor]
        Mean; standard deviation, divisor n; and where the latter is at most
        10^-6 of the unit's largest value, so that it may be rounding.
    """
    spread = values.std(dim, correction=0)
    still = spread <= _STILL * values.abs().amax(dim)
    return values.mean(dim), spread, still
