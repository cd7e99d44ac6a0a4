import dataclasses
from itertools import pairwise

import numpy as np
import path_cases as cases
import plain_networks as plain
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import certificates, networks, paths
from kernels.certificates.bounds import boxes

QUICK = settings(max_examples=15, deadline=None)


def cross_entropy(z, y):
    top = z.max(1, keepdims=True)
    total = np.log(np.exp(z - top).sum(1)) + top[:, 0]
    return (total - z[np.arange(len(y)), y]).mean()


def square(z, y):
    if y.dtype.kind == "i":
        y = np.eye(z.shape[1])[y]
    return ((z - y.reshape(len(z), -1)) ** 2).sum(1).mean()


LOSSES = {"cross_entropy": cross_entropy, "square": square}


def grid(net, path, x, y, loss, points=1001):
    """Largest loss and error at equally many points of each segment."""
    highest, wrong = 0.0, 0.0
    for k in range(len(path)):
        ends = path.knots[k], path.knots[k + 1]
        for s in np.linspace(0, 1, points):
            z = plain.forward(net, cases.between(*ends, s), x)
            highest = max(highest, LOSSES[loss](z, y.numpy()))
            if y.dtype == torch.int64:
                wrong = max(wrong, (z.argmax(1) != y.numpy()).mean())
    return highest, wrong


def data(net, n, seed=5):
    g = cases.seeded(seed)
    y = torch.randint(net.widths[-1], (n,), generator=g)
    return cases.inputs(net, n, seed), y


def assert_sound(net, path, x, y, loss, points=1001, **options):
    found = certificates.certify(net, path, x, y, loss, **options)
    highest, wrong = grid(net, path, x, y, loss, points)
    assert highest <= found.upper
    assert found.attained <= found.upper
    assert found.attained >= highest * (1 - 0.06) or not found.complete
    assert wrong <= found.error_upper
    assert found.error_attained <= found.error_upper
    if found.complete:
        tolerance = options.get("tolerance", 0.05)
        assert found.upper <= found.attained * (1 + tolerance) + 1e-8
    assert found.upper == max(s.upper for s in found.segments)
    assert [s.kind for s in found.segments] == list(path.kinds)
    return found


@QUICK
@given(
    net=cases.mlps(max_depth=4),
    seed=st.integers(0, 10**6),
    loss=st.sampled_from(sorted(LOSSES)),
)
def test_never_below_a_grid_on_straight_lines(net, seed, loss):
    path = paths.straight(cases.drawn(net, seed), cases.drawn(net, seed + 1))
    x, y = data(net, 5, seed)
    assert_sound(net, path, x, y, loss)


@pytest.mark.parametrize("loss", sorted(LOSSES))
@pytest.mark.parametrize("bias", [True, False])
def test_never_below_a_grid_with_convolutions_and_pooling(bias, loss):
    net = networks.Network(
        (1, 5, 5),
        (
            networks.Layer(3, bias, 2, 1, pools=(networks.Pool("max", 2),)),
            networks.Layer(1, bias, 3, 1, pools=(networks.Pool("max", 2),)),
            networks.Layer(3, bias),
        ),
    )
    ends = cases.drawn(net, 1), cases.drawn(net, 2)
    x, y = data(net, 3)
    assert_sound(net, paths.straight(*ends), x, y, loss)


def test_never_below_a_grid_with_every_pooling():
    net = cases.convolutional()
    ends = cases.drawn(net, 1), cases.drawn(net, 2)
    x, y = data(net, 2)
    path = paths.straight(*ends)
    assert_sound(net, path, x, y, "cross_entropy", 101, budget=40)


def assert_in_boxes(net, theta, other, x, points):
    ((z0, z1, lo, hi, _),) = boxes(net, [theta, other], x)
    for s in np.linspace(0, 1, points):
        z = plain.forward(net, cases.between(theta, other, s), x)
        rest = z - ((1 - s) * z0 + s * z1).numpy()
        size = 1e-12 * (1 + abs(z).max())
        assert (rest <= hi.numpy() + size).all()
        assert (rest >= lo.numpy() - size).all()


@QUICK
@given(net=cases.mlps(max_depth=5), seed=st.integers(0, 10**6))
def test_outputs_stay_in_their_boxes(net, seed):
    theta, other = cases.drawn(net, seed), cases.drawn(net, seed + 1)
    assert_in_boxes(net, theta, other, cases.inputs(net, 4, seed), 101)


