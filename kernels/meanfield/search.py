"""The worst, or the best, dropout pattern that a local search finds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kernels.meanfield import model
from kernels.meanfield.evaluation import evaluate
from kernels.meanfield.model import Activation, Weights


@dataclass(frozen=True)
class Search:
    """Where a search ended: its pattern, and its losses on the way."""

    masks: tuple[Tensor, ...]  # bool (1, N), one a hidden layer
    losses: tuple[float, ...]  # the start's, then after each round


def search_masks(
    theta: Weights,
    x: Any,
    y: Any,
    *,
    start: Sequence[Tensor],
    rounds: int,
    generator: torch.Generator,
    proposals: int = 32,
    best: bool = False,
    activation: Activation = torch.relu,
    loss: str = "cross_entropy",
) -> Search:
    """Climb to a dropout pattern of high loss by exchanges of neurons.

    A proposal exchanges one kept neuron of one random hidden layer for one
    that is dropped there.  Each round the proposal of the largest loss is
    taken if it beats the pattern so far: what is found is a lower bound on
    the worst, and not below the starts.

    Parameters
    ----------
    theta : weights of one trial
    x, y, activation, loss : as for ``evaluate``
    start : bool (K, N), one a hidden layer
        The patterns to begin from: the worst of them is taken.
    rounds : how many
    generator : draws the proposals
    proposals : exchanges tried each round
    best : look for the pattern of least loss instead

    Returns
    -------
    Search
        Its losses never fall, or with ``best`` never rise.

    Raises
    ------
    ValueError, TypeError
        For several trials, negative ``rounds``, no ``proposals``, or where
        ``evaluate`` does.

    Cost: rounds times proposals dropout networks on (x, y).
    """
    if (trials := model.shape(theta)[0]) != 1:
        raise ValueError(
            f"theta must have one trial, got {trials}; search them in turn"
        )
    if rounds < 0 or proposals < 1:
        raise ValueError(
            "rounds must be 0 or more and proposals 1 or more, got "
            f"{rounds} and {proposals}"
        )
    sign = -1 if best else 1

    def top(masks):
        """The best of some patterns, alone, and its loss."""
        found = evaluate(
            theta, x, y, masks=masks, activation=activation, loss=loss
        ).loss[0]
        i = int((sign * found).argmax())
        return [m[i : i + 1] for m in masks], float(found[i])

    masks, level = top(list(start))
    losses = [level]
    free = [i for i, m in enumerate(masks) if not m.all()]
    for _ in range(rounds if free else 0):
        tried, found = top(_exchanged(masks, free, proposals, generator))
        if sign * found > sign * level:
            masks, level = tried, found
        losses.append(level)
    return Search(tuple(masks), tuple(losses))


def _exchanged(masks, free, count, generator):
    """`count` patterns, each one exchange away, in one `free` layer."""
    copies = [m.repeat(count, 1) for m in masks]

    def draw(high):
        return int(torch.randint(high, (), generator=generator))

    for k in range(count):
        layer = free[draw(len(free))]
        row = masks[layer][0]
        for old in (True, False):
            places = (row == old).nonzero().squeeze(1)
            copies[layer][k, places[draw(len(places))]] = not old
    return copies
