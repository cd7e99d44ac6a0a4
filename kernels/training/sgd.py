"""Stochastic gradient descent for a `Network`, resumable."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kernels.networks import Network, Parameters, tree
from kernels.runs.loop import Run, snapshot_steps
from kernels.training.job import Job
from kernels.training.recipe import Recipe


@dataclass(frozen=True)
class Snapshot:
    """What ``measure`` returned after ``step`` steps."""

    step: int
    value: Any


@dataclass(frozen=True)
class Training:
    """A finished run."""

    theta: Parameters
    steps: int  # done, fewer than asked for where the run stopped early
    per_epoch: int  # steps in an epoch
    separated: bool  # the run stopped with no error on the training set
    snapshots: tuple[Snapshot, ...]
    losses: Tensor  # (steps,), each minibatch's before its step


def train(
    net: Network,
    theta: Parameters,
    data: tuple[Tensor, Tensor],
    *,
    generator: torch.Generator,
    recipe: Recipe | None = None,
    snapshots: Sequence[float] = (),
    measure: Callable[[Parameters], Any] | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 1000,
    desc: str = "training",
    **settings: Any,
) -> Training:
    """Train from ``theta``, which is left as it is.

    By SGD as a :class:`Recipe` has it, whose settings are keywords here too:
    ``train(net, theta, data, generator=g, step_size=0.1, epochs=3)``.

    Parameters
    ----------
    net : the network
    theta : its parameters
    data : (x, y), in memory, of the parameters' dtype and device
        ``x`` (n, features) or (n, C, H, W); ``y`` as ``networks.losses``
        reads it.
    generator : on the CPU
        Orders the samples; where there is dropout or augmentation, also
        seeds (with one draw at the start) the stream of their draws.
    recipe, settings : a :class:`Recipe`, settings of one, or both, and then
        the settings change the recipe.
        With ``stop="separation"`` the training set is evaluated after an
        epoch without an error in its minibatches (with dropout: after any
        epoch), and the run ends where its error is 0.
    snapshots : moments at which ``measure(theta)`` is called (None: copy the
        parameters): fractions of the run or, above 1, numbers of steps.
        Those after an early stop are left out.
    measure : called as ``measure(theta)``; None: copy the parameters
    checkpoint : None, or a file
        The run is saved there at snapshots, every ``checkpoint_every`` steps
        and at the end; a later call with the same arguments goes on from it
        to the same numbers, bit for bit on the same CPU (on CUDA as far as
        convolutions are deterministic there).  ``measure`` must then return
        tensors, numbers, strings or containers of these.
    checkpoint_every : steps between two writes of the checkpoint
    desc : the text before the progress bar

    Raises
    ------
    FloatingPointError
        Where a loss or a weight is not finite.
    ValueError, TypeError
        For arguments that do not fit.
    """
    recipe = Recipe.of(recipe, settings)
    job = Job(net, theta, data, recipe, generator, measure or tree.copy)
    total = recipe.total(job.per_epoch)
    moments = snapshot_steps(snapshots, total)
    values = theta[0][0].new_empty(total)
    run = Run(job, moments=moments, losses=values)
    label = {"steps": total, "snapshots": moments}
    if checkpoint:  # else nobody asks, and it looks at all of the data
        label = job.label | label
    run.go(label, checkpoint, checkpoint_every, desc)
    return Training(
        theta=tree.copy(job.theta),
        steps=run.done,
        per_epoch=job.per_epoch,
        separated=job.over,
        snapshots=tuple(map(Snapshot, moments, run.values)),
        losses=values[: run.done],
    )
