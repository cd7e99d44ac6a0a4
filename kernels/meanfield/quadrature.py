"""Points for the initial law, rules for the length and angle of a Gaussian."""

import math

import numpy as np
import torch
from torch import Tensor

from kernels.networks import checks


def particles(
    count: int, *, dimension: int, std: tuple[float, float] = (1.0, 2.0)
) -> Tensor:
    """Points of the initial law of (a, b, |w|), without randomness.

    The law is that of ``init`` with a uniform last layer, a bounded, and the
    biases b scaled to be of size ``std[0]``: a is uniform of deviation
    ``std[1]``, b is N(0, std[0]^2), and w is N(0, std[0]^2 / (d + 1) I_d).
    Sobol's points, moved to the middle of their cells, go through the
    inverse distribution functions.

    Parameters
    ----------
    count : powers of two fill the cube most evenly
    dimension : d, of w, 2 or more
    std : of the first and the last layer

    Returns
    -------
    Tensor
        a, b and r = |w|, (3, count), float64.

    Raises
    ------
    ValueError
        For a count or a dimension out of range.

    Cost: count inverse distribution functions.
    """
    from scipy.special import gammaincinv

    count = checks.whole("particles", count)
    check_dimension(dimension)
    cube = torch.quasirandom.SobolEngine(3).draw(count, dtype=torch.float64)
    u, v, q = (cube + 0.5 / count).T
    chi = torch.from_numpy(gammaincinv(dimension / 2, q.numpy())).mul(2).sqrt()
    a = std[1] * math.sqrt(3) * (2 * u - 1)
    r = std[0] / math.sqrt(dimension + 1) * chi
    return torch.stack([a, std[0] * torch.special.ndtri(v), r])


def check_dimension(dimension):
    if checks.whole("dimension", dimension) < 2:
        raise ValueError(f"dimension must be 2 or more, got {dimension}")


def upper_moments(s, b, d):
    """E[c^k; s c + b > 0], k = 0, 1, 2, for s >= 0."""
    from scipy.special import betainc

    s, b = torch.broadcast_tensors(s, b)
    t = (-b / s.clamp_min(1e-300)).clamp(-1, 1)
    rest = 1 - t * t
    tail = torch.from_numpy(
        np.asarray(betainc((d - 1) / 2, 0.5, rest.numpy()))
    )
    tail = tail / 2
    above = torch.where(t > 0, tail, 1 - tail)
    log_density = math.lgamma(d / 2) - math.lgamma((d - 1) / 2)
    edge = math.exp(log_density) / math.sqrt(math.pi) * rest ** ((d - 1) / 2)
    return above, edge / (d - 1), (above + edge * t) / d


def _gauss(diagonal, squares):
    """Golub and Welsch: nodes, and sqrt(weight) p_l at them, (degree, node).

    The recurrence is x p_l = sqrt(q_(l+1)) p_(l+1) + e_l p_l + sqrt(q_l)
    p_(l-1), e the `diagonal`, q the `squares`; row 0 squared is the weights.
    """
    off = squares.sqrt()
    jacobi = torch.diag(diagonal) + torch.diag(off, 1) + torch.diag(off, -1)
    nodes, vectors = torch.linalg.eigh(jacobi)
    return nodes, vectors


def chi(count, d):
    """Nodes and weights for the length of a standard normal vector."""
    k = torch.arange(count, dtype=torch.float64)
    half, vectors = _gauss(2 * k + d / 2, (k * (k + d / 2 - 1))[1:])
    return (2 * half).sqrt(), vectors[0].square()


def cosine(count, d):
    """Nodes for c, and sqrt(weight) p_l there."""
    k = torch.arange(1, count, dtype=torch.float64)
    squares = k * (k + d - 3) / ((2 * k + d - 2) * (2 * k + d - 4))
    squares[:1] = 1 / d  # 0 / 0 for d = 2
    return _gauss(torch.zeros(count, dtype=torch.float64), squares)


def harmonics(d, degree):
    """The dimension of the spherical harmonics of a degree on R^d."""
    lower = math.comb(d + degree - 3, degree - 2) if degree > 1 else 0
    return math.comb(d + degree - 1, degree) - lower


def mean_absolute(characteristic, deviation):
    """E|X| = 2 / pi times the integral of (1 - Re phi(t)) / t^2 over t > 0.

    `characteristic` maps t (n,) to phi(t), `deviation` is sqrt(E X^2): its
    inverse is where the integrand begins to fall.  By trapezoids in log t,
    to about four digits.
    """
    if deviation == 0:
        return 0.0
    u = torch.linspace(-10, 7, 681, dtype=torch.float64)
    t = u.exp() / deviation
    inside = torch.trapezoid((1 - characteristic(t).real) / t, u)
    ends = t[0] * deviation**2 / 2 + 1 / t[-1]
    return float(2 / math.pi * (inside + ends))
