"""Chapters that can be turned: parameters read, checked, applied, told."""

import shutil
import subprocess
import sys

import nbformat
import pytest

from book import __main__ as command
from book.tools import chapter, kernel, parameters, records, render, site

NAME = "dropout/straight_line"


def turnable():
    return [n for n in site.chapters() if "profile" in parameters.read(n)]


@pytest.mark.parametrize("name", turnable())
def test_a_chapter_names_what_a_reader_turns(name):
    """Beside the profile three to six numbers, each with its meaning."""
    known = parameters.read(name)
    assert known.pop("profile").default == "laptop"
    known.pop("cases", None)
    assert 3 <= len(known) <= 6
    source = site.source(name).read_text(encoding="utf-8")
    for p in known.values():
        assert p.text, p.name
        assert f"{p.name}={p.name}" in source, "handed to chapter.start"
        p.check(p.default)
        with pytest.raises(ValueError, match=f"^{p.name} is "):
            p.check({})


PLAIN = {
    "trials": parameters.Parameter("trials", 5, "", 2, 100),
    "keep": parameters.Parameter("keep", 0.5, "", 0, 1),
    "steps": parameters.Parameter("steps", 5),
    "widths": parameters.Parameter("widths", [4, 8]),
    "law": parameters.Parameter("law", "normal"),
    "bias": parameters.Parameter("bias", True),
}


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("trials=1", "trials is 1; give at least 2"),
        ("trials=101", "trials is 101; give at most 100"),
        ("trials=2.5", "trials is 2.5; give a whole number"),
        ("trials=True", "trials is True; give a number"),
        ("trials=ten", "trials is 'ten'; give a number"),
        ("steps=0", "steps is 0; give a positive number"),
        ("steps=1e999", "steps is inf; give a number"),
        ("keep=1.5", "keep is 1.5; give at most 1"),
        ("widths=4", "widths is 4; give a list"),
        ("widths=[]", "widths is .*; give a list"),
        ("widths=[4, -1]", "widths is .*; of each: give a positive"),
        ("bias=1", "bias is 1; give a bool"),
        ("colour=3", "no parameter 'colour=3' in part/x; .*trials, keep"),
        ("trials", "no parameter 'trials'"),
    ],
)
def test_a_wrong_value_is_named(word, said):
    with pytest.raises(ValueError, match=said):
        parameters.parse([word], PLAIN, "part/x")


def test_right_values_are_taken():
    words = ["keep=1", "widths=[2]", "law=3", "bias=False", "trials=7"]
    assert parameters.parse(words, PLAIN, "part/x") == {
        "keep": 1,
        "widths": [2],
        "law": "3",
        "bias": False,
        "trials": 7,
    }


def test_a_changed_parameter_beats_either_profile_at_any_depth():
    known = parameters.read(NAME)
    same = {"trials": known["trials"].default}
    more = known["trials"].default + 3
    paper = {"trials": 10, "recipe": {"steps": 5000, "batch": 64}}
    run = chapter.Run(NAME, "paper", values=same)
    assert run.scale(laptop={}, paper=paper) == paper
    run = chapter.Run(NAME, "paper", values={"trials": more, "steps": 3})
    assert run.scale(laptop={}, paper=paper) == {
        "trials": more,
        "recipe": {"steps": 3, "batch": 64},
    }
    # said, though it is the chapter's own value: explicit beats the profile
    run = chapter.Run(NAME, "paper", values=same, told=["trials"])
    assert run.scale(laptop={}, paper=paper)["trials"] == same["trials"]
    with pytest.raises(ValueError, match="'colour' is no parameter"):
        chapter.Run(NAME, "laptop", values={"colour": 1})


@pytest.mark.parametrize(
    ("changes", "told", "written"),
    [({}, True, True), ({}, False, False), ({"trials": 3}, True, False)],
)
def test_only_a_run_told_so_writes_its_record(
    changes, told, written, monkeypatch, capsys
):
    kept = []
    monkeypatch.setattr(
        records, "save", lambda *a: kept.append(a) or records.ROOT / "x.json"
    )
    monkeypatch.setattr(records, "load", lambda name: None)
    monkeypatch.setenv("BOOK_PROFILE", "paper")
    run = chapter.Run(NAME, "paper", values=changes, record=told)
    run.finish({})
    run.verdict()
    assert bool(kept) == written
    said = capsys.readouterr().out
    assert ("not recorded" in said) != written
    assert ("no verdict" in said) != written


