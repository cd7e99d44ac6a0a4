"""The panels of an explorer: curves, blocks of weights, histograms.

Each draws itself in SVG at one choice and one frame (`draw`), says its values
there (`says`), and has the numbers of all others for the page's script
(`data`). What `draw` does here, `_static/explorer.js` does when it moves.
"""

from dataclasses import dataclass, field
from html import escape

import numpy as np

from book.tools import figures

LEVELS = "".join(map(chr, [*range(48, 58), *range(65, 91), *range(97, 123)]))
LEVELS += "-_"  # 64 levels, a character each
TOP = len(LEVELS) - 1
DASHES = ["", "6 3", "6 3 1 3", "2 2.5", "9 3"]
WIDTH, HEIGHT, LEFT, RIGHT, LOW, HIGH = 340, 200, 42, 332, 174, 8  # pixels
CELL = 10  # pixels a cell of a block


@dataclass(frozen=True)
class Curves:
    """Values along the path, with a mark that moves.

    `series`: {name: values}, (frames,) or (choices, frames); `levels`:
    {name: value}, one or (choices,), horizontal lines; `unit` is said after
    each value; `span`: the axis' ends, None: those of the values.
    """

    title: str
    series: dict
    levels: dict = field(default_factory=dict)
    unit: str = ""
    log: bool = False
    span: tuple | None = None
    kind = "curves"

    @property
    def heading(self):
        """The title with its unit."""
        return self.title + (f" ({self.unit})" if self.unit else "")

    def rows(self):
        """{name: (choices, frames)}, a level's frames being one."""
        found = {k: np.atleast_2d(v) for k, v in self.series.items()}
        for name, value in self.levels.items():
            found[name] = np.reshape(value, (-1, 1))
        return {k: np.asarray(v, float) for k, v in found.items()}

    def scale(self):
        """Lowest and highest value of the axis, of its logarithm if log."""
        every = np.concatenate([v.ravel() for v in self.rows().values()])
        if self.span:
            every = np.array(self.span, float)
        if self.log:
            every = np.log10(every[every > 0])
        room = 0.06 * (np.ptp(every) or 1)
        low = every.min() - room
        if not self.log and every.min() >= 0:
            low = max(low, 0)
        return [_short(low), _short(every.max() + room)]

    def y(self, value):
        """Pixels from the top at which values are drawn."""
        low, high = self.scale()
        v = np.asarray(value, float)
        if self.log:
            v = np.log10(np.maximum(v, 10.0**low))
        share = np.clip((v - low) / (high - low), 0, 1)
        return LOW - share * (LOW - HIGH)

    def ticks(self):
        """Values to write beside the axis."""
        from matplotlib.ticker import LogLocator, MaxNLocator

        low, high = self.scale()
        if not self.log:
            seen = MaxNLocator(4).tick_values(low, high)
            return [v for v in seen if low <= v <= high]
        subs = (1,) if high - low > 2 else (1, 2, 5)
        seen = LogLocator(subs=subs).tick_values(10**low, 10**high)
        return [v for v in seen if low <= np.log10(v) <= high]

    def data(self):
        """What the page's script needs."""
        rows = {k: _short(v) for k, v in self.rows().items()}
        return dict(
            kind=self.kind,
            title=self.title,
            unit=self.unit,
            log=self.log,
            scale=self.scale(),
            series=[[k, rows[k]] for k in self.series],
            levels=[[k, rows[k]] for k in self.levels],
        )

    def says(self, choice, frame):
        """The panel's values in words."""
        unit = f" {self.unit}" if self.unit else ""
        told = [
            f"{name} {_one(self.rows()[name], choice, frame):.3g}{unit}"
            for name in self.series
        ]
        if len(told) == 1:
            return told[0].replace(next(iter(self.series)), self.title, 1)
        return f"{self.title}: {', '.join(told)}"

    def draw(self, at, shade, ticks, choice, frame):
        """The panel's SVG."""
        parts = [
            f'<rect x="{a:.1f}" y="{HIGH}" width="{b - a:.1f}" height='
            f'"{LOW - HIGH}" fill="{figures.COLOURS["blue"]}" opacity=".1"/>'
            for a, b in shade
        ]
        for v in self.ticks():
            y = self.y(v)
            parts.append(
                f'<path d="M{LEFT} {y:.1f}H{RIGHT}" stroke="#d9dee3"/>'
                f'<text x="{LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">'
                f"{v:.6g}</text>"
            )
        parts += [
            f'<text x="{x:.1f}" y="{LOW + 17}" text-anchor="middle">'
            f"{escape(text)}</text>"
            for x, text in ticks
        ]
        parts.append(
            f'<path class="at" d="M{at[frame]:.1f} {HIGH}V{LOW}" '
            'stroke="#5c6770"/>'
        )
        marks = []
        for (name, rows), look in zip(self.rows().items(), looks(self)):
            row = rows[min(choice, len(rows) - 1)]
            y = np.broadcast_to(self.y(row), np.shape(at))
            line = "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(at, y))
            parts.append(f'<path class="line" d="M{line}" {look}/>')
            if name in self.series:
                ink = look.split('"')[1]
                marks.append(
                    f'<circle cx="{at[frame]:.1f}" cy="{y[frame]:.1f}" r="4" '
                    f'fill="{ink}"/>'
                )
        return _svg(self.title, WIDTH, HEIGHT, parts + marks, "curves")


