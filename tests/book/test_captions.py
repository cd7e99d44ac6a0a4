"""Captions and alternative texts say what their figures show."""

import matplotlib
import numpy as np
import pytest
import rendered

from book.tools import captions, digest

matplotlib.use("agg")


def figure(*curves, log=False):
    """The digest of a figure with these (x, y, label)."""
    from matplotlib.figure import Figure

    fig = Figure()
    ax = fig.subplots()
    for x, y, label in curves:
        ax.plot(x, y, label=label)
    if log:
        ax.set_yscale("log")
    return digest.digest(fig)


X = np.linspace(0, 1, 11)
HILL = figure((X, 3 * X * (1 - X), "line"), (X, 0.2 + 0 * X, "path"))
PAIR = figure(
    (X, 1 + 3 * X * (1 - X), "straight line"),
    (X, 1 + X * (1 - X), "dropout path (K19)"),
    (X, 0.5 + 0 * X, "flat one"),
)
FALL = figure((10 * X + 1, 8 / (10 * X + 1), "loss"))


@pytest.mark.parametrize(
    "text",
    [
        "The line rises to 0.75, the path stays at 0.2.",
        "The path stays below 0.21, the line comes above 0.5.",
        "Five runs at N = 800, layers 2 and 3, 12 segments, Figure 7.",
        "CIFAR-10, 64-64-10, from d = 8 to 32.",
        "The path is not monotone.",
    ],
)
def test_true_words_pass(text):
    assert captions.faults(text, HILL) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("The line rises to 0.92.", "0.92"),
        ("The line rises to 1.4 and no more.", "1.4"),
        ("Theorem 1 to 0.28, the path at 0.2.", "0.28"),
        ("The path stays below 0.05.", "0.05"),
        ("The line comes above 0.9.", "0.9"),
        ("Both are smooth and monotone.", "not monotone"),
    ],
)
def test_false_words_are_found(text, fault):
    (found,) = captions.faults(text, HILL)
    assert fault in found


def test_the_direction_is_seen():
    assert captions.faults("The loss falls from 8 to 0.73.", FALL) == []
    assert captions.faults("It is monotone.", FALL) == []
    assert captions.faults("The loss rises.", FALL) == ["no curve rises"]
    assert captions.faults("It rises and falls back.", HILL) == []
    rise = figure((X, X, "loss"))
    assert captions.faults("The loss falls.", rise) == ["no curve falls"]


@pytest.mark.parametrize(
    "text",
    [
        "The path stays far below the line.",
        "The straight line rises well above the dropout path.",
        "A hill: the line lies above that of the path, and it is smooth.",
        "The path is below it.",
    ],
)
def test_curves_that_lie_as_said_pass(text):
    assert captions.faults(text, PAIR) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("The path lies above the straight line.", "not above"),
        ("Both start at 1; the line stays below the path.", "not below"),
        ("The line is hardly under that of the dropout path.", "not under"),
        ("The path lies below the flat one.", "not below"),
    ],
)
def test_curves_that_do_not_lie_as_said_are_found(text, fault):
    (found,) = captions.faults(text, PAIR)
    assert fault in found


def test_error_bars_do_not_lend_their_ends():
    from matplotlib.figure import Figure

    fig = Figure()
    fig.subplots().errorbar([1, 2, 3], [5, 6, 7], [2, 2, 2], capsize=2)
    text = digest.digest(fig)
    assert captions.faults("from 5 to 7.", text) == []
    assert captions.faults("It ends at 9.1.", text) == [
        "9.1 is not in the figure's data"
    ]


def test_the_books_figures_are_described_truly():
    found = [
        f"{one.chapter}, {one.label}, {kind}: {fault}"
        for one in rendered.pictures()
        for kind, text in (("alt", one.alt), ("caption", one.caption))
        for fault in captions.faults(text, one.digest)
    ]
    assert found == []


def test_the_reading_reads_something():
    texts = [t for one in rendered.pictures() for t in (one.alt, one.caption)]
    assert sum(len(captions.numbers(text)) for text in texts) > 50
