"""Sizes of convolutions and poolings, as torch modules have them."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from kernels.networks.layers import Pool


def square(name: str, what: str, value: Any) -> Any:
    """One number from one number or a tuple of equal ones, else an error."""
    found = set(value) if isinstance(value, tuple | list) else {value}
    if len(found) != 1:
        raise ValueError(
            f"{name}: {what} is not square; the constructions know square ones"
        )
    return found.pop()


def convolution(name: str, module: nn.Conv2d) -> tuple[int, int]:
    """Padding and stride of a convolution, or why it is out of reach."""
    if module.groups != 1:
        raise ValueError(
            f"{name}: groups is {module.groups}; 1 will do: the "
            "constructions move a channel with its kernel in every "
            "channel of the next layer"
        )
    if module.dilation != (1, 1):
        raise ValueError(
            f"{name}: dilation is {module.dilation}; the network's "
            "convolutions know dilation 1 alone"
        )
    kernel = square(name, "kernel_size", module.kernel_size)
    stride = square(name, "stride", module.stride)
    padding: Any = module.padding
    if isinstance(padding, str):  # "same" or "valid"
        padding = (kernel - 1) / 2 if padding == "same" else 0
    padding = square(name, "padding", padding)
    if padding != int(padding) or (padding and module.padding_mode != "zeros"):
        raise ValueError(
            f"{name}: padding is {module.padding!r} with kernel "
            f"{kernel} and padding_mode {module.padding_mode!r}; as many "
            "zeros on every side will do"
        )
    return int(padding), stride


def pooling(
    name: str,
    module: nn.MaxPool2d | nn.AvgPool2d,
    kind: str,
    shape: Sequence[int],
) -> Pool:
    """A pooling of maps of ``shape``, or why it is out of reach."""
    pool = Pool(
        kind,
        square(name, "kernel_size", module.kernel_size),
        square(name, "stride", module.stride),
        square(name, "padding", module.padding),
    )
    if module.ceil_mode and len(shape) == 3:
        last = [
            (side + 2 * pool.padding - pool.size) % pool.step
            for side in shape[1:]
        ]
        if any(last):
            raise ValueError(
                f"{name}: with ceil_mode its last windows hang over maps "
                f"of shape {tuple(shape)}; ceil_mode=False will do"
            )
    return pool
