"""Where pictures of several panels are parted."""

import io
import re
import sys

import matplotlib
import numpy as np
import pytest
import rendered
from PIL import Image
from test_site import ROOT

matplotlib.use("agg")
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import stacked

from book.tools import figures


def pixels(figure):
    """A figure as the notebooks keep it."""
    file = io.BytesIO()
    figure.savefig(file, bbox_inches="tight")
    return np.asarray(Image.open(file).convert("RGB"))


@pytest.fixture(autouse=True)
def look():
    """The book's look, and no figures left behind."""
    import matplotlib.pyplot as plt

    with matplotlib.rc_context():
        figures.style()
        yield
        plt.close("all")


def drawn(columns, rows=1, *, legend=False, **options):
    """A picture of panels, and where each column of them begins and ends."""
    axes = figures.axes(columns, rows, **options)
    for k, ax in enumerate(np.ravel(axes)):
        ax.plot([0, 1], [k, 2 * k + 1], label="a method with a name")
        ax.set(xlabel="t", ylabel="loss", title=f"panel {k}")
    if legend:
        figures.legend(np.ravel(axes)[0])
    return pixels(np.ravel(axes)[0].figure)


@pytest.mark.parametrize("columns", [2, 3, 4])
@pytest.mark.parametrize("rows", [1, 2])
@pytest.mark.parametrize("sharey", [False, True])
def test_panels_and_a_legend_are_parted(columns, rows, sharey):
    image = drawn(columns, rows, sharey=sharey)
    found = stacked.cuts(image)
    assert len(found) == columns - 1
    assert np.allclose(found, np.arange(1, columns) / columns, atol=0.08)
    beside = stacked.cuts(drawn(columns, rows, legend=True))
    assert len(beside) == columns
    assert beside[-1] > 0.7


def test_no_ink_is_cut():
    image = drawn(2, legend=True)
    at = [round(c * image.shape[1]) for c in stacked.cuts(image)]
    assert (image[:, at] > 250).all()


def test_one_panel_stays_whole():
    ax = figures.axes()
    ax.plot([0, 1], [0, 1], label="line")
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    assert stacked.cuts(pixels(ax.figure)) == []


def test_boxes_show_every_column_once_and_describe_it_once():
    picture = re.search(
        stacked.PICTURE, '<img alt="two hills" src="../_images/a.png" />'
    )
    html = stacked.boxes(picture, [0.25])
    assert html.count("two hills") == 1
    assert html.count('alt=""') == 1
    wide = [float(v) for v in re.findall(r"--wide:([\d.]+)%", html)]
    left = [float(v) for v in re.findall(r"--left:(-?[\d.]+)%", html)]
    box = [float(v) for v in re.findall(r"--box:([\d.]+)%", html)]
    shares = [100 / w for w in wide]
    assert np.allclose(shares, [0.25, 0.75], atol=1e-4)
    assert np.allclose(left, [0, -100 / 3], atol=0.01)
    assert np.allclose(np.divide(box, shares), 400 / 3, atol=0.02)


def test_the_books_panels_are_parted():
    """All pictures with panels, but drawings of networks, which have none."""
    drawings = {"fig-mc-knots", "fig-dp-one", "fig-dp-short", "fig-st-down"}
    whole = []
    for one in rendered.pictures():
        image = Image.open(io.BytesIO(one.png)).convert("RGB")
        many = int(re.search(r"(\d+) axes", one.digest)[1]) > 1
        if many and image.width > stacked.WIDE and one.label not in drawings:
            name = f"{one.chapter}, {one.label}"
            whole += [] if stacked.cuts(image) else [name]
    assert whole == []
