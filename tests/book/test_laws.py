"""Trials against a size: gathered, drawn with their slope, and finished."""

import matplotlib
import numpy as np
import pytest

matplotlib.use("agg")

from book.tools import laws

SIZES = np.array([10, 20, 40])


@pytest.fixture
def ax():
    from matplotlib.figure import Figure

    return Figure().subplots()


def test_trials_are_gathered_by_width():
    cells = [dict(width=n, loss=v) for n, v in ((8, 1), (4, 2), (8, 3))]
    widths, rows = laws.gather(cells, lambda c: c["loss"])
    assert widths.tolist() == [4, 8]
    assert rows == [[2], [1, 3]]


def test_a_series_draws_means_deviations_and_its_law(ax):
    rows = [[2 / n, 4 / n] for n in SIZES]  # mean 3/n, deviation sqrt(2)/n
    fit = laws.series(ax, SIZES, rows, j=0, label="ours")
    assert fit.slope == pytest.approx(-1)
    (bars,) = ax.containers
    assert np.allclose(bars[0].get_ydata(), 3 / SIZES)
    ends = bars[2][0].get_segments()
    assert np.allclose([np.ptp(s[:, 1]) / 2 for s in ends], 2**0.5 / SIZES)
    assert ax.get_legend_handles_labels()[1] == ["ours: -1.00 ± 0.00"]
    assert np.allclose(ax.lines[-1].get_ydata(), 3 / SIZES)


def test_seven_series_differ_in_colour_and_in_marker(ax):
    for j in range(7):
        laws.series(ax, SIZES, [[1]] * 3, j=j, label="", line=False)
    points = [bars[0] for bars in ax.containers]
    assert len({p.get_color() for p in points}) == 7
    assert len({p.get_marker() for p in points}) == 7


def test_without_a_line_nothing_is_fitted(ax):
    rows = [[1, 2], [-1, -2], [0, 1]]  # no power law
    assert laws.series(ax, SIZES, rows, j=1, label="a", line=False) is None
    assert ax.get_legend_handles_labels()[1] == ["a"]


def test_a_deviation_as_large_as_its_mean_stays_on_a_logarithmic_axis(ax):
    laws.series(ax, SIZES, [[1e-3, 5]] * 3, j=0, label="a", line=False)
    segments = ax.containers[0][2][0].get_segments()
    assert min(s.min() for s in segments) > 0


def test_a_rate_starts_where_it_is_told(ax):
    laws.rate(ax, SIZES, 6, -0.5, "the bound's")
    x, y = ax.lines[0].get_data()
    assert y[0] == 6
    assert np.allclose(np.diff(np.log(y)) / np.diff(np.log(x)), -0.5)


def test_axes_are_finished(ax):
    laws.rate(ax, SIZES, 6, -0.5, "the bound's")
    laws.finish(ax, SIZES, "size")
    laws.below(ax)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert ax.get_xlabel() == "size"
    assert [t.get_text() for t in ax.get_xticklabels()] == ["10", "20", "40"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["5"]
    assert len(ax.get_legend().get_texts()) == 1
