"""Networks that take given values: against a plain NumPy forward pass."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import memorization, networks

settings.register_profile("few", max_examples=25, deadline=None)
few = settings.get_profile("few")


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def outputs(theta, x):
    """A ReLU network in NumPy."""
    h = x.numpy()
    for i, (weight, bias) in enumerate(theta, 1):
        h = h @ weight.numpy().T
        if bias is not None:
            h = h + bias.numpy()
        if i < len(theta):
            h = np.maximum(h, 0)
    return h


@few
@given(
    n=st.integers(1, 60),
    d=st.integers(1, 9),
    c=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_one_hidden_layer(n, d, c, seed):
    x, y = normal(n, d, seed=seed), normal(n, c, seed=seed + 1)
    found = memorization.memorize(x, y, generator=seeded(seed))
    theta = found.parameters
    np.testing.assert_allclose(outputs(theta, x), y.numpy(), atol=1e-6)
    groups = -(-n // max(1, min(d, n - 1)))
    assert len(theta) == 2
    assert len(found.groups) == groups
    assert len(theta[0][0]) == 2 * (c + 1) * groups
    assert theta[1][1] is None
    assert sorted(torch.cat(found.groups).tolist()) == list(range(n))


@few
@given(
    n=st.integers(2, 60),
    d=st.integers(1, 4),
    hidden=st.integers(2, 4),
    width=st.integers(1, 9),
    seed=st.integers(0, 99),
)
def test_distinct_points_suffice(n, d, hidden, width, seed):
    """Points of a lattice, in no generic position."""
    grid = torch.randperm(10**4, generator=seeded(seed))[:n]
    x = torch.stack([grid % 10 ** (4 // d) + 7.0 * k * grid for k in range(d)])
    x = (x.T / 10**4).double()
    y = normal(n, 1, seed=seed)
    found = memorization.memorize(
        x, y[:, 0], generator=seeded(seed), hidden=hidden, width=width
    )
    theta = found.parameters
    np.testing.assert_allclose(outputs(theta, x), y.numpy(), atol=1e-3)
    widths = [len(weight) for weight, _ in theta]
    assert widths[: hidden - 2] == [1] * (hidden - 2)
    assert widths[hidden - 2] <= width
    assert widths[hidden - 1] == 4 * -(-n // width)
    assert all(len(group) <= width for group in found.groups)


@pytest.mark.parametrize("size", [1e-300, 1e-12, 1e-6, 1e7, 1e12, 1e200])
@pytest.mark.parametrize("options", [{}, {"hidden": 2, "width": 4}])
def test_samples_in_other_units(size, options):
    x, y = size * normal(20, 4), normal(20, 2, seed=1)
    found = memorization.memorize(x, y, generator=seeded(), **options)
    np.testing.assert_allclose(
        outputs(found.parameters, x), y.numpy(), atol=1e-6
    )


@pytest.mark.parametrize("value", [1e-25, 1.0, 1e25])
def test_values_in_other_units(value):
    x, y = normal(20, 4), value * normal(20, 2, seed=1)
    found = memorization.memorize(x, y, generator=seeded())
    got = outputs(found.parameters, x) / value
    np.testing.assert_allclose(got, y.numpy() / value, atol=1e-6)


@pytest.mark.parametrize("options", [{}, *({"hidden": h} for h in (2, 3))])
@pytest.mark.parametrize("size", [0.0, 1.0])
def test_one_sample(options, size):
    if options:
        options = {**options, "width": 3}
    x, y = size * normal(1, 3), normal(1, 2, seed=1)
    theta = memorization.memorize(
        x, y, generator=seeded(), **options
    ).parameters
    np.testing.assert_allclose(outputs(theta, x), y.numpy(), atol=1e-12)


def test_a_plane_holds_its_group_alone():
    x, y = normal(30, 4), normal(30, 1, seed=1)
    found = memorization.memorize(x, y, generator=seeded())
    weight, bias = found.parameters[0]
    for k, group in enumerate(found.groups):
        # rows of a group: plane up, tilted up, plane down, tilted down
        up, down = 4 * k, 4 * k + 2
        plane = x @ weight[up] + (bias[up] + bias[down]) / 2
        others = plane[[j for j in range(30) if j not in group]]
        assert plane[group].abs().max() < 1e-10
        assert others.abs().min() > (bias[up] - bias[down]) * (1 - 1e-9)


def test_smaller_groups():
    x, y = normal(30, 6), normal(30, 2, seed=1)
    found = memorization.memorize(x, y, generator=seeded(), group=4)
    assert [len(group) for group in found.groups] == [4] * 7 + [2]
    np.testing.assert_allclose(outputs(found.parameters, x), y, atol=1e-8)


def test_a_rarely_active_feature_needs_smaller_groups():
    """Three features, one of them zero on all samples but one."""
    x = normal(12, 3)
    x[:-1, 2] = 0
    with pytest.raises(ValueError, match="affine hull of a group of 3"):
        memorization.memorize(x, normal(12, 1), generator=seeded())
    found = memorization.memorize(
        x, normal(12, 1), generator=seeded(), group=2
    )
    np.testing.assert_allclose(
        outputs(found.parameters, x), normal(12, 1), atol=1e-8
    )


def test_repeated_rows():
    x = normal(9, 3)
    x[4] = x[2]
    for options in ({}, {"hidden": 2, "width": 3}):
        with pytest.raises(ValueError, match=r"x.*distinct"):
            memorization.memorize(
                x, normal(9, 1), generator=seeded(), **options
            )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"hidden": 0}, "hidden is 0"),
        ({"hidden": 1.5}, "hidden is 1.5"),
        ({"hidden": 2, "width": 0}, "width is 0"),
        ({"group": 0}, "group is 0"),
        ({"hidden": 2}, "width None"),
        ({"width": 3}, "hidden is 1 and width 3"),
        ({"group": 4}, "group is 4; .* dimension 3"),
        ({"hidden": 2, "width": 3, "group": 2}, "group is 2 with hidden=2"),
    ],
)
def test_bad_arguments(options, text):
    with pytest.raises(ValueError, match=text):
        memorization.memorize(
            normal(9, 3), normal(9, 1), generator=seeded(), **options
        )
    with pytest.raises(ValueError, match=r"\(9, 3\) and y \(8, 1\)"):
        memorization.memorize(normal(9, 3), normal(8, 1), generator=seeded())
    with pytest.raises(ValueError, match="at least one sample"):
        memorization.memorize(normal(0, 3), normal(0, 1), generator=seeded())
    for name in ("x", "y"):
        given = {"x": normal(9, 3), "y": normal(9, 1)}
        given[name][2, 0] = torch.nan
        with pytest.raises(ValueError, match=f"{name} has 1 non-finite"):
            memorization.memorize(**given, generator=seeded())
    with pytest.raises(TypeError, match="x has dtype"):
        memorization.memorize(
            normal(9, 3).long(), normal(9, 1), generator=seeded()
        )


def test_classes_from_one_number():
    x = normal(40, 5)
    labels = torch.randint(4, (40,), generator=seeded())
    found = memorization.memorize(x, labels.double(), generator=seeded())
    theta = memorization.classify(found.parameters, 4, 30.0)
    s = labels.double()[:, None]
    k = torch.arange(4.0).double()
    expected = 30 * (k * s - k**2 / 2)
    np.testing.assert_allclose(outputs(theta, x), expected, atol=1e-6)
    assert (outputs(theta, x).argmax(1) == labels.numpy()).all()
    assert len(theta[0][0]) == len(found.parameters[0][0]) + 1
    with pytest.raises(ValueError, match="theta has 4 outputs"):
        memorization.classify(theta, 4, 1.0)


@pytest.mark.parametrize("bias", [True, False])
def test_padding(bias):
    x, y = normal(12, 3), normal(12, 2, seed=1)
    theta = memorization.memorize(
        x, y, generator=seeded(), hidden=2, width=4
    ).parameters
    layers = (networks.Layer(9), networks.Layer(30), networks.Layer(2, bias))
    net = networks.Network((5,), layers)
    wide = memorization.pad(net, theta)
    net.check(wide)
    seen = torch.cat([x, normal(12, 2, seed=5)], 1)
    np.testing.assert_allclose(
        outputs(wide, seen), outputs(theta, x), atol=1e-9
    )
    narrow = networks.mlp([3, 3, 30, 2])
    with pytest.raises(ValueError, match=r"layer 1: .*\(4, 3\); at most"):
        memorization.pad(narrow, theta)
    with pytest.raises(ValueError, match="layer 1: theta has a bias"):
        memorization.pad(networks.mlp([3, 4, 30, 2], bias=False), theta)
    with pytest.raises(ValueError, match="theta has 3 layers"):
        memorization.pad(networks.mlp([3, 9, 2]), theta)


def test_capacity():
    """(A1) by hand: 4 floor(245 / 8) floor(122 / 40) = 4 * 30 * 3."""
    capacity = memorization.capacity
    assert capacity(245, 245, kept=123, outputs=10) == 360
    assert capacity(16, 8, kept=4, outputs=1) == 8
    for kept in (3, 9):
        with pytest.raises(ValueError, match=f"kept is {kept}"):
            capacity(8, 8, kept=kept, outputs=1)


@pytest.mark.parametrize(("samples", "outputs"), [(1, 1), (77, 3), (500, 10)])
def test_smallest_width(samples, outputs):
    def holds(n):
        half = n - -(-n // 2)
        return 4 * (n // 8) * (half // (4 * outputs)) >= samples

    expected = min(n for n in range(1, 2000) if holds(n))
    assert memorization.width_for(samples, outputs=outputs) == expected


@pytest.mark.parametrize(
    ("samples", "outputs", "match"),
    [
        (float("nan"), 1, "samples is nan"),
        (float("inf"), 1, "samples is inf"),
        (100, -1, "outputs is -1"),
        (100, 0, "outputs is 0"),
    ],
)
def test_no_width_for_that(samples, outputs, match):
    with pytest.raises(ValueError, match=match):
        memorization.width_for(samples, outputs=outputs)


LINE = torch.tensor([[0, 0, 0], [1, 0, 0], [2, 0, 0]]).double()


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_dependent_groups_are_named_not_averaged(size):
    x = size * torch.cat([LINE, 5 + normal(3, 3)])
    y = torch.tensor([0.0, 1, 0, 0, 0, 0]).double()
    named = []
    for seed in range(60):  # the order, and so the groups, are drawn
        try:
            memorization.memorize(x, y, generator=seeded(seed), group=3)
        except ValueError as fault:
            named.append(str(fault))
    # one or two of the line's points in a group: the third is in its hull
    assert len(named) == 60
    assert all(text.startswith("x: ") for text in named)
    assert any(
        "a group of 3 samples spans 1 dimensions" in text
        and "affinely independent" in text
        for text in named
    )


def test_a_dependent_group_with_affine_values_is_met():
    x = torch.cat([LINE, 5 + normal(3, 3)])
    y = torch.tensor([1.0, 3, 5, 0, 2, 7]).double()
    met, refused = 0, []
    for seed in range(60):
        try:
            found = memorization.memorize(
                x, y, generator=seeded(seed), group=3
            )
        except ValueError as fault:
            refused.append(str(fault))
            continue
        met += 1
        got = outputs(found.parameters, x)[:, 0]
        np.testing.assert_allclose(got, y.numpy(), atol=1e-6)
    assert met
    assert all("another sample lies in" in text for text in refused)


@few
@given(n=st.integers(4, 40), d=st.integers(2, 6), seed=st.integers(0, 99))
def test_what_is_returned_takes_the_values(n, d, seed):
    """On a small lattice, where dependent groups are common."""
    g = seeded(seed)
    x = torch.randint(0, 4, (n, d), generator=g).double().unique(dim=0)
    y = torch.randint(0, 3, (len(x),), generator=g).double()
    try:
        found = memorization.memorize(x, y, generator=g)
    except ValueError:
        return
    got = outputs(found.parameters, x)[:, 0]
    np.testing.assert_allclose(got, y.numpy(), atol=1e-5)
