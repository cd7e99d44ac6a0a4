"""K19's Lemmas 1 and 2 and Theorem 1: dropout-stable parameters."""

from kernels import states
from kernels.networks import Network, Parameters, columns
from kernels.networks.aliases import Kept, Places, Scale
from kernels.networks.checks import one_of
from kernels.networks.kept import check_ends, kept_levels, scale_levels
from kernels.networks.placing import Draft, cut
from kernels.paths.descend import (
    Descent,
    dropout_descent,
    dropout_levels,
    leapfrog,
)
from kernels.paths.join import meet
from kernels.paths.path import Knots, Path

STYLES = ("paper", "figure", "short")


@states("K19", "Lemma 1")
def lemma1(
    net: Network,
    theta: Parameters,
    kept: Kept,
    *,
    scale: Scale = 1.0,
    style: str = "paper",
) -> Path:
    """From ``theta`` to its dropout network theta_1 (K19, Lemma 1).

    Output moves affinely where only the last layer moves, and not at all
    elsewhere; the loss at the knots is that of theta, theta_{d-1}, …,
    theta_1.

    Parameters
    ----------
    net : the network
    theta : its parameters
    kept : one LongTensor of unit indices a hidden layer
        The units that theta_1 … theta_{d-1} keep (Definition 1), any subsets
        that fit: twice their number is at most the width in hidden layers 2
        … d - 1.  Or a list over the levels i = 1 … d - 1 of such lists
        (entries of layers below i are ignored, or left out): each theta_i
        with subsets of its own.
    scale : float, one a hidden layer, or a list over levels
        Multiplies the outputs of kept units: columns of the next layer, never
        biases.
    style : str
        ``"paper"``: 5d - 8 segments, every theta_i a knot (theta_{d-1-j} is
        knot 2 + 5j); ``"figure"``: 4d - 6, theta_{d-1} … theta_2 met as
        functions only, as in K19, Figure 1; ``"short"``: 2d - 3, each
        theta_{i-1} written into dead units beside theta_i and the output
        moved over.

    Returns
    -------
    Path
        It ends in theta_1; in style ``"short"`` in a parameter that computes
        theta_1's function, its units at other places and dead rows left.

    Raises
    ------
    ValueError
        Naming the hidden layer and both numbers, where subsets do not fit:
        on one level's move |S^i| + |S^{i-1}| <= width; with subsets that
        differ between levels the other styles need room for a second copy.
    """
    one_of("style", style, STYLES)
    (theta,) = check_ends(net, theta=theta)
    draft = Draft(net, theta[0][0])
    states, _ = _descend(draft, theta, kept, scale, style, "")
    return Path(Knots(states))


@states("K19", "Lemma 2", "Lemma 4")
def lemma2(
    net: Network,
    theta: Parameters,
    theta_prime: Parameters,
    *,
    style: str = "paper",
) -> Path:
    """Between two parameters with enough dead units (K19, Lemma 2).

    A unit is dead where all its outgoing weights are zero; its own row may
    hold anything, it is overwritten and restored.  In each hidden layer the
    live units of both must fit side by side: K19's "at least half are zero"
    is not enough for odd widths.  One segment is affine, all others are
    constant.

    Parameters
    ----------
    net : the network
    theta, theta_prime : its parameters, the path's ends
    style : str
        ``"paper"``: 8 segments, the last five a permutation (K19, Lemma
        4); ``"short"``: 5.  A step that has nothing to move, for the units
        at hand, is a segment of length zero.

    Raises
    ------
    ValueError
        Naming the hidden layer and both numbers, where the units do not
        fit.
    """
    one_of("style", style, ("paper", "short"))
    theta, theta_prime = check_ends(net, theta=theta, theta_prime=theta_prime)
    draft = Draft(net, theta[0][0])
    a, b = (cut(net, p, live_units(net, p)) for p in (theta, theta_prime))
    states = meet(draft, a, b, style)
    return Path(Knots([draft.given(theta), *states, draft.given(theta_prime)]))


@states("K19", "Theorem 1")
@states("S20", "Theorem 2")
def theorem1(
    net: Network,
    theta_a: Parameters,
    theta_b: Parameters,
    *,
    kept_a: Kept,
    kept_b: Kept,
    scale_a: Scale = 1.0,
    scale_b: Scale = 1.0,
    style: str = "paper",
) -> Path:
    """Between two dropout-stable parameters (K19, Theorem 1).

    Lemma 1 down from ``theta_a``, Lemma 2 across, Lemma 1 up to ``theta_b``.
    For a convex loss the supremum along the path is the largest loss of the
    2d functions theta^A, theta^A_i, theta^B_i, theta^B.  It joins what S20,
    Theorem 2 (B), joins: networks of ``meanfield.as_network``.

    Parameters
    ----------
    net : the network
    theta_a, theta_b : its parameters, the path's ends
    kept_a, kept_b : as in :func:`lemma1`
        Beside its conditions, in every hidden layer the kept units of
        theta^A_1 and theta^B_1 together are at most the width.
    scale_a, scale_b : as in :func:`lemma1`
    style : str
        ``"paper"``: 10d - 8 segments; ``"figure"``: 8d - 4; ``"short"``:
        4d - 1.

    Raises
    ------
    ValueError
        Naming the hidden layer and both numbers, where subsets do not fit.
    """
    one_of("style", style, STYLES)
    theta_a, theta_b = check_ends(net, theta_a=theta_a, theta_b=theta_b)
    draft = Draft(net, theta_a[0][0])
    down, a = _descend(draft, theta_a, kept_a, scale_a, style, "_a")
    up, b = _descend(draft, theta_b, kept_b, scale_b, style, "_b")
    return Path(Knots([*down, *meet(draft, a, b, style), *reversed(up)]))


def _descend(
    draft: Draft,
    theta: Parameters,
    kept: Kept,
    scale: Scale,
    style: str,
    name: str,
) -> Descent:
    net = draft.net
    levels = dropout_levels(
        net,
        theta,
        kept_levels(net, kept, f"kept{name}"),
        scale_levels(net, scale, f"scale{name}"),
    )
    if style == "short":
        return leapfrog(draft, theta, levels)
    return dropout_descent(draft, theta, levels, exact=style == "paper")


def live_units(net: Network, theta: Parameters) -> Places:
    """The units of each hidden layer with a non-zero outgoing weight."""
    live = [
        (columns(theta[i][0], width) != 0).any(2).any(0).nonzero()[:, 0].cpu()
        for i, width in enumerate(net.hidden, 1)
    ]
    return (None, *live, None)
