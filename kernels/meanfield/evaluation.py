"""Population risk and classification error, of networks and of dropouts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from kernels import states
from kernels.meanfield import losses, model
from kernels.meanfield.model import Activation, Weights
from kernels.networks import checks
from kernels.networks.losses import sample_errors, sample_losses

_BLOCK = 2**20  # hidden features held at once: 4 MB in single precision
_BLOCK_CUDA = 2**27


@dataclass(frozen=True)
class Evaluation:
    """Mean loss and fraction of errors, each (R,) or (R, masks), float64."""

    loss: torch.Tensor
    error: torch.Tensor


def block_size(x, *widths):
    """Samples to take at a time, so that their features stay in the cache."""
    budget = _BLOCK_CUDA if x.is_cuda else _BLOCK
    return max(1, budget // max(widths))


def masks(
    width: int,
    *,
    keep: int,
    count: int,
    generator: torch.Generator,
    first: bool = True,
) -> torch.Tensor:
    """Dropout patterns of a layer: which of its neurons are kept.

    Parameters
    ----------
    width : N
    keep : the number |A| kept by each pattern
    count : how many patterns
    generator : for the random ones
    first : the first pattern keeps neurons 0 .. keep-1
        The choice of S20's figures; the others are uniformly random
        subsets.

    Returns
    -------
    torch.Tensor
        Bool (count, N).

    Raises
    ------
    ValueError
        For a bad ``keep``.
    """
    if not 1 <= keep <= width:
        raise ValueError(f"keep must lie in 1..{width}, got {keep}")
    draw = torch.rand(
        (count, width), generator=generator, device=generator.device
    )
    if first:
        draw[0] = torch.arange(width, device=draw.device) / width
    kept = draw.argsort(1)[:, :keep]
    pattern = torch.zeros((count, width), dtype=torch.bool, device=draw.device)
    return pattern.scatter_(1, kept, True)


def checked_set(theta, x, y, loss):
    """Inputs (R, n, d) and targets; ValueError for what does not fit.

    A set without samples does not, nor one with NaN or infinity.
    """
    _, sizes = model.shape(theta)
    x = model.batched_inputs(theta, x)
    samples, dtype = x.shape[1], theta[0].dtype
    y = losses.targets(y, samples, sizes[-1], loss=loss, dtype=dtype)
    if samples == 0:
        raise ValueError("x has no samples; at least one will do")
    shared = x.stride(0) == 0  # one set, seen by all trials
    for name, values in (("x", x[:1] if shared else x), ("y", y)):
        checks.check_finite(name, values)
    return x, y


@states("S20", "Definition 3.1", "(3.2)", "(3.4)", "(4.2)")
@torch.no_grad()
def evaluate(
    theta: Weights,
    x: Any,
    y: Any,
    *,
    activation: Activation = torch.relu,
    loss: str = "cross_entropy",
    masks: torch.Tensor | Sequence[torch.Tensor] | None = None,
    block: int | None = None,
) -> Evaluation:
    """Loss and error of every trial, and of many dropouts of it, on a set.

    S20, Definition 3.1, (3.2), (3.4), (4.2): the losses without and with a
    mask.  The hidden features are computed once.  For two layers all patterns
    are then one product, features times the stacked masked output weights; for
    more, the later layers are computed pattern by pattern on kept neurons.

    Parameters
    ----------
    theta : weights
    x : (n, d) or (R, n, d)
    y : (n,) or for the square loss (n, C), as for ``sgd_step``
    activation : an elementwise function
    loss : ``"cross_entropy"`` or ``"square"``
    masks : None, or (K, N) bool, for several hidden layers one each
        Which neurons each of K dropout networks keeps; pattern k is the
        k-th of each.
    block : samples at a time
        None chooses about a million features; at least a thousand samples
        where several hidden layers have masks, whose kept weights are copied
        for each block.

    Returns
    -------
    Evaluation
        Shapes (R,), or (R, K) when there are masks.

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit, and for numbers that are not finite.

    Cost: a forward pass, and 2 n K N C operations a trial for the masks.
    """
    trials, sizes = model.shape(theta)
    inputs, y = checked_set(theta, x, y, loss)
    patterns = _checked_masks(masks, sizes[1:-1], theta[0].device)
    size = block_size(inputs, *sizes[1:], patterns.count * sizes[-1])
    size = block or max(size, patterns.least)
    tally = torch.zeros((trials, patterns.count, 2), dtype=torch.float64)
    for trial in range(trials):
        outputs = patterns.heads([w[trial] for w in theta], activation)
        for xs, ys in zip(inputs[trial].split(size), y.split(size)):
            z = outputs(activation(xs @ theta[0][trial].mT))
            wrong = sample_errors(z, ys)  # (masks, n)
            risk = sample_losses(z, ys, loss)
            both = torch.stack((risk.double().sum(1), wrong.sum(1)), -1)
            tally[trial] += both.cpu()
    tally /= inputs.shape[1]
    if masks is None:
        tally = tally[:, 0]
    return Evaluation(loss=tally[..., 0], error=tally[..., 1])


def _checked_masks(masks, widths, device):
    if masks is None:
        return _Whole()
    masks = [masks] if torch.is_tensor(masks) else list(masks)
    shapes = [tuple(m.shape) for m in masks]
    wanted = [(len(masks[0]), width) for width in widths]
    if shapes != wanted or any(m.dtype != torch.bool for m in masks):
        raise ValueError(
            "masks must be one bool tensor (K, N) per hidden layer, of "
            f"widths {tuple(widths)}, got shapes {shapes}"
        )
    if not all(m.any(1).all() for m in masks):
        raise ValueError("masks must keep at least one neuron per pattern")
    masks = [m.to(device) for m in masks]
    return _Stacked(masks[0]) if len(masks) == 1 else _Deep(masks)


class _Whole:
    """No dropout: the network itself, as one pattern."""

    count = least = 1

    def heads(self, weights, activation):
        def outputs(h):  # (n, N) -> (1, n, C)
            return _tail(weights[1:], h, activation).unsqueeze(0)

        return outputs


class _Stacked:
    """All dropouts of one hidden layer in one product."""

    least = 1

    def __init__(self, mask):
        self.mask, self.count = mask, len(mask)

    def heads(self, weights, activation):
        a = weights[1]  # (C, N)
        mask = self.mask.to(a.dtype)
        heads = (mask / mask.sum(1, keepdim=True)).unsqueeze(1) * a
        stacked = heads.flatten(0, 1)  # (masks C, N)

        def outputs(h):  # (n, N) -> (masks, n, C)
            return (h @ stacked.mT).unflatten(1, heads.shape[:2]).movedim(1, 0)

        return outputs


class _Deep:
    """Dropouts of several hidden layers, one after the other."""

    least = 1000  # samples to share one copy of the kept weights

    def __init__(self, masks):
        self.count = len(masks[0])
        self.kept = [[row.nonzero().squeeze(1) for row in m] for m in masks]

    def heads(self, weights, activation):
        def outputs(h):  # (n, N) -> (masks, n, C)
            return torch.stack([dropped(h, k) for k in range(self.count)])

        def dropped(h, k):
            kept = [layer[k] for layer in self.kept] + [slice(None)]
            tail = [
                w[rows][:, columns]
                for w, columns, rows in zip(weights[1:], kept, kept[1:])
            ]
            return _tail(tail, h[:, kept[0]], activation)

        return outputs


def _tail(weights, h, activation):
    """The layers after the first, from its features `h` (n, N)."""
    *middle, last = weights
    for w in middle:
        h = activation(h @ w.mT / w.shape[1])
    return h @ last.mT / last.shape[1]
