"""Kept subsets and scales, checked and brought to one form.

Inside this package both are tuples of d + 1 entries, one for each of the
layers 0 … d, None where there is nothing to choose.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from kernels.networks.aliases import Factors, Kept, Parameters, Places, Scale
from kernels.networks.checks import check_alike
from kernels.networks.network import Network


def check_ends(net: Network, **parameters: Parameters) -> list[Parameters]:
    """Parameters by name: sound, of this network, of one dtype and device.

    Parameters
    ----------
    net : the network, with a hidden layer at least
    parameters : one or more, each under the name that errors use

    Returns
    -------
    list[Parameters]
        A list of them as ``Network.check`` returns each.

    Raises
    ------
    ValueError, TypeError
        As ``Network.check`` does, and where the network has no hidden
        layer or they differ.
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


def check_like(name: str, theta: Parameters, other: Parameters) -> None:
    """Refuse parameters of another dtype or device.

    Parameters
    ----------
    name : what the error calls them
    theta : the parameters
    other : those that they are to be like

    Raises
    ------
    TypeError
        Where they differ; it names both values.
    """
    for what in ("dtype", "device"):
        mine, needed = (getattr(t[0][0], what) for t in (theta, other))
        if mine != needed:
            raise TypeError(f"{name} has {what} {mine}; needed: {needed}")


def kept_places(net: Network, kept: Kept, name: str, first: int = 1) -> Places:
    """One ascending LongTensor a hidden layer, from layer ``first`` on.

    Parameters
    ----------
    net : the network
    kept : index sequences, one a hidden layer
        Or those from ``first`` on alone.  Entries below ``first`` are ignored.
    name : what errors call it
    first : the first hidden layer that counts

    Raises
    ------
    ValueError
        For another number of entries, and for units that are repeated or
        out of range.
    TypeError
        For what is no index.
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


def kept_levels(net: Network, kept: Kept, name: str) -> dict[int, Places]:
    """The subsets of each level i = 1 … d - 1 of Definition 1 (K19).

    Parameters
    ----------
    net : the network
    kept : one family for all levels, or a list over levels of families
    name : what errors call it

    Raises
    ------
    ValueError, TypeError
        As :func:`kept_places` does.
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


def scale_levels(net: Network, scale: Scale, name: str) -> dict[int, Factors]:
    """The scales of each level: numbers, one a hidden layer.

    Parameters
    ----------
    net : the network
    scale : one number, one a hidden layer, or a list over levels of such
    name : what errors call it

    Raises
    ------
    ValueError
        For another number of entries, or what is not finite.
    """
    levels = range(1, net.depth)
    given: Any = scale
    single = _is_number(given) or all(map(_is_number, given))
    if not single and len(given) != len(levels):
        raise ValueError(
            f"{name} has {len(given)} levels; the network has {len(levels)} "
            "hidden layers"
        )
    return {
        i: _scales(net, given if single else given[i - 1], name, i)
        for i in levels
    }


def sizes(
    net: Network,
    keep: float | Sequence[int | float],
    *,
    whole: Callable[[float], int],
    first: int = 1,
) -> list[int]:
    """How many units are kept in each hidden layer, 1 … d - 1.

    Parameters
    ----------
    net : the network
    keep : a fraction of each layer's units, or one entry a hidden layer
        An entry is a fraction or, if an integer of any type, the exact
        number.
    whole : rounds a fraction of a layer's units to a number of units
    first : layers below it keep all units

    Raises
    ------
    ValueError
        Where a layer would keep no unit, or more than it has, or there is
        another number of entries.
    TypeError
        For what is no number.
    """
    hidden = net.hidden
    given: Any = keep
    single = _is_number(given)
    each = [_plain(v) for v in ([given] * len(hidden) if single else given)]
    if len(each) != len(hidden):
        raise ValueError(
            f"keep has {len(each)} entries; the network has {len(hidden)} "
            "hidden layers"
        )
    found = list(hidden[: first - 1])
    for i, (share, width) in enumerate(zip(each, hidden), 1):
        if i < first:
            continue
        if not math.isfinite(share):
            raise ValueError(
                f"keep is {share}; a fraction of the units or, of each "
                "hidden layer, a whole number will do"
            )
        exact = isinstance(share, int) and not single
        kept = int(share) if exact else whole(share * width)
        if not 1 <= kept <= width:
            raise ValueError(
                f"keep is {share}: hidden layer {i} would keep {kept} of its "
                f"{width} units; 1 to {width} will do"
            )
        found.append(kept)
    return found


def _plain(share: Any) -> int | float:
    """A number of Python, from one of NumPy or torch too."""
    value = share.item() if hasattr(share, "item") else share
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(
            f"keep has {share!r}; a fraction or a whole number will do"
        )
    return value


def complement(units: Tensor, width: int) -> Tensor:
    """The units of a layer of ``width`` that are not in ``units``.

    Parameters
    ----------
    units : (k,) indices
    width : the layer's number of units
    """
    out = torch.ones(width, dtype=torch.bool)
    out[units] = False
    return torch.nonzero(out)[:, 0]


_NO_INDICES = (torch.bool, torch.complex64, torch.complex128)


def _units(where: str, entry: Any, width: int) -> Tensor:
    units = torch.as_tensor(entry).cpu()
    if units.numel() == 0:
        units = units.long()
    if units.is_floating_point() or units.dtype in _NO_INDICES:
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


def _nested(kept: Any) -> bool:
    """A list over levels: some entry is itself a list of index sequences."""
    return any(
        isinstance(entry, list | tuple)
        and any(unit is None or not _is_number(unit) for unit in entry)
        for entry in kept
    )


def _is_number(value: object) -> bool:
    return getattr(value, "ndim", None) == 0 or isinstance(value, int | float)


def _from(family: Places, first: int) -> Places:
    return (*[None] * first, *family[first:])


def _scales(net: Network, scale: Any, name: str, first: int) -> Factors:
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
