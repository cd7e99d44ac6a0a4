"""Linear layers on an interval: pieces, and one product for all of them.

On an interval of a segment, with tau in [-1, 1] along it, a layer is W(tau) =
M + tau D and b(tau) = b_m + tau b_d.  A *piece* is one sample on a part [lo,
hi] of the interval on which the features are polynomials in tau, up to a box:
values at q Chebyshev nodes of the *interval*, so that all pieces are
multiplied by the same q matrices W(tau_k).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from kernels.certificates import rounding
from kernels.certificates.pieces import polynomials as poly
from kernels.networks import Network, Pool
from kernels.networks.aliases import Pair

_UP = 1 + 1e-12
_FORMING = 16 * poly.UNIT  # what M, D and W(tau_k) lose, of |W0| + |W1|


@dataclass
class Pieces:
    """Pieces of several samples.

    ``sample`` (P,), ``lo``, ``hi`` (P,): place in [-1, 1]; ``h`` (q, P, …):
    features at the nodes; ``rho`` (P, …) at least how far the true features
    are from the polynomials, on [lo, hi]; ``size`` (P, …), where that is known
    already, at least twice the largest |h| at the nodes, but for four
    roundings.
    """

    sample: Tensor
    lo: Tensor
    hi: Tensor
    h: Tensor
    rho: Tensor
    size: Any = None

    def __len__(self) -> int:
        return len(self.sample)

    def halves(self) -> Iterator["Pieces"]:
        """Two parts, of half as many pieces."""
        for part in torch.arange(len(self), device=self.lo.device).chunk(2):
            yield self.pick(part)

    def pick(self, index: Tensor) -> "Pieces":
        return Pieces(
            self.sample[index],
            self.lo[index],
            self.hi[index],
            self.h.index_select(1, index),
            self.rho.index_select(0, index),
            None if self.size is None else self.size.index_select(0, index),
        )


@dataclass
class Line:
    """A weight or bias on a segment: its start, its change, |start| + |end|.

    The last two are None where nothing moves, all three for no bias.
    """

    start: Any
    change: Any
    size: Any


def lines(pair: Pair, twin: Pair) -> tuple[Line, Line]:
    """A layer's weight and bias from ``pair`` to ``twin``."""
    return _line(pair[0], twin[0]), _line(pair[1], twin[1])


def _line(p: Any, q: Any) -> Line:
    if p is None or p is q or torch.equal(p, q):
        return Line(p, None, None)
    return Line(p, q - p, rounding.normal(p.abs() + q.abs()))


class Moving:
    """Layer i of a network on the interval [start, stop] of a segment.

    ``start`` and ``stop`` are multiples of 2^-40, so that their middle and
    half their distance are exact.
    """

    def __init__(
        self,
        network: Network,
        i: int,
        lines: tuple[Line, Line],
        start: float,
        stop: float,
    ) -> None:
        self.network, self.i = network, i
        middle, half = (start + stop) / 2, (stop - start) / 2
        weight, bias = lines
        self.weight, self.step = _between(weight, middle, half)
        self.bias, self.bias_step = _between(bias, middle, half)
        self.bias_size = bias.size
        self.length = math.prod(self.weight.shape[1:]) + 1
        forming = _FORMING / self.gamma(1, 1)
        size = self.weight.abs()
        if self.step is not None:
            size.add_(self.step.abs()).add_(weight.size, alpha=forming)
        # what the products with it lose is in it
        self._up = 1 + 4 * (self.length + 8) * poly.UNIT
        self.size = size.mul_(self._up)
        self._at: dict[int, tuple[Any, Any]] = {}

    def gamma(self, factor: float, q: int) -> float:
        """Rounding of a product at q nodes, of |W| max|h|."""
        return factor * (self.length + 24 + 4 * q) * poly.UNIT

    def at_nodes(self, q: int) -> tuple[Any, Any]:
        """Weights and biases at the q nodes; one where nothing moves."""
        if q not in self._at:
            places = poly.nodes(q)
            self._at[q] = (
                _at(self.weight, self.step, places),
                _at(self.bias, self.bias_step, places),
            )
        return self._at[q]

    def products(self, h: Tensor) -> Tensor:
        """W(tau_k) h_k + b(tau_k) at all nodes: (q, P, …)."""
        weights, biases = self.at_nodes(len(h))
        if h.dim() == 3 and self.weight.dim() == 2:
            if self.step is None:
                z = torch.nn.functional.linear(h, weights[0])
            else:
                z = torch.bmm(h, weights.mT)
            return z if biases is None else z.add_(biases[:, None])
        last_w = len(weights) - 1
        last_b = -1 if biases is None else len(biases) - 1
        return torch.stack(
            [
                self.network.linear(
                    self.i,
                    weights[min(k, last_w)],
                    one,
                    None if biases is None else biases[min(k, last_b)],
                )
                for k, one in enumerate(h)
            ]
        )

    def _bend(self, c: Tensor) -> tuple[Tensor, Tensor]:
        """At least |D c| / 2, a product of D's rows' norms and the pieces'."""
        floor = 1e-150  # squares of less may underflow
        rows = self.step.flatten(1).norm(dim=1) * (1 + 1e-12) + floor
        rows = rows * self._up
        size = c.flatten(1).norm(dim=1) * (1 + 1e-12) + floor
        rows = rows / 2 if c.dim() == 2 else rows[:, None, None] / 2
        return size.reshape(-1, *[1] * (c.dim() - 1)), rows

    def _floor(self, gamma: float, dim: int) -> Any:
        """What the bias loses, and underflow, for rho of ``dim`` axes."""
        if self.bias is None:
            return poly.TINY
        bias = self.bias.abs()
        if self.bias_step is not None:
            bias = bias + self.bias_step.abs() + self.bias_size
        bias = gamma * self._up * bias + poly.TINY
        return bias.reshape(-1, *[1] * (dim - 2))

    def linear(self, pieces: Pieces, cap: int) -> Pieces:
        """The pre-activations, as pieces.

        Up to ``cap`` nodes the degree rises and the product is exact; from
        there on its last coefficient goes to the box.
        """
        h, q = pieces.h, len(pieces.h)
        to, bent = q, None
        if self.step is not None:
            if q <= cap:
                to = q + 1
            else:
                bent = poly.apply(poly.to_coefficients(q)[-1:], h)[0]
        elif self.bias_step is not None:
            to = max(q, 2)
        factor = poly.LEBESGUE[q] + (bent is not None)
        size = pieces.size
        if size is None:
            size = 2 * poly.largest(h)
        if to > q:
            h = poly.apply(poly.lift(q, to), h)
            factor = poly.LEBESGUE[q] * poly.LEBESGUE[to]
        gamma = self.gamma(factor, to)
        z = self.products(h)
        spread = torch.add(pieces.rho, size, alpha=gamma / 2 * _UP)
        rho = self.network.linear(self.i, self.size, spread)
        rho.add_(self._floor(gamma, rho.dim()))
        if bent is not None:
            rho.addcmul_(*self._bend(bent))
        return Pieces(pieces.sample, pieces.lo, pieces.hi, z, rho)


