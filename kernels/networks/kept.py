"""Kept subsets and scales, checked and brought to one form.

Inside this package both are tuples of d + 1 entries, one for each of the
layers 0 … d, None where there is nothing to choose.
"""

import math

import torch
from torch import Tensor

from kernels.networks.checks import check_alike
from kernels.networks.network import Network
from kernels.networks.placing import Places
from kernels.networks.tree import Parameters


def check_ends(net: Network, **parameters) -> list[Parameters]:
    """Parameters by name: sound, of this network, of one dtype and device.

    Returns them as ``Network.check`` does.  ValueError also where the network
    has no hidden layer.
    """
    if net.depth < 2:
        raise ValueError(
            f"the network has depth {net.depth}; paths through hidden units "
            "need a depth of 2 or more"
        )
    found = [net.check(theta, name) for name, theta in parameters.items()]
    (name, theta), *others = parameters.items()
    for other_name, other in others:
        check_alike(theta, other, name, other_name)
    return found


def check_like(name: str, theta, other) -> None:
    """TypeError where two parameters differ in dtype or device."""
    for what in ("dtype", "device"):
        mine, needed = (getattr(t[0][0], what) for t in (theta, other))
        if mine != needed:
            raise TypeError(f"{name} has {what} {mine}; needed: {needed}")


def kept_places(net: Network, kept, name: str, first: int = 1) -> Places:
    """One ascending LongTensor a hidden layer, from layer ``first`` on.

    ``kept``: index sequences, one a hidden layer, or those from ``first`` on
    alone; entries below ``first`` are ignored.
    """
    hidden = net.depth - 1
    if len(kept) not in (hidden, hidden + 1 - first):
        raise ValueError(
            f"{name} has {len(kept)} entries; the network has {hidden} "
            "hidden layers"
        )
    kept = list(kept)[-(hidden + 1 - first) :]
    units = [
        _units(f"{name}, hidden layer {i}", entry, net.widths[i])
        for i, entry in enumerate(kept, first)
    ]
    return (*[None] * first, *units, None)


def kept_levels(net: Network, kept, name: str) -> dict[int, Places]:
    """The subsets of each level i = 1 … d - 1 of Definition 1 (K19).

    ``kept`` is one family for all levels, or a list over levels of families.
    """
    levels = range(1, net.depth)
    if not _nested(kept):
        family = kept_places(net, kept, name)
        return {i: _from(family, i) for i in levels}
    if len(kept) != len(levels):
        raise ValueError(
            f"{name} has {len(kept)} levels; the network has {len(levels)} "
            "hidden layers"
        )
    return {
        i: kept_places(net, kept[i - 1], f"{name}, level {i}", i)
        for i in levels
    }


def scale_levels(net: Network, scale, name: str) -> dict[int, tuple]:
    """The scales of each level: numbers, one a hidden layer.

    ``scale``: one number, one a hidden layer, or a list over levels of such.
    """
    levels = range(1, net.depth)
    single = _is_number(scale) or all(map(_is_number, scale))
    if not single and len(scale) != len(levels):
        raise ValueError(
            f"{name} has {len(scale)} levels; the network has {len(levels)} "
            "hidden layers"
        )
    return {
        i: _scales(net, scale if single else scale[i - 1], name, i)
        for i in levels
    }


def complement(units: Tensor, width: int) -> Tensor:
    """The units of a layer of ``width`` that are not in ``units``."""
    out = torch.ones(width, dtype=torch.bool)
    out[units] = False
    return torch.nonzero(out)[:, 0]


def _units(where, entry, width):
    units = torch.as_tensor(entry).cpu()
    if units.numel() == 0:
        units = units.long()
    if units.is_floating_point() or units.dtype == torch.bool:
        raise TypeError(
            f"{where}: dtype {units.dtype}; integer unit indices will do"
        )
    if units.dim() != 1:
        raise ValueError(
            f"{where}: shape {tuple(units.shape)}; a list of unit indices "
            "will do"
        )
    units = units.long().sort().values
    for unit in units.tolist():
        if not 0 <= unit < width:
            raise ValueError(
                f"{where}: unit {unit} is out of range; the layer's units "
                f"are 0 to {width - 1}"
            )
    repeated = units[1:][units[1:] == units[:-1]]
    if len(repeated):
        raise ValueError(
            f"{where}: unit {int(repeated[0])} is repeated; each unit at "
            "most once will do"
        )
    return units


def _nested(kept):
    """A list over levels: some entry is itself a list of index sequences."""
    return any(
        isinstance(entry, list | tuple)
        and any(unit is None or not _is_number(unit) for unit in entry)
        for entry in kept
    )


def _is_number(value):
    return getattr(value, "ndim", None) == 0 or isinstance(value, int | float)


def _from(family, first):
    return (*[None] * first, *family[first:])


def _scales(net, scale, name, first):
    hidden = net.depth - 1
    if _is_number(scale):
        scale = [scale] * hidden
    if len(scale) not in (hidden, hidden + 1 - first):
        raise ValueError(
            f"{name} has {len(scale)} entries; one number, or one for each "
            f"of the {hidden} hidden layers, will do"
        )
    scale = [1.0 if r is None else float(r) for r in scale]
    for r in scale:
        if not math.isfinite(r):
            raise ValueError(f"{name} is {r}; a finite number will do")
    scale = scale[-(hidden + 1 - first) :]
    return (*[None] * first, *scale, None)
