"""Path itself: points, laziness, sharing, and the errors of all paths."""

import math
import weakref

import numpy as np
import path_cases as cases
import pytest
import torch

from kernels import certificates, networks, paths
from kernels.networks import placing as parts
from kernels.paths import alignment
from kernels.training import evaluate

NET = networks.mlp([3, 7, 6, 5, 2])
A, B = cases.drawn(NET, 1), cases.drawn(NET, 2)
KEPT_A, KEPT_B = cases.halves(NET, 1), cases.halves(NET, 2)


def theorem1(**changes):
    options = {"kept_a": KEPT_A, "kept_b": KEPT_B, **changes}
    return paths.theorem1(NET, A, B, **options)


# points and knots ------------------------------------------------------------


def test_straight_line():
    path = paths.straight(A, B)
    assert len(path) == 1
    assert path.kinds == ("general",)
    assert path.functions == (0, 1)
    assert cases.same(path.knots[0], A)
    assert cases.same(path.knots[-1], B)
    for (w, b), (w0, b0), (w1, b1) in zip(path(0.3), A, B):
        torch.testing.assert_close(w, 0.7 * w0 + 0.3 * w1)
        torch.testing.assert_close(b, 0.7 * b0 + 0.3 * b1)
    only_the_top = (*A[:-1], B[-1])
    assert paths.straight(A, only_the_top).kinds == ("affine",)
    assert paths.straight(A, A).kinds == ("constant",)


def test_points_stand_on_equally_long_segments():
    path = theorem1()
    n = len(path)
    for k in range(n + 1):
        assert cases.same(path(k / n), path.knots[k])
    point = path((5 + 0.25) / n)
    for layer, start, end in zip(point, path.knots[5], path.knots[6]):
        torch.testing.assert_close(layer[0], 0.75 * start[0] + 0.25 * end[0])
    for layer, other in zip(path.point(5, 0.25), point):
        torch.testing.assert_close(layer[0], other[0])
    assert cases.same(path.point(5, 1.0), path.knots[6])


def test_knots_are_a_sequence():
    path = theorem1()
    assert len(path.knots) == len(path) + 1 == 33
    forward = [w for knot in path.knots for w, _ in knot]
    backward = [w for knot in reversed(path.knots) for w, _ in knot[::-1]]
    assert all(map(torch.equal, forward, backward[::-1]))
    assert len(path.knots[3:6]) == 3
    assert torch.equal(path.knots[3:6][-1][2][0], path.knots[5][2][0])
    with pytest.raises(IndexError):
        path.knots[33]


def test_a_path_of_given_knots():
    middle = (A[0], A[1], B[2], B[3])
    path = paths.Path([A, middle, B])
    assert path.kinds == ("general", "general")
    assert cases.same(path(0.5), middle)
    path = paths.Path([A, middle, B], ["affine", "constant"])
    assert path.kinds == ("affine", "constant")
    assert path.functions == (0, 1, 1)


def test_nothing_is_made_before_it_is_asked_for(monkeypatch):
    made = []
    build = parts.Assembly.build
    monkeypatch.setattr(
        parts.Assembly, "build", lambda self: made.append(1) or build(self)
    )
    path = theorem1()
    path.knots[0], path.knots[-1], path(0), path(1)
    assert not made
    path.knots[1]
    assert len(made) == 1  # the last layer alone has moved
    path.kind(0)
    assert len(made) == 1


def test_neighbours_share_the_layers_that_do_not_move():
    path = theorem1(style="short")
    assert path.knots[1][0][0] is A[0][0]
    moved = []
    for k in range(len(path)):
        start, end = path.ends(k)
        moved.append([w0 is not w1 for (w0, _), (w1, _) in zip(start, end)])
        at = path.point(k, 0.5)
        assert all(
            move or w is w0
            for move, (w, _), (w0, _) in zip(moved[-1], at, start)
        )
    for k, kind in enumerate(path.kinds):
        if kind == "affine":
            assert moved[k] == [False, False, False, True]


