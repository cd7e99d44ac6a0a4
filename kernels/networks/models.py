"""The papers' architectures."""

import math
from collections.abc import Sequence
from typing import Any

from kernels.networks.checks import is_whole, whole
from kernels.networks.layers import Layer, Pool
from kernels.networks.network import Network


def mlp(widths: Sequence[int], bias: bool = True) -> Network:
    """Fully connected, ReLU between the layers.

    Parameters
    ----------
    widths : (inputs, h_1, …, h_{d-1}, outputs)
    bias : whether the layers have one

    Raises
    ------
    ValueError
        For fewer than two widths, or one that is not positive.
    """
    widths = tuple(widths)
    if len(widths) < 2 or not all(map(is_whole, widths)):
        raise ValueError(
            f"widths is {widths}; positive whole numbers, of inputs and "
            "outputs at least, will do"
        )
    return Network(
        widths[:1], tuple(Layer(width, bias=bias) for width in widths[1:])
    )


def conv3(
    *,
    channels: int | Sequence[int] = 32,
    inputs: Sequence[int] = (1, 28, 28),
    classes: int = 10,
    bias: bool = False,
    pools: Sequence[Pool | None] = (None, None, None),
) -> Network:
    """K19's MNIST network: three 3 x 3 "same" convolutions, one linear layer.

    Parameters
    ----------
    channels : one number, or three
    inputs : one image's shape, (channels, height, width)
    classes : the number of outputs
    bias : whether the layers have one
    pools : a :class:`Pool` or None behind each convolution
        None in K19.

    Raises
    ------
    ValueError
        For another number of channels or pools.
    """
    widths = _each("channels", channels, 3)
    if len(pools) != 3:
        raise ValueError(
            f"pools has {len(pools)} entries; conv3 has 3 convolutions"
        )
    layers = [
        Layer(width, bias, 3, 1, pools=() if pool is None else (pool,))
        for width, pool in zip(widths, pools)
    ]
    return Network(tuple(inputs), (*layers, Layer(classes, bias)))


def vgg11(
    *,
    scale: float = 1.0,
    inputs: Sequence[int] = (3, 32, 32),
    classes: int = 10,
    hidden: int | Sequence[int] = 4096,
    adaptive: int | None = None,
    bias: bool = True,
) -> Network:
    """VGG-11: eight 3 x 3 convolutions, five max-pools, three linear layers.

    Parameters
    ----------
    scale : multiplies all hidden widths, channels and linear
        Rounded, at least 1.
    inputs : one image's shape, (channels, height, width)
    classes : the number of outputs
    hidden : width of both hidden linear layers, or two widths
        Before scaling.
    adaptive : None, or 7
        Adds the 7 x 7 average pooling of torchvision's model, which on 32
        x 32 images repeats one value 49 times.
    bias : whether the layers have one

    Raises
    ------
    ValueError
        For another scale or number of hidden widths.
    """
    if not 0 <= scale < math.inf:
        raise ValueError(f"scale is {scale}; a number from 0 will do")
    linear = [whole("hidden", width) for width in _each("hidden", hidden, 2)]
    wide = [max(1, round(scale * width)) for width in (*_VGG11, *linear)]
    layers = []
    for i, width in enumerate(wide[:8], 1):
        pools = [Pool("max", 2)] if i in (1, 2, 4, 6, 8) else []
        if i == 8 and adaptive is not None:
            pools.append(Pool("adaptive", adaptive))
        layers.append(Layer(width, bias, 3, 1, pools=tuple(pools)))
    layers += [Layer(width, bias) for width in (*wide[8:], classes)]
    return Network(tuple(inputs), tuple(layers))


def _each(name: str, value: Any, count: int) -> list[Any]:
    """``count`` entries, from one whole number or as many entries."""
    if is_whole(value) or not hasattr(value, "__len__"):
        return [whole(name, value)] * count
    if len(value) != count:
        raise ValueError(
            f"{name} has {len(value)} entries; one whole number, or {count}, "
            "will do"
        )
    return list(value)


_VGG11 = (64, 128, 256, 256, 512, 512, 512, 512)
