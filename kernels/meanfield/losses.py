"""The two losses and their derivatives, over minibatches, in place."""

import torch

from kernels.networks import checks
from kernels.networks.losses import LOSSES


def check(loss):
    """Raises ValueError where `loss` is not the name of a loss."""
    if loss not in LOSSES:
        raise ValueError(
            f"loss must be one of {', '.join(LOSSES)}, got {loss!r}"
        )


def targets(y, samples, classes, *, loss, dtype, trials=None):
    """Targets as the losses use them, batched over trials where they were.

    The rule of `networks.losses.targets`, with trials: tensors, NumPy arrays
    or lists, integers of any type.  Without `trials` only targets that all
    trials share will do.  Class indices (n,) or (R, n) stay indices for the
    cross-entropy and become one-hot vectors for the square loss with two or
    more outputs.  Real targets of the square loss are (n, C) or (R, n, C), or
    without C if C = 1, and then integers are real targets too.

    Returns an int64 (n,) or (R, n), or a `dtype` (n, C) or (R, n, C).
    Raises ValueError or TypeError for anything else.
    """
    check(loss)
    y = checks.tensor("y", y)
    indices = checks.indices("y", y)
    batched = [(samples,)] + ([(trials, samples)] if trials else [])
    real = [(*b, classes) for b in batched]
    named = indices is not None and classes > 1  # classes, where they fit
    if loss == "cross_entropy" or (
        named and (y.shape in batched or y.shape not in real)
    ):
        if indices is None or y.shape not in batched:
            raise TypeError(
                "y must be class indices, int64 or other integers, of shape "
                f"{' or '.join(map(str, batched))}, got {y.dtype} of shape "
                f"{tuple(y.shape)}"
            )
        return _checked_indices(indices, classes, loss, dtype)
    if classes == 1 and y.shape in batched:
        y = y.unsqueeze(-1)
    if y.shape not in real:
        raise ValueError(
            f"y must be real targets of shape {' or '.join(map(str, real))}, "
            f"got {tuple(y.shape)}"
        )
    return y.to(dtype)


def _checked_indices(y, classes, loss, dtype):
    if y.numel() and not 0 <= int(y.min()) <= int(y.max()) < classes:
        raise ValueError(
            f"y must be class indices in 0..{classes - 1}, as many as "
            f"outputs, got {int(y.min())} to {int(y.max())}"
        )
    if loss == "square":
        return torch.nn.functional.one_hot(y, classes).to(dtype)
    return y


def bind(loss, outputs, value):
    """Ties a loss to the buffer of the outputs it will be computed from.

    Parameters
    ----------
    loss : its name
    outputs : (R, C, n)
    value : (R,), to be overwritten

    Returns
    -------
    object
        (gradient, evaluate): ``evaluate(y)`` writes into ``value`` the
        mean over n of the cross-entropy, or of ||y - outputs||^2 summed
        over outputs (S20's (3.2), (4.2)), and into ``gradient``, (R, C,
        n), its derivative, the 2 of the square included. It allocates
        nothing. ``y`` is as ``targets`` returns it.
    """
    gradient = torch.empty_like(outputs)
    kind = {"cross_entropy": _CrossEntropy, "square": _Square}[loss]
    return gradient, kind(outputs, value, gradient)


class _CrossEntropy:
    def __init__(self, outputs, value, gradient):
        self._outputs, self._value, self._gradient = outputs, value, gradient
        trials, _, n = outputs.shape
        self._shape = (trials, n)
        self._n = outputs.new_tensor(n)  # a plain number would be wrapped
        self._picked = outputs.new_empty((trials, 1, n))
        self._minus_one = outputs.new_full((1, 1, 1), -1).expand(trials, 1, n)

    def __call__(self, y):
        grad = self._gradient
        index = y.expand(self._shape).unsqueeze(1)  # (trials, 1, n)
        torch.log_softmax(self._outputs, 1, out=grad)
        torch.gather(grad, 1, index, out=self._picked)
        torch.sum(self._picked, (1, 2), out=self._value)
        self._value.div_(self._n).neg_()
        grad.exp_().scatter_add_(1, index, self._minus_one)
        grad.div_(self._n)


class _Square:
    def __init__(self, outputs, value, gradient):
        self._outputs, self._value, self._gradient = outputs, value, gradient
        n = outputs.shape[2]
        self._n, self._scale = outputs.new_tensor(n), outputs.new_tensor(2 / n)
        self._square = torch.empty_like(outputs)

    def __call__(self, y):
        grad = self._gradient
        torch.sub(self._outputs, y.mT, out=grad)  # y: ((trials), n, C)
        torch.mul(grad, grad, out=self._square)
        torch.sum(self._square, (1, 2), out=self._value)
        self._value.div_(self._n)
        grad.mul_(self._scale)
