"""The convex subproblem at l = L - 1: against exact and 60-digit optima."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import subnetworks
from kernels.networks import mlp
from kernels.subnetworks import convex, output

F64 = torch.float64
mpmath.mp.dps = 60


def drawn(n, k, classes, seed=0):
    """Features and labels that have nothing to do with each other."""
    g = torch.Generator().manual_seed(seed)
    h = torch.randn(n, k, generator=g, dtype=F64)
    return h, torch.randint(classes, (n,), generator=g)


def rows(h, bias):
    ones = [[1.0]] * len(h) if bias else [[]] * len(h)
    return [[mpmath.mpf(v) for v in r + o] for r, o in zip(h.tolist(), ones)]


def entropy_at(w, x, y, classes):
    """Mean cross-entropy, its gradient and Hessian; the last class is 0."""
    k, total = len(x[0]), mpmath.mpf(0)
    m = (classes - 1) * k
    grad, bend = mpmath.zeros(m, 1), mpmath.zeros(m, m)
    for r, label in zip(x, y):
        z = [
            sum(w[c * k + a] * r[a] for a in range(k))
            for c in range(classes - 1)
        ]
        z.append(mpmath.mpf(0))
        e = [mpmath.exp(v) for v in z]
        p = [v / sum(e) for v in e]
        total += mpmath.log(sum(e)) - z[label]
        for c in range(classes - 1):
            for a in range(k):
                grad[c * k + a] += (p[c] - (c == label)) * r[a]
                for d in range(classes - 1):
                    for b in range(k):
                        j = p[c] * ((c == d) - p[d])
                        bend[c * k + a, d * k + b] += j * r[a] * r[b]
    return total / len(x), grad / len(x), bend / len(x)


def least(h, y, classes, bias=True):
    """The minimum by Newton's method in 60 digits, from 0, damped."""
    x = rows(h, bias)
    w = mpmath.zeros((classes - 1) * len(x[0]), 1)
    value, grad, bend = entropy_at(w, x, y.tolist(), classes)
    for _ in range(80):
        step, share = mpmath.lu_solve(bend, -grad), mpmath.mpf(1)
        while True:
            new = entropy_at(w + share * step, x, y.tolist(), classes)
            if new[0] <= value or share < 1e-30:
                break
            share /= 2
        w, (value, grad, bend) = w + share * step, new
        if mpmath.norm(grad) < mpmath.mpf(10) ** -40:
            return value
    raise AssertionError("the oracle did not converge")


def loss_of(found, h, y):
    """The returned weights' mean cross-entropy, in 60 digits."""
    [(weight, offset)] = found.parameters
    b = [0.0] * len(weight) if offset is None else offset.tolist()
    total = mpmath.mpf(0)
    for r, label in zip(rows(h, False), y.tolist()):
        z = [
            sum(mpmath.mpf(v) * a for v, a in zip(row, r)) + mpmath.mpf(s)
            for row, s in zip(weight.tolist(), b)
        ]
        total += mpmath.log(sum(mpmath.exp(v - z[label]) for v in z))
    return total / len(h)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("n", "k", "classes"), [(9, 1, 2), (14, 2, 3), (20, 3, 2), (24, 1, 3)]
)
def test_the_optimum_lies_between_the_bounds(n, k, classes, bias):
    h, y = drawn(n, k, classes, seed=n)
    exact = least(h, y, classes, bias)
    found = subnetworks.last_layer(h, y, bias=bias, outputs=classes)
    assert not found.separated
    assert found.lower <= exact <= loss_of(found, h, y) <= found.upper
    assert 0 < found.gap < 1e-11


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_bounds_hold_wherever_newton_stops(steps):
    """A lower bound taken as "the loss less a little" would fail here."""
    h, y = drawn(14, 2, 3, seed=14)
    exact = least(h, y, 3)
    for scale in (1.0, 1e3, 1e-3):
        found = subnetworks.last_layer(h * scale, y, steps=steps)
        assert found.steps == steps
        assert found.lower <= exact <= found.upper
    early = subnetworks.last_layer(h, y, steps=1)
    assert float(early.upper - exact) > 1e-6  # it has not converged


def test_a_radius_bounds_what_is_within_it():
    """Where nothing is proved for all weights: a bound for those within r."""
    h, y = drawn(40, 3, 3, seed=5)
    h = torch.cat([h, h[:, :1]], 1)  # dependent: nothing is proved for all
    assert subnetworks.last_layer(h, y).lower == 0
    inside = subnetworks.last_layer(h, y, radius=50.0)
    reduced = subnetworks.last_layer(h[:, :3], y)
    assert reduced.lower - 1e-9 <= inside.lower <= reduced.upper
    assert inside.gap < 1e-9
    square = subnetworks.last_layer(h, y, loss="square", radius=50.0)
    assert 0 <= square.gap < 1e-9
    # with one step the tangent is steep, and the bound honest and lower
    early = subnetworks.last_layer(h, y, radius=50.0, steps=1)
    assert early.lower <= reduced.lower


