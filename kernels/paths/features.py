"""N21's Theorem 4.1: paths over re-optimised subnetworks."""

from collections.abc import Sequence

import torch

from kernels import states
from kernels.networks import Network, Parameters
from kernels.networks.aliases import Kept
from kernels.networks.checks import one_of
from kernels.networks.kept import check_ends, check_like, kept_places
from kernels.networks.placing import Draft, State
from kernels.paths.descend import Levels, feature_levels, leapfrog, sparsify
from kernels.paths.join import bridge
from kernels.paths.path import Knots, Path

End = tuple[Parameters, Levels]


@states("N21", "Theorem 4.1", "Claim 5.1")
def theorem41(
    net: Network,
    theta_a: Parameters,
    theta_b: Parameters,
    *,
    kept_a: Kept,
    kept_b: Kept,
    subnetworks_a: Sequence[Parameters],
    subnetworks_b: Sequence[Parameters],
    style: str = "paper",
) -> Path:
    """Between any two parameters, over subnetworks (N21, Theorem 4.1).

    For a convex loss the supremum along the path is the largest loss of the
    2L + 1 functions theta_a, xi^a_{L-1}, …, xi^a_1, xi_0, xi^b_1, …,
    xi^b_{L-1}, theta_b, xi_l on the kept features of layer l of its end.

    Parameters
    ----------
    net : the network
    theta_a, theta_b : its parameters, the path's ends
    kept_a, kept_b : one LongTensor of unit indices a hidden layer
        I_l, at least half of each hidden layer.
    subnetworks_a, subnetworks_b : for l = 0 … L - 1 the parameters of xi_l
        ``net.narrow([|I_l|, n_{l+1} - |I_{l+1}|, …], first=l)`` is its
        network (all inputs for l = 0): it reads the features I_l, in
        ascending order.  One xi_0 is used, that of the end with the larger
        I_1 (of ``a`` where they are equally large): it fits beside both ends,
        so that index sets of different sizes need no second one.
    style : str
        ``"paper"``: 12L - 15 segments where the kept sets are equal, else at
        most 12L - 12 (three more for the swap of N21, Claim 5.1);
        ``"short"``: 4L - 1, else at most 4L + 1.

    Raises
    ------
    ValueError
        Naming the hidden layer and both numbers, where a kept set is less
        than half of its layer, or a subnetwork has other widths.
    """
    one_of("style", style, ("paper", "short"))
    theta_a, theta_b = check_ends(net, theta_a=theta_a, theta_b=theta_b)
    draft = Draft(net, theta_a[0][0])
    ends = [
        _levels(net, theta, kept, subnetworks, name)
        for theta, kept, subnetworks, name in (
            (theta_a, kept_a, subnetworks_a, "_a"),
            (theta_b, kept_b, subnetworks_b, "_b"),
        )
    ]
    for name, xi in zip(
        ("subnetworks_a", "subnetworks_b"), (subnetworks_a, subnetworks_b)
    ):
        for part in xi:
            check_like(name, part, theta_a)
    first, last = (len(levels[1].rows[1]) for levels in ends)
    a, b = zip((theta_a, theta_b), ends)
    if first >= last:
        states = _connect(draft, a, b, style)
    else:
        states = _connect(draft, b, a, style)[::-1]
    return Path(Knots(states))


def _connect(draft: Draft, a: End, b: End, style: str) -> list[State]:
    """All knots, over xi_0 of ``a``, whose I_1 is not the smaller one."""
    descend = leapfrog if style == "short" else sparsify
    down, live_a = descend(draft, *a)
    up, live_b = descend(draft, *b)
    x = a[1][0]
    if style == "short":
        across = bridge(draft, live_a, x, live_b, always=False)
        return [*down, *across, *reversed(up)]
    # x stands where all is pure zero for a; b's units must give way
    moved = live_b.at(draft.embed(live_b.rows, x.rows))
    across = [
        draft.state(live_a, x, out=live_a),
        draft.state(live_a, x, out=x),
        draft.state(moved, x, out=x),
        draft.state(moved, x, out=moved),
    ]
    if not all(map(torch.equal, moved.rows[1:-1], live_b.rows[1:-1])):
        across.append(draft.state(moved, out=moved))
        across += draft.shift(moved, live_b.rows)
    return [*down, *across, *reversed(up)]


def _levels(
    net: Network,
    theta: Parameters,
    kept: Kept,
    subnetworks: Sequence[Parameters],
    name: str,
) -> Levels:
    kept = kept_places(net, kept, f"kept{name}")
    for i, h in enumerate(net.hidden, 1):
        if 2 * len(kept[i]) < h:
            raise ValueError(
                f"kept{name}, hidden layer {i}: {len(kept[i])} of {h} units; "
                "at least half will do"
            )
    if len(subnetworks) != net.depth:
        raise ValueError(
            f"subnetworks{name} has {len(subnetworks)} entries; layers 0 to "
            f"{net.depth - 1} need {net.depth}"
        )
    rest = [h - len(units) for h, units in zip(net.hidden, kept[1:])]
    found = []
    for m, xi in enumerate(subnetworks):
        inputs = len(kept[m]) if m else net.widths[0]
        network = net.narrow([inputs, *rest[m:]], first=m)
        found.append(network.check(xi, f"subnetworks{name}[{m}]"))
    return feature_levels(net, theta, kept, found)
