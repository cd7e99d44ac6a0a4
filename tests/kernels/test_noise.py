"""Noise stability against definitions spelt out in NumPy.

The oracle's Jacobians are difference quotients: a ReLU network is linear near
almost every point, so they are exact but for rounding.
"""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_networks import arrays, convolve
from plain_networks import pool as plain_pool

from kernels import noise
from kernels.networks import Layer, Network, Pool, columns, mlp

F64 = torch.float64
# the oracles divide by zero where the definitions do
pytestmark = [
    pytest.mark.filterwarnings("ignore:invalid value"),
    pytest.mark.filterwarnings("ignore:divide by zero"),
    pytest.mark.filterwarnings("ignore:All-NaN slice"),
]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def setup(net, n=5, seed=0, dtype=F64, bias="zero"):
    g = generator(seed)
    theta = net.init(generator=g, dtype=dtype, bias=bias)
    return theta, torch.randn((n, *net.inputs), generator=g, dtype=F64).to(
        dtype
    )


def convolutional(bias=False):
    return Network(
        (2, 7, 6),
        (
            Layer(3, bias, 3, 1, pools=(Pool("max", 2),)),
            Layer(5, bias, 2, 0, pools=(Pool("adaptive", 1),)),
            Layer(4, bias),
            Layer(3, bias),
        ),
    )


NETS = {
    "fully connected": mlp([4, 7, 2, 6, 3], bias=False),
    "two layers": mlp([4, 5, 2], bias=False),
    "convolutional": convolutional(),
    "stride": Network(
        (1, 6, 6),
        (Layer(3, False, 3, 1, 2), Layer(4, False, 3, 1), Layer(2, False)),
    ),
    "overlapping pools": Network(
        (1, 7, 7),
        (
            Layer(3, False, 3, 1, pools=(Pool("max", 3, 2, 1),)),
            Layer(3, False, 2, 0, pools=(Pool("average", 2, 1),)),
            Layer(2, False),
        ),
    ),
}
EVERY = pytest.mark.parametrize("name", NETS)


# ------------------------------------------------------ the plain oracle


def linear(net, theta, i, h):
    weight, bias = arrays(theta)[i - 1]
    layer = net.layers[i - 1]
    if layer.kernel is None:
        return h.reshape(len(h), -1) @ weight.T + bias
    out = convolve(h, weight, layer.padding, layer.stride)
    return out + bias[:, None, None]


def phi(net, i, z):
    h = np.maximum(z, 0)
    for pool in net.layers[i - 1].pools:
        h = plain_pool(h, pool)
    return h


def onward(net, theta, i, j, z):
    """M^{i,j}."""
    for l in range(i + 1, j + 1):  # noqa: E741
        z = linear(net, theta, l, phi(net, l - 1, z))
    return z


def layers(net, theta, x):
    """Pre-activations 1 … d, and phi of layers 0 … d - 1."""
    h, z = [x.double().numpy()], [None]
    for i in range(1, net.depth + 1):
        z.append(linear(net, theta, i, h[-1]))
        h.append(phi(net, i, z[-1]))
    return z, h


def jacobian(net, theta, i, j, z, step=1e-7):
    """J^{i,j} at one sample's z, (size of x^j, size of x^i)."""
    base = onward(net, theta, i, j, z[None])
    moved = z[None] + step * np.eye(z.size).reshape(-1, *z.shape)
    gain = (onward(net, theta, i, j, moved) - base) / step
    return gain.reshape(z.size, -1).T


def length(v):
    return np.linalg.norm(v.reshape(len(v), -1), axis=1)


def matrix(net, i, theta):
    """The matrix that layer i is."""
    units = math.prod(net.shapes[i - 1])
    eye = np.eye(units).reshape(-1, *net.shapes[i - 1])
    plain = tuple((weight, None) for weight, _ in theta)
    return linear(net, plain, i, eye).reshape(units, -1).T


# -------------------------------------------------------- Definition 2


