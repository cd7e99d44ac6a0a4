"""`python -m book` as a newcomer meets it."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def book(*words, **env):
    return subprocess.run(
        [sys.executable, "-m", "book", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, **env},
    )


@pytest.mark.parametrize(
    "verb", ["", "build", "render", "check", "data", "serve"]
)
def test_help(verb):
    done = book(*filter(None, [verb, "--help"]))
    assert done.returncode == 0
    assert "usage: python -m book" in done.stdout


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
    done = book(*words)
    assert done.returncode == 1
    assert "error: no" in done.stderr
    assert said in done.stderr
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


def test_data_says_where_the_data_is(tmp_path):
    done = book("data", "--root", str(tmp_path))
    assert done.returncode == 0, done.stderr
    for name in ("gaussians", "digits", "mnist", "cifar10"):
        assert name in done.stdout
