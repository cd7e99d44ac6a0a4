"""The scoreboard shows every claim, and shows what the chapters show."""

import json
import re

import nbformat
import pytest
import yaml

from book.tools import claims, records, render, scores, site, verdicts

UNJUDGED = {  # pages that judge no claim
    "index",
    "notation",
    "scoreboard",
    "performance",
    "further",
    "yours",  # the reader's own networks
    "bibliography",
    "how-to-cite",
    "dropout/certificates",  # ours: the papers certify nothing
}


def claim(name, scale, **accept):
    return {
        "id": name,
        "chapter": "part/one",
        "where": "Section 1",
        "quote": f"{name}, literally",
        "says": f"what {name} says",
        "published": "1 < 2",
        "accept": accept,
        "why": "as printed",
        "scale": scale,
    }


@pytest.fixture
def root(tmp_path):
    """One chapter with four claims, a recorded run and a laptop run."""
    for folder in ("book/part", "book/claims"):
        (tmp_path / folder).mkdir(parents=True)
    rows = {
        "k19": [
            claim("k19-a", "laptop", equals=6),
            claim("k19-b", "paper", below=2),
            claim("k19-c", "paper", below=2),
        ],
        "s20": [claim("s20-d", "paper", above=3)],
    }
    for name, some in rows.items():
        (tmp_path / f"book/claims/{name}.yml").write_text(yaml.safe_dump(some))
    (tmp_path / "_toc.yml").write_text("root: book/part/one\n")
    (tmp_path / "requirements.txt").write_text("numpy\n")
    (tmp_path / "book/part/one.py").write_text("# %% [markdown]\n# # One\n")
    measures = {
        "k19-b": claims.measure([1.0, 2.0]),
        "k19-c": claims.measure(5.0),
    }
    records.save("part/one", {"measures": measures}, tmp_path)
    notebook(tmp_path, {"k19-a": claims.measure(6), "k19-c": None})
    (tmp_path / "README.md").write_text(
        "# Small\n" + "\n".join(scores.MARKS) + "\nThe end.\n"
    )
    return tmp_path


def notebook(root, laptop, recorded=None):
    """The chapter's notebook with a verdict table of these measures."""
    known = claims.load(root)
    laptop = {c: m for c, m in laptop.items() if m}
    table = verdicts.Verdict(known, laptop, recorded)
    data, metadata = table._repr_mimebundle_()
    cell = nbformat.v4.new_code_cell("run.verdict()")
    cell.outputs = [
        nbformat.v4.new_output("display_data", data=data, metadata=metadata)
    ]
    nb = nbformat.v4.new_notebook(cells=[cell])
    site.notebook("part/one", root).write_text(nbformat.writes(nb))


def test_both_runs_meet_on_the_board(root):
    got = {c.id: (got, c.verdict(got)) for c, got in scores.scores(root)}
    assert got["k19-a"] == (
        {"laptop": {"mean": 6.0, "sd": None, "n": 1}},
        "reproduced",
    )
    assert got["k19-b"][0]["paper"]["n"] == 2
    assert got["k19-b"][1] == "reproduced"
    assert got["k19-c"][1] == "differs"
    assert got["s20-d"] == ({}, "not attempted")
    assert dict(scores.totals(root)) == {
        scores.PAPERS["k19"]: {"reproduced": 2, "differs": 1},
        scores.PAPERS["s20"]: {"not attempted": 1},
        scores.PAPERS["n21"]: {},
        "together": {
            "reproduced": 2,
            "differs": 1,
            "not attempted": 1,
        },
    }


def test_the_tables_say_all(root):
    page = scores.table("k19", root)._repr_html_()
    tally = "2 reproduced, 1 differs"
    assert f'<a href="part/one.html">One</a> <span>{tally}</span>' in page
    assert page.count("1 &lt; 2") == 3
    assert 'id="k19-b"' in page
    assert 'id="s20-d"' not in page
    assert "1.5 ± 0.7 (n\u00a0=\u00a02), accepted below 2" in page
    assert page.index("k19-c") > page.index("k19-b")
    assert page.count("<circle") == 3
    assert "| Kuditipudi et al. 2019 | 3 | 2 | 1 | 0 | 0 | 0 |" in (
        scores.readme(root)
    )


