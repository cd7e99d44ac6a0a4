"""Trials against a size on logarithmic axes, and the power law's slope."""

import numpy as np

from book.tools import figures, fits

INKS = [*figures.CYCLE, figures.COLOURS["black"], "0.45"]
MARKERS = [*figures.MARKERS, "X", "P"]
ROUND = [m * 10.0**k for k in range(-5, 3) for m in (1, 2, 5)]


def gather(cells, value):
    """(widths, one list of `value(cell)` over the trials per width)."""
    widths = sorted({c["width"] for c in cells})
    return np.array(widths), [
        [value(c) for c in cells if c["width"] == n] for n in widths
    ]


def series(ax, sizes, rows, *, j, label, line=True, ink=None):
    """Mean and deviation over trials, and the power law's line: a `Fit`.

    In the j-th of seven colours and markers, or in `ink`; the label has the
    slope.
    Without `line` there is neither, and None returned.
    """
    ink = ink or INKS[j]
    fit = fits.loglog(sizes, rows) if line else None
    mean = [np.mean(row) for row in rows]
    sd = [np.std(row, ddof=1) if len(row) > 1 else 0 for row in rows]
    ax.errorbar(
        sizes,
        mean,
        np.minimum(sd, 0.9 * np.abs(mean)),
        fmt=MARKERS[j],
        color=ink,
        label=f"{label}: {fit}" if line else label,
    )
    if line:
        ax.plot(sizes, fit(sizes), lw=1, color=ink)
    return fit


def rate(ax, sizes, start, exponent, label):
    """The dotted line of a power law through the first size and `start`."""
    power = (np.asarray(sizes) / sizes[0]) ** exponent
    grey = figures.COLOURS["grey"]
    ax.plot(sizes, start * power, ":", color=grey, label=label)


def finish(axes, sizes, label="neurons a layer, N"):
    """Logarithmic axes with the sizes, or every other one, as ticks."""
    for ax in np.atleast_1d(axes):
        ax.set(xscale="log", yscale="log", xlabel=label)
        figures.log_ticks(ax, sizes[:: 1 + len(sizes) // 6])
        low, high = ax.get_ylim()
        inside = [v for v in ROUND if low < v < high]
        if len(inside) < 7:
            figures.log_ticks(ax, inside, "y")


def below(axes, **options):
    """A legend under each of the axes, where it covers no curve."""
    place = dict(loc="upper center", bbox_to_anchor=(0.5, -0.2), fontsize=8)
    for ax in np.atleast_1d(axes):
        ax.legend(**place | options)
