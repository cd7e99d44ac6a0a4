"""A GPU machine has no Jupyter: scripts and `gpu-check` must do without."""

import subprocess
import sys

from book.tools import records, site

ABSENT = (
    *("IPython", "ipykernel", "jupyter_book", "jupyter_client", "jupytext"),
    *("nbclient", "nbformat", "papermill", "sphinx", "myst_nb", "nbval"),
    *("distributed", "pooch"),
)

BLOCKED = f"""
import sys


class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {ABSENT!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)


sys.meta_path.insert(0, Absent())
"""


def run(code):
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED + code],
        cwd=records.ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_blocking_blocks():
    assert "no nbformat" in run(
        "try:\n import nbformat\nexcept ImportError:\n print('no nbformat')"
    )


def test_what_every_chapter_imports():
    """All import statements of all chapters, wherever they stand."""
    files = [str(site.source(name)) for name in site.chapters()]
    run(
        "import ast, sys\n"
        "sys.path.insert(0, '.')\n"
        f"for file in {files!r}:\n"
        "    for node in ast.walk(ast.parse(open(file).read())):\n"
        "        if isinstance(node, (ast.Import, ast.ImportFrom)):\n"
        "            if 'importlib' not in ast.unparse(node):\n"
        "                exec(ast.unparse(node))\n"
    )


def test_a_chapter_begins_shows_and_ends_its_paper_run():
    name = next(n for n in site.chapters() if n.startswith("meanfield/"))
    said = run(
        "from book.tools import chapter, records\n"
        "records.write = lambda file, text: print('kept', file)\n"
        f"run = chapter.Run({name!r}, 'paper', record=True)\n"
        "run.finish({'one': 1})\n"
        "run.verdict()\n"
        "run.footer()\n"
        "chapter.show('shown')\n"
    )
    assert "kept" in said
    assert "recorded in" in said
    assert "paper run:" in said
    assert said.rstrip().endswith("shown")


def test_the_command_line():
    run("import book.__main__\nfrom book.tools import gpu, timings\n")