@pytest.mark.parametrize(
    "pool",
    [
        ("max", 2),
        ("max", 3, 1),
        ("max", 3, 2, 1),
        ("max", 2, 3),
        ("average", 2),
        ("average", 3, 1, 1),
        ("adaptive", 2),
    ],
    ids=str,
)
def test_pooled_outputs_stay_in_their_boxes(pool):
    # from one constant map to another and back: the pooling does the work
    net = networks.Network(
        (1, 5, 5),
        (
            networks.Layer(2, True, 2, 0),
            networks.Layer(1, True, 1, 0, pools=(networks.Pool(*pool),)),
            networks.Layer(1, False),
        ),
    )
    x = cases.inputs(net, 40)
    for sign in (-1, 1):
        for seed in range(3):
            theta, other = cases.drawn(net, seed), cases.drawn(net, seed + 9)
            last = (torch.full_like(theta[2][0], sign), None)
            theta, other = (*theta[:2], last), (*other[:2], last)
            assert_in_boxes(net, theta, other, x, 21)


def test_boxes_shrink_as_the_square_of_the_interval():
    net = networks.mlp([4, 9, 8, 7, 3])
    path = paths.straight(cases.drawn(net, 1), cases.drawn(net, 2))
    x = cases.inputs(net, 300)
    width = []
    for step in (1 / 16, 1 / 128):
        points = [path(0.5), path(0.5 + step)]
        ((_, _, lo, hi, _),) = boxes(net, points, x)
        width.append(float((hi - lo).mean()))
    assert 32 < width[0] / width[1] < 128  # 64, but for few switches


@pytest.mark.parametrize("loss", sorted(LOSSES))
@pytest.mark.parametrize("style", ["paper", "figure", "short"])
def test_theorem1_is_exact_from_2d_functions(style, loss):
    net = networks.mlp([3, 7, 4, 5, 3])
    thetas = cases.drawn(net, 1), cases.drawn(net, 2)
    kept = cases.halves(net, 1), cases.halves(net, 2)
    path = paths.theorem1(
        net, *thetas, kept_a=kept[0], kept_b=kept[1], scale_a=1.7, style=style
    )
    x, y = data(net, 40)
    found = assert_sound(net, path, x, y, loss, 21)
    knots = [
        LOSSES[loss](plain.forward(net, knot, x), y.numpy())
        for knot in path.knots
    ]
    assert found.exact
    assert found.evaluations == 2 * net.depth
    assert found.intervals == 0
    assert found.attained == pytest.approx(max(knots), rel=1e-12)
    assert found.upper == pytest.approx(max(knots), rel=2e-9)
    assert grid(net, path, x, y, loss, 41)[0] <= max(knots) * (1 + 1e-12)
    for k, segment in enumerate(found.segments):
        assert segment.exact
        ends = max(knots[k], knots[k + 1])
        assert segment.attained == pytest.approx(ends, rel=1e-12)
        assert (segment.start, segment.stop) == (
            k / len(path),
            (k + 1) / len(path),
        )


