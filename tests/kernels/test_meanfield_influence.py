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


@pytest.mark.parametrize("loss", ["cross_entropy", "square"])
def test_influences_of_a_layer_sum_to_the_slope_of_a_common_scale(loss):
    """sum_i c_i / N = dL/ds where the layer's outgoing weights are s W.

    In a layer that is not the last, tanh stands between: no shortcut by the
    homogeneity of the network.
    """
    theta, x, y = problem((3, 5, 4, 2), loss)
    how = dict(loss=loss, activation=torch.tanh)
    for layer, c in enumerate(meanfield.influences(theta, x, y, **how)):
        scale = torch.ones((), dtype=torch.float64, requires_grad=True)
        for trial in range(2):
            h = x
            for k, w in enumerate(theta):
                w = w[trial] * (scale if k == layer + 1 else 1)
                h = h @ w.mT / (w.shape[1] if k else 1)
                h = torch.tanh(h) if k < len(theta) - 1 else h
            if loss == "square":
                risk = (h - y).square().sum(1).mean()
            else:
                risk = torch.nn.functional.cross_entropy(h, y)
            [slope] = torch.autograd.grad(risk, scale)
            assert c[trial].mean().item() == pytest.approx(
                slope.item(), rel=1e-10, abs=1e-12
            )


def test_the_order_of_influences_is_that_of_leaving_one_out():
    """In wide networks: L without i, less L, is (mean c - c_i) / (N - 1).

    The remainder is of order 1 / N^2, so that N - 1 times it falls by four
    when N grows by four, and the ranks agree.
    """
    rest = []
    for width in (64, 256):
        theta, x, y = problem((4, width, width, 1), "square", trials=1, n=40)
        how = dict(loss="square", activation=torch.tanh)
        c1, c2 = meanfield.influences(theta, x, y, **how)
        whole = meanfield.evaluate(theta, x, y, **how).loss.item()
        out = ~torch.eye(width, dtype=torch.bool)
        all_kept = torch.ones(width, width, dtype=torch.bool)
        worst = 0.0
        for masks, c in (((out, all_kept), c1), ((all_kept, out), c2)):
            left = meanfield.evaluate(theta, x, y, masks=masks, **how).loss[0]
            change = (left - whole) * (width - 1)
            said = c.mean() - c[0]
            worst = max(worst, (change - said).abs().max().item())
            ranks = [v.argsort().argsort().double() for v in (change, said)]
            assert torch.corrcoef(torch.stack(ranks))[0, 1] > 0.98
            predicted = meanfield.first_order([c1, c2], masks)
            torch.testing.assert_close(predicted, said / (width - 1))
        rest.append(worst)
    assert rest[1] < rest[0] / 2


@pytest.mark.parametrize(("width", "keep"), [(1, 1), (7, 3), (8, 4), (9, 9)])
def test_chosen_neurons_against_enumeration(width, keep):
    g = torch.Generator().manual_seed(width)
    c = torch.randn(2, width, generator=g, dtype=torch.float64)
    every = list(combinations(range(width), keep))
    for row in range(2):
        sums = [c[row, list(a)].sum().item() for a in every]
        strong = [c[row, list(a)].abs().sum().item() for a in every]
        for order, want, scores in (
            ("largest", max(sums), c),
            ("smallest", min(sums), c),
            ("strongest", max(strong), c.abs()),
        ):
            kept = meanfield.chosen(c, keep=keep, order=order)
            assert kept.sum(1).tolist() == [keep, keep]
            assert scores[row, kept[row]].sum().item() == pytest.approx(want)
    kept = meanfield.chosen(c, keep=keep, order="even")
    assert kept.sum(1).tolist() == [keep, keep]
    order = c.argsort(1, descending=True)
    for places in kept.gather(1, order):
        gaps = places.nonzero().squeeze(1).diff().double()
        assert ((gaps - width / keep).abs() < 1).all()


def test_chosen_and_first_order_refuse_what_does_not_fit():
    c = torch.zeros(1, 4, dtype=torch.float64)
    with pytest.raises(ValueError, match="order must be one of"):
        meanfield.chosen(c, keep=2, order="biggest")
    with pytest.raises(ValueError, match=r"keep must lie in 1\.\.4"):
        meanfield.chosen(c, keep=5, order="even")
    with pytest.raises(ValueError, match="of one layer"):
        meanfield.chosen(c[0], keep=2, order="even")
    with pytest.raises(ValueError, match="one trial"):
        meanfield.first_order([c.repeat(2, 1)], [torch.ones(3, 4) > 0])
    masks = torch.ones(3, 4) > 0
    masks[1] = False
    with pytest.raises(ValueError, match="layer 2 must each keep a neuron"):
        meanfield.first_order([c, c], [torch.ones(3, 4) > 0, masks])


@pytest.mark.parametrize("kept", [float("nan"), [1, float("nan")], 0, 7])
def test_numbers_kept_that_no_layer_has(kept):
    theta, x, y = problem((5, 6, 3), "cross_entropy")
    found = meanfield.fluctuations(theta, x, y)
    with pytest.raises(ValueError, match=r"kept must lie in 1\.\.6"):
        found.factor(kept)
