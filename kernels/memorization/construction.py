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
from kernels.memorization.line import bend
from kernels.memorization.planes import planes
from kernels.memorization.units import unit
from kernels.networks import Network, Parameters, checks


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
        Where fewer than half of the last layer are kept, or there is no
        output.
    """
    outputs = checks.whole("outputs", outputs)
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

    Raises
    ------
    ValueError
        For what is no whole number of samples, or no output.
    """
    samples = checks.whole("samples", samples, 0)
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
        In units of any size: a power of two is put on the first weights.
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
        For shapes and numbers that do not fit or are not finite.  Where a
        sample outside a group lies in its affine hull, as repeated rows
        do, and samples on which the same unit is zero may: fewer in a
        group will do for the latter; and where no affine function takes a
        group's values, as there may be none if the group is affinely
        dependent, like three points of a line.

    Rounding: values cancel where x is far from a plane; float64 keeps errors
    below 1e-3 for some hundred samples, and some thousand where hidden=1.

    Cost: for each group a singular value decomposition of its samples and a
    product with all.
    """
    x, values = _checked(x, y)
    hidden = checks.whole("hidden", hidden)
    if width is not None:
        width = checks.whole("width", width)
    if group is not None:
        group = checks.whole("group", group)
    if (hidden > 1) != (width is not None):
        raise ValueError(
            f"hidden is {hidden} and width {width}; hidden=1 without a "
            "width, or more with the width of the last but one, will do"
        )
    if hidden > 1 and group is not None:
        raise ValueError(
            f"group is {group} with hidden={hidden}; width decides: None "
            "will do"
        )
    size = unit(x)
    x = x / size
    if hidden == 1:
        order = torch.randperm(len(x), generator=generator)
        most = max(1, int(torch.linalg.matrix_rank(x[1:] - x[0])))
        if not 1 <= (group or most) <= most:
            raise ValueError(
                f"group is {group}; the samples' affine hull has dimension "
                f"{most}: 1 to {most} will do"
            )
        groups = order.split(group or most)
        units, out, gap = planes(x, values, groups, generator)
        front = []
    else:
        front, h, groups = bend(x, width, hidden - 1, generator)
        units, out, gap = planes(h, values, groups, generator)
    (weight, bias), *rest = (*front, units, (out, None))
    return Memory(((weight / size, bias), *rest), groups, gap)


def _checked(x, y):
    """Samples and values as floats of one dtype, values (N, outputs)."""
    x = checks.tensor("x", x)
    if not x.is_floating_point():
        raise TypeError(f"x has dtype {x.dtype}; floats will do")
    y = checks.numbers("y", y, like=x)
    values = y[:, None] if y.dim() == 1 else y
    if x.dim() != 2 or values.dim() != 2 or len(x) != len(values):
        raise ValueError(
            f"x has shape {tuple(x.shape)} and y {tuple(y.shape)}; (N, "
            "features) and (N, outputs) or (N,) will do"
        )
    if x.numel() == 0 or values.numel() == 0:
        raise ValueError(
            f"x has shape {tuple(x.shape)} and y {tuple(y.shape)}; at least "
            "one sample, feature and output will do"
        )
    for name, numbers in (("x", x), ("y", values)):
        checks.check_finite(name, numbers)
    return x, values


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