@EVERY
def test_cushions_and_contraction_are_their_definitions(name):
    net = NETS[name]
    theta, x = setup(net)
    d = net.depth
    found = noise.stability(net, theta, x)
    z, h = layers(net, theta, x)
    assert set(found.layer_cushion) == set(range(2, d + 1))
    for i, cushion in found.layer_cushion.items():
        size = np.linalg.norm(theta[i - 1][0].numpy())
        expected = length(z[i]) / (size * length(h[i - 1]))
        np.testing.assert_allclose(cushion, expected, rtol=1e-12)
    assert set(found.activation_contraction) == set(range(1, d))
    for i, contraction in found.activation_contraction.items():
        expected = length(z[i]) / length(h[i])
        np.testing.assert_allclose(contraction, expected, rtol=1e-12)
    pairs = [(i, j) for i in range(1, d + 1) for j in range(i, d + 1)]
    assert sorted(found.interlayer_cushion) == pairs
    for i, j in pairs:
        maps = [jacobian(net, theta, i, j, v) for v in z[i]]
        top = np.array([np.linalg.svd(j_x)[1][0] for j_x in maps])
        norm = found.jacobian_norm[i, j].numpy()
        on = length(z[i]) > 0  # elsewhere the quotient sees phi's kink
        np.testing.assert_allclose(norm[on], top[on], rtol=1e-6)
        image = np.array([j_x @ v.ravel() for j_x, v in zip(maps, z[i])])
        expected = length(image) / (top * length(z[i]))
        got = found.interlayer_cushion[i, j].numpy()
        np.testing.assert_allclose(got, expected, rtol=1e-6)
        assert np.nanmax(got) <= 1 + 1e-6
    assert found.error <= 1e-6
    np.testing.assert_allclose(found.output_norm, length(z[d]), rtol=1e-12)


@EVERY
def test_a_convolution_may_count_as_the_matrix_it_is(name):
    net = NETS[name]
    theta, x = setup(net)
    kernel, whole = (
        noise.stability(net, theta, x, pairs=[], convolution=convolution)
        for convolution in ("kernel", "toeplitz")
    )
    for i in range(2, net.depth + 1):
        ratio = whole.layer_cushion[i] / kernel.layer_cushion[i]
        size, own = matrix(net, i, theta), theta[i - 1][0].numpy()
        expected = np.linalg.norm(own) / np.linalg.norm(size)
        ratio = ratio[~torch.isnan(ratio)]
        assert len(ratio) > 0
        np.testing.assert_allclose(ratio, expected, rtol=1e-12)
        assert np.nanmax(whole.layer_cushion[i]) <= 1 + 1e-12


def test_the_papers_numbers_are_the_extremes():
    net = NETS["fully connected"]
    theta, x = setup(net, n=30, seed=3)
    found = noise.stability(net, theta, x)
    d, off = net.depth, found.all_off
    assert 0 < off.sum() < 30  # its layer of one unit is off for some
    minimal = found.minimal_interlayer_cushion
    for i in range(1, d + 1):
        stacked = np.stack(
            [found.interlayer_cushion[i, j] for j in range(i, d + 1)]
        )
        with np.errstate(invalid="ignore"):
            least = np.nanmin(stacked, 0)
        np.testing.assert_array_equal(minimal[i], least)
        assert found.mu_minimal[i] == np.nanmin(least)
    for i in range(2, d + 1):
        assert found.mu[i] == np.nanmin(found.layer_cushion[i])
    z, h = layers(net, theta, x)
    some_off = np.zeros(30, bool)
    for i in range(1, d):
        some_off |= ~h[i].any(1)
    np.testing.assert_array_equal(off, some_off)
    with np.errstate(divide="ignore", invalid="ignore"):
        contraction = [length(z[i]) / length(h[i]) for i in range(1, d)]
    finite = np.concatenate(contraction)
    assert found.c == pytest.approx(finite[np.isfinite(finite)].max())
    ratio = (
        found.c
        * d**1.5
        * length(z[d]).max()
        / min(found.mu[i] * found.mu_minimal[i] for i in range(2, d + 1))
        / math.sqrt(2)
    )
    assert found.epsilon() == pytest.approx(math.sqrt(2) * ratio)
    assert found.epsilon(beta=3, constant=2) == pytest.approx(6 * ratio)
    log = math.log(30 * d * 3 / 0.1)
    bound = found.relative_bound(p=0.3, delta=0.1, constant=5)
    expected = 5 * ratio / length(z[d]).max() * math.sqrt(0.3 * log / d)
    assert bound == pytest.approx(expected)


