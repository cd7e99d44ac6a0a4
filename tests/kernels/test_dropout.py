import math

import numpy as np
import path_cases as cases
import plain_networks as plain
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from kernels import dropout, networks, subnetworks

QUICK = settings(max_examples=25, deadline=None)


def cross_entropy(z, y):
    top = z.max(1, keepdims=True)
    total = np.log(np.exp(z - top).sum(1)) + top[:, 0]
    return (total - z[np.arange(len(y)), y]).mean()


def square(z, y):
    return ((z - np.eye(z.shape[1])[y]) ** 2).sum(1).mean()


LOSSES = {"cross_entropy": cross_entropy, "square": square}


def data(net, n, seed=5):
    g = cases.seeded(seed)
    return cases.inputs(net, n, seed), torch.randint(
        net.widths[-1], (n,), generator=g
    )


def dropped(net, theta, kept, first, scales, x):
    """Outputs of the dropout network, built and evaluated by NumPy."""
    theta = plain.dropout_network(net, theta, kept, first, scales)
    return plain.forward(net, cases.as_tensors(theta, True), x)


# the network


@QUICK
@given(data=st.data())
def test_dropout_network_is_the_definitions(data):
    net = data.draw(cases.mlps())
    theta = cases.drawn(net, data.draw(st.integers(0, 99)))
    kept = [data.draw(cases.subsets(h, h)) for h in net.hidden]
    first = data.draw(st.integers(1, net.depth - 1))
    scale = data.draw(
        st.lists(
            st.floats(0, 3), min_size=net.depth - 1, max_size=net.depth - 1
        )
    )
    found = dropout.dropout_network(net, theta, kept, first=first, scale=scale)
    expected = plain.dropout_network(net, theta, kept, first, scale)
    net.check(found)
    for i, ((weight, bias), (w, b)) in enumerate(zip(found, expected), 1):
        np.testing.assert_array_equal(weight.numpy(), w)
        if bias is not None:
            np.testing.assert_array_equal(bias.numpy(), b)
        if i < first:
            assert weight is theta[i - 1][0]


@pytest.mark.parametrize("first", [1, 2, 3, 4])
@pytest.mark.parametrize("bias", [True, False])
def test_channels_and_blocks(first, bias):
    net = cases.convolutional(bias)
    theta, kept = cases.drawn(net, 1), cases.halves(net, 2)
    x = cases.inputs(net)
    scale = [1.5, 0.5, 2.0, 3.0]
    found = dropout.dropout_network(net, theta, kept, first=first, scale=scale)
    expected = dropped(net, theta, kept, first, scale, x)
    np.testing.assert_allclose(
        plain.forward(net, found, x), expected, atol=1e-12
    )
    small, params = dropout.subnetwork(
        net, theta, kept, first=first, scale=scale
    )
    small.check(params)
    assert list(small.widths[:-1]) == [len(k) for k in kept[first - 1 :]]
    read = net.take(first, net.features(theta, x, first), kept[first - 1])
    np.testing.assert_allclose(small.forward(params, read), expected)


def test_one_scale_is_the_same_in_every_layer():
    net = networks.mlp([3, 6, 5, 2])
    theta, kept = cases.drawn(net, 1), cases.halves(net, 2)
    one = dropout.dropout_network(net, theta, kept, scale=1.5)
    each = dropout.dropout_network(net, theta, kept, scale=[1.5, 1.5])
    for (w, _), (v, _) in zip(one, each):
        assert torch.equal(w, v)


# the draws


@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        (0.5, [3, 50, 16]),
        (0.29, [2, 29, 9]),
        (1.0, [7, 100, 32]),
        (1, [7, 100, 32]),
        ([1, 100, 0.75], [1, 100, 24]),
    ],
)
def test_counts_round_down(keep, expected):
    net = networks.mlp([2, 7, 100, 32, 2])
    assert dropout.counts(net, keep) == expected
    assert dropout.counts(net, keep, first=2) == [7, *expected[1:]]