def looks(panel):
    """Stroke, dashes and width of a panel's lines, in their order."""
    inks = {label: ink for label, ink, _ in figures.METHODS.values()}
    kinds = [
        (figures.COLOURS.get(inks.get(name), figures.CYCLE[k % 5]), dash, 2)
        for k, (name, dash) in enumerate(zip(panel.series, DASHES))
    ]
    kinds += [
        (figures.COLOURS[c], d, 1.5)
        for c, d in zip(("black", "grey"), ("1 3", "5 2"))
    ][: len(panel.levels)]
    return [
        f'stroke="{ink}" stroke-width="{w}" stroke-dasharray="{dash}" '
        'fill="none"'
        for ink, dash, w in kinds
    ]


class _Levels:
    """Frames in 64 levels: `frames` is (choices, frames, ...)."""

    @property
    def heading(self):
        """The title."""
        return self.title

    def codes(self):
        """(choices, frames) strings."""
        v = self.frames
        v = np.rint(TOP * np.clip(v / (v.max() or 1), 0, 1) ** self.power)
        flat = v.astype(int).reshape(*v.shape[:2], -1)
        return [["".join(LEVELS[k] for k in f) for f in c] for c in flat]

    def data(self):
        """Different frames once, and which one each place shows."""
        codes = self.codes()
        seen = list(dict.fromkeys(code for row in codes for code in row))
        number = {code: k for k, code in enumerate(seen)}
        index = [[number[code] for code in row] for row in codes]
        return dict(kind=self.kind, frames=seen, index=index)

    def values(self, choice, frame):
        """The levels, 0 to 1, that are drawn at one place."""
        return [LEVELS.index(c) / TOP for c in self.codes()[choice][frame]]

    def says(self, choice, frame):
        """Nothing: a block has no one value."""


@dataclass(frozen=True)
class Blocks(_Levels):
    """Non-negative matrices, (frames, rows, columns), white where zero."""

    title: str
    matrices: np.ndarray
    kind, power = "blocks", 0.6

    @property
    def frames(self):
        """(1, frames, rows, columns)"""
        return np.asarray(self.matrices, float)[None]

    def draw(self, at, shade, ticks, choice, frame):
        """The panel's SVG: a square a cell."""
        rows, columns = self.frames.shape[2:]
        ink = figures.COLOURS["blue"]
        cells = [
            f'<rect x="{CELL * (k % columns)}" y="{CELL * (k // columns)}" '
            f'width="{CELL}" height="{CELL}" opacity="{v:.2f}"/>'
            for k, v in enumerate(self.values(choice, frame))
        ]
        size = CELL * columns, CELL * rows
        edge = (
            f'<path d="M0 0H{size[0]}V{size[1]}H0Z" fill="none" '
            'stroke="#5c6770" stroke-width="2"/>'
        )
        group = f'<g fill="{ink}" shape-rendering="crispEdges">'
        parts = [group, *cells, "</g>", edge]
        return _svg(self.title, *size, parts, "blocks")


@dataclass(frozen=True)
class Bars(_Levels):
    """Histograms, (choices, frames, bins), heights on a square-root scale.

    `span`: the first and the last edge; `ticks`: where to label the axis.
    """

    title: str
    counts: np.ndarray
    span: tuple
    ticks: tuple
    kind, power = "bars", 0.5

    @property
    def frames(self):
        """(choices, frames, bins), each histogram with sum one."""
        v = np.asarray(self.counts, float)
        v = v[None] if v.ndim == 2 else v
        return v / np.maximum(v.sum(-1, keepdims=True), 1e-300)

    def draw(self, at, shade, ticks, choice, frame):
        """The panel's SVG: a staircase."""
        heights, room = self.values(choice, frame), 120
        step = (RIGHT - LEFT) / len(heights)
        line = "".join(
            f"V{room - (room - HIGH) * v:.1f}H{LEFT + step * (k + 1):.1f}"
            for k, v in enumerate(heights)
        )
        low, high = self.span
        places = [
            LEFT + (RIGHT - LEFT) * (v - low) / (high - low)
            for v in self.ticks
        ]
        parts = [
            f'<path class="stairs" d="M{LEFT} {room}{line}V{room}" '
            f'fill="{figures.COLOURS["orange"]}" fill-opacity=".35" '
            f'stroke="{figures.COLOURS["orange"]}"/>',
            f'<path d="M{LEFT} {room}H{RIGHT}" stroke="#5c6770"/>',
        ]
        parts += [
            f'<text x="{x:.1f}" y="{room + 17}" text-anchor="middle">'
            f"{v:g}</text>"
            for x, v in zip(places, self.ticks)
        ]
        return _svg(self.title, WIDTH, room + 26, parts, "bars")


def _svg(title, width, height, parts, kind):
    return (
        f'<svg role="img" aria-label="{escape(title)}" width="{width}" '
        f'height="{height}" viewBox="0 0 {width} {height}" '
        f'font-size="11" fill="#1b1f23">{"".join(parts)}</svg>'
    )


def _one(rows, choice, frame):
    row = rows[min(choice, len(rows) - 1)]
    return row[min(frame, len(row) - 1)]


def _short(values):
    """Numbers of three digits, as lists."""
    v = np.asarray(values, float)
    if v.ndim:
        return [_short(x) for x in v]
    return float(f"{v:.3g}")