def interval_layers(
    network: Network,
    on: list[tuple[Line, Line]],
    first: int,
    start: float,
    stop: float,
) -> list[Moving]:
    """Layers ``first`` … d on one interval; ``on`` the segment."""
    return [
        Moving(network, i, on[i - first], start, stop)
        for i in range(first, network.depth + 1)
    ]


def gains(network: Network, layers: list[Moving]) -> list[Tensor]:
    """For each of ``layers``, how much its units can weigh in the outputs.

    One number a pre-activation (flat): the largest entry, over outputs, in the
    product of the layers' |W| above, times 1/2 a layer.  A guess at what is
    worth a cut; no bound rests on it.
    """
    outputs = network.widths[-1]
    rows = torch.eye(
        outputs, dtype=torch.float64, device=layers[0].weight.device
    )
    found = [rows.amax(0)]
    for layer in reversed(layers[1:]):
        i = layer.i
        below = torch.zeros(
            outputs,
            *network.shapes[i - 1],
            dtype=torch.float64,
            device=rows.device,
        )
        if layer.weight.dim() == 2:
            rows = rows @ layer.size.flatten(1) / 2
            rows = rows.reshape(below.shape)
        else:
            with torch.enable_grad():
                below.requires_grad_()
                out = network.linear(i, layer.size, below)
                out = out if out.shape == rows.shape else out.flatten(1)
                (rows,) = torch.autograd.grad(
                    out, below, rows.reshape(out.shape)
                )
            rows = rows / 2
        for pool, shape in _pools(network, i - 1):
            rows = _unpool(pool, shape, rows)
        found.append(rows.flatten(1).amax(0))
    return found[::-1]


def _pools(network: Network, i: int) -> list[tuple[Pool, tuple[int, ...]]]:
    """Layer i's pools, last first, with the shapes that they read."""
    layer, below = network.layers[i - 1], network.shapes[i - 1]
    if layer.kernel is None:
        return []
    size = [
        (side + 2 * layer.padding - layer.kernel) // layer.stride + 1
        for side in below[1:]
    ]
    read = []
    for pool in layer.pools:
        read.append((pool, (layer.width, *size)))
        size = [*pool.shape(*size)]
    return read[::-1]


def _unpool(pool: Pool, shape: tuple[int, ...], rows: Tensor) -> Tensor:
    h = torch.zeros(len(rows), *shape, dtype=rows.dtype, device=rows.device)
    with torch.enable_grad():
        h.requires_grad_()
        if pool.kind == "max":
            out = replace(pool, kind="average")(h) * pool.size**2
        else:
            out = pool(h)
        (rows,) = torch.autograd.grad(out, h, rows)
    return rows


def _between(line: Line, middle: float, half: float) -> tuple[Any, Any]:
    """The middle and the step of a part; no step where nothing moves."""
    if line.change is None:
        return line.start, None
    centre = torch.add(line.start, line.change, alpha=middle)
    return centre, line.change * half


def _at(
    middle: Tensor | None, step: Tensor | None, places: tuple[float, ...]
) -> Tensor | None:
    if middle is None:
        return None
    if step is None:
        return middle[None]
    at = torch.tensor(places, dtype=middle.dtype, device=middle.device)
    at = at.reshape(-1, *[1] * middle.dim())
    return torch.addcmul(middle, at, step)
