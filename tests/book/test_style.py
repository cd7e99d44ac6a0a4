"""The repository keeps its own rules."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FIXED = {
    "README.md",
    "_config.yml",
    "_toc.yml",
    "book",
    "kernels",
    "requirements.txt",
    "tests",
}


@pytest.mark.parametrize("words", ["check", "format --check"])
def test_ruff(words):
    command = [Path(sys.executable).parent / "ruff", *words.split(), ROOT]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_mypy():
    """What ``.mypy.ini`` asks; strict for networks, paths, certificates."""
    beside = Path(sys.executable).parent
    mypy = shutil.which("mypy", path=beside) or shutil.which("mypy")
    if mypy is None:
        pytest.skip("mypy is not installed; pip install -r requirements.txt")
    command = [mypy, "--python-executable", sys.executable]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_top_level():
    done = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip("not a git checkout")
    tops = {f.split("/")[0] for f in done.stdout.split()}
    assert {t for t in tops if not t.startswith(".")} <= FIXED


def test_kernels_import_with_torch_and_numpy_alone():
    code = """
import sys
class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ImportError(f"{name} is not to be imported here")
BLOCKED = {"scipy", "sklearn", "matplotlib", "tqdm", "pooch", "cupy",
           "yaml", "book", "distributed"}
sys.meta_path.insert(0, Wall())
import pkgutil, importlib, kernels
for module in pkgutil.walk_packages(kernels.__path__, "kernels."):
    importlib.import_module(module.name)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_modules_are_short():
    for folder in ("kernels", "book/tools"):
        for file in (ROOT / folder).rglob("*.py"):
            n = len(file.read_text().splitlines())
            assert n <= 330, f"{file.relative_to(ROOT)} has {n} lines"


def test_chapters_show_at_most_79_columns():
    from book.tools import keys, site

    for name in site.chapters():
        for cell in keys.code(site.source(name).read_text()):
            for line in cell.splitlines():
                assert len(line) <= 79, f"{name}: {line}"


def read(name):
    """A chapter's text, and its code cells that nothing folds."""
    from book.tools import notebooks, site

    folded = {"hide-input", "hide-cell", "remove-input", "remove-cell"}
    text, code = [], []
    for cell in notebooks.convert(site.source(name)).cells:
        if cell.cell_type == "markdown":
            text.append(cell.source)
        elif not folded & {*cell.metadata.get("tags", [])}:
            code.append(cell.source)
    return "\n".join(text), code


def test_chapters_show_what_computes_and_fold_the_rest():
    from book.tools import site

    for name in site.chapters():
        rows = "\n".join(read(name)[1]).split("\n")
        seen = sum(bool(row.strip()) for row in rows)
        assert seen <= 150, f"{name} shows {seen} lines of code: fold some"


def unnamed(text, code):
    """Functions and classes of the code that the text does not name."""
    said = {
        word
        for quoted in re.findall(r"`([^`\n]+)`", text)
        for word in re.findall(r"\w+", quoted)
    }
    made = [
        node.name
        for cell in code
        for node in ast.parse(cell).body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
    ]
    return [name for name in made if name not in said]


def test_the_text_names_every_function_that_it_shows():
    from book.tools import site

    for name in site.chapters():
        missing = unnamed(*read(name))
        assert not missing, f"{name}: name {missing}, or fold them"


def test_an_unnamed_function_is_seen():
    code = ["def one():\n    pass", "class Two:\n    pass\n\n\nthree = 3"]
    assert unnamed("One and two.", code) == ["one", "Two"]
    assert unnamed("`one(x)` makes a `Two`.", code) == []


def test_displayed_equations_are_labelled():
    from book.tools import notebooks, site

    for name in site.chapters():
        seen = []
        for cell in notebooks.convert(site.source(name)).cells:
            if cell.cell_type == "markdown":
                after = cell.source.split("$$")[2::2]
                labels = [
                    re.match(r" \((eq-[\w-]+)\)\s", t + "\n") for t in after
                ]
                assert all(labels), f"{name}: {cell.source[:60]!r}"
                seen += [label[1] for label in labels]
        assert len(seen) == len(set(seen)), name


def test_displayed_equations_are_referred_to():
    from book.tools import site

    texts = [site.source(name).read_text() for name in site.chapters()]
    said = set(re.findall(r"\{eq\}`([^`]+)`", "".join(texts)))
    known = set(re.findall(r"\$\$ \((eq-[\w-]+)\)", "".join(texts)))
    assert known <= said, sorted(known - said)
