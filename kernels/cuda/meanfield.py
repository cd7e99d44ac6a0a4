"""Two pieces of a mean-field step between its matrix products."""

import torch
from torch import Tensor

from kernels.cuda import launch

_SAMPLES, _THREADS = 32, 128  # meanfield.cu


def reference_gradient(
    outputs: Tensor, y: Tensor, loss: str
) -> tuple[Tensor, Tensor]:
    """What :class:`Loss` computes: (gradient, value).

    Parameters
    ----------
    outputs : (trials, classes, samples)
    y : as ``meanfield.losses.targets`` returns it
    loss : ``"cross_entropy"`` or ``"square"``
    """
    z = outputs.detach().mT.requires_grad_()  # (trials, samples, classes)
    with torch.enable_grad():
        if loss == "square":
            each = (z - y).square().sum(2)
        else:
            labels = y.expand(z.shape[:2])[..., None]
            each = -z.log_softmax(2).gather(2, labels)[..., 0]
        value = each.mean(1)
        (gradient,) = torch.autograd.grad(value.sum(), z)
    return gradient.mT, value.detach()


def reference_projection(above: Tensor, w: Tensor, h: Tensor) -> Tensor:
    """What :func:`back_project` computes.

    Parameters
    ----------
    above, w, h : as there
    """
    return (above.mT @ w) * (h > 0)  # (trials, samples, neurons)


class Loss:
    """The loss and its derivative by the outputs, in one launch.

    As ``meanfield.losses.bind``: ties (trials, classes, samples) ``outputs``
    to the buffers ``value`` (trials,) and ``gradient``; a call with y, as
    ``meanfield.losses.targets`` returns it, overwrites both.
    """

    def __init__(self, loss: str, outputs: Tensor, value: Tensor) -> None:
        self._square = loss == "square"
        self._outputs, self._value = outputs, value
        self.gradient = torch.empty_like(outputs)

    def __call__(self, y: Tensor) -> None:
        trials, classes, samples = self._outputs.shape
        batched = y.dim() == (3 if self._square else 2)
        y = y.contiguous()
        labels, targets = (None, y) if self._square else (y, None)
        launch.launch(
            "meanfield",
            "loss_gradient",
            (trials, 1, 1),
            (min(256, launch.cover(samples, 32) * 32), 1, 1),
            (
                *(self._outputs, labels, targets, self.gradient, self._value),
                *(classes, samples, y[0].numel() if batched else 0),
            ),
        )


def back_project(above: Tensor, w: Tensor, h: Tensor, out: Tensor) -> None:
    """Back through the output layer and the ReLU below it, in one pass.

    Writes ``above^T w`` where h is positive, else 0, into ``out``.

    Parameters
    ----------
    above : (trials, outputs, samples)
        The derivative by the outputs.
    w : (trials, outputs, neurons)
    h : (trials, samples, neurons)
        The ReLU's result, or what it was applied to.
    out : shaped as h, which is read once
    """
    trials, samples, neurons = h.shape
    vectors = launch.vectors(neurons, w, h, out)
    wide = _THREADS * (launch.pack(h) if vectors else 1)
    launch.launch(
        "meanfield",
        "back_project",
        (
            launch.cover(neurons, wide),
            launch.cover(samples, _SAMPLES),
            trials,
        ),
        (_THREADS, 1, 1),
        (*(above, w, h, out, neurons, samples, vectors),),
        outputs=w.shape[1],
    )