def test_memory_is_a_few_copies(monkeypatch):
    net = networks.mlp([50, 60, 60, 60, 60, 10])
    theta_a, theta_b = cases.drawn(net, 1), cases.drawn(net, 2)
    path = paths.theorem1(
        net,
        theta_a,
        theta_b,
        kept_a=cases.halves(net, 1),
        kept_b=cases.halves(net, 2),
    )
    size = sum(p.nbytes for pair in theta_a for p in pair)
    built, most = [], 0
    build = parts.Assembly.build

    def held(*more):
        alive = [ref() for ref in built]
        return sum(
            {
                id(p): p.nbytes for p in (*alive, *more) if p is not None
            }.values()
        )

    def watched(self):
        nonlocal most
        layer = build(self)
        built.extend(weakref.ref(p) for p in layer)
        most = max(most, held())
        return layer

    monkeypatch.setattr(parts.Assembly, "build", watched)
    ends = [id(p) for theta in (theta_a, theta_b) for q in theta for p in q]
    for k in (*range(len(path)), 7, 30, 2):
        point = [p for pair in path.point(k, 0.5) for p in pair]
        most = max(most, held(*(p for p in point if id(p) not in ends)))
        del point
    assert size < most <= 4 * size


# errors ----------------------------------------------------------------------


@pytest.mark.parametrize("t", [-0.1, 1.1, math.nan])
def test_t_outside(t):
    with pytest.raises(ValueError, match=r"t is .*\[0, 1\]"):
        theorem1()(t)


@pytest.mark.parametrize(
    "segment", [-1, -3, 2, 0.5, math.nan, None, np.int64(-1), torch.tensor(-1)]
)
def test_segments_outside(segment):
    path = paths.Path([A, B, A])
    for ask in (
        path.kind,
        path.proof,
        path.ends,
        lambda k: path.point(k, 0.5),
        lambda k: path.point(k, 0),
        lambda k: path.point(k, 1),
        paths.Path([A, B, A], ["general", "general"]).kind,
    ):
        with pytest.raises(ValueError, match=r"segment is .*from 0 to 1"):
            ask(segment)


@pytest.mark.parametrize("one", [np.int64(1), torch.tensor(1)])
def test_segments_by_any_whole_number(one):
    path = paths.Path([A, A, B])
    assert path.kind(one) == path.kind(1) == "general"
    assert path.kind(one - 1) == "constant"
    assert cases.same(path.ends(one)[1], B)
    found = networks.tree.parts(path.point(one, 0.5))
    same = networks.tree.parts(path.point(1, 0.5))
    assert all(map(torch.equal, found, same))


def test_no_segment_is_asked_for_from_the_end():
    """A proof of last knot to first, taken for the last segment's."""
    net = networks.mlp([3, 6, 2])
    a = cases.drawn(net, 1)
    weight = 100 * a[1][0]
    weight[:, 2:] = 0  # two live units
    a = (a[0], (weight, a[1][1]))
    b = alignment.permute(net, a, [[2, 3, 0, 1, 4, 5]])
    x = cases.inputs(net, 20)
    y = net.forward(a, x).argmax(1)
    path = paths.Path([*paths.lemma2(net, a, b).knots, a])
    with pytest.raises(ValueError, match="segment is -1"):
        path.kind(-1)
    assert path.kinds[-1] == "general"
    found = certificates.certify(net, path, x, y)
    last = len(path) - 1
    seen = [
        evaluate(net, path.point(last, k / 50), x, y)[0] for k in range(51)
    ]
    assert not found.exact
    assert max(seen) > 2 * seen[0]
    assert found.upper >= max(seen)


def test_faulty_paths():
    with pytest.raises(ValueError, match="1 entries; at least 2"):
        paths.Path([A])
    with pytest.raises(ValueError, match="2 entries; the path has 1 segments"):
        paths.Path([A, B], ["affine", "affine"])
    with pytest.raises(ValueError, match=r"kinds\[0\] is 'flat'"):
        paths.Path([A, B], ["flat"])


