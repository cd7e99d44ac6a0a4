"""The lowest pass from below: a bound that branch and bound proves.

The least mean square error of units of positive weight is no convex problem,
but a piecewise-linear one inside the squares: whether a unit is on for a
sample is a binary variable, and tangents bound the squares from below.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kernels import states
from kernels.counterexample.samples import reals, samples
from kernels.networks import checks


@dataclass(frozen=True)
class Bound:
    """What :func:`pass_bound` proved.

    ``loss``: no parameter has a smaller one; ``rows`` (units, inputs): where
    the linear program is smallest, a good start for ``search.fit``; None if
    the time ended before it found any.
    """

    loss: float
    rows: Tensor | None


@states("K19", "Theorem 4")
def pass_bound(
    x: Tensor,
    y: Tensor,
    rows: Tensor,
    *,
    tangents: int = 33,
    seconds: float | None = None,
) -> Bound:
    """A loss that no ``len(rows)`` units of positive weight get below.

    A lower bound on the minimum of ``mean_n (Σ_u φ(a_u · x_n) - y_n)²`` over
    all rows a_u; with h - 1 of them, on the barrier (K19, Theorem 4).  A
    mixed-integer linear program in the a_u, the units' outputs, a binary for
    each unit and sample of positive label, the residuals r and their squares
    s, of which it knows ``s >= 2 c r - c²`` for every c on a grid.

    Parameters
    ----------
    x, y : (n, inputs) and (n,), as ``dataset`` returns them
        What makes the program bounded: samples of label 0 have one non-
        zero entry, a negative one, and there is one for every input.
    rows : (units, inputs)
        Those that ``lowest_pass`` found; only what is as good is searched.
    tangents : to every square, at least 2
    seconds : after which the bound proved so far is returned, 0 at worst

    Returns
    -------
    Bound
        A bound that holds up to the tolerances of the solver (HiGHS, in
        scipy).

    Raises
    ------
    ValueError, TypeError
        Where the samples of label 0 are not as stated, and for shapes and
        numbers that do not fit.

    Cost: exponential in units x samples.  For ``dataset(h)`` 0.02, 0.4 and
    2 s at h = 2, 3 and 4; h = 5 takes minutes.
    """
    tangents = checks.whole("tangents", tangents, 2)
    x, y = samples(x, y)
    rows = reals("rows", rows).double()
    if rows.dim() != 2 or rows.shape[1] != x.shape[1] or not len(rows):
        raise ValueError(
            f"rows has shape {tuple(rows.shape)}; (units, {x.shape[1]}), at "
            "least one unit, will do"
        )
    checks.check_finite("rows", rows)
    table, count = np.unique(
        torch.column_stack([x, y]).double().numpy(),
        axis=0,
        return_counts=True,
    )
    points, labels = table[:, :-1], table[:, -1]
    found = rows.numpy()
    residual = np.maximum(points @ found.T, 0).sum(1) - labels
    budget = (count * residual**2).sum() * (1 + 1e-6)
    reach = np.sqrt(budget / count)  # no residual is larger
    low = _lowest(points[labels == 0], reach[labels == 0])
    on = np.flatnonzero(labels > 0)
    top = labels[on] + reach[on]  # no unit's output is larger
    deep = _deepest(points[on], top, low)
    units, n = len(found), len(labels)
    each, one = np.eye(units), np.eye(n)

    program = _Program(
        a=(np.tile(low, units), np.inf),
        output=(np.zeros(units * n), np.inf),
        on=(np.zeros(units * len(on)), 1),
        residual=(-reach, reach),
        square=(np.zeros(n), np.inf),
    )
    # an output is at least the pre-activation; where its unit is on, it is
    # the pre-activation; where it is not, it is 0
    chosen = np.kron(each, one[on])
    program.require(0, output=np.kron(each, one), a=-np.kron(each, points))
    program.require(
        np.tile(-deep, units),
        output=-chosen,
        a=np.kron(each, points[on]),
        on=-np.kron(each, np.diag(deep)),
    )
    program.require(0, output=-chosen, on=np.kron(each, np.diag(top)))
    sums = np.tile(one, units)
    program.require(labels, labels, output=sums, residual=-one)
    for c in [residual, *np.linspace(-reach, reach, tangents)]:
        program.require(-(c**2), square=one, residual=-2 * np.diag(c))
    program.require(-budget, square=-count[None])
    # units in the order of where they are on, read as a binary number
    order = np.eye(units - 1, units) - np.eye(units - 1, units, 1)
    program.require(0, on=np.kron(order, 0.5 ** np.arange(len(on))))
    least, at = program.minimum(
        {"square": count}, integer="on", seconds=seconds
    )
    if at is not None:
        at = torch.from_numpy(at["a"].reshape(found.shape))
    return Bound(least * (1 - 1e-6) / len(y), at)


class _Program:
    """A mixed-integer linear program, its variables in named blocks."""

    def __init__(self, **variables):
        self.low = {name: low for name, (low, _) in variables.items()}
        self.high = [
            np.broadcast_to(high, low.shape)
            for low, high in variables.values()
        ]
        self.blocks, self.least, self.most = [], [], []

    def require(self, least, most=np.inf, **parts):
        """least <= sum of the parts, each times its variables, <= most."""
        height = len(next(iter(parts.values())))
        self.blocks.append(self._row(height, parts))
        self.least.append(np.broadcast_to(least, height))
        self.most.append(np.broadcast_to(most, height))

    def _row(self, height, parts):
        zeros = {k: np.zeros((height, len(v))) for k, v in self.low.items()}
        return np.hstack(list((zeros | parts).values()))

    def minimum(self, cost, *, integer, seconds):
        """A proved lower bound on the cost, and the best variables found."""
        from scipy.optimize import Bounds, LinearConstraint, milp

        limit = {} if seconds is None else {"time_limit": seconds}
        ones = {integer: np.ones((1, len(self.low[integer])))}
        found = milp(
            self._row(1, {k: v[None] for k, v in cost.items()})[0],
            integrality=self._row(1, ones)[0],
            bounds=Bounds(
                np.concatenate(list(self.low.values())),
                np.concatenate(self.high),
            ),
            constraints=LinearConstraint(
                np.vstack(self.blocks),
                np.concatenate(self.least),
                np.concatenate(self.most),
            ),
            options={"mip_rel_gap": 1e-6} | limit,
        )
        if found.status not in (0, 1):  # optimal, out of time
            raise RuntimeError(f"the solver stopped: {found.message}")
        bound = max(0.0, found.mip_dual_bound or 0.0)
        if found.x is None:
            return bound, None
        ends = np.cumsum([len(v) for v in self.low.values()])[:-1]
        return bound, dict(zip(self.low, np.split(found.x, ends)))


def _lowest(x, reach):
    """Lower bounds on the weights of a unit, from the samples of label 0."""
    low = np.full(x.shape[1], -np.inf)
    for row, most in zip(x, reach):
        (at,) = np.nonzero(row)
        if len(at) != 1 or row[at[0]] >= 0:
            raise ValueError(
                f"x has a sample {row.tolist()} of label 0; one non-zero "
                "entry, a negative one, will do"
            )
        low[at] = np.maximum(low[at], most / row[at])
    if np.isinf(low).any():
        raise ValueError(
            f"x has no sample of label 0 in which input {np.argmin(low)} is "
            "not 0; one for every input will do"
        )
    return low


def _deepest(x, top, low):
    """Minus the least pre-activation of a unit, for each sample of x."""
    from scipy.optimize import linprog

    bounds = [(b, None) for b in low]
    return np.array([-linprog(row, x, top, bounds=bounds).fun for row in x])
