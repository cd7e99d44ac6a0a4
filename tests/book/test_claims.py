"""Claims: the files are sound, and verdicts follow the rules."""

import math

import pytest
import yaml

from book.tools import claims


def claim(**change):
    row = {
        "id": "x-1",
        "chapter": "part/name",
        "where": "Section 1",
        "says": "a number",
        "published": "about 3",
        "accept": {"value": 3, "within": 0.5},
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
    assert all(c.accepts(v) for v in inside)
    assert not any(c.accepts(v) for v in [*outside, math.nan, None])


def test_the_scale_judges(tmp_path):
    (c,) = written(tmp_path, [claim()])
    good, bad = claims.measure([3.0]), claims.measure([9.0])
    assert c.verdict({}) == "not attempted"
    assert c.verdict({"laptop": good}) == "not attempted"
    assert c.verdict({"laptop": bad, "paper": good}) == "reproduced"
    assert c.verdict({"laptop": good, "paper": bad}) == "not reproduced"


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
    ],
)
def test_a_faulty_claim_is_named(tmp_path, change, word):
    with pytest.raises(ValueError, match="x-1") as fault:
        written(tmp_path, [claim(**change)])
    assert word in str(fault.value)


def test_an_id_is_given_once(tmp_path):
    with pytest.raises(ValueError, match="more than once"):
        written(tmp_path, [claim(), claim()])


def test_the_table_says_all(tmp_path):
    (c,) = written(tmp_path, [claim(says="loss < 1 & small", unit="%")])
    table = claims.Verdict([c], {"x-1": {"paper": claims.measure([3, 3.2])}})
    html = table._repr_html_()
    assert "loss &lt; 1 &amp; small" in html
    assert "3.1 ± 0.1 % (n\u00a0=\u00a02)" in html
    assert 'class="reproduced"' in html
    assert "not run" in str(table)


def test_the_books_own_claims_are_sound():
    everyone = claims.load()
    assert {c.id.split("-")[0] for c in everyone} <= {"k19", "s20", "n21"}
    assert all(c.tolerance for c in everyone)
