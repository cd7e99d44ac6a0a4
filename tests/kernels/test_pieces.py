"""General segments cut where units flip: against long double arithmetic."""

from itertools import pairwise

import numpy as np
import path_cases as cases
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import certificates, networks, paths
from kernels.certificates.pieces import (
    cover,
    interval,
    layers,
    loss,
    polynomials,
    pool,
    refine,
    relu,
    roots,
)
from kernels.networks import Layer, Network, Pool, losses

LONG = np.longdouble
QUICK = settings(max_examples=25, deadline=None)


def wide(tensor):
    return tensor.detach().double().numpy().astype(LONG)


def windows(h, pool):
    padded = np.pad(h, ((0, 0), (0, 0), *[(pool.padding, pool.padding)] * 2))
    if pool.kind == "max":
        keep = np.pad(
            np.zeros_like(h),
            ((0, 0), (0, 0), *[(pool.padding, pool.padding)] * 2),
            constant_values=-np.inf,
        )
        padded = padded + keep
    view = np.lib.stride_tricks.sliding_window_view(
        padded, (pool.size, pool.size), (2, 3)
    )
    return view[:, :, :: pool.stride, :: pool.stride]


def forward(net, theta, other, t, x):
    """Outputs in long double, at a point between two parameters."""
    h = wide(x).reshape(-1, *net.inputs)
    for i, (layer, (w, b), (v, c)) in enumerate(
        zip(net.layers, theta, other), 1
    ):
        w = (1 - LONG(t)) * wide(w) + LONG(t) * wide(v)
        if layer.kernel is None:
            h = h.reshape(len(h), -1) @ w.T
        else:
            pad = (layer.padding, layer.padding)
            h = np.pad(h, ((0, 0), (0, 0), pad, pad))
            view = np.lib.stride_tricks.sliding_window_view(
                h, (layer.kernel, layer.kernel), (2, 3)
            )[:, :, :: layer.stride, :: layer.stride]
            h = np.einsum("nchwij,ocij->nohw", view, w)
        if b is not None:
            b = (1 - LONG(t)) * wide(b) + LONG(t) * wide(c)
            h = h + b.reshape(-1, *[1] * (h.ndim - 2))
        if i < net.depth:
            h = np.maximum(h, 0)
            for pool in layer.pools:
                part = windows(h, pool)
                worst = pool.kind == "max"
                h = part.max((4, 5)) if worst else part.mean((4, 5))
    return h


def polynomial(values, s):
    """Values (q, outputs) at the nodes, as a polynomial at s."""
    q = len(values)
    at = [np.cos(LONG(np.pi) * (k + LONG(0.5)) / q) for k in range(q)]
    at = np.cos(np.arccos(LONG(-1)) * (np.arange(q) + LONG(0.5)) / q)
    total = LONG(0)
    for k in range(q):
        others = np.delete(at, k)
        total = total + values[k] * np.prod((s - others) / (at[k] - others))
    return total


def labelled(net, n, seed):
    g = cases.seeded(seed)
    return cases.inputs(net, n, seed), torch.randint(
        net.widths[-1], (n,), generator=g
    )


def assert_contained(net, theta, other, x, slack, ends=(0.0, 1.0), points=5):
    """Every output of every sample lies in its piece's box, everywhere."""
    y = torch.zeros(len(x), dtype=torch.long)
    segment = interval.prepare(net, theta, other, x, y, "cross_entropy")
    start, stop = map(interval.snap, ends)
    slack = torch.full((len(x),), slack, dtype=torch.float64)
    z = interval.outputs(segment, start, stop, slack)
    middle, half = (LONG(start) + LONG(stop)) / 2, (LONG(stop) - start) / 2
    for sample in range(len(x)):
        own = torch.nonzero(z.sample == sample)[:, 0]
        assert z.lo[own[0]] == -1
        assert z.hi[own[-1]] == 1
        assert torch.equal(z.lo[own[1:]], z.hi[own[:-1]])
        for p in own.tolist():
            lo, hi = LONG(float(z.lo[p])), LONG(float(z.hi[p]))
            for share in np.linspace(0, 1, points):
                s = lo + LONG(share) * (hi - lo)
                exact = forward(
                    net, theta, other, middle + s * half, x[[sample]]
                )[0]
                got = polynomial(wide(z.h[:, p]), s)
                assert (abs(got - exact) <= wide(z.rho[p])).all()
    return z


