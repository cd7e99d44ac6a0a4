from itertools import combinations

import numpy as np
import pytest
import torch

from kernels import counterexample as ce
from kernels.counterexample.bound import pass_bound


def mean_square(rows, x, y):
    return ((np.maximum(x @ rows.T, 0).sum(1) - y) ** 2).mean()


def least_of_one_unit(x, y):
    """The least mean square error of one unit, by enumeration.

    The loss is a quadratic on each cone on which the unit is on for the same
    samples.  Its minimum is a least-squares solution on some face of one:
    solve on every face for every set of samples, evaluate the true loss.
    """
    table = np.unique(np.c_[x, y], axis=0)[:, :-1]
    _, first = np.unique(
        table / np.abs(table).max(1, keepdims=True), axis=0, return_index=True
    )
    walls = table[first]
    patterns = np.arange(2 ** len(walls))[:, None] >> np.arange(len(walls)) & 1
    like = [int(np.flatnonzero((walls == row).all(1))[0]) for row in x]
    on = patterns[:, like].astype(float)  # (patterns, n)
    gram = np.einsum("pn,ni,nj->pij", on, x, x)
    slope = (on * y) @ x
    best = (y**2).mean()
    for size in range(x.shape[1]):
        for chosen in combinations(range(len(walls)), size):
            basis = np.linalg.svd(walls[list(chosen)])[2][size:]
            inner = basis @ gram @ basis.T
            solved = np.linalg.pinv(inner, hermitian=True)
            rows = np.einsum(
                "pab,pb->pa", solved, slope @ basis.T, optimize=True
            )
            fitted = np.maximum(rows @ basis @ x.T, 0)
            best = min(best, ((fitted - y) ** 2).mean(1).min())
    return best


def test_oracle_finds_a_planted_unit():
    x, _ = (v.numpy() for v in ce.dataset(2))
    y = np.maximum(x @ [0.5, 0.25, 1.0, 2.0], 0)
    assert least_of_one_unit(x, y) < 1e-25


def test_one_unit_against_enumeration():
    x, y = ce.dataset(2)
    exact = least_of_one_unit(x.numpy(), y.numpy())
    found = ce.lowest_pass(
        x, y, starts=50, steps=100, generator=torch.Generator().manual_seed(0)
    )
    assert found.loss == pytest.approx(exact, rel=1e-9)
    bound = pass_bound(x, y, found.rows)
    assert exact * (1 - 1e-4) < bound.loss <= exact


def test_bound_does_not_need_the_minimum():
    x, y = ce.dataset(2)
    exact = least_of_one_unit(x.numpy(), y.numpy())
    rows = torch.tensor([[0.5, -0.5, 0.5, 0.25]], dtype=torch.float64)
    poor = mean_square(rows.numpy(), x.numpy(), y.numpy())
    assert poor > 2 * exact
    bounds = [
        pass_bound(x, y, rows, tangents=t).loss / exact for t in (5, 17, 129)
    ]
    assert bounds[0] < bounds[1] < bounds[2] <= 1
    assert bounds[2] > 0.99


def test_two_units():
    x, y = ce.dataset(3)
    found = ce.lowest_pass(
        x, y, starts=300, steps=150, generator=torch.Generator().manual_seed(0)
    )
    bound = pass_bound(x, y, found.rows)
    assert 0.999 * found.loss < bound.loss <= found.loss
    at = mean_square(bound.rows.numpy(), x.numpy(), y.numpy())
    assert bound.loss <= at < 1.02 * found.loss


@pytest.mark.parametrize(("h", "seed"), [(2, 0), (3, 1), (3, 2)])
def test_nothing_above_zero_is_proved_of_what_fits(h, seed):
    g = torch.Generator().manual_seed(seed)
    x, y = ce.dataset(h)
    planted = torch.rand(h - 1, h + 2, generator=g, dtype=torch.float64)
    planted[:, 2:] *= 0.2  # so that every sample of label 1 stays positive
    planted[:, :2] += 0.5
    target = torch.relu(x @ planted.T).sum(1)
    assert bool((target[y == 1] > 0).all())
    rows = planted * (1 + 0.1 * torch.rand(h - 1, 1, generator=g).double())
    assert mean_square(rows.numpy(), x.numpy(), target.numpy()) > 1e-3
    bound = pass_bound(x, target, rows)
    assert 0 <= bound.loss < 1e-9


def test_out_of_time_is_no_bound():
    x, y = ce.dataset(4)
    _, full = ce.minima(4)
    bound = pass_bound(x, y, full[0][0][:3], seconds=1e-3)
    assert 0 <= bound.loss < 0.0108


def test_refuses():
    x, y = ce.dataset(2)
    rows = torch.ones(1, 4, dtype=torch.float64)
    with pytest.raises(ValueError, match="tangents is 1"):
        pass_bound(x, y, rows, tangents=1)
    with pytest.raises(ValueError, match=r"rows has shape \(1, 3\)"):
        pass_bound(x, y, rows[:, 1:])
    with pytest.raises(ValueError, match="rows has 4 non-finite"):
        pass_bound(x, y, rows * torch.nan)
    with pytest.raises(ValueError, match="one non-zero entry"):
        pass_bound(x, 1 - y, rows)
    with pytest.raises(ValueError, match="input 0 is"):
        pass_bound(x[x[:, 0] >= 0], y[x[:, 0] >= 0], rows)
