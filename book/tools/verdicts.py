"""Tables of claims: HTML in the book, plain text in a terminal.

A row is a table row for every reader: the picture of a measurement against
its tolerance (`strip`) repeats in ink what the cells beside it say in words.
"""

import html
import math
import re

from book.tools import claims, records

HEAD = (
    "Claim",
    "Published",
    "Ours, laptop",
    "Ours, paper scale",
    "Tolerance",
    "Verdict",
)


def cells(claim, got):
    """One row under HEAD, in plain text; `got` as claims.gather gives it."""
    said = f"{claim.says} ({claim.where}: “{claim.quote}”)"
    if claim.setting:
        said += f". Other setting: {claim.setting}"
    if claim.repair:
        said += f". Repaired: {claim.repair['says']}: " + claims.words(
            claim.repair["accept"], claim.unit
        )
        if "repaired" in got:
            said += f"; ours {claims.shown(got['repaired'], claim.unit)}"
    return (
        said,
        claim.published,
        claims.shown(got.get("laptop"), claim.unit),
        claims.shown(got.get("paper"), claim.unit),
        f"{claim.tolerance}, {claim.scale}",
        claim.verdict(got),
    )


def lines(pairs):
    """The rows of (claim, what is known of it) in plain text."""
    text = []
    for claim, got in pairs:
        row = cells(claim, got)
        text.append(f"[{row[-1]}] {row[0]}")
        for name, cell in zip(HEAD[1:-1], row[1:-1]):
            text.append(f"    {name.lower()}: {cell}")
    return "\n".join(text)


def rich(text):
    """`text` in HTML: $...$ is mathematics, and 1e-08 stays on a line."""
    number = r'<span class="number">\g<0></span>'
    pieces = re.split(r"\$([^$]+)\$", text)
    for k, piece in enumerate(pieces):
        known = html.escape(piece)
        pieces[k] = (
            rf'<span class="math notranslate nohighlight">\({known}\)</span>'
            if k % 2
            else re.sub(r"\S*\de-\d+", number, known)
        )
    return "".join(pieces)


def sign(verdict):
    """The verdict in a span that book.css draws with its own sign."""
    kind = verdict.replace(" ", "-")
    return f'<span class="verdict {kind}">{verdict}</span>'


def tr(claim, got):
    """The row of `cells` in HTML.

    The labels and roles keep it a table for eyes and ears where a narrow
    page stacks the cells (_static/book.css).
    """
    *rest, verdict = cells(claim, got)[1:]
    tds = "".join(
        f'<td role="cell" data-label="{label}">{rich(text)}</td>'
        for label, text in zip(HEAD[1:], rest)
    )
    return (
        f'<tr role="row" id="{claim.id}" class="{verdict.replace(" ", "-")}">'
        f'<th role="rowheader" scope="row">{says(claim, got)}</th>{tds}'
        f'<td role="cell">{sign(verdict)}</td></tr>'
    )


def says(claim, got):
    """The claim with its place, its quotation and what qualifies it."""
    text = (
        f'{rich(claim.says)} <small class="where">'
        f"{html.escape(claim.where)}: <q>{rich(claim.quote)}</q>"
    )
    if claim.setting:
        text += f" <strong>Other setting</strong>: {rich(claim.setting)}."
    if claim.repair:
        wanted = claims.words(claim.repair["accept"], claim.unit)
        text += (
            f" <strong>Repaired</strong>: {rich(claim.repair['says'])}: "
            f"{rich(wanted)}"
        )
        if "repaired" in got:
            ours = claims.shown(got["repaired"], claim.unit)
            text += f"; ours {rich(ours)}"
        text += "."
    return text + "</small>"


def place(accept, value):
    """Where `value` lies on a scale on which the tolerance ends at 1 or -1.

    A two-sided range becomes -1 to 1. Of a one-sided range the limit b
    becomes 1 (or -1), and |b| the unit. Beyond 1 the scale is logarithmic,
    1 + log2 of the distance, so that far values find room.
    """
    low, high = claims.ends(accept)
    if low is not None and high is not None:
        half = (high - low) / 2 or max(abs(high) / 10, 0.5)
        u = (value - (low + high) / 2) / half
    else:
        limit, way = (high, 1) if low is None else (low, -1)
        u = way + (value - limit) / (abs(limit) or 1)
    return math.copysign(1 + math.log2(abs(u)), u) if abs(u) > 1 else u


