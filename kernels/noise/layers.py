"""Dropout of one layer: Lemma 5, measured and with its constants."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from kernels import states
from kernels.networks import Network, Parameters, columns
from kernels.noise.linearised import (
    Linearised,
    check,
    frobenius,
    multipliers,
    norms,
)
from kernels.runs.progress import progress
from kernels.training import block_size


@dataclass(frozen=True)
class LayerNoise:
    """||U (A^_i - A_i) phi|| with U = J^{i,d} and phi = phi(x^{i-1}).

    How far dropout of the one layer moves the linearised output.
    """

    layer: int
    p: float
    measured: Tensor  # (draws, n)
    rms: Tensor  # (n,), its exact root mean square over Algorithm 1
    bernstein: Tensor  # (n,), holds for all samples with 1 - delta
    stated: Tensor  # (n,), K19's epsilon' ||A_i||_F ||U|| ||phi||
    dropped: Tensor  # (draws,), the fraction of units dropped


@states("K19", "Lemma 5", "Lemma 8")
@torch.no_grad()
def layer_noise(
    net: Network,
    theta: Parameters,
    x: Tensor,
    layer: int,
    *,
    p: float,
    draws: int = 100,
    generator: torch.Generator,
    delta: float = 0.25,
    constant: float = 1.0,
    convolution: str = "kernel",
    block: int | None = None,
) -> LayerNoise:
    """K19, Lemma 5, for layer i = ``layer``, 2 … d, on samples x.

    Unit j of layer i - 1 contributes v_j = U [A_i]_j phi_j to the linearised
    output, and the noise is the sum of v_j (delta_j - 1) over the units, so
    that all draws are one product.  Its mean square is exactly

        p / (1 - p) sum_j ||v_j||^2,

    and the vector Bernstein inequality (K19, Lemma 8) with this variance and
    the largest term, and a union over n samples, bounds it with probability
    1 - ``delta`` by the root t of t^2 / 2 = L (variance + R t / 3), R =
    max(1, p / (1 - p)) max_j ||v_j||, L = log(n (outputs + 1) / delta): no
    constant is left open.  ``stated`` is the lemma's own bound,

        constant sqrt(p log(n outputs / delta) / h_min) ||A_i||_F ||U|| ||phi||

    with h_min the least number of units of a hidden layer.  Biases play no
    part.

    Parameters
    ----------
    net : the network
    theta : its parameters
    x : (n, features) or (n, C, H, W)
    layer : i, 2 … d
    p : the probability that a unit is dropped
    draws : dropout networks; they are the same for all samples
    generator : (draws, h_{i-1}) numbers
    delta : the probability with which the bound may fail
    constant : stands for the one that K19's O hides
    convolution : as in :func:`stability`
        The lemma holds with ``"toeplitz"``.
    block : samples at once; None: as memory allows

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit.

    Cost: a backward pass an output, and draws x units x outputs a sample.
    """
    theta, x = check(net, theta, x, "affine")
    if not 2 <= layer <= net.depth:
        raise ValueError(f"layer is {layer}; 2 to {net.depth} will do")
    if not 0 < delta < 1:
        raise ValueError(f"delta is {delta}; between 0 and 1 will do")
    below, outputs = layer - 1, net.widths[-1]
    draw = multipliers(net, [below], p, draws, generator, x)[below]
    size = frobenius(net, layer, theta[below][0], convolution)
    blocks, found = x.split(block or block_size(net, x, 2 * outputs)), []
    for xs in progress(blocks, desc=f"dropout of layer {layer}"):
        at = Linearised(net, theta, xs)
        rows = at.output_rows([below], features=True)[below]
        terms = columns(
            (rows * at.h[below].flatten(1)[:, None]).flatten(0, 1),
            net.widths[below],
        ).sum(2)
        terms = terms.unflatten(0, (-1, outputs))  # (n, outputs, units)
        noise = torch.tensordot(draw - 1, terms, ([1], [2]))
        top = torch.linalg.matrix_norm(
            at.output_rows([layer])[layer].double(), 2
        ).to(terms)
        each = terms.norm(dim=1)  # (n, units)
        found.append(
            (
                noise.norm(dim=2).mT,  # (n, draws)
                each.norm(dim=1),
                each.amax(1),
                top * norms(at.h[below]),
            )
        )
    noise, total, largest, scale = map(torch.cat, zip(*found))
    rms = math.sqrt(p / (1 - p)) * total
    log = math.log(len(x) * (outputs + 1) / delta)
    step = log / 3 * max(1, p / (1 - p)) * largest
    coefficient = p * math.log(len(x) * outputs / delta) / min(net.hidden)
    return LayerNoise(
        layer=layer,
        p=p,
        measured=noise.mT,
        rms=rms,
        bernstein=step + (step.square() + 2 * log * rms.square()).sqrt(),
        stated=constant * math.sqrt(coefficient) * size * scale,
        dropped=(draw == 0).double().mean(1),
    )
