"""Torch modules in and out: a guest's network, and its way home."""

import copy
from collections.abc import Sequence
from numbers import Integral
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from kernels.networks import tree
from kernels.networks.aliases import Parameters
from kernels.networks.guest import Guest
from kernels.networks.layers import Pool
from kernels.networks.network import Network
from kernels.networks.tracing import chain, named


def from_module(
    module: nn.Module, input_shape: Sequence[int]
) -> tuple[Network, Parameters]:
    """A torch module as a :class:`Network` and its parameters.

    Parameters
    ----------
    module : torch.nn.Module
        In eval mode a chain of Linear, Conv2d (square kernels, stride,
        padding), BatchNorm1d and BatchNorm2d, ReLU, MaxPool2d, AvgPool2d,
        AdaptiveAvgPool2d (square), Flatten, Dropout and Identity, nested at
        will, modules or functions (``torch.flatten``, ``functional.relu``,
        ``x.view``), with ReLU between any two weight layers and none at the
        end: multilayer perceptrons, LeNet, AlexNet, VGG with or without batch
        norm.  It is copied, not changed.
    input_shape : sequence of int
        One sample's shape: ``(features,)``, ``(channels, height, width)``.

    Returns
    -------
    (Network, parameters)
        Detached, of the module's dtype and device; batch norm is folded into
        the layers (in float64, before it is rounded to that dtype).  Inputs
        that are flattened before the first layer are flat in the network,
        whose ``forward`` takes them in both forms.

    Raises
    ------
    ValueError
        Naming the submodule and why the constructions do not reach it, for
        anything else, for weights shared between layers, and where network
        and module differ, in float64, on random inputs.
    TypeError
        Where an argument is of the wrong type.

    Cost: a copy of the module in float64 and three forward passes of a few
    samples.

    >>> model = torch.nn.Sequential(
    ...     torch.nn.Linear(3, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2)
    ... )
    >>> net, theta = from_module(model, (3,))
    >>> net.widths
    (3, 8, 2)
    """
    shape = _shape(input_shape)
    twin, dtype = _double(module)
    x = _probe(twin, 5, shape)
    guest = Guest(shape)
    for step in chain(twin, x):
        guest.take(step)
    net, theta = guest.finish()
    _verify(net, theta, twin, _probe(twin, 7, shape))
    theta = tree.map(lambda p: p.to(dtype).contiguous(), theta)
    return net, net.check(theta)


def to_module(network: Network, theta: Parameters) -> nn.Sequential:
    """A network as a ``torch.nn.Sequential`` of its layers, weights copied.

    Linear, Conv2d, ReLU, MaxPool2d, AvgPool2d, AdaptiveAvgPool2d and Flatten
    (also before a first linear layer, so that it takes images as well), of the
    dtype and device of ``theta``.

    Parameters
    ----------
    network : a :class:`Network`
    theta : its parameters

    Raises
    ------
    ValueError, TypeError
        Where ``theta`` does not fit.

    >>> from kernels import networks
    >>> net = networks.mlp([3, 8, 2])
    >>> theta = net.init(generator=torch.Generator().manual_seed(0))
    >>> len(to_module(net, theta))
    4
    """
    if not isinstance(network, Network):
        raise TypeError(
            f"network is a {type(network).__name__}; a networks.Network will "
            "do"
        )
    theta = network.check(theta)
    modules: list[nn.Module] = []
    maps = True  # what comes in may have to be flattened
    for i, (layer, (weight, bias)) in enumerate(zip(network.layers, theta), 1):
        if layer.kernel is None:
            modules += [nn.Flatten()] if maps else []
            rows, cols = weight.shape
            made: nn.Linear | nn.Conv2d = nn.Linear(
                cols, rows, bias is not None, "meta"
            )
            maps = False
        else:
            made = nn.Conv2d(
                weight.shape[1],
                layer.width,
                layer.kernel,
                layer.stride,
                layer.padding,
                bias=bias is not None,
                device="meta",
            )
        made.weight = nn.Parameter(weight.detach().clone())
        if bias is not None:
            made.bias = nn.Parameter(bias.detach().clone())
        modules.append(made)
        if i < network.depth:
            modules += [nn.ReLU(), *map(_pooling, layer.pools)]
    return nn.Sequential(*modules)


def _pooling(pool: Pool) -> nn.Module:
    if pool.kind == "adaptive":
        return nn.AdaptiveAvgPool2d(pool.size)
    kind = nn.MaxPool2d if pool.kind == "max" else nn.AvgPool2d
    return kind(pool.size, pool.stride, pool.padding)


def _shape(input_shape: Any) -> tuple[int, ...]:
    sizes = input_shape if isinstance(input_shape, Sequence) else (None,)
    for size in sizes:
        if not isinstance(size, Integral) or isinstance(size, bool):
            raise TypeError(
                f"input_shape is {input_shape!r}; one sample's shape, a "
                "sequence of integers such as (784,) or (3, 32, 32), will do"
            )
    if not sizes or min(sizes) < 1:
        raise ValueError(
            f"input_shape is {input_shape!r}; positive sizes will do"
        )
    return tuple(map(int, sizes))


def _double(module: nn.Module) -> tuple[nn.Module, torch.dtype]:
    """A copy in float64 and eval mode, and the module's dtype."""
    if not isinstance(module, nn.Module):
        raise TypeError(
            f"module is a {type(module).__name__}; a torch.nn.Module will do"
        )
    for path, one in module.named_modules():
        if any(is_lazy(p) for p in one.parameters(recurse=False)):
            raise ValueError(
                f"{named(path, one)}: its parameters are not initialised; run "
                "the module once"
            )
    dtypes = {p.dtype for p in module.parameters()}
    if len(dtypes) > 1 or not all(dtype.is_floating_point for dtype in dtypes):
        raise TypeError(
            "module has parameters of dtypes "
            f"{', '.join(sorted(map(str, dtypes)))}; one, of real floats, "
            "will do (module.float())"
        )
    try:
        twin = copy.deepcopy(module).double()
    except Exception as error:
        raise ValueError(
            f"{named('', module)}: it cannot be copied "
            f"({type(error).__name__}: {error})"
        ) from error
    for one in twin.modules():
        one.training = False
    return twin, next(iter(dtypes), torch.get_default_dtype())


def _probe(twin: nn.Module, samples: int, shape: tuple[int, ...]) -> Tensor:
    """Random inputs, the last one zero."""
    generator = torch.Generator().manual_seed(samples)
    x = torch.randn(samples, *shape, generator=generator, dtype=torch.float64)
    x[-1] = 0
    return x.to(next((p.device for p in twin.parameters()), None))


def _verify(
    net: Network, theta: Parameters, twin: nn.Module, x: Tensor
) -> None:
    with torch.no_grad():
        z, expected = net.forward(theta, x), twin(x.clone())
    if z.shape != expected.shape:
        raise ValueError(
            f"{named('', twin)}: its outputs have shape "
            f"{tuple(expected.shape)}; those of its layers {tuple(z.shape)}"
        )
    gap, size = (z - expected).abs().max(), expected.abs().max()
    if not gap <= 1e-9 * size:
        raise ValueError(
            f"{named('', twin)}: on random inputs it differs by "
            f"{float(gap):.2g}, of outputs up to {float(size):.2g}, from the "
            "network of its layers; it does something beside them (a hook, a "
            "forward of its own) that the constructions do not reach"
        )
