"""Learned curves, against Bernstein polynomials and sums written out here."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import networks, paths, training
from kernels.paths import curves


def drawn(net, seed):
    g = torch.Generator().manual_seed(seed)
    return net.init(generator=g, dtype=torch.float64, bias="uniform")


def flat(theta):
    parts = [p.numpy() for pair in theta for p in pair if p is not None]
    parts = [p.ravel() for p in parts]
    return np.concatenate(parts)


def samples(net, seed, n=40):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, *net.inputs, generator=g, dtype=torch.float64)
    return x, torch.randint(net.widths[-1], (n,), generator=g)


NETS = st.builds(
    networks.mlp,
    st.lists(st.integers(1, 5), min_size=2, max_size=4),
    bias=st.booleans(),
)


@settings(max_examples=30, deadline=None)
@given(NETS, st.floats(0, 1), st.integers(0, 10**6))
def test_the_points_of_a_curve(net, t, seed):
    ends = [drawn(net, seed + k) for k in range(3)]
    p, q, r = map(flat, ends)
    bezier = curves.Curve(*ends)
    # de Casteljau: the point on the line between points on two lines
    left, right = p + t * (q - p), q + t * (r - q)
    wanted = left + t * (right - left)
    assert np.allclose(flat(bezier(t)), wanted, rtol=0, atol=1e-12)
    chain = curves.Curve(*ends, kind="chain")
    near = p + 2 * t * (q - p) if t <= 0.5 else q + (2 * t - 1) * (r - q)
    assert np.allclose(flat(chain(t)), near, rtol=0, atol=1e-12)
    assert np.allclose(flat(chain.path()(t)), near, rtol=0, atol=1e-12)
    for curve in (bezier, chain):
        assert curve(0) is curve.start
        assert curve(1) is curve.stop


@settings(max_examples=20, deadline=None)
@given(NETS, st.integers(0, 10**6))
def test_lengths(net, seed):
    ends = [drawn(net, seed + k) for k in range(3)]
    p, q, r = map(flat, ends)
    two = np.linalg.norm(q - p) + np.linalg.norm(r - q)
    chain = curves.Curve(*ends, kind="chain")
    assert curves.length(chain) == pytest.approx(two, rel=1e-12)
    assert curves.length(chain.path()) == pytest.approx(two, rel=1e-12)
    t = np.linspace(0, 1, 4001)[:, None]
    points = (1 - t) ** 2 * p + 2 * t * (1 - t) * q + t**2 * r
    chords = np.linalg.norm(np.diff(points, axis=0), axis=1).sum()
    assert curves.length(curves.Curve(*ends)) == pytest.approx(
        chords, rel=1e-5
    )


def test_a_curve_drawn_back_on_itself_has_its_length():
    ends = [
        ((torch.full((1, 1), value, dtype=torch.float64), None),)
        for value in (0, 1, 0)
    ]
    # 2 t (1 - t): up to 1/2 and back
    found = curves.length(curves.Curve(*ends))
    assert found == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("kind", curves.KINDS)
def test_one_step_is_plain_sgd_on_a_point_of_the_curve(kind):
    """One linear layer, square loss: the gradient in closed form."""
    net = networks.mlp([3, 2])
    a, b = drawn(net, 1), drawn(net, 2)
    x, y = samples(net, 3, n=8)
    g = torch.Generator().manual_seed(4)
    t = float(torch.rand((), generator=g, dtype=torch.float64))
    c = {
        "bezier": [(1 - t) ** 2, 2 * t * (1 - t), t * t],
        "chain": [max(0, 1 - 2 * t), 2 * min(t, 1 - t), max(0, 2 * t - 1)],
    }[kind]
    w, v = (
        c[0] * p + c[1] * (p + q) / 2 + c[2] * q
        for p, q in zip(*[[part.numpy() for part in e[0]] for e in (a, b)])
    )
    out = 2 * (x.numpy() @ w.T + v - np.eye(2)[y.numpy()]) / 8
    steps = [out.T @ x.numpy(), out.sum(0)]
    found = curves.train(
        net,
        a,
        b,
        (x, y),
        generator=torch.Generator().manual_seed(4),
        steps=1,
        step_size=0.1,
        batch=8,
        kind=kind,
        loss="square",
    )
    for part, p, q, step in zip(found.bend[0], a[0], b[0], steps):
        wanted = (p.numpy() + q.numpy()) / 2 - 0.1 * c[1] * step
        assert np.allclose(part.numpy(), wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", curves.KINDS)
def test_training_lowers_the_curve_and_leaves_the_ends(kind):
    net = networks.mlp([4, 16, 16, 3])
    x, y = samples(net, 5)
    g = torch.Generator().manual_seed(6)
    ends = [
        training.train(
            net, drawn(net, seed), (x, y), step_size=0.1, momentum=0.9,
            batch=20, steps=300, generator=g,
        ).theta
        for seed in (7, 8)
    ]  # fmt: skip
    before = [flat(end) for end in ends]
    curve = curves.train(
        net, *ends, (x, y), generator=g, steps=300, step_size=0.05, batch=20,
        kind=kind,
    )  # fmt: skip
    line = curves.Curve(
        ends[0], paths.straight(*ends)(0.5), ends[1], kind="chain"
    )
    high, low = (
        curves.loss_curve(net, c, x, y, points=41) for c in (line, curve)
    )
    assert low.loss.max() < high.loss.max() / 2
    assert curve.start is ends[0]
    assert curve.stop is ends[1]
    assert all(np.array_equal(flat(e), v) for e, v in zip(ends, before))
    again = curves.train(
        net, *ends, (x, y), generator=torch.Generator().manual_seed(9),
        steps=3, step_size=0.05, batch=20, kind=kind,
    )  # fmt: skip
    same = curves.train(
        net, *ends, (x, y), generator=torch.Generator().manual_seed(9),
        steps=3, step_size=0.05, batch=20, kind=kind,
    )  # fmt: skip
    assert np.array_equal(flat(again.bend), flat(same.bend))


def test_a_profile_is_the_loss_point_by_point():
    net = networks.mlp([4, 5, 3])
    curve = curves.Curve(*[drawn(net, k) for k in range(3)])
    x, y = samples(net, 1)
    seen = curves.loss_curve(net, curve, x, y, points=5)
    for t, loss, error in zip(seen.t.tolist(), seen.loss, seen.error):
        z = net.forward(curve(t), x).numpy()
        own = z[np.arange(len(z)), y.numpy()]
        value = np.log(np.exp(z).sum(1)) - own
        assert float(loss) == pytest.approx(value.mean(), rel=1e-12)
        wrong = z.argmax(1) != y.numpy()
        assert float(error) == pytest.approx(wrong.mean())
    assert seen.t.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert seen.passes == 5


def test_bad_input_is_named():
    net = networks.mlp([3, 4, 2])
    a, b = drawn(net, 1), drawn(net, 2)
    x, y = samples(net, 1)
    curve = curves.Curve(a, a, b)
    with pytest.raises(ValueError, match=r"t is 1\.5"):
        curve(1.5)
    with pytest.raises(ValueError, match="'bezier'"):
        curve.path()
    with pytest.raises(ValueError, match="kind is 'arc'"):
        curves.Curve(a, a, b, kind="arc")
    with pytest.raises(ValueError, match="stop"):
        curves.Curve(a, a, drawn(networks.mlp([3, 5, 2]), 1))
    with pytest.raises(ValueError, match="points is 1"):
        curves.loss_curve(net, curve, x, y, points=1)
    good = dict(
        generator=torch.Generator().manual_seed(1), steps=1, step_size=0.1
    )
    for name, value in (
        ("steps", 0),
        ("step_size", -1.0),
        ("momentum", 1.0),
        ("batch", 41),
    ):
        how = {**good, "batch": 20, name: value}
        with pytest.raises(ValueError, match=f"{name} is {value}"):
            curves.train(net, a, b, (x, y), **how)
    far = {**good, "step_size": 1e200, "steps": 5, "batch": 20}
    with pytest.raises(FloatingPointError, match="step size 1e"):
        curves.train(net, a, b, (x, y), **far)


@pytest.mark.parametrize("kind", ["bezier", "chain"])
@pytest.mark.parametrize("t", [2, -0.5, float("nan"), float("inf")])
def test_weights_outside_the_curve(kind, t):
    with pytest.raises(ValueError, match=rf"t is {t}; .*\[0, 1\]"):
        curves.weights(kind, t)
