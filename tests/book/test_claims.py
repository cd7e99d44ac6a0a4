"""Claims: the files are sound, and verdicts follow the rules."""

import math

import pytest
import yaml

from book.tools import claims, verdicts


def claim(**change):
    row = {
        "id": "x-1",
        "chapter": "part/name",
        "where": "Section 1",
        "quote": "roughly three",
        "says": "a number",
        "published": "about 3",
        "accept": {"value": 3, "within": 0.5},
        "why": "as printed",
        "scale": "paper",
    }
    return row | change


def written(tmp_path, rows):
    folder = tmp_path / "book" / "claims"
    folder.mkdir(parents=True)
    (folder / "x.yml").write_text(yaml.safe_dump(rows))
    return claims.load(tmp_path)


@pytest.mark.parametrize(
    ("accept", "inside", "outside"),
    [
        ({"value": 3, "within": 0.5}, [2.5, 3, 3.5], [2.49, 3.51]),
        ({"below": 2}, [1.99, -5], [2, 2.01]),
        ({"above": 2}, [2.01], [2, 0]),
        ({"between": [-1, 1]}, [-1, 0, 1], [-1.01, 1.01]),
        ({"equals": 22}, [22], [21, 23]),
    ],
)
def test_ranges(tmp_path, accept, inside, outside):
    (c,) = written(tmp_path, [claim(accept=accept)])
    assert all(claims.accepts(c.accept, v) for v in inside)
    faults = [*outside, math.nan, None]
    assert not any(claims.accepts(c.accept, v) for v in faults)
    low, high = claims.ends(c.accept)
    assert all(low is None or low <= v for v in inside)
    assert all(high is None or v <= high for v in inside)


def judged(claim, laptop=(), paper=()):
    return claim.verdict(claims.gather(claim, dict(laptop), dict(paper)))


def test_the_scale_judges(tmp_path):
    (c,) = written(tmp_path, [claim()])
    good, bad = ({"x-1": claims.measure([v])} for v in (3.0, 9.0))
    assert judged(c) == "not attempted"
    assert judged(c, good) == "not attempted"
    assert judged(c, bad, good) == "reproduced"
    assert judged(c, good, bad) == "differs"


def test_a_stand_in_is_shown_and_not_judged(tmp_path):
    (c,) = written(tmp_path, [claim(setting="small nets for large ones")])
    assert judged(c) == "not attempted"
    for value in (3.0, 9.0):
        found = {"x-1": claims.measure(value)}
        assert judged(c, paper=found) == "other setting"


def test_repaired_asks_for_the_counterexample_and_the_repair(tmp_path):
    repair = {"says": "with one more", "accept": {"below": 1}}
    (c,) = written(tmp_path, [claim(repair=repair)])
    fails, holds = claims.measure(9), claims.measure(0.5)
    assert judged(c, paper={"x-1": fails}) == "differs"
    both = {"x-1": fails, "x-1-repaired": holds}
    assert judged(c, paper=both) == "repaired"
    assert judged(c, paper=both | {"x-1-repaired": fails}) == "differs"
    assert judged(c, paper={"x-1-repaired": holds}) == "not attempted"
    assert judged(c, laptop=both, paper={"x-1": fails}) == "differs"
    true = {"x-1": claims.measure(3), "x-1-repaired": holds}
    assert judged(c, paper=true) == "reproduced"


def test_measure_is_mean_and_sample_sd():
    m = claims.measure([1.0, 2.0, 4.0])
    assert m["n"] == 3
    assert m["mean"] == pytest.approx(7 / 3)
    assert m["sd"] == pytest.approx(math.sqrt(7 / 3))
    assert claims.measure(5)["sd"] is None


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"accept": {"value": 1}}, "within"),
        ({"accept": {"near": 1}}, "accept is"),
        ({"scale": "gpu"}, "scale is 'gpu'"),
        ({"colour": 1}, "unknown"),
        ({"repair": {"says": "more"}}, "repair is"),
        ({"repair": {"says": "more", "accept": {}}}, "accept of repair"),
    ],
)
def test_a_faulty_claim_is_named(tmp_path, change, word):
    with pytest.raises(ValueError, match="x-1") as fault:
        written(tmp_path, [claim(**change)])
    assert word in str(fault.value)


def test_an_id_is_given_once(tmp_path):
    with pytest.raises(ValueError, match="more than once"):
        written(tmp_path, [claim(), claim()])


def test_a_claims_key_is_given_once(tmp_path):
    """Of two YAML would keep the last, and say what was not measured."""
    folder = tmp_path / "book" / "claims"
    folder.mkdir(parents=True)
    text = yaml.safe_dump([claim(judged="as measured")])
    (folder / "x.yml").write_text(text + "  judged: as something else\n")
    with pytest.raises(ValueError, match="'judged' is given more than once"):
        claims.load(tmp_path)


def test_the_table_says_all(tmp_path):
    row = claim(says="loss < 1 & $a < b$", unit="%", setting="a small net")
    (c,) = written(tmp_path, [row])
    table = verdicts.Verdict([c], {}, {"x-1": claims.measure([3, 3.2])})
    html = table._repr_html_()
    assert r"loss &lt; 1 &amp; <span class=" in html
    assert r"\(a &lt; b\)</span>" in html
    assert "3.1 ± 0.1 % (n\u00a0=\u00a02)" in html
    assert '<span class="verdict other-setting">other setting</span>' in html
    assert "<q>roughly three</q>" in html
    assert "a small net" in html
    assert "not run" in str(table)


@pytest.mark.parametrize(
    ("accept", "inside", "limits", "outside"),
    [
        ({"below": 2}, [1.9, 0, -2], [2], [2.1, 50]),
        ({"above": 2}, [2.1, 50], [2], [1.9, -2]),
        ({"below": 0}, [-1], [0], [0.1]),
        ({"value": 3, "within": 0.5}, [2.6, 3], [2.5, 3.5], [2.4, 9]),
        ({"between": [-0.2, 0.6]}, [0, 0.5], [-0.2, 0.6], [-1, 0.7]),
    ],
)
def test_the_picture_has_the_limits_where_the_rule_has_them(
    accept, inside, limits, outside
):
    low, high = claims.ends(accept)

    def within(value):
        u = verdicts.place(accept, value)
        return (low is None or u >= -1) and (high is None or u <= 1)

    assert all(within(v) for v in inside)
    assert not any(within(v) for v in outside)
    for v in limits:
        assert abs(verdicts.place(accept, v)) == pytest.approx(1)
    values = sorted([*inside, *limits, *outside])
    places = [verdicts.place(accept, v) for v in values]
    assert places == sorted(places)


def test_the_books_own_claims_are_sound():
    everyone = claims.load()
    assert {c.paper for c in everyone} == {"k19", "s20", "n21"}
    assert all(c.tolerance and c.why and c.quote for c in everyone)
