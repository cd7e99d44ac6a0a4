"""Batch norm in eval mode is a linear map: fold it into the layer before."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from kernels.networks.aliases import Parameters


def scale_and_shift(norm: Any, where: str) -> tuple[Tensor, Tensor]:
    """What batch norm does in eval mode: (factor, shift) of each channel.

    Parameters
    ----------
    norm : a torch batch norm
    where : names it in the error

    Raises
    ------
    ValueError
        Where running statistics are missing.
    TypeError
        For what is no norm.
    """
    if not hasattr(norm, "running_mean"):
        raise TypeError(
            f"{where}: the norm is a {type(norm).__name__}; a torch batch "
            "norm, or a (weight, bias) pair without one, will do"
        )
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError(
            f"{where}: the batch norm tracks no running statistics "
            "(track_running_stats=False); eval mode needs running_mean and "
            "running_var"
        )
    factor = torch.rsqrt(norm.running_var + norm.eps)
    if norm.weight is not None:
        factor = factor * norm.weight.detach()
    shift = -norm.running_mean * factor
    if norm.bias is not None:
        shift = shift + norm.bias.detach()
    return factor, shift


def fold_batch_norm(theta: Sequence[Sequence[Any]]) -> Parameters:
    """Fold batch norm, in eval mode, into the layer before it.

    Parameters
    ----------
    theta : ``(weight, bias or None)`` or that and a norm, one a layer
        The norm: a ``torch.nn.BatchNorm1d`` or ``BatchNorm2d`` (or
        anything with its attributes) between the layer and its ReLU.

    Returns
    -------
    Parameters
        Parameters without batch norm that compute the eval-mode function;
        a folded layer has a bias.

    Raises
    ------
    ValueError
        Where running statistics are missing, or are of another number of
        channels than the layer has units.
    TypeError
        For what is no norm.
    """
    folded = []
    for i, (weight, bias, *norm) in enumerate(theta, 1):
        for norm_ in norm:
            factor, shift = scale_and_shift(norm_, f"layer {i}")
            if len(factor) != len(weight):
                raise ValueError(
                    f"layer {i}: the batch norm has {len(factor)} channels; "
                    f"needed: {len(weight)}, the layer's units"
                )
            each_row = (-1,) + (1,) * (weight.dim() - 1)
            weight = weight * factor.reshape(each_row)
            bias = shift if bias is None else bias * factor + shift
        folded.append((weight, bias))
    return tuple(folded)