@st.composite
def segments(draw):
    """Two parameters: unrelated, opposite, permuted, twins, dead, wild."""
    depth = draw(st.integers(2, 6))
    hidden = [draw(st.integers(1, 6)) for _ in range(depth - 1)]
    net = networks.mlp([3, *hidden, 3], bias=draw(st.booleans()))
    seed = draw(st.integers(0, 10**6))
    theta, other = cases.drawn(net, seed), cases.drawn(net, seed + 1)
    kind = draw(
        st.sampled_from(
            ("any", "opposite", "permuted", "twins", "dead", "still", "wild")
        )
    )
    change = {
        "opposite": lambda: (theta, negated(theta)),
        "permuted": lambda: (theta, permuted(net, theta, seed)),
        "twins": lambda: (twins(theta), twins(other)),
        "dead": lambda: (dead(theta), dead(other)),
        "still": lambda: (theta, (*theta[:-2], other[-2], theta[-1])),
        "wild": lambda: (wild(theta, seed), wild(other, seed)),
        "any": lambda: (theta, other),
    }
    return net, *change[kind](), seed


def negated(theta):
    return networks.tree.map(lambda p: -p, theta)


def permuted(net, theta, seed):
    out = [list(pair) for pair in theta]
    for i, width in enumerate(net.hidden):
        order = torch.randperm(width, generator=cases.seeded(seed + i))
        out[i] = [None if p is None else p[order] for p in out[i]]
        out[i + 1][0] = out[i + 1][0][:, order]
    return tuple(map(tuple, out))


def twins(theta):
    (weight, bias), *rest = theta
    weight = weight.clone()
    weight[:] = weight[:1]
    bias = None if bias is None else bias.clone().fill_(bias[0])
    return ((weight, bias), *rest)


def dead(theta):
    (weight, bias), second, *rest = theta
    if bias is None:
        return ((weight * 0, None), second, *rest)
    return ((weight, bias - 100), second, *rest)


def wild(theta, seed):
    """Scales from 1e-12 to 1e12 that the next layer takes back."""
    theta = [list(pair) for pair in theta]
    for i in range(len(theta) - 1):
        width = len(theta[i][0])
        scale = torch.rand(width, generator=cases.seeded(seed + i))
        scale = 10 ** (24 * scale.double() - 12)
        theta[i][0] = theta[i][0] * scale[:, None]
        if theta[i][1] is not None:
            theta[i][1] = theta[i][1] * scale
        theta[i + 1][0] = theta[i + 1][0] / scale
    return tuple(map(tuple, theta))


@QUICK
@given(segments(), st.sampled_from([0.0, 0.01, 0.3]))
def test_outputs_lie_in_their_boxes(given, slack):
    net, theta, other, seed = given
    x = cases.inputs(net, 3, seed)
    assert_contained(net, theta, other, x, slack)
    assert_contained(net, theta, other, x, slack, (0.4, 0.45))


def test_weights_that_cancel_are_rounded_too():
    net = networks.mlp([3, 5, 4, 2], bias=False)
    theta = cases.drawn(net, 1)
    other = networks.tree.map(lambda p: p * (-0.63 / 0.37), theta)
    ends = 0.37 - 2.0**-35, 0.37 + 2.0**-35
    x = cases.inputs(net, 4)
    assert_contained(net, theta, other, x, 0.0, ends)


CONVOLUTIONS = {
    "max": Network(
        (1, 5, 5),
        (
            Layer(3, True, 2, 1, pools=(Pool("max", 2),)),
            Layer(2, True, 3, 1, pools=(Pool("max", 2),)),
            Layer(3),
        ),
    ),
    "both": cases.convolutional(),
    "overlapping": Network(
        (2, 5, 5),
        (
            Layer(3, False, 3, 1, pools=(Pool("max", 3, 2, 1),)),
            Layer(2, True, 2, 1, pools=(Pool("average", 2, 1, 1),)),
            Layer(4, False),
            Layer(3),
        ),
    ),
}


@pytest.mark.parametrize("name", sorted(CONVOLUTIONS))
@pytest.mark.parametrize("slack", [0.0, 0.05])
def test_outputs_of_convolutions_lie_in_their_boxes(name, slack):
    net = CONVOLUTIONS[name]
    theta, other = cases.drawn(net, 1), cases.drawn(net, 2)
    x = cases.inputs(net, 2)
    z = assert_contained(net, theta, other, x, slack, (0.25, 0.5))
    assert len(z) > 2


