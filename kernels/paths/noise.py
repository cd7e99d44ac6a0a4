"""K19's Theorems 2 and 3: noise-stable parameters, direct dropout."""

import math
from collections.abc import Sequence
from typing import Any

import torch

from kernels import states
from kernels.networks import Network, Parameters, checks
from kernels.networks.checks import one_of
from kernels.networks.kept import check_ends, check_like
from kernels.networks.placing import Block, Draft, Placed, State, cut
from kernels.paths.dropout import live_units
from kernels.paths.join import bridge, meet, room
from kernels.paths.path import Knots, Path


@states("K19", "Theorem 2", "Lemma 3", "Algorithm 1")
def theorem2(
    net: Network,
    theta_a: Parameters,
    theta_b: Parameters,
    *,
    p: float = 0.75,
    generator: torch.Generator,
    style: str = "paper",
) -> Path:
    """Between two noise-stable parameters (K19, Theorem 2).

    Straight to theta^A_1 (K19, Lemma 3), whose weights from layer 2 on have
    columns dropped; across as in Lemma 2; straight from theta^B_1.  Only
    columns are dropped, so that these two segments are K19's: the rows of
    dropped units stay, the first step of Lemma 2 overwrites and the last
    restores them.  The first and the last segment are general (affine where
    d = 2); between them one is affine and the others are constant.

    K19, Algorithm 1, drops a unit with probability ``p`` and multiplies the
    columns of the others by 1 / (1 - p).  Lemma 2 needs at least half of each
    hidden layer dropped, and a layer without units is of no use: the number
    of units kept is drawn from its binomial law given that it is in 1 …
    floor(h / 2) (0 where h = 1), then the units, uniformly.  That is what
    resampling until it fits would give.

    Parameters
    ----------
    net : the network
    theta_a, theta_b : its parameters, the path's ends
    p : the probability that a unit is dropped, in (0, 1)
    generator : draws for ``theta_a`` first, layer by layer
    style : ``"paper"``: 10 segments; ``"short"``: 7

    Raises
    ------
    ValueError
        For another p or style.
    ValueError, TypeError
        For parameters that do not fit, or what is no generator.
    """
    one_of("style", style, ("paper", "short"))
    checks.generator("generator", generator)
    theta_a, theta_b = check_ends(net, theta_a=theta_a, theta_b=theta_b)
    most = (None, *(h // 2 for h in net.hidden), None)
    draft = Draft(net, theta_a[0][0])
    (down, a), (up, b) = (
        _drop(draft, theta, p, most, generator) for theta in (theta_a, theta_b)
    )
    return Path(Knots([*down, *meet(draft, a, b, style), *reversed(up)]))


@states("K19", "Theorem 3")
def theorem3(
    net: Network,
    theta_a: Parameters,
    theta_b: Parameters,
    theta_star: Parameters,
    *,
    p: float,
    generator: torch.Generator,
    style: str = "paper",
) -> Path:
    """The same over a narrow network theta* (K19, Theorem 3).

    As :func:`theorem2`, with a smaller dropout probability ``p``: in layer i
    h_i - h*_i units at most are kept (and at least one, where that allows).

    Parameters
    ----------
    net : the network
    theta_a, theta_b : its parameters, the path's ends
    theta_star : parameters of this architecture
        With hidden widths h*_i of their own, or of the full widths with
        dead units, which do not count.
    p, generator : as in :func:`theorem2`
    style : ``"paper"``: 13 segments; ``"short"``: 9

    Raises
    ------
    ValueError
        Naming the hidden layer and both numbers, where theta* is wider
        than the network.
    """
    one_of("style", style, ("paper", "short"))
    checks.generator("generator", generator)
    theta_a, theta_b = check_ends(net, theta_a=theta_a, theta_b=theta_b)
    narrow = _narrow(net, theta_star)
    theta_star = narrow.check(theta_star, "theta_star")
    check_like("theta_star", theta_star, theta_a)
    x = cut(narrow, theta_star, live_units(narrow, theta_star))
    most: list[int | None] = [None]
    for i, h in enumerate(net.hidden, 1):
        if len(x.rows[i]) > h:
            raise ValueError(
                f"hidden layer {i}: theta_star has {len(x.rows[i])} live "
                f"units; the network has {h}"
            )
        most.append(h - len(x.rows[i]))
    draft = Draft(net, theta_a[0][0])
    (down, a), (up, b) = (
        _drop(draft, theta, p, most, generator) for theta in (theta_a, theta_b)
    )
    if style == "short":
        across = bridge(draft, a, x, b, always=True)
    else:
        x = x.at(room(draft, x, b.rows, a.rows))
        across = [
            *meet(draft, a, x, style),
            draft.state(x, out=x),
            draft.state(x, b, out=x),
            draft.state(x, b, out=b),
        ]
    return Path(Knots([*down, *across, *reversed(up)]))


def _narrow(net: Network, theta_star: Parameters) -> Network:
    if len(theta_star) != net.depth:
        raise ValueError(
            f"theta_star has {len(theta_star)} layers; the network has "
            f"{net.depth}"
        )
    widths = [len(pair[0]) for pair in theta_star[:-1]]
    return net.narrow([net.widths[0], *widths])


def _drop(
    draft: Draft,
    theta: Parameters,
    p: float,
    most: Sequence[Any],
    generator: torch.Generator,
) -> tuple[list[State], Placed]:
    """Algorithm 1: the knots theta and theta_1, and what theta_1 keeps."""
    if not 0 < p < 1:
        raise ValueError(f"p is {p}; a number between 0 and 1 will do")
    net, r = draft.net, 1 / (1 - p)
    kept: list[torch.Tensor | None] = [None]
    for i, h in enumerate(net.hidden, 1):
        count = _count(h, min(1, most[i]), most[i], p, generator)
        units = torch.randperm(h, generator=generator, device=generator.device)
        kept.append(units[:count].sort().values.cpu())
    places = (*kept, None)
    columns_dropped = [
        draft.layer(
            i,
            (
                Block(theta[i - 1], net.widths[i - 1], None, kept[i - 1], r),
                None,
                kept[i - 1],
            ),
        )
        for i in range(2, net.depth + 1)
    ]
    base = draft.given(theta)
    scales = (None, *[r] * len(net.hidden))
    return [base, (base[0], *columns_dropped)], cut(net, theta, places, scales)


def _count(
    h: int, least: int, most: int, p: float, generator: torch.Generator
) -> int:
    """How many of h units stay, each with probability 1 - p, given bounds."""
    counts = torch.arange(least, most + 1, dtype=torch.float64)
    logs = (
        math.lgamma(h + 1)
        - torch.lgamma(counts + 1)
        - torch.lgamma(h - counts + 1)
        + counts * math.log1p(-p)
        + (h - counts) * math.log(p)
    )
    weights = torch.softmax(logs, 0).to(generator.device)
    return least + int(torch.multinomial(weights, 1, generator=generator))
