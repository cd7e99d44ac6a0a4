"""Permutations of hidden units that bring one network close to another.

Hidden units have no order: a network with its units permuted, rows and the
columns that they feed together, computes the same function.  Before two
networks are compared or averaged, their units can therefore be matched.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from kernels.networks import Network, Parameters, columns
from kernels.networks.checks import whole
from kernels.networks.kept import check_ends, kept_places
from kernels.networks.samples import inputs
from kernels.paths.units import moments

_DIFFERENCES = "donot_use_mm_for_euclid_dist"  # torch's own name


def match(
    net: Network,
    theta_a: Parameters,
    theta_b: Parameters,
    *,
    weights: Sequence[float] | None = None,
    sweeps: int = 100,
) -> list[torch.Tensor]:
    """The permutations that bring ``theta_b`` closest to ``theta_a``.

    They minimise the sum over layers of ``weights[i]²`` times the squared
    distance between layer i of ``theta_a`` and of the permuted ``theta_b``,
    biases included.  With one hidden layer this is a linear assignment, and
    what is returned is the minimum over all permutations, its distance up to
    a 10^-9th, and a permuted ``theta_a`` is found again.  With more it is
    solved layer by layer, the others held, until nothing changes or
    ``sweeps`` have been made: a local minimum, no farther than the identity.

    Parameters
    ----------
    net : the network, fully connected or convolutional
    theta_a, theta_b : its parameters, of one dtype and device
    weights : a number for each layer, optional
        How much its entries count; None: all alike.  The neurons (w_i,
        a_i) of a mean-field network, whose output weights are a_i / N in
        ``meanfield.as_network``, are compared as such by ``(1, N)``.
    sweeps : passes over the layers at most

    Returns
    -------
    list[torch.Tensor]
        One LongTensor a hidden layer; entry i is the unit of ``theta_b``
        that belongs at the place of unit i of ``theta_a``: :func:`permute`
        puts it there.

    Raises
    ------
    ValueError, TypeError
        For parameters that do not fit, or weights that are not positive.

    Needs SciPy.  Cost: for each layer a product of h² times its fan-in and
    fan-out operations, and an assignment, of order h³ at worst.
    """
    theta_a, theta_b = check_ends(net, theta_a=theta_a, theta_b=theta_b)
    sweeps = whole("sweeps", sweeps, 0)
    weights = _checked_weights(net, weights)
    order = [torch.arange(width) for width in net.hidden]
    for _ in range(sweeps):
        before = list(order)
        for i in range(1, net.depth):
            moved = permute(net, theta_b, order)
            best = _assigned(net, theta_a, moved, weights, i)
            order[i - 1] = order[i - 1][best]
        if net.depth == 2 or all(map(torch.equal, before, order)):
            break
    return order


def match_activations(
    net: Network, theta_a: Parameters, theta_b: Parameters, x: torch.Tensor
) -> list[torch.Tensor]:
    """The permutations whose units' activations correlate most.

    For each hidden layer the assignment of units of ``theta_b`` to those of
    ``theta_a`` with the largest sum of correlations over the samples ``x``;
    of a channel, over samples and places.  A unit that is constant on ``x``
    correlates with none.  Layers are matched one by one, each exactly; the
    weights themselves play no part.

    Parameters
    ----------
    net : the network
    theta_a, theta_b : its parameters
    x : (n, ...)
        At least two inputs of the parameters' dtype.

    Returns
    -------
    list[torch.Tensor]
        One LongTensor a hidden layer, as :func:`match` does.

    Raises
    ------
    ValueError, TypeError
        For parameters or inputs that do not fit or are not finite.

    Needs SciPy.  Cost: two passes, and for each layer a product of h² times
    n operations and an assignment.
    """
    from scipy.optimize import linear_sum_assignment

    theta_a, theta_b = check_ends(net, theta_a=theta_a, theta_b=theta_b)
    x = inputs(net, theta_a, x)
    if len(x) < 2:
        raise ValueError(
            f"x has {len(x)} samples; two or more, for a correlation, will do"
        )
    order = []
    with torch.no_grad():
        for i in range(1, net.depth):
            a, b = (
                _standardised(net.features(theta, x, i), net.hidden[i - 1])
                for theta in (theta_a, theta_b)
            )
            _, best = linear_sum_assignment((a @ b.T).cpu().numpy(), True)
            order.append(torch.from_numpy(best))
    return order


def _standardised(features: Tensor, width: int) -> Tensor:
    """(width, samples): activations of mean 0 and length 1; 0 where still."""
    z = features.reshape(len(features), width, -1).transpose(0, 1)
    z = z.reshape(width, -1).double()
    mean, _, still = moments(z, 1)
    z = z - mean[:, None]
    size = z.norm(dim=1, keepdim=True)
    return torch.where(still[:, None], 0.0, z / size)


def permute(
    net: Network, theta: Parameters, order: Sequence[Any]
) -> Parameters:
    """The same function, with unit ``order[l - 1][i]`` at place i of layer l.

    Rows, biases and the columns that they feed move together; nothing is
    computed.

    Parameters
    ----------
    net : the network
    theta : its parameters
    order : one permutation of the units a hidden layer

    Returns
    -------
    Parameters
        New parameters.

    Raises
    ------
    ValueError
        For what is no permutation.
    """
    (theta,) = check_ends(net, theta=theta)
    # checks indices and that none is repeated
    places = kept_places(net, order, "order")[1:-1]
    for i, (found, width) in enumerate(zip(places, net.hidden), 1):
        if len(found) != width:
            raise ValueError(
                f"order, hidden layer {i}, has {len(found)} units; the layer "
                f"has {width}"
            )
    order = [None, *(torch.as_tensor(units).long() for units in order), None]
    result = []
    for (weight, bias), below, own, units in zip(
        theta, order, order[1:], net.widths
    ):
        shape = weight.shape
        if below is not None:
            weight = columns(weight, units)[:, below.to(weight.device)]
        if own is not None:
            own = own.to(weight.device)
            weight, bias = weight[own], None if bias is None else bias[own]
        result.append((weight.reshape(shape), bias))
    return tuple(result)


def _assigned(
    net: Network,
    theta_a: Parameters,
    theta_b: Parameters,
    weights: list[float],
    i: int,
) -> Tensor:
    """The best order of ``theta_b``'s units of layer i, the others held.

    By inner products, with both sides less the units' mean in ``theta_a``:
    the same to every assignment, and nothing large is left that all units
    share.  Where what is found is so close that the products' rounding could
    hide a closer one, by differences.
    """
    from scipy.optimize import linear_sum_assignment

    sides = [
        [read(net, theta, i) for theta in (theta_a, theta_b)]
        for read in (_rows, _columns)
    ]
    unit = _power(max(float(v.abs().max()) for pair in sides for v in pair))
    squares = [weight**2 for weight in weights[i - 1 : i + 1]]
    gain, cost, doubt = torch.zeros((), dtype=torch.float64), 0.0, 0.0
    for square, pair in zip(squares, sides):
        pair[:] = (v / unit for v in pair)
        ours, theirs = pair
        middle = ours.mean(0)
        gain = gain + square * ((ours - middle) @ (theirs - middle).T)
        doubt += square * _rounding(ours, theirs, middle)
    best = torch.from_numpy(linear_sum_assignment(gain.cpu().numpy(), True)[1])
    for square, (ours, theirs) in zip(squares, sides):
        cost += square * float((ours - theirs[best]).square().sum())
    if cost > 0 and doubt * len(best) > 1e-9 * cost:
        costs = torch.zeros_like(gain)
        for square, (ours, theirs) in zip(squares, sides):
            apart = torch.cdist(ours, theirs, compute_mode=_DIFFERENCES)
            costs += square * apart.square()
        best = torch.from_numpy(linear_sum_assignment(costs.cpu().numpy())[1])
    return best


def _rounding(ours: Tensor, theirs: Tensor, middle: Tensor) -> float:
    """How far rounding can put two assignments' gains apart, a unit."""
    a, b, ours_, theirs_, middle_ = (
        float(rows.norm(dim=1).max())
        for rows in (
            ours - middle,
            theirs - middle,
            ours,
            theirs,
            middle[None],
        )
    )
    centred = (ours_ + middle_) * b + a * (theirs_ + middle_)
    return 4 * 2.0**-53 * (centred + (len(middle) + 8) * a * b)


def _power(size: float) -> float:
    """A power of two near ``size``: to divide by it rounds nothing."""
    return 2.0 ** max(math.frexp(size)[1] - 1, -1022) if size else 1.0


def _rows(net: Network, theta: Parameters, i: int) -> Tensor:
    """Rows and biases of layer i, one row a unit, float64."""
    parts = [p for p in theta[i - 1] if p is not None]
    return torch.cat(
        [p.flatten(1) if p.dim() > 1 else p[:, None] for p in parts], 1
    ).double()


def _columns(net: Network, theta: Parameters, i: int) -> Tensor:
    """What the units of layer i feed, one row a unit, float64."""
    weight = columns(theta[i][0], net.widths[i])  # (out, units, block)
    return weight.transpose(0, 1).flatten(1).double()


def _checked_weights(
    net: Network, weights: Sequence[float] | None
) -> list[float]:
    weights = [1.0] * net.depth if weights is None else list(weights)
    if len(weights) != net.depth or not all(
        w > 0 and math.isfinite(w) for w in weights
    ):
        raise ValueError(
            f"weights is {weights}; a positive number for each of the "
            f"{net.depth} layers will do"
        )
    unit = _power(max(weights))
    return [float(w) / unit for w in weights]