def test_theorem41_is_exact_from_2l_plus_1_functions():
    net = networks.mlp([3, 7, 5, 6, 3])
    kept = [cases.subset(h, (h + 1) // 2, h) for h in net.hidden]
    xi = [cases.subnetworks(net, kept, seed) for seed in (1, 11)]
    path = paths.theorem41(
        net,
        cases.drawn(net, 1),
        cases.drawn(net, 2),
        kept_a=kept,
        kept_b=kept,
        subnetworks_a=xi[0],
        subnetworks_b=[xi[0][0], *xi[1][1:]],
    )
    x, y = data(net, 30)
    found = assert_sound(net, path, x, y, "cross_entropy", 11)
    assert found.exact
    assert found.evaluations == 2 * net.depth + 1


def test_general_ends_of_theorem2():
    net = networks.mlp([3, 9, 8, 3])
    thetas = cases.drawn(net, 1), cases.drawn(net, 2)
    path = paths.theorem2(net, *thetas, generator=cases.seeded(3))
    x, y = data(net, 30)
    found = assert_sound(net, path, x, y, "cross_entropy", 101)
    assert found.complete
    assert {s.kind for s in found.segments} == {
        "constant",
        "affine",
        "general",
    }


@pytest.mark.parametrize("tolerance", [0.2, 0.01, 0.001])
def test_tolerance_is_met(tolerance):
    net = networks.mlp([4, 16, 12, 3])
    path = paths.straight(cases.drawn(net, 3), cases.drawn(net, 4))
    x, y = data(net, 50)
    found = assert_sound(
        net, path, x, y, "cross_entropy", 201, tolerance=tolerance
    )
    assert found.complete
    assert found.upper <= found.attained * (1 + tolerance) + 1e-8


def test_an_ended_budget_is_said_and_the_bound_still_holds():
    net = networks.mlp([3, *[8] * 9, 2])
    path = paths.straight(cases.drawn(net, 1), cases.drawn(net, 2))
    x, y = data(net, 8)
    found = assert_sound(
        net, path, x, y, "cross_entropy", 101, budget=10, tolerance=1e-6
    )
    assert not found.complete
    assert not found.exact
    assert found.intervals == 10


def test_float32_parameters():
    net = networks.mlp([3, 8, 6, 3])
    thetas = [cases.drawn(net, s, torch.float32) for s in (1, 2)]
    kept = cases.halves(net, 1), cases.halves(net, 2)
    path = paths.theorem1(
        net, *thetas, kept_a=kept[0], kept_b=kept[1], scale_a=1.7, scale_b=0.3
    )
    x, y = data(net, 30)
    assert assert_sound(net, path, x, y, "cross_entropy", 21).exact
    line = paths.straight(*thetas)
    assert_sound(net, line, x.float(), y, "cross_entropy", 201)


def test_blocks_of_samples_change_nothing():
    net = networks.mlp([3, 8, 6, 3])
    path = paths.straight(cases.drawn(net, 1), cases.drawn(net, 2))
    x, y = data(net, 30)
    whole = certificates.certify(net, path, x, y)
    parts = certificates.certify(net, path, x, y, batch=7)
    for field in dataclasses.fields(whole):
        if field.name != "segments":
            expected = getattr(whole, field.name)
            assert getattr(parts, field.name) == pytest.approx(expected)


# the square loss on two layers: piecewise quartics


@QUICK
@given(
    h=st.integers(1, 7),
    outputs=st.integers(1, 3),
    bias=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_two_layers_and_the_square_loss_are_exact(h, outputs, bias, seed):
    net = networks.mlp([3, h, outputs], bias=bias)
    ends = cases.drawn(net, seed), cases.drawn(net, seed + 1)
    path = paths.straight(*ends)
    x = cases.inputs(net, 6, seed)
    y = torch.randn(6, outputs, generator=cases.seeded(seed))
    y = y.double() * 3
    found = certificates.certify(net, path, x, y, "square", tolerance=0)
    highest, _ = grid(net, path, x, y, "square")
    assert found.exact
    assert highest <= found.upper
    # a supremum between grid points exceeds them by little
    assert found.upper <= highest * (1 + 1e-3)


def test_quartic_finds_a_maximum_inside():
    x = torch.tensor([[1.0]]).double()

    def theta(w, a):
        one = torch.ones(1, 1, dtype=torch.float64)
        return ((w * one, None), (a * one, None))

    # z(t) = (1 - t) t on the segment: largest at 1/2, where it is 1/4
    value, t = certificates.square_supremum(
        theta(1.0, 0.0), theta(0.0, 1.0), x, torch.zeros(1, 1).double()
    )
    assert value == pytest.approx(1 / 16, rel=1e-12)
    assert t == pytest.approx(0.5, abs=1e-9)


def test_quartic_with_a_unit_that_starts_at_its_switch():
    one = torch.ones(1, 1, dtype=torch.float64)
    start, end = ((0 * one, None), (one, None)), ((one, None), (one, None))
    for x in (one, -one):  # z(t) = max(t x, 0)
        value, t = certificates.square_supremum(start, end, x, 0 * one)
        assert (value, t) == ((1, 1) if x > 0 else (0, t))


def test_the_first_of_equal_maxima_is_shown():
    """A function computed in two ways: which is higher is rounding."""
    net = networks.mlp([3, 7, 6, 2])
    last_bit = set()
    for seed in range(12):
        a, b = cases.drawn(net, seed), cases.drawn(net, seed + 100)
        b = tuple((w / 100, c / 100) for w, c in b)
        order = [
            torch.randperm(h, generator=cases.seeded(seed)) for h in (7, 6)
        ]
        twin = paths.alignment.permute(net, a, order)
        x, y = data(net, 5, seed)
        y = (net.forward(a, x).argmin(1)).long()  # the ends are high
        for knots in ((a, b, twin), (twin, b, a)):
            path = paths.Path([*knots])
            found = certificates.certify(net, path, x, y)
            assert found.where == 0
            highest = [part.attained for part in found.segments]
            assert found.attained == max(highest)
            last_bit.add(highest[1] > highest[0])
    assert last_bit == {True, False}


# the 0-1 error


def error_by_force(z0, z1, y):
    """Errors at all crossings of two outputs, and between neighbours."""
    n, c = z0.shape
    t = {0.0, 1.0}
    for i in range(n):
        for a in range(c):
            for b in range(a):
                start = z0[i, a] - z0[i, b]
                move = z1[i, a] - z1[i, b] - start
                if move != 0 and 0 < -start / move < 1:
                    t.add(-start / move)
    t = sorted(t)
    t += [(a + b) / 2 for a, b in pairwise(t)]
    return max((((1 - s) * z0 + s * z1).argmax(1) != y).mean() for s in t)


@QUICK
@given(n=st.integers(1, 12), c=st.integers(2, 5), seed=st.integers(0, 10**6))
def test_error_on_an_affine_segment_is_exact(n, c, seed):
    rng = np.random.default_rng(seed)
    z0, z1 = rng.normal(size=(2, n, c))
    y = rng.integers(c, size=n)
    found, t = certificates.error_supremum(*map(torch.as_tensor, (z0, z1, y)))
    assert found == pytest.approx(error_by_force(z0, z1, y), abs=1e-12)
    near = [min(max(t + e, 0), 1) for e in (-1e-9, 0, 1e-9)]
    assert found == pytest.approx(
        max((((1 - s) * z0 + s * z1).argmax(1) != y).mean() for s in near)
    )


def test_error_exceeds_both_ends():
    z0 = torch.tensor([[1.0, 0.0], [0.0, 3.0]])
    z1 = torch.tensor([[0.0, 3.0], [1.0, 0.0]])
    found, t = certificates.error_supremum(z0, z1, torch.tensor([0, 0]))
    assert found == 1.0
    assert 0.25 - 1e-9 <= t <= 0.75 + 1e-9


def test_lasting_ties_go_to_the_first_class():
    z = torch.zeros(3, 2)
    found, _ = certificates.error_supremum(z, z, torch.tensor([0, 1, 1]))
    assert found == pytest.approx(2 / 3)


def test_error_of_one_output():
    y = torch.tensor([[1.0], [0.0]])
    z0, z1 = torch.tensor([[1.0], [2.0]]), torch.tensor([[-1.0], [-2.0]])
    found, _ = certificates.error_supremum(z0, z1, y)
    assert found == 1.0  # both change sides at 1/2
    later = torch.tensor([[-3.0], [-2.0]])
    assert certificates.error_supremum(z0, later, y)[0] == 1.0
    assert certificates.error_supremum(z0, z0, y)[0] == 0.5


def test_error_on_an_affine_path_by_force():
    net = networks.mlp([3, 9, 4])
    theta = cases.drawn(net, 1)
    other = (theta[0], cases.drawn(net, 2)[1])
    path = paths.straight(theta, other)
    x, y = data(net, 60)
    found = certificates.certify(net, path, x, y)
    z0, z1 = (plain.forward(net, knot, x) for knot in path.knots)
    assert path.kinds == ("affine",)
    assert found.error_exact
    assert found.error_upper == pytest.approx(
        error_by_force(z0, z1, y.numpy()), abs=1e-12
    )


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"tolerance": -0.1}, "tolerance is -0.1"),
        ({"tolerance": float("nan")}, "tolerance is nan"),
        ({"budget": 0}, "budget is 0"),
        ({"initial": 0}, "initial is 0"),
        ({"batch": 0}, "batch is 0"),
        ({"loss": "hinge"}, "loss is 'hinge'"),
        ({"y": torch.zeros(3).long()}, "x has 5 samples and y has 3"),
        ({"y": torch.full((5,), 2)}, "classes 2 to 2"),
        ({"y": torch.zeros(5)}, "needs integer class indices"),
        ({"x": torch.zeros(5, 4)}, "x has shape"),
        ({"network": networks.mlp([3, 5, 2])}, "shape"),
    ],
)
def test_refuses(change, match):
    net = networks.mlp([3, 4, 2])
    path = paths.straight(cases.drawn(net, 1), cases.drawn(net, 2))
    x, y = data(net, 5)
    arguments = {"network": net, "path": path, "x": x, "y": y, **change}
    with pytest.raises(ValueError, match=match):
        certificates.certify(**arguments)


