"""ReLU networks that take given values at given points (N21, Corollary 4.4).

``memorize``    builds one, from points in generic position or distinct ones
``classify``    reads class scores off one that holds class indices
``pad``         brings one to the shapes of a wider network
``capacity``, ``width_for``    what N21's assumption (A1) asks for

The construction for one hidden layer is N21's reference [7] (Proposition 4
there, in the text of Corollary 4.4), with the hyperplanes shared by all
outputs: 2 C + 2 units a group of samples in place of 4 C.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from kernels import states
from kernels.memorization.line import TRIES, bend
from kernels.networks import Network, Parameters

_TINY = 1e-12


@states("N21", "Corollary 4.4")
def capacity(before: int, last: int, *, kept: int, outputs: int) -> int:
    """The number of samples that (A1) of N21, Corollary 4.4, allows.

    Parameters
    ----------
    before, last : n_{L-2} and n_{L-1}
        Widths of the two last hidden layers.
    kept : |I_{L-1}|
    outputs : how many the network has

    Raises
    ------
    ValueError
        Where fewer than half of the last layer are kept.
    """
    if 2 * kept < last or kept > last:
        raise ValueError(
            f"kept is {kept}; at least half of the last hidden layer's "
            f"{last} units, and at most all, will do"
        )
    return 4 * (before // 8) * ((last - kept) // (4 * outputs))


def width_for(samples: int, *, outputs: int) -> int:
    """The smallest width of both layers that satisfies (A1), half kept.

    Parameters
    ----------
    samples : how many there are
    outputs : how many the network has
    """
    width = 1
    while True:
        kept = width - width // 2
        if capacity(width, width, kept=kept, outputs=outputs) >= samples:
            return width
        width += 1


@dataclass(frozen=True, eq=False)
class Memory:
    """A network that :func:`memorize` built.

    ``parameters``: one ``(weight, bias)`` a hidden layer, and the output
    layer's, whose bias is None.  ``groups``: LongTensors of samples, each on
    a hyperplane of its own; ``gap``: the smallest distance of another sample
    from such a plane, by the features' largest norm.
    """

    parameters: Parameters
    groups: tuple[Tensor, ...]
    gap: float


@states("N21", "Corollary 4.4")
def memorize(
    x: Tensor,
    y: Tensor,
    *,
    generator: torch.Generator,
    hidden: int = 1,
    width: int | None = None,
    group: int | None = None,
) -> Memory:
    """A ReLU network without output bias with value ``y[j]`` at ``x[j]``.

    ``hidden=1``: samples are taken ``group`` at a time.  A hyperplane holds
    each group and no other sample; next to it, two pairs of units differ by
    an affine function that takes the group's values, and elsewhere cancel.
    2 (C + 1) units a group: 4 ceil(N / group) for one output.  What N21,
    Corollary 4.4, asks of the subnetworks.

    ``hidden=2`` or more: the samples need only be distinct.  They are put on
    a line, which layer ``hidden - 1`` bends in ``width`` places, so that a
    hyperplane can hold one sample of each of ``width`` pieces; the last
    hidden layer is as before, a group having ``width`` samples.  Layers in
    front, if any, hand the line on in one unit.

    Parameters
    ----------
    x : (N, features), float64 for more than a few dozen samples a group.
    y : (N, outputs), or (N,) for one.
    generator : on the CPU; orders the samples, draws directions.
    hidden : the number of hidden layers
    width : for ``hidden`` of two or more, that of the last but one
    group : for ``hidden=1``; None: the dimension of the samples' affine hull,
        the most that there is room for.

    Returns
    -------
    Memory

    Raises
    ------
    ValueError
        Where a sample outside a group lies in its affine hull, as repeated
        rows do, and samples on which the same unit is zero may: fewer in a
        group will do for the latter; and where no affine function takes a
        group's values, as there may be none if the group is affinely
        dependent, like three points of a line.

    Rounding: values cancel where x is far from a plane; float64 keeps errors
    below 1e-3 for some hundred samples, and some thousand where hidden=1.

    Cost: for each group a singular value decomposition of its samples and a
    product with all.
    """
    values = y[:, None] if y.dim() == 1 else y
    if x.dim() != 2 or values.dim() != 2 or len(x) != len(values):
        raise ValueError(
            f"x has shape {tuple(x.shape)} and y {tuple(y.shape)}; (N, "
            "features) and (N, outputs) or (N,) will do"
        )
    if hidden < 1 or (hidden > 1) != (width is not None):
        raise ValueError(
            f"hidden is {hidden} and width {width}; hidden=1 without a "
            "width, or more with the width of the last but one, will do"
        )
    if hidden > 1 and group is not None:
        raise ValueError(
            f"group is {group} with hidden={hidden}; width decides: None "
            "will do"
        )
    if hidden == 1:
        order = torch.randperm(len(x), generator=generator)
        most = max(1, int(torch.linalg.matrix_rank(x[1:] - x[0])))
        if not 1 <= (group or most) <= most:
            raise ValueError(
                f"group is {group}; the samples' affine hull has dimension "
                f"{most}: 1 to {most} will do"
            )
        groups = order.split(group or most)
        units, out, gap = _planes(x, values, groups, generator)
        return Memory((units, (out, None)), groups, gap)
    front, h, groups = bend(x, width, hidden - 1, generator)
    units, out, gap = _planes(h, values, groups, generator)
    return Memory((*front, units, (out, None)), groups, gap)


def classify(theta: Parameters, classes: int, margin: float) -> Parameters:
    """Class scores from a network whose one output is the class index s.

    One unit more, the constant 1, in the last hidden layer, and outputs
    ``margin * (k s - k² / 2)``: the largest is that of the nearest integer,
    by margin / 2, where s is an integer.

    Parameters
    ----------
    theta : parameters of the network, without an output bias
    classes : how many
    margin : twice what the largest score is ahead by

    Raises
    ------
    ValueError
        For another number of outputs, or an output bias.
    """
    (weight, bias), (out, offset) = theta[-2:]
    if len(out) != 1 or offset is not None:
        raise ValueError(
            f"theta has {len(out)} outputs, bias "
            f"{'None' if offset is None else 'given'}; one, without a bias, "
            "will do"
        )
    if bias is None:
        bias = torch.zeros_like(weight[:, 0])
    k = torch.arange(classes, dtype=out.dtype)[:, None]
    one = torch.ones(1, dtype=bias.dtype)
    units = torch.cat([weight, torch.zeros_like(weight[:1])])
    scores = margin * torch.cat([k * out, -k.square() / 2], 1)
    return (*theta[:-2], (units, torch.cat([bias, one])), (scores, None))


def pad(net: Network, theta: Parameters) -> Parameters:
    """``theta`` as parameters of the wider ``net``: zero units added.

    Parameters
    ----------
    net : of the same depth
    theta : parameters of a network at most as wide

    Raises
    ------
    ValueError
        Naming the layer, where ``net`` is too narrow or has no bias to
        hold one.
    """
    if len(theta) != net.depth:
        raise ValueError(
            f"theta has {len(theta)} layers; the network has {net.depth}"
        )
    result = []
    for i, (weight, bias) in enumerate(theta, 1):
        shape = net.weight_shape(i)
        rows, cols = weight.shape
        if rows > shape[0] or cols > shape[1]:
            raise ValueError(
                f"layer {i}: theta's weight has shape {tuple(weight.shape)}; "
                f"at most {shape} will do"
            )
        if bias is not None and not net.layers[i - 1].bias:
            raise ValueError(f"layer {i}: theta has a bias, the network none")
        wide = weight.new_zeros(shape)
        wide[:rows, :cols] = weight
        offset = None
        if net.layers[i - 1].bias:
            offset = weight.new_zeros(shape[0])
            if bias is not None:
                offset[:rows] = bias
        result.append((wide, offset))
    return tuple(result)


def _planes(x, y, groups, generator):
    """The last hidden layer and the output weights, and the smallest gap."""
    lift = torch.cat([x, torch.ones_like(x[:, :1])], 1)  # (N, d + 1)
    size = float(lift.norm(dim=1).max())
    rows, outs, gaps = [], [], []
    for group in groups:
        plane, gap = _plane(lift, group, generator)
        if gap <= _TINY * size:
            raise ValueError(
                f"x: another sample lies in the affine hull of a group of "
                f"{len(group)}; distinct samples in smaller groups will do"
            )
        slopes = torch.linalg.pinv(lift[group]) @ y[group]  # (d + 1, C)
        _check_values(lift[group], slopes, y[group])
        reach = (lift @ slopes).abs().amax(0).clamp_min(_TINY)
        step = gap / 2 / reach  # (C,): |step slopes x| is at most gap / 2
        tilted = plane + (step * slopes).T  # (C, d + 1)
        both = torch.cat([plane[None], tilted])
        shift = torch.zeros_like(both)
        shift[:, -1] = gap / 2
        rows.append(torch.cat([both + shift, both - shift]))
        read = torch.cat([-1 / step[:, None], torch.diag(1 / step)], 1)
        outs.append(torch.cat([read, -read], 1))  # (C, 2 (C + 1))
        gaps.append(gap / size)
    units = torch.cat(rows)
    return (units[:, :-1], units[:, -1]), torch.cat(outs, 1), min(gaps)


def _check_values(lift, slopes, y):
    """Whether an affine function takes a group's values, up to rounding."""
    off = float((lift @ slopes - y).abs().max())
    allowed = torch.finfo(y.dtype).eps ** 0.375 * float(y.abs().max())
    if not off <= allowed:
        rank = int(torch.linalg.matrix_rank(lift))
        raise ValueError(
            f"x: a group of {len(lift)} samples spans {rank - 1} dimensions, "
            f"and no affine function takes its values (the nearest is "
            f"{off:.2g} off); affinely independent samples, as in smaller "
            "groups or drawn in another order, will do"
        )


def _plane(lift, group, generator):
    """A unit normal, offset last, of a plane through a group; its gap."""
    _, sizes, basis = torch.linalg.svd(lift[group], full_matrices=True)
    rank = int((sizes > 1e-11 * sizes[0]).sum())
    free = basis[rank:]  # (at least 1, d + 1)
    mix = torch.randn(TRIES, len(free), generator=generator, dtype=lift.dtype)
    normals = torch.nn.functional.normalize(mix @ free, dim=1)
    off = (lift @ normals.T).abs()  # (N, tries)
    off[group] = torch.inf
    gap, best = off.amin(0).max(0)
    if torch.isinf(gap):  # the only group
        gap = torch.ones_like(gap)
    return normals[best], float(gap)