def test_one_feature_in_closed_form():
    """Labels 1, 1, 0 at the feature 1: p = 2/3, the loss its entropy."""
    h = torch.ones(3, 1, dtype=F64)
    found = subnetworks.last_layer(h, torch.tensor([1, 1, 0]), bias=False)
    exact = mpmath.log(3) - mpmath.log(2) * 2 / 3
    assert found.lower <= exact <= found.upper <= found.lower + 1e-13


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 30), st.integers(1, 6), st.integers(1, 4), st.booleans(),
    st.sampled_from(["cross_entropy", "square"]), st.integers(0, 999),
)  # fmt: skip
def test_never_below_zero_never_crossed(n, k, classes, bias, loss, seed):
    h, y = drawn(n, k, classes, seed)
    h = h.relu() * 10.0 ** (seed % 7 - 3)  # dead units, other scales
    found = subnetworks.last_layer(h, y, outputs=classes, bias=bias, loss=loss)
    assert 0 <= found.lower <= found.upper
    [(weight, offset)] = found.parameters
    assert weight.shape == (classes, k)
    assert (offset is None) == (not bias)
    if loss == "cross_entropy":
        assert found.lower <= loss_of(found, h, y) <= found.upper
        z = h @ weight.T + (0 if offset is None else offset)
        own = z.gather(1, y[:, None])
        others = z.scatter(1, y[:, None], -torch.inf).amax(1)
        if found.separated and classes > 1:
            assert found.lower == 0
            assert found.upper <= 1.001e-9
            assert bool((own[:, 0] > others).all())


def solved(a, b):
    """Gaussian elimination in fractions; dependent columns get 0."""
    m = [[*row, v] for row, v in zip(a, b)]
    size, pivots, r = len(a), [], 0
    for c in range(size):
        p = next((i for i in range(r, size) if m[i][c] != 0), None)
        if p is None:
            continue
        m[r], m[p] = m[p], m[r]
        m[r] = [v / m[r][c] for v in m[r]]
        for i in range(size):
            if i != r and m[i][c]:
                m[i] = [u - m[i][c] * v for u, v in zip(m[i], m[r])]
        pivots.append(c)
        r += 1
    x = [Fraction(0)] * size
    for i, c in enumerate(pivots):
        x[c] = m[i][-1]
    return x


def least_squares(h, y, bias):
    """The exact minimum of the mean square loss."""
    ones = [1.0] if bias else []
    x = [[Fraction(v) for v in row + ones] for row in h.tolist()]
    k = len(x[0])
    gram = [[sum(r[a] * r[b] for r in x) for b in range(k)] for a in range(k)]
    total = Fraction(0)
    for target in y.T.tolist():
        t = [Fraction(v) for v in target]
        right = [sum(r[a] * v for r, v in zip(x, t)) for a in range(k)]
        w = solved(gram, right)
        for r, v in zip(x, t):
            total += (sum(a * b for a, b in zip(r, w)) - v) ** 2
    return total / len(x)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("size", [1.0, 1e-80, 1e80])
def test_the_square_loss_against_fractions(k, bias, size):
    g = torch.Generator().manual_seed(k)
    h = torch.randn(12, k, generator=g, dtype=F64) * size
    y = torch.randn(12, 2, generator=g, dtype=F64)
    exact = least_squares(h, y, bias)
    found = subnetworks.last_layer(h, y, loss="square", bias=bias)
    assert Fraction(found.lower) <= exact <= Fraction(found.upper)
    assert found.gap < 1e-12


def test_the_square_loss_of_dependent_features():
    g = torch.Generator().manual_seed(3)
    h = torch.randint(-3, 4, (15, 2), generator=g).to(F64)
    h = torch.cat([h, h.sum(1, keepdim=True)], 1)
    y = torch.randn(15, 1, generator=g, dtype=F64)
    exact = least_squares(h, y, True)
    found = subnetworks.last_layer(h, y, loss="square", radius=100.0)
    assert Fraction(found.lower) <= exact <= Fraction(found.upper)
    assert found.gap < 1e-10


def test_a_separated_class_leaves_the_others_loss():
    """The infimum is not attained: class 2's weights go to infinity."""
    h, y = drawn(20, 2, 2, seed=8)
    exact = least(h, y, 2) * 20 / 30
    away = torch.randn(10, 2, dtype=F64, generator=torch.Generator()) / 9 + 40
    h = torch.cat([h, away])
    y = torch.cat([y, torch.full((10,), 2)])
    assert subnetworks.last_layer(h, y).lower <= exact
    found = subnetworks.last_layer(h, y, radius=1e4)
    assert not found.separated
    assert found.lower <= exact <= found.upper
    assert found.gap < 1e-9


@pytest.mark.parametrize("size", [1e-90, 1e90])
def test_units_of_any_scale(size):
    h, y = drawn(30, 3, 3, seed=2)
    plain = subnetworks.last_layer(h, y)
    wild = subnetworks.last_layer(
        h * torch.tensor([size, 1.0, 1 / size], dtype=F64), y
    )
    assert abs(wild.upper - plain.upper) < 1e-11
    assert wild.gap < 1e-11


