"""Give every Matplotlib figure a numeric twin, so that nbval compares data.

PNG bytes differ between machines and are never compared. The digest, a
short text of statistics of every line, image, bar and collection, travels
in the same output as the picture, where nbval reads it.
"""

import numpy as np


def statistics(name, values):
    """One digest line for an array: count, scale, and relative numbers.

    Smallest, largest, mean, root mean square, sum of the steps' sizes, first
    and last: what captions.py needs to tell "rises" from "falls".
    """
    v = np.ma.masked_invalid(np.asarray(values, dtype=float)).compressed()
    scale = float(np.abs(v).max()) if v.size else 0.0
    u = v / scale if scale else v
    numbers = []
    if v.size:
        rms = np.sqrt(np.mean(u * u))
        steps = np.abs(np.diff(u)).sum()  # sees a reordering
        ends = u.ravel()[[0, -1]]
        numbers = [u.min(), u.max(), u.mean(), rms, steps, *ends]
    tail = [f"{t + 0.0:.4f}" for t in numbers]
    if v.size > 1000:  # a sum over many: to the digits that hold
        tail[4] = f"{steps:.4e}"
    tail = " ".join(tail)
    return f"    {name} n={v.size} scale={scale:.4e} {tail}".rstrip()


def _artists(ax):
    for line in ax.lines:
        x, y = line.get_data(orig=False)
        yield f"  line {line.get_label()!r}"
        yield statistics("x", x)
        yield statistics("y", y)
    for image in ax.images:
        array = image.get_array()
        yield statistics(f"image {np.shape(array)}", array)
    for collection in ax.collections:
        kind = type(collection).__name__
        yield statistics(kind, collection.get_offsets())
        for path in collection.get_paths()[:3]:
            yield statistics(f"{kind} path", path.vertices)
    for patch in ax.patches:
        if type(patch).__name__ == "Polygon":  # a histogram's outline
            x, y = patch.get_xy().T
            yield statistics("Polygon x", x)
            yield statistics("Polygon y", y)
            continue
        extent = patch.get_path().transformed(patch.get_patch_transform())
        yield statistics(type(patch).__name__, extent.get_extents().extents)
    for text in ax.texts:
        yield f"  text {text.get_text()!r}"


def digest(figure):
    """Text twin of `figure`: titles, axes, and statistics of its data."""
    w, h = figure.get_size_inches()
    lines = [f"<Figure {w:g} by {h:g} in, {len(figure.axes)} axes>"]
    for ax in figure.axes:
        lines.append(
            f" axes {ax.get_title()!r}"
            f" x={ax.get_xlabel()!r}[{ax.get_xscale()}]"
            f" y={ax.get_ylabel()!r}[{ax.get_yscale()}]"
        )
        lines.extend(_artists(ax))
    return "\n".join(lines)


def install():
    """Show figures inline, each with its digest. No effect in a script."""
    try:
        from IPython import get_ipython
    except ImportError:
        return
    shell = get_ipython()
    if shell is None:
        return
    from matplotlib.figure import Figure

    shell.run_line_magic("matplotlib", "inline")
    shell.run_line_magic(
        "config",
        "InlineBackend.print_figure_kwargs = "
        "{'bbox_inches': 'tight', 'metadata': {'Software': None}}",
    )
    shell.display_formatter.formatters["text/plain"].for_type(
        Figure, lambda figure, p, cycle: p.text(digest(figure))
    )


def show(thing):
    """Display `thing` in a notebook, print it in a script."""
    try:
        from IPython import get_ipython
        from IPython.display import display
    except ImportError:
        print(thing)
        return
    display(thing) if get_ipython() else print(thing)
