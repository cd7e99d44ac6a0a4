"""Convolutions, as the products that a CPU's bfloat16 is made for."""

import torch
from torch import Tensor
from torch.nn import functional

_PLACES = 16  # of an output map, up to which the product is faster


def _halved(h: Tensor) -> bool:
    """Whether a CPU's products of ``h`` take bfloat16 inputs."""
    cast = h.dtype == torch.float32 and torch.is_autocast_enabled("cpu")
    return h.device.type == "cpu" and (h.dtype == torch.bfloat16 or cast)


def convolve(
    h: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *,
    stride: int = 1,
    padding: int = 0,
) -> Tensor:
    """``functional.conv2d``, one matrix product where that is faster.

    What each output place reads, laid side by side, times the weight: the
    same sums in another order.  Done for bfloat16 maps of few places on a CPU,
    autocast's too, where oneDNN 3.12's gradient of the weight is slow: forward
    and backward of 512 channels at 4 × 4 and 2 × 2 take 55 and 47 ms with
    ``conv2d``, 27 and 12 so (batch 100, two cores with AMX); at 8 × 8
    ``conv2d`` is faster.

    Parameters
    ----------
    h : (n, C, H, W)
    weight : (out, C, k, k)
    bias : (out,), or None

    Returns
    -------
    (n, out, H', W'), channels-last where it was a product.

    Memory: k² / stride² copies of ``h`` where it is a product.
    """
    side = weight.shape[-1]
    places = [
        (size + 2 * padding - side) // stride + 1 for size in h.shape[2:]
    ]
    if places[0] * places[1] > _PLACES or not _halved(h):
        return functional.conv2d(
            h, weight, bias, stride=stride, padding=padding
        )
    h = functional.pad(h.movedim(1, -1), (0, 0) + 4 * (padding,))
    high, wide = (stride * (count - 1) + 1 for count in places)
    reads = torch.cat(
        [
            h[:, i : i + high : stride, j : j + wide : stride]
            for i in range(side)
            for j in range(side)
        ],
        -1,
    )  # (n, H', W', k * k * C)
    flat = weight.movedim(1, -1).flatten(1)
    return functional.linear(reads, flat, bias).movedim(-1, 1)