# roots


@st.composite
def polynomials_near_zero(draw):
    """Coefficients (q,), some with nearly double roots, of any scale."""
    q = draw(st.integers(1, 4))
    g = np.random.default_rng(draw(st.integers(0, 10**6)))
    at = np.polynomial.chebyshev.chebfromroots(g.uniform(-1.2, 1.2, q - 1))
    if q > 2 and draw(st.booleans()):
        r = g.uniform(-1, 1)
        rest = g.uniform(-1.2, 1.2, q - 3)
        at = np.polynomial.chebyshev.chebfromroots([r, r, *rest])
        at[0] += draw(st.sampled_from([0, 1e-16, -1e-12, 1e-6]))
    return at * 10.0 ** draw(st.integers(-12, 12))


@settings(max_examples=200, deadline=None)
@given(polynomials_near_zero(), st.sampled_from([0.0, 1e-14, 1e-3]))
def test_between_cuts_no_sign_is_wrong_by_more_than_zeta(c, rho):
    rho = rho * abs(c).sum()
    lo, hi = torch.tensor([-1.0]).double(), torch.tensor([0.9]).double()
    one = torch.as_tensor(c)[:, None]
    item, at, loose, zeta = roots.isolate(
        one, lo, hi, torch.tensor([rho]).double()
    )
    assert (item == 0).all()
    cuts = [-1.0, *sorted(at.tolist()), 0.9]
    sign = 1 if float(polynomials.evaluate(one, lo)) > 0 else -1
    series = c.astype(LONG)
    for a, b in pairwise(cuts):
        s = LONG(a) + (LONG(b) - a) * np.linspace(0, 1, 51).astype(LONG)
        p = np.polynomial.chebyshev.chebval(s, series)
        assert (sign * p >= -LONG(float(zeta[0]))).all()
        if not loose[0]:
            assert (sign * p > rho).all()
        sign = -sign


def test_roots_are_few_and_found():
    c = np.polynomial.chebyshev.chebfromroots([-0.5, 0.1, 0.7])
    one, ends = torch.as_tensor(c)[:, None], torch.tensor([-1.0, 1.0]).double()
    _, at, loose, zeta = roots.isolate(
        one, ends[:1], ends[1:], torch.zeros(1).double()
    )
    assert sorted(at.tolist()) == pytest.approx([-0.5, 0.1, 0.7], abs=1e-13)
    assert loose.all()
    assert float(zeta[0]) < 1e-12


# ReLU on pieces


def one_unit(values, rho):
    """A piece of one unit with these values at the nodes."""
    one = torch.ones(1).double()
    h = torch.tensor(values, dtype=torch.float64)[:, None, None]
    return layers.Pieces(
        torch.zeros(1, dtype=torch.long), -one, one, h, rho * one[:, None]
    )


@pytest.mark.parametrize("p", [-0.1, 0.1])
def test_what_the_box_makes_unsure_is_not_stable(p):
    none = torch.zeros(1).double()
    out, _ = relu.relu(one_unit([p], 0.5), none, none + 1)
    for exact in (0.0, p + 0.5):
        assert (abs(out.h[0] - exact) <= out.rho).all()


def test_a_cut_beside_the_root_is_paid_for(monkeypatch):
    monkeypatch.setattr(roots, "newton", lambda c, a, b, pa: (a + b) / 2)
    at = torch.tensor(polynomials.nodes(2), dtype=torch.float64)
    none = torch.zeros(1).double()
    piece = one_unit((at + 0.3).tolist(), 0.0)
    out, cut = relu.relu(piece, none, none + 1)
    assert cut.tolist() == [0]
    assert out.hi.tolist() == [0.0, 1.0]
    # at -0.1 the unit is on, on the side where it was switched off
    assert float(out.rho[0]) >= 0.2


