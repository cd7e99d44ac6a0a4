"""Matching by activations, and REPAIR: against NumPy and by identities."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import networks
from kernels.paths import alignment, repair, units

few = settings(max_examples=20, deadline=None)
widths = st.lists(st.integers(1, 9), min_size=1, max_size=3)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def case(hidden, seed, dtype=torch.float64):
    """A network, two parameters with random biases, and inputs."""
    g = seeded(seed)
    net = networks.mlp([5, *hidden, 3], bias=True)
    thetas = []
    for _ in range(2):
        theta = net.init(generator=g, dtype=torch.float64)
        thetas.append(
            tuple(
                (w.to(dtype), torch.randn(len(w), generator=g).to(dtype))
                for w, _ in theta
            )
        )
    x = torch.randn(40, 5, generator=g, dtype=torch.float64).to(dtype)
    return net, *thetas, x


@few
@given(hidden=widths, seed=st.integers(0, 999))
def test_a_permuted_copy_is_found(hidden, seed):
    net, a, _, x = case(hidden, seed)
    g = seeded(seed + 1)
    shuffled = [torch.randperm(h, generator=g) for h in hidden]
    b = alignment.permute(net, a, shuffled)
    order = alignment.match_activations(net, a, b, x)
    back = alignment.permute(net, b, order)
    for layer in range(1, net.depth):  # proportional units may be exchanged
        fa, fb = (net.features(theta, x, layer).numpy() for theta in (a, back))
        live = fa.std(0) > 0
        c = [np.corrcoef(u, v)[0, 1] for u, v in zip(fa.T[live], fb.T[live])]
        np.testing.assert_allclose(c, 1, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_unit_that_moves_by_rounding_alone_is_still(dtype):
    moving = 1e3 + torch.linspace(-0.1, 0.1, 1001, dtype=torch.float64)
    rounded = torch.full((1001,), 1 / 3, dtype=dtype)
    rounded[::2] = torch.nextafter(rounded[0], torch.tensor(1.0, dtype=dtype))
    values = torch.stack(
        [moving.to(dtype), rounded, torch.zeros_like(rounded)]
    )
    mean, spread, still = units.moments(values, 1)
    assert still.tolist() == [False, True, True]
    np.testing.assert_allclose(mean, values.numpy().mean(1), rtol=1e-6)
    np.testing.assert_allclose(spread[0], np.std(values[0].numpy()), rtol=1e-4)


def test_a_still_unit_correlates_with_none():
    net = networks.mlp([1, 3, 1], bias=True)
    one, third = torch.ones(1), torch.full((1,), 1 / 3)
    still = (torch.tensor([[0.0], [0], [1]]), torch.cat([third, one, 0 * one]))
    theta = ((still[0].double(), still[1].double()),)
    theta += ((torch.ones(1, 3).double(), torch.zeros(1).double()),)
    x = torch.linspace(0, 1, 1001, dtype=torch.float64)[:, None]
    z = alignment._standardised(net.features(theta, x, 1), 3)
    assert (z[:2] == 0).all()
    np.testing.assert_allclose(z[2].norm(), 1)


@few
@given(h=st.integers(1, 5), seed=st.integers(0, 999))
def test_it_is_the_best_of_all_assignments(h, seed):
    net, a, b, x = case([h], seed)
    (order,) = alignment.match_activations(net, a, b, x)
    fa, fb = (net.features(t, x, 1).numpy() for t in (a, b))
    with np.errstate(all="ignore"):
        c = np.nan_to_num(np.corrcoef(fa.T, fb.T))[:h, h:]

    def total(way):
        return sum(c[i, j] for i, j in enumerate(way))

    best = max(total(way) for way in itertools.permutations(range(h)))
    assert total(order.tolist()) == pytest.approx(best, abs=1e-9)


@few
@given(hidden=widths, seed=st.integers(0, 999), t=st.floats(0.01, 0.99))
def test_hidden_units_have_the_interpolated_statistics(hidden, seed, t):
    net, a, b, x = case(hidden, seed)
    theta = repair.repaired(net, a, b, t, x)

    def statistics(theta):
        rows, h = [], x.numpy()
        for w, bias in theta[:-1]:
            z = h @ w.numpy().T + bias.numpy()
            rows.append((z.mean(0), z.std(0)))
            h = np.maximum(z, 0)
        return rows

    ours, ours_a, ours_b = (statistics(p) for p in (theta, a, b))
    moving = True  # below a layer whose units are all dead nothing moves
    for got, at_a, at_b in zip(ours, ours_a, ours_b):
        moving = moving and min(at_a[1].max(), at_b[1].max()) > 1e-9
        np.testing.assert_allclose(got[0], (1 - t) * at_a[0] + t * at_b[0])
        if moving and got[1].min() > 1e-9:
            np.testing.assert_allclose(
                got[1], (1 - t) * at_a[1] + t * at_b[1], rtol=1e-8
            )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_ends_stay_and_equal_ends_give_a_point(dtype):
    net, a, b, x = case([7, 4], 3, dtype)
    assert repair.repaired(net, a, b, 0, x) == a
    assert repair.repaired(net, a, b, 1.0, x) == b
    same = repair.repaired(net, a, a, 0.5, x)
    for (w, bias), (v, offset) in zip(same, a):
        assert w.dtype == dtype
        torch.testing.assert_close(w, v)
        torch.testing.assert_close(bias, offset)


def test_faults_are_named():
    net, a, b, x = case([4], 0)
    with pytest.raises(ValueError, match=r"t is 1\.5"):
        repair.repaired(net, a, b, 1.5, x)
    bare = networks.mlp([5, 4, 3], bias=False)
    theta = bare.init(generator=seeded(0), dtype=torch.float64)
    with pytest.raises(ValueError, match="net has convolutions or layers"):
        repair.repaired(bare, theta, theta, 0.5, x)
    with pytest.raises(ValueError, match="x has 1 samples"):
        alignment.match_activations(net, a, b, x[:1])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_inputs_that_are_not_finite(value):
    net, a, b, x = case([4], 0)
    x[3, 1] = value
    with pytest.raises(ValueError, match="x has 1 non-finite"):
        repair.repaired(net, a, b, 0.5, x)
    with pytest.raises(ValueError, match="x has 1 non-finite"):
        alignment.match_activations(net, a, b, x)


def test_inputs_that_do_not_fit():
    net, a, b, x = case([4], 0)
    for call in (
        lambda x: repair.repaired(net, a, b, 0.5, x),
        lambda x: alignment.match_activations(net, a, b, x),
    ):
        with pytest.raises(ValueError, match="x has no samples"):
            call(x[:0])
        with pytest.raises(TypeError, match=r"x has dtype .*float32"):
            call(x.float())
        with pytest.raises(ValueError, match=r"x has shape \(40, 4\)"):
            call(x[:, :4])
        torch.testing.assert_close(call(x.numpy()), call(x), rtol=0, atol=0)
