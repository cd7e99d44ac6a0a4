"""A reader's own two networks: from files to a certified table."""

import json
import re
import runpy
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from book.tools import chapter, parameters, records, tables

CODE = """
from torch import nn

def net():
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(24, 8), nn.ReLU(),
        nn.Linear(8, 3),
    )

def tanh():
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.Tanh(),
                         nn.Linear(8, 3))
"""


def run(*words):
    """The chapter as a script with these parameters."""
    said = [w for word in words for w in ("-p", word)]
    return subprocess.run(
        [sys.executable, "book/yours.py", *said],
        cwd=records.ROOT,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def mine(tmp_path):
    """Two trained models of the reader's, a state dict each; the data."""
    (tmp_path / "mine.py").write_text(CODE)
    names = {}
    exec(CODE, names)
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    x = rng.standard_normal((60, 1, 4, 4)).astype(np.float32)
    x[:, 0, 0, :3] += 2 * np.eye(3, dtype=np.float32)[y]
    np.savez(tmp_path / "mine.npz", x=x, y=y)
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    models = []
    with torch.random.fork_rng():
        for k in range(2):
            torch.manual_seed(k)
            models.append(names["net"]())
            sgd = torch.optim.SGD(models[k].parameters(), 0.1, momentum=0.9)
            for _ in range(30):
                sgd.zero_grad()
                nn.functional.cross_entropy(models[k](x), y).backward()
                sgd.step()
            torch.save(models[k].eval().state_dict(), tmp_path / f"{k}.pt")
    return tmp_path, models, x, y


def given(folder, **others):
    """The words for two files in a folder."""
    words = {
        "first": folder / "0.pt",
        "second": folder / "1.pt",
        "dataset": folder / "mine.npz",
        "architecture": "conv 6 3 pad 1; norm; pool 2; linear 8; linear 3",
        "samples": 50,
        "draws": 4,
    }
    return [f"{k}={v}" for k, v in (words | others).items()]


@pytest.mark.slow
def test_two_files_become_a_table(mine):
    folder, models, x, y = mine
    done = run(*given(folder))
    assert done.returncode == 0, done.stderr
    out = records.ROOT / "_build/runs/script"
    found = json.loads((out / "numbers.json").read_text())
    ways = found["ways"]
    assert list(ways) == [
        *("straight line", "matched, weights", "matched, activations"),
        *("Theorem 1", "Theorem 4.1"),
    ]
    for name in ("Theorem 1", "Theorem 4.1"):
        assert ways[name]["exact"]
        assert ways[name]["found"] >= max(found["losses"]) - 1e-12
    assert {"0.pt", "1.pt", "mine.npz"} <= set(
        re.findall(r"\d\.pt|mine\.npz", done.stdout)
    )
    # by PyTorch alone, on the samples that the page says it took
    g = chapter.device.generator(0, "yours", "samples")
    some = torch.randperm(60, generator=g)[:50]
    x, y = x[some].double(), y[some]
    for model, loss in zip(models, found["losses"]):
        with torch.no_grad():
            mine = nn.functional.cross_entropy(model.double()(x), y)
        assert loss == pytest.approx(float(mine), rel=1e-5)
    for file in ("table.md", "table.tex"):
        text = (out / file).read_text()
        assert "straight line" in text
    assert (out / "figure.pdf").stat().st_size > 1000


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"second": ""}, "second is ''; two files will do, or neither"),
        ({"first": "absent.pt"}, r"absent\.pt"),
        ({"architecture": "16-8-3"}, "no order|needs"),
        ({"architecture": "{}/mine.py:tanh"}, "needs|Tanh"),
        ({"dataset": "letters"}, "letters"),
    ],
)
def test_what_will_not_do_is_named(mine, change, said, monkeypatch):
    folder = mine[0]
    change = {k: v.format(folder) for k, v in change.items()}
    words = [w for word in given(folder, **change) for w in ("-p", word)]
    page = str(records.ROOT / "book/yours.py")
    monkeypatch.setattr(sys, "argv", [page, *words])
    with pytest.raises((ValueError, OSError), match=said):
        runpy.run_path(page)


def test_the_command_that_is_shown_is_one():
    """In the README and on the page itself."""
    known = parameters.read("yours")
    for page in ("README.md", "book/yours.py"):
        text = (records.ROOT / page).read_text(encoding="utf-8")
        text = re.sub(r"\\\n#? *", "", text)
        (command,) = re.findall(r"-m book render yours (.*)", text)
        words = command.split(" -p ")
        assert parameters.parse(
            [w.removeprefix("-p ") for w in words], known, "yours"
        ).keys() == {"first", "second", "architecture", "dataset"}, page


def test_a_table_in_three_forms():
    head, rows = ("way", "at most"), [("a_b", "1 %"), ("c", "10 %")]
    assert tables.text(head, rows).splitlines() == [
        "way  at most",
        "a_b      1 %",
        "c       10 %",
    ]
    assert tables.markdown(head, rows).splitlines()[1:3] == [
        "| --- | ---: |",
        "| a_b | 1 % |",
    ]
    assert r"a\_b & 1 \% \\" in tables.latex(head, rows).splitlines()
