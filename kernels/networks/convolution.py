"""Convolutions, in the order that suits a CPU."""

import torch
from torch import Tensor
from torch.nn import functional

_PLACES = 16  # of an output map, up to which the product is faster
_BYTES = 1 << 22  # that a float64 convolution may lay out side by side


def _halved(h: Tensor) -> bool:
    """Whether a CPU's products of ``h`` take bfloat16 inputs."""
    cast = h.dtype == torch.float32 and torch.is_autocast_enabled("cpu")
    return h.device.type == "cpu" and (h.dtype == torch.bfloat16 or cast)


def _together(h: Tensor, weight: Tensor, places: list[int]) -> int:
    """How many samples ``conv2d`` is given at once.

    All where the weight's gradient is asked for, whose sum over samples would
    be rounded otherwise, and where the output is larger than what is read.
    """
    reads = weight[0].numel()  # numbers that an output place reads
    wide = h.dtype == torch.float64 and h.device.type == "cpu"
    if not wide or weight.requires_grad or reads <= len(weight):
        return max(1, len(h))
    return max(1, _BYTES // (8 * reads * places[0] * places[1]))


def convolve(
    h: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *,
    stride: int = 1,
    padding: int = 0,
) -> Tensor:
    """``functional.conv2d``, or the same in a faster order on a CPU.

    For bfloat16 maps of few places, autocast's too, one matrix product: what
    each output place reads, laid side by side, times the weight.  The same
    sums in another order; oneDNN 3.12's gradient of the weight is slow there:
    forward and backward of 512 channels at 4 × 4 and 2 × 2 take 55 and 47 ms
    with ``conv2d``, 27 and 12 so (batch 100, two cores with AMX); at 8 × 8
    ``conv2d`` is faster.

    For float64, which PyTorch lays out so itself, in memory that it gives back
    each time: a few samples at once.  The same numbers to the bit, in a third
    of the time for 1024 maps of 16 channels at 8 × 8 (66 ms and 23).

    Parameters
    ----------
    h : (n, C, H, W)
    weight : (out, C, k, k)
    bias : (out,), or None

    Returns
    -------
    (n, out, H', W'), channels-last where it was a product.

    Memory: k² / stride² copies of ``h`` where it is a product, otherwise the
    output once more where it was computed in parts.
    """
    side = weight.shape[-1]
    places = [
        (size + 2 * padding - side) // stride + 1 for size in h.shape[2:]
    ]
    if places[0] * places[1] > _PLACES or not _halved(h):
        how = {"stride": stride, "padding": padding}
        parts = [
            functional.conv2d(part, weight, bias, **how)
            for part in h.split(_together(h, weight, places))
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts)
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
