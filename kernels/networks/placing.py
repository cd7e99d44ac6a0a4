"""What a knot is made of: subnetworks placed in the units of a network.

A knot of the papers' paths is a few subnetworks side by side in one network,
one of them read by the output.  :class:`Placed` is such a subnetwork: a
:class:`Block` of weights for each layer, cut from the parameters at hand, the
units whose rows hold it and the units that those rows read.  :class:`Draft`
turns placed subnetworks into recipes for layers.  Nothing is computed before
a knot is asked for, so that a path costs index lists, not parameters.

Places, like kept subsets, are tuples of d + 1 entries, the units of layers
0 … d; None stands for all (the inputs and the outputs).
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kernels.networks.aliases import Factors, Pair, Parameters, Places
from kernels.networks.network import Network, columns


@dataclass(frozen=True, eq=False)
class Block:
    """Rows and columns of a layer at hand, the columns times ``scale``.

    ``pair``: the layer's ``(weight, bias or None)``, ``below``: how many
    units it reads, ``rows`` and ``cols``: units, None for all.  The bias goes
    with the rows and is never scaled.
    """

    pair: Pair
    below: int
    rows: Tensor | None = None
    cols: Tensor | None = None
    scale: float = 1.0

    def write(
        self,
        view: Tensor,
        bias: Tensor | None,
        rows: Tensor | None,
        cols: Tensor | None,
    ) -> None:
        """Into ``view`` (out, units, block) and ``bias``, at given units."""
        values = columns(self.pair[0], self.below)
        values = values[_index(self.rows, self.cols, values.device)]
        if self.scale != 1:
            values = values * self.scale
        if values.numel():
            view[_index(rows, cols, view.device)] = values
        if bias is not None:
            source = _index(self.rows, None, bias.device)[0]
            own: Any = self.pair[1]
            bias[_index(rows, None, bias.device)[0]] = own[source]


@dataclass(frozen=True, eq=False)
class Placed:
    """A subnetwork: ``blocks[i]`` is its layer i (entry 0 is unused).

    Its units stand at ``rows`` and read the units ``read``.
    """

    blocks: tuple[Any, ...]
    rows: Places
    read: Places

    def at(self, rows: Places, read: Places | None = None) -> "Placed":
        return Placed(self.blocks, rows, rows if read is None else read)


Placement = tuple[Block, Tensor | None, Tensor | None]  # and rows, columns


class Given:
    """The recipe of a layer that is at hand."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair

    def build(self) -> Pair:
        return self.pair


class Assembly:
    """The recipe of a layer that is zero but for blocks placed in it."""

    def __init__(
        self,
        shape: tuple[int, ...],
        units: int,
        has_bias: bool,
        like: Tensor,
        placements: tuple[Placement, ...],
    ) -> None:
        self.shape, self.units, self.has_bias = shape, units, has_bias
        self.like, self.placements = like, placements

    def build(self) -> Pair:
        weight = self.like.new_zeros(self.shape)
        bias = self.like.new_zeros(self.shape[0]) if self.has_bias else None
        view = columns(weight, self.units)  # (out, units, block)
        for block, rows, cols in self.placements:
            block.write(view, bias, rows, cols)
        return weight, bias


Recipe = Given | Assembly
State = tuple[Recipe, ...]  # a knot, one recipe a layer


