"""Matching of hidden units, against enumeration and planted permutations."""

from itertools import permutations

import numpy as np
import plain_networks as plain
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import meanfield, networks
from kernels.networks import Pool, tree
from kernels.paths import alignment

pytest.importorskip("scipy")


def drawn(net, seed):
    g = torch.Generator().manual_seed(seed)
    return net.init(generator=g, dtype=torch.float64, bias="uniform")


def shuffled(net, seed):
    g = torch.Generator().manual_seed(seed)
    return [torch.randperm(h, generator=g) for h in net.hidden]


def numpy_distance(theta, other, weights):
    """The weighted squared distance, entry by entry."""
    total = 0.0
    for layer, twin, weight in zip(theta, other, weights):
        for p, q in zip(layer, twin):
            if p is not None:
                total += weight**2 * np.square(p.numpy() - q.numpy()).sum()
    return total


def reordered(theta, order):
    """A network of one hidden layer with its units reordered, in NumPy."""
    (w, b), (a, c) = theta
    order = np.asarray(order)
    b = None if b is None else torch.from_numpy(b.numpy()[order])
    return (
        (torch.from_numpy(w.numpy()[order]), b),
        (torch.from_numpy(a.numpy()[:, order]), c),
    )


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 3)),
    bias=st.booleans(),
    weights=st.tuples(st.floats(0.1, 10), st.floats(0.1, 10)),
    seed=st.integers(0, 10**6),
)
def test_one_hidden_layer_is_matched_best(sizes, bias, weights, seed):
    net = networks.mlp(sizes, bias=bias)
    a, b = drawn(net, seed), drawn(net, seed + 1)
    (order,) = alignment.match(net, a, b, weights=weights)
    found = numpy_distance(a, reordered(b, order), weights)
    best = min(
        numpy_distance(a, reordered(b, p), weights)
        for p in permutations(range(sizes[1]))
    )
    assert found == pytest.approx(best, rel=1e-12)
    # and `permute` reorders as the oracle does
    moved = alignment.permute(net, b, [order])
    assert numpy_distance(moved, reordered(b, order), weights) == 0


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 2)),
    size=st.sampled_from([1e-12, 1.0, 1e4, 1e12]),
    dtype=st.sampled_from([torch.bfloat16, torch.float32, torch.float64]),
    seed=st.integers(0, 10**6),
)
def test_the_best_match_with_large_biases(sizes, size, dtype, seed):
    """Biases near ``size`` that differ in their last digits only."""
    net = networks.mlp(sizes)
    g = torch.Generator().manual_seed(seed)

    def parameters():
        (w, b), *rest = net.init(generator=g, dtype=torch.float64)
        near = 1 + 1e-3 * torch.rand(len(b), generator=g, dtype=b.dtype)
        theta = ((w, size * near), *rest)
        return tree.to(theta, dtype)

    a, b = parameters(), parameters()
    (order,) = alignment.match(net, a, b)
    exact = [tree.to(theta, torch.float64) for theta in (a, b)]
    found = numpy_distance(exact[0], reordered(exact[1], order), (1, 1))
    best = min(
        numpy_distance(exact[0], reordered(exact[1], p), (1, 1))
        for p in permutations(range(sizes[1]))
    )
    assert found == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("bias", "scale"),
    [(10.0**k, 1.0) for k in (0, 7, 8, 9, 10, 12, 15)]
    + [(1.0, 1e-200), (1.0, 1e200), (1e9, 1e-170)],
)
def test_a_permuted_network_is_found_at_any_scale(bias, scale, seed):
    """Products of biases of both signs leave nothing of the weights."""
    net = networks.mlp([2, 8, 1])
    (w, b), (a, c) = drawn(net, seed)
    b = bias * torch.tensor([1.0, 1, 1, 1, -1, -1, -1, -1]).double()
    theta = tree.map(lambda v: scale * v, ((w, b), (a, c)))
    other = alignment.permute(net, theta, shuffled(net, seed))
    (order,) = alignment.match(net, theta, other)
    found = alignment.permute(net, other, [order])
    assert all(map(torch.equal, tree.parts(found), tree.parts(theta)))


@pytest.mark.parametrize("seed", range(4))
def test_the_best_match_with_biases_of_both_signs(seed):
    net = networks.mlp([2, 6, 1])
    a, b = (
        ((w, 1e9 * torch.tensor([1.0, 1, 1, -1, -1, -1]).double()), top)
        for (w, _), top in (drawn(net, seed), drawn(net, seed + 10))
    )
    b = alignment.permute(net, b, shuffled(net, seed))
    (order,) = alignment.match(net, a, b)
    found = numpy_distance(a, reordered(b, order), (1, 1))
    best = min(
        numpy_distance(a, reordered(b, p), (1, 1))
        for p in permutations(range(6))
    )
    assert found == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("unit", [1e-300, 1e-200, 1e-3, 1e200, 1e300])
