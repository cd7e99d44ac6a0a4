"""Mean-field networks: weights, initial laws, output, dropout.

A network with L hidden layers is (S20 (3.1) for L = 1, (1.1) for L > 1)

    h_1 = act(W_1 x),  h_l = act(W_l h_(l-1) / N_(l-1)),  y = W_(L+1) h_L / N_L

and its parameters are the tuple (W_1, ..., W_(L+1)), each with a leading
dimension of independent trials.  The hidden weights are stored transposed
(their `.mT` is contiguous), which makes the products of a step fastest.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from kernels import states
from kernels.networks import Network, Parameters, checks, mlp

Weights = tuple[torch.Tensor, ...]
Activation = Callable[[torch.Tensor], torch.Tensor]

LAWS = ("normal", "uniform", "bimodal")
MODE_SPREAD = 0.1  # a mode's own deviation, as a fraction of its distance


def init(
    sizes: Sequence[int],
    *,
    trials: int,
    generator: torch.Generator,
    std: float | Sequence[float] = 1.0,
    mean: float | Sequence[float] = 0.0,
    distribution: str | Sequence[str] = "normal",
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Weights:
    """Independent weights, S20's initialisation rho_0.

    With two middle layers or more of mean zero the limit N = infinity stands
    still: each layer's sums then vanish like 1 / sqrt(N); a middle mean that
    is not zero lets it move.

    Parameters
    ----------
    sizes : (d, N, C), (d, N, N, C) or (d, N, N, N, C)
        Inputs, hidden widths, outputs.
    trials : R, the number of independent networks
    generator : draws everything, on its own device
    std : one number or one a layer
        An entry of the first layer has standard deviation std / sqrt(d),
        so that a unit's pre-activation is of order std for inputs of unit
        variance; every entry of a later layer has standard deviation std
        itself, with no factor of N (the 1/N stands in the network).
    mean : one number or one a layer
        Added to every entry, in the first layer as mean / sqrt(d).
    distribution : one name or one a layer
        A law about that mean of exactly that standard deviation:
        ``"normal"``; ``"uniform"``, on [-sqrt(3) std, sqrt(3) std], the
        bounded law of S20's (A4); ``"bimodal"``, a fair sign times m (1 +
        0.1 xi), xi standard normal, with m = std / sqrt(1.01), two bumps
        at almost +-std.
    dtype, device : of the result
        None: the generator's device.

    Returns
    -------
    Weights
        Weights of shapes (R, N, d), (R, N, N) ..., (R, C, N).

    Raises
    ------
    ValueError
        For sizes, std, mean, trials or a law that make no sense.
    """
    sizes = _checked_sizes(sizes)
    trials = checks.whole("trials", trials)
    layers = len(sizes) - 1
    stds = _per_layer("std", std, layers)
    means = _per_layer("mean", mean, layers)
    laws = _per_layer("distribution", distribution, layers)
    weights = []
    for layer in range(layers):
        fan_in, fan_out = sizes[layer], sizes[layer + 1]
        last = layer == layers - 1
        shape = (fan_out, fan_in) if last else (fan_in, fan_out)
        w = torch.empty((trials, *shape), dtype=dtype, device=generator.device)
        _fill(w, laws[layer], generator)
        shrink = 1 / math.sqrt(fan_in) if layer == 0 else 1.0
        w *= _checked("std", stds[layer], least=0.0) * shrink
        shift = _checked("mean", means[layer]) * shrink
        if shift:
            w += shift
        w = w.to(device or generator.device)
        weights.append(w if last else w.mT)
    return tuple(weights)


def _checked_sizes(sizes):
    sizes = tuple(sizes)
    if len(sizes) < 3 or not all(map(checks.is_whole, sizes)):
        raise ValueError(
            "sizes must be (inputs, hidden widths ..., outputs), at least "
            f"three positive integers such as (784, 800, 10), got {sizes}"
        )
    return tuple(map(int, sizes))


def _per_layer(name, value, layers):
    """One value a layer, from one value or one value a layer."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        return (value,) * layers
    if len(value) != layers:
        raise ValueError(
            f"{name} has {len(value)} entries for {layers} layers: give one "
            "value, or one per layer"
        )
    return tuple(value)


def _checked(name, value, least=-math.inf):
    if not (math.isfinite(value) and value >= least):
        above = "" if least < 0 else f" >= {least:g}"
        raise ValueError(f"{name} must be a finite number{above}, got {value}")
    return value


def _fill(w, law, generator):
    """Overwrites `w` with draws of mean zero and unit variance."""
    if law == "uniform":
        w.uniform_(-math.sqrt(3), math.sqrt(3), generator=generator)
        return
    if law not in LAWS:
        raise ValueError(
            f"distribution must be one of {', '.join(LAWS)}, got {law!r}"
        )
    w.normal_(generator=generator)
    if law == "bimodal":
        sign = torch.empty_like(w).bernoulli_(0.5, generator=generator)
        sign.mul_(2).sub_(1)
        w.mul_(MODE_SPREAD).add_(1).mul_(sign)
        w.div_(math.sqrt(1 + MODE_SPREAD**2))


