"""The reference pages: every room, every function, every example."""

import doctest
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from book.tools import reference

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))
import rooms  # noqa: E402

PAGES = sorted((ROOT / "book" / "reference").glob("*.rst"))
ROOMS = sorted(
    path.stem
    for path in (ROOT / "kernels").iterdir()
    if path.suffix == ".py" or (path / "__init__.py").exists()
)
ELSEWHERE = {  # what an example cannot run here
    "cuda.boxes.interval_boxes": "needs a GPU",
    "cuda.dropout.kept_outputs": "needs a GPU",
    "cuda.launch.launch": "needs a GPU",
    "cuda.launch.checked": "needs a GPU",
    "cuda.launch.shares": "needs a GPU",
    "cuda.meanfield.back_project": "needs a GPU",
    "cuda.segments.segment_losses": "needs a GPU",
    "device.cupy_stream": "needs a GPU",
    "device.to_cupy": "needs a GPU",
    "device.to_torch": "needs a GPU",
    "data.fetch": "needs a network",
}


def content(page):
    """(room, lines) of the page's directive."""
    text = page.read_text(encoding="utf-8")
    head, lines = re.split(r"\.\. room:: \w+\n", text)
    name = re.search(r"\.\. room:: (\w+)", text)[1]
    assert head == f".. _reference-{name}:\n\n{name}\n{'=' * len(name)}\n\n"
    return name, inspect.cleandoc(lines).splitlines()


def functions(name):
    """Dotted names, below the room, of its public functions."""
    room = importlib.import_module(f"kernels.{name}")
    return [n for n, f in rooms.doors(room) if inspect.isfunction(f)]


def test_a_room_alone_has_all_that_it_names():
    """In a process where nobody else has imported its modules."""
    code = """
import importlib, sys
for name in sys.argv[1:]:
    for found in [m for m in sys.modules if m.split(".")[0] == "kernels"]:
        del sys.modules[found]
    room = importlib.import_module(f"kernels.{name}")
    for one in getattr(room, "__all__", []):
        getattr(room, one)
"""
    command = [sys.executable, "-c", code, *(r for r in ROOMS if r[0] != "_")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_page_a_room():
    assert [page.stem for page in PAGES] == [r for r in ROOMS if r[0] != "_"]
    assert [content(page)[0] for page in PAGES] == [p.stem for p in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_function_has_an_example(page):
    name, lines = content(page)
    named = rooms.examples(lines)[1]
    room = importlib.import_module(f"kernels.{name}")
    shown = {f"{name}.{one}" for one in named}
    needed = {f"{name}.{one}" for one in functions(name)}
    assert needed - shown == {n for n in ELSEWHERE if n.startswith(f"{name}.")}
    assert set(named) <= {one for one, _ in rooms.doors(room)}
    for one, example in named.items():  # it uses what it is an example of
        assert one.rpartition(".")[2] in example or inspect.isclass(
            dict(rooms.doors(room))[one]
        ), one


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_examples_run(page):
    stage, named = rooms.examples(content(page)[1])
    run("\n\n".join([stage, *named.values()]), page.name)


def run(text, name, names=None):
    test = doctest.DocTestParser().get_doctest(
        text, names or {}, name, name, 0
    )
    said = []
    doctest.DocTestRunner(verbose=False).run(test, out=said.append)
    assert not said, "".join(said)
    return len(test.examples)


def test_examples_of_docstrings_run():
    """The few that stand in the sources themselves."""
    count = 0
    for name in ROOMS:
        if name.startswith("__"):
            continue
        room = importlib.import_module(f"kernels.{name}")
        for door, thing in rooms.doors(room):
            text = inspect.getdoc(thing) or ""
            if ">>>" in text:
                module = importlib.import_module(thing.__module__)
                count += run(text, door, dict(vars(module)))
    assert count


def test_the_notation_leads_to_what_is_shown():
    shown = {
        f"{name}.{door}"
        for name in (page.stem for page in PAGES)
        for door, _ in rooms.doors(importlib.import_module(f"kernels.{name}"))
    }
    for row in reference.table().values():
        for name in row["functions"]:
            of_a_class = name.rpartition(".")[0]
            assert name in shown or of_a_class in shown, name


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("of |A| units", "of \\|A\\| units"),
        ("a*b, *x, not *this*", "a\\*b, \\*x, not *this*"),
        ("``a|b`` and `c*d`", "``a|b`` and `c*d`"),
        ("ends in_ here", "ends in\\_ here"),
        (">>> f(*a)\n|\n\nx|", ">>> f(*a)\n|\n\nx\\|"),
        ("``a``  one\n       two", "\n``a``\n   one\n   two"),
        ("`a`  one\nafter", "\n`a`\n   one\n\nafter"),
        (
            "Parameters\n----------\nx : int\n    one\n\nBehind it.",
            "Parameters\n----------\nx : int\n    one\n\n\nBehind it.",
        ),
        (
            "Parameters\n----------\nx : int\n    one\n\ny : int\n    two",
            "Parameters\n----------\nx : int\n    one\n\ny : int\n    two",
        ),
    ],
)
def test_docstrings_become_pages(text, shown):
    assert rooms.plain(text) == shown
