"""The search for dropout patterns, against all of them."""

from itertools import combinations, product

import pytest
import torch

from kernels import meanfield

HOW = dict(loss="square", activation=torch.tanh)


def problem(sizes=(4, 6, 5, 1)):
    g = torch.Generator().manual_seed(3)
    theta = meanfield.init(
        sizes, trials=1, std=2.0, generator=g, dtype=torch.float64
    )
    x = torch.randn((9, sizes[0]), generator=g, dtype=torch.float64)
    return theta, x, torch.randn((9, 1), generator=g).double(), g


def patterns(widths, keep, count, g):
    how = dict(count=count, generator=g, first=False)
    return [meanfield.masks(n, keep=k, **how) for n, k in zip(widths, keep)]


def all_losses(theta, x, y, widths, keep):
    rows = [
        torch.zeros(len(a), n, dtype=torch.bool).scatter_(1, a, True)
        for n, k in zip(widths, keep)
        for a in [torch.tensor(list(combinations(range(n), k)))]
    ]
    pairs = list(product(*[range(len(r)) for r in rows]))
    masks = [r[torch.tensor(i)] for r, i in zip(rows, zip(*pairs))]
    return meanfield.evaluate(theta, x, y, masks=masks, **HOW).loss[0]


@pytest.mark.parametrize("best", [False, True])
def test_a_search_from_many_starts_finds_the_extreme(best):
    theta, x, y, g = problem()
    widths, keep = (6, 5), (3, 2)
    every = all_losses(theta, x, y, widths, keep)
    extreme = (every.min() if best else every.max()).item()
    ends = [
        meanfield.search_masks(
            theta,
            x,
            y,
            start=patterns(widths, keep, 1, g),
            rounds=30,
            generator=g,
            best=best,
            **HOW,
        ).losses[-1]
        for _ in range(8)
    ]
    assert (min(ends) if best else max(ends)) == pytest.approx(extreme)
    assert all(every.min() - 1e-12 <= v <= every.max() + 1e-12 for v in ends)


@pytest.mark.parametrize("best", [False, True])
def test_a_search_is_never_behind_its_starts_and_keeps_the_sizes(best):
    theta, x, y, g = problem((4, 9, 7, 8, 1))
    widths, keep = (9, 7, 8), (4, 3, 8)  # the last layer is whole
    start = patterns(widths, keep, 40, g)
    seen = meanfield.evaluate(theta, x, y, masks=start, **HOW).loss[0]
    found = meanfield.search_masks(
        theta, x, y, start=start, rounds=20, generator=g, best=best, **HOW
    )
    levels = torch.tensor(found.losses, dtype=torch.float64)
    towards = -1 if best else 1
    assert len(levels) == 21
    assert levels[0] == (seen.min() if best else seen.max())
    assert (towards * levels.diff() >= 0).all()
    assert towards * (levels[-1] - levels[0]) > 0
    assert [m.sum().item() for m in found.masks] == list(keep)
    again = meanfield.evaluate(theta, x, y, masks=found.masks, **HOW).loss
    assert again.item() == levels[-1].item()


def test_where_nothing_can_be_exchanged_the_start_stays():
    theta, x, y, g = problem((4, 3, 1, 1))
    whole = [torch.ones(1, n, dtype=torch.bool) for n in (3, 1)]
    found = meanfield.search_masks(
        theta, x, y, start=whole, rounds=5, generator=g, **HOW
    )
    assert found.losses == (meanfield.evaluate(theta, x, y, **HOW).loss,)


def test_bad_searches_are_named():
    theta, x, y, g = problem()
    start = patterns((6, 5), (3, 2), 2, g)
    two = tuple(w.repeat(2, 1, 1) for w in theta)
    how = dict(start=start, generator=g, **HOW)
    with pytest.raises(ValueError, match="theta must have one trial, got 2"):
        meanfield.search_masks(two, x, y, rounds=1, **how)
    with pytest.raises(ValueError, match="rounds must be 0 or more"):
        meanfield.search_masks(theta, x, y, rounds=-1, **how)
    with pytest.raises(ValueError, match="masks must be one bool tensor"):
        meanfield.search_masks(
            theta, x, y, rounds=1, generator=g, start=start[:1], **HOW
        )