def test_what_is_all_off_is_nan_and_left_out():
    net = mlp([3, 4, 5, 2], bias=False)
    theta, x = setup(net)
    off = theta[1][0].abs().neg()  # layer 2 is off on every sample
    theta = (theta[0], (off, None), theta[2])
    on = (torch.relu(x @ theta[0][0].T) > 0).any(1)  # in layer 1
    assert on.any()
    found = noise.stability(net, theta, x)
    assert torch.isnan(found.layer_cushion[3]).all()
    assert torch.isnan(found.interlayer_cushion[1, 3]).all()
    assert torch.isnan(found.interlayer_cushion[3, 3]).all()
    assert torch.isinf(found.activation_contraction[2][on]).all()
    assert torch.equal(torch.isfinite(found.interlayer_cushion[1, 2]), on)
    assert found.all_off.all()
    assert math.isnan(found.mu[3])
    assert math.isfinite(found.mu_minimal[1])
    assert found.c == float(found.activation_contraction[1][on].max())


def test_where_all_samples_are_off_the_definitions_are_infinite():
    net = mlp([3, 6, 5, 3], bias=False)
    theta, x = setup(net)
    theta = tuple((weight.abs().neg(), None) for weight, _ in theta)
    found = noise.stability(net, theta, x.abs())
    assert found.all_off.all()
    assert found.c == math.inf
    assert found.epsilon() == math.inf
    assert found.relative_bound(p=0.1) == math.inf


def test_a_cushion_of_zero_makes_epsilon_infinite():
    """Two units cancel on the first sample, and not on the second."""
    theta = ((torch.eye(2), None), (torch.tensor([[1.0, -1.0]]), None))
    x = torch.tensor([[1.0, 1.0], [2.0, 1.0]])
    found = noise.stability(mlp([2, 2, 1], bias=False), theta, x)
    assert found.mu[2] == 0
    assert not found.all_off.any()
    assert found.epsilon() == math.inf


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("name", ["fully connected", "convolutional"])
def test_layers_and_samples_in_other_units(name, dtype):
    """Quotients of norms stay, to the bit for powers of two; norms scale."""
    net = NETS[name]
    first, *rest = net.layers
    net = Network(net.inputs, (replace(first, bias=True), *rest))
    theta, x = setup(net, n=12, dtype=dtype)
    bias = torch.randn(net.widths[1], generator=generator(5)).to(dtype) / 9
    theta = ((theta[0][0], bias), *theta[1:])
    plain = noise.stability(net, theta, x)
    assert math.isfinite(plain.epsilon())
    assert plain.epsilon() > 0
    for by, more in itertools.product((-40, -12, 20, 40), (0, 3)):
        factor, size = 2.0**by, 2.0 ** (by + more)
        layers = tuple((weight * factor, None) for weight, _ in theta)
        layers = ((layers[0][0], bias * factor * size), *layers[1:])
        found = noise.stability(net, layers, x * size)
        for name in (
            "layer_cushion",
            "interlayer_cushion",
            "activation_contraction",
        ):
            for key, value in getattr(plain, name).items():
                np.testing.assert_array_equal(value, getattr(found, name)[key])
        assert found.error == plain.error
        for (i, j), value in plain.jacobian_norm.items():
            expected = value * factor ** (j - i)
            np.testing.assert_array_equal(found.jacobian_norm[i, j], expected)
        top = size * factor**net.depth
        np.testing.assert_array_equal(
            found.output_norm, plain.output_norm * top
        )
        assert found.epsilon() == pytest.approx(plain.epsilon() * top)
        one, other = (
            noise.smoothness(
                net, *given, p=0.3, draws=3, points=2, generator=generator()
            )
            for given in ((theta, x), (layers, x * size))
        )
        for pair, value in one.perturbation.items():
            np.testing.assert_array_equal(value, other.perturbation[pair])
        assert one.rho == other.rho