def test_what_the_weights_are_measured_in_does_not_matter(unit):
    net = networks.mlp([3, 7, 5, 2])
    a, b = drawn(net, 0), drawn(net, 1)
    weights = [1.0, 3.0, 2.0]
    wanted = alignment.match(net, a, b, weights=weights)
    found = alignment.match(net, a, b, weights=[unit * w for w in weights])
    assert all(map(torch.equal, found, wanted))
    assert not torch.equal(wanted[0], torch.arange(7))


NETS = [
    networks.mlp([5, 7, 6, 3]),
    networks.mlp([6, 9, 8, 1, 2], bias=False),
    networks.conv3(
        channels=(3, 4, 5),
        inputs=(2, 6, 6),
        pools=(Pool("max", 2), None, None),
    ),
    networks.vgg11(scale=1 / 64, inputs=(1, 32, 32), hidden=16),
]


@pytest.mark.parametrize("net", NETS, ids=range(4))
def test_permuting_leaves_the_function(net):
    theta = drawn(net, 0)
    moved = alignment.permute(net, theta, shuffled(net, 1))
    g = torch.Generator().manual_seed(2)
    x = torch.randn(9, *net.inputs, generator=g, dtype=torch.float64)
    z = plain.features(net, theta, x)[-1]
    assert np.abs(z).max() > 1e-3
    moved_z = plain.features(net, moved, x)[-1]
    np.testing.assert_allclose(moved_z, z, rtol=1e-9, atol=1e-9)
    still = [torch.arange(h) for h in net.hidden]
    for (w, b), (v, c) in zip(theta, alignment.permute(net, theta, still)):
        assert torch.equal(w, v)
        assert b is None or torch.equal(b, c)


@pytest.mark.parametrize("net", NETS, ids=range(4))
def test_a_planted_permutation_is_recovered(net):
    theta = drawn(net, 0)
    planted = shuffled(net, 1)
    other = alignment.permute(net, theta, planted)
    found = alignment.match(net, theta, other)
    for p, q in zip(planted, found):
        assert torch.equal(p[q], torch.arange(len(p)))
    assert any(not torch.equal(q, q.sort().values) for q in found)


@pytest.mark.parametrize("net", NETS[:3], ids=range(3))
def test_each_sweep_brings_them_closer(net):
    a, b = drawn(net, 0), drawn(net, 5)
    weights = range(1, net.depth + 1)
    distances = [numpy_distance(a, b, weights)]
    for sweeps in (1, 2, 5, 100):
        order = alignment.match(net, a, b, weights=weights, sweeps=sweeps)
        moved = alignment.permute(net, b, order)
        distances.append(numpy_distance(a, moved, weights))
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < distances[0]


def test_mean_field_neurons_are_compared_by_weights_of_n():
    g = torch.Generator().manual_seed(0)
    theta = meanfield.init((4, 30, 2), trials=1, std=(0.01, 1.0), generator=g)
    order = torch.randperm(30, generator=g)
    near = theta[0][:, order], theta[1][:, :, order]
    noise = 0.05 * torch.randn(near[0].shape, generator=g)
    net, a = meanfield.as_network(theta, 0)
    _, b = meanfield.as_network((near[0] + noise, near[1]), 0)
    (found,) = alignment.match(net, a, b, weights=(1, 30))
    assert torch.equal(order[found], torch.arange(30))
    (unweighted,) = alignment.match(net, a, b)
    assert not torch.equal(order[unweighted], torch.arange(30))


def test_what_does_not_fit_is_named():
    net = networks.mlp([3, 4, 5, 2])
    theta = drawn(net, 0)
    with pytest.raises(ValueError, match=r"weights is .* 3 layers"):
        alignment.match(net, theta, theta, weights=(1, 2))
    with pytest.raises(ValueError, match="weights"):
        alignment.match(net, theta, theta, weights=(1, 2, 0))
    with pytest.raises(ValueError, match=r"sweeps is 2\.5; a whole number"):
        alignment.match(net, theta, theta, sweeps=2.5)
    with pytest.raises(ValueError, match="theta_b"):
        alignment.match(net, theta, theta[:2])
    good = [torch.arange(4), torch.arange(5)]
    with pytest.raises(ValueError, match=r"order, hidden layer 2.* 4"):
        alignment.permute(net, theta, [good[0], good[1][:4]])
    with pytest.raises(ValueError, match=r"order.*unit 5"):
        alignment.permute(net, theta, [good[0], good[1] + 1])
    with pytest.raises(ValueError, match="repeated"):
        alignment.permute(net, theta, [good[0] * 0, good[1]])
