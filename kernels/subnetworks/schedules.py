"""The step sizes of N21's Table 1."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kernels.training import StepDecay


@dataclass(frozen=True)
class Plateau:
    """Times ``factor`` after more than ``patience`` epochs without progress.

    Progress: an epoch's mean training loss below 0.9999 times the best one
    before it, as PyTorch's ``ReduceLROnPlateau`` has it by default.
    """

    factor: float
    patience: int = 10

    def __post_init__(self) -> None:
        if not 0 < self.factor < 1:
            raise ValueError(f"factor is {self.factor}; 0 < factor < 1 fits")
        if self.patience < 0:
            raise ValueError(f"patience is {self.patience}; 0 or more fits")

    def after(self, losses: Sequence[float]) -> float:
        """The factor on the step size after epochs of these mean losses."""
        best, waited, scale = float("inf"), 0, 1.0
        for loss in losses:
            if loss < best * (1 - 1e-4):
                best, waited = loss, 0
            else:
                waited += 1
            if waited > self.patience:
                scale, waited = scale * self.factor, 0
        return scale


def table1(
    architecture: str, layer: int, *, prune: float = 0.5
) -> dict[str, Any]:
    """N21's settings for xi_l, as arguments of :func:`train`.

    Where Table 1 gives an interval, the value is that of the authors' code:
    3e-3 for every layer on MNIST, 1e-3 for l < 2 and 3e-3 above on CIFAR-10.
    VGG-11 at f = 1/4, l = 0: Table 1's factor 0.1 after 250 (their code has
    0.5); "iterations" in the paper's caption are epochs in the code, and here.

    Parameters
    ----------
    architecture : ``"mnist"``, ``"cifar10"`` or ``"vgg11"``
        10 hidden layers of 245, 5 of 500, VGG-11.
    layer : l
    prune : the pruning factor f

    Raises
    ------
    ValueError
        For another architecture, or a layer below 0.
    """
    if layer < 0:
        raise ValueError(f"layer is {layer}; 0 or more will do")
    if architecture == "mnist":
        return dict(step_size=3e-3, momentum=0.95)
    if architecture == "cifar10":
        return dict(step_size=1e-3 if layer < 2 else 3e-3, momentum=0.95)
    if architecture != "vgg11":
        raise ValueError(
            f"architecture is {architecture!r}; 'mnist', 'cifar10' or "
            "'vgg11' will do"
        )
    schedule: StepDecay | Plateau = StepDecay(0.5, epochs=20)
    if abs(prune - 0.25) < 1e-9 and layer < 2:
        slow = StepDecay(0.1, epochs=250)
        schedule = Plateau(0.9) if layer else slow
    return dict(
        step_size=5e-3, momentum=0.9, weight_decay=5e-4, schedule=schedule
    )
