"""Risk, dropout patterns and their predicted effect, against NumPy."""

from itertools import combinations

import numpy as np
import pytest
import torch

from kernels import meanfield

LOSSES = ["cross_entropy", "square"]
ALL_SIZES = [(4, 6, 3), (4, 6, 5, 3), (4, 5, 6, 4, 3), (4, 7, 1)]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def problem(sizes, loss, trials=2, n=9, seed=0):
    g = generator(seed)
    theta = meanfield.init(
        sizes, trials=trials, std=2.0, generator=g, dtype=torch.float64
    )
    x = torch.randn((n, sizes[0]), generator=g, dtype=torch.float64)
    if loss == "square":
        y = torch.randn((n, sizes[-1]), generator=g, dtype=torch.float64)
    else:
        y = torch.randint(sizes[-1], (n,), generator=g)
    return theta, x, y


def numpy_outputs(theta, trial, x, kept=None):
    """S20 (3.4), written out: sums over kept neurons over their number."""
    weights = [w[trial].numpy() for w in theta]
    z = x.numpy() @ weights[0].T
    for layer, w in enumerate(weights[1:]):
        h = np.maximum(z, 0)
        chosen = range(w.shape[1]) if kept is None else kept[layer]
        z = sum(np.outer(h[:, i], w[:, i]) for i in chosen) / len(chosen)
    return z


def numpy_loss(z, y):
    if y.is_floating_point():
        return ((y.numpy() - z) ** 2).sum(1).mean()
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    return -np.log(p[np.arange(len(y)), y.numpy()]).mean()


def numpy_error(z, y):
    """The largest output predicts, the first of equals (dead units tie)."""
    if z.shape[1] == 1:
        return ((z[:, 0] > 0) != (y.numpy()[:, 0] > 0)).mean()
    truth = y.numpy().argmax(1) if y.is_floating_point() else y.numpy()
    return (z.argmax(1) != truth).mean()


@pytest.mark.parametrize("first", [True, False])
def test_masks_keep_what_they_say(first):
    patterns = meanfield.masks(
        9, keep=4, count=200, generator=generator(), first=first
    )
    assert patterns.shape == (200, 9)
    assert patterns.dtype == torch.bool
    assert (patterns.sum(1) == 4).all()
    paper = patterns[0].tolist() == [True] * 4 + [False] * 5
    assert paper == first
    # every neuron is kept about 4 times in 9
    assert (patterns.double().mean(0) - 4 / 9).abs().max() < 0.15
    with pytest.raises(ValueError, match=r"1\.\.9, got 0"):
        meanfield.masks(9, keep=0, count=1, generator=generator())


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("sizes", ALL_SIZES)
@pytest.mark.parametrize("block", [None, 2])
def test_evaluate_is_the_mean_over_samples(loss, sizes, block):
    theta, x, y = problem(sizes, loss)
    found = meanfield.evaluate(theta, x, y, loss=loss, block=block)
    assert found.loss.shape == found.error.shape == (2,)
    for trial in range(2):
        z = numpy_outputs(theta, trial, x)
        np.testing.assert_allclose(
            found.loss[trial], numpy_loss(z, y), rtol=1e-12
        )
        if loss == "square" or sizes[-1] > 1:
            np.testing.assert_allclose(found.error[trial], numpy_error(z, y))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("sizes", ALL_SIZES)
@pytest.mark.parametrize("block", [None, 4])
def test_masked_evaluation_is_that_of_each_dropout(loss, sizes, block):
    theta, x, y = problem(sizes, loss)
    g = generator(5)
    patterns = [
        meanfield.masks(n, keep=k, count=3, generator=g)
        for n, k in zip(sizes[1:-1], (3, 2, 4))
    ]
    patterns = [
        torch.cat((torch.ones(1, p.shape[1], dtype=torch.bool), p))
        for p in patterns
    ]
    found = meanfield.evaluate(
        theta, x, y, loss=loss, masks=patterns, block=block
    )
    assert found.loss.shape == found.error.shape == (2, 4)
    for trial in range(2):
        for k in range(4):
            kept = [p[k].nonzero().squeeze(1).tolist() for p in patterns]
            z = numpy_outputs(theta, trial, x, kept)
            np.testing.assert_allclose(
                found.loss[trial, k], numpy_loss(z, y), rtol=1e-12
            )
            if loss == "square" or sizes[-1] > 1:
                np.testing.assert_allclose(
                    found.error[trial, k], numpy_error(z, y)
                )
    whole = meanfield.evaluate(theta, x, y, loss=loss)
    torch.testing.assert_close(found.loss[:, 0], whole.loss)


def test_class_indices_with_the_square_loss_are_one_hot():
    theta, x, y = problem((4, 6, 3), "cross_entropy")
    onehot = torch.nn.functional.one_hot(y, 3).double()
    one = meanfield.evaluate(theta, x, y, loss="square")
    two = meanfield.evaluate(theta, x, onehot, loss="square")
    assert torch.equal(one.loss, two.loss)
    assert torch.equal(one.error, two.error)


