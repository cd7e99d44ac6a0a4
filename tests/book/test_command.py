"""`python -m book` as a newcomer meets it."""

import ast
import errno
import os
import shutil
import socket
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement

from book import __main__ as command
from book.tools import claims, render, site

ROOT = Path(__file__).resolve().parents[2]


def book(*words, **env):
    return subprocess.run(
        [sys.executable, "-m", "book", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, **env},
    )


def test_help():
    done = book("--help")
    assert done.returncode == 0
    assert "usage: python -m book" in done.stdout


@pytest.mark.parametrize(
    "verb", ["build", "render", "check", "data", "serve", "gpu-check"]
)
def test_help_of_a_command(verb, capsys):
    with pytest.raises(SystemExit) as end:
        command.main([verb, "--help"])
    assert end.value.code == 0
    assert f"usage: python -m book {verb}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["render", "meanfield/nothing"], "meanfield/dropout_stability"),
        (["render", "--profile", "phone"], "laptop, paper"),
        (
            ["render", "meanfield/dropout_stability", "-p", "colour=3"],
            "profile",
        ),
    ],
)
def test_unknown_words_list_the_valid_ones(words, said):
    message = fails(*words)
    assert message.startswith("error: no")
    assert said in message


def test_an_error_is_one_message_and_a_code():
    done = book("render", "meanfield/nothing")
    assert done.returncode == 1
    assert done.stderr.startswith("error: no chapter meanfield/nothing")
    assert "Traceback" not in done.stderr


def test_a_taken_port_says_what_to_do(tmp_path):
    if not (ROOT / "_build/html/index.html").exists():
        pytest.skip("the book is not built")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = book("serve", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert "choose another" in done.stderr


@pytest.mark.parametrize("port", ["70000", "-1", "http"])
def test_a_port_that_is_none(port, capsys):
    with pytest.raises(SystemExit) as end:
        command.main(["serve", "--port", port])
    assert end.value.code == 2
    assert "0 to 65535" in capsys.readouterr().err


# --- the first ten minutes -----------------------------------------------


def fails(*words):
    """The message with which a command ends."""
    with pytest.raises(SystemExit) as end:
        command.main([*words])
    return str(end.value)


def test_an_old_python_is_told_which_one_to_use():
    code = "import sys; sys.version_info = (3, 9, 1); import book"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "needs 3.11 or newer" in done.stderr
    assert "Traceback" not in done.stderr
    ast.parse((ROOT / "book/__init__.py").read_text(), feature_version=(3, 6))


def test_pip_stops_under_an_old_python():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    first = Requirement(next(n for n in lines if not n.startswith("#")))
    assert first.url == "file:///this-book-needs-Python-3.11-or-newer"
    assert not Path(first.url.removeprefix("file://")).exists()
    for version, stops in (("3.9", 1), ("3.10", 1), ("3.11", 0), ("3.14", 0)):
        assert first.marker.evaluate({"python_version": version}) == stops


@pytest.mark.parametrize("name", ["yaml", "nbformat", "jupytext"])
def test_a_missing_package_is_named(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    claims._load.cache_clear()  # what another test has read already
    site.parsed.cache_clear()
    said = fails("check")
    assert f"{name} is not installed" in said
    assert ".venv/bin/python" in said


def test_another_jupyter_book_is_refused_before_anything_runs(monkeypatch):
    monkeypatch.setattr(metadata, "version", lambda name: "2.0.1")
    monkeypatch.setattr(render, "render", lambda *_, **__: 1 / 0)
    said = fails("build")
    assert "jupyter-book is 2.0.1; this book needs 1.x" in said
    assert "pip install -r requirements.txt" in said


def test_no_jupyter_book_at_all(monkeypatch):
    def version(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)
    assert "jupyter-book is not installed" in fails("build")


def test_a_disk_too_small_is_seen_before_anything_runs(monkeypatch):
    usage = SimpleNamespace(free=3_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr(render, "render", lambda *_, **__: 1 / 0)
    said = fails("build")
    assert "3 MB are free" in said
    assert "make room" in said


def test_a_disk_that_fills_up(monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device", "a.ipynb")

    monkeypatch.setattr(site, "ready", lambda: None)
    monkeypatch.setattr(render, "render", full)
    said = fails("build")
    assert "a.ipynb" in said
    assert "make room" in said


def test_no_network_leaves_three_ways_to_get_the_data(tmp_path):
    """Names lead nowhere: a proxy at a closed port."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{closed.getsockname()[1]}"
    done = book(
        "data", "mnist", "--root", str(tmp_path),
        HTTP_PROXY=proxy, HTTPS_PROXY=proxy, http_proxy=proxy,
        https_proxy=proxy, NO_PROXY="", no_proxy="",
    )  # fmt: skip
    assert done.returncode == 1
    assert "Three ways" in done.stderr
    assert "Traceback" not in done.stderr


def test_data_says_where_the_data_is(tmp_path, capsys):
    command.main(["data", "--root", str(tmp_path)])
    said = capsys.readouterr().out
    for name in ("gaussians", "digits", "mnist", "cifar10"):
        assert name in said
