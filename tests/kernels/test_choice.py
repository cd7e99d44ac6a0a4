"""Chosen subsets: influence, elimination, and subnetworks trained on them."""

import itertools

import numpy as np
import plain_networks as plain
import pytest
import torch

from kernels import subnetworks
from kernels.networks import Layer, Network, Pool, losses, mlp, tree

F64 = torch.float64


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def case(widths=(5, 7, 6, 3), loss="cross_entropy"):
    net = mlp(list(widths))
    theta = net.init(generator=generator(1), dtype=F64, bias="uniform")
    x = torch.randn((31, widths[0]), generator=generator(2), dtype=F64)
    y = torch.randint(widths[-1], (31,), generator=generator(3))
    if loss == "square":
        y = torch.randn((31, widths[-1]), generator=generator(4), dtype=F64)
    return net, theta, x, y


def maps():
    net = Network(
        (2, 6, 5),
        (
            Layer(5, True, 3, 1),
            Layer(4, True, 3, 1, pools=(Pool("max", 2),)),
            Layer(7),
            Layer(3),
        ),
    )
    theta = net.init(generator=generator(4), dtype=F64)
    x = torch.randn((12, 2, 6, 5), generator=generator(5), dtype=F64)
    return net, theta, x, torch.randint(3, (12,), generator=generator(6))


def without(net, theta, layer, gone):
    """The network with these units' rows and biases at zero, in NumPy."""
    copy = tree.copy(theta)
    weight, bias = copy[layer - 1]
    weight[gone] = 0
    if bias is not None:
        bias[gone] = 0
    return copy


def mean_loss(net, theta, x, y, loss):
    z = torch.tensor(plain.forward(net, theta, x))
    return losses.sample_losses(z, y, loss)


@pytest.mark.parametrize("loss", ["cross_entropy", "square"])
@pytest.mark.parametrize("layer", [1, 2])
def test_influence_is_the_derivative_in_each_units_size(layer, loss):
    """Central differences of every sample's loss, unit by unit."""
    net, theta, x, y = case(loss=loss)
    found = subnetworks.influence(net, theta, x, y, layer=layer, loss=loss)
    e = 1e-6
    for j in range(net.widths[layer]):
        ends = []
        for size in (1 + e, 1 - e):
            copy = tree.copy(theta)
            copy[layer][0][:, j] *= size  # what unit j puts out, resized
            ends.append(mean_loss(net, copy, x, y, loss))
        change = (ends[0] - ends[1]).abs().mean() / (2 * e)
        np.testing.assert_allclose(found[j], change, rtol=0, atol=1e-8)


def test_influence_of_channels_and_of_dead_units():
    net, theta, x, y = maps()
    theta[1][0][2] = 0
    theta[1][1][2] = -1
    found = subnetworks.influence(net, theta, x, y, layer=2)
    assert found.shape == (4,)
    assert found[2] == 0
    assert bool((found[[0, 1, 3]] > 0).all())


@pytest.mark.parametrize("layer", [1, 2])
def test_each_unit_that_goes_is_the_least_harmful(layer):
    net, theta, x, y = case()
    width = net.widths[layer]
    before = set(range(width))
    for keep in range(width - 1, 0, -1):
        kept = subnetworks.eliminate(net, theta, x, y, layer=layer, keep=keep)
        assert kept.tolist() == sorted(set(kept.tolist()))
        [gone] = before - set(kept.tolist())
        harm = {}
        for j in before:
            dead = [*(set(range(width)) - before), j]
            pruned = without(net, theta, layer, dead)
            harm[j] = mean_loss(net, pruned, x, y, "cross_entropy").mean()
        assert harm[gone] <= min(harm.values()) + 1e-12
        before = set(kept.tolist())


def test_channels_and_square_loss():
    net, theta, x, _ = maps()
    y = torch.randn((12, 3), generator=generator(7), dtype=F64)
    kept = subnetworks.eliminate(
        net, theta, x, y, layer=2, keep=3, loss="square"
    )
    harms = {
        j: mean_loss(net, without(net, theta, 2, [j]), x, y, "square").mean()
        for j in range(4)
    }
    assert min(harms, key=harms.get) not in kept.tolist()
    assert len(kept) == 3


def test_a_width_of_one_and_nothing_to_remove():
    net, theta, x, y = case((5, 1, 3))
    kept = subnetworks.eliminate(net, theta, x, y, layer=1, keep=1)
    assert kept.tolist() == [0]


# ------------------------------------------------- subnetworks on subsets


def test_given_subsets_keep_the_draws_initial_values():
    net, theta, x, y = case()
    how = dict(layer=1, keep=0.5, draws=3, epochs=1, batch=31)
    how |= dict(step_size=1e-300, init={"bias": "uniform"})  # stays as it is
    drawn = subnetworks.train(net, theta, x, y, generator=generator(8), **how)
    chosen = [
        torch.tensor(u) for u in ([6, 0, 2, 3], [1, 2, 4, 5], [0, 1, 2, 3])
    ]
    given = subnetworks.train(
        net, theta, x, y, generator=generator(8), kept=chosen, **how
    )
    assert [k.tolist() for k in given.kept] == [
        sorted(u.tolist()) for u in chosen
    ]
    for a, b in zip(drawn.parameters, given.parameters):
        for p, q in itertools.chain(*[zip(*pair) for pair in zip(a, b)]):
            assert torch.equal(p, q)
    assert not torch.equal(drawn.train_loss, given.train_loss)
    again = subnetworks.train(
        net, theta, x, y, generator=generator(8), kept=drawn.kept, **how
    )
    assert torch.equal(again.train_loss, drawn.train_loss)


def test_a_store_belongs_to_its_subsets(tmp_path):
    net, theta, x, y = case()
    how = dict(layer=2, keep=0.5, draws=1, epochs=2, batch=10, store=tmp_path)
    one, again = (
        subnetworks.train(
            net, theta, x, y, generator=generator(8),
            kept=[torch.tensor([0, 1, 2])], **how,
        )
        for _ in range(2)
    )  # fmt: skip
    assert torch.equal(one.train_loss, again.train_loss)
    with pytest.raises(ValueError, match="kept was"):
        subnetworks.train(
            net, theta, x, y, generator=generator(8),
            kept=[torch.tensor([3, 4, 5])], **how,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("kept", "layer", "match"),
    [
        ([[0, 1, 2, 3]], 0, "layer 0"),
        ([[0, 1, 2, 3]] * 2, 1, "2 subsets"),
        ([[0, 1, 2]], 1, "4 of layer 1"),
        ([[0, 1, 2, 7]], 1, "4 of layer 1"),
        ([[0, 1, 2, 2]], 1, "twice"),
    ],
)
def test_refused_subsets(kept, layer, match):
    net, theta, x, y = case()
    with pytest.raises(ValueError, match=match):
        subnetworks.train(
            net, theta, x, y, layer=layer, draws=1, kept=kept,
            generator=generator(), epochs=1,
        )  # fmt: skip


@pytest.mark.parametrize("what", ["influence", "eliminate"])
@pytest.mark.parametrize("layer", [0, 3])
def test_refused_layers(what, layer):
    net, theta, x, y = case()
    more = {"keep": 2} if what == "eliminate" else {}
    with pytest.raises(ValueError, match="hidden layers are 1 to 2"):
        getattr(subnetworks, what)(net, theta, x, y, layer=layer, **more)


def test_refused_keep():
    net, theta, x, y = case()
    with pytest.raises(ValueError, match="keep is 8"):
        subnetworks.eliminate(net, theta, x, y, layer=1, keep=8)
