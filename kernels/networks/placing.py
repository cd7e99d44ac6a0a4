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

import torch
from torch import Tensor

from kernels.networks.network import Network, columns

Places = tuple[Tensor | None, ...]


@dataclass(frozen=True, eq=False)
class Block:
    """Rows and columns of a layer at hand, the columns times ``scale``.

    ``pair``: the layer's ``(weight, bias or None)``, ``below``: how many
    units it reads, ``rows`` and ``cols``: units, None for all.  The bias goes
    with the rows and is never scaled.
    """

    pair: tuple[Tensor, Tensor | None]
    below: int
    rows: Tensor | None = None
    cols: Tensor | None = None
    scale: float = 1.0

    def write(self, view, bias, rows, cols):
        """Into ``view`` (out, units, block) and ``bias``, at given units."""
        values = columns(self.pair[0], self.below)
        values = values[_index(self.rows, self.cols, values.device)]
        if self.scale != 1:
            values = values * self.scale
        if values.numel():
            view[_index(rows, cols, view.device)] = values
        if bias is not None:
            source = _index(self.rows, None, bias.device)[0]
            bias[_index(rows, None, bias.device)[0]] = self.pair[1][source]


@dataclass(frozen=True, eq=False)
class Placed:
    """A subnetwork: ``blocks[i]`` is its layer i (entry 0 is unused).

    Its units stand at ``rows`` and read the units ``read``.
    """

    blocks: tuple[Block | None, ...]
    rows: Places
    read: Places

    def at(self, rows: Places, read: Places | None = None) -> "Placed":
        return Placed(self.blocks, rows, rows if read is None else read)


class Given:
    """The recipe of a layer that is at hand."""

    def __init__(self, pair):
        self.pair = tuple(pair)

    def build(self):
        return self.pair


class Assembly:
    """The recipe of a layer that is zero but for blocks placed in it."""

    def __init__(self, shape, units, has_bias, like, placements):
        self.shape, self.units, self.has_bias = shape, units, has_bias
        self.like, self.placements = like, placements

    def build(self):
        weight = self.like.new_zeros(self.shape)
        bias = self.like.new_zeros(self.shape[0]) if self.has_bias else None
        view = columns(weight, self.units)  # (out, units, block)
        for block, rows, cols in self.placements:
            block.write(view, bias, rows, cols)
        return weight, bias


class Draft:
    """Knots of a network as recipes; equal layers are one recipe.

    ``like``: a tensor of the dtype and device wanted.
    """

    def __init__(self, net: Network, like: Tensor):
        self.net, self.like = net, like
        self._known = {}

    def layer(self, i: int, *placements) -> Assembly:
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

    def state(self, *placed: Placed, out: Placed, base=(), first=1) -> tuple:
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

    def shift(self, placed: Placed, places: Places, **below) -> list[tuple]:
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

    def given(self, theta) -> tuple[Given, ...]:
        return tuple(map(Given, theta))


def cut(net: Network, theta, kept: Places, scale=None, first: int = 1):
    """The subnetwork of units ``kept``, at home, from layer ``first`` on.

    Layer ``first`` reads everything below it, the others the kept units, whose
    outputs (columns of the next layer) are multiplied by ``scale``: one number
    a layer 0 … d - 1, or None for ones.
    """
    blocks = [None] * (net.depth + 1)
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
    unit that is neither taken nor a home.  Raises ValueError, naming the
    layer, where there is no room.
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
    if new + taken > width:
        raise ValueError(
            f"hidden layer {i}: {new} units do not fit beside {taken} others: "
            f"{new} + {taken} = {new + taken} is more than the width {width}"
        )


def _index(rows, cols, device):
    rows = slice(None) if rows is None else rows.to(device)
    cols = slice(None) if cols is None else cols.to(device)
    if torch.is_tensor(rows) and torch.is_tensor(cols):
        rows = rows[:, None]
    return rows, cols


def _key(units):
    return None if units is None else units.numpy().tobytes()