def strip(claim, got, width=132, height=22, reach=4):
    """A picture of our measurement against the accepted range, in SVG.

    The bar is the accepted range, the dot our mean, the whisker one standard
    deviation; what lies beyond the picture ends in an arrow. It says nothing
    that the table does not, and readers of screens skip it.
    """
    measured = got.get(claim.scale)
    low, high = claims.ends(claim.accept)
    unit, y = width / (2 * reach), height / 2

    def x(u):
        return width / 2 + unit * max(-reach, min(reach, u))

    exact = low == high
    left = 0 if low is None else x(-0.15 if exact else -1)
    right = width if high is None else x(0.15 if exact else 1)
    ink = [
        f'<line class="axis" x1="0" x2="{width}" y1="{y}" y2="{y}"/>'
        f'<rect class="range" x="{left:.1f}" y="{y - 6}" '
        f'width="{right - left:.1f}" height="12"/>'
    ]
    if measured is not None:
        mean, sd = measured["mean"], measured["sd"] or 0.0
        a, m, b = (
            place(claim.accept, v) for v in (mean - sd, mean, mean + sd)
        )
        kind = claim.verdict(got).replace(" ", "-")
        ink.append(f'<g class="{kind}">')
        if sd:
            ink.append(
                f'<line x1="{x(a):.1f}" x2="{x(b):.1f}" y1="{y}" y2="{y}"/>'
            )
        if abs(m) <= reach:
            ink.append(f'<circle cx="{x(m):.1f}" cy="{y}" r="4"/>')
        else:
            tip, way = (width, -8) if m > 0 else (0, 8)
            ink.append(f'<path d="M{tip} {y}l{way} -5v10z"/>')
        ink.append("</g>")
    return (
        f'<svg class="strip" aria-hidden="true" viewBox="0 0 {width} '
        f'{height}" width="{width}" height="{height}">{"".join(ink)}</svg>'
    )


def table(bodies, caption, head=HEAD, kind="verdicts"):
    """A table from its bodies' rows, in HTML; on a phone its rows stack."""
    ths = "".join(
        f'<th role="columnheader" scope="col">{h}</th>' for h in head
    )
    return (
        f'<table role="table" class="{kind} stack"><caption>{caption}'
        '</caption><thead role="rowgroup">'
        f'<tr role="row">{ths}</tr></thead>'
        + "".join(f'<tbody role="rowgroup">{b}</tbody>' for b in bodies)
        + "</table>"
    )


class Shown:
    """HTML in the book, plain text in a terminal."""

    def __init__(self, page, text):
        self.page, self.text = page, text

    def __str__(self):
        return self.text

    __repr__ = __str__

    def _repr_html_(self):
        return self.page


class Verdict:
    """A chapter's verdicts.

    In a notebook the output's metadata carry the measures, claim by claim:
    the laptop run's under "measures", and those taken from a recorded run's
    results under "recorded". The scoreboard reads them there.
    """

    def __init__(self, known, laptop, paper=None):
        self.claims, self.laptop, self.paper = known, laptop, paper or {}
        self.got = {
            c.id: claims.gather(c, self.laptop, self.paper) for c in known
        }

    def __str__(self):
        return lines((c, self.got[c.id]) for c in self.claims)

    __repr__ = __str__

    def _repr_html_(self):
        rows = [tr(c, self.got[c.id]) for c in self.claims]
        return table(["".join(rows)], "Published numbers beside ours")

    def _repr_mimebundle_(self, include=None, exclude=None):
        data = {"text/html": self._repr_html_()}
        kept = {
            "measures": records.rounded(self.laptop),
            "recorded": records.rounded(self.paper),
        }
        return data, kept