def test_the_totals_add_up(root):
    page = scores.summary(root)._repr_html_()
    rows = [
        [int(n) for n in re.findall(r"<td>(\d+)</td>", row)]
        for row in re.findall(r"<tr>(.*?)</tr>", page)
    ]
    *each, total = rows[1:]
    assert len(each) == len(claims.VERDICTS)
    assert [sum(column) for column in zip(*each)] == total
    assert all(sum(row[:-1]) == row[-1] for row in rows[1:])
    assert total[-1] == len(claims.load(root))


def test_every_verdict_and_paper_has_its_box_and_its_meaning():
    boxes = scores.filters()._repr_html_()
    known = scores.meanings()._repr_html_()
    style = (site.ROOT / "book/_static/book.css").read_text(encoding="utf-8")
    for verdict, meaning in claims.MEANINGS.items():
        name = verdict.replace(" ", "-")
        assert f'id="show-{name}"' in boxes
        assert meaning in known
        assert f"#show-{name}:not(:checked)" in style
        assert f".verdict.{name}::before" in style
    for paper in scores.PAPERS:
        assert f'id="show-{paper}"' in boxes
        assert f"#show-{paper}:not(:checked)" in style


def test_what_the_notebook_takes_from_the_record_goes_first(root):
    notebook(root, {}, {"k19-c": claims.measure(1.0)})
    got = {c.id: c.verdict(got) for c, got in scores.scores(root)}
    assert got["k19-c"] == "reproduced"
    assert got["k19-b"] == "reproduced"


def test_a_claim_whose_chapter_is_not_written_has_a_row_without_a_link(root):
    row = claim("n21-e", "laptop", equals=1) | {"chapter": "part/two"}
    (root / "book/claims/n21.yml").write_text(yaml.safe_dump([row]))
    page = scores.table("n21", root)._repr_html_()
    assert "part/two (not written yet)" in page
    assert "href" not in page


def test_the_boards_key_follows_what_it_shows(root):
    def keys():
        return [render.MADE[n](root) for n in ("scoreboard", "index")]

    board, totals = keys()
    notebook(root, {"k19-a": claims.measure([6, 6])})
    assert keys()[0] != board
    assert keys()[1] == totals  # the verdicts are the same
    notebook(root, {"k19-a": claims.measure(7)})
    assert keys()[1] != totals
    site.source("scoreboard", root).write_text("# %%\n1 + 1\n")
    before = render.key("scoreboard", root=root)
    records.save("part/one", {"measures": {}}, root)
    assert render.key("scoreboard", root=root) != before


def test_the_readme_is_checked_and_kept_in_step(root):
    assert any("README" in s for s in render.check([], root))
    text = (root / "README.md").read_text()
    new = render.readme(root)
    assert new.startswith("# Small\n")
    assert new.endswith("\nThe end.\n")
    assert scores.readme(root) in new
    (root / "README.md").write_text(new)
    assert render.check([], root) == []
    assert render.readme(root) is None
    assert text != new


def test_the_pages_made_from_the_others_come_last(root, monkeypatch):
    batches = []
    monkeypatch.setattr(
        render, "_render", lambda names, *_: batches.append(names) or 1
    )
    names = ["index", "part/one", "scoreboard"]
    assert render.render(names, root=root) == 2
    assert batches == [["part/one"], ["index", "scoreboard"]]
    assert scores.readme(root) in (root / "README.md").read_text()


def test_every_claim_has_a_chapter_and_every_chapter_a_claim():
    judged = {c.chapter for c in claims.load()}
    chapters = set(site.chapters())
    assert judged <= chapters, "claims without a chapter"
    assert chapters - judged <= UNJUDGED, "chapters without a claim"


def test_the_board_says_what_the_chapters_say():
    """The verdicts printed in the notebooks are the scoreboard's own."""
    shown = {}
    for name in site.chapters():
        if name == "scoreboard":
            continue
        nb = json.loads(site.notebook(name).read_text(encoding="utf-8"))
        for cell in nb["cells"]:
            for out in cell.get("outputs", []):
                page = "".join(out.get("data", {}).get("text/html", []))
                rows = re.findall(
                    r'<tr role="row" id="(.*?)"[^>]*>(.*?)</tr>', page
                )
                for one, cells in rows:
                    shown[one] = re.findall(r"([^<>]+)</span></td>", cells)[-1]
    ours = {c.id: c.verdict(got) for c, got in scores.scores()}
    assert shown == ours
