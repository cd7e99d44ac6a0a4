"""Outputs of many dropout networks that drop the last hidden layer."""

import torch
from torch import Tensor

from kernels.cuda import launch

_WARPS = 6  # dropout.cu


def reference(
    units: Tensor, weight: Tensor, kept: Tensor, scale: float = 1.0
) -> Tensor:
    """What :func:`kept_outputs` computes, by one product with all masks.

    Parameters
    ----------
    units, weight, kept, scale : as there
    """
    mask = units.new_zeros(len(kept), 1, len(units))
    mask.scatter_(2, kept[:, None], scale)
    z = (mask * weight).flatten(0, 1) @ units
    return z.view(len(kept), len(weight), -1)


def kept_outputs(
    units: Tensor,
    weight: Tensor,
    kept: Tensor,
    *,
    scale: float = 1.0,
) -> Tensor:
    """Outputs of all draws at once: mask, scale and sum in one pass.

    Parameters
    ----------
    units : (neurons, samples), what the last layer reads.
    weight : (outputs, neurons), the last layer.
    kept : (draws, count) int64, each draw's kept neurons, ascending.
    scale : the factor on kept neurons.

    Returns
    -------
    Tensor
        (draws, outputs, samples), no bias added.

    Cost: 2 draws x count x outputs x samples operations: dropped neurons are
    neither read nor multiplied.
    """
    (neurons, samples), outputs = units.shape, len(weight)
    if not launch.usable(units, outputs):
        return reference(units, weight, kept, scale)
    if weight.shape != (outputs, neurons):
        raise ValueError(
            f"weight has shape {tuple(weight.shape)}; units "
            f"{tuple(units.shape)} need ({outputs}, {neurons})"
        )
    draws, count = kept.shape
    pack = launch.pack(units)
    slots = launch.cover(outputs, pack) * pack
    columns = weight.new_zeros(neurons, slots)
    torch.mul(weight.T, scale, out=columns[:, :outputs])
    units = launch.padded(units)
    pitch = units.shape[1]
    out = units.new_empty(draws, outputs, pitch)
    wide = launch.WARP * pack * (2 if outputs <= 10 else 1)
    launch.launch(
        "dropout",
        "kept_outputs",
        (launch.cover(pitch, wide), launch.cover(draws, _WARPS), 1),
        (launch.WARP, _WARPS, 1),
        (
            *(units, columns, kept.to(units.device, torch.int32), out),
            *(pitch, draws, count),
        ),
        outputs=outputs,
    )
    return out[..., :samples]
