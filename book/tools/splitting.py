"""The explorer of a certificate: drag the tolerance, watch intervals split.

Bisection is best-first, so that whatever the tolerance, `certify` halves the
same intervals in the same order and only stops sooner or later. The tree of
bounds is computed here once; `_static/splitting.js` halves anew for each
tolerance.
"""

import json
import math
from dataclasses import dataclass, field
from html import escape

import numpy as np

from book.tools import digest, figures
from book.tools.explorer import CODE
from book.tools.panels import LEFT, LOW, RIGHT, Curves
from kernels.certificates import bisection
from kernels.certificates.samples import Samples

TOLERANCES = (10, 5, 1, 0.2, 0.05, 0.02, 0.01, 5e-3, 2e-3, 1e-3)
TOLERANCES += (5e-4, 2e-4, 1e-4)


def tree(network, path, x, y, *, tolerance):
    """(nodes, attained) of a path of one general segment.

    As ``certify(..., initial=1, engine="boxes")`` bounds it until nothing is
    more than `tolerance` above the largest loss found. A node is [start,
    stop, bound, allowance for rounding, loss in its middle, number of its
    first half]; the last two are 0 where it is not halved. `attained`: the
    larger loss of the two ends.
    """
    data = Samples(network, path, x, y, "cross_entropy", len(x))
    nodes = []

    def bound(places, cap, slack):
        found = bisection.intervals(data, 0, places)
        for a, b, (loss, allowed, _, ends) in zip(places, places[1:], found):
            value, allowed = min((loss, allowed), (cap, slack))
            nodes.append([a, b, value, allowed, 0.0, 0])
            losses.extend(end[0] for end in ends)

    losses = []
    bound([0.0, 1.0], math.inf, 0.0)
    attained = max(losses)
    leaves = [0]
    while True:
        worst = max(leaves, key=lambda k: nodes[k][2])
        a, b, upper, slack, *_ = nodes[worst]
        if upper - slack <= max(losses) * (1 + tolerance) + 1e-12:
            return nodes, attained
        leaves.remove(worst)
        leaves += [len(nodes), len(nodes) + 1]
        nodes[worst][5] = len(nodes)
        bound([a, (a + b) / 2, b], upper, slack)
        nodes[worst][4] = losses[-3]  # where the first half ends


def bisect(nodes, attained, tolerance):
    """(leaves in order, largest bound, largest loss found, how many bounded).

    What `bisect` of compute.js does, for the picture that stands there first.
    """
    leaves, count = [nodes[0]], 1
    while True:
        worst = max(leaves, key=lambda node: node[2])
        goal = attained * (1 + tolerance) + 1e-12
        if worst[2] - worst[3] <= goal or not worst[5]:
            return sorted(leaves), worst[2], attained, count
        attained = max(attained, worst[4])
        leaves.remove(worst)
        leaves += nodes[worst[5] : worst[5] + 2]
        count += 2


@dataclass(frozen=True)
class Splitting:
    """Bounds on ever more intervals of a segment, and its loss, sampled.

    `tree`: as the function returns it for the least of `tolerances`; `loss`:
    at equally spaced points from 0 to 1; `start`: which tolerance stands
    there first.
    """

    tree: tuple
    loss: np.ndarray
    tolerances: tuple = TOLERANCES
    start: int = 3
    label: str = "A certificate's intervals"
    curves: Curves = field(init=False)

    def __post_init__(self):
        object.__setattr__(self, "loss", np.asarray(self.loss))
        leaves, *_ = self.at(0)
        span = float(self.loss.min()), max(leaf[2] for leaf in leaves)
        curves = Curves("loss", {"loss": self.loss}, log=True, span=span)
        object.__setattr__(self, "curves", curves)

    def at(self, number):
        """What `bisect` finds at one of the tolerances."""
        return bisect(*self.tree, self.tolerances[number])

    def says(self, number):
        """The tolerance and what it costs, in words."""
        leaves, upper, attained, count = self.at(number)
        return (
            f"Tolerance {100 * self.tolerances[number]:g} %: {len(leaves)} "
            f"intervals, {count} bounded on the way. The loss is nowhere "
            f"above {upper:.4g}; {attained:.4g} was found."
        )

    def stairs(self, leaves):
        """The intervals as boxes up to their bounds: an SVG path."""
        x = [LEFT + (RIGHT - LEFT) * s for leaf in leaves for s in leaf[:2]]
        y = self.curves.y([leaf[2] for leaf in leaves])
        return "".join(
            f"M{a:.2f} {LOW}V{v:.1f}H{b:.2f}V{LOW}"
            for a, b, v in zip(x[::2], x[1::2], y)
        )

    def _repr_html_(self):
        leaves, *_ = self.at(self.start)
        ink = figures.COLOURS["orange"]
        stairs = (
            f'<path class="stairs" d="{self.stairs(leaves)}" fill="{ink}" '
            f'fill-opacity=".12" stroke="{ink}"/>'
        )
        at = np.linspace(LEFT, RIGHT, len(self.loss))
        ticks = [(LEFT, "s = 0"), ((LEFT + RIGHT) / 2, "0.5"), (RIGHT, "1")]
        drawn = self.curves.draw(at, [], ticks, 0, 0)
        drawn = drawn.replace("</svg>", f"{stairs}</svg>")
        nodes, attained = self.tree
        data = {
            "nodes": [
                [a, b, *(float(f"{v:.9g}") for v in values), k]
                for a, b, *values, k in nodes
            ],
            "attained": attained,
            "tolerances": self.tolerances,
            "scale": self.curves.scale(),
        }
        text = json.dumps(data, separators=(",", ":"))
        says = escape(self.says(self.start))
        return "\n".join(
            [
                '<div class="explorer" data-kind="splitting" role="group" '
                f'aria-label="{escape(self.label)}">',
                f'<div class="panels"><div class="curves">{drawn}</div></div>',
                '<div class="controls" hidden><label>Tolerance, ever smaller '
                f'<input type="range" min="0" max="{len(self.tolerances) - 1}"'
                f' value="{self.start}" autocomplete="off" aria-valuetext='
                f'"{says}"></label></div>',
                f'<p class="says">{says}</p>',
                '<noscript><p class="says">The slider needs JavaScript; this '
                "is one tolerance.</p></noscript>",
                '<script type="application/json">'
                f"{text.replace('<', CODE)}</script></div>",
            ]
        )

    def __str__(self):
        """A line for a terminal."""
        return (
            f"<Splitting at {len(self.tolerances)} tolerances: drag it in the "
            "built book>"
        )

    def twin(self):
        """Text twin: what is said at every tolerance."""
        said = [f"  {self.says(k)}" for k in range(len(self.tolerances))]
        loss = digest.statistics("loss", self.loss)
        return "\n".join([str(self), *said, loss])

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/html": self._repr_html_(), "text/plain": self.twin()}
