"""Layer cushion, interlayer cushion, activation contraction: Definition 2."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any

import torch
from torch import Tensor

from kernels import states
from kernels.networks import Network, Parameters, checks
from kernels.noise.linearised import (
    Linearised,
    check,
    frobenius,
    normalised,
    norms,
    times,
)
from kernels.noise.spectral import spectral_norms
from kernels.runs.progress import progress
from kernels.training import block_size

_FEW = 64  # outputs up to which J^{i,d} is computed whole
_BASIS = 1 << 21  # numbers of a Lanczos basis held at once: in the cache
_BASIS_CUDA = 1 << 28


@dataclass(frozen=True)
class Stability:
    """The quantities of K19's Definition 2, sample by sample.

    A value is NaN where it is 0/0: behind a layer that is all off.
    ``jacobian_norm`` and ``output_norm`` are float64, the others of the
    parameters' dtype.
    """

    widths: tuple[int, ...]  # of the inputs, hidden layers and outputs
    layer_cushion: dict[int, Tensor]  # {i: (n,)}, i = 2 … d
    interlayer_cushion: dict[tuple[int, int], Tensor]  # {(i, j): (n,)}, i <= j
    activation_contraction: dict[int, Tensor]  # {i: (n,)}, i = 1 … d - 1
    jacobian_norm: dict[tuple[int, int], Tensor]  # ||J^{i,j}||, as above
    output_norm: Tensor  # ||f(x)||, (n,)
    error: float  # largest estimated relative error of a Jacobian's norm

    @property
    def minimal_interlayer_cushion(self) -> dict[int, Tensor]:
        """{i: (n,)}: the least over j = i … d, where all j were asked for."""
        d = len(self.widths) - 1
        least = {}
        for i in range(1, d + 1):
            pairs = [(i, j) for j in range(i, d + 1)]
            if all(pair in self.interlayer_cushion for pair in pairs):
                values = [self.interlayer_cushion[pair] for pair in pairs]
                least[i] = reduce(torch.fmin, values)  # leaves NaN out
        return least

    @property
    def all_off(self) -> Tensor:
        """(n,), True where some hidden layer has no unit that is on."""
        values = torch.stack(list(self.activation_contraction.values()))
        return ~torch.isfinite(values).all(0)

    @property
    def mu(self) -> dict[int, float]:
        """K19's mu_i: the least layer cushion over the samples."""
        return {i: _least(v) for i, v in self.layer_cushion.items()}

    @property
    def mu_minimal(self) -> dict[int, float]:
        """K19's mu_{i->}: the least minimal interlayer cushion."""
        least = self.minimal_interlayer_cushion
        return {i: _least(v) for i, v in least.items()}

    @property
    def c(self) -> float:
        """K19's c: the largest contraction, samples that are off left out.

        By the definition it is infinite where :attr:`all_off` is ever true;
        here where no sample is on in any layer.
        """
        values = torch.cat(list(self.activation_contraction.values()))
        values = values[torch.isfinite(values)]
        return float(values.max()) if len(values) else math.inf

    @states("K19", "Definition 4")
    def epsilon(
        self, *, beta: float = math.sqrt(2), constant: float = 1.0
    ) -> float:
        """The epsilon of K19, Definition 4.

        ``beta``: the loss' Lipschitz constant, sqrt(2) for cross-entropy.
        The definition itself has no free constant, but Lemma 3 bounds the
        rise of the loss by epsilon sqrt(p) only up to one, and logarithms,
        that K19 leaves open: ``constant`` multiplies.  h_min is the least
        number of units (neurons or channels) of a hidden layer.  Infinite
        where all samples are off, or a cushion is 0.  ValueError for a
        ``beta`` or ``constant`` that is not positive.
        """
        _positive(beta=beta, constant=constant)
        ratio = self._ratio(1.5)
        if math.isinf(ratio):  # the outputs may all be 0
            return math.inf
        return constant * beta * ratio * _largest(self.output_norm)

    @states("K19", "Lemma 3")
    def relative_bound(
        self, *, p: float, delta: float = 0.25, constant: float = 1.0
    ) -> float:
        """The epsilon' of K19, Lemma 3, from its proof.

        There, with probability 1/2 - ``delta``, dropout with probability
        ``p`` in layers 2 … i moves x^j by at most (i/d) epsilon' ||x^j||.
        ``constant`` stands for the one that K19's O hides.  ValueError for
        what is no probability or not positive.
        """
        if not 0 < p < 1:
            raise ValueError(f"p is {p}; a number between 0 and 1 will do")
        if not 0 < delta < 0.5:
            raise ValueError(
                f"delta is {delta}; more than 0 and less than 1/2 will do"
            )
        _positive(constant=constant)
        m, d = len(self.output_norm), len(self.widths) - 1
        log = math.log(m * d * self.widths[-1] / delta)
        return constant * math.sqrt(p * log) * self._ratio(1.0)

    def _ratio(self, power):
        d = len(self.widths) - 1
        mu, minimal = self.mu, self.mu_minimal
        missing = [i for i in range(2, d + 1) if i not in minimal]
        if missing:
            raise ValueError(
                f"interlayer_cushion lacks pairs (i, j) for i = {missing}; "
                "stability with pairs=None computes all"
            )
        least = min(mu[i] * minimal[i] for i in range(2, d + 1))
        if bool(self.all_off.all()) or least == 0:
            return math.inf
        return self.c * d**power / (math.sqrt(min(self.widths[1:-1])) * least)


