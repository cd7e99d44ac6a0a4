"""Across: from one sparse parameter to another, by subnetworks' units.

Each function returns the knots strictly between two end knots: one that
computes subnetwork ``a`` where it stands, and one that computes ``b`` where
it stands, both with every other unit dead.  What dead units' rows hold at the
end knots does not matter: the first step overwrites them, the last restores
them.
"""

import torch

from kernels.networks.aliases import Places
from kernels.networks.kept import complement
from kernels.networks.placing import Draft, Placed, State, beside, check_room


def meet(draft: Draft, a: Placed, b: Placed, style: str) -> list[State]:
    """Lemma 2 (K19) in 8 segments, "paper" or "figure", or in 5, "short".

    "paper" (b a b, then Lemma 4's b c b c b) writes ``b`` into the lowest
    units free of ``a`` and permutes it home; "short" (b a b c b) writes the
    units that can be at home there, and moves the others alone.
    """
    if style == "short":
        away = b.at(draft.embed(b.rows, a.rows))
        return [
            draft.state(a, away, out=a),
            draft.state(a, away, out=away),
            *draft.shift(away, b.rows),
        ]
    first, between = _detour(draft, a.rows, b.rows)
    away = b.at(first)
    return [
        draft.state(a, away, out=a),
        draft.state(a, away, out=away),
        draft.state(away, out=away),
        *draft.shift(away, between),
        *draft.shift(b.at(between), b.rows),
    ]


def bridge(
    draft: Draft, a: Placed, x: Placed, b: Placed, *, always: bool
) -> list[State]:
    """From ``a`` over a third subnetwork ``x`` to ``b``: b a b c b a b.

    ``x`` must fit beside each of the two.  Where one place does beside both,
    and not ``always``, the move is left out: b a b a b.
    """
    start = room(draft, x, a.rows, b.rows)
    stop = draft.embed(start, b.rows)
    still = all(map(torch.equal, start[1:-1], stop[1:-1]))
    before, after = x.at(start), x.at(stop)
    return [
        draft.state(a, before, out=a),
        draft.state(a, before, out=before),
        *([] if still and not always else draft.shift(before, stop)),
        draft.state(after, b, out=after),
        draft.state(after, b, out=b),
    ]


def room(draft: Draft, x: Placed, must: Places, might: Places) -> Places:
    """Places for ``x`` off ``must`` and, as far as can be, off ``might``."""
    places: list[torch.Tensor | None] = [None]
    for i, width in enumerate(draft.net.hidden, 1):
        check_room(i, len(x.rows[i]), len(must[i]), width)
        free = complement(must[i], width)
        worse = torch.isin(free, might[i])
        best = torch.cat([free[~worse], free[worse]])[: len(x.rows[i])]
        places.append(best.sort().values)
    return (*places, None)


def _detour(draft: Draft, a: Places, b: Places) -> tuple[Places, Places]:
    """Lemma 4's way: where ``b`` is written first, and where it stops over.

    The lowest units free of ``a``; then a home that was free, or a free unit
    that is no home.  Where more than half the units are live that stopover
    has no room, and what can be at home is written there at once.
    """
    away, between = list(b), list(b)
    for i, width in enumerate(draft.net.hidden, 1):
        away[i] = beside(i, b[i], a[i], width)
        if 2 * len(b[i]) <= width:
            away[i] = complement(a[i], width)[: len(b[i])]
            between[i] = beside(i, b[i], away[i], width)
    return tuple(away), tuple(between)
