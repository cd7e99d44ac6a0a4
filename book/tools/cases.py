"""Cases: the cells of a chapter's grids, run and recorded one at a time.

A case has a name, words such as "mnist f=1/2 model=0 layer=3".  A chapter's
parameter ``cases`` picks some of them: patterns separated by commas, of which
one must fit; a pattern fits a name that has all of its words.  "" fits all.

A record holds, under each kind of cell, the union of all that ever finished,
each with its own settings and provenance; the chapter draws what there is.
"""

import time

import torch

from book.tools import records
from kernels import device


def fits(name, cases):
    """Whether `cases`, as above, picks the case of this name."""
    words = set(name.split())
    patterns = [p.split() for p in cases.split(",") if p.strip()]
    return not patterns or any(words.issuperset(p) for p in patterns)


def check(cases, names):
    """ValueError where a pattern of `cases` fits none of these names."""
    for pattern in filter(str.strip, cases.split(",")):
        if not any(fits(name, pattern) for name in names):
            some = ", ".join(sorted(names)[:8])
            raise ValueError(
                f"cases has {pattern.strip()!r}, which fits none of the "
                f"{len(names)} cases; they are named {some}"
                + (", ..." if len(names) > 8 else "")
            )


def union(old, new, name):
    """The cells `old`, with `new` added, or in the place of its namesake.

    `name` tells a cell's name from its results; a cell that was recorded
    without one is named by it.  Where `new` only repeats what is there (it
    came out of a store, and tells no recipes), the old one stays, with the
    seconds it took, unless it was recorded without the recipes that `new` has.
    """
    found = {cell.get("case") or name(cell): cell for cell in old}
    new = records.rounded(new)
    before = found.get(new["case"])
    more = bool(_recipes(new)) and not _recipes(before)
    if more or before is None or _bare(before) != _bare(new):
        found[new["case"]] = new
    return list(found.values())


def _bare(cell):
    """What a cell found, and with which settings but its recipes."""
    known = {k: v for k, v in cell.items() if k != "provenance"}
    if "settings" in cell:
        own = {k: v for k, v in cell["settings"].items() if k != "recipes"}
        known["settings"] = own
    return known


def _recipes(cell):
    return (cell or {}).get("settings", {}).get("recipes", [])


def stamped(case, result, settings, began, recipes=()):
    """A finished cell as the record holds it.

    `recipes`: those of its trainings, as `training.noted` hears of them; they
    join its settings.  `began`: `clock()` at its start.  The seconds are those
    of this process, fewer than the whole where the cell went on from a
    checkpoint.
    """
    wall, cpu = (now - then for now, then in zip(clock(), began))
    known = device.describe()
    return {
        **result,
        "case": case,
        "settings": settings | ({"recipes": [*recipes]} if recipes else {}),
        "provenance": {
            "commit": records.commit(),
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "seconds": round(wall, 1),
            "cpu_seconds": round(cpu, 1),
            "threads": torch.get_num_threads(),
            "device_name": known["device_name"],
            "torch": known["torch"],
        },
    }


def clock():
    """Seconds on the wall and of the process, for `stamped`."""
    return time.perf_counter(), time.process_time()


def summary(results):
    """How many cells a record's results hold, of which commits, how long."""
    cells = [
        c
        for group in results.values()
        if isinstance(group, list)
        for c in group
        if isinstance(c, dict) and "provenance" in c
    ]
    if not cells:
        return ""
    known = [c["provenance"] for c in cells]
    commits = ", ".join(sorted({p["commit"] for p in known}))
    seconds = [p["cpu_seconds"] for p in known if p.get("cpu_seconds")]
    took = ""
    if seconds:
        took = f"; {sum(seconds) / 60:.0f} CPU minutes for {len(seconds)}"
    return f"{len(cells)} cells on record, of commits {commits}{took}"
