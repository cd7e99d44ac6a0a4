"""What each hidden neuron does to the loss, to first order, at any depth.

Weight neuron i of hidden layer l by a gate g in front of its outgoing
weights, (1/N) sum_i g_i h_i; all gates are 1.  Its influence is c_i = N
dL/dg_i.  Keeping the neurons A_l of every layer sets g_i = N / |A_l| on A_l
and 0 elsewhere, so that to first order in the gates

    L_A(theta_S) - L(theta) = sum over l of (mean over A_l of c - mean of c)

and over random A_l the right side has mean zero and the variance sum over l
of (1/|A_l| - 1/N_l) Var_i(c_i).  With one hidden layer c_i is the influence
of `fluctuations`.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from kernels.meanfield import model
from kernels.meanfield.evaluation import block_size, checked_set
from kernels.meanfield.model import Activation, Weights
from kernels.networks.losses import sample_losses

ORDERS = ("largest", "smallest", "strongest", "even")


def influences(
    theta: Weights,
    x: Any,
    y: Any,
    *,
    loss: str = "cross_entropy",
    activation: Activation = torch.relu,
    block: int | None = None,
) -> tuple[Tensor, ...]:
    """The influence of every hidden neuron, c_i = N dL/dg_i.

    The module's text says what it predicts.

    Parameters
    ----------
    theta, x, y, loss, block : as for ``evaluate``
    activation : an elementwise function, differentiable where it is evaluated

    Returns
    -------
    tuple[Tensor, ...]
        One float64 (R, N) tensor per hidden layer, detached.

    Raises
    ------
    ValueError, TypeError
        Where ``evaluate`` does.

    Cost: a forward and a backward pass, without the gradients in the weights.
    """
    trials, sizes = model.shape(theta)
    inputs, y = checked_set(theta, x, y, loss)
    inputs, samples = inputs.detach(), inputs.shape[1]
    weights = [w.detach() for w in theta]
    found = [
        torch.zeros((trials, n), dtype=torch.float64) for n in sizes[1:-1]
    ]
    size = block or block_size(inputs, *sizes[1:])
    for trial in range(trials):
        mine = [w[trial] for w in weights]
        for xs, ys in zip(inputs[trial].split(size), y.split(size)):
            gates = [xs.new_ones(n, requires_grad=True) for n in sizes[1:-1]]
            with torch.enable_grad():
                z = _gated(mine, gates, xs, activation)
                risk = sample_losses(z, ys, loss).sum()
            for c, slope in zip(found, torch.autograd.grad(risk, gates)):
                c[trial] += slope.double().cpu()
    return tuple(c * c.shape[1] / samples for c in found)


def _gated(weights, gates, x, activation):
    z = x @ weights[0].mT  # (n, N)
    for w, gate in zip(weights[1:], gates):
        z = (activation(z) * gate) @ w.mT / w.shape[1]
    return z


def chosen(influence: Tensor, *, keep: int, order: str) -> Tensor:
    """The neurons of one layer that are kept for their influence.

    Parameters
    ----------
    influence : c_i, (R, N), of one layer from ``influences``
    keep : |A|, how many
    order : which of them
        ``"largest"`` and ``"smallest"`` are by c_i with its sign, and move
        the first-order change most, up and down; ``"strongest"`` is by
        abs(c_i), the usual rule of pruning; ``"even"`` takes them at equal
        distances in the order of c_i, so that their mean stays.

    Returns
    -------
    Tensor
        Bool (R, N), row r for trial r; with R = 1 a pattern for
        ``evaluate``.

    Raises
    ------
    ValueError
        For an unknown order, a bad ``keep`` or another shape.
    """
    if influence.ndim != 2:
        raise ValueError(
            "influence must be (trials, N), of one layer, got shape "
            f"{tuple(influence.shape)}"
        )
    width = influence.shape[1]
    if not 1 <= keep <= width:
        raise ValueError(f"keep must lie in 1..{width}, got {keep}")
    if order not in ORDERS:
        raise ValueError(
            f"order must be one of {', '.join(ORDERS)}, got {order!r}"
        )
    scores = influence.abs() if order == "strongest" else influence
    ranked = scores.argsort(dim=1, descending=order != "smallest", stable=True)
    if order == "even":
        middle = (torch.arange(keep) + 0.5) * (width / keep)  # never repeats
        ranked = ranked[:, middle.long()]
    kept = torch.zeros(influence.shape, dtype=torch.bool)
    return kept.scatter_(1, ranked[:, :keep].cpu(), True)


def first_order(
    influence: Sequence[Tensor], masks: Sequence[Tensor]
) -> Tensor:
    """The change in loss under dropout, to first order in the gates.

    Parameters
    ----------
    influence : from ``influences``, of one trial: (1, N) a hidden layer
    masks : bool (K, N) a hidden layer, as for ``evaluate``

    Returns
    -------
    Tensor
        (K,) float64: the sum over layers of the mean of c_i over the kept
        neurons less that over all.

    Raises
    ------
    ValueError
        For several trials, where the shapes differ, or where a mask keeps
        no neuron.
    """
    shapes = [tuple(m.shape) for m in masks]
    fits = [(len(masks[0]), c.shape[1]) for c in influence]
    if shapes != fits or any(len(c) != 1 for c in influence):
        raise ValueError(
            "masks must be (K, N) per hidden layer of one trial's influence "
            f"(1, N), got {shapes} for {[tuple(c.shape) for c in influence]}"
        )
    for layer, m in enumerate(masks, 1):
        if not bool(m.any(1).all()):
            raise ValueError(
                f"masks of hidden layer {layer} must each keep a neuron, got "
                f"{int((~m.any(1)).sum())} that keep none"
            )
    changes = [
        (m.to(c.dtype) @ c[0]) / m.sum(1) - c.mean()
        for c, m in zip(influence, masks)
    ]
    return torch.stack(changes).sum(0)
