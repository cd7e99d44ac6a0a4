"""Where minibatches come from: a set in random order, or a fresh stream."""

import torch

from kernels.meanfield import losses, model
from kernels.networks import checks
from kernels.runs.sources import fingerprint
from kernels.training.minibatches import Shuffled, seeds


def source(data, *, batch, generator, theta, loss):
    """The minibatches of a run: `next()`, `state`, `restore`, `label`.

    `data` is a pair (x, y) of tensors, gone through epoch by epoch, or a
    callable `data(batch, generator)` that draws fresh samples (x, y).
    """
    if callable(data):
        return Stream(data, batch, generator, theta, loss)
    trials, sizes = model.shape(theta)
    x, y = data
    x = checks.tensor("data's x", x)
    if x.ndim != 2:
        raise ValueError(
            f"data's x must have shape (n, {sizes[0]}), got {tuple(x.shape)}"
        )
    x = model.batched_inputs(theta, x)[0]
    y = losses.targets(y, len(x), sizes[-1], loss=loss, dtype=x.dtype)
    y = y.to(x.device)
    for name, values in (("data's x", x), ("data's y", y)):
        checks.check_finite(name, values)
    if not 1 <= batch <= len(x):
        raise ValueError(f"batch must lie in 1..{len(x)}, got {batch}")
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

    @property
    def label(self):
        """What tells this stream from others."""
        made = fingerprint("data", self._draw)
        return ["stream", made, seeds(self._generators)]

    def next(self):
        """The next minibatch (x, y)."""
        x, y = self._draw(self._batch, self._generator)
        x = checks.numbers("x", x, like=self._theta[0])
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