@pytest.mark.parametrize("count", [dropout.counts, subnetworks.kept_counts])
def test_integers_of_any_library_are_counts(count):
    net = networks.mlp([2, 7, 9, 2])
    for keep in (
        [1, 1],
        (np.int64(1), np.uint8(1)),
        np.array([1, 1]),
        torch.tensor([1, 1]),
        [torch.tensor(1), 1],
    ):
        assert count(net, keep) == [1, 1]
    for keep in (
        [1.0, 1.0],
        np.ones(2),
        torch.ones(2),
        np.float32(1),
        np.int64(1),
        torch.tensor(1),
    ):
        assert count(net, keep) == [7, 9]
    for keep in (math.nan, math.inf, [0.5, math.nan], np.array([math.nan, 1])):
        with pytest.raises(ValueError, match=r"keep is (nan|inf)"):
            count(net, keep)
    for keep in (True, [True, 1], "ab", [None, 1], [1j, 1]):
        with pytest.raises(TypeError, match="keep has"):
            count(net, keep)


def test_draws_are_uniform_sorted_and_repeatable():
    net = networks.mlp([2, 3, 5, 4, 2])
    drawn = dropout.draw(net, 0.5, 4000, first=2, generator=cases.seeded())
    again = dropout.draw(net, 0.5, 4000, first=2, generator=cases.seeded())
    assert all(torch.equal(a, b) for a, b in zip(drawn, again))
    assert [tuple(d.shape) for d in drawn] == [(4000, 3), (4000, 2), (4000, 2)]
    assert drawn[0][7].tolist() == [0, 1, 2]
    for layer, width in zip(drawn[1:], (5, 4)):
        assert bool((layer[:, 1:] > layer[:, :-1]).all())
        pairs = torch.bincount(layer[:, 0] * width + layer[:, 1])
        pairs = pairs[pairs > 0]
        assert len(pairs) == math.comb(width, 2)
        share = 4000 / len(pairs)
        assert float((pairs - share).abs().max()) < 5 * share**0.5


# the best factor


@QUICK
@given(
    n=st.integers(1, 40),
    c=st.integers(2, 5),
    bias=st.booleans(),
    loss=st.sampled_from(sorted(LOSSES)),
    seed=st.integers(0, 10**6),
)
def test_best_scale_is_as_good_as_scipys(n, c, bias, loss, seed):
    rng = np.random.default_rng(seed)
    # outputs of very different sizes: Newton's method alone would cycle
    s = rng.normal(size=(3, c, n)) * np.exp(3 * rng.normal(size=(3, 1, n)))
    y, b = rng.integers(c, size=n), rng.normal(size=c) * 5 * bias
    target = torch.as_tensor(y if loss == "cross_entropy" else np.eye(c)[y])
    found = dropout.best_scale(
        torch.as_tensor(s), target, bias=torch.as_tensor(b), loss=loss
    )
    assert found.shape == (3,)
    assert bool((found >= 0).all())
    for part, r in zip(s, found.tolist()):

        def value(r, part=part):
            return LOSSES[loss]((r * part).T + b, y)

        others = [
            minimize_scalar(value, bounds=(0, top), method="bounded").fun
            for top in (1, 30)
        ]
        assert value(r) <= min(*others, value(0)) + 1e-8


def test_a_harmful_output_gets_factor_zero():
    s = torch.tensor([[[-1.0, 2.0, -3.0], [1.0, -2.0, 3.0]]]).double()
    y = torch.tensor([0, 1, 0])
    assert dropout.best_scale(s, y).item() == 0
    assert dropout.best_scale(-s, y).item() > 10  # separable: infimum far out
    assert math.isfinite(dropout.best_scale(-s, y).item())


