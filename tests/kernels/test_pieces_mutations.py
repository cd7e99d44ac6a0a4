"""Each rule of the bound by pieces, broken on purpose: a test must see it."""

import path_cases as cases
import pytest
import test_pieces as pieces
import torch
from test_certificates_adversarial import mutate

from kernels import networks
from kernels.certificates.pieces import (
    interval,
    layers,
    loss,
    polynomials,
    pool,
    relu,
)
from kernels.networks import Pool

ENDS = 0.25, 0.5


def contained(slack, *hidden):
    net = networks.mlp([3, *hidden, 2])
    for seed in (1, 2):
        theta, other = cases.drawn(net, seed), cases.drawn(net, seed + 1)
        x = cases.inputs(net, 1, seed)
        pieces.assert_contained(net, theta, other, x, slack, ENDS, points=4)


def check_cuts():
    contained(0.0, 5, 4)


def check_rounding():
    """Nothing flips where all is positive: rounding alone is left."""
    net = networks.mlp([3, 5, 4, 2], bias=False)
    ends = [
        networks.tree.map(torch.abs, cases.drawn(net, seed)) for seed in (1, 2)
    ]
    x = cases.inputs(net, 1).abs()
    pieces.assert_contained(net, *ends, x, 0.0, ENDS)


def check_lines():
    contained(10.0, 5, 4)


def check_degrees():
    contained(0.0, 4, 4, 4, 4)


def check_losses(name="cross_entropy", slack=1.0):
    net = networks.mlp([3, 6, 5, 3])
    for seed in range(3):
        ends = cases.drawn(net, seed), cases.drawn(net, seed + 9)
        pieces.assert_bounded(net, *ends, seed, name, slack, points=31)


def check_squares():
    check_losses("square", 0.0)


def check_averages():
    """A window of one box and three certain entries."""
    one = torch.ones(1, dtype=torch.float64)
    rho = torch.tensor([[[[1.0, 0], [0, 0]]]], dtype=torch.float64)
    z = layers.Pieces(one.long() * 0, -one, one, rho[None], rho)
    assert float(pool.average(z, Pool("average", 2)).rho) >= 0.25


def check_wrong():
    """One margin rises from -1 to 1, one falls: wrong below 0, above 0."""
    a = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
    ends = torch.tensor([[-1.0, -1.0], [1.0, 1.0]], dtype=torch.float64)
    before, after = loss._wrong([a, -a], *ends)
    assert before[0] >= 0
    assert after[1] <= 0
    assert before[1].isnan()
    assert after[0].isnan()


def check_roots():
    with pytest.MonkeyPatch.context() as patch:
        pieces.test_a_cut_beside_the_root_is_paid_for(patch)


MUTANTS = [
    # where, the code, what it becomes, the check
    (
        layers,
        "Moving.linear",
        "alpha=gamma / 2",
        "alpha=0.0",
        check_rounding,
    ),
    (
        layers,
        "Moving.linear",
        "self._bend(bent))",
        "self._bend(bent), value=0)",
        check_degrees,
    ),
    (layers, "_between", "alpha=middle", "alpha=-middle", check_cuts),
    (
        relu,
        "relu",
        "alpha=2 * _UP",
        "alpha=0",
        lambda: pieces.test_what_the_box_makes_unsure_is_not_stable(-0.1),
    ),
    (
        relu,
        "_settle",
        "slope * radius[some] + mu",
        "slope * radius[some]",
        check_lines,
    ),
    (relu, "_settle", "(radius + zeta)", "(radius)", check_roots),
    (relu, "_cut", "times % 2 == 1", "times > 9", check_cuts),
    (
        relu,
        "relu",
        "z.size = torch.add(",
        "z.size = torch.sub(",
        lambda: pieces.test_the_size_of_features_is_at_least_twice_theirs(0.0),
    ),
    (
        relu,
        "_settle",
        "= 2 * size",
        "= 0.2 * size",
        lambda: pieces.test_the_size_of_features_is_at_least_twice_theirs(10),
    ),
    (polynomials, "curvature", "c[k].abs() *", "0 * c[k] *", check_squares),
    (pool, "average", "gamma))", "gamma)) * 0.5", check_averages),
    (
        pool,
        "_choose",
        "torch.maximum(winner, (excess + rho).amax(-1))",
        "winner",
        pieces.test_a_maximum_may_be_the_loser_with_its_box,
    ),
    (loss, "_loss", "(z - box).gather", "(z + box).gather", check_losses),
    (
        loss,
        "_loss",
        "+ box) * _UP",
        "- box) * _UP",
        lambda: check_losses("square"),
    ),
    (loss, "_margin", "(z - box).gather", "(z + 9).gather", check_losses),
    (loss, "_wrong", "a > 0, -1.0", "a < 9, -1.0", check_wrong),
    (
        loss,
        "Bounds.mean",
        "ends + self.excess.mean()",
        "ends",
        pieces.test_the_mean_counts_what_rises_above_the_chord,
    ),
    (
        loss,
        "merge",
        "sample[1:] != sample[:-1]",
        "sample[1:] != sample[1:]",
        pieces.test_parts_of_one_sample_that_touch_count_once,
    ),
    (
        interval,
        "_collect",
        '"amax"',
        '"amin"',
        lambda: check_losses(slack=0.0),
    ),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m[1]}: {m[3]}")
def test_a_broken_rule_is_seen(monkeypatch, mutant):
    *change, check = mutant
    check()
    mutate(monkeypatch, *change)
    with pytest.raises(AssertionError):
        check()
