"""The explorer that computes: two networks, and a path that readers build.

The page holds both networks of one hidden layer and the digits; neurons are
kept or dropped, scales dragged, and `_static/builder.js` recomputes the path
of seven segments (S20, Theorem 1) and its supremum. What it draws at first is
drawn here, by the kernels: that is what a reader without JavaScript sees.

    pair = builder.trained(net, d.train, generator=g)
    chapter.show(builder.Builder(net, pair, x, y))
"""

import base64
import json
from dataclasses import dataclass
from functools import cached_property
from html import escape

import numpy as np
import torch

from book.tools import digest, neurons
from book.tools.explorer import CODE
from book.tools.panels import LEFT, RIGHT, Curves, looks
from kernels import certificates, dropout, interpolation, paths
from kernels import training as train

STEPS = 4  # drawn points a segment
SPAN = 1e-3, 10.0  # of the loss's axis
SIDES = "A", "B"
PATH, LINE, TOP = "seven segments (S20)", "straight line", "supremum"


def trained(net, split, *, generator, steps=300):
    """Two networks by SGD from independent starts; weights fit float32."""
    pair = []
    for _ in range(2):
        found = train.train(
            net,
            net.init(generator=generator, dtype=torch.float64),
            (split.x.double(), split.y),
            generator=generator,
            steps=steps,
            batch=100,
            step_size=0.1,
            momentum=0.9,
        )
        pair.append([(w.float(), b.float()) for w, b in found.theta])
    return pair


def chosen(net, theta, x, y, size):
    """(kept, scale): the least useful neuron goes, until `size` are left.

    After each the best scale of what is left, in [0, 4]. Of neurons that are
    equally useless (to 1e-9) the first one goes: `choose` of compute.js.
    """
    units = net.features(theta, x, 1)
    weight, bias = theta[1]

    def loss(kept, scale):
        z = scale * units[:, kept] @ weight[:, kept].T + bias
        return float(torch.nn.functional.cross_entropy(z, y))

    kept, scale = list(range(net.hidden[0])), 1.0
    while len(kept) > size:
        rest = [[i for i in kept if i != j] for j in kept]
        losses = np.array([loss(part, scale) for part in rest])
        kept = rest[int(np.argmax(losses <= losses.min() + 1e-9))]
        z = (units[:, kept] @ weight[:, kept].T).T
        best = dropout.best_scale(z[None], y, bias=bias, tolerance=1e-10)
        scale = min(neurons.MOST, float(best[0]))
    return kept, scale