def test_inputs_of_each_trial():
    theta, x, y = problem((4, 6, 3), "cross_entropy")
    both = meanfield.evaluate(theta, torch.stack((x, -x)), y)
    assert both.loss[0] == meanfield.evaluate(theta, x, y).loss[0]
    assert both.loss[1] == meanfield.evaluate(theta, -x, y).loss[1]


def test_masks_that_do_not_fit_are_named():
    theta, x, y = problem((4, 6, 5, 3), "cross_entropy")
    good = torch.ones(2, 6, dtype=torch.bool)
    for wrong in (good, [good, good], [good, good[:1, :5]]):
        with pytest.raises(ValueError, match=r"widths \(6, 5\)"):
            meanfield.evaluate(theta, x, y, masks=wrong)
    with pytest.raises(ValueError, match="at least one neuron"):
        meanfield.evaluate(theta, x, y, masks=[good, ~good[:, :5]])


@pytest.mark.parametrize("classes", [1, 3])
def test_the_square_loss_grows_by_exactly_the_curvature(classes):
    """E_A[L_S] - L = (1/M - 1/N) E_x Var_i(a_i sigma_i), all subsets."""
    n = 7
    theta, x, y = problem((4, n, classes), "square")
    found = meanfield.fluctuations(theta, x, y, loss="square", block=4)
    for trial in range(2):
        whole = numpy_loss(numpy_outputs(theta, trial, x), y)
        for m in range(1, n + 1):
            dropped = [
                numpy_loss(numpy_outputs(theta, trial, x, [kept]), y)
                for kept in combinations(range(n), m)
            ]
            np.testing.assert_allclose(
                found.mean_increase(m)[trial],
                np.mean(dropped) - whole,
                atol=1e-12,
            )


def test_the_cross_entropys_curvature_is_its_definition():
    theta, x, y = problem((4, 8, 3), "cross_entropy")
    found = meanfield.fluctuations(theta, x, y, block=5)
    for trial in range(2):
        w, a = (weight[trial].numpy() for weight in theta)
        h = np.maximum(x.numpy() @ w.T, 0)
        total = 0
        for sample in range(len(x)):
            v = a * h[sample]  # (C, N)
            z = v.mean(1)
            p = np.exp(z) / np.exp(z).sum()
            hessian = np.diag(p) - np.outer(p, p)
            total += np.trace(hessian @ np.cov(v)) / 2
        np.testing.assert_allclose(found.curvature[trial], total / len(x))


def test_the_cross_entropy_is_predicted_to_second_order():
    """With output weights scaled by s, what is left over falls as s^3."""
    n, m = 6, 3
    left = []
    for scale in (0.1, 0.05):
        theta, x, y = problem((4, n, 3), "cross_entropy", trials=1)
        theta = (theta[0], theta[1] * scale)
        found = meanfield.fluctuations(theta, x, y)
        whole = numpy_loss(numpy_outputs(theta, 0, x), y)
        dropped = [
            numpy_loss(numpy_outputs(theta, 0, x, [kept]), y)
            for kept in combinations(range(n), m)
        ]
        change = np.mean(dropped) - whole
        left.append(abs(change - float(found.mean_increase(m))))
        assert left[-1] < 0.1 * abs(change)
    assert left[1] < left[0] / 6


@pytest.mark.parametrize("loss", LOSSES)
def test_the_linear_term_over_all_subsets(loss):
    n, m = 7, 3
    theta, x, y = problem((4, n, 3), loss)
    found = meanfield.fluctuations(theta, x, y, loss=loss)
    stepped = tuple(w.clone() for w in theta)
    meanfield.sgd_step(stepped, x, y, step_size=1e-3, loss=loss)
    # c_i = <a_i, N times the gradient by a_i>
    gradient = (theta[1] - stepped[1]) / 1e-3
    influence = (theta[1] * gradient).sum(1)
    torch.testing.assert_close(
        found.influence, influence, rtol=1e-9, atol=1e-9
    )
    for trial in range(2):
        c = influence[trial].numpy()
        changes = [
            c[list(kept)].mean() - c.mean()
            for kept in combinations(range(n), m)
        ]
        np.testing.assert_allclose(
            found.linear_std(m)[trial], np.std(changes), rtol=1e-8
        )


def test_predictions_for_several_numbers_kept():
    theta, x, y = problem((4, 8, 3), "cross_entropy")
    found = meanfield.fluctuations(theta, x, y)
    several = found.mean_increase([2, 4, 8])
    assert several.shape == (2, 3)
    assert torch.equal(several[:, 1], found.mean_increase(4))
    assert (several[:, 2] == 0).all()
    assert (found.mean_absolute([2, 4, 8])[:, 2] == 0).all()
    # E|m + s xi| by sampling
    xi = torch.randn(200_000, generator=generator(), dtype=torch.float64)
    change = found.mean_increase(4)[0] + found.linear_std(4)[0] * xi
    torch.testing.assert_close(
        found.mean_absolute(4)[0], change.abs().mean(), rtol=0.01, atol=0
    )
    with pytest.raises(ValueError, match=r"1\.\.8, got 9"):
        found.mean_increase(9)


def test_fluctuations_are_for_two_layers():
    theta, x, y = problem((4, 5, 5, 3), "cross_entropy")
    with pytest.raises(ValueError, match="two layers"):
        meanfield.fluctuations(theta, x, y)
