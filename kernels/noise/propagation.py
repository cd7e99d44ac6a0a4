"""The moments of dropout's noise, carried from layer to layer."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from kernels.networks import Network, Parameters
from kernels.networks.checks import one_of
from kernels.noise.linearised import check


@dataclass(frozen=True)
class OutputNoise:
    """Mean (n, outputs) and covariance (n, outputs, outputs) of outputs."""

    mean: Tensor
    covariance: Tensor


def output_noise(
    net: Network,
    theta: Parameters,
    x: Tensor,
    *,
    p: float,
    relu: str = "linear",
) -> OutputNoise:
    """Mean and covariance of each sample's outputs under dropout.

    Every hidden unit's output is 0 with probability ``p`` and else multiplied
    by 1 / (1 - p), independently, as K19's Algorithm 1 has it for the layers
    2 … d.  With D a layer's multipliers and q = p / (1 - p), features of mean
    m and covariance C become D h of mean m and covariance C + q diag(C_kk +
    m_k²), exactly; a linear layer makes A C A^T of it.

    Parameters
    ----------
    net, theta, x
        Fully connected, with biases or without; x (n, features).
    p
        At least 0, less than 1.
    relu
        ``"linear"``: units stay on or off as they are at ``x``.  Of that
        network, which is K19's linearisation, mean and covariance are exact.
        ``"gaussian"``: pre-activations are taken as Gaussian, one by one, for
        the mean and the variance behind the ReLU, and pairs as jointly
        Gaussian for covariances, by the first two terms of their expansion in
        the correlation.

    Returns
    -------
    OutputNoise

    Raises
    ------
    ValueError
        For another p or relu, convolutions, depth 1, or what is not finite.

    Cost: for each sample and layer, two products of h x h matrices.
    """
    theta, x = check(net, theta, x, "affine")
    one_of("relu", relu, ("linear", "gaussian"))
    if not 0 <= p < 1:
        raise ValueError(f"p is {p}; at least 0 and less than 1 will do")
    if any(layer.kernel is not None for layer in net.layers):
        raise ValueError(
            "net has convolutions; output_noise is for fully connected layers"
        )
    q = p / (1 - p)
    weight, bias = theta[0]
    mean = net.linear(1, weight, x, bias)
    covariance = mean.new_zeros(*mean.shape, mean.shape[1])
    for i in range(2, net.depth + 1):
        if relu == "linear":
            on = (mean > 0).to(mean)
            mean = mean * on
            covariance = covariance * on[:, :, None] * on[:, None, :]
        else:
            mean, covariance = _rectified(mean, covariance)
        noise = q * (covariance.diagonal(dim1=1, dim2=2) + mean.square())
        covariance = covariance + torch.diag_embed(noise)
        weight, bias = theta[i - 1]
        mean = net.linear(i, weight, mean, bias)
        covariance = weight @ covariance @ weight.T
    return OutputNoise(mean, covariance)


def _rectified(mean: Tensor, covariance: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance of the ReLU of Gaussians."""
    variance = covariance.diagonal(dim1=1, dim2=2).clamp_min(0)
    s = variance.sqrt()
    still = s == 0
    a = mean / torch.where(still, 1.0, s)
    share = torch.special.ndtr(a)  # P(z > 0)
    share = torch.where(still, (mean > 0).to(mean), share)
    bell = torch.exp(-a.square() / 2) / math.sqrt(2 * math.pi)
    bell = torch.where(still, 0.0, bell)
    first = mean * share + s * bell
    second = (mean.square() + variance) * share + mean * s * bell
    own = (second - first.square()).clamp_min(0)
    # sum over k of rho^k s s' c_k c_k' / k!: c_1 = share, c_2 = bell
    scale = torch.where(still, 0.0, bell / torch.where(still, 1.0, s))
    pairs = covariance * share[:, :, None] * share[:, None, :]
    pairs = pairs + (
        covariance.square() * scale[:, :, None] * scale[:, None, :] / 2
    )
    eye = torch.eye(mean.shape[1], dtype=torch.bool, device=mean.device)
    return first, torch.where(eye, torch.diag_embed(own), pairs)