@pytest.mark.parametrize("slack", [0.0, 0.05, 10.0])
def test_the_size_of_features_is_at_least_twice_theirs(slack):
    """On units that pass, vanish, are boxed and are cut."""
    g = torch.Generator().manual_seed(0)
    h = torch.randn((3, 40, 7), generator=g, dtype=torch.float64)
    h[:, :, 5:] = 0.3 * h[:, :, 5:] + torch.tensor([2.0, -2.0])
    rho = 0.1 * torch.rand((40, 7), generator=g, dtype=torch.float64)
    one = torch.ones(40, dtype=torch.float64)
    piece = layers.Pieces(torch.arange(40), -one, one, h, rho)
    out, _ = relu.relu(piece, slack * one, one[:7])
    assert len(out) > 40 or slack > 0
    twice = 2 * out.h.abs().amax(0)
    assert (out.size >= twice * (1 - 4 * polynomials.UNIT)).all()
    assert (out.size[twice == 0] == 0).all()
    assert out.size.sum() < 1.5 * twice.sum()  # and it is close


def test_a_maximum_may_be_the_loser_with_its_box():
    one = torch.ones(1, dtype=torch.float64)
    h = torch.tensor([[1.0, 0.5], [0.0, 0.75]], dtype=torch.float64)
    rho = torch.tensor([[0.0, 0.0], [0.0, 0.5]], dtype=torch.float64)
    piece = layers.Pieces(
        torch.zeros(1, dtype=torch.long),
        -one,
        one,
        h[None, None, None],
        rho[None, None],
    )
    out, _ = pool.maximum(piece, Pool("max", 2), one * 0, one)
    assert float(out.h) == 1.0
    assert 0.25 <= float(out.rho) <= 0.25 + 1e-9


# the loss and the error of samples


def losses_at(z, y, name):
    """In long double; y class indices."""
    if name == "square":
        return ((z - np.eye(z.shape[1])[y]) ** 2).sum(1)
    top = z.max(1, keepdims=True)
    total = np.log(np.exp(z - top).sum(1)) + top[:, 0]
    return total - z[np.arange(len(y)), y]


def assert_bounded(net, theta, other, seed, name, slack, points=201):
    """No sample's loss and error, nor their means, are above the bounds."""
    x, y = labelled(net, 4, seed)
    targets = losses.targets(y, net.widths[-1], loss=name, like=x)
    segment = interval.prepare(net, theta, other, x, targets, name)
    a, b = map(interval.snap, (0.3, 0.45))
    found = interval.bound(segment, a, b, torch.full((4,), slack).double())
    wrong = [[], [], [], []]
    for sample, start, stop in zip(*map(torch.Tensor.tolist, found.wrong)):
        wrong[sample].append((start, stop))
    overlap = []
    for s in np.linspace(-1, 1, points):
        t = (LONG(a) + b) / 2 + LONG(s) * (LONG(b) - a) / 2
        z = forward(net, theta, other, t, x)
        at = losses_at(z, y.numpy(), name)
        chord = (
            wide(found.left) * (1 - s) / 2 + wide(found.right) * (1 + s) / 2
        )
        assert (at <= chord + wide(found.excess)).all()
        assert at.mean() <= found.mean()
        missed = losses.sample_errors(torch.as_tensor(z.astype(float)), y)
        inside = [any(p <= s <= q for p, q in parts) for parts in wrong]
        overlap.append(sum(inside))
        assert (missed.numpy() <= np.array(inside)).all()
    assert max(overlap) / 4 <= found.error()[0]


@QUICK
@given(
    segments(),
    st.sampled_from(["cross_entropy", "square"]),
    st.sampled_from([0.0, 0.02, 1.0]),
)
def test_no_sample_exceeds_its_bound(given, name, slack):
    net, theta, other, seed = given
    assert_bounded(net, theta, other, seed, name, slack)


def test_ties_and_exact_zeros_count_as_possibly_wrong():
    net = networks.mlp([1, 2, 2], bias=False)
    zero = tuple((0 * w, None) for w, _ in cases.drawn(net, 1))
    x, y = torch.ones(3, 1).double(), torch.tensor([0, 1, 0])
    segment = interval.prepare(net, zero, zero, x, y, "cross_entropy")
    found = interval.bound(segment, 0.0, 1.0, torch.zeros(3).double())
    assert found.error()[0] == 1.0
    assert found.mean() == pytest.approx(np.log(2), rel=1e-12)


def test_parts_of_one_sample_that_touch_count_once():
    sample = torch.tensor([0, 1, 0, 1])
    start = torch.tensor([-1.0, -1.0, 0.0, 0.5])
    stop = torch.tensor([0.0, 0.25, 1.0, 1.0])
    starts, stops = loss.merge(sample, start, stop)
    assert starts.tolist() == [-1.0, -1.0, 0.5]
    assert stops.tolist() == [1.0, 0.25, 1.0]