def test_best_scale_starts_from_few_samples():
    g = cases.seeded()
    s = torch.randn(2, 3, 9000, generator=g, dtype=torch.float64)
    y = (s[0] + torch.randn(3, 9000, generator=g)).argmax(0)
    found = dropout.best_scale(s, y)
    for part, r in zip(s.numpy(), found.tolist()):
        best = minimize_scalar(
            lambda r, part=part: cross_entropy((r * part).T, y.numpy()),
            bounds=(0, 10),
            method="bounded",
            options={"xatol": 1e-9},
        )
        assert r == pytest.approx(best.x, abs=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_best_scale_of_large_and_of_small_outputs(loss, dtype):
    """In other units the factor is another, and the loss the same."""
    g = cases.seeded()
    y = torch.randint(3, (200,), generator=g)
    s = torch.randn(3, 200, generator=g, dtype=torch.float64)
    s += 3 * torch.eye(3, dtype=torch.float64)[y].T
    target = y.numpy() if loss == "cross_entropy" else np.eye(3)[y]

    def value(r):
        return LOSSES[loss]((r * s.numpy()).T, y.numpy())

    best = minimize_scalar(value, bounds=(0, 20), method="bounded").fun
    sizes = [10.0**e for e in range(-12, 13)]
    stack = torch.stack([size * s for size in sizes]).to(dtype)
    found = dropout.best_scale(stack, target, loss=loss)
    for size, r in zip(sizes, found.tolist()):
        alone = dropout.best_scale((size * s)[None].to(dtype), y, loss=loss)
        assert alone.item() == r
        assert value(r * size) <= best + 1e-6 * best
    # a factor of 2^16 is no rounding: the same number comes out
    twin = dropout.best_scale(stack * 2.0**16, y, loss=loss)
    assert torch.equal(twin * 2**16, found)


def test_the_best_draw_is_the_same_in_other_units():
    net = networks.mlp([3, 9, 7, 4], bias=False)
    theta, (x, y) = cases.drawn(net, 1), data(net, 30)

    def run(size):
        last = (size * theta[-1][0], None)
        return dropout.stability(
            net, (*theta[:-1], last), x, y, draws=9, generator=cases.seeded(3)
        )

    plain = run(1.0)
    for size in (1e-9, 1e7, 1e12):
        found = run(size)
        assert found.best == plain.best
        assert torch.allclose(found.train_loss, plain.train_loss)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"loss": "hinge"}, "loss is 'hinge'"),
        ({"y": [0, 1, 2]}, "y has 3 samples and s has 5"),
        ({"y": [0, 1, 2, 3, 0]}, "y has classes 0 to 3"),
        ({"s": torch.full((2, 3, 5), math.nan)}, "s, the outputs, has 30"),
        ({"s": torch.zeros(3, 5)}, r"s has shape \(3, 5\)"),
        ({"tolerance": math.nan}, "tolerance is nan"),
    ],
)
def test_best_scale_refuses(change, match):
    given = {"s": torch.ones(2, 3, 5), "y": [0, 1, 2, 0, 1], **change}
    with pytest.raises(ValueError, match=match):
        dropout.best_scale(**given)


# stability


@pytest.mark.parametrize("first", [1, 2])
@pytest.mark.parametrize("loss", sorted(LOSSES))
@pytest.mark.parametrize(
    "rescale", ["best", "brent", "inverse", None, 1.5, [0.5, 2.0]]
)
def test_every_draw_is_its_dropout_network(first, loss, rescale):
    net = networks.mlp([3, 9, 7, 4])
    theta, (x, y) = cases.drawn(net, 1), data(net, 30)
    test_x, test_y = data(net, 11, 6)
    found = dropout.stability(
        net,
        theta,
        x,
        y,
        first=first,
        draws=6,
        rescale=rescale,
        loss=loss,
        test=(test_x, test_y),
        generator=cases.seeded(3),
    )
    expected = {
        "best": [1.0, None],
        "brent": [1.0, None],
        "inverse": [9 / 4, 7 / 3],
        None: [1.0, 1.0],
        1.5: [1.5, 1.5],
    }.get(rescale if not isinstance(rescale, list) else 0, [0.5, 2.0])
    if first == 2:
        expected[0] = 1.0
    assert len(found.kept) == len(found.scales) == 6
    for t, (kept, scales) in enumerate(zip(found.kept, found.scales)):
        assert [len(k) for k in kept] == [4 if first == 1 else 9, 3]
        assert scales[0] == expected[0]
        assert scales[1] == found.scale[t] == expected[1] or (
            rescale in ("best", "brent") and scales[1] == found.scale[t] >= 0
        )
        for points, targets, values, errors in (
            (x, y, found.train_loss, found.train_error),
            (test_x, test_y, found.test_loss, found.test_error),
        ):
            z = dropped(net, theta, kept, first, scales, points)
            targets = targets.numpy()
            assert values[t] == pytest.approx(LOSSES[loss](z, targets))
            assert errors[t] == pytest.approx((z.argmax(1) != targets).mean())
    assert found.best == int(np.argmin(found.train_loss.numpy()))