@settings(max_examples=25, deadline=None)
@given(
    widths=st.lists(st.integers(1, 7), min_size=3, max_size=6),
    seed=st.integers(0, 999),
)
def test_any_widths(widths, seed):
    net = mlp(widths, bias=False)
    theta, x = setup(net, n=3, seed=seed)
    found = noise.stability(net, theta, x)
    z, _ = layers(net, theta, x)
    for (i, j), norm in found.jacobian_norm.items():
        for k in range(3):
            product = np.eye(net.widths[i])
            for l in range(i + 1, j + 1):  # noqa: E741
                mask = np.diag(1.0 * (z[l - 1][k] > 0))
                product = theta[l - 1][0].numpy() @ mask @ product
            top = np.linalg.svd(product, compute_uv=False)[0]
            assert float(norm[k]) == pytest.approx(top, rel=1e-6, abs=1e-12)


def test_single_precision_blocks_and_pairs():
    net = convolutional()
    theta, x = setup(net, n=40)
    exact = noise.stability(net, theta, x)
    single = tuple((weight.float(), None) for weight, _ in theta)
    found = noise.stability(net, single, x.float(), block=7)
    for name in (
        "layer_cushion",
        "interlayer_cushion",
        "activation_contraction",
    ):
        values, expected = getattr(found, name), getattr(exact, name)
        assert values.keys() == expected.keys()
        for key, value in values.items():
            assert value.dtype == torch.float32
            np.testing.assert_allclose(value, expected[key].float(), rtol=1e-4)
    some = noise.stability(net, theta, x.flatten(1), pairs=[(1, 3), (2, 4)])
    assert list(some.interlayer_cushion) == [(1, 3), (2, 4)]
    for pair, value in some.interlayer_cushion.items():
        torch.testing.assert_close(
            value,
            exact.interlayer_cushion[pair],
            rtol=1e-6,
            atol=0,
            equal_nan=True,
        )
    assert some.minimal_interlayer_cushion == {}
    with pytest.raises(ValueError, match=r"lacks pairs .* i = \[2, 3, 4\]"):
        some.epsilon()


def test_many_outputs_are_left_to_lanczos():
    net = mlp([5, 9, 8, 70], bias=False)
    theta, x = setup(net)
    found = noise.stability(net, theta, x)
    z, _ = layers(net, theta, x)
    for k in range(len(x)):
        whole = jacobian(net, theta, 1, 3, z[1][k])
        top = np.linalg.svd(whole, compute_uv=False)[0]
        assert found.jacobian_norm[1, 3][k] == pytest.approx(top, rel=1e-6)


# ----------------------------------------------------------- Lanczos


def norms_of(matrices, **options):
    matrices = torch.as_tensor(np.stack(matrices))
    like = matrices.new_zeros((len(matrices), matrices.shape[2]))
    return noise.spectral_norms(
        lambda t: (matrices @ t[:, :, None])[:, :, 0], like, **options
    )


def test_spectral_norms_of_hard_matrices():
    rng = np.random.default_rng(0)
    u, _ = np.linalg.qr(rng.standard_normal((80, 80)))
    v, _ = np.linalg.qr(rng.standard_normal((80, 80)))
    spectra = [
        np.r_[1.0, 0.99, np.linspace(0, 0.98, 78)],  # hardly a gap
        np.r_[1.0, 1.0, np.linspace(0, 0.5, 78)],  # none
        np.r_[1.0, np.zeros(79)],
        np.ones(80),
        1e-8 * np.linspace(1, 2, 80),
    ]
    norms, errors = norms_of([u @ np.diag(s) @ v for s in spectra])
    expected = [spectrum.max() for spectrum in spectra]
    np.testing.assert_allclose(norms, expected, rtol=1e-6)
    assert float(errors.max()) <= 1e-6
    # few steps: an estimate from below, whose error is admitted
    norms, errors = norms_of([u @ np.diag(spectra[0]) @ v], steps=8)
    assert 1e-4 < 1 - float(norms) <= 20 * float(errors)


def test_spectral_norms_of_maps_of_any_size():
    rng = np.random.default_rng(2)
    one = rng.standard_normal((30, 30))
    (norm,), (error,) = norms_of([one], steps=8)
    assert error > 0
    sizes = [2.0**power for power in (-900, -560, -30, 40, 560, 900)]
    norms, errors = norms_of([size * one for size in sizes], steps=8)
    for size, value, left in zip(sizes, norms, errors):
        assert value / size == pytest.approx(float(norm), rel=1e-2)
        assert float(left) > 1e-4 * float(error)
    norms, _ = norms_of([size * one for size in sizes])
    np.testing.assert_allclose(
        norms / torch.tensor(sizes, dtype=F64),
        np.linalg.norm(one, 2),
        rtol=1e-6,
    )


