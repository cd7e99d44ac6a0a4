import numpy as np
import path_cases as cases
import plain_networks as plain
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import interpolation, networks, paths

QUICK = settings(max_examples=20, deadline=None)


def cross_entropy(z, y):
    top = z.max(1, keepdims=True)
    total = np.log(np.exp(z - top).sum(1)) + top[:, 0]
    return (total - z[np.arange(len(y)), y]).mean()


def square(z, y):
    return ((z - np.eye(z.shape[1])[y]) ** 2).sum(1).mean()


LOSSES = {"cross_entropy": cross_entropy, "square": square}


def data(net, n, seed=5):
    y = torch.randint(net.widths[-1], (n,), generator=cases.seeded(seed))
    return cases.inputs(net, n, seed), y


def assert_profile(net, path, x, y, loss="cross_entropy", points=4, **more):
    """Every row of the profile, by NumPy from the knots."""
    found = interpolation.loss_curve(net, path, x, y, points, loss, **more)
    rows = len(path) * (points - 1) + 1
    assert found.t.dtype == found.loss.dtype == torch.float64
    np.testing.assert_allclose(found.t, np.linspace(0, 1, rows), atol=1e-15)
    assert len(found.loss) == len(found.error) == len(found.kind) == rows
    row = 0
    for k in range(len(path)):
        for s in np.linspace(0, 1, points)[(k > 0) :]:
            row += k > 0 or s > 0
            ends = path.knots[k], path.knots[k + 1]
            z = plain.forward(net, cases.between(*ends, s), x)
            expected = LOSSES[loss](z, y.numpy())
            assert found.loss[row] == pytest.approx(expected, rel=1e-11)
            wrong = (z.argmax(1) != y.numpy()).mean()
            assert found.error[row] == pytest.approx(wrong)
            if s < 1:
                assert found.kind[row] == path.kinds[k]
    assert row == rows - 1
    assert found.kind[-1] == path.kinds[-1]
    return found


@QUICK
@given(
    net=cases.mlps(max_depth=4),
    seed=st.integers(0, 10**6),
    loss=st.sampled_from(sorted(LOSSES)),
    points=st.integers(2, 6),
)
def test_straight_lines(net, seed, loss, points):
    path = paths.straight(cases.drawn(net, seed), cases.drawn(net, seed + 1))
    x, y = data(net, 7, seed)
    found = assert_profile(net, path, x, y, loss, points)
    assert found.passes == points


@pytest.mark.parametrize("loss", sorted(LOSSES))
@pytest.mark.parametrize("style", ["paper", "figure", "short"])
@pytest.mark.parametrize(
    "make", [lambda: networks.mlp([3, 7, 4, 5, 3]), cases.convolutional]
)
def test_theorem1(make, style, loss):
    net = make()
    thetas = cases.drawn(net, 1), cases.drawn(net, 2)
    kept = cases.halves(net, 1), cases.halves(net, 2)
    path = paths.theorem1(
        net, *thetas, kept_a=kept[0], kept_b=kept[1], scale_a=1.7, style=style
    )
    points = 4 if net.shapes[0] == (3,) else 2
    found = assert_profile(net, path, *data(net, 9), loss, points)
    assert found.passes == 2 * net.depth


@pytest.mark.parametrize(
    "make",
    [lambda: networks.mlp([3, 9, 8, 7, 3], bias=False), cases.convolutional],
)
def test_theorem2_has_general_segments_whose_first_layer_is_still(make):
    net = make()
    thetas = cases.drawn(net, 1), cases.drawn(net, 2)
    path = paths.theorem2(net, *thetas, p=0.5, generator=cases.seeded(3))
    assert "general" in path.kinds
    assert_profile(net, path, *data(net, 8), points=3)


def test_two_layer_path_costs_four_functions():
    net = networks.mlp([3, 8, 3])
    thetas = cases.drawn(net, 1), cases.drawn(net, 2)
    kept = cases.halves(net, 1), cases.halves(net, 2)
    path = paths.two_layer(net, *thetas, kept_a=kept[0], kept_b=kept[1])
    found = assert_profile(net, path, *data(net, 9), points=9)
    assert found.passes == 4


