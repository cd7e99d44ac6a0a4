"""Mean losses that are convex in an output layer's weights, and bounds.

Newton's method finds the weights W, and a gap says how far they are from the
infimum.  Every bound is proved for the real numbers, with what float64 can
lose added.

Cross-entropy.  With z = W x, p = softmax(z), the gradient G and the Hessian H
of the mean loss P at W: for every q_i in the simplex with sum_i (q_i - y_i)
x_i = 0 the mean entropy of the q_i is at most inf P (Fenchel).  Newton's step
M, H M = -G, makes such q out of p: q = p (1 + u - <p, u>), u = M x.  Where no
factor is negative, and |u_c - <p, u>| <= sqrt(2) |G| |x| / mu for the least
eigenvalue mu of H, the entropy is at least P(W) + <G, M>, hence

    P(W) - inf P <= |G|^2 / mu   if   sqrt(2) |G| max|x| <= mu.

mu is proved by a Cholesky factorisation (Rump, BIT 46, 2006).  Where classes
are separated from others, weights escape to infinity and H dies; dropping
terms of the softmax lowers the loss, so that groups of classes, each on its
own samples, bound the infimum from below.

Square loss.  P is quadratic: P(W) - min P <= |G|^2 / (2 mu).
"""

import math

import torch
from torch import Tensor

from kernels.networks import losses

_UNIT = 2.0**-53
_ALIVE = 1e-6  # a class below is thought to be out of a sample's reach


