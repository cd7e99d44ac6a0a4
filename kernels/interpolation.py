"""Loss and error along a path, doing no work twice."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from kernels.cuda import launch
from kernels.cuda.segments import segment_losses
from kernels.networks import Network, losses, tree
from kernels.networks.checks import check_finite, whole
from kernels.networks.samples import samples
from kernels.paths import Path
from kernels.runs.progress import progress

__all__ = ["LossCurve", "loss_curve"]

_STORED = 1 << 26  # weights of all points held at once


@dataclass(frozen=True)
class LossCurve:
    """Loss and error at the points of a path: one row a point.

    ``t``, ``loss``, ``error``: (len(path) * (points - 1) + 1,), float64, on
    the CPU.  Segment k owns the places ``k * (points - 1)`` to ``(k + 1) *
    (points - 1)``, its knots included, which it shares with its neighbours;
    point j of it lies at ``t = (k + j / (points - 1)) / len(path)``.
    ``kind``: for each point the kind of the segment that it opens or lies in
    (the last knot has the last segment's).  ``passes``: how many parameters
    were taken through the network; point by point it would be ``len(t)``.
    """

    t: Tensor
    loss: Tensor
    error: Tensor
    kind: tuple[str, ...]
    passes: int


def loss_curve(
    network: Network,
    path: Path,
    x: Tensor,
    y: Tensor,
    points: int = 25,
    loss: str = "cross_entropy",
    *,
    batch: int | None = None,
) -> LossCurve:
    """Mean loss and 0-1 error at ``points`` points of every segment.

    Work is shared as far as the path's kinds allow:

    * all knots that compute one function (``path.functions``) are evaluated
      once, so that a constant segment costs one evaluation, or none;
    * an affine segment costs the outputs at its ends, whatever ``points``;
      between them the outputs are interpolated.  Layers that do not move
      along it are evaluated once for both ends;
    * a general segment computes the features below its first moving layer,
      and that layer's pre-activations at both ends, once; each point then
      costs one interpolation and the layers above, in blocks of samples that
      fit the cache and, for linear layers, neuron-major: (10, N) x (N, 256)
      runs four times faster than its transpose.  On CUDA with CuPy and one
      linear layer above, all points are one kernel (``cuda.segments``).

    With F the cost of a forward pass, F_1 that of its layers up to the first
    moving one and C the cost of the loss on given outputs: about 2d F + C
    points for the path of K19's Theorem 1 and two F for the two-layer path of
    S20; 2 F_1 + points (F - F_1) for a general segment.

    Parameters
    ----------
    network : the network
    path : a path through its parameters
    x : (n, features) or (n, C, H, W), in the parameters' dtype and device.
    y : (n,) class indices; for ``loss="square"`` also real targets.
    points : on each segment, both knots included; at least 2.
    loss : "cross_entropy" or "square", as in ``networks.losses``.
    batch : samples at once; None: as many as fit the cache.

    Returns
    -------
    LossCurve
        A :class:`LossCurve`.

    Raises
    ------
    ValueError
        For too few points, another loss or wrong shapes, and where a
        parameter, x, y or the loss at a point is not finite.
    """
    points = whole("points", points, 2)
    batch = None if batch is None else whole("batch", batch)
    for k in (0, len(path)):
        network.check(path.knots[k], f"path.knots[{k}]")
    x, y = samples(network, path.knots[0], x, y, loss=loss)
    with torch.no_grad():
        work = _Work(network, path, x, y, points, loss, batch)
        return work.curve()


profile, Profile = loss_curve, LossCurve  # their old names


class _Work:
    """The state of one call: what is known of the path's functions."""

    def __init__(self, network, path, x, y, points, loss, batch):
        self.network, self.path, self.loss = network, path, loss
        self.x, self.y, self.batch = x, y, batch
        self.places = [j / (points - 1) for j in range(points)]
        self.functions = path.functions
        self.outputs = {}  # by function: (outputs, n)
        self.known = {}  # by function: loss and error, (2,)
        self.passes = 0

    def curve(self):
        path, kinds = self.path, self.path.kinds
        inside = {}  # by segment: (2, points - 2)
        # affine ones first: general ones need no outputs at knots
        order = sorted(range(len(path)), key=lambda k: kinds[k] == "general")
        for k in progress(order, desc="loss curve", unit="segment"):
            if kinds[k] == "affine":
                inside[k] = self.affine(k)
            elif kinds[k] == "general":
                inside[k] = self.general(k)
        columns = []
        for k, kind in enumerate(kinds):
            knot = self.at(k)[:, None]
            columns.append(knot)
            if kind == "constant":
                inside[k] = knot.expand(2, len(self.places) - 2)
            columns.append(inside[k])
        columns.append(self.at(len(path))[:, None])
        loss, error = torch.cat(columns, 1).double().cpu()
        check_finite("the loss along the path", loss)
        steps = len(self.places) - 1
        place = torch.arange(len(loss), dtype=torch.float64)
        return LossCurve(
            t=place / (len(path) * steps),
            loss=loss,
            error=error,
            kind=tuple(k for k in kinds for _ in range(steps)) + kinds[-1:],
            passes=self.passes,
        )

    def at(self, knot):
        """Loss and error at a knot, (2,)."""
        function = self.functions[knot]
        if function not in self.known:
            self.evaluate(knot)
        return self.known[function]

    def affine(self, segment):
        """Loss and error inside an affine segment, (2, points - 2)."""
        for knot in (segment, segment + 1):
            if self.functions[knot] not in self.outputs:
                self.evaluate(*self.leaving(knot))
        z0, z1 = (self.outputs[self.functions[segment + e]] for e in (0, 1))
        for function in list(self.outputs):
            if function < self.functions[segment + 1]:  # left behind
                del self.outputs[function]
        inside = [z0.new_empty(2, 0)]
        for place in self.places[1:-1]:
            value = self.measure(torch.lerp(z0, z1, place))
            inside.append(value[:, None])
        return torch.cat(inside, 1)

    def leaving(self, knot):
        """Where to evaluate a knot's function: where the path leaves it.

        If that is along an affine segment, its other end comes along.
        """
        function, last = self.functions[knot], len(self.path)
        while self.functions[last] != function:
            last -= 1
        if last < len(self.path) and self.path.kind(last) == "affine":
            return last, last + 1
        return (last,)

    def evaluate(self, *knots):
        """Outputs at one knot, or at two that share their lower layers."""
        thetas = [self.path.knots[k] for k in knots]
        still = _still(thetas[0], thetas[-1])
        shape = self.network.widths[-1], len(self.x)
        z = [self.x.new_empty(shape) for _ in knots]
        for rows in self.blocks(1024):
            h = self.network.features(thetas[0], self.x[rows], still)
            for theta, out in zip(thetas, z):
                out[:, rows] = self.network.forward_from(theta, h, still).T
        for k, out in zip(knots, z):
            self.outputs[self.functions[k]] = out
            self.known[self.functions[k]] = self.measure(out)
        self.passes += len(knots)

    def measure(self, z):
        """Mean loss and error of outputs (outputs, n), (2,)."""
        return torch.stack(losses.mean_loss_and_error(z.T, self.y, self.loss))

    def general(self, segment):
        """Loss and error inside a general segment, (2, points - 2).

        Its knots are done along with it where they are not known.
        """
        knots = [
            k
            for k in (segment, segment + 1)
            if self.functions[k] not in self.known
        ]
        places = self.places[1:-1] + [float(k - segment) for k in knots]
        total = self.x.new_zeros(2, len(places), dtype=torch.float64)
        for sums in self.moving(segment, places):
            total += sums
        self.passes += len(places)
        total /= len(self.x)
        inside, ends = total.split((len(places) - len(knots), len(knots)), 1)
        for k, value in zip(knots, ends.T):
            self.known[self.functions[k]] = value
        return inside

    def moving(self, segment, places):
        """Summed loss and errors at all places, one block of samples each."""
        network, (theta, other) = self.network, self.path.ends(segment)
        still = _still(theta, other)
        moving = still + 1  # the first layer that moves
        (w0, b0), (w1, b1) = theta[still], other[still]
        flat = all(layer.kernel is None for layer in network.layers[still:])
        fused = flat and moving == network.depth - 1
        fused = fused and launch.usable(w0, network.widths[-1])
        if not fused:
            above = _between(theta[moving:], other[moving:], places)
        widest = max(math.prod(shape) for shape in network.shapes[1:])
        size = 256 if flat else max(16, (1 << 21) // widest)
        for rows in self.blocks(size):
            h = network.features(theta, self.x[rows], still)
            if flat:
                start, end = _rows(w0, b0, h.T), _rows(w1, b1, h.T)
            else:
                start = network.linear(moving, w0, h, b0)
                end = network.linear(moving, w1, h, b1)
            y = self.y[rows]
            if fused:
                ends = theta[-1], other[-1]
                yield _fused(start, end, *ends, places, y, self.loss)
                continue
            a = torch.empty_like(start)
            z = h.new_empty(len(places), network.widths[-1], len(h))
            for j, place in enumerate(places):
                torch.lerp(start, end, place, out=a)
                if flat:
                    z[j] = _climb(above(j), a)
                else:
                    lifted = (None,) * moving + above(j)
                    h = network.activate(moving, a)
                    z[j] = network.forward_from(lifted, h, moving).T
            loss = losses.sample_losses(z.mT, y, self.loss).sum(1)
            wrong = losses.sample_errors(z.mT, y).sum(1)
            yield torch.stack((loss.double(), wrong.double()))

    def blocks(self, size):
        size = self.batch or (32 * size if self.x.is_cuda else size)
        for start in range(0, len(self.x), size):
            yield slice(start, start + size)


def _still(theta, other):
    """How many of the lowest layers do not move, d - 1 at most."""
    for i, (pair, twin) in enumerate(zip(theta[:-1], other[:-1])):
        for p, q in zip(pair, twin):
            if p is not q and not torch.equal(p, q):
                return i
    return len(theta) - 1


def _between(layers, others, places):
    """A function of j: the layers at places[j], made once if they fit."""

    def at(j):
        return tree.lerp(layers, others, places[j])

    if len(places) * sum(w.numel() for w, _ in layers) > _STORED:
        return at
    made = [at(j) for j in range(len(places))]
    return made.__getitem__


def _fused(start, end, layer, other, places, y, loss):
    """``segment_losses``, exact at t = 1 too: the end's own values there."""
    found = segment_losses(start, end, layer, other, places, y, loss)
    if 1.0 in places:
        at = segment_losses(end, end, other, other, [0.0], y, loss)
        found[:, places.index(1.0)] = at[:, 0]
    return found


def _rows(weight, bias, h):
    """A linear layer, neuron-major: h (in, n) to (out, n)."""
    if bias is None:
        return weight @ h
    return torch.addmm(bias[:, None], weight, h)


def _climb(layers, a):
    """Through ReLU and linear layers, neuron-major; overwrites ``a``."""
    for weight, bias in layers:
        a = _rows(weight, bias, a.relu_())
    return a
