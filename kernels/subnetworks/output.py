"""The last subproblem, l = L - 1: convex, its optimum between two bounds."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kernels import states
from kernels.networks import Parameters, checks, losses
from kernels.subnetworks.convex import Problem, least, newton


@dataclass(frozen=True)
class LastLayer:
    """An output layer, and what is proved of it, from :func:`last_layer`.

    ``parameters``: ((weight, bias or None),), float64, those of xi_{L-1} as
    ``paths.theorem41`` takes them.  Their mean loss is at most ``upper``; no
    weights (within ``radius``, where one was given) have a mean loss below
    ``lower``.  ``separated``: these weights are proved to classify every
    sample strictly, so that the cross-entropy's infimum is 0, and is not
    attained.  ``steps``: of Newton's method.
    """

    parameters: Parameters
    upper: float
    lower: float
    separated: bool
    steps: int

    @property
    def gap(self) -> float:
        """``upper`` less ``lower``, at least 0."""
        return self.upper - self.lower


@states("N21", "(16)")
def last_layer(
    h: Tensor,
    y: Any,
    *,
    loss: str = "cross_entropy",
    outputs: int | None = None,
    bias: bool = True,
    radius: float = math.inf,
    tolerance: float = 1e-9,
    steps: int = 100,
) -> LastLayer:
    """The best output layer on given features, and how good any can be.

    N21's Q_l at l = L - 1, (9): the infimum of a convex function, found by
    Newton's method and enclosed, ``lower`` <= inf <= ``upper``
    (``kernels/subnetworks/convex.py`` has the proofs).  Where features are
    dependent, or nearly so, ``lower`` may be 0; with a ``radius`` it holds
    for all weights within that, and is closer.

    Parameters
    ----------
    h : (n, k)
        Features of layer L - 1 of the kept units, real, any dtype.
    y : class indices (n,); for the square loss also real targets
    loss : ``"cross_entropy"`` or ``"square"``
    outputs : how many the layer has, None for as many as ``y`` shows
    bias : whether outputs have one (N21's (1) has none, its code does)
    radius : lower holds for all weights and biases of at most this norm
        The Euclidean norm of all of them together; inf: for all.
    tolerance : of the loss
        Newton's method stops where a step promises less, and with separated
        samples where the loss is less.
    steps : of Newton's method at most

    Returns
    -------
    LastLayer
        A :class:`LastLayer`.

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit, and features that are not finite.

    Cost: for each of some ten steps (thirty where samples are separated) a
    product of n (C k)^2, and a factorisation of (C k)^3 / 3; memory n C k.
    """
    h = checks.tensor("h", h).detach()
    if h.dim() != 2 or not len(h):
        raise ValueError(
            f"h has shape {tuple(h.shape)}; (n, k) with n >= 1 will do"
        )
    h = h.double()
    checks.check_finite("h", h)
    if not radius > 0:
        raise ValueError(f"radius is {radius}; a positive number will do")
    if not 0 < tolerance < math.inf:
        raise ValueError(
            f"tolerance is {tolerance}; a positive number will do"
        )
    checks.whole("steps", steps)
    if outputs is None:
        outputs = _shown(y, loss)
    y = losses.targets(y, checks.whole("outputs", outputs), loss=loss, like=h)
    if len(y) != len(h):
        raise ValueError(
            f"h has {len(h)} samples and y has {len(y)}; as many will do"
        )
    x = torch.cat([h, h.new_ones(len(h), 1)], 1) if bias else h
    alive = x.abs().amax(0) > 0
    used = x[:, alive]
    unit = 2.0 ** used.abs().amax(0).log2().floor()  # exact factors
    problem = Problem(used / unit, y, outputs, loss, unit)
    w, done = newton(problem, tolerance, steps)
    if problem.classes and problem.margin(w) > 0:
        w = problem.stretched(w, tolerance)
    separated = problem.classes and problem.margin(w) > 0
    value, off = problem.loss_at(w)
    upper = math.nextafter(value + off, math.inf)
    lower = 0.0
    if not separated:
        lower = least(problem, w, tolerance, steps, radius)
    weight = h.new_zeros(outputs, x.shape[1])
    weight[:, alive] = w / unit
    offset = weight[:, -1].clone() if bias else None
    found = ((weight[:, : h.shape[1]].clone(), offset),)
    return LastLayer(found, upper, lower, separated, done)


def _shown(y: Any, loss: str) -> int:
    """How many outputs targets show."""
    y = checks.tensor("y", y)
    if y.is_floating_point() or y.dim() != 1:
        return y.shape[1] if y.dim() == 2 else 1
    return int(y.max()) + 1 if y.numel() else 1
