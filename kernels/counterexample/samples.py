"""Samples for the searches and the bound: one rule for all of them."""

from typing import Any

from torch import Tensor

from kernels.networks import checks


def samples(x: Any, y: Any) -> tuple[Tensor, Tensor]:
    """(n, inputs) and (n,) as floats of one dtype, finite.

    Parameters
    ----------
    x, y : tensors, arrays or nested lists
        Integers become float64.

    Raises
    ------
    ValueError, TypeError
        For other shapes or dtypes, no sample, or what is not finite.
    """
    x, y = reals("x", x), checks.tensor("y", y)
    if x.dim() != 2 or y.shape != x.shape[:1] or x.numel() == 0:
        raise ValueError(
            f"x has shape {tuple(x.shape)} and y {tuple(y.shape)}; (n, "
            "inputs) and (n,), at least one of each, will do"
        )
    checks.check_finite("x", x)
    y = checks.numbers("y", y, like=x)
    checks.check_finite("y", y)
    return x, y


def reals(name: str, value: Any) -> Tensor:
    """A tensor of floats; integers become float64.

    Parameters
    ----------
    name : what the error calls it
    value : a tensor, an array or nested lists

    Raises
    ------
    TypeError
        For what holds no real numbers.
    """
    found = checks.tensor(name, value)
    if found.is_complex():
        raise TypeError(f"{name} has dtype {found.dtype}; reals will do")
    return found if found.is_floating_point() else found.double()
