"""What the papers publish, and the verdict on what we measured.

``book/claims/PAPER.yml`` is a list, written before the runs it judges:

    - id: s20-error-3200            unique; starts with the paper's name
      chapter: meanfield/dropout_stability
      where: Section 5, on Figure 1
      says: Test error of the trained two-layer net on MNIST, N = 3200
      published: below 2 %          as printed
      unit: "%"                     of `accept` and of what is measured
      accept: {below: 2}            or {above: a}, {value: v, within: w},
                                    {between: [a, b]}, {equals: n}
      scale: paper                  the run that judges: paper or laptop
      judged: mean over trials of the test error after training
"""

import html
import math
import re
from dataclasses import dataclass
from pathlib import Path

from book.tools import records

ROOT = records.ROOT
FIELDS = ("id", "chapter", "where", "says", "published", "accept", "scale")
OPTIONAL = ("unit", "judged")
RULES = ("below", "above", "value", "between", "equals")
VERDICTS = ("reproduced", "not reproduced", "not attempted")


@dataclass(frozen=True)
class Claim:
    """One published statement and the tolerance fixed before the run."""

    id: str
    chapter: str
    where: str
    says: str
    published: str
    accept: dict
    scale: str
    unit: str = ""
    judged: str = ""

    @property
    def tolerance(self):
        """The accepted range in words."""
        a, unit = self.accept, f" {self.unit}" if self.unit else ""
        if "below" in a:
            return f"below {a['below']:g}{unit}"
        if "above" in a:
            return f"above {a['above']:g}{unit}"
        if "between" in a:
            return f"{a['between'][0]:g} to {a['between'][1]:g}{unit}"
        if "equals" in a:
            return f"exactly {a['equals']:g}{unit}"
        return f"{a['value']:g} ± {a['within']:g}{unit}"

    def accepts(self, mean):
        """Whether `mean` lies in the range fixed before the run."""
        a = self.accept
        if mean is None or not math.isfinite(mean):
            return False
        if "below" in a:
            return mean < a["below"]
        if "above" in a:
            return mean > a["above"]
        if "between" in a:
            return a["between"][0] <= mean <= a["between"][1]
        if "equals" in a:
            return mean == a["equals"]
        return abs(mean - a["value"]) <= a["within"]

    def verdict(self, measures):
        """Verdict from {"laptop": measure, "paper": measure}."""
        measured = measures.get(self.scale)
        if measured is None:
            return "not attempted"
        if self.accepts(measured["mean"]):
            return "reproduced"
        return "not reproduced"


def load(root=ROOT):
    """Every claim of the three papers, in the files' order."""
    import yaml

    claims = []
    for file in sorted(Path(root, "book", "claims").glob("*.yml")):
        rows = yaml.safe_load(file.read_text()) or []
        claims += [_claim(row, file) for row in rows]
    ids = [c.id for c in claims]
    for name in ids:
        if ids.count(name) > 1:
            raise ValueError(f"claim id {name!r} is given more than once")
    return claims


def _claim(row, file):
    where = f"{file.name}: claim {row.get('id', row)!r}"
    missing = [f for f in FIELDS if f not in row]
    unknown = [f for f in row if f not in FIELDS + OPTIONAL]
    if missing or unknown:
        raise ValueError(
            f"{where}: missing {missing}, unknown {unknown}; a claim has "
            f"{', '.join(FIELDS)}, and may have {', '.join(OPTIONAL)}"
        )
    rules = [r for r in RULES if r in row["accept"]]
    if len(rules) != 1 or (rules == ["value"]) != ("within" in row["accept"]):
        raise ValueError(
            f"{where}: accept is {row['accept']}; give one of {RULES}, "
            "and `within` beside `value`"
        )
    if row["scale"] not in ("paper", "laptop"):
        raise ValueError(
            f"{where}: scale is {row['scale']!r}; give 'paper' or 'laptop'"
        )
    return Claim(**{k: str(v) if k != "accept" else v for k, v in row.items()})


def of(chapter, root=ROOT):
    """The claims that `chapter` judges."""
    return [c for c in load(root) if c.chapter == chapter]


def measure(values):
    """{"mean", "sd", "n"} of repeated measurements, or of one number."""
    if hasattr(values, "tolist"):
        values = values.tolist()
    values = list(values) if isinstance(values, (list, tuple)) else [values]
    values = [float(v) for v in values]
    n, mean = len(values), math.fsum(values) / len(values)
    sd = None
    if n > 1:
        square = math.fsum((v - mean) ** 2 for v in values)
        sd = math.sqrt(square / (n - 1))
    return {"mean": mean, "sd": sd, "n": n}


def shown(measured, unit=""):
    """A measurement as the tables print it: mean ± sd unit (n = 20)."""
    if measured is None:
        return "not run"
    text = f"{float(format(measured['mean'], '.3g')):g}"
    text = text.replace("-", "−", 1) if text[0] == "-" else text
    if measured["sd"] is not None:
        text += f" ± {float(format(measured['sd'], '.1g')):g}"
    text += f" {unit}" if unit else ""
    return text + (
        f" (n\u00a0=\u00a0{measured['n']})" if measured["n"] > 1 else ""
    )


HEAD = (
    "Claim",
    "Published",
    "Ours, laptop",
    "Ours, paper scale",
    "Tolerance",
    "Verdict",
)


def cells(claim, got):
    """One row under HEAD; `got` is {"laptop": measure, "paper": measure}."""
    return (
        f"{claim.says} ({claim.where})",
        claim.published,
        shown(got.get("laptop"), claim.unit),
        shown(got.get("paper"), claim.unit),
        f"{claim.tolerance}, {claim.scale}",
        claim.verdict(got),
    )


def _whole(text):
    """`text` in HTML; a line does not end inside a number like 1e-08."""
    number = r'<span class="number">\g<0></span>'
    return re.sub(r"\S*\de-\d+", number, html.escape(text))


def tr(claim, got):
    """That row in HTML.

    The labels and roles keep it a table for eyes and ears where a narrow
    page stacks the cells (_static/book.css).
    """
    first, *rest, verdict = cells(claim, got)
    tds = "".join(
        f'<td role="cell" data-label="{label}">{_whole(text)}</td>'
        for label, text in zip(HEAD[1:], rest)
    )
    return (
        f'<tr role="row" id="{claim.id}"><th role="rowheader" scope="row">'
        f'{_whole(first)}</th>{tds}<td role="cell" '
        f'class="{verdict.replace(" ", "-")}">{verdict}</td></tr>'
    )


def table(bodies, caption, head=HEAD, kind="verdict"):
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


class Verdict:
    """A chapter's verdicts: HTML in the book, plain text in a terminal.

    In a notebook the output's metadata carry the laptop run's measures, claim
    by claim, under "measures": the scoreboard reads them there.
    """

    def __init__(self, claims, measures):
        self.claims = claims
        self.measures = {c.id: measures.get(c.id, {}) for c in claims}

    def __str__(self):
        lines = []
        for c in self.claims:
            row = cells(c, self.measures[c.id])
            lines.append(f"[{row[-1]}] {row[0]}")
            for name, cell in zip(HEAD[1:-1], row[1:-1]):
                lines.append(f"    {name.lower()}: {cell}")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self):
        rows = [tr(c, self.measures[c.id]) for c in self.claims]
        return table(["".join(rows)], "Published numbers beside ours")

    def _repr_mimebundle_(self, include=None, exclude=None):
        data = {"text/html": self._repr_html_()}
        kept = {
            name: records.rounded(got["laptop"])
            for name, got in self.measures.items()
            if got.get("laptop")
        }
        return data, {"measures": kept}
