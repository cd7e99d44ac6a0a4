"""How the step size falls.  A schedule maps a step to a factor of it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class StepDecay:
    """Times ``factor`` at the end of every ``epochs`` epochs.

    K19's VGG-11: ``StepDecay(0.5, epochs=30)``; N21's: 0.5 every 10.
    """

    factor: float
    epochs: float

    def __post_init__(self) -> None:
        _positive("factor", self.factor)
        _positive("epochs", self.epochs)

    def __call__(self, k: int, per_epoch: int) -> float:
        return self.factor ** int(k / (self.epochs * per_epoch))


@dataclass(frozen=True)
class InverseTime:
    """1 / (1 + decay k) at step k = 0, 1, …: the ``decay`` of Keras.

    K19's MNIST networks: ``InverseTime(1e-6)``.
    """

    decay: float

    def __post_init__(self) -> None:
        if not self.decay >= 0:
            raise ValueError(f"decay is {self.decay}; 0 or more will do")

    def __call__(self, k: int, per_epoch: int) -> float:
        return 1 / (1 + self.decay * k)


def _positive(name: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"{name} is {value}; a positive number will do")
