"""Moments of dropout's noise against all masks, integrals, Monte Carlo."""

import itertools
import math

import pytest
import torch

from kernels import networks, noise
from kernels.noise.propagation import _rectified


def case(widths, seed=0, bias=True, samples=4):
    """A random network with biases, and inputs."""
    g = torch.Generator().manual_seed(seed)
    net = networks.mlp(widths, bias=bias)
    theta = net.init(generator=g, dtype=torch.float64, bias="uniform")
    x = torch.randn(samples, widths[0], generator=g, dtype=torch.float64)
    return net, theta, x


def enumerated(net, theta, x, p, *, frozen):
    """Mean and covariance over all masks, each run by itself."""
    z, on = x, []
    for weight, bias in theta[:-1]:
        z = z @ weight.T + (0 if bias is None else bias)
        on.append(z > 0)
        z = z * on[-1]
    total = sum(net.hidden)
    values, chances = [], []
    for bits in itertools.product([0, 1], repeat=total):
        mask = torch.tensor(bits, dtype=torch.float64).split(list(net.hidden))
        chances.append(p ** (total - sum(bits)) * (1 - p) ** sum(bits))
        h = x
        for i, (weight, bias) in enumerate(theta):
            h = h @ weight.T + (0 if bias is None else bias)
            if i < len(mask):
                h = h * on[i] if frozen else torch.relu(h)
                h = h * mask[i] / (1 - p)
        values.append(h)
    values, chances = (
        torch.stack(values),
        torch.tensor(chances, dtype=torch.float64),
    )
    assert float(chances.sum()) == pytest.approx(1)
    mean = torch.einsum("k,kno->no", chances, values)
    away = values - mean
    return mean, torch.einsum("k,kno,knq->noq", chances, away, away)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("p", [0.0, 0.03, 0.5, 0.9])
@pytest.mark.parametrize("widths", [(3, 4, 2), (2, 3, 4, 3), (3, 1, 2, 3, 1)])
def test_the_linearised_moments_are_those_of_all_masks(widths, p, bias):
    net, theta, x = case(widths, bias=bias)
    found = noise.output_noise(net, theta, x, p=p)
    mean, covariance = enumerated(net, theta, x, p, frozen=True)
    torch.testing.assert_close(found.mean, mean, rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(
        found.covariance, covariance, rtol=1e-10, atol=1e-11
    )
    # what is linearised keeps its mean: the clean output
    torch.testing.assert_close(found.mean, net.forward(theta, x))


@pytest.mark.parametrize("relu", ["linear", "gaussian"])
def test_one_hidden_layer_is_exact_either_way(relu):
    net, theta, x = case((3, 7, 2), seed=1)
    found = noise.output_noise(net, theta, x, p=0.3, relu=relu)
    mean, covariance = enumerated(net, theta, x, 0.3, frozen=False)
    torch.testing.assert_close(found.mean, mean)
    torch.testing.assert_close(found.covariance, covariance)


def test_the_relu_of_a_pair_of_gaussians():
    """Against integration of the joint law on a grid."""
    node = torch.linspace(-9, 9, 1501, dtype=torch.float64)
    weight = torch.softmax(-node.square() / 2, 0)
    for m, s, rho in (
        ((0.3, -0.5), (0.8, 1.7), 0.3),
        ((2, 0), (1, 0.1), -0.4),
    ):
        m, s = torch.tensor(m).double(), torch.tensor(s).double()
        joint = torch.diag(s**2)
        joint[0, 1] = joint[1, 0] = rho * s[0] * s[1]
        mean, covariance = _rectified(m[None], joint[None])
        u = m[0] + s[0] * node[:, None]
        v = m[1] + s[1] * (
            rho * node[:, None] + math.sqrt(1 - rho**2) * node[None]
        )
        u, v = torch.relu(u).expand_as(v), torch.relu(v)
        law = weight[:, None] * weight[None]
        first = torch.stack([(law * u).sum(), (law * v).sum()])
        assert (mean[0] - first).abs().max() < 3e-4
        for k, one in enumerate((u, v)):
            own = float((law * one**2).sum() - first[k] ** 2)
            assert float(covariance[0, k, k]) == pytest.approx(own, abs=1e-3)
        pair = (law * u * v).sum() - first.prod()
        # two terms of the expansion: the third is of order rho^3 / 6
        most = abs(rho) ** 3 * float(s.prod()) / 6 + 1e-3
        assert abs(float(covariance[0, 0, 1] - pair)) < most
    still = _rectified(m[None], torch.zeros(1, 2, 2).double())
    assert torch.equal(still[0], torch.relu(m)[None])
    assert not still[1].any()


def sampled(net, theta, x, p, draws, seed):
    g = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(draws):
        h = x
        for i, (weight, bias) in enumerate(theta):
            h = h @ weight.T + bias
            if i < net.depth - 1:
                kept = torch.rand(h.shape, generator=g).double() >= p
                h = torch.relu(h) * kept / (1 - p)
        found.append(h)
    return torch.stack(found)


def test_the_closure_follows_the_network_where_it_is_wide():
    net, theta, x = case((10, 60, 60, 60, 3), seed=2, samples=6)
    z = sampled(net, theta, x, 0.3, 4000, 5)
    size = float(z.var(0).mean().sqrt())
    errors = {}
    for relu in ("linear", "gaussian"):
        found = noise.output_noise(net, theta, x, p=0.3, relu=relu)
        wide = found.covariance.diagonal(dim1=1, dim2=2).mean()
        errors[relu] = (
            float((found.mean - z.mean(0)).square().mean().sqrt()) / size,
            abs(float(wide / z.var(0).mean()) - 1),
        )
    assert errors["gaussian"][0] < 0.1
    assert errors["gaussian"][1] < 0.15
    assert errors["gaussian"][0] < errors["linear"][0] / 2
    # and little noise is linear
    z = sampled(net, theta, x, 0.001, 20000, 6)
    found = noise.output_noise(net, theta, x, p=0.001)
    wide = found.covariance.diagonal(dim1=1, dim2=2).mean()
    assert float(wide / z.var(0).mean()) == pytest.approx(1, abs=0.1)


def test_wrong_arguments_are_named():
    net, theta, x = case((3, 4, 2))
    for p in (-0.1, 1.0, math.nan):
        with pytest.raises(ValueError, match=r"^p is"):
            noise.output_noise(net, theta, x, p=p)
    with pytest.raises(ValueError, match="relu is 'cubic'"):
        noise.output_noise(net, theta, x, p=0.1, relu="cubic")
    maps = networks.conv3(channels=2, inputs=(1, 4, 4))
    theta = maps.init(generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="convolutions"):
        noise.output_noise(maps, theta, torch.zeros(1, 16), p=0.1)
