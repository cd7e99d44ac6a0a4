"""Interlayer smoothness under dropout: Definition 3, and Lemma 3 measured."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kernels import states
from kernels.networks import Network, Parameters, columns
from kernels.noise.linearised import (
    Linearised,
    check,
    multipliers,
    normalised,
    norms,
    unit_spread,
)
from kernels.runs.progress import progress
from kernels.training import block_size


@dataclass(frozen=True)
class Smoothness:
    """What dropout of layers 2 … i does to later layers, draw by draw.

    All tensors are (draws, points, n).  ``t`` runs from the network itself
    (not among the points) to its dropout network at 1, as in Lemma 3;
    Definition 3 counts it the other way round.
    """

    p: float
    t: Tensor  # (points,), in (0, 1]
    # {(i, j)}, 2 <= i < j <= d: the largest rho that Definition 3 allows,
    # infinite where M and J agree, NaN where it is 0/0
    interlayer_smoothness: dict[tuple[int, int], Tensor]
    # {(i, j)}, 2 <= i <= j <= d: ||x_i^j - x^j|| / ||x^j||, layers 2 … i
    # dropped; the proof of Lemma 3 bounds it by (i / d) epsilon'
    perturbation: dict[tuple[int, int], Tensor]
    # {i}, 1 <= i < d: sqrt(h_i) ||phi||_inf / ||phi|| at the noisy x^i,
    # which Definition 4 wants to be O(1); units, not entries, in a map
    spread: dict[int, Tensor]

    @property
    def per_draw(self) -> Tensor:
        """(draws,): the least over layers, samples and t."""
        least = [
            value.nan_to_num(nan=torch.inf, posinf=torch.inf).flatten(1)
            for value in self.interlayer_smoothness.values()
        ]
        return torch.stack([value.amin(1) for value in least]).amin(0)

    @property
    @states("K19", "Definition 3")
    def rho(self) -> float:
        """The rho of K19, Definition 3.

        The largest that at least half of the draws allow.
        """
        draws = self.per_draw.sort(descending=True).values
        return float(draws[(len(draws) - 1) // 2])


@states("K19", "Definition 3", "Lemma 3", "Algorithm 1")
@torch.no_grad()
def smoothness(
    net: Network,
    theta: Parameters,
    x: Tensor,
    *,
    p: float,
    draws: int = 9,
    points: int = 4,
    generator: torch.Generator,
    biases: str = "refuse",
    block: int | None = None,
) -> Smoothness:
    """K19, Definition 3, and Lemma 3 by the induction in its proof.

    K19, Algorithm 1, multiplies the columns that a unit feeds by 0 with
    probability ``p`` and else by 1 / (1 - p): neurons, or whole channels.  On
    the way to that network, at t, x_i^i(t) is the pre-activation of layer i
    with layers 2 … i moved by t, and x_{i-1}^i(t) with layers 2 … i - 1.
    With v either of them,

        rho = ||v - x^i|| ||x^j|| / (||x^i|| ||M(v) - J v||),

    M and J the network's map from x^i to x^j and its Jacobian at x^i; the
    smaller of the two is kept.

    Parameters
    ----------
    net : the network
    theta : its parameters
    x : (n, features) or (n, C, H, W).
    p : the probability that a unit is dropped
    draws : dropout networks; they are the same for all samples.
    points : values of t: 1/points, 2/points, …, 1.
    generator : layer by layer, (draws, h_1) … (draws, h_{d-1}) numbers.
    biases : as in :func:`stability`; ``"affine"``: x^j + J(v - x^i) for J v.
    block : samples at once; None: as memory allows.

    Returns
    -------
    Smoothness
        A :class:`Smoothness`.

    Raises
    ------
    ValueError, TypeError
        Where p, theta or x do not fit, and for biases that are refused.

    Cost: about 2 d passes through the network a draw, point and sample.
    """
    theta, x, _ = normalised(*check(net, theta, x, biases))
    if points < 1:
        raise ValueError(f"points is {points}; at least 1 will do")
    hidden = range(1, net.depth)
    delta = multipliers(net, hidden, p, draws, generator, x)
    t = torch.arange(1, points + 1).to(x) / points
    copies = 4 * net.depth * points
    blocks = x.split(block or block_size(net, x, copies))
    found = []
    with progress(
        desc="interlayer smoothness", unit="draw", total=len(blocks) * draws
    ) as bar:
        for xs in blocks:
            at, rows = Linearised(net, theta, xs), []
            for k in range(draws):
                factors = {
                    i: 1 + t[:, None] * (delta[i][k] - 1) for i in hidden
                }  # (points, h_i)
                rows.append(_follow(at, factors, points))
                bar.update()
            found.append(_stack(rows, torch.stack))
    rho, moved, spread = _stack(found, lambda parts: torch.cat(parts, 2))
    return Smoothness(
        p=p,
        t=t,
        interlayer_smoothness=rho,
        perturbation=moved,
        spread=spread,
    )


def _follow(at, factors, points):
    """One draw: {(i, j)}, {(i, j)} and {i}, each (points, n)."""
    net = at.net
    clean: list[Any] = [None, *map(norms, at.z[1:])]
    rho, moved, spread, away = {}, {}, {}, {}
    noisy = torch.cat([at.z[1]] * points)
    # Where x_i^i(t), x_{i-1}^i(t) have got to, i = 2 … j stacked, and by how
    # much J's image differs: exactly 0 where no unit flips.
    image: Any = None
    gap: Any = None
    for j in range(2, net.depth + 1):
        weight, bias = at.theta[j - 1]
        h = net.activate(j - 1, noisy)
        spread[j - 1] = unit_spread(h, net.widths[j - 1]).view(points, at.n)
        inputs = torch.cat([_scale(h, factors[j - 1]), h])
        differ = torch.zeros_like(inputs)
        if image is not None:
            bent = net.activate(j - 1, image)
            inputs = torch.cat([bent, inputs])
            bent = bent - at.phi(j - 1, image - gap)
            differ = torch.cat([bent, differ])
        image = net.linear(j, weight, inputs, bias)
        gap = net.linear(j, weight, differ)
        noisy, _ = image[-2 * len(h) :].chunk(2)
        shift = image.unflatten(0, (-1, at.n)) - at.z[j]
        shift, apart = (
            norms(part).view(-1, 2, points, at.n)
            for part in (shift.flatten(0, 1), gap)
        )
        away[j] = shift[-1]
        for i in range(2, j + 1):
            moved[i, j] = shift[i - 2, 0] / clean[j]
            if i < j:
                ratio = away[i] * clean[j] / (clean[i] * apart[i - 2])
                rho[i, j] = torch.fmin(*ratio)
    return rho, moved, spread


def _scale(h, factors):
    """Features (points n, ...) times factors (points, units)."""
    points, units = factors.shape
    each = columns(h, units).unflatten(0, (points, -1))
    return (each * factors[:, None, :, None]).view_as(h)


def _stack(rows, combine):
    """A list of tuples of dicts as one tuple of dicts."""
    return tuple(
        {key: combine([part[key] for part in parts]) for key in parts[0]}
        for parts in zip(*rows)
    )
