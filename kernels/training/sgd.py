"""Stochastic gradient descent for a `Network`, resumable."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kernels.networks import Network, Parameters, tree
from kernels.runs.loop import Run, count_steps, snapshot_steps
from kernels.training import dropout as drop
from kernels.training.job import Job


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
    step_size: float,
    generator: torch.Generator,
    batch: int = 100,
    epochs: float | None = None,
    steps: int | None = None,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    schedule: Callable[[int, int], float] | None = None,
    loss: str = "cross_entropy",
    dropout: float | Sequence[float] = 0.0,
    augment: Callable[[Tensor, torch.Generator], Tensor] | None = None,
    sampling: str = "epochs",
    stop: str | None = None,
    snapshots: Sequence[float] = (),
    measure: Callable[[Parameters], Any] | None = None,
    checkpoint=None,
    checkpoint_every: int = 1000,
    mixed_precision: bool = False,
    desc: str = "training",
) -> Training:
    """Train from ``theta``, which is left as it is.

    With g the gradient of the minibatch's mean loss plus ``weight_decay``
    times the parameters (biases too), each step takes v = momentum v + g and
    subtracts s_k v, with ``nesterov`` s_k (g + momentum v).

    Parameters
    ----------
    data : (x, y), in memory, of the parameters' dtype and device
        ``x`` (n, features) or (n, C, H, W); ``y`` as ``networks.losses``
        reads it.
    generator : on the CPU
        Orders the samples; where there is dropout or augmentation, also
        seeds (with one draw at the start) the stream of their draws.
    epochs, steps : one of them; an epoch is n // batch steps.
    schedule : None, or a function of the step k = 0, 1, … and the number of
        steps in an epoch: s_k = step_size * schedule(k, per_epoch).
        :class:`StepDecay`, :class:`InverseTime`.
    dropout : one rate, or one a hidden layer
        Drops neurons of linear layers and whole channels of convolutions;
        the kept are multiplied by 1 / (1 - rate).
    augment : None, or a function of a minibatch's x and a generator on its
        device, such as :class:`CropFlip`.
    sampling : ``"epochs"``: each epoch in a new order, a last minibatch that
        is not full left out; ``"independent"``: each minibatch a new subset.
    stop : None, or ``"separation"``: after an epoch without an error in its
        minibatches (with dropout: after any epoch) the training set is
        evaluated, and the run ends where its error is 0.
    snapshots : moments at which ``measure(theta)`` is called (None: copy the
        parameters): fractions of the run or, above 1, numbers of steps.
        Those after an early stop are left out.
    checkpoint : None, or a file
        The run is saved there at snapshots, every ``checkpoint_every`` steps
        and at the end; a later call with the same arguments goes on from it
        to the same numbers, bit for bit on the same CPU (on CUDA as far as
        convolutions are deterministic there).  ``measure`` must then return
        tensors, numbers, strings or containers of these.
    mixed_precision : products in bfloat16, images channels-last, on the CPU
        as on CUDA; parameters, gradients, momenta and the loss stay float32.
        Float32 parameters only.

    Raises FloatingPointError where a loss or a weight is not finite,
    ValueError or TypeError for arguments that do not fit.
    """
    job = Job(
        net,
        theta,
        data,
        step_size=step_size,
        generator=generator,
        batch=batch,
        momentum=momentum,
        nesterov=nesterov,
        weight_decay=weight_decay,
        schedule=schedule,
        loss=loss,
        rates=drop.rates(net, dropout),
        augment=augment,
        sampling=sampling,
        stop=stop,
        measure=measure or tree.copy,
        mixed_precision=mixed_precision,
    )
    total = count_steps(epochs, steps, job.per_epoch)
    moments = snapshot_steps(snapshots, total)
    values = theta[0][0].new_empty(total)
    run = Run(job, moments=moments, losses=values)
    settings = job.label | {"steps": total, "snapshots": moments}
    run.go(settings, checkpoint, checkpoint_every, desc)
    return Training(
        theta=tree.copy(job.theta),
        steps=run.done,
        per_epoch=job.per_epoch,
        separated=job.over,
        snapshots=tuple(map(Snapshot, moments, run.values)),
        losses=values[: run.done],
    )
