"""Numbers in units in which they are neither large nor small."""

import math

import torch
from torch import Tensor

_STEP = 8  # sizes are told apart by 2^8, so that most numbers stay as is


def unit(x: Tensor) -> float:
    """A power of 2^8 near the largest entry, 1 for 1/16 up to 16.

    Parameters
    ----------
    x : floats of any shape, finite
    """
    most = int(math.log2(torch.finfo(x.dtype).max)) - 2 * _STEP
    most -= most % _STEP  # its inverse is a number too
    power = math.frexp(float(x.abs().max()))[1] + 3
    return 2.0 ** max(-most, min(power // _STEP * _STEP, most))
