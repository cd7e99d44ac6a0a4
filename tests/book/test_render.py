"""Rendering: what goes stale, what stays, what an author is told."""

import base64
import io
import textwrap

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest

from book.tools import notebooks, parameters, render, site

SOURCE = """
    # %% [markdown]
    # # A chapter
    # Some prose.
    # %% tags=["parameters"]
    profile = "laptop"
    width = 3
    # %%
    from kernels import {module}

    print({module}.value * width)
"""
FIGURE = """
    # %% {notes}
    import matplotlib.pyplot as plt
    from IPython.display import display
    fig, ax = plt.subplots(figsize=(1, 1))
    ax.plot([1, 2])
    display(fig); plt.close(fig)
"""
GOOD = (
    'mystnb={"image": {"alt": "a line that rises from one to two, straight"},'
    ' "figure": {"name": "fig-line", "caption": "A line."}}'
)


@pytest.fixture
def root(tmp_path):
    """A small book: two chapters, three modules, one import chain."""
    for folder in ("kernels", "book/part", "book/claims"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "requirements.txt").write_text("numpy==2.4.6\n")
    (tmp_path / "_config.yml").write_text("title: small\n")
    (tmp_path / "_toc.yml").write_text(
        "root: book/part/one\nparts:\n- chapters:\n  - file: book/part/two\n"
    )
    (tmp_path / "kernels/__init__.py").write_text("")
    (tmp_path / "kernels/alpha.py").write_text(
        "from kernels.gamma import base\n\nvalue = base + 1\n"
    )
    (tmp_path / "kernels/beta.py").write_text("value = 7\n")
    (tmp_path / "kernels/gamma.py").write_text("base = 1\n")
    write(tmp_path, "part/one", SOURCE.format(module="alpha"))
    write(tmp_path, "part/two", SOURCE.format(module="beta"))
    return tmp_path


def write(root, name, text):
    site.source(name, root).write_text(textwrap.dedent(text).lstrip())