# a whole segment


def covered(net, theta, other, x, y, name="cross_entropy"):
    targets = losses.targets(y, net.widths[-1], loss=name, like=x.double())
    return cover.Cover(interval.prepare(net, theta, other, x, targets, name))


@pytest.mark.parametrize("name", ["cross_entropy", "square"])
@pytest.mark.parametrize("tolerance", [0.1, 1e-2, 1e-4])
def test_closes_on_a_deep_network(name, tolerance):
    net = networks.mlp([4, *[9] * 8, 3])
    theta, other = cases.drawn(net, 1), cases.drawn(net, 2)
    x, y = labelled(net, 20, 3)
    found = covered(net, theta, other, x, y, name)
    assert refine.refine([found], tolerance)
    value, t = found.attained()
    at = [
        losses_at(forward(net, theta, other, s, x), y.numpy(), name).mean()
        for s in (t, *np.linspace(0, 1, 101))
    ]
    assert at[0] == pytest.approx(value, rel=1e-12)
    assert max(at) <= found.upper <= value * (1 + tolerance)
    wrong = [
        float(losses.sample_errors(segment_outputs, y).double().mean())
        for s in np.linspace(0, 1, 201)
        for segment_outputs in [found.segment.outputs(s)]
    ]
    assert found.error_attained()[0] <= found.error_upper
    assert max(wrong) <= found.error_upper
    assert found.error_upper <= max(wrong) + 0.1
    leaves = sorted(found.leaves, key=lambda leaf: leaf.start)
    ends = [leaf.start for leaf in leaves] + [1.0]
    assert ends == [0.0] + [leaf.stop for leaf in leaves]


def test_a_budget_leaves_a_bound_that_holds():
    net = networks.mlp([4, *[9] * 8, 3])
    x, y = labelled(net, 20, 3)
    ends = cases.drawn(net, 1), cases.drawn(net, 2)
    found = covered(net, *ends, x, y)
    assert not refine.refine([found], 1e-9, budget=3)
    assert found.upper == float("inf")  # intervals that were never reached
    whole = interval.prepare(net, *ends, x, y, "cross_entropy")
    known = ((0.0, 1.0, 7.0, 0.9),)
    found = cover.Cover(whole, known)
    assert not refine.refine([found], 1e-9, budget=3)
    assert found.upper == 7.0
    assert found.error_upper == 0.9
    found = covered(net, *ends, x, y)
    assert not refine.refine([found], 1e-9, seconds=0.0)


def test_memory_changes_nothing(monkeypatch):
    net = networks.mlp([4, *[9] * 5, 3])
    x, y = labelled(net, 11, 3)
    segment = interval.prepare(
        net, cases.drawn(net, 1), cases.drawn(net, 2), x, y, "cross_entropy"
    )
    slack = torch.zeros(11).double()
    whole = interval.bound(segment, 0.0, 0.5, slack)
    monkeypatch.setattr(interval, "HELD", 100)
    small = interval.bound(segment, 0.0, 0.5, slack)
    assert torch.equal(small.cuts, whole.cuts)
    for field in ("left", "right", "excess"):
        torch.testing.assert_close(
            getattr(small, field), getattr(whole, field)
        )
    some = torch.tensor([7, 2])
    part = interval.bound(segment, 0.0, 0.5, slack, some)
    torch.testing.assert_close(part.left, whole.left[some])
    whole.replace(some, part)
    assert whole.error() == pytest.approx(small.error(), abs=1e-9)


def test_threads_change_no_bit():
    net = networks.mlp([4, *[9] * 6, 3])
    x, y = labelled(net, 8, 3)
    knots = [cases.drawn(net, seed) for seed in (1, 2, 3)]
    path = paths.Path(knots)
    one, two, five = (
        certificates.certify(
            net, path, x, y, tolerance=0.01, engine="pieces", threads=k
        )
        for k in (1, 2, 5)
    )
    assert one == two == five
    assert one.complete
    few = [
        certificates.certify(
            net, path, x, y, engine="pieces", budget=21, threads=k
        )
        for k in (1, 3)
    ]
    assert few[0] == few[1]
    assert not few[0].complete
    assert few[0].intervals <= 21


