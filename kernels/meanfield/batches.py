"""Where minibatches come from: a set in random order, or a fresh stream."""

import torch

from kernels.meanfield import losses, model


def source(data, *, batch, generator, theta, loss):
    """The minibatches of a run: `next()`, `state`, `restore`, `label`.

    `data` is a pair (x, y) of tensors, gone through epoch by epoch, or a
    callable `data(batch, generator)` that draws fresh samples (x, y).
    """
    if callable(data):
        return Stream(data, batch, generator, theta, loss)
    trials, sizes = model.shape(theta)
    x, y = data
    if x.ndim != 2:
        raise ValueError(
            f"data's x must have shape (n, {sizes[0]}), got {tuple(x.shape)}"
        )
    model.batched_inputs(theta, x)
    if not 1 <= batch <= len(x):
        raise ValueError(f"batch must lie in 1..{len(x)}, got {batch}")
    y = losses.targets(y, len(x), sizes[-1], loss=loss, dtype=x.dtype)
    return Shuffled(x, y, batch, _generators(generator, trials))


def _generators(generator, trials):
    """One generator for all trials, or a list with one per trial."""
    if isinstance(generator, torch.Generator):
        return [generator]
    generators = list(generator)
    if len(generators) != trials:
        raise ValueError(
            f"generator has {len(generators)} entries for {trials} trials: "
            "give one generator (the trials share their minibatches) or one "
            "per trial"
        )
    return generators


def _seeds(generators):
    return [g.initial_seed() for g in generators]


def _checksum(values):
    """The sum of the bit patterns: exact, whatever the order of summation."""
    bits = {2: torch.int16, 4: torch.int32, 8: torch.int64}[
        values.element_size()
    ]
    return int(values.view(bits).sum())


class Shuffled:
    """Epochs over a set, each in a new random order.

    One generator: every trial sees the same minibatches, x (batch, d).  One
    per trial: each has its own order, x (R, batch, d).  Samples that do not
    fill a last minibatch are left out of that epoch.
    """

    def __init__(self, x, y, batch, generators):
        self._x, self._y, self._batch = x, y, batch
        self._generators = generators
        self.per_epoch = len(x) // batch
        self.label = [_checksum(x), _checksum(y), _seeds(generators)]
        self._position = self.per_epoch  # draw an order at the first call
        orders = len(generators)
        self._order = torch.empty((orders, len(x)), dtype=torch.int64)
        self._here = self._order.to(x.device)
        self._index = self._here.new_empty((orders, batch))
        self._xs = x.new_empty((orders * batch, *x.shape[1:]))
        self._ys = y.new_empty((orders * batch, *y.shape[1:]))

    def next(self):
        """The next minibatch (x, y): buffers that the next call overwrites."""
        if self._position == self.per_epoch:
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
    def state(self):
        """What `restore` needs to go on from here."""
        return {
            "order": self._order.clone(),
            "position": self._position,
            "generators": [g.get_state() for g in self._generators],
        }

    def restore(self, state):
        """Goes back to a `state`."""
        self._order.copy_(state["order"])
        self._here.copy_(self._order)
        self._position = state["position"]
        for generator, saved in zip(self._generators, state["generators"]):
            generator.set_state(saved)


class Stream:
    """Fresh samples at every step, S20's one-pass model."""

    per_epoch = None

    def __init__(self, draw, batch, generator, theta, loss):
        self._draw, self._batch, self._generator = draw, batch, generator
        self._theta, self._loss = theta, loss
        self._trials, (*_, self._classes) = model.shape(theta)
        self._generators = (
            [generator]
            if isinstance(generator, torch.Generator)
            else list(generator)
        )
        self.label = ["stream", _seeds(self._generators)]

    def next(self):
        """The next minibatch (x, y)."""
        x, y = self._draw(self._batch, self._generator)
        model.batched_inputs(self._theta, x)
        y = losses.targets(
            y,
            self._batch,
            self._classes,
            loss=self._loss,
            dtype=x.dtype,
            trials=self._trials,
        )
        return x, y

    @property
    def state(self):
        """What `restore` needs to go on from here."""
        return {"generators": [g.get_state() for g in self._generators]}

    def restore(self, state):
        """Goes back to a `state`."""
        for generator, saved in zip(self._generators, state["generators"]):
            generator.set_state(saved)
