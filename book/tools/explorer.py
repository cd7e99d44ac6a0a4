"""Explorers: pictures of a path that a reader can drag along.

An explorer is drawn here, in SVG, at one point of its path, with the frames
of all other points beside it as JSON. That picture is what paper, JupyterLab
and a browser without JavaScript show; on the book's pages
`_static/explorer.js` adds a slider, and a list where there is a choice.

    t, words = explorer.walk(path.kinds, 4)
    loss = explorer.Curves("training loss", {"path": v}, {"supremum": top})
    chapter.show(explorer.Explorer("Theorem 1's path", t, words, [loss]))
"""

import json
from dataclasses import dataclass, field
from html import escape

import numpy as np

from book.tools import digest
from book.tools.panels import LEFT, RIGHT, Bars, Blocks, Curves, looks

__all__ = ["Bars", "Blocks", "Curves", "Explorer", "pooled", "walk"]

CODE = r"\u003c"  # "<" inside a script


def walk(kinds, steps):
    """Places (in segments) and their names along a path.

    `steps` frames a segment, and the last knot: those at which
    ``interpolation.loss_curve(..., points=steps + 1)`` has its values.
    """
    n = len(kinds)
    t = np.arange(n * steps + 1) / steps
    at = np.minimum(t.astype(int), n - 1)
    return t, [
        f"Segment {k + 1} of {n}, {kinds[k]}, {100 * (s - k):.0f} %"
        for k, s in zip(at, t)
    ]


def pooled(weight, rows, columns):
    """Mean absolute weight of `rows` by `columns` blocks of a matrix.

    Blocks are as equal as can be: units 0 to 3, 4 to 7 and so on.
    """
    size = abs(np.asarray(weight))
    for axis, parts in enumerate((rows, columns)):
        pieces = np.array_split(size, parts, axis)
        size = np.stack([p.mean(axis) for p in pieces], axis)
    return size


@dataclass(frozen=True)
class Explorer:
    """Panels over one path, moved by a slider.

    `label` names the whole; `t`: (frames,) places along the path; `words`:
    what to call them; `choices`: {name: sentence}, what a list of that many
    entries offers and says (`choose` labels the list); `kinds` of the
    segments, if t counts these: affine ones are shaded; `ticks`: {place:
    text}; `start`: choice and frame of the picture that stands there first,
    None: where the first curve is highest.
    """

    label: str
    t: np.ndarray
    words: list
    panels: list
    choices: dict = field(default_factory=dict)
    choose: str = ""
    kinds: tuple = ()
    ticks: dict = field(default_factory=dict)
    start: tuple | None = None

    def __post_init__(self):
        n = len(self.t)
        sizes = {"words": len(self.words)}
        for p in self.panels:
            rows = p.rows() if p.kind == "curves" else {p.title: p.frames}
            levels = p.levels if p.kind == "curves" else ()
            for name, v in rows.items():
                sizes[name] = n if name in levels else v.shape[1]
                if v.shape[0] not in (1, max(1, len(self.choices))):
                    raise ValueError(
                        f"{name!r} has {v.shape[0]} choices and there are "
                        f"{len(self.choices)}; as many, or one, will do"
                    )
        for name, size in sizes.items():
            if size != n:
                raise ValueError(
                    f"{name!r} has {size} frames and t has {n}; as many "
                    "will do"
                )

    def at(self):
        """Pixels from the left of every frame."""
        t = np.asarray(self.t, float)
        return LEFT + (RIGHT - LEFT) * (t - t[0]) / (t[-1] - t[0])

    def first(self):
        """Choice and frame of the still picture."""
        if self.start is not None:
            return self.start
        rows = next(iter(self.panels[0].rows().values()))
        return 0, int(np.argmax(rows[0]))

    def says(self, choice, frame):
        """Place and values in words."""
        told = [p.says(choice, frame) for p in self.panels]
        return "; ".join([self.words[frame], *filter(None, told)])

    def _repr_html_(self):
        choice, frame = self.first()
        at = self.at()
        last = len(self.kinds)
        knots = np.interp(np.arange(last + 1), self.t, at)
        shade = [
            (knots[k], knots[k + 1])
            for k, kind in enumerate(self.kinds)
            if kind == "affine"
        ]
        ticks = (
            list(
                zip(
                    np.interp(list(self.ticks), self.t, at),
                    self.ticks.values(),
                )
            )
            if self.ticks
            else []
        )
        data = {
            "at": [round(x, 1) for x in at.tolist()],
            "words": list(self.words),
            "choices": list(self.choices.values()),
            "panels": [p.data() for p in self.panels],
        }
        said = [*data["choices"][choice : choice + 1]]
        said.append(self.says(choice, frame))
        text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
        pieces = [
            f'<div class="explorer" role="group" '
            f'aria-label="{escape(self.label)}">',
            self._key(),
            '<div class="panels">',
            *(
                f'<div class="{p.kind}"><p>{escape(p.heading)}</p>'
                f"{p.draw(at, shade, ticks, choice, frame)}</div>"
                for p in self.panels
            ),
            "</div>",
            self._controls(choice, frame),
            f'<p class="says">{escape(" ".join(said))}</p>',
            '<script type="application/json">'
            f"{text.replace('<', CODE)}</script></div>",
        ]
        return "\n".join(filter(None, pieces))

    def _key(self):
        """The lines' names, once for all panels of curves."""
        names = {}
        for p in self.panels:
            if p.kind == "curves":
                names.update(zip([*p.series, *p.levels], looks(p)))
        if len(names) < 2:
            return ""
        items = [
            '<li><svg width="26" height="8" aria-hidden="true">'
            f'<path d="M0 4H26" {look}/></svg> {escape(name)}</li>'
            for name, look in names.items()
        ]
        return f'<ul class="key">{"".join(items)}</ul>'

    def _controls(self, choice, frame):
        """Slider and list, hidden until the script is there."""
        options = "".join(
            f"<option{' selected' * (k == choice)}>{escape(name)}</option>"
            for k, name in enumerate(self.choices)
        )
        chosen = (
            f"<label>{escape(self.choose)} "
            f'<select autocomplete="off">{options}</select></label>'
        )
        says = escape(self.says(choice, frame))
        return (
            '<div class="controls" hidden><label>Place along the path '
            f'<input type="range" min="0" max="{len(self.t) - 1}" '
            f'value="{frame}" autocomplete="off" aria-valuetext="{says}">'
            f"</label>{chosen if options else ''}</div>"
            '<noscript><p class="says">The slider needs JavaScript; this is '
            "one point of the path.</p></noscript>"
        )

    def __str__(self):
        """A line for a terminal."""
        many = f", {len(self.choices)} choices" if self.choices else ""
        return (
            f"<Explorer of {len(self.t)} frames{many}: {self.label}; "
            "drag it in the built book>"
        )

    def twin(self):
        """Text twin of the picture: statistics of all it can show."""
        lines = [str(self)]
        for p in self.panels:
            rows = p.rows() if p.kind == "curves" else {p.title: p.frames}
            lines.append(f"  {p.title}")
            lines += [digest.statistics(k, v.ravel()) for k, v in rows.items()]
        return "\n".join(lines)

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/html": self._repr_html_(), "text/plain": self.twin()}
