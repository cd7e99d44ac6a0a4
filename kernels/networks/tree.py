"""Parameters as trees: what is done to every tensor is written here once.

Parameters are a tuple with one ``(weight, bias or None)`` a layer.  A None
stays None; everything else is a tensor, and trees that are taken together
have tensors at the same places.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from kernels.networks.aliases import Parameters


def map(
    function: Callable[..., Tensor],
    theta: Iterable[Sequence[Any]],
    *others: Iterable[Sequence[Any]],
) -> Parameters:
    """``function`` of each tensor, or of the tensors at one place of each.

    Parameters
    ----------
    function : callable
        Of one tensor, and one more from each of ``others``; returns a
        tensor.
    theta : parameters
        Says where there is no bias.
    others : parameters
        With tensors at the places of those of ``theta``.
    """
    pairs: Iterable[Any] = (
        tuple(None if p[0] is None else function(*p) for p in zip(*layers))
        for layers in zip(theta, *others)
    )
    return tuple(pairs)


def parts(theta: Iterable[Sequence[Tensor | None]]) -> list[Tensor]:
    """All tensors, layer by layer, the weight before the bias.

    Parameters
    ----------
    theta : parameters
    """
    return [part for layer in theta for part in layer if part is not None]


def rebuild(
    theta: Iterable[Sequence[Any]], tensors: Iterable[Tensor]
) -> Parameters:
    """The inverse of :func:`parts`: tensors in the form of parameters.

    Parameters
    ----------
    theta : parameters
        Their form.
    tensors : as many as ``theta`` has, in the order of :func:`parts`
    """
    values = iter(tensors)
    return map(lambda _: next(values), theta)


def at_rest(theta: Parameters) -> Parameters:
    """The same tensors, in tuples, without gradients; nothing is copied.

    An ``nn.Parameter``, or what was computed from one, is detached; tuples of
    tensors that ask for no gradient are returned as they are.

    Parameters
    ----------
    theta : parameters
    """
    formed = all(isinstance(pair, tuple) for pair in (theta, *theta))
    if formed and not any(p.requires_grad for p in parts(theta)):
        return theta
    return map(lambda p: p.detach() if p.requires_grad else p, theta)


def copy(theta: Parameters) -> Parameters:
    """Copies, without gradients.

    Parameters
    ----------
    theta : parameters
    """
    return map(lambda p: p.detach().clone(), theta)


def to(
    theta: Parameters,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Parameters:
    """In another dtype or on another device; None leaves it as it is.

    Parameters
    ----------
    theta : parameters
    dtype, device : where to; None leaves it as it is
    """
    return map(lambda p: p.to(dtype=dtype, device=device), theta)


def equal(theta: Parameters, other: Parameters) -> bool:
    """Whether every entry is the same number; -0 equals 0, NaN nothing.

    False, too, where layers, shapes or dtypes differ or a bias is missing.

    Parameters
    ----------
    theta, other : parameters
    """
    if len(theta) != len(other):
        return False
    for pair, twin in zip(theta, other):
        if [p is None for p in pair] != [q is None for q in twin]:
            return False
        for p, q in zip(parts([pair]), parts([twin])):
            if p.dtype != q.dtype or not torch.equal(p, q):
                return False
    return True


def lerp(theta: Parameters, other: Parameters, t: float) -> Parameters:
    """(1 - t) ``theta`` + t ``other``, for t in [0, 1].

    Exactly ``theta`` at 0 and ``other`` at 1, however unlike they are; a
    tensor that both share is itself.

    Parameters
    ----------
    theta, other : parameters
        The points at 0 and at 1, of one shape.
    t : a number in [0, 1]
    """
    if t in (0, 1):
        return map(lambda p: p, other if t else theta)
    return map(lambda p, q: p if p is q else torch.lerp(p, q, t), theta, other)


def mix(shares: Sequence[float], *thetas: Parameters) -> Parameters:
    """The sum of the parameters, each times its share.

    Parameters
    ----------
    shares : numbers, one for each of ``thetas``
    thetas : parameters of one shape
    """
    return map(lambda *ps: sum(s * p for s, p in zip(shares, ps)), *thetas)


def difference(theta: Parameters, other: Parameters) -> list[Tensor]:
    """``other`` - ``theta``, tensor by tensor, in float64.

    Parameters
    ----------
    theta, other : parameters of one shape
    """
    pairs = zip(parts(theta), parts(other))
    return [q.double() - p.double() for p, q in pairs]


def stack(thetas: Sequence[Parameters]) -> Parameters:
    """Parameters of one shape, each tensor with an axis of them in front.

    Parameters
    ----------
    thetas : parameters of one shape
    """
    return map(lambda *ps: torch.stack(ps), *thetas)


def take(theta: Parameters, index: Any) -> Parameters:
    """Entry, or entries, ``index`` of each tensor's first axis.

    Parameters
    ----------
    theta : stacked parameters, as :func:`stack` returns them
    index : what indexes an axis
        A number takes the axis away; a list or a slice keeps it.
    """
    return map(lambda p: p[index], theta)
