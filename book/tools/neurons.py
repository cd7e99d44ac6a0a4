"""Neurons to press: what `book.tools.builder` shows beside its curves."""

import base64
import io
from html import escape

import numpy as np

from book.tools.figures import COLOURS

MOST = 4.0  # of a scale
DOING = {
    "all": "Keep all",
    "first": "Keep the first half",
    "choose": "Drop the least useful half",
    "best": "Best scale",
}


def table(functions, count):
    """A row for each (name, loss, how many are right), the highest marked."""
    top = max(loss for _, loss, _ in functions)
    rows = "".join(
        f"<tr{' class=top' if loss == top else ''}>"
        f'<th scope="row">{escape(name)}</th><td>{loss:.3g}</td>'
        f"<td>{right}</td></tr>"
        for name, loss, right in functions
    )
    return (
        '<table><thead><tr><th scope="col">network</th><th scope="col">'
        f'loss</th><th scope="col">right, of {count}</th></tr>'
        f"</thead><tbody>{rows}</tbody></table>"
    )


def side(name, theta, kept, scale):
    """A network's neurons as buttons, its scale as a slider.

    A button shows the neuron's input weights and says for which class its
    output weight is largest and for which smallest. All are disabled until
    the script is there.
    """
    weight, top = (layer[0].numpy() for layer in theta)
    h = len(weight)
    buttons = "".join(
        '<button type="button" disabled '
        f'aria-pressed="{str(i in kept).lower()}" '
        f'aria-label="Neuron {i + 1} of {name}, for {top[:, i].argmax()}, '
        f'against {top[:, i].argmin()}" style="--at:{i}"></button>'
        for i in range(h)
    )
    doing = "".join(
        f'<button type="button" disabled data-do="{do}">{word}</button>'
        for do, word in DOING.items()
    )
    return (
        f"<fieldset><legend>Network {name}: <span>{len(kept)} of {h} kept"
        '</span></legend><div class="neurons" role="toolbar" aria-label='
        f'"Neurons of {name}, pressed where kept" style="--count:{h};'
        f'--sprite:url(data:image/png;base64,{sprite(weight)})">{buttons}'
        "</div><label>Scale of what is kept "
        f'<input type="range" min="0" max="{MOST:g}" step="0.01" disabled '
        f'value="{scale:.4f}" autocomplete="off" '
        f'aria-valuetext="{scale:.2f}"></label>'
        f'<p class="doing">{doing}</p></fieldset>'
    )


def sprite(weight):
    """A PNG, base64: the rows of a matrix side by side, as squares.

    White where an input weight is zero, orange above, blue below; the shade
    is the root of its size.
    """
    from matplotlib import image

    edge = int(np.sqrt(weight.shape[1]))
    tiles = weight[:, : edge * edge].reshape(-1, edge, edge)
    share = np.concatenate(list(tiles), 1)[..., None] / np.abs(tiles).max()
    inks = [
        np.array([int(COLOURS[c][k : k + 2], 16) / 255 for k in (1, 3, 5)])
        for c in ("orange", "blue")
    ]
    shown = 1 - np.sqrt(np.abs(share)) * (1 - np.where(share > 0, *inks))
    file = io.BytesIO()
    image.imsave(file, shown, format="png", metadata={"Software": None})
    return base64.b64encode(file.getvalue()).decode()
