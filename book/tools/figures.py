"""One look for every figure, readable in print and in dark mode.

Colours are the Okabe-Ito set, which stays distinct for colour-blind
readers; series also differ by marker and line style, so that a figure
survives a black-and-white printer.
"""

COLOURS = {
    "blue": "#0072b2",
    "orange": "#d55e00",
    "green": "#009e73",
    "purple": "#a64d8f",
    "gold": "#b87700",
    "grey": "#5c6770",
    "black": "#1b1f23",
}
CYCLE = [COLOURS[c] for c in COLOURS if c not in ("grey", "black")]
# One colour and line a method, in every chapter: label, colour, line style
METHODS = {
    "line": ("straight line", "grey", "--"),
    "matched": ("matched by weights", "gold", ":"),
    "activations": ("by activations", "gold", "-."),
    "repaired": ("the same, repaired", "gold", "-"),
    "bezier": ("Bézier curve", "green", "-"),
    "chain": ("chain", "green", "--"),
    "k19": ("dropout path (K19)", "orange", "-"),
    "n21": ("subnetworks (N21)", "blue", "-"),
    "seven": ("seven segments (S20)", "purple", "-"),
    "five": ("five segments", "purple", "-."),
    "proved": ("proved", "black", ":"),
}
MARKERS = ["o", "s", "^", "D", "v"]
STYLES = ["-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1))]


def style():
    """Set the book's Matplotlib defaults for this process."""
    import matplotlib as mpl
    from cycler import cycler

    mpl.rcdefaults()  # nobody's matplotlibrc
    mpl.rcParams.update(
        {
            "figure.figsize": (7.2, 3.4),
            "figure.dpi": 140,
            "figure.constrained_layout.use": True,
            "savefig.facecolor": "white",
            "font.size": 10,
            "axes.titlesize": 10.5,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.labelsize": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": COLOURS["grey"],
            "axes.grid": True,
            "grid.color": "#d9dee3",
            "grid.linewidth": 0.6,
            "legend.frameon": False,
            "legend.fontsize": 9,
            "lines.linewidth": 1.8,
            "lines.markersize": 4.5,
            "errorbar.capsize": 2.5,
            "svg.hashsalt": "connected-landscape",
            "axes.prop_cycle": cycler(color=CYCLE) + cycler(linestyle=STYLES),
        }
    )


def axes(columns=1, rows=1, *, size=None, **options):
    """The axes of a new figure, in the book's proportions.

    `columns` and `rows` as in ``matplotlib.pyplot.subplots``; `size` in
    inches (7.2 by 3.4 for one row). Returns one Axes, or an array of them.
    """
    import matplotlib.pyplot as plt

    size = size or (7.2, 3.4 if rows == 1 else 2.7 * rows)
    made = plt.subplots(rows, columns, figsize=size, **options)[1]
    if columns > 1 and options.get("sharey"):
        for ax in made.flat:  # each is read alone on narrow screens
            ax.tick_params(labelleft=True)
    return made


def look(method, **others):
    """Matplotlib's options for a method's line: colour, style, label.

    `others` come beside them or in their place.
    """
    label, colour, style = METHODS[method]
    return {"color": COLOURS[colour], "ls": style, "label": label} | others


def legend(ax, **options):
    """The legend of a figure of panels, once, right of them all.

    It names what `ax`, one of the panels, shows. Beside the panels nothing
    is covered, and on narrow screens it comes below them.
    """
    options = {"fontsize": 8, "handlelength": 1.8} | options
    handles = ax.get_legend_handles_labels()
    ax.figure.legend(*handles, loc="outside right upper", **options)


def log_ticks(ax, values, which="x"):
    """Label a log axis at `values` themselves (widths, say)."""
    from matplotlib.ticker import NullLocator

    axis = ax.xaxis if which == "x" else ax.yaxis
    axis.set_ticks(list(values), [f"{v:g}" for v in values])
    axis.set_minor_locator(NullLocator())
