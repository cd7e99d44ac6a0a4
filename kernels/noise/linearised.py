"""A network on samples, and its linearisation there."""

import math
from typing import Any

import torch
from torch import Tensor

from kernels.networks import Network, Parameters, columns
from kernels.networks.checks import one_of
from kernels.networks.samples import inputs


class Linearised:
    """The layers' values on samples x, and the maps J^{i,j} at them.

    ``z[i]`` are the pre-activations x^i (n, ...), i = 1 … d, and ``h[i]``
    what layer i + 1 reads, phi(x^i); ``h[0]`` is the input.

    phi's linearisation keeps the units that are on at x on and the others
    off, and takes from each pooling window the place that is largest at x.
    """

    def __init__(self, net: Network, theta: Parameters, x: Tensor):
        self.net, self.theta = net, theta
        self.n = len(x)
        # what entry 0 would be, there is none
        self.z: list[Any] = [None]
        self.h = [net.features(theta, x, 0)]
        self._on: list[Any] = [None]
        self._winners: list[Any] = [None]
        for i, (weight, bias) in enumerate(theta, 1):
            z = net.linear(i, weight, self.h[-1], bias)
            self.z.append(z)
            if i == net.depth:
                break
            self.h.append(net.activate(i, z))
            self._on.append(z > 0)
            self._winners.append(_winners(net.layers[i - 1].pools, z))

    def phi(self, i: int, t: Tensor) -> Tensor:
        """The linearisation of phi at x^i, applied to ``t``.

        ``t`` (k n, ...): k stacked copies of the samples, each of the shape
        of ``z[i]``.
        """
        if i == self.net.depth:
            return t
        t = (t.unflatten(0, (-1, self.n)) * self._on[i]).flatten(0, 1)
        pools = self.net.layers[i - 1].pools
        for pool, winners in zip(pools, self._winners[i]):
            if winners is None:
                t = pool(t)
                continue
            copies = len(t) // self.n
            index = winners.expand(copies, *winners.shape).flatten(0, 1)
            flat = t.flatten(2).gather(2, index.flatten(2))
            t = flat.view(index.shape)
        return t.flatten(1) if self.h[i].dim() == 2 else t

    def jacobian(self, i: int, j: int, t: Tensor) -> Tensor:
        """J^{i,j} at x^i applied to ``t``, (k n, ...)."""
        for l in range(i + 1, j + 1):  # noqa: E741
            weight = self.theta[l - 1][0]
            t = self.net.linear(l, weight, self.phi(l - 1, t))
        return t

    def output_rows(self, layers, *, features=False) -> dict[int, Tensor]:
        """J^{i,d} as matrices, {i: (n, outputs, size of x^i)}.

        With ``features`` instead the derivative by phi(x^i), which is
        J^{i+1,d} A_{i+1}.  Cost: one backward pass an output.
        """
        d = self.net.depth
        with torch.enable_grad():
            t = self.z[1].detach().requires_grad_()
            at = {}
            for i in range(1, d):
                at[i] = t
                t = self.phi(i, t)
                at[i] = t if features else at[i]
                t = self.net.linear(i + 1, self.theta[i][0], t)
            at[d] = t
            sums = t.sum(0).unbind()
        rows = [
            torch.autograd.grad(
                one, [at[i] for i in layers], retain_graph=True
            )
            for one in sums
        ]
        return {
            i: torch.stack([row.flatten(1) for row in column], 1)
            for i, column in zip(layers, zip(*rows))
        }


def _winners(pools, z):
    """For each pool the places of the maxima, None where it is linear."""
    h, winners = torch.relu(z), []
    for pool in pools:
        if pool.kind == "max":
            h, index = pool.maxima(h)
        else:
            h, index = pool(h), None
        winners.append(index)
    return winners


def norms(t: Tensor) -> Tensor:
    """Each sample's Euclidean norm, (n,)."""
    return t.flatten(1).norm(dim=1)


def frobenius(net: Network, i: int, weight: Tensor, convolution: str):
    """||A_i||_F: of the kernel, or of the matrix that a convolution is.

    "toeplitz": every weight counts as often as the convolution uses it.
    """
    one_of("convolution", convolution, ("kernel", "toeplitz"))
    if convolution == "kernel" or net.layers[i - 1].kernel is None:
        return weight.norm()
    ones = weight.new_ones((1, *net.shapes[i - 1]))
    return net.linear(i, weight.square(), ones).sum().sqrt()


def normalised(theta, x):
    """The same network in units in which no layer is large or small.

    Returns theta, x and the exponents e_0 … e_d: x is over 2^e_0 and layer
    i's values come out over 2^e_i.  What is a quotient of norms stays as it
    was, to the bit where nothing overflowed.
    """
    powers, layers = [_exponent(x)], []
    for weight, bias in theta:
        power = powers[-1] + _exponent(weight)
        if bias is not None:
            power = max(power, math.frexp(float(bias.abs().max()))[1])
            bias = times(bias, -power)
        layers.append((times(weight, powers[-1] - power), bias))
        powers.append(power)
    return tuple(layers), times(x, -powers[0]), powers


def _exponent(t):
    """e, with 2^e near the root mean square of the norms of t's rows."""
    top = math.frexp(float(t.abs().max()))[1]
    size = float(times(t, -top).double().norm())
    return top + math.frexp(size / len(t) ** 0.5)[1]


def times(t, power):
    """2^power t, also where 2^power itself is no number of t's dtype."""
    while power:
        step = max(-100, min(power, 100))
        t, power = t * 2.0**step, power - step
    return t


def unit_spread(h: Tensor, units: int) -> Tensor:
    """sqrt(units) times the largest unit's share of the norm, (n,).

    For neurons sqrt(h_i) ||phi||_inf / ||phi||: 1 where all are equal.
    """
    each = columns(h, units).norm(dim=2)  # (n, units)
    return units**0.5 * each.amax(1) / each.norm(dim=1)


def multipliers(net, layers, p, draws, generator, like):
    """Algorithm 1's delta: {l: (draws, h_l)} for the units of ``layers``.

    0 with probability p, else 1 / (1 - p); drawn on the generator's device.
    """
    if not 0 < p < 1:
        raise ValueError(f"p is {p}; a number between 0 and 1 will do")
    if draws < 1:
        raise ValueError(f"draws is {draws}; at least 1 will do")
    found = {}
    for l in layers:  # noqa: E741
        kept = torch.rand(
            (draws, net.widths[l]),
            generator=generator,
            dtype=torch.float64,
            device=generator.device,
        )
        found[l] = (kept >= p).to(like) / (1 - p)
    return found


def check(net, theta, x, biases):
    """``theta`` and ``x`` in one form.

    ValueError where they do not fit, or the definitions do not apply.
    """
    one_of("biases", biases, ("refuse", "affine"))
    theta = net.check(theta)
    if net.depth < 2:
        raise ValueError(
            f"the network has depth {net.depth}; noise stability needs "
            "hidden layers, a depth of 2 or more"
        )
    x = inputs(net, theta, x)
    biased = [
        i for i in range(2, net.depth + 1) if theta[i - 1][1] is not None
    ]
    if biased and biases == "refuse":
        raise ValueError(
            f"layers {biased} have biases, so that M(x) is not Jx and K19's "
            "definitions do not apply as they stand; biases='affine' takes "
            "x^j itself for Jx^i and the affine map x^j + J(. - x^i) for J, "
            "with which the proof of Lemma 3 holds word for word"
        )
    return theta, x
