"""Batch norm in eval mode is a linear map: fold it into the layer before."""

from collections.abc import Sequence

import torch

from kernels.networks.tree import Parameters


def fold_batch_norm(theta: Sequence[tuple]) -> Parameters:
    """Fold batch norm, in eval mode, into the layer before it.

    ``theta``: one ``(weight, bias or None)`` or ``(weight, bias or None,
    norm)`` a layer, ``norm`` a ``torch.nn.BatchNorm1d`` or ``BatchNorm2d``
    (or anything with its attributes) between the layer and its ReLU.  Returns
    parameters without batch norm that compute the eval-mode function; a
    folded layer has a bias.  Raises ValueError where running statistics are
    missing.
    """
    folded = []
    for i, (weight, bias, *norm) in enumerate(theta, 1):
        for norm_ in norm:
            if norm_.running_mean is None or norm_.running_var is None:
                raise ValueError(
                    f"layer {i}: the batch norm tracks no running statistics;"
                    " eval mode needs running_mean and running_var"
                )
            factor = torch.rsqrt(norm_.running_var + norm_.eps)
            if norm_.weight is not None:
                factor = factor * norm_.weight.detach()
            shift = -norm_.running_mean * factor
            if norm_.bias is not None:
                shift = shift + norm_.bias.detach()
            each_row = (-1,) + (1,) * (weight.dim() - 1)
            weight = weight * factor.reshape(each_row)
            bias = shift if bias is None else bias * factor + shift
        folded.append((weight, bias))
    return tuple(folded)