def test_spectral_norms_of_zero_and_of_thin_matrices():
    rng = np.random.default_rng(1)
    norms, errors = norms_of([np.zeros((3, 4)), rng.standard_normal((3, 4))])
    assert norms[0] == 0
    assert errors[0] == 0
    for shape in ((1, 1), (1, 9), (9, 1), (40, 3)):
        one = rng.standard_normal(shape)
        norms, _ = norms_of([one])
        assert float(norms) == pytest.approx(np.linalg.norm(one, 2), 1e-9)


# ------------------------------------------------------- Definition 3


def dropped(net, theta, delta, t, last):
    """Weights with layers 2 … last moved by t towards dropout."""
    moved = [weight.clone() for weight, _ in theta]
    for l in range(2, last + 1):  # noqa: E741
        blocks = columns(moved[l - 1], net.widths[l - 1])
        blocks *= 1 + t * (delta[l - 1][:, None] - 1)
    return tuple((w, bias) for w, (_, bias) in zip(moved, theta))


@pytest.mark.parametrize("name", ["fully connected", "convolutional"])
@pytest.mark.parametrize("bias", [False, True])
def test_smoothness_is_its_definition(name, bias):
    net = convolutional(bias)
    if name == "fully connected":
        net = mlp([4, 6, 5, 7, 3], bias)
    theta, x = setup(net, n=4, bias="uniform")
    d, draws, points, p = net.depth, 3, 2, 0.4
    found = noise.smoothness(
        net, theta, x, p=p, draws=draws, points=points,
        biases="affine" if bias else "refuse", generator=generator(8),
    )  # fmt: skip
    g = generator(8)
    delta = [None]
    for h in net.hidden:
        kept = torch.rand((draws, h), generator=g, dtype=F64) >= p
        delta.append(kept.double() / (1 - p))
    assert sorted(found.interlayer_smoothness) == [
        (i, j) for i in range(2, d) for j in range(i + 1, d + 1)
    ]
    z, _ = layers(net, theta, x)
    finite = 0
    for draw, (s, t) in itertools.product(range(draws), enumerate((0.5, 1))):
        own = [None, *(each[draw] for each in delta[1:])]
        for i in range(2, d + 1):
            paths = [
                layers(net, dropped(net, theta, own, t, last), x)[0][i]
                for last in (i, i - 1)
            ]
            for j in range(i, d + 1):
                ends = [onward(net, theta, i, j, v) for v in paths]
                np.testing.assert_allclose(
                    found.perturbation[i, j][draw, s],
                    length(ends[0] - z[j]) / length(z[j]),
                    rtol=1e-10,
                    atol=1e-13,
                )
                if i == j:
                    continue
                for k in range(len(x)):
                    j_x = jacobian(net, theta, i, j, z[i][k])
                    allowed = [
                        ratio(z[i][k], z[j][k], v[k], end[k], j_x)
                        for v, end in zip(paths, ends)
                    ]
                    expected = min(allowed)
                    got = found.interlayer_smoothness[i, j][draw, s, k]
                    if expected < 1e5:
                        finite += 1
                        assert float(got) == pytest.approx(expected, 1e-4)
                    else:
                        assert not got < 1e5
        _, h = layers(net, dropped(net, theta, own, t, d), x)
        for i in range(1, d):
            units = h[i].reshape(len(x), net.widths[i], -1)
            units = np.linalg.norm(units, axis=2)
            expected = units.max(1) / length(units) * net.widths[i] ** 0.5
            np.testing.assert_allclose(
                found.spread[i][draw, s], expected, rtol=1e-10
            )
    assert finite > 20
    assert found.t.tolist() == [0.5, 1]


def ratio(x_i, x_j, v, image, j_x):
    """The largest rho that one inequality of Definition 3 allows."""
    away = np.linalg.norm(v - x_i)
    straight = x_j.ravel() + j_x @ (v - x_i).ravel()
    bent = np.linalg.norm(image.ravel() - straight)
    if away == 0 or bent < 1e-7 * away:
        return np.inf
    return away * np.linalg.norm(x_j) / (np.linalg.norm(x_i) * bent)


