"""Theorem paths of K19, N21 and S20 against NumPy forward passes."""

import numpy as np
import path_cases as cases
import plain_networks as plain
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import networks, paths

QUICK = settings(max_examples=25, deadline=None)
DEPTHS = range(2, 7)


def deep(d, bias=True):
    """Odd and unequal widths, d layers."""
    return networks.mlp([*[3, 7, 6, 5, 9, 8][:d], 2], bias=bias)


def pair(net, seed=0, dtype=torch.float64):
    return cases.drawn(net, seed, dtype), cases.drawn(net, seed + 1, dtype)


# counts, end points, patterns ------------------------------------------------


@pytest.mark.parametrize("d", DEPTHS)
@pytest.mark.parametrize(
    ("style", "down", "count"),
    [
        ("paper", lambda d: 5 * d - 8, lambda d: 10 * d - 8),
        ("figure", lambda d: 4 * d - 6, lambda d: 8 * d - 4),
        ("short", lambda d: 2 * d - 3, lambda d: 4 * d - 1),
    ],
)
def test_dropout_counts_and_kinds(d, style, down, count):
    net = deep(d)
    theta_a, theta_b = pair(net)
    kept_a, kept_b = cases.halves(net, 1), cases.halves(net, 2)
    pattern = cases.lemma1_pattern(d, style)
    x = cases.inputs(net)

    path = paths.lemma1(net, theta_a, kept_a, scale=1.9, style=style)
    assert len(path) == down(d)
    assert cases.same(path.knots[0], theta_a)
    assert cases.assert_honest(net, path, x) == pattern

    path = paths.theorem1(
        net,
        theta_a,
        theta_b,
        kept_a=kept_a,
        kept_b=kept_b,
        scale_a=[1.3, 0.7, 2.0, 1.1, 1.0][: d - 1],
        scale_b=1.4,
        style=style,
    )
    assert len(path) == count(d)
    assert cases.same(path.knots[0], theta_a)
    assert cases.same(path.knots[-1], theta_b)
    middle = cases.MIDDLE[style]
    found = cases.assert_honest(net, path, x)
    assert found == pattern + middle + pattern[::-1]
    assert len(set(path.functions)) == 2 * d