def test_flips_are_the_sign_changes():
    net = networks.mlp([3, 8, 7, 2])
    ends = cases.drawn(net, 1), cases.drawn(net, 2)
    x = cases.inputs(net, 5)
    y = torch.zeros(5, dtype=torch.long)
    segment = interval.prepare(net, *ends, x, y, "cross_entropy")
    (cuts,) = certificates.flips(net, paths.straight(*ends), x)
    signs = []
    for t in np.linspace(0, 1, 20001):
        h, one = x, []
        for w, b in segment.at(float(t))[:-1]:
            z = h @ w.T + b
            one.append(z > 0)
            h = z.relu()
        signs.append(torch.cat(one, 1))
    signs = torch.stack(signs)
    changes = (signs[1:] != signs[:-1]).sum((0, 2))
    assert torch.equal(cuts, changes)


# as certify's engine


def convolved(depth, width):
    """Convolutions of 8 x 8 images, two pools, a linear layer."""
    pools = {1: (Pool("max", 2),), depth - 2: (Pool("max", 2),)}
    convolutions = [
        Layer(width, True, 3, 1, pools=pools.get(i, ()))
        for i in range(depth - 1)
    ]
    return Network((1, 8, 8), (*convolutions, Layer(3, True)))


@pytest.mark.parametrize(
    ("depth", "width", "share", "pieces"),
    [(3, 4, 1.0, False), (10, 24, 0.03, True)],
)
def test_the_probe_knows_convolutions(depth, width, share, pieces):
    """Shallow ones get boxes; where boxes are hopeless, pieces close."""
    net = convolved(depth, width)
    theta, other = cases.drawn(net, 1), cases.drawn(net, 2)
    end = networks.tree.map(lambda p, q: p + share * (q - p), theta, other)
    path, (x, y) = paths.straight(theta, end), labelled(net, 4, 3)
    found = certificates.certify(net, path, x, y, error=False)
    assert found.complete
    assert (found.segments[0].flips is not None) == pieces
    other = "boxes" if pieces else "pieces"
    forced = certificates.certify(
        net, path, x, y, error=False, engine=other, budget=50
    )
    assert forced.complete != pieces
    assert max(found.attained, forced.attained) <= min(
        found.upper, forced.upper
    )


@pytest.mark.parametrize("depth", [14, 20])
def test_rounding_does_not_stop_deep_lines(depth):
    """What it can do stays far below the tolerance, where |W|'s would not."""
    net = networks.mlp([4, *[9] * (depth - 1), 3])
    theta, other = cases.drawn(net, 1), cases.drawn(net, 2)
    x, y = labelled(net, 4, 3)
    found = certificates.certify(
        net, paths.straight(theta, other), x, y, error=False
    )
    assert found.complete
    assert found.segments[0].flips > 0
    assert found.upper <= 1.05 * found.attained + 1e-11
    assert found.rounding < 1e-6 * found.attained
    for s in np.linspace(0, 1, 201):
        z = forward(net, theta, other, s, x)
        at = losses_at(z, y.numpy(), "cross_entropy").mean()
        assert at <= found.upper


def test_certify_chooses_pieces_where_boxes_give_out():
    net = networks.mlp([4, *[32] * 10, 3])
    theta, other = (
        net.init(generator=cases.seeded(seed), dtype=torch.float64)
        for seed in (1, 2)
    )
    ends = theta, networks.tree.map(lambda p, q: p + q / 2, theta, other)
    path = paths.straight(*ends)
    x, y = labelled(net, 10, 3)
    found = certificates.certify(net, path, x, y)
    assert found.complete
    assert found.segments[0].flips > 1
    assert found.error_exact
    t = found.where
    z = forward(net, *path.ends(0), t, x)
    at = losses_at(z, y.numpy(), "cross_entropy")
    assert found.attained == pytest.approx(at.mean(), rel=1e-12)
    assert found.sample == at.argmax()
    boxes = certificates.certify(net, path, x, y, engine="boxes", budget=40)
    assert not boxes.complete
    assert boxes.segments[0].flips is None
    assert found.attained <= boxes.upper
    few = certificates.certify(net, path, x, y, engine="pieces", budget=2)
    assert not few.complete
    assert found.attained <= few.upper < np.inf
    loose = certificates.certify(net, path, x, y, error=False)
    assert loose.complete
    assert loose.attained == found.attained
    assert found.upper <= loose.upper <= 1.05 * loose.attained + 1e-11
    assert loose.intervals < found.intervals
    assert found.error_upper < loose.error_upper
    now = certificates.certify(net, path, x, y, engine="pieces", seconds=0)
    assert not now.complete
    assert found.attained <= now.upper < np.inf


