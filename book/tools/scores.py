"""The scoreboard: every claim of the three papers, and how it fared.

Made from the claims (``book/claims``), the recorded runs (``book/results``)
and the measures that the committed notebooks carry beside their verdict
tables.
"""

import html
import re
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from book.tools import claims, records, site, verdicts

ROOT = records.ROOT
PAPERS = {
    "k19": "Kuditipudi et al. 2019",
    "s20": "Shevchenko and Mondelli 2020",
    "n21": "Nguyen et al. 2021",
}
MARKS = "<!-- scores -->", "<!-- end of scores -->"
HEAD = ("paper", "claims", *claims.VERDICTS)
COLUMNS = ("Claim", "Ours against the tolerance", "Verdict")


def noted(chapter, root=ROOT):
    """(measures of the laptop run, of the recorded run), by claim.

    What the committed notebook took anew from the recorded results goes
    before what the recorded run measured itself.
    """
    import json

    record = records.load(chapter, root) or {"measures": {}}
    laptop, paper = {}, dict(record["measures"])
    file = Path(root, "book", f"{chapter}.ipynb")
    if file.exists():
        for cell in json.loads(file.read_text(encoding="utf-8"))["cells"]:
            for out in cell.get("outputs", []):
                known = out.get("metadata", {})
                laptop |= known.get("measures", {})
                paper |= known.get("recorded", {})
    return laptop, paper


def scores(root=ROOT):
    """[(claim, what claims.gather knows of it)], all of them."""
    everyone = claims.load(root)
    found = {name: noted(name, root) for name in {c.chapter for c in everyone}}
    return [(c, claims.gather(c, *found[c.chapter])) for c in everyone]


def title(chapter, root=ROOT):
    """The chapter's heading; its name, if it is not in the book yet."""
    if chapter not in site.chapters(root):
        return f"{chapter} (not written yet)"
    text = site.source(chapter, root).read_text(encoding="utf-8")
    return re.search(r"^# # (.+)$", text, re.MULTILINE)[1]


def totals(root=ROOT):
    """[(paper, {verdict: how many})], and the sums under "together"."""
    counts = {name: Counter() for name in PAPERS}
    for c, got in scores(root):
        counts[c.paper][c.verdict(got)] += 1
    rows = [(PAPERS[name], dict(n)) for name, n in counts.items()]
    together = sum(counts.values(), Counter())
    return [*rows, ("together", dict(together))]


def board(root=ROOT):
    """All that the scoreboard shows; JSON-able, for its key."""
    pairs = scores(root)
    titles = {c.chapter: title(c.chapter, root) for c, _ in pairs}
    return [titles, [[asdict(c), got] for c, got in pairs]]


def _rows(root):
    for name, n in totals(root):
        each = [n.get(v, 0) for v in claims.VERDICTS]
        yield [name, sum(each), *each]


def readme(root=ROOT):
    """The totals as a table in Markdown, between the README's marks."""
    lines = [HEAD, ["---"] * len(HEAD), *_rows(root)]
    table = ["| " + " | ".join(map(str, line)) + " |" for line in lines]
    return "\n".join([MARKS[0], *table, MARKS[1]])


def summary(root=ROOT):
    """The totals, a row a verdict: narrow enough for a phone."""
    papers = [n for _, n in totals(root)]
    names = [*(short.upper() for short in PAPERS), "all"]
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    rows = [
        [verdicts.sign(v), *(n.get(v, 0) for n in papers)]
        for v in claims.VERDICTS
    ]
    rows.append(["claims", *(sum(n.values()) for n in papers)])
    body = "".join(
        f'<tr><th scope="row">{name}</th>'
        + "".join(f"<td>{n}</td>" for n in each)
        + "</tr>"
        for name, *each in rows
    )
    who = ", ".join(f"{name} ({k.upper()})" for k, name in PAPERS.items())
    page = (
        f'<table class="totals"><caption>Claims by verdict: {who}</caption>'
        f'<thead><tr><th scope="col">verdict</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )
    return verdicts.Shown(page, readme(root))


def meanings():
    """What each verdict says, beside its sign."""
    rows = "".join(
        f"<dt>{verdicts.sign(name)}</dt><dd>{text}</dd>"
        for name, text in claims.MEANINGS.items()
    )
    text = "\n".join(f"{n}: {t}" for n, t in claims.MEANINGS.items())
    return verdicts.Shown(f'<dl class="meanings">{rows}</dl>', text)


def filters():
    """Boxes that show or hide papers and verdicts: no script, only CSS."""

    def box(name, label):
        return (
            f'<label><input type="checkbox" id="show-{name}" checked> '
            f"{label}</label>"
        )

    papers = "".join(box(name, words) for name, words in PAPERS.items())
    kinds = "".join(
        box(v.replace(" ", "-"), verdicts.sign(v)) for v in claims.VERDICTS
    )
    page = (
        '<form class="filters"><fieldset><legend>Papers</legend>'
        f"{papers}</fieldset><fieldset><legend>Verdicts</legend>{kinds}"
        "</fieldset></form>"
    )
    return verdicts.Shown(page, "")


def table(short, root=ROOT):
    """Every claim of one paper (a key of PAPERS), by chapter and verdict."""
    chapters = {}
    for c, got in scores(root):
        if c.paper == short:
            chapters.setdefault(c.chapter, []).append((c, got))
    bodies, text = [], []
    for chapter, pairs in chapters.items():
        pairs.sort(key=lambda p: claims.VERDICTS.index(p[0].verdict(p[1])))
        tally = Counter(c.verdict(got) for c, got in pairs)
        count = ", ".join(
            f"{tally[v]} {v}" for v in claims.VERDICTS if tally[v]
        )
        name = html.escape(title(chapter, root))
        if chapter in site.chapters(root):
            name = f'<a href="{chapter}.html">{name}</a>'
        bodies.append(
            '<tr role="row" class="chapter"><th role="rowheader" '
            f'scope="rowgroup" colspan="{len(COLUMNS)}">{name} '
            f"<span>{count}</span></th></tr>"
            + "".join(_tr(c, got) for c, got in pairs)
        )
        lines = verdicts.lines(pairs)
        text.append(f"{title(chapter, root)} ({count})\n{lines}")
    page = verdicts.table(
        bodies, f"{PAPERS[short]}, claim by claim", COLUMNS, "verdicts board"
    ).replace("<table", f'<table data-paper="{short}"', 1)
    return verdicts.Shown(page, "\n\n".join(text))


def _tr(claim, got):
    """One claim: what it says, ours in a picture and in words, the verdict."""
    verdict = claim.verdict(got)
    ours = "not run"
    if got.get(claim.scale):
        ours = claims.shown(got[claim.scale], claim.unit)
    says = f"ours {ours}, accepted {claim.tolerance}"
    more = "".join(
        f"<p><b>{name}</b>: {verdicts.rich(words)}</p>"
        for name, words in (
            ("Published", claim.published),
            ("Why this tolerance", claim.why),
            ("Before", claim.was),
            ("Measured", claim.judged),
            ("By", f"the {claim.scale} run"),
        )
        if words
    )
    return (
        f'<tr role="row" id="{claim.id}" class="{verdict.replace(" ", "-")}">'
        f'<th role="rowheader" scope="row">{verdicts.says(claim, got)}'
        f"<details><summary>How it is judged</summary>{more}</details></th>"
        f'<td role="cell">{verdicts.strip(claim, got)}'
        f"<span>{verdicts.rich(says)}</span></td>"
        f'<td role="cell">{verdicts.sign(verdict)}</td></tr>'
    )