# what the suprema are asked of


def two_layers(seed):
    net = networks.mlp([3, 6, 2])
    return cases.drawn(net, seed), cases.inputs(net, 4)


def spoilt(values, value):
    values = values.clone()
    values[1, 1] = value
    return values


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_suprema_of_what_is_not_finite(value):
    (a, x), (b, _) = two_layers(1), two_layers(2)
    y, z = torch.ones(4, 2).double(), torch.rand(4, 2)
    labels = torch.zeros(4).long()
    square, error = certificates.square_supremum, certificates.error_supremum
    bad = (a[0], (spoilt(a[1][0], value), a[1][1]))
    for call, name in (
        (lambda: square(a, b, spoilt(x, value), y), "x"),
        (lambda: square(a, b, x, spoilt(y, value)), "y"),
        (lambda: square(bad, b, x, y), "theta, layer 2: weight"),
        (lambda: square(a, bad, x, y), "other, layer 2: weight"),
        (lambda: error(spoilt(z, value), z, labels), "z0"),
        (lambda: error(z, spoilt(z, value), labels), "z1"),
        (lambda: error(z, z, spoilt(z, value)), "y"),
    ):
        with pytest.raises(ValueError, match=f"{name} has 1 non-finite"):
            call()


def test_square_supremum_of_misfits():
    (a, x), (b, _) = two_layers(1), two_layers(2)
    y = torch.ones(4, 2).double()
    deep = cases.drawn(networks.mlp([3, 6, 6, 2]), 1)
    narrow = cases.drawn(networks.mlp([3, 5, 2]), 1)
    for misfit, says in (
        ((a, b, x, y[:, :1]), r"y has shape \(4, 1\); \(n, 2\)"),
        ((a, b, x, y[:1]), "x has 4 samples and y has 1"),
        ((a, b, x, y[:, 0]), r"y has shape \(4,\); \(n, 2\)"),
        ((a, b, x[:, :2], y), r"x has shape \(4, 2\); \(n, 3\)"),
        ((a, b, x[:0], y[:0]), "0 samples"),
        ((deep, deep, x, y), "theta is not that of two fully"),
        ((a, narrow, x, y), r"other, layer 1: weight has shape \(5, 3\)"),
    ):
        with pytest.raises(ValueError, match=says):
            certificates.square_supremum(*misfit)
    with pytest.raises(TypeError, match=r"x has dtype .*complex"):
        certificates.square_supremum(a, b, x * 1j, y)
    found = certificates.square_supremum(a, b, x, y)
    for other in (np.asarray, torch.Tensor.tolist):
        same = certificates.square_supremum(a, b, other(x), other(y))
        assert same == found