class Problem:
    """Mean loss of z = w x over weights w (C, k), whose last row is 0.

    Of the cross-entropy's outputs only differences matter; the square loss
    has all rows.  ``x`` (n, k) has no column of zeros.
    """

    def __init__(self, x: Tensor, y: Tensor, outputs: int, loss: str):
        self.x, self.y, self.outputs, self.loss = x, y, outputs, loss
        self.classes = loss == "cross_entropy"
        self.free = outputs - self.classes  # rows that are sought
        n, k = x.shape
        self.longest = float(x.norm(dim=1).max()) * (1 + 1e-12) if k else 0.0
        self.g = 2 * (n + k + outputs + 16) * _UNIT  # above gamma

    def at(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs (n, C), and how far each sample's can be, (n,)."""
        z = self.x @ w.T
        k = self.x.shape[1]
        size = self.x.abs() @ w.abs().T
        return z, 2 * (k + 2) * _UNIT * size.amax(1) + 2.0**-1000

    def loss_at(self, w: Tensor) -> tuple[float, float]:
        """The mean loss as computed, and how far the exact one can be."""
        z, rho = self.at(w)
        values = losses.sample_losses(z, self.y, self.loss)
        if self.classes:
            slack = 2 * rho + _UNIT * (4 * z.abs().amax(1) + 2 * len(z.T) + 64)
        else:
            far = (z - self.y).abs() + rho[:, None]
            slack = 2 * rho * far.sum(1) * (1 + self.g)
            slack += self.g * far.square().sum(1)
        value = math.fsum(values.tolist()) / len(values)
        off = math.fsum(slack.tolist()) / len(values)
        return value, (off + 4 * _UNIT * abs(value)) * (1 + 1e-12)

    def slopes(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """d loss / d z, (n, C), and how far each sample's can be, (n,)."""
        z, rho = self.at(w)
        if not self.classes:
            return 2 * (z - self.y), 2 * rho + 4 * _UNIT * (
                z.abs().amax(1) + self.y.abs().amax(1)
            )
        p = torch.softmax(z, 1)
        off = rho / 2 + _UNIT * (4 * z.abs().amax(1) + len(z.T) + 64)
        one = torch.zeros_like(p).scatter_(1, self.y[:, None], 1.0)
        return p - one, off

    def gradient(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """(C, k), and how far each entry can be."""
        d, off = self.slopes(w)
        size = d.abs() * self.g + off[:, None]
        n = len(d)
        far = (size.T @ self.x.abs()) / n * (1 + 2 * self.g) + 2.0**-1000
        return d.T @ self.x / n, far

    def hessian(self, w: Tensor) -> tuple[Tensor, float]:
        """Of the free rows, and a bound on its error's norm."""
        n, k = self.x.shape
        square = self.x.square().sum(1)
        if not self.classes:
            off = 2 * self.g * float(square.mean())
            return 2 * self.x.T @ self.x / n, off * (1 + 1e-12)
        z, _ = self.at(w)
        p = torch.softmax(z, 1)[:, : self.free]
        mixed = (p[:, :, None] * self.x[:, None]).flatten(1)
        found = -(mixed.T @ mixed)
        for c in range(self.free):
            rows = slice(c * k, c * k + k)
            found[rows, rows] += (self.x * p[:, c, None]).T @ self.x
        _, off = self.slopes(w)
        each = 4 * self.outputs * off + 16 * _UNIT + 4 * self.g
        return found / n, float((square * each).mean()) * (1 + 1e-9)

    def least_eigenvalue(self, w: Tensor) -> float:
        """A proved lower bound on the Hessian's, 0 where none is positive.

        Rump: where the factorisation of a - t runs through, the least
        eigenvalue of a is at least t less the factorisation's own error.
        """
        a, off = self.hessian(w)
        a = (a + a.T) / 2
        m, diagonal = len(a), float(a.diagonal().sum())
        if not m or not math.isfinite(diagonal):
            return 0.0
        lost = off + 4 * (m + 4) * _UNIT * diagonal
        guess = float(torch.linalg.eigvalsh(a)[0]) / 2
        if guess <= 2 * lost:
            return 0.0
        eye = torch.eye(m, dtype=a.dtype, device=a.device)
        _, failed = torch.linalg.cholesky_ex(a - guess * eye)
        return 0.0 if int(failed) else (guess - lost) * (1 - 1e-12)

    def separates(self, w: Tensor) -> bool:
        """Whether every sample's own output is proved to be the largest."""
        return self.classes and self.margin(w) > 0

    def margin(self, w: Tensor) -> float:
        z, rho = self.at(w)
        own = z.gather(1, self.y[:, None])
        others = z.scatter(1, self.y[:, None], -math.inf).amax(1)
        return float((own[:, 0] - others - 2 * rho).min())

    def stretched(self, w: Tensor, tolerance: float) -> Tensor:
        """Separating weights, longer where the loss is above ``tolerance``.

        log(1 + (C - 1) e^-m) at margins of m or more.
        """
        margin = self.margin(w)
        needed = math.log(max(self.outputs - 1, 1) / tolerance)
        return w * max(1.0, 1.01 * needed / margin)

    def enclosed(
        self, w: Tensor, tolerance: float, steps: int, separated: bool
    ) -> tuple[float, float]:
        """The loss of ``w`` from above, the infimum from below."""
        value, off = self.loss_at(w)
        lower = 0.0
        if not w.shape[1]:  # nothing to choose
            lower = value - off
        elif not separated and self.free:
            mu = self.least_eigenvalue(w)
            g, far = self.gradient(w)
            norm = float((g.abs() + far)[: self.free].norm()) * (1 + 1e-12)
            if not self.classes and mu:
                lower = value - off - norm * norm / mu / 2 * (1 + 1e-12)
            elif mu and 1.4143 * norm * self.longest <= mu:
                lower = value - off - norm * norm / mu * (1 + 1e-12)
            elif self.classes:
                lower = self._by_groups(w, tolerance, steps)
        return math.nextafter(value + off, math.inf), lower

    def _by_groups(self, w: Tensor, tolerance: float, steps: int) -> float:
        """A bound from groups of classes, each on its own samples."""
        p = torch.softmax(self.at(w)[0], 1)
        seen = torch.eye(self.outputs, dtype=torch.bool)
        for c in range(self.outputs):
            mine = p[self.y == c]
            if len(mine):
                seen[c] |= (mine.amax(0) > _ALIVE).cpu()
        joined = seen | seen.T
        for _ in range(self.outputs.bit_length()):
            joined = (joined.double() @ joined.double()) > 0
        groups = {tuple(row.nonzero()[:, 0].tolist()) for row in joined}
        if len(groups) == 1:
            return 0.0
        total = 0.0
        for group in groups:
            index = torch.tensor(group, device=self.y.device)
            mine = torch.isin(self.y, index)
            if len(group) > 1 and bool(mine.any()):
                y = torch.searchsorted(index, self.y[mine])
                x = self.x[mine]
                x = x[:, x.abs().amax(0) > 0]
                part = Problem(x, y, len(group), self.loss)
                best, _ = newton(part, tolerance, steps)
                inside = part.separates(best)
                bound = part.enclosed(best, tolerance, steps, inside)[1]
                total += max(0.0, bound) * len(y) / len(self.y)
        return total * (1 - 1e-12)

    def within(self, w: Tensor, unit: Tensor, radius: float) -> float:
        """A bound on the loss of all weights of norm ``radius`` at most.

        A convex function is above its tangents.
        """
        value, off = self.loss_at(w)
        g, far = self.gradient(w)
        size = g.abs() + far
        inner = float((size * w.abs()).sum()) * (1 + 1e-12)
        norm = float((size * unit).norm()) * (1 + 1e-12)
        return value - off - inner - norm * radius * (1 + 1e-12)


def newton(
    problem: Problem, tolerance: float, steps: int
) -> tuple[Tensor, int]:
    """Weights near the infimum, and the steps that were taken."""
    k = problem.x.shape[1]
    w = problem.x.new_zeros(problem.outputs, k)
    value = problem.loss_at(w)[0]
    if not problem.free or not k:
        return w, 0
    for step in range(steps):
        if problem.separates(w) and value <= math.sqrt(tolerance):
            return w, step
        g = problem.gradient(w)[0][: problem.free]
        move = torch.zeros_like(w)
        move[: problem.free] = _solve(problem, w, g)
        promised = -float((g * move[: problem.free]).sum())
        if not promised > 0:
            return w, step
        share = 1.0
        while share > 1e-4:
            ahead = w + share * move
            new = problem.loss_at(ahead)[0]
            if new <= value - 1e-4 * share * promised:
                break
            share /= 2
        else:
            return w, step
        w, value = ahead, new
        if share == 1 and promised <= 1e-6 * tolerance:
            return w, step + 1
    return w, steps


def _solve(problem: Problem, w: Tensor, g: Tensor) -> Tensor:
    """Newton's step; where the Hessian is singular, a little damped."""
    if not problem.classes:
        x, rest = problem.x, problem.y - problem.at(w)[0]
        driver = None if x.is_cuda else "gelsd"
        return torch.linalg.lstsq(x, rest, driver=driver).solution.T
    a, _ = problem.hessian(w)
    eye = torch.eye(len(a), dtype=a.dtype, device=a.device)
    more = 1e-14 * float(a.diagonal().mean()) + 1e-300
    while True:
        factor, failed = torch.linalg.cholesky_ex(a + more * eye)
        if not int(failed):
            step = torch.cholesky_solve(-g.flatten()[:, None], factor)
            return step.view_as(g)
        more *= 100
