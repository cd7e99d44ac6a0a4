"""Down to a sparse parameter: K19's Lemma 1 and N21's sparsification.

Both go through the same kind of levels.  At level m the layers up to m are
the network's own; layer m's units ``rows[m]`` are read by a subnetwork that
occupies other layers' units.  For K19 the subnetwork is the network's own,
its units dropped (:func:`dropout_levels`); for N21 it is xi_m
(:func:`feature_levels`).  Going from level m + 1 to level m, one writes level
m's subnetwork into dead units and moves the output over; the ways differ in
how they tidy up.

Each way returns the knots, as recipes, and the subnetwork of level 1 as it
stands in the last of them.
"""

from collections.abc import Sequence
from typing import Any

from kernels.networks import Network, Parameters
from kernels.networks.aliases import Factors, Places
from kernels.networks.kept import complement
from kernels.networks.placing import Block, Draft, Placed, State, cut

Levels = dict[int, Placed]
Descent = tuple[list[State], Placed]


def dropout_levels(
    net: Network,
    theta: Parameters,
    kept: dict[int, Places],
    scale: dict[int, Factors],
) -> Levels:
    """K19's theta_1 … theta_{d-1} as subnetworks of ``theta``, at home."""
    return {
        m: cut(net, theta, kept[m], scale[m], first=m)
        for m in range(1, net.depth)
    }


def feature_levels(
    net: Network,
    theta: Parameters,
    kept: Places,
    subnetworks: Sequence[Parameters],
) -> Levels:
    """N21's xi_0 … xi_{L-1}: xi_m reads the kept units of layer m.

    Their hidden units stand in the complements of the kept ones.
    """
    inputs = (None, *kept[1:])
    others = (
        None,
        *(complement(kept[p], net.widths[p]) for p in range(1, net.depth)),
        None,
    )
    levels = {}
    for m, xi in enumerate(subnetworks):
        blocks: list[Block | None] = [None] * (net.depth + 1)
        below = net.widths[0]
        if m > 0:
            blocks[m] = Block(theta[m - 1], net.widths[m - 1], inputs[m])
            below = len(inputs[m])
        for p, pair in enumerate(xi, m + 1):
            blocks[p] = Block(pair, below)
            below = len(pair[0])
        rows = (*[None] * m, inputs[m], *others[m + 1 :])
        levels[m] = Placed(tuple(blocks), rows, rows)
    return levels


def leapfrog(draft: Draft, theta: Parameters, levels: Levels) -> Descent:
    """a (b a)^{d-2}: each level's subnetwork beside the last, no tidying."""
    d, base = draft.net.depth, draft.given(theta)
    live = levels[d - 1]
    states = [base, draft.state(out=live, base=base, first=d)]
    for m in range(d - 2, 0, -1):
        below: dict[str, Any] = {"base": base, "first": m + 1}
        new = levels[m].at(draft.embed(levels[m].rows, live.rows, first=m + 1))
        states.append(draft.state(live, new, out=live, **below))
        states.append(draft.state(live, new, out=new, **below))
        live = new
    return states, live


def dropout_descent(
    draft: Draft, theta: Parameters, levels: Levels, *, exact: bool
) -> Descent:
    """Lemma 1 (K19): ab (babab)^{d-2}, every theta_i a knot.

    Without ``exact`` theta_{d-1}, …, theta_2 are left out as knots, and the
    two steps b at each merge into one: Figure 1.
    """
    d, base = draft.net.depth, draft.given(theta)
    live = levels[d - 1]
    states = [base, draft.state(out=live, base=base, first=d)]
    if exact or d == 2:
        states.append(draft.state(live, out=live, base=base, first=d - 1))
    for m in range(d - 2, 0, -1):
        below: dict[str, Any] = {"base": base, "first": m + 1}
        new = levels[m]
        copy = new.at(draft.embed(new.rows, live.rows, new.rows, first=m + 1))
        states += [
            draft.state(live, copy, out=live, **below),
            draft.state(live, copy, out=copy, **below),
            draft.state(new, copy, out=copy, **below),
            draft.state(new, copy, out=new, **below),
        ]
        if exact or m == 1:
            states.append(draft.state(new, out=new, base=base, first=m))
        live = new
    return states, live


def sparsify(draft: Draft, theta: Parameters, levels: Levels) -> Descent:
    """Theorem 4.1's first half (N21): ab (babbcb)^{L-2}.

    After each level its subnetwork is moved into kept units, so that all
    others are pure zero.
    """
    d, base = draft.net.depth, draft.given(theta)
    live = levels[d - 1]
    states = [
        base,
        draft.state(out=live, base=base, first=d),
        draft.state(live, out=live, base=base, first=d - 1),
    ]
    for m in range(d - 2, 0, -1):
        below: dict[str, Any] = {"base": base, "first": m + 1}
        new = levels[m]
        homes = list(new.rows)
        for p in range(m + 1, d):
            kept = complement(homes[p], draft.net.widths[p])
            homes[p] = kept[: len(homes[p])]
        states += [
            draft.state(live, new, out=live, **below),
            draft.state(live, new, out=new, **below),
            draft.state(new, out=new, **below),
            *draft.shift(new, tuple(homes), **below),
        ]
        live = new.at(tuple(homes))
        states.append(draft.state(live, out=live, base=base, first=m))
    return states, live