def test_rho_is_what_half_of_the_draws_allow():
    net = mlp([4, 6, 5, 7, 3], bias=False)
    theta, x = setup(net, n=30)
    for draws in (4, 5):
        found = noise.smoothness(
            net, theta, x, p=0.4, draws=draws, generator=generator(1), block=7
        )
        whole = noise.smoothness(
            net, theta, x, p=0.4, draws=draws, generator=generator(1)
        )
        torch.testing.assert_close(found.per_draw, whole.per_draw)
        least = np.min(
            [
                np.nanmin(values.flatten(1), 1)
                for values in found.interlayer_smoothness.values()
            ],
            0,
        )
        np.testing.assert_array_equal(found.per_draw, least)
        assert (least >= found.rho).sum() * 2 >= draws
        assert (least > found.rho).sum() * 2 < draws


def test_without_flips_it_is_linear():
    net = convolutional()
    theta, x = setup(net)
    theta = tuple((weight.abs(), None) for weight, _ in theta)
    found = noise.smoothness(
        net, theta, x.abs(), p=0.3, generator=generator(1)
    )
    assert found.rho == math.inf
    assert (found.perturbation[4, 4] > 0).any()


def test_dropping_every_unit_is_no_fault():
    net = mlp([3, 2, 2, 2], bias=False)
    theta, x = setup(net)
    found = noise.smoothness(
        net, theta, x, p=0.999, draws=2, points=2, generator=generator(1)
    )
    assert (found.perturbation[3, 3][:, -1] == 1).any()
    assert not math.isnan(found.rho)


# ------------------------------------------------------------ Lemma 5


@EVERY
@pytest.mark.parametrize("p", [0.2, 0.75])
def test_dropout_of_one_layer(name, p):
    net = NETS[name]
    theta, x = setup(net, n=4)
    z, h = layers(net, theta, x)
    for layer in range(2, net.depth + 1):
        units = net.widths[layer - 1]
        found = noise.layer_noise(
            net, theta, x, layer, p=p, draws=6, delta=0.1, constant=2.0,
            convolution="toeplitz", generator=generator(4),
        )  # fmt: skip
        g = generator(4)
        delta = (torch.rand((6, units), generator=g, dtype=F64) >= p).numpy()
        np.testing.assert_allclose(found.dropped, 1 - delta.mean(1))
        a = matrix(net, layer, theta)
        outputs = net.widths[-1]
        for k in range(len(x)):
            u = jacobian(net, theta, layer, net.depth, z[layer][k])
            terms = (u @ a) * h[layer - 1][k].ravel()
            terms = terms.reshape(outputs, units, -1).sum(2)

            def moved(kept, terms=terms):
                return np.linalg.norm(terms @ (kept / (1 - p) - 1))

            for draw in range(6):
                assert float(found.measured[draw, k]) == pytest.approx(
                    moved(delta[draw]), rel=1e-6, abs=1e-9
                )
            mean_square = sum(
                moved(np.array(kept)) ** 2
                * (1 - p) ** sum(kept)
                * p ** (units - sum(kept))
                for kept in itertools.product((0, 1), repeat=units)
            )
            rms = math.sqrt(mean_square)
            assert float(found.rms[k]) == pytest.approx(rms, 1e-6, 1e-9)
            # Bernstein: the tail that Lemma 8 gives at the bound is delta
            t = float(found.bernstein[k])
            largest = np.linalg.norm(terms, axis=0).max()
            largest *= max(1, p / (1 - p))
            if t > 0:
                power = t**2 / 2 / (mean_square + largest * t / 3)
                tail = len(x) * (outputs + 1) * math.exp(-power)
                assert tail == pytest.approx(0.1, rel=1e-4)
            size = np.linalg.norm(a) * np.linalg.norm(u, 2)
            size *= np.linalg.norm(h[layer - 1][k])
            prime = p * math.log(len(x) * outputs / 0.1) / min(net.hidden)
            assert float(found.stated[k]) == pytest.approx(
                2 * math.sqrt(prime) * size, rel=1e-6, abs=1e-9
            )