@dataclass(frozen=True)
class Builder:
    """Two networks of one hidden layer, and a path between them.

    `pair`: their parameters, in float32; `x`, `y`: digits, whose features
    take at most 256 values; `kept`, `scale`: of either network, None for the
    half that `chosen` finds.
    """

    net: object
    pair: list
    x: torch.Tensor
    y: torch.Tensor
    label: str = "A path between two networks, for you to build"
    choice: tuple | None = None

    def __post_init__(self):
        biases = [layer.bias for layer in self.net.layers]
        if biases != [True, True]:
            raise ValueError(
                f"net has biases {biases}; two layers with biases will do"
            )
        if (count := len(self.x.unique())) > 256:
            raise ValueError(
                f"x has {count} different values; at most 256 will do"
            )

    @cached_property
    def ends(self):
        """Both networks in float64, in which all is computed."""
        return [
            tuple((w.double(), b.double()) for w, b in theta)
            for theta in self.pair
        ]

    @cached_property
    def start(self):
        """((kept, scale) of A, of B) of the picture that stands there."""
        if self.choice is not None:
            return self.choice
        half = self.net.hidden[0] // 2
        x = self.x.double()
        return tuple(chosen(self.net, e, x, self.y, half) for e in self.ends)

    @cached_property
    def path(self):
        """The seven segments, of the kernels."""
        (kept_a, scale_a), (kept_b, scale_b) = self.start
        return paths.two_layer(
            self.net,
            *self.ends,
            kept_a=[torch.tensor(kept_a)],
            kept_b=[torch.tensor(kept_b)],
            scale_a=scale_a,
            scale_b=scale_b,
        )

    @cached_property
    def sure(self):
        """Certificates of the path and of the straight line."""
        data = self.x.double(), self.y
        line = paths.straight(*self.ends)
        return [
            certificates.certify(self.net, p, *data, tolerance=0.01)
            for p in (self.path, line)
        ]

    @cached_property
    def four(self):
        """[(name, loss, how many right)]: the functions at the knots."""
        found = []
        for name, k in zip(self.names(), (0, 1, 3, 7)):
            z = self.net.forward(self.path.knots[k], self.x.double())
            loss = torch.nn.functional.cross_entropy(z, self.y)
            right = int((z.argmax(1) == self.y).sum())
            found.append((name, float(loss), right))
        return found

    def names(self):
        """What to call the four functions."""
        (a, r), (b, s) = self.start
        return (
            "A",
            f"{len(a)} of A, times {r:.2f}",
            f"{len(b)} of B, times {s:.2f}",
            "B",
        )

    @cached_property
    def curves(self):
        """The panel of the path and the line, at as many points."""
        data = self.x.double(), self.y
        seen = interpolation.loss_curve(
            self.net, self.path, *data, points=STEPS + 1
        )
        beside = interpolation.loss_curve(
            self.net,
            paths.straight(*self.ends),
            *data,
            points=len(seen.loss),
        )
        return Curves(
            "training loss",
            {PATH: seen.loss, LINE: beside.loss},
            {TOP: self.sure[0].attained},
            log=True,
            span=SPAN,
        )

    def says(self):
        """What the page says of the path, in its script's words."""
        line = self.sure[1]
        return (
            f"Highest loss on the path: {self.sure[0].attained:.3g}, the "
            "largest of the four, exact but for rounding. On the straight "
            f"line {line.attained:.3g} was found, and it is proved to stay "
            f"below {line.upper:.3g}."
        )

    def data(self):
        """What the page's script needs: weights, digits, the line's bound."""
        shades, levels = np.unique(self.x.numpy(), return_inverse=True)
        names = ("w", "b"), ("a", "c")
        nets = [
            {
                name: _text(v.numpy().astype("<f4"))
                for pair, both in zip(theta, names)
                for v, name in zip(pair, both)
            }
            for theta in self.pair
        ]
        curves = self.curves
        line = self.sure[1]
        return {
            "nets": nets,
            "shades": _text(shades.astype("<f4")),
            "x": _text(levels.astype("u1")),
            "y": _text(self.y.numpy().astype("u1")),
            "kept": [kept for kept, _ in self.start],
            "scales": [scale for _, scale in self.start],
            "steps": STEPS,
            "scale": curves.scale(),
            "straight": [line.attained, line.upper],
        }

    def _repr_html_(self):
        n = len(self.path)
        high = int(np.argmax(self.curves.rows()[PATH][0]))
        at = np.linspace(LEFT, RIGHT, n * STEPS + 1)
        knots = at[::STEPS]
        shade = [
            (knots[k], knots[k + 1])
            for k, kind in enumerate(self.path.kinds)
            if kind == "affine"
        ]
        ticks = zip(
            np.interp([0, 1.5, 4.5, 7], range(8), knots),
            ("A", "kept of A", "kept of B", "B"),
        )
        drawn = self.curves.draw(at, shade, ticks, 0, high)
        text = json.dumps(self.data(), separators=(",", ":"))
        key = "".join(
            '<li><svg width="26" height="8" aria-hidden="true">'
            f'<path d="M0 4H26" {look}/></svg> {escape(name)}</li>'
            for name, look in zip((PATH, LINE, TOP), looks(self.curves))
        )
        return "\n".join(
            [
                '<div class="explorer" data-kind="builder" role="group" '
                f'aria-label="{escape(self.label)}">',
                f'<ul class="key">{key}</ul>',
                '<div class="panels"><div class="curves"><p>training loss '
                f"along the path</p>{drawn}</div>",
                f"<div>{neurons.table(self.four, len(self.y))}</div></div>",
                f'<p class="says" aria-live="polite">{escape(self.says())}'
                "</p>",
                '<div class="panels">',
                *(
                    neurons.side(name, theta, kept, scale)
                    for name, theta, (kept, scale) in zip(
                        SIDES, self.pair, self.start
                    )
                ),
                "</div>",
                '<noscript><p class="says">Building needs JavaScript; this '
                "is one choice of neurons.</p></noscript>",
                '<script type="application/json">'
                f"{text.replace('<', CODE)}</script></div>",
            ]
        )

    def __str__(self):
        """A line for a terminal."""
        return (
            f"<Builder of a path between two networks of {self.net.hidden[0]} "
            "neurons: build it in the built book>"
        )

    def twin(self):
        """Text twin: the four losses, what is said, the curves' statistics."""
        lines = [str(self), f"  {self.says()}"]
        lines += [f"  {name}: {v:.4g}, {n} right" for name, v, n in self.four]
        for name, v in self.curves.rows().items():
            lines.append(digest.statistics(name, v.ravel()))
        return "\n".join(lines)

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/html": self._repr_html_(), "text/plain": self.twin()}


def _text(array):
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
