"""Learned curves between two networks: one trained bend.

Two end points and a third parameter, the bend, make a curve: a quadratic
Bézier curve or a polygonal chain, as Garipov et al. (2018) train them.  The
bend is found by SGD on the loss at a random point of the curve.  Nothing
about such a curve is known but what is measured on it.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kernels.interpolation import LossCurve
from kernels.networks import Network, Parameters, checks, losses, tree
from kernels.networks.checks import check_alike, one_of, pair, whole
from kernels.networks.samples import samples
from kernels.paths import Path
from kernels.runs.progress import progress
from kernels.training import Recipe, evaluate
from kernels.training.minibatches import Shuffled

KINDS = ("bezier", "chain")


@dataclass(frozen=True)
class Curve:
    """From ``start`` to ``stop`` by way of, or drawn to, ``bend``.

    With P, Q, R for ``start``, ``bend``, ``stop``, ``curve(t)`` is, for
    ``kind`` ``"bezier"``, (1 - t)² P + 2 t (1 - t) Q + t² R, and for
    ``"chain"`` the point of the two segments P Q and Q R, Q at t = 1/2.

    Raises ValueError or TypeError for another kind, or parameters that are
    not alike.
    """

    start: Parameters
    bend: Parameters
    stop: Parameters
    kind: str = "bezier"

    def __post_init__(self) -> None:
        one_of("kind", self.kind, KINDS)
        check_alike(self.start, self.bend, "start", "bend")
        check_alike(self.start, self.stop, "start", "stop")
        for name in ("start", "bend", "stop"):
            object.__setattr__(self, name, tree.at_rest(getattr(self, name)))

    def __call__(self, t: float) -> Parameters:
        if not 0 <= t <= 1:
            raise ValueError(f"t is {t}; a number in [0, 1] will do")
        if t in (0, 1):
            return self.stop if t else self.start
        shares = weights(self.kind, t)
        return tree.mix(shares, self.start, self.bend, self.stop)

    def path(self) -> Path:
        """A chain as a piecewise-linear path, which can be certified."""
        if self.kind != "chain":
            raise ValueError(
                f"kind is {self.kind!r}; only a 'chain' is piecewise linear"
            )
        return Path((self.start, self.bend, self.stop))


def weights(kind: str, t: float) -> tuple[float, float, float]:
    """How much of start, bend and stop the point at t holds: they add to 1.

    Parameters
    ----------
    kind : ``"bezier"`` or ``"chain"``
    t : a number in [0, 1]

    Raises
    ------
    ValueError
        For another kind, or t outside [0, 1].
    """
    one_of("kind", kind, KINDS)
    if not 0 <= t <= 1:
        raise ValueError(f"t is {t}; a number in [0, 1] will do")
    if kind == "bezier":
        return (1 - t) ** 2, 2 * t * (1 - t), t**2
    return max(1 - 2 * t, 0.0), 1 - abs(1 - 2 * t), max(2 * t - 1, 0.0)


def train(
    net: Network,
    theta_a: Parameters,
    theta_b: Parameters,
    data: tuple[Tensor, Tensor],
    *,
    generator: torch.Generator,
    kind: str = "bezier",
    recipe: Recipe | None = None,
    **settings: Any,
) -> Curve:
    """Train the bend of a curve from ``theta_a`` to ``theta_b``.

    Garipov et al. (2018): each step draws t uniformly from [0, 1] and a
    minibatch, and moves the bend down the gradient of the loss at that point
    of the curve, by SGD with momentum.  The expectation is the loss averaged
    over t, so that a narrow peak may remain.  The bend starts halfway between
    the ends; without a schedule the step size falls to zero as a half cosine.

    Parameters
    ----------
    net : the network
    theta_a, theta_b : parameters, the curve's ends
    data : (x, y) of the parameters' dtype and device, as ``training.train``
    generator : on the CPU; orders the samples and draws t
    kind : ``"bezier"`` or ``"chain"``
    recipe, settings : a ``training.Recipe``, or its settings as keywords
        ``step_size``, and ``steps`` or ``epochs``; momentum 0.9 and batches
        of 100 where nothing else is said.

    Returns
    -------
    Curve
        A :class:`Curve`; the ends are left as they are.

    Raises
    ------
    ValueError, TypeError
        For numbers out of range, and what is no pair or no generator.
    FloatingPointError
        Where the bend is not finite.

    Cost: per step a forward and a backward pass of one minibatch.
    """
    one_of("kind", kind, KINDS)
    checks.generator("generator", generator)
    recipe = Recipe.of(recipe, settings, momentum=0.9)
    recipe.refuse("curves.train", "dropout", "augment", "stop")
    recipe.refuse("curves.train", "mixed_precision")
    theta_a = net.check(theta_a, "theta_a")
    check_alike(theta_a, theta_b, "theta_a", "theta_b")
    theta_b = tree.at_rest(theta_b)
    x, y = samples(net, theta_a, *pair("data", data), loss=recipe.loss)
    recipe.check_batch(len(x))
    afresh = recipe.sampling == "independent"
    minibatches = Shuffled(x, y, recipe.batch, [generator], afresh=afresh)
    steps = recipe.total(minibatches.per_epoch)
    bend = tree.copy(tree.lerp(theta_a, theta_b, 0.5))
    leaves = [part.requires_grad_() for part in tree.parts(bend)]
    sgd = recipe.optimizer(leaves, fused=False)
    for k in progress(range(steps), desc="bending", unit="step"):
        t = float(torch.rand((), generator=generator, dtype=torch.float64))
        theta = tree.mix(weights(kind, t), theta_a, bend, theta_b)
        xs, ys = minibatches.next()
        value = losses.sample_losses(
            net.forward(theta, xs), ys, recipe.loss
        ).mean()
        sgd.zero_grad()
        value.backward()
        rate = recipe.rate(k, minibatches.per_epoch)
        if recipe.schedule is None:
            rate = rate * (1 + math.cos(math.pi * k / steps)) / 2
        sgd.param_groups[0]["lr"] = rate
        sgd.step()
    if not all(leaf.isfinite().all() for leaf in leaves):
        raise FloatingPointError(
            f"the bend is not finite after {steps} steps with step size "
            f"{recipe.step_size:g}: try step_size={recipe.step_size / 3:.2g}"
        )
    return Curve(theta_a, bend, theta_b, kind)


def loss_curve(
    net: Network,
    curve: Curve,
    x: Tensor,
    y: Tensor,
    points: int = 101,
    loss: str = "cross_entropy",
) -> LossCurve:
    """Loss and error at equally spaced t; between them nothing is known.

    As ``interpolation.loss_curve``, whose sharing does not apply: a pass
    through the network a point.

    Parameters
    ----------
    net : the network
    curve : through its parameters
    x, y, loss : as there
    points : at least 2

    Raises
    ------
    ValueError
        For fewer points.
    """
    points = whole("points", points, 2)
    t = torch.arange(points, dtype=torch.float64) / (points - 1)
    seen = [evaluate(net, curve(s), x, y, loss=loss) for s in t.tolist()]
    value, error = torch.tensor(seen, dtype=torch.float64).T
    return LossCurve(t, value, error, ("general",) * points, points)


def length(curve: Curve | Path) -> float:
    """The length in parameter space, Euclidean over all weights and biases.

    Of a path the sum over its segments, of a chain likewise; of a Bézier
    curve the integral of its speed, whose square is a quadratic in t, by
    Gauss-Legendre quadrature with 64 nodes on either side of the slowest
    point, where a curve that turns back has a kink.

    Parameters
    ----------
    curve : a curve, or a path
    """
    if isinstance(curve, Path):
        return sum(
            math.sqrt(_inner(step, step))
            for step in (
                tree.difference(*curve.ends(k)) for k in range(len(curve))
            )
        )
    u = tree.difference(curve.start, curve.bend)
    v = tree.difference(curve.bend, curve.stop)
    uu, uv, vv = _inner(u, u), _inner(u, v), _inner(v, v)
    if curve.kind == "chain":
        return math.sqrt(uu) + math.sqrt(vv)
    bent = uu - 2 * uv + vv  # the quadratic's leading coefficient
    slowest = min(max((uu - uv) / bent, 0.0), 1.0) if bent > 0 else 1.0
    nodes, shares = _legendre(64)
    total = 0.0
    for left, right in ((0.0, slowest), (slowest, 1.0)):
        t = left + (right - left) * nodes
        square = uu * (1 - t) ** 2 + 2 * uv * t * (1 - t) + vv * t**2
        speed = 2 * square.clamp_min(0).sqrt()
        total += (right - left) * float((shares * speed).sum())
    return total


def _legendre(count: int) -> tuple[Tensor, Tensor]:
    """Nodes in (0, 1) and weights that add to 1."""
    import numpy as np

    nodes, shares = np.polynomial.legendre.leggauss(count)
    return torch.from_numpy((nodes + 1) / 2), torch.from_numpy(shares / 2)


def _inner(u: list[Tensor], v: list[Tensor]) -> float:
    return sum(float((p * q).sum()) for p, q in zip(u, v))
