"""Statement, function, test: the table holds in both directions."""

import importlib
import re

import pytest

from book.tools import reference, site
from book.tools.statements import STATEMENTS, WORDS


@pytest.fixture(scope="module")
def table():
    return reference.table()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Between two (K19, Lemma 2).", [("K19", "Lemma 2")]),
        (
            "S20 (3.3), (4.3).",
            [("S20", "(3.3)"), ("S20", "(4.3)")],
        ),
        (
            "K19, Lemmas 2\n    and 4, here; N21, experiment B, too",
            [("K19", "Lemma 2"), ("K19", "Lemma 4"), ("N21", "Experiment B")],
        ),
        ("S20, Theorem 1 (B)", [("S20", "Theorem 1")]),
        (
            "N21, Corollaries 4.2, 4.3 and 4.4",
            [("N21", f"Corollary 4.{k}") for k in (2, 3, 4)],
        ),
        ("S20 (4.1)–(4.3)", [("S20", f"(4.{k})") for k in (1, 2, 3)]),
        ("K19's Lemma 2; Lemma 4 of K19; K19, Figure 1", []),
        (None, []),
    ],
)
def test_what_a_docstring_claims(text, found):
    assert reference.claimed(text) == found


def small(root, docstring, test):
    for folder in ("kernels/paths", "tests/kernels", "book"):
        (root / folder).mkdir(parents=True)
    (root / "kernels/__init__.py").write_text("")
    (root / "kernels/paths/__init__.py").write_text(
        "from kernels.paths.dropout import lemma1\n"
    )
    (root / "kernels/paths/dropout.py").write_text(
        f'def lemma1():\n    """{docstring}"""\n\n\ndef _hidden():\n'
        '    """K19, Lemma 2."""\n'
    )
    (root / "tests/kernels/helpers.py").write_text(
        "from kernels import paths\n\n\ndef down():\n"
        "    return paths.lemma1()\n"
    )
    (root / "tests/kernels/test_paths.py").write_text(test)
    (root / "_toc.yml").write_text("root: book/one\n")
    (root / "book/one.py").write_text(
        "# %% [markdown]\n# # One\n# **Reproduces** {cite}`kuditipudi2019`:\n"
        "# Definition 1 and Lemma 1. **Needs** nothing.\n"
    )
    return reference.table(root)


@pytest.mark.parametrize(
    ("test", "covers"),
    [
        ("from kernels import paths\ndef test_a():\n    paths.lemma1()", True),
        ("from kernels.paths import lemma1 as l\ndef test_a():\n  l()", True),
        (
            "from kernels.paths.dropout import lemma1\n"
            "CASES = [lemma1]\ndef test_a():\n    CASES[0]()",
            True,
        ),
        ("import helpers\ndef test_a():\n    helpers.down()", True),
        ("from helpers import down\ndef test_a():\n    down()", True),
        (
            "from kernels import paths\n@fixture\ndef path():\n"
            "    return paths.lemma1()\ndef test_a(path):\n    pass",
            True,
        ),
        (
            "from kernels import paths\ndef aside():\n    paths.lemma1()\n"
            "def test_a():\n    paths.lemma2()",
            False,
        ),
        ("def lemma1(): ...\ndef test_a():\n    lemma1()", False),
    ],
)
def test_which_tests_cover_a_function(tmp_path, test, covers):
    row = small(tmp_path, "K19, Lemma 1.", test)[("K19", "Lemma 1")]
    expected = ["test_paths.py::test_a"] if covers else []
    assert row["functions"] == {"paths.lemma1": expected}
    assert row["chapters"] == ["one"]


def test_private_functions_claim_nothing(tmp_path):
    table = small(tmp_path, "Nothing.", "")
    assert table[("K19", "Lemma 2")]["functions"] == {}
    assert table[("K19", "Definition 1")]["chapters"] == ["one"]


def test_an_unknown_statement_is_seen(tmp_path):
    assert ("K19", "Lemma 9") in small(tmp_path, "K19, Lemma 9.", "")


# --- the book's own table ------------------------------------------------


def test_every_statement_claimed_is_the_papers(table):
    known = {(p, s) for p, each in STATEMENTS.items() for s in each}
    assert set(table) == known


def test_every_statement_has_a_function_or_a_reason(table):
    without = {claim for claim, row in table.items() if not row["functions"]}
    assert without == set(WORDS)


def test_every_function_has_a_test(table):
    for claim, row in table.items():
        for name, tests in row["functions"].items():
            assert tests, f"{claim}: no test uses {name}"


def test_every_function_exists(table):
    for row in table.values():
        for name in row["functions"]:
            assert resolve(name), name


def test_every_name_of_the_notation_exists():
    """`room.name` in the chapter is a name of the package."""
    text = site.source("notation").read_text()
    rooms = {name.split(".")[0] for name in reference.functions()}
    names = [
        name
        for name in re.findall(r"`([a-z_]+(?:\.\w+)+)[`(]", text)
        if name.split(".")[0] in rooms
    ]
    assert len(names) > 20
    for name in names:
        assert resolve(name), name


def resolve(name):
    """Whether `kernels.` + name can be imported."""
    room, *rest = name.split(".")
    thing = importlib.import_module(f"kernels.{room}")
    for part in rest:
        if not hasattr(thing, part):
            importlib.import_module(f"{thing.__name__}.{part}")
        thing = getattr(thing, part)
    return callable(thing) or isinstance(thing, property)
