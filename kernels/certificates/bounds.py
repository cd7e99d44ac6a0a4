"""Bounds on a general segment: every activation is a chord plus a remainder.

On an interval between two parameters, with s in [0, 1] along it, each
activation is written h(s) = (1 - s) h(0) + s h(1) + e(s) with its exact
values at the ends and a box lo <= e(s) <= hi; lo <= 0 <= hi, for e vanishes
at both ends.  The box is carried through the layers:

* linear: the chord's own product contributes (s² - s) ΔW Δh, between -1/4 and
  0 times ΔW Δh; the box passes through W⁺ and W⁻, and as |W(s)| is convex in
  s the worst of both ends bounds it;
* ReLU: above, φ(chord + hi) minus the chord of φ is convex in s, so the worse
  end counts; below, φ(chord + lo) minus the chord of φ is least at an end or
  where chord + lo vanishes;
* max-pool: above as ReLU; below, the best over the window of the worse end;
* average pooling is linear and monotone.

The box shrinks as the square of the interval's length.  A loss that is convex
in the outputs, taken at chord plus the worst corner of the box, is convex in
s: the worse end bounds it on the whole interval.

Rounding is carried beside the box: rho bounds what float64 can have added to
chord and box together, the weights at both ends included, which are rounded
to 8 u max(|p|, |q|) of the exact point between the segment's ends p and q.
With M = max(|p|, |q|), A = |h| + |e| and g = gamma(4 (n + 12)), a linear
layer makes rho' = M (rho + g (A + rho)) + 8 gamma |b| of it (the forward
passes, the bend, centre and radius, each of products of length n); ReLU adds
16 u (|z| + |e|); pooling is as in ``certificates.rounding``.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from kernels.certificates import rounding
from kernels.cuda import launch
from kernels.cuda.boxes import interval_boxes
from kernels.networks import Network, Parameters, Pool, tree
from kernels.networks.aliases import Pair
from kernels.networks.losses import labels

Box = tuple[Tensor, Tensor, Tensor]  # lo, hi, rho


def limits(theta: Parameters, other: Parameters) -> Parameters:
    """Bounds on the weights anywhere between two parameters, float64."""

    def largest(p: Tensor, q: Tensor) -> Tensor:
        return rounding.normal(p.abs().maximum(q.abs()).double())

    return tree.map(largest, theta, other)


def boxes(
    network: Network,
    points: list[Parameters],
    x: Tensor,
    most: Parameters | None = None,
) -> list[tuple[Tensor, Tensor, Tensor, Tensor, Tensor]]:
    """Outputs at both ends, lo, hi and rho, for each interval.

    ``points``: parameters t_0, …, t_K of one segment, in order; ``x`` (n,
    …).  ``most``: :func:`limits` of the segment's own ends; None: the first
    and the last point are its ends.  Returns K tuples of five tensors (n,
    outputs).  Cost: about seven forward passes an interval and one a point;
    the activations of one layer at all points are held at once.
    """
    most = limits(points[0], points[-1]) if most is None else most
    h = [network.features(points[0], x, 0)] * len(points)
    zero = torch.zeros_like(h[0])
    box: list[Any] = [(zero, zero, zero)] * (len(points) - 1)
    for i in range(1, network.depth + 1):
        layer = [theta[i - 1] for theta in points]
        z = [network.linear(i, w, a, b) for (w, b), a in zip(layer, h)]
        box = [
            _linear(
                network,
                i,
                layer[k : k + 2],
                h[k : k + 2],
                z[k],
                box[k],
                most[i - 1],
            )
            for k in range(len(box))
        ]
        h = z
        if i < network.depth:
            h = [torch.relu(a) for a in z]
            box = [
                _relu(z[k : k + 2], h[k : k + 2], box[k])
                for k in range(len(box))
            ]
            for pool in network.layers[i - 1].pools:
                pooled = [pool(a) for a in h]
                box = [
                    _pool(pool, h[k : k + 2], pooled[k : k + 2], box[k])
                    for k in range(len(box))
                ]
                h = pooled
            if h[0].dim() == 4 and network.layers[i].kernel is None:
                h = [a.flatten(1) for a in h]
                box = [tuple(a.flatten(1) for a in one) for one in box]
    return [(h[k], h[k + 1], *box[k]) for k in range(len(box))]


def two_layers(network: Network, theta: Parameters, other: Parameters) -> bool:
    """Whether :func:`fused_boxes` can be asked for this segment.

    The last two layers are linear and they alone move; CUDA and CuPy.
    """
    return (
        network.depth >= 2
        and network.layers[-2].kernel is None
        and launch.usable(theta[-1][0])
        and all(
            p is q
            for layer, twin in zip(theta[:-2], other[:-2])
            for p, q in zip(layer, twin)
        )
    )


def fused_boxes(
    network: Network,
    theta: Parameters,
    other: Parameters,
    places: list[float],
    x: Tensor,
) -> list[tuple[Tensor, Tensor, Tensor, Tensor, Tensor]]:
    """As :func:`boxes`, in one pass, where the last two layers alone move."""
    most, i = limits(theta, other), network.depth - 1
    h, rho = rounding.features(network, theta, x, i - 1)
    start, end = (
        weight @ h.T
        if bias is None
        else torch.addmm(bias[:, None], weight, h.T)
        for weight, bias in (theta[-2], other[-2])
    )
    found = interval_boxes(start, end, theta[-1], other[-1], places)
    rho = rounding.widened(
        network, i, *most[-2], size=h.abs() + rho, rho=rho, more=12, times=4
    )
    size = start.abs().maximum(end.abs()).T
    rho = rho + 16 * rounding.UNIT * size
    size = 2 * size + rho
    rho = rounding.widened(
        network, i + 1, *most[-1], size=size, rho=rho, more=12, times=4
    )
    return [(*(part.mT for part in one), rho) for one in found.unbind(1)]


def corner(lo: Tensor, hi: Tensor, y: Tensor) -> Tensor:
    """The corner of the box that is worst for the class: (n, outputs)."""
    if lo.shape[1] == 1:
        return torch.where(labels(y)[:, None] > 0, lo, hi)
    own = functional.one_hot(labels(y), lo.shape[1]) > 0
    return torch.where(own, lo, hi)


def box_losses(
    ends: tuple[Tensor, Tensor],
    lo: Tensor,
    hi: Tensor,
    rho: Tensor,
    y: Tensor,
    loss: str,
) -> list[tuple[Tensor, Tensor]]:
    """Each sample's largest loss over the box around the chord, at each end.

    Twice two tensors (n,): the loss as computed, convex along the interval,
    so that the larger of the ends' means bounds the mean loss on it; and the
    allowance for rounding (``rounding.sample_losses``).
    """
    found = []
    for z in ends:
        size = z.abs() + hi.maximum(-lo)
        around = rho + 4 * rounding.UNIT * size
        if loss == "cross_entropy":
            far = z + corner(lo, hi, y)
        else:
            low, high = z + lo, z + hi
            far = torch.where((low - y).abs() > (high - y).abs(), low, high)
        found.append(rounding.sample_losses(far, around, y, loss))
    return found


def _linear(
    network: Network,
    i: int,
    ends: Any,
    h: list[Tensor],
    z: Tensor,
    box: Box,
    most: Pair,
) -> Box:
    (w0, _), (w1, _) = ends
    lo, hi, rho = box
    size = h[0].abs().maximum(h[1].abs()) + hi.maximum(-lo) + rho
    rho = rounding.widened(
        network, i, *most, size=size, rho=rho, more=12, times=4
    )
    if bool((lo == hi).all()):  # both are zero
        lo = hi = torch.zeros_like(z)
    else:
        centre, radius = (hi + lo) / 2, (hi - lo) / 2
        los, his = [], []
        for weight in (w0,) if w0 is w1 else (w0, w1):
            middle = network.linear(i, weight, centre)
            spread = network.linear(i, weight.abs(), radius)
            los.append(middle - spread)
            his.append(middle + spread)
        lo, hi = torch.minimum(los[0], los[-1]), torch.maximum(his[0], his[-1])
    if w0 is not w1 and h[0] is not h[1]:  # (s² - s) ΔW Δh
        bend = network.linear(i, w1 - w0, h[1] - h[0]) / 4
        lo, hi = lo - bend.clamp_min(0), hi - bend.clamp_max(0)
    return lo, hi, rho


def _relu(z: list[Tensor], h: list[Tensor], box: Box) -> Box:
    (z0, z1), (h0, h1) = z, h
    lo, hi, rho = box
    size = z0.abs().maximum(z1.abs()) + hi.maximum(-lo)
    rho = rho + 16 * rounding.UNIT * size
    upper = torch.maximum(torch.relu(z0 + hi) - h0, torch.relu(z1 + hi) - h1)
    low0, low1 = z0 + lo, z1 + lo
    lower = torch.minimum(torch.relu(low0) - h0, torch.relu(low1) - h1)
    crosses = (low0 < 0) != (low1 < 0)
    half0, half1 = low0 / 2, low1 / 2  # their difference is no overflow
    s = torch.where(crosses, half0 / (half0 - half1), 0.0)
    lower = torch.where(
        crosses, torch.minimum(lower, -torch.lerp(h0, h1, s)), lower
    )
    return lower, upper, rho


def _pool(pool: Pool, h: list[Tensor], pooled: list[Tensor], box: Box) -> Box:
    (h0, h1), (top0, top1) = h, pooled
    lo, hi, rho = box
    size = h0.maximum(h1) + hi.maximum(-lo)
    rho = rounding.pooled(pool, size, rho + 8 * rounding.UNIT * size)
    if pool.kind != "max":
        return pool(lo), pool(hi), rho
    upper = torch.maximum(pool(h0 + hi) - top0, pool(h1 + hi) - top1)
    # the best over the window, each place less the chord of the maximum
    below = [
        pool.windows(h + lo) - top[..., None]
        for h, top in ((h0, top0), (h1, top1))
    ]
    return torch.minimum(*below).amax(-1), upper, rho
