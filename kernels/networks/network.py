"""The network: its layers, its maps and its initialisation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from kernels import device as _device  # noqa: F401, no silent TF32
from kernels import states
from kernels.networks import checks, tree
from kernels.networks.aliases import Parameters
from kernels.networks.checks import check_parameters, one_of, whole
from kernels.networks.convolution import convolve
from kernels.networks.layers import Layer, shape_after


@states("K19", "Remark 1")
def columns(weight: Tensor, units: int) -> Tensor:
    """``weight`` as ``(out, units, block)``: one block of columns a unit.

    What makes channels units like neurons (K19, Remark 1).  A view where the
    weight is contiguous.

    Parameters
    ----------
    weight : (out, in) or (out, in, k, k)
    units : how many feed it
        Divides the weight's columns.
    """
    return weight.reshape(weight.shape[0], units, -1 if weight.numel() else 0)


@dataclass(frozen=True)
class Network:
    """Layers on an input of shape ``(features,)`` or ``(C, H, W)``.

    ``depth`` is d, the number of weight layers; ``widths`` the numbers of
    units ``(inputs, h_1, …, h_{d-1}, outputs)``, ``hidden`` those between;
    ``shapes[l]`` the shape of layer l's features before any flattening.
    """

    inputs: tuple[int, ...]
    layers: tuple[Layer, ...]
    shapes: tuple[tuple[int, ...], ...] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        _set(self, "inputs", tuple(whole("inputs", n) for n in self.inputs))
        _set(self, "layers", tuple(self.layers))
        if len(self.inputs) not in (1, 3):
            raise ValueError(
                f"inputs is {self.inputs}; (features,) or (channels, height, "
                "width) with positive sizes will do"
            )
        if not self.layers:
            raise ValueError("layers is empty; at least one layer is needed")
        shapes = [self.inputs]
        for i, layer in enumerate(self.layers, 1):
            shapes.append(shape_after(i, layer, shapes[-1]))
        if self.layers[-1].kernel is not None:
            raise ValueError(
                f"layer {self.depth}, the last, is a convolution; the last "
                "layer must be linear"
            )
        _set(self, "shapes", tuple(shapes))

    @property
    def depth(self) -> int:
        return len(self.layers)

    @property
    def widths(self) -> tuple[int, ...]:
        return (self.inputs[0], *(layer.width for layer in self.layers))

    @property
    def hidden(self) -> tuple[int, ...]:
        return self.widths[1:-1]

    def weight_shape(self, i: int) -> tuple[int, ...]:
        """Shape of layer i's weight, i = 1 … d."""
        i = self._within("i", i, 1, self.depth)
        layer, below = self.layers[i - 1], self.shapes[i - 1]
        if layer.kernel is None:
            return layer.width, math.prod(below)
        return layer.width, below[0], layer.kernel, layer.kernel

    def init(
        self,
        *,
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
        distribution: str = "normal",
        scale: float = 1.0,
        bias: str = "zero",
    ) -> Parameters:
        """Random parameters, He-initialised (variance 2 / fan-in).

        Drawn in float64 on the generator's device, then cast: the same
        generator gives the same network in every dtype and on every device.

        Parameters
        ----------
        generator : where all numbers are drawn
        dtype, device : of the parameters
            None: the generator's device.
        distribution : ``"normal"``, ``"uniform"`` or ``"torch"``
            The first two of standard deviation ``scale * sqrt(2 / fan_in)``;
            the last uniform within ``scale / sqrt(fan_in)`` as
            ``torch.nn.Linear`` draws.
        scale : multiplies the weights
        bias : ``"zero"``, or ``"uniform"`` within ``1 / sqrt(fan_in)``

        Raises
        ------
        ValueError, TypeError
            For another word, a scale that is not finite, a dtype that holds
            no fractions, or what is no generator.
        """
        checks.generator("generator", generator)
        one_of("distribution", distribution, ("normal", "uniform", "torch"))
        one_of("bias", bias, ("zero", "uniform"))
        if not math.isfinite(scale):
            raise ValueError(f"scale is {scale}; a finite number will do")
        if not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
            raise TypeError(
                f"dtype is {dtype!r}; a torch dtype of floats will do"
            )
        draw: dict[str, Any] = {"generator": generator, "dtype": torch.float64}
        draw["device"] = generator.device
        device = generator.device if device is None else device
        theta = []
        for i, layer in enumerate(self.layers, 1):
            shape = self.weight_shape(i)
            fan_in = max(1, math.prod(shape[1:]))
            if distribution == "normal":
                weight = torch.randn(shape, **draw)
                weight *= scale * math.sqrt(2 / fan_in)
            else:
                numerator = 6 if distribution == "uniform" else 1
                weight = torch.rand(shape, **draw).mul_(2).sub_(1)
                weight *= scale * math.sqrt(numerator / fan_in)
            offset = None
            if layer.bias:
                offset = torch.zeros(layer.width, dtype=torch.float64)
                if bias == "uniform":
                    offset = torch.rand(layer.width, **draw).mul_(2).sub_(1)
                    offset /= math.sqrt(fan_in)
                offset = offset.to(device=device, dtype=dtype)
            theta.append((weight.to(device=device, dtype=dtype), offset))
        return tuple(theta)

    def linear(
        self, i: int, weight: Tensor, h: Tensor, bias: Tensor | None = None
    ) -> Tensor:
        """Layer i's linear map with any ``weight`` of its shape.

        ``h``: what layer i reads, as :meth:`features` gives it for i - 1.
        Neither ReLU nor, unless given, a bias.
        """
        layer = self.layers[i - 1]
        if layer.kernel is None:
            return functional.linear(h, weight, bias)
        return convolve(
            h, weight, bias, stride=layer.stride, padding=layer.padding
        )

    def pool(self, i: int, h: Tensor) -> Tensor:
        """Layer i's pooling, then the flattening where layer i + 1 asks."""
        for pool in self.layers[i - 1].pools:
            h = pool(h)
        if h.dim() == 4 and self.layers[i].kernel is None:
            h = h.flatten(1)
        return h

    def activate(self, i: int, z: Tensor) -> Tensor:
        """From layer i's pre-activations to what layer i + 1 reads.

        ReLU, pooling, flattening; the identity for the last layer.  Monotone
        in every entry.
        """
        return z if i == self.depth else self.pool(i, torch.relu(z))

    @states("N21", "(1)")
    def features(self, theta: Parameters, x: Tensor, layer: int) -> Tensor:
        """What layer ``layer + 1`` reads, N21 (1); layer 0 gives the input."""
        layer = self._within("layer", layer, 0, self.depth - 1)
        return self._run(theta, self._input(theta, x), 0, layer)

    def forward_from(self, theta: Parameters, h: Tensor, layer: int) -> Tensor:
        """Outputs from the features ``h`` of ``layer``: (n, outputs)."""
        layer = self._within("layer", layer, 0, self.depth)
        return self._run(theta, h, layer, self.depth)

    def forward(self, theta: Parameters, x: Tensor) -> Tensor:
        """Outputs ``(n, outputs)`` on ``x``: (n, features) or (n, C, H, W).

        Flat and shaped inputs both do.  Raises ValueError where ``theta`` has
        not this network's shapes; values are not looked at.
        """
        self.check(theta, values=False)
        return self._run(theta, self._input(theta, x), 0, self.depth)

    def take(self, layer: int, h: Tensor, units: Tensor) -> Tensor:
        """The features ``h`` of ``layer``, of the given units alone."""
        if h.dim() == 4:
            return h[:, units]
        blocks = columns(h, self.widths[layer])  # (n, units, block)
        return blocks[:, units].flatten(1)

    @states("N21", "(3)")
    def narrow(self, widths: Sequence[int], *, first: int = 0) -> "Network":
        """Layers ``first + 1`` … d with other numbers of units.

        ``widths``: units of layers ``first``, ``first + 1``, …, d - 1.  It
        reads :meth:`take` of layer ``first``; the subnetwork of N21 (3) is
        ``narrow([|I_l|, n_{l+1} - |I_{l+1}|, …], first=l)``.
        """
        first = self._within("first", first, 0, self.depth - 1)
        if len(widths) != self.depth - first:
            raise ValueError(
                f"widths has {len(widths)} entries; layers {first} to "
                f"{self.depth - 1} need {self.depth - first}"
            )
        tail = self.layers[first:]
        return Network(
            (widths[0], *self.shapes[first][1:]),
            tuple(
                replace(layer, width=width)
                for layer, width in zip(tail, widths[1:])
            )
            + tail[-1:],
        )

    def columns(self, l: int, weight: Tensor) -> Tensor:  # noqa: E741
        """Layer l + 1's ``weight`` as ``(out, h_l, block)``."""
        return columns(weight, self.widths[l])

    def check(
        self, theta: Parameters, name: str = "theta", *, values: bool = True
    ) -> Parameters:
        """Raise ValueError or TypeError where ``theta`` does not fit.

        Looks at the number of layers, shapes, biases, dtypes, devices,
        unfolded batch norm and (with ``values``) finiteness, and names the
        layer and both values.  Returns ``theta``'s own tensors in tuples,
        detached where they ask for gradients.
        """
        check_parameters(self, theta, name, values=values)
        return tree.at_rest(theta)

    def _run(
        self, theta: Parameters, h: Tensor, start: int, stop: int
    ) -> Tensor:
        for i in range(start + 1, stop + 1):
            weight, bias = theta[i - 1]
            h = self.activate(i, self.linear(i, weight, h, bias))
        return h

    def _input(self, theta: Parameters, x: Any) -> Tensor:
        x, size = checks.tensor("x", x), math.prod(self.inputs)
        if x.dim() < 2 or math.prod(x.shape[1:]) != size:
            raise ValueError(
                f"x has shape {tuple(x.shape)}; (n, {size}) or (n, "
                f"{', '.join(map(str, self.inputs))}) will do"
            )
        x = checks.numbers("x", x, like=theta[0][0])
        flat = self.layers[0].kernel is None
        return x.flatten(1) if flat else x.reshape(-1, *self.inputs)

    def _within(self, name: str, value: int, low: int, high: int) -> int:
        if not (checks.is_whole(value, low) and value <= high):
            raise ValueError(f"{name} is {value!r}; {low} to {high} will do")
        return int(value)


def _set(frozen: object, name: str, value: object) -> None:
    object.__setattr__(frozen, name, value)
