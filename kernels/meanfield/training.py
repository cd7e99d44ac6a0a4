"""Training runs: many steps, snapshots on the way, resumable."""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from kernels import device
from kernels.meanfield import batches, model
from kernels.meanfield import checkpoint as files
from kernels.meanfield.step import Step
from kernels.progress import progress

_LOOK = 50  # steps between looks at the losses and at the progress bar


@dataclass(frozen=True)
class Snapshot:
    """What `measure` returned at a moment of the run."""

    step: int  # steps done, k
    time: float  # S20's t = k alpha
    value: Any


@dataclass(frozen=True)
class Training:
    """A finished run: the weights (trained in place) and what was seen."""

    theta: tuple
    step_size: float  # alpha, after the schedule
    steps: int
    snapshots: tuple
    losses: torch.Tensor  # (steps, R), each minibatch's before its step


def train(
    theta,
    data,
    *,
    step_size,
    generator,
    batch=100,
    epochs=None,
    steps=None,
    loss="cross_entropy",
    activation=torch.relu,
    train_ends=True,
    schedule="constant",
    snapshots=(),
    measure=None,
    checkpoint=None,
    checkpoint_every=1000,
    threads=1,
    desc="training",
):
    """Trains all trials by SGD, S20 (3.3) and (4.3), weights in place.

    Arguments: `theta` from `init`.  `data` a pair (x, y), x (n, d), gone
    through in a new random order each epoch, or a callable
    `data(batch, generator) -> (x, y)` that draws fresh samples for each step
    (S20's one-pass model), x (batch, d) shared or (R, batch, d).
    `generator` one torch.Generator, the trials then sharing their minibatches,
    or a list with one per trial.  `epochs`, or `steps`, exactly one of them.
    `schedule` "constant": alpha = step_size for that many epochs; "paper":
    the literal alpha = step_size / N for N times as many, the same T at a
    cost that grows as N^2 (S20 section 5).  `snapshots` moments, each a
    fraction of the run in [0, 1] or, above 1, a number of steps, at which
    `measure(theta)` is called (default: copy the weights).  `loss`,
    `activation` and `train_ends` as for `sgd_step`.

    `checkpoint` a file: the run is saved there at snapshots and every
    `checkpoint_every` steps, and a later call with the same arguments goes on
    from it to the same numbers, bit for bit on the same machine.  What
    `measure` returns must then be tensors, numbers, strings, lists, tuples,
    dicts of these, or an `Evaluation`.  `threads` PyTorch may use meanwhile
    (None: leave alone); several processes of one thread are faster than
    one process of several on a busy machine.

    Returns a `Training`.  Raises FloatingPointError when a loss is not
    finite, ValueError or TypeError for arguments that do not fit.
    """
    trials, sizes = model.shape(theta)
    alpha, stretch = _scheduled(schedule, step_size, sizes)
    step = Step(
        theta,
        batch=batch,
        step_size=alpha,
        loss=loss,
        activation=activation,
        train_ends=train_ends,
    )
    minibatches = batches.source(
        data,
        batch=batch,
        generator=generator,
        theta=theta,
        loss=loss,
    )
    total = stretch * _steps(epochs, steps, minibatches.per_epoch)
    moments = _moments(snapshots, total)
    run = _Run(step, minibatches, moments, total, measure)
    settings = {
        "sizes": list(sizes),
        "trials": trials,
        "dtype": str(theta[0].dtype),
        "step_size": alpha,
        "batch": batch,
        "steps": total,
        "snapshots": moments,
        "loss": loss,
        "activation": getattr(activation, "__name__", str(activation)),
        "train_ends": train_ends,
        "data": minibatches.label,
    }
    with device.threads(threads) if threads else nullcontext():
        run.go(settings, checkpoint, checkpoint_every, desc)
    return Training(
        theta=theta,
        step_size=alpha,
        steps=total,
        snapshots=tuple(
            Snapshot(step=k, time=k * alpha, value=value)
            for k, value in zip(moments, run.values)
        ),
        losses=run.losses,
    )


def _scheduled(schedule, step_size, sizes):
    """(alpha, how many times longer the run is)."""
    if schedule == "constant":
        return step_size, 1
    if schedule != "paper":
        raise ValueError(
            f"schedule must be 'constant' or 'paper', got {schedule!r}"
        )
    width = sizes[1]
    return step_size / width, width