def replaced(theta, layer, part, value):
    out = [list(pair) for pair in theta]
    out[layer - 1][part] = value
    return tuple(map(tuple, out))


FAULTS = [
    (replaced(B, 2, 0, torch.ones(6, 6).double()), ValueError, r"\(6, 6\)"),
    (replaced(B, 4, 1, None), ValueError, "None.*given"),
    (replaced(B, 3, 0, B[2][0] / 0), ValueError, "non-finite"),
    (replaced(B, 2, 0, B[1][0].float()), TypeError, "float32.*float64"),
    (
        ((*B[0], torch.nn.BatchNorm1d(7)), *B[1:]),
        ValueError,
        "fold_batch_norm",
    ),
]


@pytest.mark.parametrize(("other", "error", "says"), FAULTS, ids=range(5))
def test_faulty_parameters_are_named(other, error, says):
    xi = cases.subnetworks(NET, KEPT_A, 1)
    half = [cases.subset(h, (h + 1) // 2, 3) for h in NET.hidden]
    for build in (
        lambda: paths.straight(A, other),
        lambda: paths.theorem1(NET, A, other, kept_a=KEPT_A, kept_b=KEPT_B),
        lambda: paths.theorem2(NET, A, other, generator=cases.seeded()),
        lambda: paths.theorem3(
            NET, A, other, A, p=0.5, generator=cases.seeded()
        ),
        lambda: paths.theorem41(
            NET,
            A,
            other,
            kept_a=half,
            kept_b=half,
            subnetworks_a=xi,
            subnetworks_b=xi,
        ),
    ):
        with pytest.raises(error, match=rf"theta_b, layer \d: .*{says}"):
            build()
    with pytest.raises(error, match=rf"theta, layer \d: .*{says}"):
        paths.lemma1(NET, other, KEPT_A)
    with pytest.raises(error, match=rf"theta_prime, layer \d: .*{says}"):
        paths.lemma2(NET, A, other)


def test_ends_of_two_dtypes():
    single = tuple((w.float(), b.float()) for w, b in B)
    with pytest.raises(TypeError, match=r"theta_b, layer 1.*float32.*float64"):
        theorem1_between(A, single)


def theorem1_between(a, b):
    return paths.theorem1(NET, a, b, kept_a=KEPT_A, kept_b=KEPT_B)


@pytest.mark.parametrize(
    ("kept", "error", "says"),
    [
        (KEPT_A[:2], ValueError, "kept_a has 2 entries.*3 hidden layers"),
        ([[0], [7], [0]], ValueError, "layer 2: unit 7 is out of.*0 to 5"),
        ([[0], [-1], [0]], ValueError, "layer 2: unit -1 is out of"),
        ([[0], [2], [1, 3, 1]], ValueError, "layer 3: unit 1 is repeated"),
        ([[0.5], [2], [1]], TypeError, "layer 1: dtype torch.float32"),
        ([[True] * 7, [2], [1]], TypeError, "layer 1: dtype torch.bool"),
        ([[[[0]]], [2], [1]], ValueError, "kept_a"),
        ([[[0]], [[0]]], ValueError, "2 levels; the network has 3 hidden"),
        (
            [range(7), [0], [0]],
            ValueError,
            r"hidden layer 1: 3 units do not fit beside 7 others: "
            r"3 \+ 7 = 10 is more than the width 7",
        ),
        (
            [[0], range(4), [0]],
            ValueError,
            r"hidden layer 2: 4 units .* 4 others: .* = 8 .* width 6",
        ),
    ],
)
@pytest.mark.parametrize("style", ["paper", "figure", "short"])
def test_faulty_subsets_are_named(kept, error, says, style):
    with pytest.raises(error, match=says):
        theorem1(kept_a=kept, style=style)


@pytest.mark.parametrize(
    ("scale", "says"),
    [
        (math.inf, "scale_a is inf"),
        ([1.0, math.nan, 1.0], "scale_a is nan"),
        ([1.0, 2.0], "2 entries.*3 hidden layers"),
        ([[1.0], [2.0]], "2 levels"),
    ],
)
def test_faulty_scales_are_named(scale, says):
    with pytest.raises(ValueError, match=says):
        theorem1(scale_a=scale)


def test_odd_halves_do_not_fit():
    """G2: two subsets of ceil(h / 2) units do not stand side by side."""
    net = networks.mlp([1, 1, 1], bias=False)
    theta = ((torch.ones(1, 1), None), (torch.ones(1, 1), None))
    other = ((-torch.ones(1, 1), None), (torch.ones(1, 1), None))
    for style in ("paper", "short"):
        with pytest.raises(ValueError, match=r"layer 1.*1 \+ 1 = 2.*width 1"):
            paths.lemma2(net, theta, other, style=style)


def test_other_misfits():
    with pytest.raises(ValueError, match=r"'best'.*'paper', 'figure'"):
        theorem1(style="best")
    with pytest.raises(ValueError, match=r"'figure'.*'paper', 'short'"):
        paths.lemma2(NET, A, B, style="figure")
    linear = networks.mlp([3, 2])
    theta = cases.drawn(linear, 1)
    with pytest.raises(ValueError, match=r"depth 1.*depth of 2"):
        paths.lemma1(linear, theta, [])
    for p in (0, 1, -0.5, math.nan):
        with pytest.raises(ValueError, match=r"p is .* between 0 and 1"):
            paths.theorem2(NET, A, B, p=p, generator=cases.seeded())


def test_misfits_of_theorem3():
    wide = networks.mlp([3, 7, 8, 5, 2])
    options = {"p": 0.5, "generator": cases.seeded()}
    with pytest.raises(ValueError, match=r"layer 2: theta_star has 8.*has 6"):
        paths.theorem3(NET, A, B, cases.drawn(wide, 1), **options)
    with pytest.raises(ValueError, match=r"theta_star has 2 layers.*has 4"):
        paths.theorem3(NET, A, B, A[:2], **options)
    single = tuple((w.float(), b.float()) for w, b in B)
    with pytest.raises(TypeError, match=r"theta_star.*float32.*float64"):
        paths.theorem3(NET, A, B, single, **options)


def test_misfits_of_two_layer():
    with pytest.raises(ValueError, match="depth 2; this one has 4"):
        paths.two_layer(NET, A, B, kept_a=KEPT_A, kept_b=KEPT_B)
    net = networks.mlp([3, 6, 2])
    ends = cases.drawn(net, 1), cases.drawn(net, 2)
    with pytest.raises(ValueError, match="2 units in common"):
        paths.two_layer(
            net,
            *ends,
            kept_a=[[0, 1, 2]],
            kept_b=[[1, 2, 3]],
            style="short",
        )
    with pytest.raises(ValueError, match=r"layer 1: 4 units.*3 others"):
        paths.two_layer(net, *ends, kept_a=[[0, 1, 2]], kept_b=[[1, 2, 3, 4]])


def test_misfits_of_theorem41():
    half = [cases.subset(h, (h + 1) // 2, 3) for h in NET.hidden]
    xi = cases.subnetworks(NET, half, 1)

    def build(kept_b=half, subnetworks_b=xi):
        return paths.theorem41(
            NET,
            A,
            B,
            kept_a=half,
            kept_b=kept_b,
            subnetworks_a=xi,
            subnetworks_b=subnetworks_b,
        )

    with pytest.raises(ValueError, match="kept_b, hidden layer 2: 2 of 6"):
        build([half[0], [0, 1], half[2]])
    with pytest.raises(ValueError, match=r"subnetworks_b has 3 entr.*need 4"):
        build(subnetworks_b=xi[:3])
    more = [half[0], range(4), half[2]]
    with pytest.raises(
        ValueError, match=r"subnetworks_b\[0\], layer 2.*\(3, 3\).*\(2, 3\)"
    ):
        build(more)
    single = [tuple((w.float(), b.float()) for w, b in part) for part in xi]
    with pytest.raises(TypeError, match=r"subnetworks_b.*float32.*float64"):
        build(subnetworks_b=single)
