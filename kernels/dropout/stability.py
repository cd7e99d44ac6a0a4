"""Dropout stability measured: the best of many random dropout networks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kernels import states
from kernels.cuda import launch
from kernels.cuda.dropout import kept_outputs
from kernels.dropout.draws import counts, draw
from kernels.dropout.narrowing import subnetwork
from kernels.dropout.rescale import best_scale
from kernels.networks import Network, Parameters, checks, columns, losses, tree
from kernels.networks.samples import samples
from kernels.runs.progress import progress
from kernels.training import Precision

_STORED = 1 << 28  # numbers held at once: 1 GiB of float32
_TILE, _TILE_CUDA = 1 << 18, 1 << 27  # activations of a batched product


@dataclass(frozen=True)
class Stability:
    """What :func:`stability` measured, one entry a draw.

    ``kept``: for each draw a list with one sorted LongTensor a hidden layer
    (all units below ``first``); ``scale`` (draws,): the factor on the last
    hidden layer's outputs; ``scales``: for each draw all factors, one a
    hidden layer, as ``dropout_network`` and the paths take them;
    ``train_loss``, ``train_error``, ``test_loss``, ``test_error`` (draws,),
    float64, the last two None without a test set; ``best``: the draw with the
    smallest training loss.
    """

    first: int
    kept: list[list[Tensor]]
    scale: Tensor
    scales: list[list[float]]
    train_loss: Tensor
    train_error: Tensor
    test_loss: Tensor | None
    test_error: Tensor | None
    best: int


@states("K19", "Definition 1")
@states("N21", "Experiment B")
def stability(
    net: Network,
    theta: Parameters,
    x: Tensor,
    y: Tensor,
    *,
    first: int = 1,
    keep: float | Sequence[int | float] = 0.5,
    draws: int = 200,
    rescale: str | float | Sequence[float] | None = "best",
    loss: str = "cross_entropy",
    generator: torch.Generator,
    test: tuple[Tensor, Tensor] | None = None,
    batch: int | None = None,
    mixed_precision: bool = False,
) -> Stability:
    """Drop random units of layers ``first`` … d - 1, ``draws`` times.

    Dropout stability (K19, Definition 1) at one i.  N21, experiment B, with
    ``rescale="best"``; K19, Figure 2, left, with ``rescale=1 / (1 - p)``,
    ``keep=1 - p`` and 20 draws.

    Parameters
    ----------
    net : the network
    theta : its parameters
    x, y : the training set on which draws are compared; y class indices, or
        for the square loss also real targets.
    first : the first layer whose units are dropped
    keep : as in :func:`counts`.
    draws : how many dropout networks
    rescale : "best", the best factor >= 0 of the network's output on the
        training set, put on the columns of A_d (:func:`best_scale`; without
        biases nothing more general is gained by a factor a layer; "brent",
        N21's word, is the same); None, no factor; "inverse", width over kept
        units in each dropped layer; a number, or one a hidden layer.
    loss : ``"cross_entropy"`` or ``"square"``
    generator : draws the subsets, on its own device
    test : (x, y), evaluated for every draw with the factor found on the
        training set.
    batch : samples at once; None: 1024, on CUDA 8192
    mixed_precision : products take bfloat16 inputs; factors, losses and
        errors are computed in float32 as always.  float32 alone.

    Returns
    -------
    Stability
        A :class:`Stability`.

    Raises
    ------
    ValueError, TypeError
        For what does not fit, and where a parameter, x, y or a loss is not
        finite.

    Cost: one pass through layers 1 … ``first`` for all draws together, then
    for each draw a pass through a network that has the kept units alone; with
    "best" some six passes over the outputs.  Memory: the outputs of all
    draws on the training set, or of as many as fit 1 GiB at a time.
    """
    theta = net.check(theta)
    batch = None if batch is None else checks.whole("batch", batch)
    checks.generator("generator", generator)
    sizes = counts(net, keep, first=first)
    subsets = draw(net, keep, draws, first=first, generator=generator)
    factors = _factors(net, rescale, sizes, first)
    sets = [samples(net, theta, x, y, loss=loss)]
    if test is not None:
        sets.append(samples(net, theta, *checks.pair("test", test), loss=loss))
    precision = Precision(mixed_precision, theta[0][0])
    with torch.no_grad():
        run = _Run(net, theta, subsets, first, factors, loss, batch, precision)
        scale, measures = run.all(sets, best=_is_best(rescale))
    for losses_found, _ in measures:
        checks.check_finite("the dropout networks' loss", losses_found)
    kept = [[layer[t] for layer in subsets] for t in range(draws)]
    scales = [[*factors[:-1], float(r)] for r in scale]
    train, held = measures[0], measures[1] if test is not None else (None,) * 2
    return Stability(
        first=first,
        kept=kept,
        scale=scale,
        scales=scales,
        train_loss=train[0],
        train_error=train[1],
        test_loss=held[0],
        test_error=held[1],
        best=int(train[0].argmin()),
    )


def _is_best(rescale):
    """N21 names the method that finds it, Brent's; either word will do."""
    return isinstance(rescale, str) and rescale in ("best", "brent")


def _factors(net, rescale, sizes, first):
    """One factor a hidden layer, those below ``first`` 1."""
    hidden = net.depth - 1
    if rescale is None or _is_best(rescale):
        factors = [1.0] * hidden
    elif rescale == "inverse":
        factors = [h / size for h, size in zip(net.hidden, sizes)]
    elif isinstance(rescale, str):
        raise ValueError(
            f"rescale is {rescale!r}; 'best', 'inverse', None, a number or "
            "one a hidden layer will do"
        )
    elif isinstance(rescale, int | float):
        factors = [float(rescale)] * hidden
    else:
        factors = [float(r) for r in rescale]
        if len(factors) != hidden:
            raise ValueError(
                f"rescale has {len(factors)} entries; the network has "
                f"{hidden} hidden layers"
            )
    if not all(map(math.isfinite, factors)):
        raise ValueError(f"rescale is {rescale}; finite numbers will do")
    return [1.0] * (first - 1) + factors[first - 1 :]


class _Run:
    """All draws of one call, as narrow networks on shared features."""

    def __init__(
        self, net, theta, subsets, first, factors, loss, batch, precision
    ):
        self.net, self.theta, self.first = net, theta, first
        self.precision = precision
        self.subsets, self.factors, self.loss = subsets, factors, loss
        self.draws = len(subsets[0])
        self.flat = all(layer.kernel is None for layer in net.layers[first:])
        self.cuda = theta[0][0].is_cuda
        self.batch = batch or (8192 if self.cuda else 1024)
        last = first == net.depth - 1  # nothing else is dropped
        usable = last and not precision.mixed
        self.fused = usable and launch.usable(theta[0][0], net.widths[-1])

    def all(self, sets, *, best):
        """Factors (draws,) and, for each set, (loss, error), (draws,)."""
        (x, y), outputs = sets[0], self.net.widths[-1]
        bias = self.theta[-1][1]
        size = len(x) * outputs
        group = max(1, min(self.draws, _STORED // max(1, size)))
        scale: Any = []
        measures: list[list[Tensor]] = [[] for _ in sets]
        bar = progress(desc="dropout networks", unit="draw", total=self.draws)
        with bar:
            for start in range(0, self.draws, group):
                chosen = range(start, min(start + group, self.draws))
                s = self.outputs(chosen, x)  # (draws, outputs, n)
                r = torch.ones(len(chosen), dtype=torch.float64)
                if best:
                    r = best_scale(s, y, bias=bias, loss=self.loss).cpu()
                scale.append(r)
                for k, (points, targets) in enumerate(sets):
                    if k:
                        s = self.outputs(chosen, points)
                    measures[k].append(self.measure(s, r, bias, targets))
                bar.update(len(chosen))
        scale = torch.cat(scale) * self.factors[-1]
        return scale, [[torch.cat(m) for m in zip(*each)] for each in measures]

    def outputs(self, chosen, x):
        """Outputs without the output bias: (draws, outputs, n)."""
        s = self.theta[0][0].new_empty(
            len(chosen), self.net.widths[-1], len(x)
        )
        if self.fused:
            evaluate = self._fused(list(chosen))
        else:
            narrow = self.narrow(chosen)
            evaluate = self._flat if self.flat else self._maps
            evaluate = evaluate(narrow, list(chosen))
        for start in range(0, len(x), self.batch):
            block = slice(start, start + self.batch)
            inputs = self.precision.inputs(x[block])
            with self.precision():
                h = self.net.features(self.theta, inputs, self.first)
                evaluate(h, s[..., block])
        return s

    def narrow(self, chosen):
        """The networks of the kept units alone, one a draw."""
        return [
            subnetwork(
                self.net,
                self.theta,
                [layer[t] for layer in self.subsets],
                first=self.first,
                scale=self.factors,
            )
            for t in chosen
        ]

    def _fused(self, chosen):
        """The last hidden layer alone drops units: one launch for all."""
        weight = self.theta[-1][0]
        block = weight.shape[1] // self.net.widths[-2]
        kept = self.subsets[-1][chosen, :, None] * block + torch.arange(block)
        kept = kept.flatten(1).to(weight.device)

        def evaluate(h, out):
            units, scale = h.T.contiguous(), self.factors[-1]
            out.copy_(kept_outputs(units, weight, kept, scale=scale))

        return evaluate

    def _flat(self, narrow, chosen):
        """Linear layers only: draws batched, neuron-major."""
        layers = tree.stack([params for _, params in narrow])
        kept = self.subsets[self.first - 1][chosen].to(layers[0][0].device)
        widest = max(weight.shape[2] for weight, _ in layers)
        tile = _TILE_CUDA if self.cuda else _TILE
        together = max(1, tile // (widest * self.batch))

        def evaluate(h, out):
            units = columns(h, self.net.widths[self.first])
            units = units.permute(1, 2, 0).contiguous()  # (h, block, b)
            for start in range(0, len(kept), together):
                some = slice(start, start + together)
                a = units[kept[some]].flatten(1, 2)  # (draws, k, b)
                for weight, bias in layers[:-1]:
                    if bias is None:
                        a = torch.bmm(weight[some], a)
                    else:
                        a = torch.baddbmm(bias[some, :, None], weight[some], a)
                    a.relu_()
                out[some] = torch.bmm(layers[-1][0][some], a)

        return evaluate

    def _maps(self, narrow, chosen):
        """Convolutions: one draw after another."""
        kept = self.subsets[self.first - 1]
        kept = kept[chosen].to(self.theta[0][0].device)

        def evaluate(h, out):
            for k, (small, params) in enumerate(narrow):
                inputs = self.net.take(self.first, h, kept[k])
                z = small.forward(params, self.precision.outputs(inputs))
                z = self.precision.outputs(z)
                bias = params[-1][1]
                out[k] = (z if bias is None else z - bias).T

        return evaluate

    def measure(self, s, r, bias, y):
        """Mean loss and error of each draw, both (draws,), float64."""
        rows = []
        for each, factor in zip(s, r.tolist()):
            z = each * factor  # (outputs, n)
            if bias is not None:
                z += bias[:, None]
            loss, error = losses.mean_loss_and_error(z.T, y, self.loss)
            rows.append(torch.stack([loss, error]))
        return torch.stack(rows, 1).double().cpu()
