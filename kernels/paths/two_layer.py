"""S20's path between networks of one hidden layer."""

import torch

from kernels import states
from kernels.networks import Network, Parameters
from kernels.networks.aliases import Kept, Scale
from kernels.networks.checks import one_of
from kernels.networks.kept import check_ends, kept_places, scale_levels
from kernels.networks.placing import Block, Draft, cut
from kernels.paths.path import Knots, Path


@states("S20", "Theorem 1")
def two_layer(
    net: Network,
    theta_a: Parameters,
    theta_b: Parameters,
    *,
    kept_a: Kept,
    kept_b: Kept,
    scale_a: Scale | None = None,
    scale_b: Scale | None = None,
    style: str = "paper",
) -> Path:
    """Between two networks of one hidden layer (S20, Theorem 1 (B)).

    For a convex loss the supremum along the path is the largest loss of four
    functions: both networks and both dropout networks.

    Parameters
    ----------
    net : of one hidden layer
    theta_a, theta_b : its parameters, the path's ends
    kept_a, kept_b : a list with one LongTensor of unit indices
        They fit: |kept_a| + |kept_b| is at most the width.
    scale_a, scale_b : float, optional
        Multiply the outputs of kept units.  None: width over kept, as S20's
        averages over neurons have it.
    style : str
        ``"paper"``: 7 segments, any subsets that fit; ``"short"``: 5, kept
        sets without common units.
    """
    one_of("style", style, ("paper", "short"))
    theta_a, theta_b = check_ends(net, theta_a=theta_a, theta_b=theta_b)
    if net.depth != 2:
        raise ValueError(
            f"two_layer needs a network of depth 2; this one has {net.depth}"
        )
    width = net.hidden[0]
    draft = Draft(net, theta_a[0][0])
    parts = []
    for theta, kept, scale, name in (
        (theta_a, kept_a, scale_a, "_a"),
        (theta_b, kept_b, scale_b, "_b"),
    ):
        places = kept_places(net, kept, f"kept{name}")
        if scale is None:
            scale = width / max(1, len(places[1]))
        scale = scale_levels(net, scale, f"scale{name}")[1]
        parts.append(cut(net, theta, places, scale))
    a, b = parts
    away = b.at(draft.embed(b.rows, a.rows))
    start, end = draft.given(theta_a), draft.given(theta_b)
    if style == "short" and not torch.equal(away.rows[1], b.rows[1]):
        common = int(torch.isin(b.rows[1], a.rows[1]).sum())
        raise ValueError(
            f"kept_a and kept_b have {common} units in common; style 'short' "
            "needs none, style 'paper' does with any"
        )
    on_a = draft.state(out=a, base=start, first=2)
    both = draft.state(a, away, out=a)
    on_b = draft.state(a, away, out=away)
    states = [start, on_a, both, on_b]
    if style == "paper":
        home = draft.layer(
            1,
            (Block(theta_b[0], net.widths[0]), None, None),
            (b.blocks[1], away.rows[1], None),
        )
        top = draft.layer(2, (b.blocks[2], None, b.rows[1]))
        states += [(home, on_b[1]), (home, top)]
    states += [(end[0], states[-1][1]), end]
    return Path(Knots(states))