def shape(theta: Weights) -> tuple[int, tuple[int, ...]]:
    """(trials, (inputs, hidden widths ..., outputs)) of weights.

    Parameters
    ----------
    theta : from ``init``

    Raises
    ------
    ValueError
        Where the weights do not fit one another.
    """
    if len(theta) < 2 or any(w.ndim != 3 for w in theta):
        raise ValueError(
            "theta must be at least two weights with three dimensions "
            "(trials, out, in), got shapes "
            f"{[tuple(w.shape) for w in theta]}"
        )
    first = theta[0]
    sizes = [first.shape[2]]
    for w in theta:
        if w.shape[0] != first.shape[0] or w.shape[2] != sizes[-1]:
            raise ValueError(
                "the weights do not fit one another: got shapes "
                f"{[tuple(w.shape) for w in theta]}, expected (R, N, d), "
                "(R, N, N) ..., (R, C, N)"
            )
        sizes.append(w.shape[1])
    return first.shape[0], tuple(sizes)


def batched_inputs(theta: Weights, x: Any) -> Tensor:
    """`x`, (n, d) or (R, n, d), as an (R, n, d) view, checked."""
    trials, (inputs, *_) = shape(theta)
    x = checks.tensor("x", x)
    fits = x.ndim in (2, 3) and x.shape[-1] == inputs
    if not fits or (x.ndim == 3 and x.shape[0] != trials):
        raise ValueError(
            f"x must have shape (n, {inputs}) or ({trials}, n, {inputs}) for "
            f"these weights, got {tuple(x.shape)}"
        )
    x = checks.numbers("x", x, like=theta[0])
    return x.expand(trials, *x.shape) if x.ndim == 2 else x


@states("S20", "(3.1)", "(1.1)")
def forward(
    theta: Weights, x: Any, activation: Activation = torch.relu
) -> Tensor:
    """The networks' outputs, S20 (3.1) and (1.1).

    Each sum over N neurons carries its 1/N, with N the width of ``theta``
    itself: after ``drop`` it is the number of kept neurons.  Autograd goes
    through it where ``theta`` or ``x`` require gradients.

    Parameters
    ----------
    theta : from ``init``
    x : (n, d), shared by the trials, or (R, n, d)
    activation : an elementwise function

    Returns
    -------
    Tensor
        (R, n, C).

    Cost: 2 n (d N + N C) operations a trial, 2 n N^2 more a middle layer.
    """
    h = batched_inputs(theta, x)  # (trials, n, d)
    z = torch.bmm(h, theta[0].mT)  # (trials, n, N)
    for w in theta[1:]:
        h = activation(z)
        z = torch.bmm(h, w.mT) / w.shape[2]
    return z  # (trials, n, C)


@states("S20", "(3.4)")
def drop(theta: Weights, kept: Tensor | Sequence[Tensor]) -> Weights:
    """The dropout networks theta_S of S20 (3.4): only kept neurons remain.

    ``drop(theta, torch.arange(M))`` at the start of training is also the
    network of the first M particles.

    Parameters
    ----------
    theta : from ``init``
    kept : one LongTensor of neuron indices a hidden layer, or one for all

    Returns
    -------
    Weights
        Smaller weights, (R, |A|, d) ..., (R, C, |A|), whose ``forward``
        sums over the kept neurons and scales by 1/|A|; nothing else
        changes.

    Raises
    ------
    ValueError
        For an empty, repeated or out-of-range selection.
    """
    _, sizes = shape(theta)
    kept = _checked_kept(kept, sizes[1:-1])
    selected = []
    for layer, w in enumerate(theta):
        w = w.mT  # (trials, in, out)
        if layer > 0:
            w = w.index_select(1, kept[layer - 1].to(w.device))
        if layer < len(kept):
            w = w.index_select(2, kept[layer].to(w.device)).mT
        else:
            w = w.mT.contiguous()
        selected.append(w)
    return tuple(selected)


def _checked_kept(kept, widths):
    kept = [kept] * len(widths) if torch.is_tensor(kept) else list(kept)
    if len(kept) != len(widths):
        raise ValueError(
            f"kept has {len(kept)} index tensors for {len(widths)} hidden "
            "layers: give one per hidden layer"
        )
    for layer, (index, width) in enumerate(zip(kept, widths), start=1):
        if index.dtype != torch.int64 or index.ndim != 1 or not len(index):
            raise ValueError(
                f"kept of hidden layer {layer} must be a non-empty vector of "
                f"int64 indices, got {index.dtype} of shape "
                f"{tuple(index.shape)}"
            )
        low, high = int(index.min()), int(index.max())
        if low < 0 or high >= width or len(index.unique()) < len(index):
            raise ValueError(
                f"kept of hidden layer {layer} must be distinct indices in "
                f"0..{width - 1}, got {len(index)} from {low} to {high}"
            )
    return kept


def as_network(theta: Weights, trial: int) -> tuple[Network, Parameters]:
    """One trial as a plain ReLU network, the 1/N folded into its weights.

    Parameters
    ----------
    theta : (R, ...) weights
    trial : the index of one of them

    Returns
    -------
    tuple[Network, Parameters]
        ``networks.mlp(sizes, bias=False)`` and its parameters ((W_1,
        None), (W_2 / N, None), ...), copies, so that
        ``network.forward(parameters, x)`` equals ``forward(theta,
        x)[trial]``.

    Raises
    ------
    ValueError
        For a trial that is not there.
    """
    trials, sizes = shape(theta)
    whole = not isinstance(trial, bool) and checks.is_whole(trial, -trials)
    if not whole or trial >= trials:
        raise ValueError(
            f"trial must be an index below {trials}, got {trial!r}"
        )
    trial = int(trial)
    first, *others = (w[trial] for w in theta)
    weights = [first.clone(memory_format=torch.contiguous_format)]
    weights += [(w / w.shape[1]).contiguous() for w in others]
    network = mlp(sizes, bias=False)
    return network, tuple((w, None) for w in weights)
