"""The lowest pass: a search over h - 1 positive units, many starts at once."""

from dataclasses import dataclass

import torch
from torch import Tensor

from kernels import states
from kernels.counterexample.samples import samples
from kernels.networks import checks


@dataclass(frozen=True)
class Search:
    """What :func:`lowest_pass` found.

    ``loss``: the smallest mean square error; ``rows`` (units, inputs), with a
    last column for biases if there were any: its units, output weights
    absorbed; ``losses`` (starts,): where each start ended, in ascending order.
    """

    loss: float
    rows: Tensor
    losses: Tensor


@states("K19", "Theorem 4", "Lemma 6")
def lowest_pass(
    x: Tensor,
    y: Tensor,
    units: int | None = None,
    *,
    bias: bool = False,
    starts: int = 1000,
    steps: int = 150,
    generator: torch.Generator,
) -> Search:
    """Search for the least mean square error of units of positive weight.

    Every path between the two minima passes a parameter whose h - 1 live
    units all have output weights >= 0 (K19, Theorem 4 and Lemma 6, with the
    statement corrected: at the last time at which some weight is <= 0, all
    are >= 0 and one is 0).  The least loss of h - 1 such units therefore
    bounds the barrier from below.  This is a *search*, by a batched
    Levenberg-Marquardt iteration from random starts: what it finds bounds
    that minimum from above and proves nothing below it.

    Parameters
    ----------
    x, y : (n, h + 2) and (n,), float64, as ``dataset`` returns them
    units : None: h - 1
    bias : gives each unit a bias
        Then the loss comes out as zero, for K19's construction needs a
        student without.
    starts : how many random starts
    steps : of each start's iteration
    generator : draws the starts

    Raises
    ------
    ValueError, TypeError
        For fewer than one unit or start, and for samples that do not fit.

    Cost: ``starts * steps`` solutions of systems with units x inputs
    unknowns; 1000 x 150 at h = 4 take about a second.
    """
    x, y = samples(x, y)
    units = x.shape[1] - 3 if units is None else units
    units = checks.whole("units", units)
    starts = checks.whole("starts", starts)
    steps = checks.whole("steps", steps, 0)
    if bias:
        x = torch.cat([x, torch.ones_like(x[:, :1])], 1)
    rows = torch.randn(
        starts, units, x.shape[1], generator=generator, dtype=x.dtype
    )
    rows = rows / x.square().mean(0).sqrt().clamp_min(0.1)
    losses, rows = fit(x, y.expand(starts, -1), rows, steps)
    best = int(losses.argmin())
    return Search(float(losses[best]), rows[best], losses.sort().values)


def fit(
    x: Tensor, target: Tensor, rows: Tensor, steps: int
) -> tuple[Tensor, Tensor]:
    """Least squares for sums of ReLU units, many problems at once.

    Minimises ``mean_n (Σ_u φ(rows_u · x_n) - target_n)²`` by
    Levenberg-Marquardt steps, each accepted where it lowers the loss.

    Parameters
    ----------
    x : (n, p)
    target : (problems, n)
    rows : (problems, units, p)
        Where the steps start.
    steps : how many

    Returns
    -------
    tuple[Tensor, Tensor]
        Losses (problems,), none above its start, and rows.
    """
    problems, units, p = rows.shape
    damping = torch.full((problems,), 1e-2, dtype=x.dtype)
    residual, live = _residual(x, target, rows)
    loss = residual.square().mean(1)
    for _ in range(steps):
        jacobian = live[..., None] * x  # (problems, units, n, p)
        jacobian = jacobian.transpose(1, 2).reshape(problems, -1, units * p)
        normal = jacobian.mT @ jacobian
        slope = jacobian.mT @ residual[..., None]
        diagonal = normal.diagonal(dim1=1, dim2=2)
        diagonal += damping[:, None] * (diagonal + 1e-3)
        step = torch.linalg.solve(normal, slope).reshape(rows.shape)
        new_residual, new_live = _residual(x, target, rows - step)
        new_loss = new_residual.square().mean(1)
        better = new_loss < loss  # False for nan
        rows = torch.where(better[:, None, None], rows - step, rows)
        residual = torch.where(better[:, None], new_residual, residual)
        live = torch.where(better[:, None, None], new_live, live)
        loss = torch.where(better, new_loss, loss)
        damping = torch.where(better, damping / 3, damping * 2)
        damping = damping.clamp(1e-9, 1e8)
    return loss, rows


def _residual(x, target, rows):
    pre = rows @ x.T  # (problems, units, n)
    return torch.relu(pre).sum(1) - target, (pre > 0).to(x.dtype)
