"""How SGD is to run: one description for everything that trains."""

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from kernels.networks.checks import one_of, whole
from kernels.networks.losses import LOSSES
from kernels.runs.loop import count_steps
from kernels.runs.sources import fingerprint


@dataclass(frozen=True)
class Recipe:
    """SGD's settings.

    With g the gradient of the minibatch's mean loss plus ``weight_decay``
    times the parameters (biases too), each step takes v = momentum v + g and
    subtracts s_k v, with ``nesterov`` s_k (g + momentum v).

    Parameters
    ----------
    schedule : None, or a function of the step k = 0, 1, … and the number of
        steps in an epoch: s_k = step_size * schedule(k, per_epoch).
        :class:`StepDecay`, :class:`InverseTime`.
    epochs, steps : one of them; an epoch is n // batch steps.
    dropout : one rate, or one a hidden layer
        Drops neurons of linear layers and whole channels of convolutions;
        the kept are multiplied by 1 / (1 - rate).
    augment : None, or a function of a minibatch's x and a generator on its
        device, such as :class:`CropFlip`.
    sampling : ``"epochs"``: each epoch in a new order, a last minibatch that
        is not full left out; ``"independent"``: each minibatch a new subset.
    stop : None, or ``"separation"``: the run ends after an epoch that leaves
        no error on the training set.
    mixed_precision : products in bfloat16, images channels-last, on the CPU
        as on CUDA; parameters, gradients, momenta and the loss stay float32.
        Float32 parameters only.

    Raises ValueError for a setting out of range.  ``repr`` names what differs
    from the defaults, the same in every process.

    >>> Recipe(0.1, momentum=0.9, epochs=3)
    Recipe(step_size=0.1, momentum=0.9, epochs=3)
    """

    step_size: float
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    schedule: Callable[[int, int], float] | None = None
    batch: int = 100
    epochs: float | None = None
    steps: int | None = None
    loss: str = "cross_entropy"
    dropout: float | Sequence[float] = 0.0
    augment: Callable[[Tensor, torch.Generator], Tensor] | None = None
    sampling: str = "epochs"
    stop: str | None = None
    mixed_precision: bool = False

    def __post_init__(self) -> None:
        _positive("step_size", self.step_size)
        if not 0 <= self.momentum < 1:
            raise ValueError(
                f"momentum is {self.momentum}; 0 or more and less than 1 will "
                "do"
            )
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum; momentum is 0")
        decay = self.weight_decay
        if not (decay >= 0 and math.isfinite(decay)):
            raise ValueError(f"weight_decay is {decay}; 0 or more will do")
        whole("batch", self.batch)
        if self.epochs is not None:
            _positive("epochs", self.epochs)
        if self.steps is not None:
            whole("steps", self.steps)
        one_of("loss", self.loss, LOSSES)
        one_of("sampling", self.sampling, ("epochs", "independent"))
        one_of("stop", self.stop, (None, "separation"))
        if isinstance(self.dropout, Sequence):
            object.__setattr__(self, "dropout", tuple(self.dropout))

    @classmethod
    def of(
        cls, recipe: "Recipe | None", settings: dict[str, Any], **defaults: Any
    ) -> "Recipe":
        """The recipe of a training: settings change it, or make it.

        Without a ``recipe`` it is one of ``defaults`` and ``settings``.  Each
        training asks for its own here, where :func:`noted` hears of it.
        """
        if recipe is None:
            found = cls(**(defaults | settings))
        elif isinstance(recipe, cls):
            found = replace(recipe, **settings)
        else:
            raise TypeError(
                f"recipe is a {type(recipe).__name__}; a training.Recipe, or "
                "its settings as keywords, will do"
            )
        for heard in _LISTENING:
            if repr(found) not in heard:
                heard.append(repr(found))
        return found

    def __repr__(self) -> str:
        changed = [
            f"{f.name}={_name(getattr(self, f.name))}"
            for f in fields(self)
            if f.default is MISSING or getattr(self, f.name) != f.default
        ]
        return f"Recipe({', '.join(changed)})"

    @property
    def label(self) -> dict[str, Any]:
        """Its settings by name, but for the run's length: for a checkpoint.

        Functions by name, code and what is bound to them: ValueError for one
        that cannot be told from others so.
        """
        found = {
            f.name: _plain(f.name, getattr(self, f.name))
            for f in fields(self)
            if f.name not in ("epochs", "steps")
        }
        return found | {"stop": self.stop}

    def optimizer(
        self, leaves: Iterable[Tensor], *, fused: bool = True
    ) -> torch.optim.SGD:
        """PyTorch's SGD on ``leaves``, at the first step's size."""
        return torch.optim.SGD(
            list(leaves),
            lr=self.step_size,
            momentum=self.momentum,
            nesterov=self.nesterov,
            weight_decay=self.weight_decay,
            fused=fused,
        )

    def rate(self, k: int, per_epoch: int) -> float:
        """The step size s_k."""
        if self.schedule is None:
            return self.step_size
        return self.step_size * self.schedule(k, per_epoch)

    def total(self, per_epoch: int) -> int:
        """The run's length in steps."""
        return count_steps(self.epochs, self.steps, per_epoch)

    def check_batch(self, samples: int) -> None:
        """ValueError where a minibatch holds more than there is."""
        if self.batch > samples:
            raise ValueError(f"batch is {self.batch}; 1 to {samples} will do")

    def refuse(self, where: str, *names: str) -> None:
        """ValueError for settings that some training does not have."""
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name in names and value != f.default:
                raise ValueError(
                    f"{f.name} is {_name(value)}; {where} has {f.default!r} "
                    "alone"
                )


_LISTENING: list[list[str]] = []  # those who want to know what is trained


@contextlib.contextmanager
def noted() -> Iterator[list[str]]:
    """What trainings within the block run with: the labels of a record.

    Yields
    ------
    list[str]
        It grows by the ``repr`` of each recipe, each once, in the order of
        the trainings: those of this process, by ``training.train``,
        ``subnetworks.train`` and ``paths.curves.train``.
    """
    heard: list[str] = []
    _LISTENING.append(heard)
    try:
        yield heard
    finally:  # by identity: another list may hold the same
        _LISTENING[:] = [one for one in _LISTENING if one is not heard]


def _name(value: object) -> str:
    """A name that is the same in every process."""
    return getattr(value, "__qualname__", repr(value))


def _plain(name: str, value: object) -> object:
    """What a checkpoint may hold: functions as texts that tell them apart."""
    if value is None:
        return "None"
    known = isinstance(value, bool | int | float | str | tuple)
    return value if known else fingerprint(name, value)


def _positive(name: str, value: float) -> None:
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{name} is {value}; a positive number will do")