def test_any_blocks_of_samples():
    net = networks.mlp([3, 9, 8, 3])
    path = paths.straight(cases.drawn(net, 1), cases.drawn(net, 2))
    x, y = data(net, 30)
    for batch in (1, 7, 30, 100):
        assert_profile(net, path, x, y, batch=batch)


def test_weights_that_do_not_fit_are_made_on_the_way(monkeypatch):
    net = networks.mlp([3, 9, 8, 3])
    path = paths.straight(cases.drawn(net, 1), cases.drawn(net, 2))
    monkeypatch.setattr(interpolation, "_STORED", 0)
    assert_profile(net, path, *data(net, 30))


def test_a_constant_segment_is_one_evaluation():
    theta = cases.drawn(networks.mlp([3, 4, 3]), 1)
    path = paths.straight(theta, theta)
    assert path.kinds == ("constant",)
    net = networks.mlp([3, 4, 3])
    found = assert_profile(net, path, *data(net, 9), points=40)
    assert found.passes == 1


@pytest.mark.parametrize("points", [2, 3, 50])
def test_an_affine_segment_is_two_whatever_the_points(points):
    net = networks.mlp([3, 4, 3])
    theta = cases.drawn(net, 1)
    other = (theta[0], cases.drawn(net, 2)[1])
    path = paths.straight(theta, other)
    found = assert_profile(net, path, *data(net, 9), points=points)
    assert found.passes == 2


def count_rows(monkeypatch):
    """Rows that each layer maps, counted where Network maps them."""
    rows, linear = {}, networks.Network.linear

    def counting(self, i, weight, h, bias=None):
        rows[i] = rows.get(i, 0) + len(h)
        return linear(self, i, weight, h, bias)

    monkeypatch.setattr(networks.Network, "linear", counting)
    return rows


def test_theorem1_takes_twenty_times_fewer_passes(monkeypatch):
    """Issue 3: the whole path of 784-256-256-10, 25 points a segment."""
    net = networks.mlp([784, 256, 256, 10])
    g = cases.seeded()
    thetas = net.init(generator=g), net.init(generator=g)
    kept = [cases.subset(256, 128, seed) for seed in range(4)]
    path = paths.theorem1(net, *thetas, kept_a=kept[:2], kept_b=kept[2:])
    x, n = torch.randn(64, 784, generator=g), 64
    rows = count_rows(monkeypatch)
    found = interpolation.loss_curve(net, path, x, torch.zeros(n).long(), 25)
    assert len(found.t) == 22 * 24 + 1
    assert found.passes == 6
    # both ends of an affine segment share all layers but the last
    assert rows == {1: 3 * n, 2: 3 * n, 3: 6 * n}
    assert len(found.t) * n >= 20 * max(rows.values())


def test_float32_and_shaped_inputs():
    net = networks.conv3(channels=3, inputs=(1, 6, 6), classes=3)
    thetas = [cases.drawn(net, s, torch.float32) for s in (1, 2)]
    x, y = data(net, 5)
    path = paths.straight(*thetas)
    flat = interpolation.loss_curve(net, path, x.float().flatten(1), y, 5)
    shaped = interpolation.loss_curve(net, path, x.float(), y, 5)
    assert torch.allclose(flat.loss, shaped.loss, rtol=1e-6)
    double = paths.straight(*(cases.drawn(net, s) for s in (1, 2)))
    exact = interpolation.loss_curve(net, double, x, y, 5)
    assert torch.allclose(flat.loss, exact.loss, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"points": 1}, "points is 1"),
        ({"loss": "hinge"}, "loss is 'hinge'"),
        ({"y": torch.zeros(3).long()}, "x has 5 samples and y has 3"),
        ({"y": torch.full((5,), 7)}, "classes 7 to 7"),
        ({"x": torch.zeros(5, 4).double()}, "x has shape"),
        ({"network": networks.mlp([3, 5, 2])}, "shape"),
    ],
)
def test_refuses(change, match):
    net = networks.mlp([3, 4, 2])
    path = paths.straight(cases.drawn(net, 1), cases.drawn(net, 2))
    x, y = data(net, 5)
    arguments = {"network": net, "path": path, "x": x, "y": y, **change}
    with pytest.raises(ValueError, match=match):
        interpolation.loss_curve(**arguments)