@states("K19", "Definition 2")
@torch.no_grad()
def stability(
    net: Network,
    theta: Parameters,
    x: Tensor,
    *,
    pairs: Iterable[tuple[int, int]] | None = None,
    convolution: str = "kernel",
    biases: str = "refuse",
    tolerance: float = 1e-6,
    block: int | None = None,
) -> Stability:
    """K19, Definition 2, on samples x, in the parameters' dtype.

    In units, powers of two, in which no layer is large or small.

    layer cushion           ||x^i|| / (||A_i||_F ||phi(x^{i-1})||)
    interlayer cushion      ||J x^i|| / (||J|| ||x^i||), J = J^{i,j} at x^i
    activation contraction  ||x^i|| / ||phi(x^i)||

    Parameters
    ----------
    net : the network
    theta : its parameters
    x : (n, features) or (n, C, H, W).
    pairs : the (i, j), 1 <= i <= j <= d, of interlayer cushions; None: all.
        Those with i = j, which are 1, cost nothing.
    convolution : what ||A_i||_F of a convolution is
        K19 defines it for matrices.  ``"kernel"``: the norm of the kernel's
        weights; ``"toeplitz"``: that of the matrix that the convolution is,
        about sqrt(height x width of the output) times as large, with which
        the cushion is at most 1 and Lemma 5 holds.
    biases : ``"refuse"``, or ``"affine"``
        With biases in layers 2 … d, M(x) is not Jx.  ``"affine"`` puts the
        pre-activations themselves, with biases, for A_i phi(x^{i-1}) and J
        x^i in the numerators: what the proof of Lemma 3 needs of them.
    tolerance : relative, of ||J||; see :func:`spectral_norms`.
    block : samples at once; None: as memory allows.

    Returns
    -------
    Stability
        A :class:`Stability`.

    Raises
    ------
    ValueError, TypeError
        Where theta, x or pairs do not fit, for biases that are refused,
        and for depth 1.

    phi includes pooling (it is what layer i + 1 reads), as in K19's proof,
    where the contraction carries ||x^{i-1}|| to what A_i multiplies.

    Cost: ||J^{i,d}|| is exact, by one backward pass an output for all i
    together; other pairs take 8 to 32 forward and backward passes through
    layers i + 1 … j.
    """
    theta, x, powers = normalised(*check(net, theta, x, biases))
    asked = _pairs(net.depth, pairs)
    sizes = [
        frobenius(net, i, theta[i - 1][0].double(), convolution)
        for i in range(2, net.depth + 1)
    ]
    blocks = x.split(block or _block(net, theta, x, asked))
    found = []
    total = len(blocks) * len(asked)
    with progress(desc="noise stability", unit="pair", total=total) as bar:
        for xs in blocks:
            found.append(
                _measure(net, theta, xs, asked, sizes, tolerance, bar)
            )
    layer, inter, contraction, jacobian, output, error = (
        _join(part) for part in zip(*found)
    )
    return Stability(
        widths=net.widths,
        layer_cushion=layer,
        interlayer_cushion=inter,
        activation_contraction=contraction,
        jacobian_norm={
            (i, j): times(norm.double(), powers[j] - powers[i])
            for (i, j), norm in jacobian.items()
        },
        output_norm=times(output.double(), powers[-1]),
        error=float(error.max()),
    )