def edit(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def states(root):
    return [render.state(n, root) for n in site.chapters(root)]


def outputs(root, name):
    nb = render.read(name, root)
    return "".join(
        o.text for c in nb.cells if c.cell_type == "code" for o in c.outputs
    )


@pytest.mark.slow
def test_only_what_changed_is_run(root):
    names = site.chapters(root)
    assert names == ["part/one", "part/two"]
    assert states(root) == ["stale", "stale"]
    assert render.render(names, root=root) == 2
    assert outputs(root, "part/one") == "6\n"
    assert outputs(root, "part/two") == "21\n"
    assert states(root) == ["fresh", "fresh"]
    assert render.check(names, root) == []
    assert render.render(names, root=root) == 0

    first = site.notebook("part/one", root).read_bytes()
    assert render.render(["part/one"], force=True, root=root) == 1
    assert site.notebook("part/one", root).read_bytes() == first

    # a module two imports away: one chapter is stale, the other is not
    edit(root / "kernels/gamma.py", "base = 1", "base = 2")
    assert states(root) == ["stale", "fresh"]
    assert any("stale" in s for s in render.check(names, root))
    edit(root / "kernels/gamma.py", "base = 2", "base = 1")
    assert states(root) == ["fresh", "fresh"]

    # prose: refreshed, not run (the changed output shows it was not run)
    edit(site.notebook("part/two", root), '"21\\n"', '"kept\\n"')
    edit(site.source("part/two", root), "Some prose.", "Other prose.")
    assert states(root) == ["fresh", "prose"]
    assert render.render(names, root=root) == 0
    assert "Other prose." in site.notebook("part/two", root).read_text()
    assert outputs(root, "part/two") == "kept\n"
    assert states(root) == ["fresh", "fresh"]

    # requirements: everything
    edit(root / "requirements.txt", "2.4.6", "2.4.7")
    assert states(root) == ["stale", "stale"]


@pytest.mark.slow
def test_a_failing_chapter_is_named_and_its_rendering_stays(root):
    render.render(["part/one"], root=root)
    before = site.notebook("part/one", root).read_bytes()
    edit(site.source("part/one", root), "value * width", "valu * width")
    with pytest.raises(render.RenderError) as fault:
        render.render(["part/one"], root=root)
    text = str(fault.value)
    assert "part/one: cell" in text
    assert "AttributeError" in text
    assert "valu * width" in text  # the traceback
    assert site.notebook("part/one", root).read_bytes() == before
    assert (root / "book/part/one.failed.ipynb").exists()
    assert not list(root.rglob("*.tmp"))


@pytest.mark.slow
def test_parameters_and_profile_go_elsewhere(root):
    render.render(["part/one"], root=root)
    before = site.notebook("part/one", root).read_bytes()
    given = {"width": 5}
    file, _ = render.execute("part/one", given=given, root=root)
    assert "_build/runs/laptop-width=5" in str(file)
    nb = nbformat.read(file, as_version=4)
    assert any("10" in str(c.get("outputs")) for c in nb.cells)
    assert site.notebook("part/one", root).read_bytes() == before
    assert list(parameters.read("part/one", root)) == ["profile", "width"]


@pytest.mark.parametrize(
    ("notes", "word"),
    [
        ("", "alt text of 0"),
        (
            GOOD.replace(
                "a line that rises from one to two, straight", "curve"
            ),
            "alt text of 5",
        ),
        (GOOD.replace('"caption": "A line."', '"caption": ""'), "no caption"),
        (GOOD, None),
    ],
)
def test_a_figure_says_its_finding(root, notes, word):
    write(root, "part/two", FIGURE.format(notes=notes))
    nb = notebooks.convert(site.source("part/two", root))
    picture = {"image/png": "aGVsbG8="}
    nb.cells[0].outputs = [nbformat.v4.new_output("display_data", picture)]
    faults = notebooks.faults(nb)
    assert bool(faults) == bool(word)
    assert not word or word in faults[0]


@pytest.mark.slow
def test_a_figure_that_does_not_is_no_rendering(root):
    text = SOURCE.format(module="beta") + FIGURE.format(notes="")
    write(root, "part/two", text)
    with pytest.raises(render.RenderError, match="alt text of 0"):
        render.render(["part/two"], root=root)
    assert not site.notebook("part/two", root).exists()


def test_scrub_removes_what_differs_between_runs():
    nb = nbformat.v4.new_notebook()
    nb.metadata["papermill"] = {"duration": 3.1}
    cell = nbformat.v4.new_code_cell("1 + 1")
    cell.metadata["execution"] = {"iopub.execute_input": "2026"}
    cell.outputs = [
        nbformat.v4.new_output("stream", name="stdout", text="a"),
        nbformat.v4.new_output("stream", name="stderr", text="50 %"),
        nbformat.v4.new_output("stream", name="stdout", text="b"),
    ]
    nb.cells = [cell]
    once = notebooks.scrub(nb)
    assert "papermill" not in once.metadata
    assert "execution" not in once.cells[0].metadata
    assert [o.text for o in once.cells[0].outputs] == ["ab"]
    again = nbformat.from_dict(dict(once))
    assert notebooks.scrub(again) == once


def test_a_lighter_picture_looks_the_same():
    """Fewer bytes, the same size, no pixel far off; twice is once."""
    file = io.BytesIO()
    with plt.style.context("default", after_reset=True):
        figure, ax = plt.subplots(figsize=(4, 2))
        ax.plot(np.sin(np.arange(40)), label="a curve")
        ax.legend()
        figure.savefig(file, format="png", facecolor="white")
        plt.close(figure)
    heavy = base64.b64encode(file.getvalue()).decode()
    light = notebooks.lighter(heavy)
    assert len(light) < 0.7 * len(heavy)
    assert notebooks.lighter(light) == light
    before, after = (
        plt.imread(io.BytesIO(base64.b64decode(png)))[..., :3]
        for png in (heavy, light)
    )
    assert before.shape == after.shape
    assert np.abs(before - after).max() < 0.15


def test_the_committed_notebooks_are_in_step_and_fresh():
    assert render.check(site.chapters()) == []
