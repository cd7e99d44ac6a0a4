"""Figures of several panels side by side: one below the other on a phone.

A picture of panels is shown again and again, a panel each time, in boxes
that crop it: ``book.css`` shows the first box alone and whole where there is
room, and all, cropped, on narrow screens. Nothing is drawn or fetched twice,
and the first picture alone has the alternative text.
"""

import itertools
import re
from pathlib import Path
from urllib.parse import unquote

import numpy as np
from PIL import Image

SPINE = (0x5C, 0x67, 0x70)  # book/tools/figures.py: the axes' edges
WIDE = 700  # pixels of a picture that a phone would shrink
GAP = 4  # pixels without ink between panels, at least
PICTURE = r'<img (?P<rest>[^>]*src="(?P<src>[^"]*_images/[^"]+\.png)"[^>]*)>'


def cuts(pixels):
    """Columns, as shares of the width, at which panels can be parted.

    `pixels`: (height, width, 3), bytes. A panel begins at its left spine;
    the first columns without ink right of its grid part it from the next
    panel, and the last panel from a legend beside it.
    """
    pixels = np.asarray(pixels, int)
    height, width, _ = pixels.shape
    grey = (abs(pixels - SPINE).max(2) < 60).sum(0) > 0.3 * height
    spines = np.flatnonzero(grey & ~np.roll(grey, 1))
    spines = spines[np.diff(spines, prepend=-9) > 4]
    blank = (pixels.min(2) > 250).all(0)
    found = []
    for start, stop in zip(spines, [*spines[1:], width]):
        gap = _gap(blank[start:stop])
        if gap and (stop < width or not blank[start + gap.stop : stop].all()):
            found.append((start + (gap.start + gap.stop) / 2) / width)
    return found if len(spines) > 1 and width > WIDE else []


def _gap(blank):
    """The first run of `GAP` blank columns or more, or None."""
    edges = np.flatnonzero(np.diff(np.r_[0, blank.astype(int), 0]))
    for start, stop in edges.reshape(-1, 2):
        if stop - start >= GAP:
            return slice(start, stop)
    return None


def boxes(picture, parts):
    """HTML of a picture in a box for each part of its width.

    `picture`: a match of `PICTURE`; `parts`: where parts end, as `cuts` has
    them. All parts keep one scale, at which the widest fills the page.
    """
    ends = [0.0, *parts, 1.0]
    widest = max(np.diff(ends))
    again = f'<img alt="" src="{picture["src"]}">'
    out = []
    for k, (low, high) in enumerate(itertools.pairwise(ends)):
        share = high - low
        look = (
            f"--box:{100 * share / widest:.2f}%;"
            f"--wide:{100 / share:.2f}%;--left:{-100 * low / share:.2f}%"
        )
        inner = again if k else picture[0]
        out.append(f'<span style="{look}">{inner}</span>')
    return f'<span class="stacked">{"".join(out)}</span>'


def stack(page: Path):
    """Put the pictures of panels of a built page into boxes."""

    def boxed(picture):
        with Image.open(page.parent / unquote(picture["src"])) as image:
            parts = cuts(image.convert("RGB"))
        return boxes(picture, parts) if parts else picture[0]

    text = page.read_text(encoding="utf-8")
    page.write_text(re.sub(PICTURE, boxed, text), encoding="utf-8")
