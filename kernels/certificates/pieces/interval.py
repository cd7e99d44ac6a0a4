"""All samples on one interval of a segment, from the inputs to the loss."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from kernels.certificates.pieces import polynomials as poly
from kernels.certificates.pieces.layers import (
    Moving,
    Pieces,
    gains,
    interval_layers,
    lines,
)
from kernels.certificates.pieces.loss import Bounds, summarise
from kernels.certificates.pieces.pool import average, maximum
from kernels.certificates.pieces.relu import TooMany, relu
from kernels.networks import Network, Parameters, tree

CAP = 3  # nodes from which on a moving layer raises the degree no more
HELD = 1 << 20  # numbers of one layer's pieces at once
_GRID = 2.0**40


@dataclass
class Segment:
    """A segment of a network's parameters, ready to be bounded.

    ``theta``, ``other`` in float64; layers up to ``first`` - 1 stand still,
    and ``h`` (n, …), ``rho`` (n, …) are what layer ``first`` reads.  ``y`` as
    ``losses.targets`` gives it.  ``lines``: how the layers from ``first`` on
    move, weight and bias.
    """

    network: Network
    theta: Parameters
    other: Parameters
    y: Tensor
    loss: str
    first: int
    h: Tensor
    rho: Tensor

    def __post_init__(self) -> None:
        pairs = list(zip(self.theta, self.other))[self.first - 1 :]
        self.lines = [lines(*pair) for pair in pairs]

    def at(self, t: float) -> Parameters:
        """The parameters at t; layers that stand still are shared."""
        return tree.map(
            lambda p, q: p if p is q else torch.lerp(p, q, t),
            self.theta,
            self.other,
        )

    def outputs(self, t: float) -> Tensor:
        """A plain forward pass at t: (n, outputs)."""
        return self.network.forward_from(self.at(t), self.h, self.first - 1)


def prepare(
    network: Network,
    theta: Parameters,
    other: Parameters,
    x: Tensor,
    y: Tensor,
    loss: str,
) -> Segment:
    """A :class:`Segment`; ``x`` (n, …) and parameters of any dtype."""
    pairs: list[Any] = []
    for layer, twin in zip(theta, other):
        for p, q in zip(layer, twin):
            still = p is q or p is None or q is None or torch.equal(p, q)
            p = None if p is None else p.detach().double()
            pairs.append((p, p if still or q is None else q.detach().double()))
    here, there = zip(*pairs)
    theta = tuple(zip(here[::2], here[1::2]))
    other = tuple(zip(there[::2], there[1::2]))
    first = 1
    while first < network.depth and all(
        p is q for p, q in zip(theta[first - 1], other[first - 1])
    ):
        first += 1
    x = network.features((*theta,), x.double(), 0)
    nowhere: Any = None  # the same all along
    z = Pieces(nowhere, nowhere, nowhere, x[None], torch.zeros_like(x))
    for i in range(1, first):
        line = lines(theta[i - 1], other[i - 1])
        moving = Moving(network, i, line, 0.0, 1.0)
        z = moving.linear(z, CAP)
        z.h = z.h.relu()  # the box holds: ReLU is 1-Lipschitz
        for pool in network.layers[i - 1].pools:
            if pool.kind == "max":  # and so is a maximum
                z.h, z.rho = pool(z.h[0])[None], pool(z.rho)
            else:
                z = average(z, pool)
        if z.rho.dim() == 4 and network.layers[i].kernel is None:
            z.h, z.rho = z.h.flatten(2), z.rho.flatten(1)
    return Segment(network, theta, other, y, loss, first, z.h[0], z.rho)


def snap(t: float) -> float:
    """The nearest place of which middles are exact, in [0, 1]."""
    return min(max(round(t * _GRID), 0), _GRID) / _GRID


def bound(
    segment: Segment,
    start: float,
    stop: float,
    slack: Tensor,
    index: Tensor | None = None,
) -> Bounds:
    """Bound samples' losses and errors on an interval.

    ``start``, ``stop``: as :func:`snap` gives them.  ``slack`` (n,): how much
    the relaxation of one unit may weigh in a sample's outputs; ``index``: the
    samples asked for, or None.

    Memory: a few times ``HELD`` numbers, whatever the number of pieces (where
    they would be more, half of them waits), where pieces are cut often up to
    a few times ``relu.MOST`` or, if that is more, the parts of one piece, at
    ``CAP`` + 1 nodes; the weights at as many, and eight numbers a piece of the
    outputs.
    """

    def finish(z: Pieces) -> tuple[Tensor, ...]:
        ends, wrong = summarise(z, segment.y, segment.loss)
        return z.sample, z.lo, z.hi, *ends, *wrong

    if index is None:
        index = torch.arange(len(segment.h), device=segment.h.device)
    found, cuts = _carry(segment, start, stop, slack, index, finish)
    return _collect(found, cuts, index, len(segment.h))


def outputs(
    segment: Segment, start: float, stop: float, slack: Tensor
) -> Pieces:
    """The outputs of all samples on an interval, as pieces.

    In memory at once; sorted by sample and place.
    """
    index = torch.arange(len(segment.h), device=segment.h.device)
    found, _ = _carry(segment, start, stop, slack, index, lambda z: z)
    return Pieces(
        torch.cat([z.sample for z in found]),
        torch.cat([z.lo for z in found]),
        torch.cat([z.hi for z in found]),
        torch.cat([z.h for z in found], 1),
        torch.cat([z.rho for z in found]),
    )


def _carry(
    segment: Segment,
    start: float,
    stop: float,
    slack: Tensor,
    index: Tensor,
    finish: Callable[[Pieces], Any],
) -> tuple[list[Any], Tensor]:
    """``finish`` of all pieces of the outputs, and the cuts' samples."""
    layers = interval_layers(
        segment.network, segment.lines, segment.first, start, stop
    )
    weigh = gains(segment.network, layers)
    one = torch.ones(len(index), dtype=torch.float64, device=index.device)
    h, rho = segment.h[index][None], segment.rho[index]
    descent = _Descent(segment.network, layers, weigh, slack, finish)
    descent.run(Pieces(index, -one, one, h, rho), 0)
    return descent.found, torch.cat(descent.cuts or [index[:0]])