def test_a_shallow_network_keeps_its_boxes():
    net = networks.mlp([4, 6, 5, 3])
    path = paths.straight(cases.drawn(net, 1), cases.drawn(net, 2))
    x, y = labelled(net, 10, 3)
    found = certificates.certify(net, path, x, y)
    assert found.segments[0].flips is None
    pieces = certificates.certify(net, path, x, y, engine="pieces")
    assert pieces.attained <= found.upper
    assert found.attained <= pieces.upper


@pytest.mark.parametrize(
    ("option", "match"),
    [
        ({"engine": "zonotopes"}, "engine is"),
        ({"seconds": -1}, "seconds"),
        ({"threads": 0}, "threads is 0"),
        ({"threads": 1.5}, "threads is 1.5"),
    ],
)
def test_certify_refuses(option, match):
    net = networks.mlp([4, 6, 3])
    path = paths.straight(cases.drawn(net, 1), cases.drawn(net, 2))
    x, y = labelled(net, 2, 3)
    with pytest.raises(ValueError, match=match):
        certificates.certify(net, path, x, y, **option)


def test_the_mean_counts_what_rises_above_the_chord():
    n = torch.zeros(2, dtype=torch.long)
    ends = torch.tensor([[1.0, 2.0], [3.0, 0.0]], dtype=torch.float64)
    excess = torch.tensor([0.5, 1.0], dtype=torch.float64)
    found = loss.Bounds(*ends, excess, (n[:0], excess[:0], excess[:0]), n, n)
    assert 2.25 <= found.mean() <= 2.25 + 1e-12
    assert found.error() == (0.0, 0.0)


def test_many_flips_at_once_are_cut_a_few_pieces_at_a_time(monkeypatch):
    """W to -W: every unit of every sample changes sign in the middle."""
    net = networks.mlp([4, 61, 3], bias=False)
    theta = cases.drawn(net, 3, torch.float64)
    other = ((-theta[0][0], None), theta[1])
    x, y = cases.inputs(net, 20).double(), torch.arange(20) % 3
    segment = interval.prepare(net, theta, other, x, y, "cross_entropy")
    none, held = torch.zeros(20, dtype=torch.float64), []
    plain = relu._cut

    def cut(z, *rest):
        out = plain(z, *rest)
        held.append((len(z), out.h.numel()))
        return out

    monkeypatch.setattr(relu, "_cut", cut)
    together = interval.bound(segment, 0.0, 1.0, none)
    assert max(pieces for pieces, _ in held) == 20
    held.clear()
    monkeypatch.setattr(relu, "MOST", 30_000)
    apart = interval.bound(segment, 0.0, 1.0, none)
    assert max(n for pieces, n in held if pieces > 1) <= 30_000
    assert sum(pieces for pieces, _ in held) == 20
    assert apart.cuts.tolist() == together.cuts.tolist() == [61] * 20
    assert apart.mean() == pytest.approx(together.mean(), rel=1e-12)


def test_pieces_leave_no_allowance_of_a_bound_that_they_replace():
    """Rounded columns differ much here; pieces bound them, not exactly."""
    net = networks.mlp([3, 16, 16, 16, 2])
    theta = [list(pair) for pair in cases.drawn(net, 7, torch.bfloat16)]
    for part in theta[0]:
        part[8:] = part[:8]
    other = [list(pair) for pair in theta]
    column = theta[1][0][:, :8].clone()
    theta[1][0] = torch.cat([column, 0 * column], 1)
    other[1][0] = torch.cat([0.3 * column, 0.7 * column], 1)
    other[-1] = [
        cases.drawn(net, 8, torch.bfloat16)[-1][0],
        theta[-1][1],
    ]
    path = paths.Path([tuple(map(tuple, end)) for end in (theta, other)])
    x, y = cases.inputs(net, 20), torch.arange(20) % 2
    how = dict(tolerance=0.5, initial=1)
    found = certificates.certify(net, path, x, y, engine="pieces", **how)
    assert found.segments[0].mismatch > 1e-3
    assert found.segments[0].kind == "general"
    assert found.upper > found.attained * (1 + 1e-6)
    assert not found.exact
    assert found.rounding < 1e-9