class Draft:
    """Knots of a network as recipes; equal layers are one recipe.

    ``like``: a tensor of the dtype and device wanted.
    """

    def __init__(self, net: Network, like: Tensor) -> None:
        self.net, self.like = net, like
        self._known: dict[tuple[Any, ...], Assembly] = {}

    def layer(self, i: int, *placements: Placement) -> Assembly:
        """Layer i, zero but for ``(block, rows, cols)``, in that order."""
        name = (i, *((id(b), _key(r), _key(c)) for b, r, c in placements))
        if name not in self._known:
            self._known[name] = Assembly(
                self.net.weight_shape(i),
                self.net.widths[i - 1],
                self.net.layers[i - 1].bias,
                self.like,
                placements,
            )
        return self._known[name]

    def state(
        self,
        *placed: Placed,
        out: Placed,
        base: tuple[Recipe, ...] = (),
        first: int = 1,
    ) -> State:
        """A knot: layers below ``first`` from ``base``, then the placed.

        The output layer reads ``out``.
        """
        hidden = [
            self.layer(
                i, *((p.blocks[i], p.rows[i], p.read[i - 1]) for p in placed)
            )
            for i in range(first, self.net.depth)
        ]
        d = self.net.depth
        top = self.layer(d, (out.blocks[d], None, out.read[d - 1]))
        return (*base[: first - 1], *hidden, top)

    def shift(
        self, placed: Placed, places: Places, **below: Any
    ) -> list[State]:
        """Lemma 4 (K19), Claim 5.1 (N21): move a subnetwork, output constant.

        Two knots: its rows copied to ``places``; then all columns moved
        there.  The next knot may zero the old rows.
        """
        copy, moved = placed.at(places, placed.rows), placed.at(places)
        old = placed.at(placed.rows, places)
        return [
            self.state(placed, copy, out=placed, **below),
            self.state(old, moved, out=moved, **below),
        ]

    def embed(self, homes: Places, *taken: Places, first: int = 1) -> Places:
        """Places beside others, :func:`beside`, from layer ``first`` on."""
        places = list(homes)
        for i in range(first, self.net.depth):
            others = torch.cat([rows[i] for rows in taken])
            places[i] = beside(i, homes[i], others, self.net.widths[i])
        return tuple(places)

    def given(self, theta: Parameters) -> tuple[Given, ...]:
        return tuple(map(Given, theta))


def cut(
    net: Network,
    theta: Parameters,
    kept: Places,
    scale: Factors | None = None,
    first: int = 1,
) -> Placed:
    """The subnetwork of units ``kept``, at home, from layer ``first`` on.

    Layer ``first`` reads everything below it, the others the kept units.

    Parameters
    ----------
    net : the network
    theta : its parameters
    kept : as ``kept.kept_places`` returns them
    scale : None for ones, or one number a layer 0 … d - 1
        Multiplies the outputs of kept units: columns of the next layer.
    first : the first layer of the subnetwork
    """
    blocks: list[Block | None] = [None] * (net.depth + 1)
    for i in range(first, net.depth + 1):
        whole = i == first
        blocks[i] = Block(
            theta[i - 1],
            net.widths[i - 1],
            kept[i],
            None if whole else kept[i - 1],
            1.0 if whole or scale is None else scale[i - 1],
        )
    read = list(kept)
    read[first - 1] = None
    return Placed(tuple(blocks), tuple(kept), tuple(read))


def beside(i: int, homes: Tensor, taken: Tensor, width: int) -> Tensor:
    """Units of hidden layer i for a subnetwork beside ``taken`` ones.

    A unit stays at home unless its home is taken, and else goes to the lowest
    unit that is neither taken nor a home.

    Parameters
    ----------
    i : the layer's number, for the error
    homes : (k,)
        Where the units would be.
    taken : (m,)
        Where they may not be.
    width : of the layer

    Raises
    ------
    ValueError
        Naming the layer, where there is no room.
    """
    used = torch.zeros(width, dtype=torch.bool)
    used[taken] = True
    check_room(i, len(homes), int(used.sum()), width)
    clash = used[homes]
    used[homes] = True
    free = torch.nonzero(~used)[:, 0]
    places = homes.clone()
    places[clash] = free[: int(clash.sum())]
    return places


def check_room(i: int, new: int, taken: int, width: int) -> None:
    """Refuse more units than a layer has.

    Parameters
    ----------
    i : the layer's number
    new, taken : numbers of units
    width : of the layer

    Raises
    ------
    ValueError
        Where they do not fit; it names all three numbers.
    """
    if new + taken > width:
        raise ValueError(
            f"hidden layer {i}: {new} units do not fit beside {taken} others: "
            f"{new} + {taken} = {new + taken} is more than the width {width}"
        )


def _index(
    rows: Tensor | None, cols: Tensor | None, device: torch.device
) -> tuple[Any, Any]:
    down = slice(None) if rows is None else rows.to(device)
    across = slice(None) if cols is None else cols.to(device)
    if isinstance(down, Tensor) and isinstance(across, Tensor):
        down = down[:, None]
    return down, across


def _key(units: Tensor | None) -> bytes | None:
    return None if units is None else units.numpy().tobytes()
