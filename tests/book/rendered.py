"""The figures of the book as its notebooks keep them."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass

from book.tools import site


@dataclass(frozen=True)
class Picture:
    """A figure of a rendered chapter."""

    chapter: str
    label: str
    alt: str
    caption: str
    digest: str
    png: bytes


def pictures() -> Iterator[Picture]:
    """All figures of all renderings; test_render asks for what is missing."""
    for name in site.chapters():
        file = site.notebook(name)
        if not file.exists():
            continue
        for cell in json.loads(file.read_text(encoding="utf-8"))["cells"]:
            notes = cell["metadata"].get("mystnb", {})
            for out in cell.get("outputs", []):
                data = out.get("data", {})
                digest = "".join(data.get("text/plain", []))
                if digest.startswith("<Figure"):
                    yield Picture(
                        chapter=name,
                        label=notes["figure"]["name"],
                        alt=notes.get("image", {}).get("alt", ""),
                        caption=notes["figure"].get("caption", ""),
                        digest=digest,
                        png=base64.b64decode(data["image/png"]),
                    )
