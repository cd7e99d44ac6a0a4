"""From a chapter's source to its notebook, with nothing left to chance.

One way only: ``NAME.py`` (py:percent) -> ``NAME.ipynb``. Cell ids come from
the cells' text, and everything that changes from run to run without
meaning (times, progress bars, papermill's notes) is scrubbed, so that a
rendering made again on the same machine gives no diff.
"""

import hashlib
import json

NOTE = "landscape"  # our entry in the notebook's metadata
ALT = 40  # characters an alt text needs at least


def convert(source):
    """The notebook of the chapter source `source`, not executed."""
    import jupytext
    import nbformat

    nb = jupytext.read(source)
    nb.metadata = {
        "kernelspec": {
            "display_name": "Python 3 (ipykernel)",
            "language": "python",
            "name": "python3",
        }
    }
    nb.nbformat, nb.nbformat_minor = 4, 5
    return _identify(nbformat.from_dict(nb))


def _identify(nb):
    seen = {}
    for cell in nb.cells:
        text = f"{cell.cell_type}\0{cell.source}"
        name = hashlib.sha256(text.encode()).hexdigest()[:8]
        again = seen[name] = seen.get(name, -1) + 1
        cell["id"] = f"{name}-{again}" if again else name
    return nb


def scrub(nb):
    """Remove from an executed notebook what differs between runs."""
    for name in ("papermill", "widgets"):
        nb.metadata.pop(name, None)
    nb.metadata.get("language_info", {}).pop("version", None)
    for cell in nb.cells:
        for name in ("papermill", "execution"):
            cell.metadata.pop(name, None)
        if cell.metadata.get("tags") == []:
            del cell.metadata["tags"]
        if cell.cell_type == "code":
            cell.outputs = _merge(cell.outputs)
    return _identify(nb)


def _merge(outputs):
    kept = []
    for out in outputs:
        if "image/png" in out.get("data", {}):
            out.data["image/png"] = lighter(out.data["image/png"])
        stream = out.output_type == "stream"
        if stream and out.name == "stderr":
            continue  # progress bars
        last = kept[-1] if kept else None
        if (
            stream
            and last is not None
            and last.output_type == "stream"
            and last.name == out.name
        ):
            last.text += out.text
        else:
            kept.append(out)
    return kept


def lighter(png):
    """A PNG (base64) with a palette of 64 colours: a third of the bytes."""
    import base64
    import io

    from PIL import Image

    picture = Image.open(io.BytesIO(base64.b64decode(png)))
    if picture.mode == "P":
        return png
    small = io.BytesIO()
    flat = picture.convert("RGB")
    flat = flat.quantize(64, dither=Image.Dither.NONE)
    flat.save(small, "png", optimize=True)
    return base64.b64encode(small.getvalue()).decode()


def refresh(rendered, source):
    """`source`'s notebook with the outputs of `rendered`.

    For a change of prose or of captions: the code cells are the same.
    """
    fresh = convert(source)
    new = [c for c in fresh.cells if c.cell_type == "code"]
    old = [c for c in rendered.cells if c.cell_type == "code"]
    if [c.source for c in new] != [c.source for c in old]:
        raise ValueError(f"{source}: its code changed; render it again")
    for mine, theirs in zip(new, old):
        mine.outputs = theirs.outputs
        mine.execution_count = theirs.execution_count
    fresh.metadata = rendered.metadata
    return fresh


def differences(rendered, source):
    """Where the notebook and its source are out of step, as sentences."""
    fresh, found = convert(source), []
    if len(fresh.cells) != len(rendered.cells):
        found.append(
            f"{len(rendered.cells)} cells in the notebook, "
            f"{len(fresh.cells)} in the source"
        )
    for i, (a, b) in enumerate(zip(rendered.cells, fresh.cells)):
        same = (a.cell_type, a.id, a.source, a.metadata) == (
            b.cell_type,
            b.id,
            b.source,
            b.metadata,
        )
        if not same:
            first = (b.source or a.source).strip().split("\n")[0][:60]
            found.append(f"cell {i} differs from the source: {first!r}")
    return found


def seals(nb):
    """{cell id: digest of its outputs} of an executed notebook."""
    return {
        cell.id: hashlib.sha256(
            json.dumps(cell.outputs, sort_keys=True).encode()
        ).hexdigest()[:12]
        for cell in nb.cells
        if cell.cell_type == "code" and cell.outputs
    }


def edits(nb):
    """Outputs that are not those of the rendering, as sentences.

    nbval compares no pictures and no explorers: what was edited by hand in
    them would stay. A rendering notes a digest of each cell's outputs.
    """
    noted = nb.metadata.get(NOTE, {}).get("outputs", {})
    found = seals(nb)
    return [
        f"cell {i}: its outputs are not those of its rendering; run it again "
        "with --force"
        for i, cell in enumerate(nb.cells)
        if found.get(cell.id) != noted.get(cell.id)
    ]


def faults(nb):
    """Figures without a name, a caption, or a telling alt text."""
    found = []
    for i, cell in enumerate(nb.cells):
        if cell.cell_type != "code":
            continue
        pictures = [
            o for o in cell.outputs if "image/png" in o.get("data", {})
        ]
        if not pictures:
            continue
        notes = cell.metadata.get("mystnb", {})
        alt = notes.get("image", {}).get("alt", "")
        figure = notes.get("figure", {})
        if len(alt) < ALT:
            found.append(
                f"cell {i}: its figure has an alt text of {len(alt)} "
                f"characters; say the finding in at least {ALT}"
            )
        found += [
            f"cell {i}: its figure has no {field}"
            for field in ("name", "caption")
            if not figure.get(field)
        ]
        if any(o.output_type == "execute_result" for o in cell.outputs):
            found.append(
                f"cell {i}: it shows a value beside its figure; begin its "
                "last line with `_ =`"
            )
        if len(pictures) > 1:
            found.append(
                f"cell {i}: {len(pictures)} figures; give each its own cell"
            )
    return found
