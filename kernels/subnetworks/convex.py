"""Mean losses that are convex in an output layer's weights, and bounds.

Newton's method finds the weights W, and a gap says how far they are from the
infimum.  Every bound is proved for the real numbers, with what float64 can
lose added.

Cross-entropy.  With z = W x, p = softmax(z), the gradient G and the Hessian H
of the mean loss P at W: for every q_i in the simplex with sum_i (q_i - y_i)
x_i = 0 the mean entropy of the q_i is at most inf P (Fenchel).  Newton's step
M, H M = -G, makes such q out of p: q = p (1 + u - <p, u>), u = M x.  No
factor is negative where |u_c - <p, u>| <= sqrt(2) |G| |x| / mu is at most 1,
mu the least eigenvalue of H; the entropy is then at least P(W) + <G, M>, so

    P(W) - inf P <= |G|^2 / mu   if   sqrt(2) |G| max|x| <= mu.

mu is proved by a Cholesky factorisation (Rump, BIT 46, 2006).  Square loss: P
is quadratic, and P(W) - min P <= |G|^2 / (2 mu).

Where weights do better and better on their way to infinity, mu is 0, or too
small to be proved.  Dropping terms of a softmax, and samples, lowers the loss:
without those whose terms die, the infimum of what is left may be attained, and
is a bound.  For weights within a radius, P(V) >= P(W) + <G, V - W>.
"""

import math

import torch
from torch import Tensor

from kernels.networks import losses

_UNIT = 2.0**-53
_TINY = 2.0**-1000  # above what underflow loses
_UP = 1 + 1e-12  # rounds a few operations up
_ALIVE = 1e-7  # terms of a softmax below it are dropped


