"""Why dropping neurons changes the loss: exact for the square, to second
order for the cross-entropy.

Keep a uniformly random set A of M neurons out of N.  With v_i = a_i
sigma(x, w_i), the output moves by delta = mean over A of v_i - mean of v_i,
which has mean zero and covariance (1/M - 1/N) Cov_i(v_i), Cov_i with the
divisor N - 1.  Expanding the loss in delta,

    E_A[L_S] - L = (1/M - 1/N) * curvature,
    curvature = E_x Var_i(v_i), summed over outputs      (square: exact)
              = 1/2 E_x tr(H(x) Cov_i(v_i))              (cross-entropy)

with H(x) = diag(p) - p p^T the Hessian in the outputs, p the softmax.  The
first-order term has mean zero over A; it is the mean over A, less that over
all neurons, of the influences c_i = E_x <dl/dy, v_i>, with the deviation
sqrt((1/M - 1/N) Var_i(c_i)).  It is of order 1/sqrt(N) and dominates at the
start of training; where the a_i are stationary the c_i vanish, and the
curvature's 1/N remains.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from kernels.meanfield import model
from kernels.meanfield.evaluation import block_size, checked_set
from kernels.meanfield.model import Activation, Weights


@dataclass(frozen=True)
class Fluctuations:
    """The two terms, before their factor in the number of kept neurons.

    `kept` below is a number M or several; the results have shape (R,) or
    (R, len(kept)).
    """

    width: int  # N
    curvature: torch.Tensor  # (R,)
    influence: torch.Tensor  # c_i, (R, N)

    def factor(self, kept: int | Sequence[int] | torch.Tensor) -> torch.Tensor:
        """1/M - 1/N, the part that depends on the number kept."""
        kept = torch.as_tensor(kept, dtype=torch.float64)
        if not bool(((kept >= 1) & (kept <= self.width)).all()):
            raise ValueError(
                f"kept must lie in 1..{self.width}, got {kept.tolist()}"
            )
        return 1 / kept - 1 / self.width

    def mean_increase(
        self, kept: int | Sequence[int] | torch.Tensor
    ) -> torch.Tensor:
        """E_A[L_S] - L: exact (square loss) or to second order."""
        return _outer(self.curvature, self.factor(kept))

    def linear_std(
        self, kept: int | Sequence[int] | torch.Tensor
    ) -> torch.Tensor:
        """Standard deviation over A of the first-order change."""
        return _outer(self.influence.std(1), self.factor(kept).sqrt())

    def mean_absolute(
        self, kept: int | Sequence[int] | torch.Tensor
    ) -> torch.Tensor:
        """E_A|L_S - L|, for a normal change of that mean and deviation."""
        mean, std = self.mean_increase(kept), self.linear_std(kept)
        ratio = mean / std.clamp_min(torch.finfo(std.dtype).tiny) / 2**0.5
        bell = (2 / torch.pi) ** 0.5 * (-ratio.square()).exp()
        return std * bell + mean * torch.erf(ratio)


def _outer(values, factor):
    return values.reshape(-1, *[1] * factor.ndim) * factor


@torch.no_grad()
def fluctuations(
    theta: Weights,
    x: Any,
    y: Any,
    *,
    loss: str = "cross_entropy",
    activation: Activation = torch.relu,
    block: int | None = None,
) -> Fluctuations:
    """What dropout does to the loss of two-layer networks, predicted.

    In float64; the module's text derives it.

    Parameters
    ----------
    theta, x, y, loss, activation, block : as for ``evaluate``

    Raises
    ------
    ValueError
        For more than two layers or a width below 2.

    Cost: about three forward passes' output layers and one first layer.
    """
    trials, sizes = model.shape(theta)
    if len(theta) != 2 or sizes[1] < 2:
        raise ValueError(
            "fluctuations are for two layers with at least two neurons, got "
            f"sizes {sizes}"
        )
    inputs, y = checked_set(theta, x, y, loss)
    samples, width = inputs.shape[1], sizes[1]
    term = {"square": _square, "cross_entropy": _cross_entropy}[loss]
    size = block or block_size(inputs, *sizes[1:])
    curvature = torch.zeros(trials, dtype=torch.float64)
    influence = torch.zeros((trials, width), dtype=torch.float64)
    for trial in range(trials):
        w, a = (weight[trial] for weight in theta)
        for xs, ys in zip(inputs[trial].split(size), y.split(size)):
            h = activation(xs @ w.mT)  # (n, N)
            slope, curved = term(h, a, ys)
            curvature[trial] += curved.double().sum().cpu()
            influence[trial] += (a * (slope.mT @ h)).double().sum(0).cpu()
    return Fluctuations(
        width=width,
        curvature=curvature / samples,
        influence=influence / samples,
    )


def _square(h, a, y):
    """dl/dy (n, C) and Var_i(v_i), summed over outputs, (n,)."""
    z = h @ a.mT / h.shape[1]  # (n, C)
    second = h.square() @ a.square().sum(0)
    return 2 * (z - y), _variance(second, z.square().sum(1), h.shape[1])


def _cross_entropy(h, a, y):
    """dl/dy (n, C) and 1/2 tr(H Cov_i(v_i)), (n,)."""
    width = h.shape[1]
    z = h @ a.mT / width  # (n, C)
    p = z.softmax(1)
    squared = h.square()  # (n, N)
    each = _variance(squared @ a.square().mT, z.square(), width)
    along = (squared * (p @ a).square()).sum(1)  # of <p, v_i>
    along = _variance(along, (p * z).sum(1).square(), width)
    slope = p.clone()
    slope[torch.arange(len(y), device=y.device), y] -= 1
    return slope, ((p * each).sum(1) - along) / 2


def _variance(sum_of_squares, squared_mean, width):
    return (sum_of_squares - width * squared_mean) / (width - 1)
