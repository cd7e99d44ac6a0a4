"""The two losses and the classification error, sample by sample.

Cross-entropy of class indices, and the square loss ``||z - y||²`` summed over
outputs, with no factor 1/2.  Both are convex in the outputs z.  Outputs are
``(..., n, C)``: any number of networks or path points in front.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from kernels.networks import checks

LOSSES = ("cross_entropy", "square")


def targets(y: Any, outputs: int, *, loss: str, like: Tensor) -> Tensor:
    """Targets in the form that :func:`sample_losses` reads.

    One rule for tensors, NumPy arrays and lists, integers of any type:

    * the cross-entropy takes integer class indices (n,);
    * the square loss takes real targets (n, outputs); with one output also
      (n,), and then integers are real targets too: 0 and 1, or -1 and 1, are
      these very numbers;
    * with two outputs or more, integers (n,) are class indices, which become
      one-hot vectors.

    Parameters
    ----------
    y : (n,) or (n, outputs), as above
    outputs : how many the network has
    loss : ``"cross_entropy"`` or ``"square"``
    like : a tensor with the dtype and device of the network's outputs

    Returns
    -------
    Tensor
        Int64 (n,) for the cross-entropy, else (n, outputs) in the dtype of
        ``like``.

    Raises
    ------
    ValueError
        For another loss, shape or class index, and where a target is not
        finite.
    """
    if loss not in LOSSES:
        raise ValueError(f"loss is {loss!r}; one of {LOSSES} will do")
    y = checks.tensor("y", y)
    classes = checks.indices("y", y)
    if classes is None or (
        loss == "square" and (outputs == 1 or y.dim() == 2)
    ):
        if loss == "cross_entropy":
            raise ValueError(
                f"y has dtype {y.dtype}; the cross-entropy needs integer "
                "class indices"
            )
        real = y[:, None] if y.dim() == 1 else y
        if real.dim() != 2 or real.shape[1] != outputs:
            raise ValueError(
                f"y has shape {tuple(y.shape)}; the network has {outputs} "
                f"outputs: (n, {outputs}) or, with one output, (n,) will do"
            )
        checks.check_finite("y", real)
        return real.to(dtype=like.dtype, device=like.device)
    y = classes
    if y.dim() != 1:
        raise ValueError(
            f"y has shape {tuple(y.shape)}; class indices are (n,)"
        )
    if y.numel() and not 0 <= int(y.min()) <= int(y.max()) < outputs:
        raise ValueError(
            f"y has classes {int(y.min())} to {int(y.max())}; the network's "
            f"{outputs} outputs allow 0 to {outputs - 1}"
        )
    y = y.to(like.device)
    if loss == "cross_entropy":
        return y
    return functional.one_hot(y, outputs).to(like.dtype)


def sample_losses(z: Tensor, y: Tensor, loss: str) -> Tensor:
    """Each sample's loss, ``(..., n)``.

    Parameters
    ----------
    z : (..., n, C)
        Outputs.
    y : as :func:`targets` returns it
    loss : ``"cross_entropy"`` or ``"square"``
    """
    if loss == "cross_entropy":
        own = z.gather(-1, y[:, None].expand(*z.shape[:-1], 1)).squeeze(-1)
        return torch.logsumexp(z, -1) - own
    return (z - y).square().sum(-1)


def sample_errors(z: Tensor, y: Tensor) -> Tensor:
    """True where a sample is classified wrongly, ``(..., n)``.

    The prediction is the largest output, the first of equals; the truth the
    class index, or the largest target.  With one output, the prediction is
    whether z is positive, the truth whether y is.

    Parameters
    ----------
    z : (..., n, C)
        Outputs.
    y : as :func:`targets` returns it
    """
    own_class = labels(y)
    if z.shape[-1] == 1:
        return (z > 0).squeeze(-1) != (own_class > 0)
    own = z.gather(-1, own_class[:, None].expand(*z.shape[:-1], 1))
    # several times faster than argmax, whose axis is short
    earlier = torch.arange(z.shape[-1], device=z.device) < own_class[:, None]
    return (~(z <= own) | ((z == own) & earlier)).sum(-1) > 0


def labels(y: Tensor) -> Tensor:
    """The true class (n,); with one real target, 1 where it is positive.

    Parameters
    ----------
    y : as :func:`targets` returns it
    """
    if not y.is_floating_point():
        return y
    return (y[:, 0] > 0).long() if y.shape[1] == 1 else y.argmax(1)


def mean_loss_and_error(
    z: Tensor, y: Tensor, loss: str
) -> tuple[Tensor, Tensor]:
    """Mean loss and error rate over the samples, ``(...)``, float64.

    Parameters
    ----------
    z : (..., n, C)
        Outputs.
    y : as :func:`targets` returns it
    loss : ``"cross_entropy"`` or ``"square"``
    """
    error = sample_errors(z, y).mean(-1, dtype=torch.float64)
    return sample_losses(z, y, loss).mean(-1, dtype=torch.float64), error