@dataclass
class _Descent:
    """Carries pieces through the layers; ``found`` and ``cuts`` grow."""

    network: Network
    layers: list[Moving]
    weigh: list[Tensor]
    slack: Tensor
    finish: Callable[[Pieces], Any]
    found: list[Any] = field(default_factory=list)
    cuts: list[Tensor] = field(default_factory=list)

    def run(self, z: Pieces, level: int) -> None:
        for k in range(level, len(self.layers)):
            layer = self.layers[k]
            widest = _widest(layer.weight, z.h)
            after = None
            if len(z) == 1 or (CAP + 1) * len(z) * widest <= HELD:
                with contextlib.suppress(TooMany):
                    after = self._through(layer, z, self.weigh[k])
            if after is None:
                for half in z.halves():
                    self.run(half, k)
                return
            z = after
        self.found.append(self.finish(z))

    def _through(self, layer: Moving, z: Pieces, gain: Tensor) -> Pieces:
        z = layer.linear(z, CAP)
        if layer.i == self.network.depth:
            return z
        return self._activate(layer.i, z, gain)

    def _activate(self, i: int, z: Pieces, gain: Tensor) -> Pieces:
        z, cut = relu(z, self.slack, gain)
        self.cuts.append(cut)
        gain = gain.reshape(z.rho.shape[1:])
        for pool in self.network.layers[i - 1].pools:
            if pool.kind == "max":
                gain = pool(gain[None])[0]
                z, cut = maximum(z, pool, self.slack, gain.flatten())
                self.cuts.append(cut)
            else:
                z, gain = average(z, pool), pool(gain[None])[0]
        if z.rho.dim() == 4 and self.network.layers[i].kernel is None:
            z.h, z.rho = z.h.flatten(2), z.rho.flatten(1)
            z.size = None if z.size is None else z.size.flatten(1)
        return z


def _widest(weight: Tensor, h: Tensor) -> int:
    """Numbers a piece and node, before or after a layer."""
    places = h[0, 0, 0].numel() if weight.dim() == 4 else 1
    return max(weight.shape[0] * places, h[0, :1].numel())


def _collect(rows: list[Any], cuts: Tensor, index: Tensor, n: int) -> Bounds:
    sample, lo, hi, at_lo, at_hi, before, after = map(torch.cat, zip(*rows))
    where = torch.full((n,), -1, dtype=torch.long, device=index.device)
    where[index] = torch.arange(len(index), device=index.device)
    sample = where[sample]
    m = len(index)
    left, right = at_lo.new_full((2, m), torch.nan)
    first, last = lo == -1, hi == 1
    left[sample[first]] = at_lo[first]
    right[sample[last]] = at_hi[last]
    base, slope = (left + right) / 2, (right - left) / 2
    base, slope = base[sample], slope[sample]
    over = torch.maximum(
        at_lo - (base + slope * lo), at_hi - (base + slope * hi)
    )
    size = base.abs() + slope.abs() + at_lo.abs() + at_hi.abs()
    over = (over + 8 * poly.UNIT * size).nan_to_num(torch.inf)
    excess = torch.zeros_like(left).scatter_reduce(0, sample, over, "amax")
    early, late = ~before.isnan(), ~after.isnan()
    wrong = (
        torch.cat([sample[early], sample[late]]),
        torch.cat([lo[early], after[late]]),
        torch.cat([before[early], hi[late]]),
    )
    counted = where[cuts]
    return Bounds(
        left,
        right,
        excess,
        wrong,
        torch.bincount(sample, minlength=m),
        torch.bincount(counted, minlength=m),
    )
