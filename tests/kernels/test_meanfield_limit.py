"""The limiting equation against grids, networks and closed forms."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, special, stats

from kernels import data, meanfield
from kernels.meanfield import quadrature

F64 = torch.float64


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def network(d, width, *, std, generator):
    """Two layers with biases: normal weights below, uniform ones above."""
    return meanfield.init(
        (d + 1, width, 1),
        trials=1,
        std=std,
        distribution=("normal", "uniform"),
        generator=generator,
        dtype=F64,
    )


def density(c, d):
    beta = special.beta((d - 1) / 2, 0.5)
    return (1 - c * c) ** ((d - 3) / 2) / beta


@pytest.mark.parametrize("d", [3, 4, 32, 401])
@pytest.mark.parametrize(
    ("s", "b"), [(1.3, 0.2), (9, -1), (0.4, 0.7), (2, -3)]
)
def test_relu_is_averaged_over_angles_in_closed_form(d, s, b):
    found = quadrature.upper_moments(
        torch.tensor(s, dtype=F64), torch.tensor(b, dtype=F64), d
    )
    low = min(max(-b / s, -1), 1)
    for k, value in enumerate(found):
        exact, _ = integrate.quad(
            lambda c, k=k: c**k * density(c, d),
            low,
            1,
            epsabs=1e-13,
            points=[min(max(0, low), 1)],
        )
        assert value.item() == pytest.approx(exact, abs=1e-10)


def test_relu_of_a_neuron_without_weights():
    s = torch.zeros(2, dtype=F64)
    b = torch.tensor([0.5, -0.5], dtype=F64)
    above, first, second = quadrature.upper_moments(s, b, 32)
    assert above.tolist() == [1, 0]
    assert first.tolist() == [0, 0]
    assert second.tolist() == pytest.approx([1 / 32, 0])


@pytest.mark.parametrize("d", [2, 3, 32, 10**6])
def test_rules_have_the_moments_of_their_laws(d):
    x, weight = quadrature.chi(6, d)
    for k in range(1, 6):
        exact = math.prod(d + 2 * j for j in range(k))  # E|x|^(2 k)
        assert (weight @ x ** (2 * k)).item() == pytest.approx(exact, rel=1e-9)
    c, basis = quadrature.cosine(12, d)
    weight = basis[0] ** 2
    assert weight.sum().item() == pytest.approx(1)
    assert (weight @ c**2).item() == pytest.approx(1 / d)
    assert (weight @ c**4).item() == pytest.approx(3 / (d * (d + 2)))
    assert (weight @ c**3).item() == pytest.approx(0, abs=1e-14)
    # rows: polynomials of mean zero and unit size
    assert torch.allclose(basis @ basis.T, torch.eye(12, dtype=F64))


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e6])
def test_mean_sizes_from_characteristic_functions(scale):
    def normal(t):
        return (1j * t * scale * 0.5 - (t * scale) ** 2 / 2).exp()

    def chi_square(t):
        return (1 - 2j * t * scale) ** -0.5

    exact = stats.foldnorm(0.5).mean() * scale
    found = quadrature.mean_absolute(normal, scale * 1.25**0.5)
    assert found == pytest.approx(exact, rel=1e-4)
    found = quadrature.mean_absolute(chi_square, scale * 3**0.5)
    assert found == pytest.approx(scale, rel=1e-3)
    assert quadrature.mean_absolute(chi_square, 0.0) == 0


def test_harmonics_are_counted():
    assert [quadrature.harmonics(2, k) for k in range(4)] == [1, 2, 2, 2]
    assert [quadrature.harmonics(3, k) for k in range(4)] == [1, 3, 5, 7]
    assert quadrature.harmonics(32, 2) == 32 * 33 // 2 - 1


def test_particles_follow_the_initial_law_of_init():
    d, count = 7, 4096
    a, b, r = meanfield.particles(count, dimension=d, std=(1.5, 0.5))
    laws = (
        (a, stats.uniform(-0.5 * 3**0.5, 3**0.5).cdf),
        (b, stats.norm(scale=1.5).cdf),
        (r, stats.chi(d, scale=1.5 / (d + 1) ** 0.5).cdf),
    )
    for values, cdf in laws:  # every cell's middle once
        at = np.sort(cdf(values.numpy()))
        assert np.abs(at - (np.arange(count) + 0.5) / count).max() < 1e-6
    g = generator()
    w, last = network(d, count, std=(1.5, 0.5), generator=g)
    size = w[0, :, :d].norm(dim=1)
    assert stats.ks_2samp(size.numpy(), r.numpy()).pvalue > 1e-3
    assert stats.ks_2samp(last[0, 0].numpy(), a.numpy()).pvalue > 1e-3
    corner = (a > 0) & (b > 0) & (r > r.median())
    assert corner.double().mean().item() == pytest.approx(1 / 8, abs=2e-3)


def plane(z, activation, delta=0.4):
    """Two dimensions on a grid: neurons and inputs all around the circle.

    Returns the velocities of (a, b), of w along and across itself, and the
    five functionals, all from sums over neurons and inputs.
    """
    turns = 48
    angle = torch.arange(turns, dtype=F64) * 2 * torch.pi / turns
    circle = torch.stack([angle.cos(), angle.sin()], 1)
    a, b, r = (v[:, None].expand(-1, turns).reshape(-1) for v in z)
    out = circle.repeat(z.shape[1], 1)
    w = r[:, None] * out
    edges = torch.linspace(0, 6.5, 14, dtype=F64)
    node, weight = map(torch.from_numpy, special.roots_legendre(6))
    middle, half = (edges[1:] + edges[:-1]) / 2, edges.diff() / 2
    size = (middle[:, None] + half[:, None] * node).flatten()
    law = (half[:, None] * weight).flatten()
    law = law * size * (-size.square() / 2).exp()  # of a length in the plane
    keep = law > 1e-9
    size, law = size[keep], law[keep]
    lengths = torch.cat([size * (1 - delta), size * (1 + delta)])
    y = torch.cat([-torch.ones_like(size), torch.ones_like(size)])
    x = lengths[:, None, None] * circle
    p = torch.cat([law, law])[:, None].expand(-1, turns).flatten() / turns / 2
    x, y = x.reshape(-1, 2), y[:, None].expand(-1, turns).flatten()
    leaves = [v.clone().requires_grad_() for v in (a, b, w)]

    def neurons(a, b, w, x):
        return a * activation(x @ w.T + b)

    risk = 0
    for xs, ys, ps in zip(x.split(2000), y.split(2000), p.split(2000)):
        f = neurons(*leaves, xs).mean(1)
        risk = risk + ps @ (ys - f).square()
    pull = [-len(a) * g for g in torch.autograd.grad(risk, leaves)]
    across = (pull[2] - (pull[2] * out).sum(1, True) * out).abs().max()
    f = torch.cat([neurons(a, b, w, xs).mean(1) for xs in x.split(2000)])
    c = -2 * sum(
        neurons(a, b, w, xs).T @ e
        for xs, e in zip(x.split(2000), (p * (y - f)).split(2000))
    )
    first = torch.arange(len(x)) % turns == 0  # one direction of x will do
    v = neurons(a, b, w, x[first]) - f[first, None]
    rest = neurons(a, b, w, x) - f[:, None]
    kernel = v @ rest.T / len(a)
    q = p[first] * turns
    variance = v.square().mean(1)
    return {
        "velocity": torch.stack(
            [pull[0], pull[1], (pull[2] * out).sum(1)]
        ).view(3, -1, turns),
        "across": across,
        "risk": risk.item(),
        "curvature": (q @ variance).item(),
        "influence": c.std(correction=0).item(),
        "spread": (q @ kernel.square() @ p).item(),
        "noise": 4 * (q @ ((y - f)[first] ** 2 * variance)).item(),
    }


@pytest.mark.parametrize(
    ("activation", "near"),
    [
        (torch.tanh, 1e-4),  # the grid resolves no more
        (torch.nn.functional.softplus, 1e-6),
        (torch.relu, 5e-3),  # the grid's own error at the kink
    ],
)
def test_in_the_plane_sums_over_a_grid_agree(activation, near):
    z = torch.tensor(
        [[0.5, -1, 2, 1.2], [0.3, 1, -0.4, 0.1], [0.7, 0.2, 1.5, 1]],
        dtype=F64,
    )
    grid = plane(z, activation)
    options = dict(dimension=2, delta=0.4, activation=activation, radii=24)
    (law,) = meanfield.limit(z, [0], **options)
    for name in ("risk", "curvature", "influence", "spread", "noise"):
        assert getattr(law, name) == pytest.approx(grid[name], rel=near), name
    assert grid["across"] < near  # a neuron moves along itself
    small = 1e-5
    (later,) = meanfield.limit(z, [small], tolerance=1e-10, **options)
    velocity = (later.particles - z) / small
    error = (velocity - grid["velocity"].mean(2)).abs().max()
    assert error < 10 * max(near, small)


@pytest.mark.parametrize("activation", [torch.relu, torch.sigmoid])
def test_the_risk_falls_as_the_square_of_the_speed(activation):
    start = meanfield.particles(64, dimension=16)
    h = 1e-3
    laws = meanfield.limit(
        start,
        [0, 1, 1 + h, 1 - h, 4],
        dimension=16,
        activation=activation,
        tolerance=1e-9,
    )
    first, at, after, before, last = laws
    assert first.risk > before.risk > at.risk > after.risk > last.risk
    velocity = (after.particles - before.particles) / (2 * h)
    loss = velocity.square().sum(0).mean().item()
    slope = (after.risk - before.risk) / (2 * h)
    assert slope == pytest.approx(-loss, rel=1e-4)


def test_a_smaller_tolerance_is_a_smaller_error():
    start = meanfield.particles(32, dimension=8)
    at = {
        tolerance: meanfield.limit(
            start,
            [5],
            dimension=8,
            activation=torch.tanh,
            tolerance=tolerance,
        )[0].particles
        for tolerance in (1e-3, 1e-5, 1e-9)
    }
    coarse, fine = ((at[t] - at[1e-9]).abs().max() for t in (1e-3, 1e-5))
    assert fine < coarse / 10
    assert fine < 1e-3


def test_at_the_start_relu_is_known():
    start = meanfield.particles(4096, dimension=32)
    (law,) = meanfield.limit(start, [0])
    # E a^2 E relu(u)^2, u normal of variance E s_y^2 d / (d + 1) + 1
    exact = 4 * (1.25 * 32 / 33 + 1) / 2
    assert law.risk == pytest.approx(1, abs=2e-3)
    assert law.curvature == pytest.approx(exact, rel=2e-3)


def drawn(law, dimension, networks, width, g):
    """Networks of independent draws of a law, with random directions."""
    pick = torch.randint(
        law.particles.shape[1], (networks, width), generator=g
    )
    a, b, r = law.particles[:, pick]
    way = torch.randn((networks, width, dimension), generator=g, dtype=F64)
    w = r[..., None] * way / way.norm(dim=-1, keepdim=True)
    return torch.cat([w, b[..., None]], -1), a[:, None]


@pytest.mark.parametrize("activation", [torch.tanh, torch.relu])
def test_dropout_of_independent_neurons(activation):
    """Mean, deviation and mean size over networks and kept sets."""
    d, width, kept, networks, n = 16, 60, 30, 250, 500
    start = meanfield.particles(512, dimension=d)
    (law,) = meanfield.limit(start, [1.5], dimension=d, activation=activation)
    g = generator(1)
    theta = drawn(law, d, networks, width, g)
    x, y = data.gaussian_sample(  # inputs of its own for each network
        networks * n, dimension=d, constant=True, dtype=F64, generator=g
    )
    x, y = x.view(networks, n, d + 1), y.double().view(networks, n, 1)
    v = theta[1] * activation(x @ theta[0].mT)  # (networks, n, width)
    masks = meanfield.masks(
        width, keep=kept, count=20, generator=g, first=False
    )
    half, whole = v @ masks.double().T / kept, v.mean(2, keepdim=True)
    change = ((y - half).square() - (y - whole).square()).mean(1)
    noise = change.mean(1).std().item() / networks**0.5
    mean = law.mean_increase(kept, width)
    assert abs(change.mean().item() - mean) < 4 * noise < 0.2 * mean
    wanted = law.deviation(kept, width, independent=True, examples=n)
    assert change.std().item() == pytest.approx(wanted, rel=0.12)
    size = law.mean_absolute(kept, width, independent=True, examples=n)
    assert change.abs().mean().item() == pytest.approx(size, rel=0.1)


@pytest.mark.parametrize("activation", [torch.relu, torch.tanh])
def test_a_wide_network_under_quiet_sgd_is_near(activation):
    """Not the same code: N = 1500, batches of 250, alpha = 0.02, T = 2."""
    d, width, g = 32, 1500, generator(2)
    fresh = dict(dimension=d, constant=True, dtype=F64)
    theta = network(d, width, std=(1, 2), generator=g)
    theta[0][..., -1] *= (d + 1) ** 0.5
    how = dict(loss="square", activation=activation)
    meanfield.train(
        theta,
        lambda n, g: data.gaussian_sample(n, generator=g, **fresh),
        step_size=0.02,
        batch=250,
        steps=100,
        generator=g,
        **how,
    )
    x, y = data.gaussian_sample(8000, generator=g, **fresh)
    seen = meanfield.fluctuations(theta, x, y.double(), **how)
    loss = meanfield.evaluate(theta, x, y.double(), **how).loss.item()
    start = meanfield.particles(512, dimension=d)
    early, law = meanfield.limit(start, [0, 2], activation=activation)
    assert loss == pytest.approx(law.risk, rel=0.06)
    assert seen.curvature.item() == pytest.approx(law.curvature, rel=0.06)
    measured = seen.influence.var().item()
    wanted = law.influence**2 + law.noise / 8000
    assert measured == pytest.approx(wanted, rel=0.25)
    assert abs(law.risk - early.risk) > 0.1  # there was something to follow


def test_terms_scale_as_they_should():
    (law,) = meanfield.limit(
        meanfield.particles(64, dimension=4), [1], dimension=4
    )
    assert law.mean_increase(50, 100) == pytest.approx(law.curvature / 100)
    wide = law.deviation(10**9, 2 * 10**9) * (2 * 10**9) ** 0.5
    assert wide == pytest.approx(law.influence, rel=1e-4)
    eigenvalue, count, seen = law.modes
    assert (eigenvalue @ count).item() == pytest.approx(
        law.curvature, rel=1e-2
    )
    assert seen.norm().item() == pytest.approx(law.influence, rel=1e-2)
    assert law.deviation(7, 7) == law.mean_absolute(7, 7) == 0
    plain, all_in = (
        law.deviation(50, 100, independent=own) for own in (False, True)
    )
    extra = all_in**2 - plain**2
    assert extra == pytest.approx(4 * law.spread / 100**2)
    with pytest.raises(ValueError, match=r"kept must lie in 1\.\.10, got 11"):
        law.mean_increase(11, 10)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (
            dict(start=torch.zeros(2, 5)),
            r"shape \(3, particles\), got \(2, 5\)",
        ),
        (dict(times=[]), "times must be numbers from 0 on"),
        (dict(times=[-1.0]), "times must be numbers from 0 on"),
        (dict(dimension=1), "dimension must be 2 or more, got 1"),
        (dict(delta=1.0), r"delta must lie in \[0, 1\), got 1.0"),
        (dict(radii=0), "radii"),
        (dict(angles=0), "angles"),
        (dict(tolerance=math.nan), "tolerance must be a positive number"),
        (dict(tolerance=0.0), "tolerance must be a positive number"),
        (dict(start=torch.full((3, 5), math.nan)), "start has 15 non-finite"),
    ],
)
def test_bad_arguments_are_named(change, match):
    fine = dict(start=torch.ones(3, 5), times=[0, 1], dimension=8)
    with pytest.raises(ValueError, match=match):
        meanfield.limit(**{**fine, **change})


def test_times_come_back_in_their_order():
    start = meanfield.particles(16, dimension=4)
    laws = meanfield.limit(start, [2, 0, 2], dimension=4)
    assert [law.time for law in laws] == [2, 0, 2]
    assert torch.equal(laws[1].particles, start)
    with pytest.raises(ValueError, match="particles"):
        meanfield.particles(0, dimension=4)