@pytest.mark.parametrize("d", DEPTHS)
@pytest.mark.parametrize(
    ("style", "length", "middle", "star"),
    [
        ("paper", (10, 13), "01000000", "010"),
        ("short", (7, 9), "01000", "10"),
    ],
)
def test_noise_counts_and_kinds(d, style, length, middle, star):
    net = deep(d, bias=d % 2 == 0)
    theta_a, theta_b = pair(net, 4)
    general = "1" if d == 2 else "2"
    x = cases.inputs(net)
    path = paths.theorem2(
        net, theta_a, theta_b, generator=cases.seeded(5), style=style
    )
    assert len(path) == length[0]
    assert cases.same(path.knots[0], theta_a)
    assert cases.same(path.knots[-1], theta_b)
    found = cases.assert_honest(net, path, x)
    assert found == general + middle + general

    narrow = net.narrow([3, *(max(1, h // 4) for h in net.hidden)])
    theta_star = cases.drawn(narrow, 6)
    path = paths.theorem3(
        net,
        theta_a,
        theta_b,
        theta_star,
        p=0.4,
        generator=cases.seeded(7),
        style=style,
    )
    assert len(path) == length[1]
    assert cases.same(path.knots[0], theta_a)
    assert cases.same(path.knots[-1], theta_b)
    found = cases.assert_honest(net, path, x)
    assert found == general + middle + star + general
    expected = plain.forward(narrow, theta_star, x)
    middle_knots = cases.distinct(net, path, x)[2]
    np.testing.assert_allclose(middle_knots, expected, atol=1e-12)


def features_case(net, shares_a, shares_b, seed):
    """Kept sets with given shares of each layer, and their subnetworks."""
    kept = [
        [
            cases.subset(h, int(np.ceil(share * h)), seed + 7 * end + i)
            for i, (h, share) in enumerate(zip(net.hidden, shares))
        ]
        for end, shares in enumerate((shares_a, shares_b))
    ]
    xis = [
        cases.subnetworks(net, sets, seed + 20 * end)
        for end, sets in enumerate(kept, 1)
    ]
    return kept, xis


def assert_feature_path(net, path, thetas, kept, xis, only):
    """Ends, kinds, and the 2L + 1 functions in their order."""
    x = cases.inputs(net, 3 if len(net.inputs) == 3 else 6)
    assert cases.same(path.knots[0], thetas[0])
    assert cases.same(path.knots[-1], thetas[1])
    found = cases.assert_honest(net, path, x)
    outputs = [
        [
            cases.feature_output(net, theta, sets, xi[m], m, x)
            for m in range(net.depth - 1, -1, -1)
        ]
        for theta, sets, xi in zip(thetas, kept, xis)
    ]
    expected = [
        plain.forward(net, thetas[0], x),
        *outputs[0][:-1],
        outputs[only][-1],
        *outputs[1][-2::-1],
        plain.forward(net, thetas[1], x),
    ]
    actual = cases.distinct(net, path, x)
    assert len(actual) == 2 * net.depth + 1
    for one, other in zip(actual, expected):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-11)
    return found


@pytest.mark.parametrize("d", DEPTHS)
@pytest.mark.parametrize("style", ["paper", "short"])
def test_feature_counts_equal_sets(d, style):
    net = deep(d, bias=d % 2 == 1)
    thetas = pair(net, 8)
    (kept, _), (xi_a, _) = features_case(net, [0.5] * 5, [0.5] * 5, 3)
    xi_b = cases.subnetworks(net, kept, 70)
    path = paths.theorem41(
        net,
        *thetas,
        kept_a=kept,
        kept_b=kept,
        subnetworks_a=xi_a,
        subnetworks_b=xi_b,
        style=style,
    )
    assert len(path) == (12 * d - 15 if style == "paper" else 4 * d - 1)
    found = assert_feature_path(
        net, path, thetas, (kept, kept), (xi_a, xi_b), 0
    )
    down = {
        "paper": "10" + "010000" * (d - 2),
        "short": "1" + "01" * (d - 2),
    }[style]
    assert found == down + "01010" + down[::-1]


@pytest.mark.parametrize("d", [2, 3, 5])
@pytest.mark.parametrize("style", ["paper", "short"])
@pytest.mark.parametrize(
    ("shares_a", "shares_b"),
    [
        ([0.5] * 4, [0.5] * 4),
        ([0.8, 0.5, 0.6, 0.5], [0.5, 0.8, 0.5, 1.0]),
        ([0.5, 0.8, 0.5, 0.9], [0.8, 0.5, 0.6, 0.5]),
        ([1.0] * 4, [0.5] * 4),
    ],
)
def test_feature_paths_between_different_sets(d, style, shares_a, shares_b):
    net = deep(d)
    thetas = pair(net, 9)
    kept, xis = features_case(net, shares_a, shares_b, 4)
    path = paths.theorem41(
        net,
        *thetas,
        kept_a=kept[0],
        kept_b=kept[1],
        subnetworks_a=xis[0],
        subnetworks_b=xis[1],
        style=style,
    )
    assert len(path) <= (12 * d - 12 if style == "paper" else 4 * d + 1)
    only = int(len(kept[1][0]) > len(kept[0][0]))
    found = assert_feature_path(net, path, thetas, kept, xis, only)
    assert "2" not in found


# any subsets that fit --------------------------------------------------------


@QUICK
@given(data=st.data())
def test_theorem1_on_any_fitting_subsets(data):
    net = data.draw(cases.mlps(max_depth=4))
    kept_a, kept_b = data.draw(cases.fitting(net))
    style = data.draw(st.sampled_from(["paper", "figure", "short"]))
    theta_a, theta_b = pair(net, data.draw(st.integers(0, 99)))
    path = paths.theorem1(
        net,
        theta_a,
        theta_b,
        kept_a=kept_a,
        kept_b=kept_b,
        scale_a=1.5,
        scale_b=[0.5] * (net.depth - 1),
        style=style,
    )
    assert cases.same(path.knots[0], theta_a)
    assert cases.same(path.knots[-1], theta_b)
    pattern = cases.lemma1_pattern(net.depth, style)
    found = cases.assert_honest(net, path, cases.inputs(net))
    cases.assert_at_most(found, pattern + cases.MIDDLE[style] + pattern[::-1])


@QUICK
@given(data=st.data())
def test_theorem2_and_3_on_any_widths(data):
    net = data.draw(cases.mlps(max_depth=4))
    theta_a, theta_b = pair(net, data.draw(st.integers(0, 99)))
    style = data.draw(st.sampled_from(["paper", "short"]))
    p = data.draw(st.sampled_from([0.01, 0.5, 0.75, 0.99]))
    generator = cases.seeded(data.draw(st.integers(0, 99)))
    x = cases.inputs(net)
    path = paths.theorem2(
        net, theta_a, theta_b, p=p, generator=generator, style=style
    )
    middle = cases.MIDDLE[style]
    # dropped networks may be large: scales of up to 100 a layer
    found = cases.assert_honest(net, path, x)
    cases.assert_at_most(found, "2" + middle + "2")

    narrow = net.narrow(
        [3, *(data.draw(st.integers(1, h)) for h in net.hidden)]
    )
    path = paths.theorem3(
        net,
        theta_a,
        theta_b,
        cases.drawn(narrow, 3),
        p=p,
        generator=generator,
        style=style,
    )
    tail = {"paper": "0102", "short": "102"}[style]
    cases.assert_at_most(
        cases.assert_honest(net, path, x), "2" + middle + tail
    )


@QUICK
@given(data=st.data())
def test_theorem41_on_any_halves(data):
    net = data.draw(cases.mlps(max_depth=4))
    thetas = pair(net, data.draw(st.integers(0, 99)))
    style = data.draw(st.sampled_from(["paper", "short"]))
    kept = [
        [
            torch.tensor(
                sorted(
                    data.draw(st.permutations(range(h)))[
                        : data.draw(st.integers((h + 1) // 2, h))
                    ]
                )
            )
            for h in net.hidden
        ]
        for _ in range(2)
    ]
    xis = [cases.subnetworks(net, sets, 5) for sets in kept]
    path = paths.theorem41(
        net,
        *thetas,
        kept_a=kept[0],
        kept_b=kept[1],
        subnetworks_a=xis[0],
        subnetworks_b=xis[1],
        style=style,
    )
    d = net.depth
    assert len(path) <= (12 * d - 12 if style == "paper" else 4 * d + 1)
    assert cases.same(path.knots[-1], thetas[1])
    found = cases.assert_honest(net, path, cases.inputs(net))
    assert "2" not in found
    assert found.count("1") <= 2 * d


@QUICK
@given(data=st.data())
def test_two_layer_on_any_fitting_subsets(data):
    net = data.draw(cases.mlps(max_depth=2, max_width=9))
    (kept_a,), (kept_b,) = data.draw(cases.fitting(net))
    theta_a, theta_b = pair(net, data.draw(st.integers(0, 99)))
    path = paths.two_layer(
        net, theta_a, theta_b, kept_a=[kept_a], kept_b=[kept_b]
    )
    assert cases.same(path.knots[0], theta_a)
    assert cases.same(path.knots[-1], theta_b)
    x = cases.inputs(net)
    cases.assert_at_most(cases.assert_honest(net, path, x), "1010001")
    apart = kept_b[~torch.isin(kept_b, kept_a)]
    path = paths.two_layer(
        net,
        theta_a,
        theta_b,
        kept_a=[kept_a],
        kept_b=[apart],
        style="short",
    )
    assert cases.same(path.knots[-1], theta_b)
    cases.assert_at_most(cases.assert_honest(net, path, x), "10101")


@pytest.mark.parametrize("style", ["paper", "figure", "short"])
def test_no_segment_is_there_to_be_counted(style):
    """Where subsets overlap in part, every segment has a length."""
    net = networks.mlp([3, 8, 8, 8, 2])
    ends = pair(net, 24)
    kept_a, kept_b = [[0, 2, 4]] * 3, [[0, 1, 6]] * 3
    half_a, half_b = [[0, 2, 4, 5]] * 3, [[0, 1, 4, 6]] * 3
    built = [
        paths.theorem1(net, *ends, kept_a=kept_a, kept_b=kept_b, style=style)
    ]
    if style != "figure":
        xi = (
            cases.subnetworks(net, half_a, 1),
            cases.subnetworks(net, half_b, 5),
        )
        built += [
            paths.theorem41(
                net,
                *ends,
                kept_a=half_a,
                kept_b=sets,
                subnetworks_a=xi[0],
                subnetworks_b=xi[1],
                style=style,
            )
            for sets in (half_a, half_b)
        ]
    for path in built:
        for start, end in zip(path.knots, list(path.knots)[1:]):
            assert any(
                not torch.equal(p, q)
                for layer, twin in zip(start, end)
                for p, q in zip(layer, twin)
            )


# which functions stand at the knots ------------------------------------------


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("d", DEPTHS)
def test_paper_style_meets_every_theta_i(d, bias):
    """theta_{d-1-j} is knot 2 + 5j, bit for bit."""
    net = deep(d, bias)
    theta = cases.drawn(net, 11)
    kept, scale = cases.halves(net, 3), [1.3, 0.7, 2.0, 1.1, 3.0][: d - 1]
    path = paths.lemma1(net, theta, kept, scale=scale)
    for j in range(d - 1):
        expected = plain.dropout_network(net, theta, kept, d - 1 - j, scale)
        for (weight, offset), (w, b) in zip(
            expected, plain.arrays(path.knots[2 + 5 * j])
        ):
            np.testing.assert_array_equal(w, weight)
            np.testing.assert_array_equal(b, offset)
    figure = paths.lemma1(net, theta, kept, scale=scale, style="figure")
    meant = [k for k in range(5 * d - 7) if k < 2 or (k - 2) % 5]
    meant.append(5 * d - 8)
    for k, knot in zip(meant, figure.knots, strict=True):
        for (w, _), (other, _) in zip(knot, path.knots[k]):
            assert torch.equal(w, other)


def dropout_outputs(net, theta, levels, scale, x):
    """theta, theta_{d-1}, …, theta_1 on x; subsets of each level."""
    outputs = [plain.forward(net, theta, x)]
    for i in range(net.depth - 1, 0, -1):
        dropped = plain.dropout_network(
            net, theta, levels[i - 1], i, [scale] * (net.depth - 1)
        )
        dropped = cases.as_tensors(dropped, net.layers[0].bias)
        outputs.append(plain.forward(net, dropped, x))
    return outputs


@pytest.mark.parametrize("style", ["paper", "figure", "short"])
@pytest.mark.parametrize("make", [lambda: deep(4), cases.convolutional])
def test_theorem1_meets_2d_functions_in_order(style, make):
    net = make()
    theta_a, theta_b = pair(net, 12)
    kept_a, kept_b = cases.halves(net, 4), cases.halves(net, 5, 0.4)
    path = paths.theorem1(
        net,
        theta_a,
        theta_b,
        kept_a=kept_a,
        kept_b=kept_b,
        scale_a=1.6,
        scale_b=0.8,
        style=style,
    )
    x = cases.inputs(net, 3)
    levels = net.depth - 1
    expected = dropout_outputs(net, theta_a, [kept_a] * levels, 1.6, x)
    up = dropout_outputs(net, theta_b, [kept_b] * levels, 0.8, x)
    expected += up[::-1]
    actual = cases.distinct(net, path, x)
    assert len(actual) == 2 * net.depth
    for one, other in zip(actual, expected):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("d", [2, 3, 4, 5])
def test_subsets_may_depend_on_the_level(d):
    """G1: Definition 1 chooses subsets for each i; the short path does."""
    net = deep(d)
    theta_a, theta_b = pair(net, 13)
    kept_a = [cases.halves(net, 20 + i) for i in range(d - 1)]
    kept_b = [cases.halves(net, 30 + i)[i:] for i in range(d - 1)]
    path = paths.theorem1(
        net,
        theta_a,
        theta_b,
        kept_a=kept_a,
        kept_b=kept_b,
        scale_a=1.6,
        scale_b=[[0.9] * (d - 1)] * (d - 1),
        style="short",
    )
    assert len(path) == 4 * d - 1
    x = cases.inputs(net)
    cases.assert_honest(net, path, x)
    full_b = [cases.halves(net, 30 + i) for i in range(d - 1)]
    expected = dropout_outputs(net, theta_a, kept_a, 1.6, x)
    expected += dropout_outputs(net, theta_b, full_b, 0.9, x)[::-1]
    for one, other in zip(cases.distinct(net, path, x), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-11)


def test_level_dependent_subsets_in_the_papers_style():
    """With room for a second copy every theta_i is a knot even so."""
    net = networks.mlp([3, 6, 9, 9, 2])
    theta = cases.drawn(net, 14)
    kept = [
        [torch.tensor([i, i + 1]), torch.tensor([0, 2 * i]), torch.tensor([i])]
        for i in (1, 2, 3)
    ]
    path = paths.lemma1(net, theta, kept, scale=1.2)
    assert len(path) == 12
    x = cases.inputs(net)
    assert cases.assert_honest(net, path, x) == cases.lemma1_pattern(
        4, "paper"
    )
    for j, i in enumerate((3, 2, 1)):
        expected = plain.dropout_network(net, theta, kept[i - 1], i, [1.2] * 3)
        for (w, b), (weight, offset) in zip(
            plain.arrays(path.knots[2 + 5 * j]), expected
        ):
            np.testing.assert_array_equal(w, weight)
            np.testing.assert_array_equal(b, offset)


@pytest.mark.parametrize("style", ["paper", "short"])
def test_two_layer_meets_four_functions(style):
    net = networks.mlp([3, 9, 2], bias=True)
    theta_a, theta_b = pair(net, 15)
    kept_a, kept_b = torch.tensor([0, 3, 5, 8]), torch.tensor([1, 2, 7])
    if style == "paper":
        kept_b = torch.tensor([0, 3, 7])
    path = paths.two_layer(
        net, theta_a, theta_b, kept_a=[kept_a], kept_b=[kept_b], style=style
    )
    x = cases.inputs(net)
    pattern = {"paper": "1010001", "short": "10101"}[style]
    assert cases.assert_honest(net, path, x) == pattern
    expected = [
        *dropout_outputs(net, theta_a, [[kept_a]], 9 / 4, x),
        *dropout_outputs(net, theta_b, [[kept_b]], 9 / 3, x)[::-1],
    ]
    for one, other in zip(cases.distinct(net, path, x), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-12)


# Lemma 2 and dropout by Algorithm 1 ------------------------------------------


@pytest.mark.parametrize("style", ["paper", "short"])
@pytest.mark.parametrize("make", [lambda: deep(4), cases.convolutional])
def test_lemma2_overwrites_and_restores_stale_rows(style, make):
    """G3, G4: only columns are zero; the ends are met bit for bit."""
    net = make()
    ends = []
    for seed, theta in enumerate(pair(net, 16)):
        kept = cases.halves(net, 40 + seed)
        layers = [theta[0]]
        for i, units in enumerate(kept, 1):
            weight = torch.zeros_like(theta[i][0])
            block = net.columns(i, weight)
            block[:, units] = net.columns(i, theta[i][0])[:, units]
            layers.append((weight, theta[i][1]))
        ends.append(tuple(layers))
    path = paths.lemma2(net, *ends, style=style)
    assert len(path) == {"paper": 8, "short": 5}[style]
    assert cases.same(path.knots[0], ends[0])
    assert cases.same(path.knots[-1], ends[1])
    x = cases.inputs(net, 3)
    assert cases.assert_honest(net, path, x) == cases.MIDDLE[style]


def test_lemma2_has_one_network_alone_after_three_steps():
    """b a b, then Lemma 4: at knot 3 theta is gone, theta' elsewhere."""
    net = networks.mlp([3, 8, 7, 2])
    kept = [[0, 2, 4], [1, 2, 3]], [[0, 1, 6], [2, 3]]
    ends = [
        cases.as_tensors(
            plain.dropout_network(net, theta, sets, 1, [1.0, 1.0]), True
        )
        for theta, sets in zip(pair(net, 25), kept)
    ]
    alone = paths.lemma2(net, *ends).knots[3]
    for i, sets in enumerate(kept[1]):
        assert int((alone[i][0] != 0).any(1).sum()) == len(sets)
        assert int((alone[i + 1][0] != 0).any(0).sum()) == len(sets)
        assert not alone[i][0][kept[0][i]].any()
    # G3: no stale rows either where Lemma 4 has been through half its way
    half_way = paths.lemma2(net, *ends).knots[6]
    for i, sets in enumerate(kept[1]):
        stands = (half_way[i][0] != 0).any(1)
        assert int(stands.sum()) <= 2 * len(sets)


def test_lemma2_fits_more_than_half_beside_less():
    """|S| + |S'| <= h is all that is needed (G2)."""
    net = networks.mlp([3, 7, 5, 2])
    ends = []
    for seed, sizes in enumerate(((5, 1), (2, 4))):
        theta = cases.drawn(net, seed)
        kept = [
            cases.subset(h, n, 7 * seed + n) for h, n in zip(net.hidden, sizes)
        ]
        dropped = plain.dropout_network(net, theta, kept, 1, [1.0, 1.0])
        ends.append(cases.as_tensors(dropped, True))
    for style in ("paper", "short"):
        path = paths.lemma2(net, *ends, style=style)
        found = cases.assert_honest(net, path, cases.inputs(net))
        assert found == cases.MIDDLE[style]
        path = paths.lemma2(net, *ends[::-1], style=style)
        found = cases.assert_honest(net, path, cases.inputs(net))
        assert found == cases.MIDDLE[style]


def test_theorem2_drops_columns_by_algorithm_1():
    net = networks.mlp([3, 9, 7, 5, 2])
    theta_a, theta_b = pair(net, 17)
    path = paths.theorem2(
        net, theta_a, theta_b, p=0.6, generator=cases.seeded(2)
    )
    for theta, dropped in (
        (theta_a, path.knots[1]),
        (theta_b, path.knots[-2]),
    ):
        assert dropped[0] == theta[0]
        for i, h in enumerate(net.hidden, 1):
            weight, bias = dropped[i]
            kept = weight.any(0).nonzero()[:, 0]
            assert 1 <= len(kept) <= h // 2
            expected = torch.zeros_like(weight)
            expected[:, kept] = theta[i][0][:, kept] * (1 / 0.4)
            assert torch.equal(weight, expected)
            assert torch.equal(bias, theta[i][1])
    again = paths.theorem2(
        net, theta_a, theta_b, p=0.6, generator=cases.seeded(2)
    )
    assert all(
        torch.equal(w, v)
        for (w, _), (v, _) in zip(path.knots[1], again.knots[1])
    )


def test_theorem2_draws_from_the_conditioned_law():
    """Counts kept follow Bin(5, 1 - p) given 1 or 2; units are uniform."""
    net = networks.mlp([1, 5, 1], bias=False)
    theta, other = pair(net, 18)
    generator, draws = cases.seeded(3), 1500
    seen = np.zeros((draws, 5), dtype=bool)
    for k in range(draws):
        path = paths.theorem2(
            net, theta, other, p=0.7, generator=generator, style="short"
        )
        seen[k] = path.knots[1][1][0][0].numpy() != 0
    counts = seen.sum(1)
    one, two = 5 * 0.3 * 0.7**4, 10 * 0.3**2 * 0.7**3
    assert set(counts) == {1, 2}
    expected = one / (one + two)
    assert abs((counts == 1).mean() - expected) < 5 * 0.5 / draws**0.5
    spread = seen.mean(0) - seen.mean()
    assert abs(spread).max() < 5 * 0.5 / draws**0.5


def test_theorem3_leaves_room_for_theta_star():
    net = networks.mlp([3, 8, 9, 2])
    theta_a, theta_b = pair(net, 19)
    full = plain.dropout_network(
        net, cases.drawn(net, 5), [[1, 6], [0, 4, 7]], 1, [1, 1]
    )
    star = cases.as_tensors(full, True)
    path = paths.theorem3(
        net, theta_a, theta_b, star, p=0.1, generator=cases.seeded(4)
    )
    for dropped in (path.knots[1], path.knots[-2]):
        for i, (h, live) in enumerate(zip(net.hidden, (2, 3)), 1):
            assert dropped[i][0].any(0).sum() <= h - live
    x = cases.inputs(net)
    np.testing.assert_allclose(
        cases.distinct(net, path, x)[2],
        plain.forward(net, star, x),
        atol=1e-12,
    )


# convolutions, precision, suprema --------------------------------------------


@pytest.mark.parametrize("bias", [True, False])
def test_channels_are_units(bias):
    net = cases.convolutional(bias)
    thetas, x = pair(net, 21), cases.inputs(net, 2)
    path = paths.theorem2(
        net, *thetas, generator=cases.seeded(1), style="short"
    )
    assert cases.assert_honest(net, path, x) == "2010002"
    kept, xis = features_case(net, [0.5] * 4, [0.7] * 4, 6)
    for style in ("paper", "short"):
        path = paths.theorem41(
            net,
            *thetas,
            kept_a=kept[0],
            kept_b=kept[1],
            subnetworks_a=xis[0],
            subnetworks_b=xis[1],
            style=style,
        )
        assert_feature_path(net, path, thetas, kept, xis, 1)


def test_float32_has_the_same_kinds():
    net = deep(4)
    theta_a, theta_b = pair(net, 22, torch.float32)
    path = paths.theorem1(
        net,
        theta_a,
        theta_b,
        kept_a=cases.halves(net, 6),
        kept_b=cases.halves(net, 7),
        scale_a=1.7,
        scale_b=2.3,
    )
    assert {w.dtype for knot in path.knots for w, _ in knot} == {torch.float32}
    pattern = cases.lemma1_pattern(4, "paper")
    found = cases.assert_honest(net, path, cases.inputs(net))
    assert found == pattern + "01000000" + pattern[::-1]


def cross_entropy(z, y):
    z = z - z.max(1, keepdims=True)
    logs = z - np.log(np.exp(z).sum(1, keepdims=True))
    return -logs[np.arange(len(y)), y].mean()


@pytest.mark.parametrize("style", ["paper", "figure", "short"])
def test_no_point_exceeds_the_distinct_functions(style):
    net = deep(3)
    theta_a, theta_b = pair(net, 23)
    path = paths.theorem1(
        net,
        theta_a,
        theta_b,
        kept_a=cases.halves(net, 8),
        kept_b=cases.halves(net, 9),
        style=style,
    )
    x = cases.inputs(net, 20)
    y = np.arange(20) % 2
    knots = [cross_entropy(z, y) for z in cases.distinct(net, path, x)]
    grid = [
        cross_entropy(plain.forward(net, path(t), x), y)
        for t in np.linspace(0, 1, 301)
    ]
    assert max(grid) <= max(knots) + 1e-12
    # and the straight line's kind claims nothing
    assert paths.straight(theta_a, theta_b).kinds == ("general",)