def _steps(epochs, steps, per_epoch):
    if (epochs is None) == (steps is None):
        raise ValueError(
            f"give epochs or steps, not both: epochs={epochs}, steps={steps}"
        )
    if epochs is not None and per_epoch is None:
        raise ValueError("a stream has no epochs: give steps instead")
    total = steps if epochs is None else round(epochs * per_epoch)
    if total < 1 or total != int(total):
        raise ValueError(f"the run must have at least one step, got {total}")
    return int(total)


def _moments(snapshots, total):
    """Snapshot moments as sorted step numbers."""
    moments = []
    for moment in snapshots:
        k = round(moment * total) if moment <= 1 else moment
        if not 0 <= k <= total or k != int(k):
            raise ValueError(
                f"snapshots must be fractions in [0, 1] or whole numbers of "
                f"steps up to {total}, got {moment}"
            )
        moments.append(int(k))
    return sorted(set(moments))


def _copy(theta):
    return tuple(w.clone() for w in theta)


class _Run:
    """The state of a run, and its loop."""

    def __init__(self, step, minibatches, moments, total, measure):
        self._step, self._minibatches = step, minibatches
        self._moments, self._total = moments, total
        self._measure = measure or _copy
        self.values = []
        theta = step.theta
        self.losses = theta[0].new_empty((total, theta[0].shape[0]))
        self._done = self._checked = self._saved = 0

    def go(self, settings, path, every, desc):
        state = files.load(path, settings) if path else None
        if state:
            self._restore(state)
        with progress(total=self._total, desc=desc, unit="step") as bar:
            bar.update(self._done)
            while True:
                here = self._measured()
                finished = self._done == self._total
                late = self._done - self._saved >= every
                if path and (here or finished or late):
                    self._save(path, settings)
                if finished:
                    break
                self._advance(bar)

    def _measured(self):
        """Takes the snapshot that is due here, if any; says whether."""
        here = self._done == self._due()
        if here:
            self.values.append(self._measure(self._step.theta))
        return here

    def _due(self):
        """The step number of the next snapshot, None after the last."""
        taken = len(self.values)
        return self._moments[taken] if taken < len(self._moments) else None

    def _advance(self, bar):
        """Steps until the next snapshot, or until it is time to look."""
        start, goal = self._done, self._due() or self._total
        stop = min(goal, start + _LOOK)
        for k in range(start, stop):
            self.losses[k] = self._step(*self._minibatches.next())
        bar.update(stop - start)
        self._done = stop
        self._check(weights=stop == goal)

    def _check(self, *, weights=False):
        """Raises where a loss since the last check is not finite."""
        new = self.losses[self._checked : self._done]
        bad = (~torch.isfinite(new)).nonzero()
        if len(bad):
            k, trial = bad[0].tolist()
            k += self._checked
            raise _not_finite("the loss", k, trial, self._step)
        self._checked = self._done
        for w in self._step.theta if weights else ():
            finite = torch.isfinite(w).flatten(1).all(1)
            if not finite.all():
                trial = int((~finite).nonzero()[0])
                raise _not_finite("a weight", self._done, trial, self._step)

    def _save(self, path, settings):
        state = {
            "settings": settings,
            "theta": list(self._step.theta),
            "done": self._done,
            "values": self.values,
            "losses": self.losses[: self._done].clone(),
            "minibatches": self._minibatches.state,
        }
        files.save(path, state)
        self._saved = self._done

    def _restore(self, state):
        for w, saved in zip(self._step.theta, state["theta"]):
            w.copy_(saved)
        self._done = self._checked = self._saved = state["done"]
        self.values = state["values"]
        self.losses[: self._done] = state["losses"]
        self._minibatches.restore(state["minibatches"])


def _not_finite(what, k, trial, step):
    return FloatingPointError(
        f"{what} is not finite at step {k} (trial {trial} of "
        f"{step.theta[0].shape[0]}) with step size {step.step_size:g}: try "
        f"step_size={step.step_size / 3:.2g}, a smaller std in the last "
        "layer, or inputs normalised by one mean and one standard deviation "
        "for all features"
    )