class Problem:
    """Mean loss of z = w x over weights w (C, k).

    Of the cross-entropy's outputs only differences matter: its last row is 0.
    ``x`` (n, k) has no column of zeros; features are ``x * unit``, so that
    the weights on them are w / unit; ``terms`` (n, C), None for all: those
    that a sample's softmax has, its own class among them.
    """

    def __init__(
        self,
        x: Tensor,
        y: Tensor,
        outputs: int,
        loss: str,
        unit: Tensor,
        terms: Tensor | None = None,
    ):
        self.terms, self.unit = terms, unit
        self.x, self.y, self.outputs = x, y, outputs
        self.classes = loss == "cross_entropy"
        self.free = outputs - self.classes  # rows that are sought
        n, k = x.shape
        self.g = 2 * (n + k + outputs + 16) * _UNIT  # above gamma
        self.square = x.square().sum(1) * (1 + self.g)  # |x|^2

    def outputs_at(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """z (n, C), and how far each sample's entries can be, (n,)."""
        z = self.x @ w.T
        size = (self.x.abs() @ w.abs().T).amax(1)
        rho = 2 * (self.x.shape[1] + 2) * _UNIT * size
        rho += self.g * z.abs().amax(1) + _TINY
        if self.terms is not None:
            z = z.masked_fill(~self.terms, -math.inf)
        return z, rho

    def loss_at(self, w: Tensor) -> tuple[float, float]:
        """The mean loss as computed, and how far the exact one can be."""
        z, rho = self.outputs_at(w)
        if self.classes:
            others = z - z.gather(1, self.y[:, None])
            values = torch.logsumexp(others, 1)
            far = others.scatter(1, self.y[:, None], -math.inf)
            small = torch.log1p(torch.exp(far).sum(1))
            values = torch.where(values < 0.5, small, values)
            slack = self._relative(rho) * self.slopes(w)[0].abs().amax(1)
            slack = torch.minimum(slack, 2 * rho) + self.g * values.abs()
        else:
            values = losses.sample_losses(z, self.y, "square")
            far = (z - self.y).abs() * (1 + self.g) + rho[:, None]
            slack = 2 * rho * far.sum(1) + self.g * far.square().sum(1)
        value = math.fsum(values.tolist()) / len(values)
        off = math.fsum(slack.tolist()) / len(values)
        return value, (off + 8 * _UNIT * abs(value) + _TINY) * _UP

    def _relative(self, rho: Tensor) -> Tensor:
        """Relative error of softmax entries whose outputs are off by rho."""
        off = rho + self.g
        return torch.where(off < 0.01, 3 * off, math.inf)

    def slopes(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """d loss / d z (n, C), and how far each entry can be."""
        z, rho = self.outputs_at(w)
        if not self.classes:
            off = 2 * rho + 4 * _UNIT * self.y.abs().amax(1)
            return 2 * (z - self.y), off[:, None].expand_as(z)
        own = self.y[:, None]
        p = torch.softmax(z, 1).scatter(1, own, 0.0)
        slopes = p.scatter(1, own, -p.sum(1, keepdim=True))
        off = self._relative(rho)[:, None] * (slopes.abs() + _TINY)
        return slopes, off.clamp(max=1.0)

    def gradient(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """(C, k), and how far each entry can be."""
        d, off = self.slopes(w)
        size = d.abs() * self.g + off
        far = (size.T @ self.x.abs()) / len(d) * (1 + 2 * self.g)
        return d.T @ self.x / len(d), far + _TINY

    def hessian(self, w: Tensor) -> tuple[Tensor, float]:
        """Of the free rows, and a bound on its error's norm."""
        n, k = self.x.shape
        if not self.classes:
            off = 2 * self.g * float(self.square.mean())
            return 2 * self.x.T @ self.x / n, off * _UP
        z, rho = self.outputs_at(w)
        p = torch.softmax(z, 1)[:, : self.free]
        mixed = (p[:, :, None] * self.x[:, None]).flatten(1)
        found = -(mixed.T @ mixed)
        for c in range(self.free):
            rows = slice(c * k, c * k + k)
            found[rows, rows] += (self.x * p[:, c, None]).T @ self.x
        each = 4 * self._relative(rho).clamp(max=1.0) + 4 * self.g
        return found / n, float((self.square * each).mean()) * _UP

    def least_eigenvalue(self, w: Tensor) -> float:
        """A proved lower bound on the Hessian's, 0 where none is positive.

        Rump: where the factorisation of a - t runs through, the least
        eigenvalue of a is at least t less the factorisation's own error.
        """
        a, off = self.hessian(w)
        a = (a + a.T) / 2
        m, trace = len(a), float(a.diagonal().sum())
        lost = off + 4 * (m + 4) * _UNIT * trace
        guess = float(torch.linalg.eigvalsh(a)[0]) / 2
        if not guess > 2 * lost:
            return 0.0
        eye = torch.eye(m, dtype=a.dtype, device=a.device)
        _, failed = torch.linalg.cholesky_ex(a - guess * eye)
        return 0.0 if int(failed) else (guess - lost) / _UP

    def margin(self, w: Tensor) -> float:
        """By how much every sample's own output is proved the largest."""
        z, rho = self.outputs_at(w)
        own = z.gather(1, self.y[:, None])[:, 0]
        others = z.scatter(1, self.y[:, None], -math.inf).amax(1)
        return float((own - others - 2 * rho).min())

    def stretched(self, w: Tensor, tolerance: float) -> Tensor:
        """Separating weights, longer where the loss is above ``tolerance``.

        It is at most log(1 + (C - 1) e^-m) at margins of m or more.
        """
        needed = math.log(max(self.outputs - 1, 1) / tolerance)
        return w * max(1.0, 1.01 * needed / self.margin(w))

    def below(self, w: Tensor) -> float:
        """A bound on the infimum over all weights, 0 where none is proved."""
        value, off = self.loss_at(w)
        if not self.free or not w.shape[1]:  # nothing to choose
            return value - off
        mu = self.least_eigenvalue(w)
        g, far = self.gradient(w)
        norm = float((g.abs() + far)[: self.free].norm()) * _UP
        longest = math.sqrt(float(self.square.max())) * _UP
        if mu and not self.classes:
            return value - off - norm * norm / (2 * mu) * _UP
        if mu and 1.4143 * norm * longest <= mu:
            return value - off - norm * norm / mu * _UP
        return 0.0

    def parts(self, w: Tensor) -> list["Problem"]:
        """What is left without terms that die, by groups of classes.

        None where no term does.
        """
        z, _ = self.outputs_at(w)
        own = torch.zeros_like(z, dtype=torch.bool)
        own.scatter_(1, self.y[:, None], True)
        rival = (torch.softmax(z, 1) > _ALIVE) & ~own
        if self.terms is not None and bool((rival | own == self.terms).all()):
            return []
        joined = torch.eye(self.outputs, dtype=torch.float64).to(z)
        joined.index_add_(0, self.y, rival.to(z))
        joined += joined.T.clone()
        for _ in range(self.outputs.bit_length()):
            joined = (joined @ joined > 0).to(z)
        parts = []
        for row in torch.unique(joined, dim=0):
            group = row.nonzero()[:, 0]
            mine = rival.any(1) & (row[self.y] > 0)
            if bool(mine.any()):
                x = self.x[mine]
                y = torch.searchsorted(group, self.y[mine])
                terms = (rival | own)[mine][:, group]
                on = x.abs().amax(0) > 0
                some = x[:, on], y, len(group), "cross_entropy"
                parts.append(Problem(*some, self.unit[on], terms))
        return parts

    def within(self, w: Tensor, radius: float) -> float:
        """A bound on the loss of weights ``v / unit`` of this norm at most.

        A convex function is above its tangents.
        """
        value, off = self.loss_at(w)
        g, far = self.gradient(w)
        size = g.abs() + far
        inner = float((size * w.abs()).sum()) * (1 + self.g)
        norm = float((size * self.unit).norm()) * _UP
        return value - off - (inner + norm * radius) * _UP


def newton(
    problem: Problem, tolerance: float, steps: int
) -> tuple[Tensor, int]:
    """Weights near the infimum, and the steps that were taken."""
    k = problem.x.shape[1]
    w = problem.x.new_zeros(problem.outputs, k)
    if not problem.free or not k:
        return w, 0
    value = problem.loss_at(w)[0]
    for step in range(steps):
        if problem.classes and value < 0.1 and problem.margin(w) > 0:
            return w, step
        g = problem.gradient(w)[0][: problem.free]
        for damping in (1e-14, 1e-9, 1e-4, 1.0):
            move = torch.zeros_like(w)
            move[: problem.free] = _solve(problem, w, g, damping)
            promised = -float((g * move[: problem.free]).sum())
            share, new = _search(problem, w, move, value, promised)
            if share:
                break
        else:
            return w, step
        w, value = w + share * move, new
        if share == 1 and promised <= 1e-6 * tolerance:
            return w, step + 1
    return w, steps


def _search(
    problem: Problem, w: Tensor, move: Tensor, value: float, promised: float
) -> tuple[float, float]:
    """How far to go, and the loss there: 0 where nothing is gained.

    Halved while the loss falls too little, doubled while it goes on falling:
    towards infinity Newton's own steps are too short.
    """
    share = 1.0 if 0 < promised < math.inf else 0.0
    while share > 1e-6:
        new = problem.loss_at(w + share * move)[0]
        if new <= value - 1e-4 * share * promised:
            break
        share /= 2
    else:
        return 0.0, value
    while share >= 1:
        further = problem.loss_at(w + 2 * share * move)[0]
        if not further < new:
            break
        share, new = 2 * share, further
    return share, new


def _solve(problem: Problem, w: Tensor, g: Tensor, damping: float) -> Tensor:
    """Newton's step, a little damped: the Hessian may be singular.

    Scaled to a unit diagonal, it is positive definite once the damping is
    large: the damping ends, unless a number is not finite.
    """
    if not problem.classes:
        x, rest = problem.x, problem.y - problem.outputs_at(w)[0]
        driver = None if x.is_cuda else "gelsd"
        return torch.linalg.lstsq(x, rest, driver=driver).solution.T
    a, _ = problem.hessian(w)
    size = a.diagonal()
    size = size.clamp_min(1e-18 * float(size.max()) + 1e-300).rsqrt()
    a = size[:, None] * a * size
    if not bool(torch.isfinite(a).all()):
        raise ValueError(
            "the mean loss's Hessian is not finite: float64 overflows; "
            "smaller features will do"
        )
    eye = torch.eye(len(a), dtype=a.dtype, device=a.device)
    right = (-g.flatten() * size)[:, None]
    while True:
        factor, failed = torch.linalg.cholesky_ex(a + damping * eye)
        if not int(failed):
            step = torch.cholesky_solve(right, factor)[:, 0] * size
            return step.view_as(g)
        damping *= 100


def least(
    problem: Problem, w: Tensor, tolerance: float, steps: int, radius: float
) -> float:
    """A bound on the infimum: at weights near it, else from its parts."""
    found = problem.below(w)
    if found > 0:
        return found
    if radius < math.inf:
        found = max(0.0, problem.within(w, radius))
    total = 0.0
    for part in problem.parts(w) if problem.classes else ():
        inside, _ = newton(part, tolerance, steps)
        share = len(part.x) / len(problem.x) / _UP
        total += share * least(part, inside, tolerance, steps, radius)
    return max(0.0, found, total)
