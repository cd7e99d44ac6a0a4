"""Mean-field networks against plain NumPy in float64."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import meanfield


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def weights(sizes, trials=2, seed=0):
    return meanfield.init(
        sizes,
        trials=trials,
        generator=generator(seed),
        dtype=torch.float64,
    )


def numpy_forward(theta, x, activation, scales=None):
    """S20 (1.1) for one trial; `scales` replace the 1/N of each sum."""
    h = x @ theta[0].T
    for layer, w in enumerate(theta[1:]):
        scale = 1 / w.shape[1] if scales is None else scales[layer]
        h = scale * np.einsum("ni,oi->no", activation(h), w)
    return h


def relu(z):
    return np.where(z > 0, z, 0)


sizes_strategy = st.lists(st.integers(1, 6), min_size=3, max_size=5)


@pytest.mark.parametrize("distribution", ["normal", "uniform", "bimodal"])
@pytest.mark.parametrize("sizes", [(7, 5, 2), (1, 1, 1, 1), (3, 9, 4, 9, 2)])
def test_a_mean_moves_the_law_and_nothing_else(sizes, distribution):
    means = [(-3.0) ** k for k in range(len(sizes) - 1)]
    arguments = dict(trials=2, distribution=distribution, dtype=torch.float64)
    plain, moved = (
        meanfield.init(sizes, mean=m, generator=generator(), **arguments)
        for m in (0.0, means)
    )
    shrink = [sizes[0] ** -0.5] + [1.0] * (len(sizes) - 2)
    for v, w, m, r in zip(plain, moved, means, shrink, strict=True):
        assert torch.allclose(w - v, torch.full_like(v, m * r), rtol=1e-12)


def test_the_limit_of_four_layers_moves_if_the_middle_has_a_mean():
    """The pause before the first halving of a loss, at two widths."""

    def pause(mean, width):
        g = generator(1)
        theta = meanfield.init(
            (4, width, width, width, 1),
            trials=1,
            std=(1.0, 2.0, 2.0, 2.0),
            mean=mean,
            generator=g,
            dtype=torch.float64,
        )
        x = torch.randn(60, 4, generator=g, dtype=torch.float64)
        y = x[:, :1].abs()
        losses = [
            meanfield.sgd_step(theta, x, y, step_size=0.05, loss="square")
            for _ in range(300)
        ]
        start = losses[0].item()
        return next(
            (k for k, v in enumerate(losses) if v.item() < start / 2), 300
        )

    still = pause(0.0, 256) - pause(0.0, 16)
    moves = pause((0, 0.5, 0.5, 0), 256) - pause((0, 0.5, 0.5, 0), 16)
    assert still > 2 * max(moves, 1)


@pytest.mark.parametrize("distribution", ["normal", "uniform", "bimodal"])
def test_init_has_the_law_it_says(distribution):
    d, n, c, std = 40, 300, 5, (2.0, 0.5, 3.0)
    theta = meanfield.init(
        (d, n, n, c),
        trials=4,
        std=std,
        distribution=distribution,
        generator=generator(),
        dtype=torch.float64,
    )
    assert [tuple(w.shape) for w in theta] == [
        (4, n, d),
        (4, n, n),
        (4, c, n),
    ]
    deviations = (2.0 / np.sqrt(d), 0.5, 3.0)
    # fourth moment over squared variance: what tells the laws apart
    tight = 1.01**2
    fourth = {
        "normal": 3,
        "uniform": 9 / 5,
        "bimodal": (1 + 6 * 0.1**2 + 3 * 0.1**4) / tight,
    }[distribution]
    for w, deviation in zip(theta, deviations):
        w = w.numpy().ravel() / deviation
        sigmas = 5 / np.sqrt(w.size)
        assert abs(w.mean()) < sigmas
        assert abs((w**2).mean() - 1) < sigmas * np.sqrt(fourth - 1)
        assert abs((w**4).mean() - fourth) < 10 * sigmas
        if distribution == "uniform":
            assert abs(w).max() <= np.sqrt(3)
        if distribution == "bimodal":
            assert abs(w).min() > 0.4


def test_init_mixes_laws_and_repeats_with_its_generator():
    arguments = dict(trials=3, distribution=["normal", "bimodal"])
    one = meanfield.init((4, 50, 2), generator=generator(3), **arguments)
    two = meanfield.init((4, 50, 2), generator=generator(3), **arguments)
    assert all(torch.equal(a, b) for a, b in zip(one, two))
    assert one[0].abs().min() < 0.05  # normal
    assert one[1].abs().min() > 0.4  # two modes
    assert not torch.equal(one[0][0], one[0][1])


def test_hidden_weights_are_stored_transposed():
    theta = weights((4, 5, 5, 3))
    assert theta[0].mT.is_contiguous()
    assert theta[1].mT.is_contiguous()
    assert theta[2].is_contiguous()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(sizes=(4, 3)), "sizes"),
        (dict(sizes=(4, 0, 3)), "sizes"),
        (dict(trials=0), "trials"),
        (dict(std=-1.0), "std"),
        (dict(mean=float("nan")), "mean"),
        (dict(mean=(1.0, 1.0, 1.0)), "mean has 3 entries for 2 layers"),
        (dict(std=(1.0, 1.0, 1.0)), "std has 3 entries for 2 layers"),
        (dict(distribution="cauchy"), "normal, uniform, bimodal.*cauchy"),
    ],
)
def test_init_names_what_is_wrong(change, message):
    arguments = dict(sizes=(4, 3, 2), trials=1, generator=generator())
    with pytest.raises(ValueError, match=message):
        meanfield.init(**{**arguments, **change})


@settings(max_examples=60, deadline=None)
@given(sizes_strategy, st.integers(1, 3), st.booleans())
def test_forward_is_the_papers_sum(sizes, trials, shared):
    theta = weights(sizes, trials=trials)
    shape = (3, sizes[0]) if shared else (trials, 3, sizes[0])
    x = torch.randn(shape, generator=generator(1), dtype=torch.float64)
    z = meanfield.forward(theta, x, activation=torch.tanh)
    for trial in range(trials):
        mine = [w[trial].numpy() for w in theta]
        inputs = x if shared else x[trial]
        expected = numpy_forward(mine, inputs.numpy(), np.tanh)
        np.testing.assert_allclose(z[trial], expected, atol=1e-12)


def test_forward_can_be_differentiated():
    theta = [w.requires_grad_() for w in weights((3, 4, 2))]
    x = torch.ones((5, 3), dtype=torch.float64)
    meanfield.forward(theta, x).sum().backward()
    h = (x @ theta[0].detach().mT).relu()  # (trials, n, N)
    expected = h.sum(1, keepdim=True).expand(2, 2, 4) / 4
    torch.testing.assert_close(theta[1].grad, expected)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_drop_keeps_the_sum_over_a_scaled_by_its_size(data):
    sizes = data.draw(sizes_strategy)
    kept = [
        sorted(data.draw(st.sets(st.integers(0, n - 1), min_size=1)))
        for n in sizes[1:-1]
    ]
    theta = weights(sizes)
    x = torch.randn((3, sizes[0]), generator=generator(1), dtype=torch.float64)
    dropped = meanfield.drop(theta, [torch.tensor(k) for k in kept])
    z = meanfield.forward(dropped, x)
    for trial in range(2):
        # the same sums with dropped outputs set to zero, scaled by 1/|A|
        mine = [w[trial].numpy().copy() for w in theta]
        for layer, k in enumerate(kept):
            gone = np.setdiff1d(np.arange(sizes[layer + 1]), k)
            mine[layer + 1][:, gone] = 0
        expected = numpy_forward(
            mine, x.numpy(), relu, scales=[1 / len(k) for k in kept]
        )
        np.testing.assert_allclose(z[trial], expected, atol=1e-12)


def test_drop_with_one_index_for_all_layers_and_everything_kept():
    theta = weights((3, 4, 4, 2))
    x = torch.randn((5, 3), dtype=torch.float64, generator=generator(1))
    same = meanfield.drop(theta, torch.arange(4))
    assert torch.equal(meanfield.forward(same, x), meanfield.forward(theta, x))
    assert meanfield.shape(meanfield.drop(theta, torch.tensor([2]))) == (
        2,
        (3, 1, 1, 2),
    )


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        ([torch.tensor([0]), torch.tensor([1])], "2 index tensors for 1"),
        ([torch.tensor([], dtype=torch.int64)], "non-empty"),
        ([torch.tensor([0.0])], "int64"),
        ([torch.tensor([0, 4])], r"distinct indices in 0\.\.3"),
        ([torch.tensor([1, 1])], "distinct"),
        ([torch.tensor([-1])], "distinct"),
    ],
)
def test_drop_names_what_is_wrong(kept, message):
    with pytest.raises(ValueError, match=message):
        meanfield.drop(weights((3, 4, 2)), kept)


def test_inputs_and_weights_that_do_not_fit_are_named():
    theta = weights((3, 4, 2))
    with pytest.raises(ValueError, match=r"\(n, 3\).*got \(5, 4\)"):
        meanfield.forward(theta, torch.zeros(5, 4, dtype=torch.float64))
    with pytest.raises(ValueError, match=r"\(2, n, 3\).*\(3, 5, 3\)"):
        meanfield.forward(theta, torch.zeros(3, 5, 3, dtype=torch.float64))
    with pytest.raises(TypeError, match=r"float32.*float64"):
        meanfield.forward(theta, torch.zeros(5, 3))
    with pytest.raises(ValueError, match="do not fit"):
        meanfield.shape((theta[0], theta[0]))
    with pytest.raises(ValueError, match="three dimensions"):
        meanfield.shape((theta[0][0], theta[1][0]))


@settings(max_examples=30, deadline=None)
@given(sizes_strategy, st.integers(0, 1))
def test_as_network_is_the_same_function(sizes, trial):
    theta = weights(sizes)
    x = torch.randn((4, sizes[0]), generator=generator(1), dtype=torch.float64)
    network, parameters = meanfield.as_network(theta, trial)
    assert network.widths == tuple(sizes)
    torch.testing.assert_close(
        network.forward(parameters, x),
        meanfield.forward(theta, x)[trial],
        rtol=1e-12,
        atol=1e-12,
    )
    # copies: the network does not change with theta
    before = [w.clone() for w, _ in parameters]
    for w in theta:
        w.zero_()
    assert all(torch.equal(a, w) for a, (w, _) in zip(before, parameters))


def test_as_network_refuses_a_trial_that_is_not_there():
    theta = weights((3, 4, 2))
    for trial in (2, -3, True, 0.5, None, [0, 1]):
        with pytest.raises(ValueError, match="trial must be an index below 2"):
            meanfield.as_network(theta, trial)
    for trial in (np.int64(-1), torch.tensor(1)):
        _, parameters = meanfield.as_network(theta, trial)
        assert torch.equal(parameters[0][0], theta[0][1])