def _measure(net, theta, x, pairs, sizes, tolerance, bar):
    at, d = Linearised(net, theta, x), net.depth
    z: list[Any] = [None, *map(norms, at.z[1:])]
    h = list(map(norms, at.h))
    layer = {i: z[i] / (size * h[i - 1]) for i, size in enumerate(sizes, 2)}
    contraction = {i: z[i] / h[i] for i in range(1, d)}
    jacobian, error = _jacobian_norms(at, pairs, tolerance, bar)
    inter = {(i, j): z[j] / (jacobian[i, j] * z[i]) for i, j in jacobian}
    return layer, inter, contraction, jacobian, z[d], error


def _jacobian_norms(at, pairs, tolerance, bar):
    net = at.net
    d, outputs = net.depth, net.widths[-1]
    found, error = {}, at.z[d].new_zeros(at.n)
    last = [i for i, j in pairs if i < j == d and outputs <= _FEW]
    if last:
        for i, rows in at.output_rows(last).items():
            rows = rows.double()
            values = torch.linalg.eigvalsh(rows @ rows.mT)  # (n, outputs)
            top = values[:, -1].clamp_min(0).sqrt()
            found[i, d] = top.to(at.z[d])
    for i, j in pairs:
        if i == j:
            found[i, j] = at.z[d].new_ones(at.n)
        elif (i, j) not in found:
            found[i, j], left = spectral_norms(
                partial(at.jacobian, i, j),
                at.z[i],
                tolerance=tolerance,
            )
            error = torch.maximum(error, left)
        bar.update()
    return {pair: found[pair] for pair in pairs}, error


def _pairs(d, pairs):
    every = [(i, j) for i in range(1, d + 1) for j in range(i, d + 1)]
    if pairs is None:
        return every
    pairs = sorted(
        {tuple(checks.whole("an entry of pairs", i) for i in p) for p in pairs}
    )
    for pair in pairs:
        if pair not in every:
            raise ValueError(
                f"pairs has {pair}; (i, j) with 1 <= i <= j <= {d} will do"
            )
    return pairs


def _block(net, theta, x, pairs):
    """Samples at a time: their activations and their Lanczos bases fit."""
    z = Linearised(net, theta, x[:1]).z
    largest = max((z[i].numel() for i, j in pairs if i < j), default=1)
    basis = (_BASIS_CUDA if x.is_cuda else _BASIS) // (32 * largest)
    return max(16, min(block_size(net, x, 4), basis))


def _join(parts):
    if isinstance(parts[0], dict):
        return {key: torch.cat([p[key] for p in parts]) for key in parts[0]}
    return torch.cat(parts)


def _least(values):
    """The least value that is a number; NaN where there is none."""
    values = values[~torch.isnan(values)]
    return float(values.min()) if len(values) else math.nan


def _positive(**numbers):
    for name, value in numbers.items():
        if not 0 < value < math.inf:
            raise ValueError(f"{name} is {value}; a positive one will do")


def _largest(values):
    return float(values.max())
