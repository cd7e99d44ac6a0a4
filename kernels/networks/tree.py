"""Parameters as trees: what is done to every tensor is written here once.

Parameters are a tuple with one ``(weight, bias or None)`` a layer.  A None
stays None; everything else is a tensor, and trees that are taken together
have tensors at the same places.
"""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

Layer = tuple[Tensor, Tensor | None]
Parameters = tuple[Layer, ...]


def map(function: Callable[..., Tensor], theta, *others) -> Parameters:
    """``function`` of each tensor, or of the tensors at one place of each."""
    return tuple(
        tuple(None if p[0] is None else function(*p) for p in zip(*layers))
        for layers in zip(theta, *others)
    )


def parts(theta) -> list[Tensor]:
    """All tensors, layer by layer, the weight before the bias."""
    return [part for layer in theta for part in layer if part is not None]


def rebuild(theta, tensors: Iterable[Tensor]) -> Parameters:
    """``tensors``, in the order of :func:`parts`, in the form of ``theta``."""
    values = iter(tensors)
    return map(lambda _: next(values), theta)


def at_rest(theta) -> Parameters:
    """The same tensors, in tuples, without gradients; nothing is copied.

    An ``nn.Parameter``, or what was computed from one, is detached; tuples of
    tensors that ask for no gradient are returned as they are.
    """
    formed = all(isinstance(pair, tuple) for pair in (theta, *theta))
    if formed and not any(p.requires_grad for p in parts(theta)):
        return theta
    return map(lambda p: p.detach() if p.requires_grad else p, theta)


def copy(theta) -> Parameters:
    """Copies, without gradients."""
    return map(lambda p: p.detach().clone(), theta)


def to(
    theta,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Parameters:
    """In another dtype or on another device; None leaves it as it is."""
    return map(lambda p: p.to(dtype=dtype, device=device), theta)


def equal(theta, other) -> bool:
    """Whether every entry is the same number; -0 equals 0, NaN nothing.

    False, too, where layers, shapes or dtypes differ or a bias is missing.
    """
    if len(theta) != len(other):
        return False
    for pair, twin in zip(theta, other):
        if [p is None for p in pair] != [q is None for q in twin]:
            return False
        for p, q in zip(pair, twin):
            if p is not None and (p.dtype != q.dtype or not torch.equal(p, q)):
                return False
    return True


def lerp(theta, other, t: float) -> Parameters:
    """(1 - t) ``theta`` + t ``other``, for t in [0, 1].

    Exactly ``theta`` at 0 and ``other`` at 1, however unlike they are; a
    tensor that both share is itself.
    """
    if t in (0, 1):
        return map(lambda p: p, other if t else theta)
    return map(lambda p, q: p if p is q else torch.lerp(p, q, t), theta, other)


def mix(shares: Sequence[float], *thetas) -> Parameters:
    """The sum of the parameters, each times its share."""
    return map(lambda *ps: sum(s * p for s, p in zip(shares, ps)), *thetas)


def difference(theta, other) -> list[Tensor]:
    """``other`` - ``theta``, tensor by tensor, in float64."""
    pairs = zip(parts(theta), parts(other))
    return [q.double() - p.double() for p, q in pairs]


def stack(thetas: Sequence[Parameters]) -> Parameters:
    """Parameters of one shape, each tensor with an axis of them in front."""
    return map(lambda *ps: torch.stack(ps), *thetas)


def take(theta, index) -> Parameters:
    """Entry, or entries, ``index`` of each tensor's first axis."""
    return map(lambda p: p[index], theta)
