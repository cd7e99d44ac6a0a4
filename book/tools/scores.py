"""The scoreboard: every claim of the three papers, and how it fared.

Made from the claims (``book/claims``), the recorded runs (``book/results``)
and the laptop runs' measures, which the committed notebooks carry beside
their verdict tables.
"""

import html
import re
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from book.tools import claims, records, site

ROOT = records.ROOT
PAPERS = {
    "k19": "Kuditipudi et al. 2019",
    "s20": "Shevchenko and Mondelli 2020",
    "n21": "Nguyen et al. 2021",
}
MARKS = "<!-- scores -->", "<!-- end of scores -->"


def laptop(chapter, root=ROOT):
    """Claim id -> measure of the chapter's committed laptop run."""
    import json

    file = Path(root, "book", f"{chapter}.ipynb")
    if not file.exists():
        return {}
    found = {}
    for cell in json.loads(file.read_text())["cells"]:
        for out in cell.get("outputs", []):
            found |= out.get("metadata", {}).get("measures", {})
    return found


def scores(root=ROOT):
    """[(claim, {"laptop": measure, "paper": measure})], all of them."""
    everyone = claims.load(root)
    found = {}
    for chapter in {c.chapter for c in everyone}:
        record = records.load(chapter, root) or {"measures": {}}
        found[chapter] = laptop(chapter, root), record["measures"]
    pairs = []
    for c in everyone:
        here, there = found[c.chapter]
        got = {"laptop": here.get(c.id), "paper": there.get(c.id)}
        pairs.append((c, {k: v for k, v in got.items() if v}))
    return pairs


def paper(claim):
    """The paper of a claim: how its id begins."""
    return claim.id.split("-")[0]


def title(chapter, root=ROOT):
    """The chapter's heading; its name, if it is not in the book yet."""
    if chapter not in site.chapters(root):
        return f"{chapter} (not written yet)"
    text = site.source(chapter, root).read_text()
    return re.search(r"^# # (.+)$", text, re.MULTILINE)[1]


def totals(root=ROOT):
    """[(paper, {verdict: how many})], and the sums under "together"."""
    counts = {name: Counter() for name in PAPERS}
    for c, got in scores(root):
        counts[paper(c)][c.verdict(got)] += 1
    rows = [(PAPERS[name], dict(n)) for name, n in counts.items()]
    together = sum(counts.values(), Counter())
    return [*rows, ("together", dict(together))]


def board(root=ROOT):
    """All that the scoreboard shows; JSON-able, for its key."""
    pairs = scores(root)
    titles = {c.chapter: title(c.chapter, root) for c, _ in pairs}
    return [titles, [[asdict(c), got] for c, got in pairs]]


class Shown:
    """HTML in the book, plain text in a terminal."""

    def __init__(self, page, text):
        self.page, self.text = page, text

    def __str__(self):
        return self.text

    __repr__ = __str__

    def _repr_html_(self):
        return self.page


HEAD = ("paper", "claims", *claims.VERDICTS)


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
    """The totals, by paper and verdict."""
    head = "".join(f'<th scope="col">{h}</th>' for h in HEAD)
    body = "".join(
        f'<tr><th scope="row">{name}</th>'
        + "".join(f"<td>{n}</td>" for n in each)
        + "</tr>"
        for name, *each in _rows(root)
    )
    page = (
        '<table class="totals"><caption>Claims, by paper and verdict'
        f"</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
        "</table>"
    )
    return Shown(page, readme(root))


def failed(root=ROOT):
    """The claims that did not come out, in a line each."""
    page, text = [], []
    for c, got in scores(root):
        if c.verdict(got) != "not reproduced":
            continue
        ours = claims.shown(got[c.scale], c.unit)
        name = f"{paper(c).upper()}, {c.where}"
        words = f"{c.says}. Published: {c.published}. Ours: {ours}."
        text.append(f"{name}: {words}")
        page.append(
            f'<li><a href="#{c.id}">{html.escape(name)}</a>: '
            f"{html.escape(words)}</li>"
        )
    return Shown(f"<ul>{''.join(page)}</ul>", "\n".join(text))


def table(short, root=ROOT):
    """Every claim of one paper (a key of PAPERS), chapter by chapter."""
    chapters = {}
    for c, got in scores(root):
        if paper(c) == short:
            chapters.setdefault(c.chapter, []).append((c, got))
    bodies, text = [], []
    for chapter, pairs in chapters.items():
        good = sum(c.verdict(got) == "reproduced" for c, got in pairs)
        count = f"{good} of {len(pairs)} reproduced"
        name = html.escape(title(chapter, root))
        if chapter in site.chapters(root):
            name = f'<a href="{chapter}.html">{name}</a>'
        bodies.append(
            '<tr role="row" class="chapter"><th role="rowheader" '
            f'scope="rowgroup" colspan="{len(claims.HEAD)}">{name} '
            f"<span>{count}</span></th></tr>"
            + "".join(claims.tr(c, got) for c, got in pairs)
        )
        mine = claims.Verdict(
            [c for c, _ in pairs], {c.id: got for c, got in pairs}
        )
        text.append(f"{title(chapter, root)} ({count})\n{mine}")
    page = claims.table(bodies, f"{PAPERS[short]}, claim by claim")
    return Shown(page, "\n\n".join(text))
