"""Spectral norms of linear maps, one a sample, by Lanczos' method."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

_CHECK = 8  # steps between looks at the error


def spectral_norms(
    apply: Callable[[Tensor], Tensor],
    like: Tensor,
    *,
    tolerance: float = 1e-6,
    steps: int = 96,
) -> tuple[Tensor, Tensor]:
    """The norms of the maps J_1 … J_n, and the errors that are left.

    Lanczos' method on J^T J, which takes J t and J^T (J t) of all samples at
    once, with full reorthogonalisation, from a start drawn with a fixed seed.
    A norm is never too large, but for rounding.  Maps may be of any size: each
    is taken over a power of two near the norm of its first image.

    Parameters
    ----------
    apply : maps (n, ...) to (n, ...), linearly, row k by J_k
        It can be differentiated.
    like : has the shape, dtype and device of its argument
    tolerance : of every relative error, as estimated
        By the residual, or its square over the gap to the second singular
        value.
    steps : after which it stops at the latest
        Or after as many as ``like`` has columns, when the result is exact.

    Returns
    -------
    tuple[Tensor, Tensor]
        (norms, relative errors), both (n,).

    Cost: one forward and one backward pass a step, and 8 m numbers a
    component to reorthogonalise.
    """
    n, size = len(like), like[0].numel()
    steps = min(steps, size)
    basis = like.new_empty((n, steps + 1, size))
    seed = torch.Generator().manual_seed(0)
    start = torch.randn((n, size), generator=seed, dtype=torch.float64).to(
        like
    )
    basis[:, 0] = start / start.norm(dim=1, keepdim=True)
    diagonal = like.new_zeros((n, steps), dtype=torch.float64)
    beside = torch.zeros_like(diagonal)
    units: Any = None
    for m in range(1, steps + 1):
        before = basis[:, :m]
        w, units = _gram(apply, basis[:, m - 1].view_as(like), units)
        w = w.flatten(1)
        w = w[:, None]  # (n, 1, size): products with rows are the fast ones
        for k in range(2):
            along = w @ before.mT  # (n, 1, m)
            if k == 0:
                diagonal[:, m - 1] = along[:, 0, -1]
            w = torch.baddbmm(w, along, before, alpha=-1)
        length = w.norm(dim=2)  # (n, 1)
        scale = diagonal.amax(1, keepdim=True)
        more = length > 4 * torch.finfo(like.dtype).eps * scale
        beside[:, m - 1 : m] = torch.where(more, length, 0)
        # where nothing is left the basis is complete: zeros from here on
        basis[:, m] = torch.where(more, w[:, 0] / length, 0)
        if m % _CHECK == 0 or m == steps:
            value, error = _ritz(diagonal[:, :m], beside[:, :m])
            if m == size or bool((error <= tolerance).all()):
                break
    return value.to(like) * units, error.to(like)


def _gram(apply, t, units):
    """J^T J t for all samples, J over its unit; the units, if None, too."""
    t = t.detach().requires_grad_()
    with torch.enable_grad():
        image = apply(t)
    if units is None:
        largest = image.detach().flatten(1).abs().amax(1)
        most = int(math.log2(torch.finfo(t.dtype).max)) - 2
        power = torch.frexp(largest)[1].clamp(-most, most)
        units = (2.0 ** power.double()).to(t)  # (n,)
    each = units.view(-1, *[1] * (image.dim() - 1))
    over = image.detach() / each / each
    return torch.autograd.grad(image, t, over)[0], units


def _ritz(diagonal, beside):
    """The largest singular value so far, and an estimate of its error."""
    m = diagonal.shape[1]
    tridiagonal = torch.diag_embed(diagonal)
    if m > 1:
        off = beside[:, :-1]
        tridiagonal += torch.diag_embed(off, 1) + torch.diag_embed(off, -1)
    values, vectors = torch.linalg.eigh(tridiagonal)
    top = values[:, -1].clamp_min(0)
    residual = beside[:, -1] * vectors[:, -1, -1].abs()
    if m > 1:
        gap = top - values[:, -2]
        residual = torch.minimum(residual, residual.square() / gap)
    error = torch.where(residual > 0, residual / (2 * top), 0)
    return top.sqrt(), error
