"""Influences of neurons, against differences of losses and combinatorics."""

from itertools import combinations

import numpy as np
import pytest
import torch

from kernels import meanfield

SIZES = [(4, 6, 3), (3, 5, 4, 2), (4, 3, 1, 5, 1)]


def problem(sizes, loss, trials=2, n=9):
    g = torch.Generator().manual_seed(sum(sizes))
    theta = meanfield.init(
        sizes, trials=trials, std=2.0, generator=g, dtype=torch.float64
    )
    x = torch.randn((n, sizes[0]), generator=g, dtype=torch.float64)
    if loss == "square":
        return theta, x, torch.randn((n, sizes[-1]), generator=g).double()
    return theta, x, torch.randint(sizes[-1], (n,), generator=g)


def reweighted(theta, layer, unit, by):
    """The same networks, one neuron's outgoing weights multiplied."""
    changed = [w.clone() for w in theta]
    changed[layer + 1][:, :, unit] *= by
    return tuple(changed)


@pytest.mark.parametrize("loss", ["cross_entropy", "square"])
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("block", [None, 4])
def test_influences_are_derivatives_in_the_outgoing_weights(
    sizes, loss, block
):
    if loss == "cross_entropy" and sizes[-1] == 1:
        sizes = (*sizes[:-1], 2)
    theta, x, y = problem(sizes, loss)
    how = dict(loss=loss, activation=torch.tanh)
    found = meanfield.influences(theta, x, y, block=block, **how)
    h = 1e-5
    for layer, c in enumerate(found):
        assert c.shape == (2, sizes[layer + 1])
        for unit in range(c.shape[1]):
            up, down = (
                meanfield.evaluate(
                    reweighted(theta, layer, unit, 1 + s), x, y, **how
                ).loss
                for s in (h, -h)
            )
            torch.testing.assert_close(
                c[:, unit] / c.shape[1],
                (up - down) / (2 * h),
                rtol=1e-6,
                atol=1e-8,
            )


@pytest.mark.parametrize("loss", ["cross_entropy", "square"])
def test_one_hidden_layer_agrees_with_fluctuations(loss):
    theta, x, y = problem((4, 7, 3), loss)
    [found] = meanfield.influences(theta, x, y, loss=loss)
    known = meanfield.fluctuations(theta, x, y, loss=loss).influence
    torch.testing.assert_close(found, known, rtol=1e-10, atol=1e-12)


def test_the_first_order_change_is_what_dropout_does_to_weak_neurons():
    """Neurons that differ by eps: the remainder is of order eps^2.

    Two neurons of a pair of layers meet in one weight of their own; these
    differ by eps^2, or their product would stand beside the first order.
    """
    sizes, keep, rest = (3, 5, 4, 1), (3, 2), []
    theta, x, y = problem(sizes, "square")
    base = [w.mean(1, keepdim=True).expand_as(w) for w in theta[:2]]
    ends = theta[2].mean(2, keepdim=True).expand_as(theta[2])
    base[1] = base[1].mean(2, keepdim=True).expand_as(theta[1])
    for eps in (1e-2, 1e-3):
        near = tuple(
            b + e * (w - b)
            for b, w, e in zip((*base, ends), theta, (eps, eps**2, eps))
        )
        how = dict(loss="square", activation=torch.tanh)
        c1, c2 = meanfield.influences(near, x, y, **how)
        whole = meanfield.evaluate(near, x, y, **how).loss
        worst = 0.0
        for a in combinations(range(5), keep[0]):
            for b in combinations(range(4), keep[1]):
                kept = [torch.tensor(a), torch.tensor(b)]
                half = meanfield.drop(near, kept)
                change = meanfield.evaluate(half, x, y, **how).loss - whole
                linear = sum(
                    c[:, k].mean(1) - c.mean(1) for c, k in zip((c1, c2), kept)
                )
                worst = max(worst, (change - linear).abs().max().item())
        rest.append(worst)
    assert rest[1] < 0.02 * rest[0]
    assert np.isfinite(rest).all()
    assert rest[0] > 0


def test_influences_leave_no_graph_and_refuse_what_evaluate_refuses():
    theta, x, y = problem((4, 6, 3), "square")
    theta = tuple(w.requires_grad_() for w in theta)
    [c] = meanfield.influences(theta, x, y, loss="square")
    assert not c.requires_grad
    assert c.dtype == torch.float64
    with pytest.raises(ValueError, match="no samples"):
        meanfield.influences(theta, x[:0], y[:0], loss="square")
    with pytest.raises(ValueError, match="x must have shape"):
        meanfield.influences(theta, x[:, :2], y, loss="square")
