"""From a chain of torch modules to layers, step by step."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from kernels.networks import sizes
from kernels.networks.aliases import Parameters
from kernels.networks.batchnorm import fold_batch_norm, scale_and_shift
from kernels.networks.beyond import why_not
from kernels.networks.layers import Layer, Pool
from kernels.networks.network import Network
from kernels.networks.tracing import Step


@dataclass
class _Entry:
    """A weight layer so far, and the ReLU and pools behind it."""

    name: str
    weight: Tensor
    bias: Tensor | None
    padding: int = 0
    stride: int = 1
    relu: bool = False
    pools: list[Pool] = field(default_factory=list)

    def layer(self) -> Layer:
        kernel = self.weight.shape[2] if self.weight.dim() == 4 else None
        return Layer(
            len(self.weight),
            self.bias is not None,
            kernel,
            self.padding,
            self.stride,
            tuple(self.pools),
        )


class Guest:
    """Takes steps one by one and makes layers of them.

    ``shape``: one sample's at this point; ``affine``: the factor and shift of
    each channel or feature that a batch norm behind a ReLU left for the next
    weight layer, or None.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.inputs = self.shape = shape
        self.entries: list[_Entry] = []
        self.affine: tuple[Tensor, Tensor] | None = None
        self.seen: dict[int, str] = {}

    def take(self, step: Step) -> None:
        """One more step of the chain; ValueError where it does not fit."""
        for kinds, act in _KINDS.items():
            if isinstance(step.module, kinds):
                act(self, step.name, step.module)
                self.shape = step.shape
                return
        raise ValueError(f"{step.name}: {why_not(step.module)}")

    def finish(self) -> tuple[Network, Parameters]:
        """The network and its parameters."""
        if not self.entries:
            raise ValueError(
                "module has no Linear layer; one at least will do"
            )
        last = self.entries[-1]
        if last.weight.dim() != 2:
            raise ValueError(
                f"{last.name}: the last weight layer is a convolution; the "
                "constructions end in a linear one"
            )
        if last.relu:
            raise ValueError(
                f"{last.name}: the last layer is followed by ReLU; a path's "
                "affine segments move the outputs themselves"
            )
        flat = self.entries[0].weight.dim() == 2
        inputs = (math.prod(self.inputs),) if flat else self.inputs
        net = Network(inputs, tuple(one.layer() for one in self.entries))
        return net, tuple((one.weight, one.bias) for one in self.entries)

    @property
    def _open(self) -> _Entry | None:
        """The last layer, where its ReLU has not come yet."""
        fresh = self.entries and not self.entries[-1].relu
        return self.entries[-1] if fresh else None

    def linear(self, name: str, module: nn.Linear) -> None:
        if len(self.shape) != 1:
            raise ValueError(
                f"{name}: it reads maps of shape {self.shape}, along their "
                "last side; Flatten before it will do"
            )
        weight, bias = self._weights(name, module)
        if self.affine:
            factor, shift = self.affine
            bias = _plus(bias, weight @ shift)
            weight = weight * factor
        self._append(_Entry(name, weight, bias))

    def convolution(self, name: str, module: nn.Conv2d) -> None:
        padding, stride = sizes.convolution(name, module)
        weight, bias = self._weights(name, module)
        if self.affine:
            factor, shift = self.affine
            if padding and bool(shift.any()):
                raise ValueError(
                    f"{name}: a batch norm behind a ReLU cannot be folded "
                    f"into a convolution with padding {padding}, which pads "
                    "with zeros after it"
                )
            weight_shift = weight * shift[:, None, None]
            bias = _plus(bias, weight_shift.sum((1, 2, 3)))
            weight = weight * factor[:, None, None]
        self._append(_Entry(name, weight, bias, padding, stride))

    def batch_norm(self, name: str, module: nn.Module) -> None:
        factor, shift = scale_and_shift(module, name)
        self._finite(name, scale=factor, shift=shift)
        entry = self._open
        if entry is None:
            if self.affine:
                shift = shift + factor * self.affine[1]
                factor = factor * self.affine[0]
            self.affine = factor, shift
        elif entry.pools or len(factor) != len(entry.weight):
            raise ValueError(
                f"{name}: it stands between {entry.name} and its ReLU, but "
                "not right behind it; there it could be folded"
            )
        else:
            ((entry.weight, entry.bias),) = fold_batch_norm(
                [(entry.weight, entry.bias, module)]
            )

    def relu(self, name: str, module: nn.Module) -> None:
        if self._open:
            self._open.relu = True
        elif self.affine or not self.entries:
            raise ValueError(
                f"{name}: no weight layer stands right before it; the "
                "constructions move the units of weight layers"
            )

    def flatten(self, name: str, module: nn.Module) -> None:
        if self.affine and len(self.shape) > 1:
            area = math.prod(self.shape[1:])
            factor, shift = self.affine
            self.affine = (
                factor.repeat_interleave(area),
                shift.repeat_interleave(area),
            )

    def nothing(self, name: str, module: nn.Module) -> None:
        pass

    def max_pool(self, name: str, module: nn.MaxPool2d) -> None:
        if module.dilation not in (1, (1, 1)) or module.return_indices:
            raise ValueError(
                f"{name}: dilation and return_indices are beyond the "
                "constructions"
            )
        if self.affine:
            raise ValueError(
                f"{name}: it pools what a batch norm behind a ReLU returns; "
                "the batch norm before the ReLU, or behind the pooling, will "
                "do"
            )
        self._pool(name, module, "max")

    def average_pool(self, name: str, module: nn.AvgPool2d) -> None:
        padded = module.padding not in (0, (0, 0))
        if module.divisor_override is not None or (
            padded and not module.count_include_pad
        ):
            raise ValueError(
                f"{name}: averages over whole windows, zeros of the padding "
                "included, will do (no divisor_override, count_include_pad)"
            )
        if padded and self.affine:
            raise ValueError(
                f"{name}: it pads what a batch norm behind a ReLU returns; "
                "padding 0 will do"
            )
        self._pool(name, module, "average")

    def adaptive_pool(self, name: str, module: nn.AdaptiveAvgPool2d) -> None:
        size: Any = module.output_size
        size = size if isinstance(size, tuple) else (size, size)
        size = [b if a is None else a for a, b in zip(size, self.shape[1:])]
        side = sizes.square(name, "output_size", size)
        self._behind(name, Pool("adaptive", side))

    def _pool(
        self, name: str, module: nn.MaxPool2d | nn.AvgPool2d, kind: str
    ) -> None:
        self._behind(name, sizes.pooling(name, module, kind, self.shape))

    def _behind(self, name: str, pool: Pool) -> None:
        """Put the pool behind the last layer's ReLU."""
        if len(self.shape) != 3:
            raise ValueError(
                f"{name}: it pools features of shape {self.shape}; maps "
                "(channels, height, width) will do"
            )
        if not self.entries:
            raise ValueError(
                f"{name}: it pools the input; pool the data instead"
            )
        if self._open and pool.kind != "max":
            raise ValueError(
                f"{name}: averages stand between {self._open.name} and its "
                "ReLU, or no ReLU comes; ReLU before the pooling will do"
            )
        self.entries[-1].pools.append(pool)

    def _append(self, entry: _Entry) -> None:
        if self._open:
            raise ValueError(
                f"{entry.name}: no ReLU stands between it and "
                f"{self._open.name}; the constructions need one behind every "
                "weight layer but the last"
            )
        self.entries.append(entry)
        self.affine = None

    def _weights(
        self, name: str, module: nn.Linear | nn.Conv2d
    ) -> tuple[Tensor, Tensor | None]:
        """(weight, bias), and that no layer before has the same ones."""
        for parameter in module.parameters():
            if id(parameter) in self.seen:
                raise ValueError(
                    f"{name}: it shares its weights with "
                    f"{self.seen[id(parameter)]}; a path moves the weights of "
                    "each layer by themselves"
                )
            self.seen[id(parameter)] = name
        self._finite(name, weight=module.weight, bias=module.bias)
        bias = module.bias
        return module.weight.detach(), None if bias is None else bias.detach()

    def _finite(self, name: str, **tensors: Tensor | None) -> None:
        for what, tensor in tensors.items():
            bad = 0 if tensor is None else int((~tensor.isfinite()).sum())
            if bad:
                raise ValueError(
                    f"{name}: its {what} has {bad} non-finite values; none "
                    "will do"
                )


def _plus(bias: Tensor | None, more: Tensor) -> Tensor:
    return more if bias is None else bias + more


_KINDS: dict[Any, Callable[..., None]] = {
    nn.Linear: Guest.linear,
    nn.Conv2d: Guest.convolution,
    (nn.BatchNorm1d, nn.BatchNorm2d): Guest.batch_norm,
    nn.ReLU: Guest.relu,
    nn.MaxPool2d: Guest.max_pool,
    nn.AvgPool2d: Guest.average_pool,
    nn.AdaptiveAvgPool2d: Guest.adaptive_pool,
    nn.Flatten: Guest.flatten,
    (nn.Identity, nn.modules.dropout._DropoutNd): Guest.nothing,
}
