"""The limit of infinitely many neurons, solved for S20's two Gaussians.

The label y is -1 or 1 with probability one half, x given y is N(0, s_y^2 I_d)
with s_y = 1 + y Delta, and a neuron (a, b, w) adds a sigma(<w, x> + b).  As
neither the data nor the initial law know a direction, the law rho_t of the
neurons keeps w / |w| uniform on the sphere and independent of (a, b, r),
r = |w|.  Given |x| the pre-activation is r |x| c + b, with c the cosine of a
uniform direction and a fixed one, of density proportional to
(1 - c^2)^((d - 3) / 2).  With the profile

    G(s, b) = E_c sigma(s c + b)

the output f(R) = E_rho[a G(R r, b)], R = |x|, and S20 (3.3) for step size to
zero and N to infinity is, as w moves along itself only,

    da/dt = 2 E_x[(y - f) G],    db/dt = 2 a E_x[(y - f) d_b G],
    dr/dt = 2 a E_x[(y - f) R d_s G],

three ordinary equations a particle, coupled through f alone.  E_x is Gauss's
rule for the law of |x| in either class.  E_c is closed for the ReLU, with
P(c > t) half an incomplete beta function, and Gauss's rule otherwise.

Dropout moves the output by delta, with the covariance (1/M - 1/N) K for M
kept of N, K(x, x') = Cov_rho(a sigma(x), a sigma(x')), so that what
`fluctuations` measures in a network has the limits

    curvature    E_x K(x, x)                 = E_x Var_rho(a sigma)
    influence    std_rho(c),  c = -2 a E_x[(y - f) G] = -a da/dt.

Gauss's rule brings its own orthogonal polynomials p_l, in which K splits into
kappa_l(R, R') = E_rho[a^2 g_l g_l'] - f f' [l = 0], g_l = E_c[sigma p_l], one
for each degree of spherical harmonics, of which there are n_l.  With the
eigenvalues m of all kappa_l the change in loss, delta a Gaussian field, is

    k sum m / n_l chi^2(n_l) + sqrt(k) sum e g,    k = 1/M - 1/N,

where the chi^2(1) of l = 0 is the square of its g, and e is what the residual
sees of that mode: E_x[-2 (y - f) phi] sqrt(m).  No other degree is seen.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kernels import states
from kernels.meanfield import activations, quadrature
from kernels.meanfield.model import Activation
from kernels.networks import checks

_RELU = (torch.relu, torch.nn.functional.relu)
_DEGREES = 24  # of spherical harmonics in the spread, at most


@dataclass(frozen=True)
class Limit:
    """rho_t on its particles, and what dropout does under it.

    `kept` and `width` below are M and N.  A network of `independent` neurons,
    as at time 0, is itself off the limit, by a field of covariance K / N that
    meets delta in the linear term; training takes most of that away, and by
    default it is left out.  Losses that are means over finitely many
    `examples` add k (noise - influence^2) / examples to the variance, to
    leading order.
    """

    time: float
    particles: Tensor  # a, b, r, (3, particles)
    risk: float  # E(y - f)^2
    curvature: float  # E_x K(x, x)
    influence: float  # std of c = -a da/dt
    noise: float  # 4 E_x[(y - f)^2 K(x, x)]
    modes: Tensor  # m / n_l, n_l and e, (3, modes)

    @property
    def spread(self) -> float:
        """E K(x, x')^2, of independent inputs x and x'."""
        eigenvalue, count, _ = self.modes
        return float(count @ eigenvalue.square())

    def mean_increase(self, kept: int, width: int) -> float:
        """E[L_S] - L, the curvature times k = 1/M - 1/N."""
        return self.curvature * _factor(kept, width)

    def deviation(
        self,
        kept: int,
        width: int,
        *,
        independent: bool = False,
        examples: float = math.inf,
    ) -> float:
        """Standard deviation of L_S - L over the kept sets and networks.

        Its square is k influence^2 + 2 k^2 spread, with 4 k spread / N more
        for `independent` neurons.
        """
        k = _factor(kept, width)
        square = self.influence**2 + 2 * k * self.spread
        square += (self.noise - self.influence**2) / examples
        if independent:
            square += 4 * self.spread / width
        return math.sqrt(k * square)

    def mean_absolute(
        self,
        kept: int,
        width: int,
        *,
        independent: bool = False,
        examples: float = math.inf,
    ) -> float:
        """E|L_S - L|, from the characteristic function of that law.

        Cost: modes x 681 complex logarithms.
        """
        k = _factor(kept, width)
        m, count, seen = (v[:, None] for v in self.modes)
        rest = self.curvature - float(self.modes[0] @ self.modes[1])
        noise = (self.noise - self.influence**2) / examples

        def characteristic(t):
            q = 2j * k * t * m
            if independent:
                q = q - 4 * k * (t * m).square() / width
            log = -(count * (1 - q).log()) - k * (t * seen).square() / (1 - q)
            log = log.sum(0) / 2 - k * noise * t.square() / 2
            return (log + 1j * k * t * rest).exp()

        std = self.deviation(
            kept, width, independent=independent, examples=examples
        )
        size = math.hypot(k * self.curvature, std)
        return quadrature.mean_absolute(characteristic, size)


def _factor(kept, width):
    if not 1 <= kept <= width:
        raise ValueError(f"kept must lie in 1..{width}, got {kept}")
    return 1 / kept - 1 / width


@states("S20", "(3.3)", "Appendix D")
def limit(
    start: Tensor,
    times: Sequence[float],
    *,
    dimension: int = 32,
    delta: float = 0.5,
    activation: Activation = torch.relu,
    radii: int = 6,
    angles: int = 64,
    tolerance: float = 1e-6,
) -> tuple[Limit, ...]:
    """The limiting equation of one-pass SGD on two Gaussians, and dropout's.

    The module's text derives it.  Time is S20's, t = k alpha.

    Parameters
    ----------
    start : a, b and r of the particles of rho_0, (3, particles), equal weights
        From ``particles``, or a sample.
    times : where the law is wanted, from 0 on
    dimension : d, 2 or more
    delta : Delta in [0, 1)
    activation : any elementwise function
        The ReLU is averaged over angles in closed form; another function with
        a kink asks for more ``angles``.
    radii : nodes for |x| a class
    angles : nodes for c
        About as many as the pre-activation's range in units of what the
        activation resolves.
    tolerance : relative and absolute, of a step (Dormand and Prince's 5(4))

    Returns
    -------
    tuple[Limit, ...]
        One a time, in the order of ``times``.

    Raises
    ------
    ValueError
        For arguments out of range.
    FloatingPointError
        Where the integrator stops.

    Cost: particles x 2 radii x angles activations (ReLU: x 2 radii
    incomplete beta functions) at each of some hundred evaluations.
    """
    from scipy.integrate import solve_ivp

    times = [float(t) for t in times]
    if not times or not all(0 <= t < math.inf for t in times):
        raise ValueError(
            f"times must be numbers from 0 on, at least one, got {times}"
        )
    start = checks.tensor("start", start).double()
    if start.ndim != 2 or len(start) != 3 or start.shape[1] < 1:
        raise ValueError(
            "start must be a, b and r of the particles, shape (3, particles), "
            f"got {tuple(start.shape)}"
        )
    checks.check_finite("start", start)
    if not 0 < tolerance < math.inf:
        raise ValueError(
            f"tolerance must be a positive number, got {tolerance}"
        )
    flow = _Flow(dimension, delta, activation, radii, angles)
    moments = sorted(set(times))
    solved = solve_ivp(
        lambda _, z: (
            flow(torch.from_numpy(z).view(3, -1))[0].flatten().numpy()
        ),
        (0, max(moments[-1], 1e-300)),
        start.flatten().numpy(),
        t_eval=moments,
        rtol=tolerance,
        atol=tolerance,
    )
    if not solved.success:
        raise FloatingPointError(f"no solution: {solved.message}")
    laws = {
        t: flow.measure(t, torch.from_numpy(z.copy()).view(3, -1))
        for t, z in zip(moments, solved.y.T)
    }
    return tuple(laws[t] for t in times)


class _Flow:
    """The right-hand side on fixed nodes, and the functionals of a law."""

    def __init__(self, dimension, delta, activation, radii, angles):
        quadrature.check_dimension(dimension)
        if not 0 <= delta < 1:
            raise ValueError(f"delta must lie in [0, 1), got {delta}")
        self._d, self._activation = dimension, activation
        chi, weight = quadrature.chi(checks.whole("radii", radii), dimension)
        self._x = torch.cat([chi * (1 - delta), chi * (1 + delta)])  # |x|
        self._p = torch.cat([weight, weight]) / 2
        self._y = torch.ones_like(self._p)
        self._y[: len(chi)] = -1
        self._c, basis = quadrature.cosine(
            checks.whole("angles", angles), dimension
        )
        self._basis = basis[:_DEGREES] * basis[0]  # p_l times the weight
        self._weight = self._basis[0]

    def __call__(self, z):
        """(velocity (3, M), f (J,)) at J radii."""
        a, b, r = z
        g, by_b, by_s = self._profile(r[:, None] * self._x, b[:, None])
        f = a @ g / len(a)
        pull = 2 * self._p * (self._y - f)
        turn = by_s @ (pull * self._x)
        return torch.stack([g @ pull, a * (by_b @ pull), a * turn]), f

    def _profile(self, s, b):
        """G and its derivatives by b and s, each (M, J)."""
        if self._activation in _RELU:
            above, first, _ = quadrature.upper_moments(s, b, self._d)
            return s * first + b * above, above, first
        u = self._preactivation(s, b)
        h, forward, backward = activations.bind(self._activation, u)
        forward()
        slope = torch.ones_like(h)
        backward(slope)
        by_b, by_s = slope @ self._weight, slope @ (self._weight * self._c)
        return h @ self._weight, by_b, by_s

    def _preactivation(self, s, b):
        return s[..., None] * self._c + b[..., None]  # (M, J, angles)

    def measure(self, time, z):
        velocity, f = self(z)
        a, b, r = z
        count, p = len(a), self._p
        s, b = r[:, None] * self._x, b[:, None]
        h = self._activation(self._preactivation(s, b))
        if self._activation in _RELU:
            above, first, second = quadrature.upper_moments(s, b, self._d)
            square = s * s * second + 2 * s * b * first + b * b * above
        else:
            square = h.square() @ self._weight
        variance = (a * a) @ square / count - f * f
        miss = (self._y - f).square()
        return Limit(
            time=time,
            particles=z,
            risk=float(p @ miss),
            curvature=float(p @ variance),
            influence=float((a * velocity[0]).std(correction=0)),
            noise=float(4 * p @ (miss * variance)),
            modes=self._modes(a[:, None, None] * h, f),
        )

    def _modes(self, v, f):
        """Eigenvalue, multiplicity and share of the residual, a row each.

        `v` is a sigma at the nodes, (M, J, angles).
        """
        root, degrees = self._p.sqrt(), range(len(self._basis))
        part = (v @ self._basis.T).permute(2, 0, 1) * root  # a g_l
        kappa = part.mT @ part / len(v)  # (degrees, J, J)
        kappa[0] -= torch.outer(f * root, f * root)
        m, basis = torch.linalg.eigh(kappa)
        m = m.clamp_min(0)
        each = [quadrature.harmonics(self._d, degree) for degree in degrees]
        count = torch.tensor(each, dtype=m.dtype)[:, None].expand_as(m)
        seen = torch.zeros_like(m)
        seen[0] = (-2 * root * (self._y - f)) @ basis[0] * m[0].sqrt()
        return torch.stack([m / count, count, seen]).flatten(1)
