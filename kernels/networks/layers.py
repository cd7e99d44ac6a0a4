"""What a network is made of: layers, and the pooling behind them."""

import math
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from kernels.networks.checks import one_of, whole


@dataclass(frozen=True)
class Pool:
    """Pooling after a convolution's ReLU.

    ``"max"`` and ``"average"``: windows of ``size`` x ``size``, ``stride``
    apart (None: ``size``), on maps with ``padding`` around them, which is
    never a maximum and counts as zeros in averages; ``"adaptive"``: averages
    down (or up) to ``size`` x ``size``.
    """

    kind: str
    size: int
    stride: int | None = None
    padding: int = 0

    def __post_init__(self) -> None:
        if self.kind not in ("max", "average", "adaptive"):
            raise ValueError(
                f"pool kind {self.kind!r} is none of 'max', 'average', "
                "'adaptive'"
            )
        _set(self, "size", whole("pool size", self.size))
        _set(self, "padding", whole("pool padding", self.padding, 0))
        if self.kind == "adaptive":
            if self.stride is not None or self.padding:
                raise ValueError(
                    f"pool stride is {self.stride} and padding "
                    f"{self.padding}; adaptive pooling has neither"
                )
            return
        if self.stride is None:
            _set(self, "stride", self.size)
        _set(self, "stride", whole("pool stride", self.stride))
        if not 0 <= self.padding <= self.size // 2:
            raise ValueError(
                f"pool padding is {self.padding}; 0 to {self.size // 2}, half "
                "the size, will do"
            )

    def __call__(self, h: Tensor) -> Tensor:
        if self.kind == "adaptive":
            return functional.adaptive_avg_pool2d(h, self.size)
        if self.kind == "max":
            return functional.max_pool2d(
                h, self.size, self.stride, self.padding
            )
        return functional.avg_pool2d(h, self.size, self.stride, self.padding)

    def maxima(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Maxima and their places in the flattened maps, both (n, C, …)."""
        return functional.max_pool2d(
            h, self.size, self.stride, self.padding, return_indices=True
        )

    def windows(self, h: Tensor) -> Tensor:
        """What each maximum is taken over: (n, C, rows, columns, size²).

        Places in the padding hold -inf.
        """
        h = functional.pad(h, (self.padding,) * 4, value=-math.inf)
        for side in (2, 3):
            h = h.unfold(side, self.size, self.step)
        return h.flatten(-2)

    def shape(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the maps behind it."""
        if self.kind == "adaptive":
            return self.size, self.size
        height, width = (
            (side + 2 * self.padding - self.size) // self.step + 1
            for side in (height, width)
        )
        return height, width

    @property
    def step(self) -> int:
        """``stride``, or ``size`` where it is None."""
        return self.stride or self.size


@dataclass(frozen=True)
class Layer:
    """One layer: ``width`` units, linear or (with ``kernel``) convolution.

    ``kernel``, ``padding`` and ``stride`` are the convolution's (square),
    ``pools`` what follows its ReLU.
    """

    width: int
    bias: bool = True
    kernel: int | None = None
    padding: int = 0
    stride: int = 1
    pools: tuple[Pool, ...] = ()

    def __post_init__(self) -> None:
        one_of("bias", self.bias, (True, False))
        _set(self, "bias", bool(self.bias))
        for name, least in (("width", 0), ("padding", 0), ("stride", 1)):
            _set(self, name, whole(name, getattr(self, name), least))
        if self.kernel is not None:
            _set(self, "kernel", whole("kernel", self.kernel))
        if isinstance(self.pools, Pool):
            raise TypeError("pools is a Pool; a tuple of them will do")
        _set(self, "pools", tuple(self.pools))


def _set(frozen: object, name: str, value: object) -> None:
    object.__setattr__(frozen, name, value)


def shape_after(
    i: int, layer: Layer, shape: tuple[int, ...]
) -> tuple[int, ...]:
    """Shape of layer i's features.

    Parameters
    ----------
    i : the layer's number, for errors
    layer : the layer
    shape : of the features that it reads

    Raises
    ------
    ValueError
        Where it cannot read them, or nothing is left.
    """
    if layer.kernel is None:
        if layer.pools:
            raise ValueError(f"layer {i}: pools need a convolution")
        return (layer.width,)
    if len(shape) != 3:
        raise ValueError(
            f"layer {i}: a convolution cannot read features of shape {shape}"
        )
    size = [
        (side + 2 * layer.padding - layer.kernel) // layer.stride + 1
        for side in shape[1:]
    ]
    for pool in layer.pools:
        size = [*pool.shape(*size)]
    if min(size) < 1:
        raise ValueError(
            f"layer {i}: nothing is left of maps of {shape[1]} x {shape[2]} "
            f"after kernel {layer.kernel} and {layer.pools}"
        )
    return (layer.width, *size)