@pytest.mark.parametrize("bias", [True, False])
def test_one_unit_kept_and_one_output(bias):
    net = networks.mlp([3, 3, 2, 1], bias=bias)
    theta, x = cases.drawn(net, 1), cases.inputs(net, 20, 2)
    y = torch.randn(20, generator=cases.seeded(4), dtype=torch.float64)
    found = dropout.stability(
        net, theta, x, y, draws=5, loss="square", generator=cases.seeded(3)
    )
    for t, (kept, scales) in enumerate(zip(found.kept, found.scales)):
        assert [len(k) for k in kept] == [1, 1]
        z = dropped(net, theta, kept, 1, scales, x)[:, 0]
        expected = ((z - y.numpy()) ** 2).mean()
        assert found.train_loss[t] == pytest.approx(expected)


def test_convolutions_too():
    net = cases.convolutional()
    theta, (x, y) = cases.drawn(net, 1), data(net, 12)
    for first in (1, 3, 4):
        found = dropout.stability(
            net, theta, x, y, first=first, draws=3, generator=cases.seeded()
        )
        for kept, scales, value in zip(
            found.kept, found.scales, found.train_loss
        ):
            z = dropped(net, theta, kept, first, scales, x)
            assert value == pytest.approx(cross_entropy(z, y.numpy()))


def test_brent_is_better_than_the_other_factors():
    net = networks.mlp([3, 9, 7, 4])
    theta, (x, y) = cases.drawn(net, 1), data(net, 30)

    def losses(rescale):
        found = dropout.stability(
            net,
            theta,
            x,
            y,
            draws=20,
            rescale=rescale,
            generator=cases.seeded(3),
        )
        return found.train_loss

    best = losses("brent")
    for factor in (0.5, 1.0, 2.0):
        assert bool((best <= losses([1.0, factor]) + 1e-9).all())


def test_blocks_and_groups_change_nothing(monkeypatch):
    net = networks.mlp([3, 9, 7, 4])
    theta, (x, y) = cases.drawn(net, 1), data(net, 50)

    def run(**options):
        return dropout.stability(
            net, theta, x, y, draws=7, generator=cases.seeded(3), **options
        )

    whole = run()
    parts = [run(batch=13)]
    module = __import__("sys").modules["kernels.dropout.stability"]
    monkeypatch.setattr(module, "_TILE", 1)
    parts.append(run())
    monkeypatch.setattr(module, "_STORED", 2 * 50 * 4)
    parts.append(run())
    for part in parts:
        assert part.best == whole.best
        assert torch.allclose(part.train_loss, whole.train_loss)
        assert torch.allclose(part.scale, whole.scale)


def test_float32_agrees():
    net = networks.mlp([3, 9, 7, 4])
    (x, y), g = data(net, 50), cases.seeded
    double = dropout.stability(
        net, cases.drawn(net, 1), x, y, draws=5, generator=g()
    )
    single = dropout.stability(
        net,
        cases.drawn(net, 1, torch.float32),
        x.float(),
        y,
        draws=5,
        generator=g(),
    )
    assert torch.allclose(double.train_loss, single.train_loss, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"keep": 0.1}, "hidden layer 1 would keep 0 of its 9"),
        ({"keep": [0.5, 8]}, "hidden layer 2 would keep 8 of its 7"),
        ({"keep": [0.5]}, "keep has 1 entries; the network has 2"),
        ({"draws": 0}, "draws is 0"),
        ({"first": 0}, "first is 0"),
        ({"first": 3}, "first is 3"),
        ({"rescale": "bent"}, "rescale is 'bent'"),
        ({"rescale": [1.0]}, "rescale has 1 entries"),
        ({"rescale": float("nan")}, "rescale is nan"),
        ({"loss": "hinge"}, "loss is 'hinge'"),
    ],
)
def test_refuses(change, match):
    net = networks.mlp([3, 9, 7, 4])
    theta, (x, y) = cases.drawn(net, 1), data(net, 5)
    arguments = {"generator": cases.seeded(), **change}
    with pytest.raises(ValueError, match=match):
        dropout.stability(net, theta, x, y, **arguments)
