"""From a chain of torch modules to layers, step by step."""

import math
from dataclasses import dataclass, field

from torch import Tensor, nn

from kernels.networks.batchnorm import fold_batch_norm, scale_and_shift
from kernels.networks.beyond import why_not
from kernels.networks.layers import Layer, Pool
from kernels.networks.network import Network
from kernels.networks.tracing import Step
from kernels.networks.tree import Parameters


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

    def layer(self):
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

    def __init__(self, shape):
        self.inputs = self.shape = shape
        self.entries, self.affine, self.seen = [], None, {}

    def take(self, step: Step):
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
    def _open(self):
        """The last layer, where its ReLU has not come yet."""
        fresh = self.entries and not self.entries[-1].relu
        return self.entries[-1] if fresh else None

    def linear(self, name, module):
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

    def convolution(self, name, module):
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
        kernel = _square(name, "kernel_size", module.kernel_size)
        stride = _square(name, "stride", module.stride)
        padding = module.padding
        if isinstance(padding, str):  # "same" or "valid"
            padding = (kernel - 1) / 2 if padding == "same" else 0
        padding = _square(name, "padding", padding)
        if padding != int(padding) or (
            padding and module.padding_mode != "zeros"
        ):
            raise ValueError(
                f"{name}: padding is {module.padding!r} with kernel "
                f"{kernel} and padding_mode {module.padding_mode!r}; as many "
                "zeros on every side will do"
            )
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
        self._append(_Entry(name, weight, bias, int(padding), stride))

    def batch_norm(self, name, module):
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

    def relu(self, name, module):
        if self._open:
            self._open.relu = True
        elif self.affine or not self.entries:
            raise ValueError(
                f"{name}: no weight layer stands right before it; the "
                "constructions move the units of weight layers"
            )

    def flatten(self, name, module):
        if self.affine and len(self.shape) > 1:
            area = math.prod(self.shape[1:])
            self.affine = tuple(
                one.repeat_interleave(area) for one in self.affine
            )

    def nothing(self, name, module):
        pass

    def max_pool(self, name, module):
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

    def average_pool(self, name, module):
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

    def adaptive_pool(self, name, module):
        size = module.output_size
        size = size if isinstance(size, tuple) else (size, size)
        size = [b if a is None else a for a, b in zip(size, self.shape[1:])]
        self._behind(
            name, Pool("adaptive", _square(name, "output_size", size))
        )

    def _pool(self, name, module, kind):
        pool = Pool(
            kind,
            _square(name, "kernel_size", module.kernel_size),
            _square(name, "stride", module.stride),
            _square(name, "padding", module.padding),
        )
        self._behind(name, pool, module.ceil_mode)

    def _behind(self, name, pool, ceil=False):
        """Put the pool behind the last layer's ReLU."""
        if len(self.shape) != 3:
            raise ValueError(
                f"{name}: it pools features of shape {self.shape}; maps "
                "(channels, height, width) will do"
            )
        if ceil:
            last = [
                (side + 2 * pool.padding - pool.size) % pool.stride
                for side in self.shape[1:]
            ]
            if any(last):
                raise ValueError(
                    f"{name}: with ceil_mode its last windows hang over maps "
                    f"of shape {self.shape}; ceil_mode=False will do"
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

    def _append(self, entry):
        if self._open:
            raise ValueError(
                f"{entry.name}: no ReLU stands between it and "
                f"{self._open.name}; the constructions need one behind every "
                "weight layer but the last"
            )
        self.entries.append(entry)
        self.affine = None

    def _weights(self, name, module):
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

    def _finite(self, name, **tensors):
        for what, tensor in tensors.items():
            bad = 0 if tensor is None else int((~tensor.isfinite()).sum())
            if bad:
                raise ValueError(
                    f"{name}: its {what} has {bad} non-finite values; none "
                    "will do"
                )


def _plus(bias, more):
    return more if bias is None else bias + more


def _square(name, what, value):
    value = set(value) if isinstance(value, tuple | list) else {value}
    if len(value) != 1:
        raise ValueError(
            f"{name}: {what} is not square; the constructions know square ones"
        )
    return value.pop()


_KINDS = {
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
