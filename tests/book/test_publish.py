"""The workflow that publishes a fork's pages, as far as it runs here."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
import yaml

from book.tools import records

ROOT = records.ROOT
FOLDER = ROOT / ".github/workflows"
sys.path.insert(0, str(ROOT / "book/_ext"))


def steps(file):
    text = (FOLDER / file).read_text(encoding="utf-8")
    for job in yaml.safe_load(text)["jobs"].values():
        yield from job["steps"]


@pytest.mark.parametrize("file", [f.name for f in FOLDER.iterdir()])
def test_a_workflow_runs_what_there_is(file):
    """Every step has its action or its command, ours with known verbs."""
    for step in steps(file):
        assert ("uses" in step) != ("run" in step), step
        words = step.get("run", "").split()
        if words[:3] == ["python", "-m", "book"]:
            done = subprocess.run(
                [sys.executable, *words[1:4], "--help"],
                cwd=ROOT,
                capture_output=True,
            )
            assert done.returncode == 0, words


def test_the_pages_are_those_of_the_committed_notebooks():
    """A stale chapter stops the workflow before it is run."""
    runs = [s["run"] for s in steps("pages.yml") if "run" in s]
    first = runs.index("python -m book check")
    assert first < runs.index("python -m book build")
    assert not any("render" in r or "data" in r for r in runs)
    [upload] = [s for s in steps("pages.yml") if "upload" in str(s)]
    assert upload["with"]["path"] == "_build/html"


@pytest.mark.skipif(sys.platform != "linux", reason="GNU's sed, as there")
def test_the_workflow_writes_the_repositorys_address(tmp_path):
    config = tmp_path / "_config.yml"
    before = (ROOT / "_config.yml").read_text(encoding="utf-8")
    config.write_text(before, encoding="utf-8")
    [sed] = [s["run"] for s in steps("pages.yml") if "sed" in s.get("run", "")]
    where = "https://example.org/who/book"
    subprocess.run(
        ["bash", "-ec", sed],
        cwd=tmp_path,
        env={"REPOSITORY": where, "PATH": "/usr/bin:/bin"},
        check=True,
    )
    after = yaml.safe_load(config.read_text(encoding="utf-8"))
    assert after.pop("repository") == {"url": where, "branch": "main"}
    before = yaml.safe_load(before)
    assert before.pop("repository") == {"url": ""}
    assert after == before


@pytest.mark.parametrize("url", ["", "https://example.org/who/book"])
def test_pages_link_to_a_configured_repository_alone(url):
    import finish

    options = {"repository_url": url, "use_repository_button": False}
    finish.links(None, SimpleNamespace(html_theme_options=options))
    assert options["use_repository_button"] is bool(url)
    assert options["use_source_button"] is bool(url)