def test_an_ambient_profile_changes_nothing(monkeypatch):
    monkeypatch.setenv("BOOK_PROFILE", "paper")
    assert chapter.start(NAME, "laptop").profile == "laptop"


@pytest.mark.parametrize(
    "words", [["render", "--help", NAME], ["render", NAME, "-h"], ["-h", NAME]]
)
def test_help_lists_a_chapters_parameters(words, capsys):
    command.main(words)
    said = capsys.readouterr().out
    for p in parameters.read(NAME).values():
        assert f"{p.name} = {p.default!r}" in said


def test_help_of_no_chapter():
    with pytest.raises(SystemExit, match="no chapter dropout/nothing"):
        command.main(["render", "--help", "dropout/nothing"])


BOOK = """\
# %% tags=["parameters"]
profile = "laptop"  # or "paper"
width = 3  # units
# %%
from book.tools import chapter
run = chapter.start("dropout/straight_line", profile)
run.finish({})
print(profile, width, run.record)
"""


def small(root):
    """A book of one chapter beside the tools, to be rendered elsewhere."""
    shutil.copytree(
        records.ROOT / "kernels", root / "kernels", dirs_exist_ok=True
    )
    for folder in ("tools", "claims"):
        shutil.copytree(
            records.ROOT / f"book/{folder}", root / f"book/{folder}"
        )
    for file in ("book/__init__.py", "requirements.txt", "_config.yml"):
        shutil.copy(records.ROOT / file, root / file)
    (root / "_toc.yml").write_text("root: book/dropout/straight_line\n")
    (root / "book/dropout").mkdir()
    site.source(NAME, root).write_text(BOOK, encoding="utf-8")
    return root


class Told(Exception):
    """What a kernel would have been told."""


@pytest.mark.parametrize(
    ("profile", "given", "record"),
    [
        ("laptop", {}, False),
        ("laptop", {"width": 5}, False),
        ("laptop", {"profile": "paper"}, False),
        ("paper", {"width": 3}, False),
        ("paper", {}, True),
    ],
)
def test_what_render_tells_the_kernel(
    tmp_path, monkeypatch, profile, given, record
):
    def manager(*_, **word):
        raise Told(word["record"], word["given"])

    monkeypatch.setattr(kernel, "manager", manager)
    monkeypatch.setenv("BOOK_PROFILE", "paper")
    with pytest.raises(Told) as told:
        render.execute(NAME, profile, given, small(tmp_path), bars=False)
    assert told.value.args == (record, sorted(given))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("profile", "given", "said", "written"),
    [
        ("laptop", {"profile": "paper"}, "paper 3 False", False),
        ("paper", {}, "paper 3 True", True),
    ],
)
def test_what_render_records(
    tmp_path, monkeypatch, profile, given, said, written
):
    root = small(tmp_path)
    monkeypatch.setenv("BOOK_PROFILE", "paper")
    file, _ = render.execute(NAME, profile, given, root, bars=False)
    nb = nbformat.read(file, as_version=4)
    assert any(said in str(c.get("outputs")) for c in nb.cells)
    assert records.path(NAME, root).exists() == written


SCRIPT = BOOK.replace("width = 3", "trials = 5").replace("width", "trials")
SCRIPT = SCRIPT.replace("profile)", "profile, trials=trials)")


@pytest.mark.parametrize(
    ("words", "said", "written"),
    [
        ([], "laptop 5 False", False),
        (["-p", "trials=4"], "laptop 4 False", False),
        (["--profile", "paper"], "paper 5 True", True),
        (["--profile", "paper", "-p", "trials=4"], "paper 4 False", False),
    ],
)
def test_what_a_script_is_told(words, said, written, monkeypatch, capsys):
    kept = []
    monkeypatch.setattr(
        records, "save", lambda *a: kept.append(a) or records.ROOT / "x.json"
    )
    monkeypatch.setattr(records, "load", lambda name: None)
    monkeypatch.setenv("BOOK_PROFILE", "paper")
    monkeypatch.setattr(sys, "argv", [str(site.source(NAME)), *words])
    exec(SCRIPT, {})
    assert said in capsys.readouterr().out
    assert bool(kept) == written


@pytest.mark.slow
def test_a_script_writes_its_record(tmp_path, monkeypatch):
    root = small(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(root))
    done = subprocess.run(
        [sys.executable, f"book/{NAME}.py", "--profile", "paper"],
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert "paper 3 True" in done.stdout, done.stderr
    assert records.path(NAME, root).exists()
