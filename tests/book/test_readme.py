"""What the README shows works as it stands there."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from kernels import networks

README = Path(__file__).resolve().parents[2] / "README.md"
PYTHON = re.compile(r"<!-- example -->\n```python\n(.*?)```", re.DOTALL)


def model(seed):
    """A small VGG with batch norm that has seen some data."""
    torch.manual_seed(seed)
    made = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(True),
        nn.MaxPool2d(2), nn.Conv2d(4, 6, 3, padding=1), nn.BatchNorm2d(6),
        nn.ReLU(True), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
        nn.Linear(24, 8), nn.ReLU(True), nn.Dropout(), nn.Linear(8, 3),
    )  # fmt: skip
    made(torch.randn(16, 3, 32, 32))
    return made.eval()


@pytest.fixture
def shown():
    """The names that the README's example leaves behind."""
    with torch.random.fork_rng():
        names = {"model_a": model(0), "model_b": model(1)}
        names |= {"x": torch.randn(6, 3, 32, 32), "y": torch.arange(6) % 3}
    (code,) = PYTHON.findall(README.read_text(encoding="utf-8"))
    exec(code, names)
    names["code"] = code
    return names


def test_the_example_reaches_a_certified_path(shown):
    proof, net, path = shown["proof"], shown["net"], shown["path"]
    assert proof.exact
    assert proof.attained <= proof.upper <= proof.attained + 1e-4
    x, y = shown["x"], shown["y"]
    for t in torch.linspace(0, 1, 23):
        z = networks.to_module(net, path(float(t)))(x)
        loss = nn.functional.cross_entropy(z, y)
        assert loss <= proof.upper
    for name, t in (("model_a", 0), ("model_b", 1)):
        z = networks.to_module(net, path(t))(x)
        torch.testing.assert_close(z, shown[name](x), atol=1e-5, rtol=0)


def test_the_example_takes_five_lines(shown):
    lines = [line for line in shown["code"].splitlines() if line]
    assert len([one for one in lines if not one.startswith("from ")]) == 5


def entries(text):
    """{key: entry} of the BibTeX entries in a text, by lines."""
    found = re.findall(r"^@\w+\{(\w+),\n(.*?)^\}", text, re.DOTALL | re.M)
    return dict(found)


def test_how_to_cite():
    text = (README.parent / "book/how-to-cite.py").read_text("utf-8")
    text = re.sub("^# ?", "", text, flags=re.M)
    assert "](book/how-to-cite.py)" in README.read_text("utf-8")
    assert "{ref}`how-to-cite`" in (README.parent / "book/index.py").read_text(
        "utf-8"
    )
    cited = entries(text)
    known = entries((README.parent / "book/references.bib").read_text("utf-8"))
    papers = {"kuditipudi2019", "shevchenko2020", "nguyen2021"}
    assert cited.keys() == papers | {"connectedlandscape"}
    assert {key: cited[key] for key in papers} == {
        key: known[key] for key in papers
    }


@pytest.mark.parametrize("page", ["README.md", ".github/CONTRIBUTING.md"])
def test_links_to_files_lead_somewhere(page):
    file = README.parent / page
    for link in re.findall(r"\]\(([^)#:]+)\)", file.read_text("utf-8")):
        assert (file.parent / link).exists(), link


def test_the_licence_is_open():
    assert "has not chosen a licence yet" in README.read_text("utf-8")