def test_error_supremum_of_misfits():
    z = torch.rand(4, 3)
    y = torch.tensor([0, 2, 1, 0])
    for misfit, says in (
        ((z, z[:3], y), r"z0 has shape \(4, 3\) and z1 \(3, 3\)"),
        ((z[:0], z[:0], y[:0]), "one sample at least"),
        ((z, z, y[:3]), r"y has shape \(3,\); needed: \(4,\)"),
        ((z, z, y.double()), r"y has shape \(4,\); needed: \(4, 3\)"),
        ((z, z, y + 1), "y has classes 1 to 3; .* 0 to 2"),
        ((z, z, y - 1), "y has classes -1 to 1"),
    ):
        with pytest.raises(ValueError, match=says):
            certificates.error_supremum(*misfit)
    found = certificates.error_supremum(z, z.flip(0), y)
    for other in (np.asarray, torch.Tensor.tolist):
        same = certificates.error_supremum(*map(other, (z, z.flip(0), y)))
        assert same == found
    assert certificates.error_supremum(z, z.flip(0), y.int()) == found


def test_flips_of_misfits():
    net = networks.mlp([3, 6, 2])
    (a, x), (b, _) = two_layers(1), two_layers(2)
    path = paths.straight(a, b)
    for bad, says in (
        (x * np.nan, "x has 12 non-finite"),
        (x[:0], "no samples"),
        (x[:, :2], r"x has shape \(4, 2\)"),
    ):
        with pytest.raises(ValueError, match=says):
            certificates.flips(net, path, bad)
    with pytest.raises(ValueError, match=r"path\.knots\[0\], layer 1"):
        certificates.flips(networks.mlp([3, 4, 2]), path, x)
    found = certificates.flips(net, path, x)
    assert found.sum() > 0
    assert torch.equal(certificates.flips(net, path, x.tolist()), found)
    assert torch.equal(certificates.flips(net, path, x.numpy()), found)
