"""Training runs: many steps, snapshots on the way, resumable."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from kernels import device, states
from kernels.meanfield import batches, model
from kernels.meanfield.evaluation import Evaluation
from kernels.meanfield.model import Activation, Weights
from kernels.meanfield.step import Step
from kernels.runs.loop import Run, count_steps, snapshot_steps
from kernels.runs.sources import fingerprint
from kernels.training.minibatches import checksum


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


@states("S20", "(3.3)", "(4.3)")
def train(
    theta: Weights,
    data: Any,
    *,
    step_size: float,
    generator: torch.Generator | Sequence[torch.Generator],
    batch: int = 100,
    epochs: float | None = None,
    steps: int | None = None,
    loss: str = "cross_entropy",
    activation: Activation = torch.relu,
    train_ends: bool = True,
    schedule: str = "constant",
    snapshots: Sequence[float] = (),
    measure: Callable[[Weights], Any] | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 1000,
    threads: int | None = 1,
    tf32: bool = False,
    mixed_precision: bool = False,
    desc: str = "training",
) -> Training:
    """Train all trials by SGD, S20 (3.3) and (4.3), weights in place.

    Parameters
    ----------
    theta : from ``init``
    data : a pair (x, y), or a callable
        x (n, d) of the pair is gone through in a new random order each
        epoch; ``data(batch, generator) -> (x, y)`` draws fresh samples for
        each step (S20's one-pass model), x (batch, d) shared or (R, batch,
        d).
    step_size : alpha, see ``schedule``
    generator : one, or one per trial
        With one the trials share their minibatches.
    batch : samples in a minibatch
    epochs, steps : exactly one of them
    loss, activation, train_ends : as for ``sgd_step``
    schedule : ``"constant"`` or ``"paper"``
        ``"constant"``: alpha = step_size for that many epochs;
        ``"paper"``: the literal alpha = step_size / N for N times as many,
        the same T at a cost that grows as N^2 (S20 section 5).
    snapshots : moments, each a fraction of the run or a number of steps
        A fraction in [0, 1] or, above 1, a number of steps.
    measure : called as ``measure(theta)`` at those moments
        None copies the weights.
    checkpoint : None, or a file
        The run is saved there at snapshots and every ``checkpoint_every``
        steps, and a later call with the same arguments goes on from it to
        the same numbers, bit for bit on the same machine; the weights and
        the data must be the same again, and what a stream or an activation
        encloses must be plain, an array or a function.  What
        ``measure`` returns must then be tensors, numbers, strings, lists,
        tuples, dicts of these, or an ``Evaluation``.
    checkpoint_every : steps between two writes
    threads : that PyTorch may use meanwhile, None: leave alone
        Several processes of one thread are faster than one process of
        several on a busy machine.
    tf32, mixed_precision : as for ``Step``
    desc : the text before the progress bar

    Raises
    ------
    FloatingPointError
        When a loss is not finite.
    ValueError, TypeError
        For arguments that do not fit.
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
        tf32=tf32,
        mixed_precision=mixed_precision,
    )
    minibatches = batches.source(
        data,
        batch=batch,
        generator=generator,
        theta=theta,
        loss=loss,
    )
    total = stretch * count_steps(epochs, steps, minibatches.per_epoch)
    moments = snapshot_steps(snapshots, total)
    run = Run(
        _Job(step, minibatches, measure or _copy),
        moments=moments,
        losses=theta[0].new_empty((total, trials)),
    )
    settings = {
        "sizes": list(sizes),
        "trials": trials,
        "dtype": str(theta[0].dtype),
        "step_size": alpha,
        "batch": batch,
        "steps": total,
        "snapshots": moments,
        "loss": loss,
        "train_ends": train_ends,
        "tf32": tf32,
        "mixed_precision": mixed_precision,
    }
    if checkpoint:  # else nobody asks, and it looks at all of the data
        settings["activation"] = fingerprint("activation", activation)
        settings["start"] = [checksum(w) for w in theta]
        settings["data"] = minibatches.label
    with device.threads(threads) if threads else nullcontext():
        run.go(
            settings,
            checkpoint,
            checkpoint_every,
            desc,
            allowed=[Evaluation],
        )
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


def _copy(theta):
    return tuple(w.clone() for w in theta)


class _Job:
    """What a `Run` of mean-field networks does, step by step."""

    over = False

    def __init__(self, step, minibatches, measure):
        self._step, self._minibatches = step, minibatches
        self._measure = measure

    def step(self):
        return self._step(*self._minibatches.next())

    def measure(self):
        return self._measure(self._step.theta)

    def check(self, start, losses, weights):
        bad = (~torch.isfinite(losses)).nonzero()
        if len(bad):
            k, trial = bad[0].tolist()
            raise self._not_finite("the loss", start + k, trial)
        for w in self._step.theta if weights else ():
            finite = torch.isfinite(w).flatten(1).all(1)
            if not finite.all():
                trial = int((~finite).nonzero()[0])
                k = start + len(losses)
                raise self._not_finite("a weight", k, trial)

    def _not_finite(self, what, k, trial):
        step = self._step
        return FloatingPointError(
            f"{what} is not finite at step {k} (trial {trial} of "
            f"{step.theta[0].shape[0]}) with step size {step.step_size:g}: "
            f"try step_size={step.step_size / 3:.2g}, a smaller std in the "
            "last layer, or inputs normalised by one mean and one standard "
            "deviation for all features"
        )

    @property
    def state(self):
        return {
            "theta": list(self._step.theta),
            "minibatches": self._minibatches.state,
        }

    def restore(self, state):
        for w, saved in zip(self._step.theta, state["theta"]):
            w.copy_(saved)
        self._minibatches.restore(state["minibatches"])
