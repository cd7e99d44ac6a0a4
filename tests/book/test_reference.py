"""Statement, function, test: the table holds in both directions."""

import ast
import importlib
import pickle
import re

import pytest

import kernels
import kernels.paths
from book.tools import reference, site
from book.tools.statements import STATEMENTS, WORDS


@pytest.fixture(scope="module")
def table():
    return reference.table()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Lemma 2 and Figure 1", ["Lemma 2"]),
        ("(3.3), (4.3).", ["(3.3)", "(4.3)"]),
        (
            "Lemmas 2 and 4, here, and experiment B, too",
            ["Lemma 2", "Lemma 4", "Experiment B"],
        ),
        ("Theorem 1 (B)", ["Theorem 1"]),
        (
            "Corollaries 4.2, 4.3 and 4.4",
            [f"Corollary 4.{k}" for k in (2, 3, 4)],
        ),
        ("(4.1)–(4.3)", [f"(4.{k})" for k in (1, 2, 3)]),
        ("Figure 1", []),
    ],
)
def test_what_a_chapter_reproduces(text, found):
    assert reference.labels(text) == found


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ('@states("K19", "Lemma 2")', [("K19", "Lemma 2")]),
        (
            '@states("K19", "Lemma 2", "Lemma 4")\n@states("N21", "(1)")',
            [("K19", "Lemma 2"), ("K19", "Lemma 4"), ("N21", "(1)")],
        ),
        ('@property\n@states("S20", "(3.4)")', [("S20", "(3.4)")]),
        ("@cache", []),
        ("@cache()", []),
    ],
)
def test_what_decorators_claim(lines, found):
    (node,) = ast.parse(f'{lines}\ndef f():\n    "K19, Lemma 1."').body
    assert reference.claimed(node) == found


def test_what_is_marked_is_what_was_marked():
    def plain(x):
        return x + 1

    marked = kernels.states("S20", "(3.3)")(plain)
    marked = kernels.states("K19", "Lemma 1", "Lemma 2")(marked)
    assert marked is plain
    assert marked(1) == 2
    assert marked.__statements__ == (
        ("K19", "Lemma 1"),
        ("K19", "Lemma 2"),
        ("S20", "(3.3)"),
    )

    class Child(kernels.states("N21", "(1)")(type("Parent", (), {}))):
        pass

    child = kernels.states("N21", "(3)")(Child)
    assert child.__statements__ == (("N21", "(3)"),)
    lemma = kernels.paths.lemma1
    assert pickle.loads(pickle.dumps(lemma)) is lemma
    with pytest.raises(ValueError, match="paper is 'K20'"):
        kernels.states("K20", "Lemma 1")
    with pytest.raises(ValueError, match="labels is empty"):
        kernels.states("K19")


def small(root, label, test):
    for folder in ("kernels/paths", "tests/kernels", "book"):
        (root / folder).mkdir(parents=True)
    (root / "kernels/__init__.py").write_text("")
    (root / "kernels/paths/__init__.py").write_text(
        "from kernels.paths.dropout import lemma1\n"
    )
    (root / "kernels/paths/dropout.py").write_text(
        f'@states("K19", "{label}")\ndef lemma1():\n    pass\n\n\n'
        '@states("K19", "Lemma 2")\ndef _hidden():\n    pass\n'
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
    row = small(tmp_path, "Lemma 1", test)[("K19", "Lemma 1")]
    expected = ["test_paths.py::test_a"] if covers else []
    assert row["functions"] == {"paths.lemma1": expected}
    assert row["chapters"] == ["one"]


def test_private_functions_claim_nothing(tmp_path):
    table = small(tmp_path, "Lemma 1", "")
    assert table[("K19", "Lemma 2")]["functions"] == {}
    assert table[("K19", "Definition 1")]["chapters"] == ["one"]


def test_an_unknown_statement_is_seen(tmp_path):
    assert ("K19", "Lemma 9") in small(tmp_path, "Lemma 9", "")


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


def test_the_marks_are_on_what_is_imported():
    marked = {
        name: claims
        for name, (claims, _) in reference.functions().items()
        if claims
    }
    assert len(marked) > 30
    for name, claims in marked.items():
        thing = resolve(name)
        thing = getattr(thing, "fget", thing)  # of a property
        assert list(vars(thing)["__statements__"]) == claims, name


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
    """What `kernels.` + name imports: a callable or a property."""
    room, *rest = name.split(".")
    thing = importlib.import_module(f"kernels.{room}")
    for part in rest:
        if not hasattr(thing, part):
            importlib.import_module(f"{thing.__name__}.{part}")
        thing = getattr(thing, part)
    assert callable(thing) or isinstance(thing, property), name
    return thing
