"""Minibatches of a set that lies in memory, in random order, resumable."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from kernels.runs.sources import tensor_text


def checksum(values: Tensor) -> str:
    """What tells a tensor from others: type, shape and a hash of its bytes.

    The same on every device and in every process.

    Parameters
    ----------
    values : of any type, on any device
    """
    return tensor_text(values)


def seeds(generators: Sequence[torch.Generator]) -> list[int]:
    """What the generators were seeded with.

    Parameters
    ----------
    generators : torch's
    """
    return [g.initial_seed() for g in generators]


class Shuffled:
    """Epochs over a set, each in a new random order.

    ``per_epoch`` is the number of minibatches in an epoch.  Samples that do
    not fill a last minibatch are left out of that epoch.

    Parameters
    ----------
    x, y : (n, ...), on one device
    batch : samples in a minibatch
    generators : of one device
        One: every trial sees the same minibatches, x (batch, ...).  One per
        trial: each has its own order, x (R, batch, ...).
    afresh : every minibatch comes from a new order
        Samples differ within a minibatch, and minibatches are independent.
    """

    def __init__(
        self,
        x: Tensor,
        y: Tensor,
        batch: int,
        generators: Sequence[torch.Generator],
        *,
        afresh: bool = False,
    ) -> None:
        self._x, self._y, self._batch = x, y, batch
        self._generators, self._afresh = generators, afresh
        self.per_epoch = len(x) // batch
        self._position = self.per_epoch  # draw an order at the first call
        orders = len(generators)
        self._order = torch.empty(
            (orders, len(x)), dtype=torch.int64, device=generators[0].device
        )
        self._here = self._order.to(x.device)
        self._index = self._here.new_empty((orders, batch))
        self._xs = x.new_empty((orders * batch, *x.shape[1:]))
        self._ys = y.new_empty((orders * batch, *y.shape[1:]))

    def next(self) -> tuple[Tensor, Tensor]:
        """The next minibatch (x, y): buffers that the next call overwrites."""
        if self._afresh or self._position == self.per_epoch:
            for order, generator in zip(self._order, self._generators):
                torch.randperm(len(order), generator=generator, out=order)
            self._here.copy_(self._order)
            self._position = 0
        start = self._position * self._batch
        self._position += 1
        self._index.copy_(self._here[:, start : start + self._batch])
        rows = self._index.view(-1)
        torch.index_select(self._x, 0, rows, out=self._xs)
        torch.index_select(self._y, 0, rows, out=self._ys)
        if len(self._order) == 1:
            return self._xs, self._ys
        split = self._index.shape
        return self._xs.unflatten(0, split), self._ys.unflatten(0, split)

    @property
    def label(self) -> list[Any]:
        """What tells this source from others: takes a look at all of it."""
        return [
            checksum(self._x),
            checksum(self._y),
            seeds(self._generators),
        ]

    @property
    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on from here."""
        return {
            "order": self._order.clone(),
            "position": self._position,
            "generators": [g.get_state() for g in self._generators],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes back to a `state`."""
        self._order.copy_(state["order"])
        self._here.copy_(self._order)
        self._position = state["position"]
        for generator, saved in zip(self._generators, state["generators"]):
            generator.set_state(saved)