def test_barely_separated():
    """Exact margins of the returned weights, in fractions."""
    h = torch.tensor([[0.0], [1.0], [1.0 + 2**-40], [2.0]], dtype=F64)
    y = torch.tensor([0, 0, 1, 1])
    found = subnetworks.last_layer(h, y)
    if found.separated:  # it need not see it, but must be right
        [(weight, offset)] = found.parameters
        for [v], label in zip(h.tolist(), y.tolist()):
            z = [
                Fraction(w) * Fraction(v) + Fraction(b)
                for w, b in zip(weight[:, 0].tolist(), offset.tolist())
            ]
            assert z[label] > z[1 - label]
    assert found.lower == 0


def test_of_no_use_and_of_one_class():
    dead = torch.zeros(6, 4, dtype=F64)
    y = torch.tensor([0, 1, 2, 0, 1, 2])
    found = subnetworks.last_layer(dead, y, bias=False)
    assert found.lower <= mpmath.log(3) <= found.upper
    assert found.gap < 1e-12
    one = subnetworks.last_layer(dead, torch.zeros(6, dtype=torch.int64))
    assert one.lower == 0
    assert one.upper < 1e-12


def test_the_parameters_are_those_of_xi(tmp_path):
    """theorem41's xi_{L-1}: a narrow network on the kept features."""
    net = mlp([5, 7, 6, 3])
    g = torch.Generator().manual_seed(4)
    theta = net.init(generator=g, dtype=F64)
    h, y = drawn(25, 5, 3, seed=4)
    kept = torch.tensor([0, 2, 5])
    seen = net.take(2, net.features(theta, h, 2), kept)
    found = subnetworks.last_layer(seen, y)
    xi = net.narrow([3], first=2)
    z = xi.forward(xi.check(found.parameters), seen)
    loss = torch.nn.functional.cross_entropy(z, y)
    assert found.lower <= float(loss) <= found.upper + 1e-12
    assert np.isfinite(found.gap)


@pytest.mark.parametrize(
    ("how", "match"),
    [
        (dict(h=torch.ones(3)), "h has shape"),
        (dict(h=torch.full((3, 1), torch.nan)), "h"),
        (dict(y=torch.tensor([0, 1])), "samples"),
        (dict(y=torch.tensor([0, 1, 5]), outputs=3), "classes 0 to 5"),
        (dict(radius=0.0), "radius is 0.0"),
        (dict(tolerance=0.0), "tolerance is 0.0"),
        (dict(steps=0), "steps"),
        (dict(loss="hinge"), "loss is 'hinge'"),
    ],
)
def test_refused(how, match):
    good = dict(h=torch.ones(3, 1), y=torch.tensor([0, 1, 1]))
    with pytest.raises(ValueError, match=match):
        subnetworks.last_layer(**good | how)


@pytest.mark.parametrize("value", [float("nan"), 1e200])
def test_a_hessian_that_is_not_finite_is_refused(value):
    """No damping would mend it: the search for one must end."""
    h, y = drawn(6, 2, 3)
    h[0] = value  # last_layer would scale it
    problem = convex.Problem(h, y, 3, "cross_entropy", torch.ones(2))
    with pytest.raises(ValueError, match="Hessian is not finite"):
        convex.newton(problem, 1e-9, 3)


@pytest.mark.parametrize("seed", range(8))
def test_fewer_samples_than_features_are_separated(seed):
    """Whatever the labels: an affine map takes any values on them."""
    g = torch.Generator().manual_seed(seed)
    h = (torch.randn(18, 24, generator=g, dtype=F64) * 9).exp().clamp(max=1e6)
    y = torch.randint(5, (18,), generator=g)
    found = subnetworks.last_layer(h, y, outputs=5)
    assert found.separated
    assert found.upper <= 1.001e-9


@pytest.mark.parametrize("loss", ["cross_entropy", "square"])
def test_a_wrong_eigenvalue_would_be_seen(loss, monkeypatch):
    """mu ten thousand times too large breaks the bound after one step."""
    h, y = drawn(14, 2, 3, seed=14)
    h = h * torch.tensor([1.0, 1e-3], dtype=F64)
    exact = subnetworks.last_layer(h, y, loss=loss, outputs=3).upper
    monkeypatch.setattr(
        convex, "newton", lambda p, *_: (p.x.new_full((3, 3), 0.1).tril(), 0)
    )
    monkeypatch.setattr(output, "newton", convex.newton)
    honest = subnetworks.last_layer(h, y, loss=loss, outputs=3)
    assert honest.lower <= exact < honest.upper
    true = convex.Problem.least_eigenvalue
    monkeypatch.setattr(
        convex.Problem, "least_eigenvalue", lambda p, w: 1e4 * true(p, w)
    )
    wrong = subnetworks.last_layer(h, y, loss=loss, outputs=3)
    assert wrong.lower > exact