def test_bernsteins_bound_holds_for_all_samples_at_once():
    net = mlp([6, 20, 20, 4], bias=False)
    theta, x = setup(net, n=20)
    found = noise.layer_noise(
        net, theta, x, 2, p=0.5, draws=400, delta=0.25, generator=generator()
    )
    holds = (found.measured <= found.bernstein).all(1).double().mean()
    assert holds >= 0.75
    mean_square = found.measured.square().mean(0).sqrt()
    torch.testing.assert_close(mean_square, found.rms, rtol=0.1, atol=0)


# ------------------------------------------------------- biases, errors


@pytest.mark.parametrize("net", [mlp([4, 9, 9, 3]), convolutional(True)])
def test_biases_are_refused_or_taken_affinely(net):
    theta, x = setup(net, bias="uniform")
    match = r"layers \[2, 3.*\] have biases"
    with pytest.raises(ValueError, match=match):
        noise.stability(net, theta, x)
    with pytest.raises(ValueError, match=match):
        noise.smoothness(net, theta, x, p=0.1, generator=generator())
    found = noise.stability(net, theta, x, biases="affine")
    z, h = layers(net, theta, x)
    size = theta[1][0].norm().item()
    np.testing.assert_allclose(
        found.layer_cushion[2],
        length(z[2]) / (size * length(h[1])),
        rtol=1e-12,
    )
    for k in range(len(x)):
        top = np.linalg.norm(jacobian(net, theta, 1, 3, z[1][k]), 2)
        expected = length(z[3])[k] / (top * length(z[1])[k])
        got = float(found.interlayer_cushion[1, 3][k])
        assert got == pytest.approx(expected, rel=1e-6)


def test_a_bias_in_the_first_layer_alone_is_no_matter():
    net = Network((4,), (Layer(6), Layer(9, False), Layer(3, False)))
    theta, x = setup(net, bias="uniform")
    found = noise.stability(net, theta, x)
    assert np.nanmax(found.interlayer_cushion[1, 3]) <= 1 + 1e-6


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda n, t, x: noise.stability(n, t, x[:0]), "no samples"),
        (lambda n, t, x: noise.stability(n, t, x[:, :3]), "x has shape"),
        (
            lambda n, t, x: noise.stability(n, t, x, pairs=[(2, 1)]),
            r"pairs has \(2, 1\)",
        ),
        (
            lambda n, t, x: noise.stability(n, t, x, pairs=[(1.9, 2.2)]),
            "an entry of pairs is 1.9",
        ),
        (
            lambda n, t, x: noise.stability(n, t, x).relative_bound(p=2),
            "p is 2",
        ),
        (
            lambda n, t, x: noise.stability(n, t, x).relative_bound(
                p=0.5, delta=0.5
            ),
            "delta is 0.5",
        ),
        (
            lambda n, t, x: noise.stability(n, t, x).epsilon(constant=-1),
            "constant is -1",
        ),
        (
            lambda n, t, x: noise.stability(n, t, x).epsilon(beta=math.nan),
            "beta is nan",
        ),
        (
            lambda n, t, x: noise.stability(n, t, x, convolution="full"),
            "convolution is 'full'",
        ),
        (
            lambda n, t, x: noise.stability(n, t, x, biases="drop"),
            "biases is 'drop'",
        ),
        (
            lambda n, t, x: noise.smoothness(
                n, t, x, p=1.0, generator=generator()
            ),
            "p is 1.0",
        ),
        (
            lambda n, t, x: noise.smoothness(
                n, t, x, p=0.5, points=0, generator=generator()
            ),
            "points is 0",
        ),
        (
            lambda n, t, x: noise.smoothness(
                n, t, x, p=0.5, draws=0, generator=generator()
            ),
            "draws is 0",
        ),
        (
            lambda n, t, x: noise.layer_noise(
                n, t, x, 1, p=0.5, generator=generator()
            ),
            "layer is 1; 2 to 4",
        ),
        (
            lambda n, t, x: noise.layer_noise(
                n, t, x, 2, p=0.5, delta=1.0, generator=generator()
            ),
            "delta is 1.0",
        ),
    ],
)
def test_bad_arguments(call, match):
    net = NETS["fully connected"]
    theta, x = setup(net)
    with pytest.raises(ValueError, match=match):
        call(net, theta, x)
