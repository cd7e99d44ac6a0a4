"""Rendering: chapter sources -> executed notebooks, only where stale."""

import hashlib
import json
import os
import re
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context, parent_process
from pathlib import Path

from book.tools import (
    kernel,
    keys,
    locks,
    notebooks,
    parameters,
    records,
    reference,
    scores,
    site,
)

ROOT = records.ROOT
# pages made from the other chapters, and what they show of them
MADE = {
    "index": scores.totals,
    "notation": reference.listing,
    "scoreboard": scores.board,
}


class RenderError(RuntimeError):
    """A chapter that failed; its old rendering is untouched."""


def read(name, root=ROOT):
    """The committed notebook of chapter `name`, or None."""
    import nbformat

    file = site.notebook(name, root)
    return nbformat.read(file, as_version=4) if file.exists() else None


def key(name, profile="laptop", root=ROOT):
    """The key of `name`: a page made from the others has what it shows."""
    known = keys.key(name, profile, root)
    if name not in MADE:
        return known
    text = known + json.dumps(MADE[name](root), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def state(name, root=ROOT):
    """ "fresh", "prose" (outputs hold, text changed) or "stale"."""
    nb = read(name, root)
    if nb is None:
        return "stale"
    noted = nb.metadata.get(notebooks.NOTE, {})
    if noted.get("key") != key(name, "laptop", root):
        return "stale"
    changed = notebooks.differences(nb, site.source(name, root))
    return "prose" if changed else "fresh"


def output(name, profile, given, root=ROOT):
    """Where a rendering goes: only the plain laptop run is the chapter."""
    if profile == "laptop" and not given:
        return site.notebook(name, root)
    label = "-".join([profile, *(f"{k}={v}" for k, v in given.items())])
    mark = hashlib.sha256(label.encode()).hexdigest()[:8]
    label = re.sub(r"[^\w.=,+\[\] -]", "_", label)  # a folder's name
    label = label if len(label) <= 150 else f"{label[:140]}-{mark}"
    return Path(root, "_build", "runs", label, f"{name}.ipynb")


def execute(name, profile="laptop", given=None, root=ROOT, bars=True):
    """Execute one chapter and put the notebook in its place.

    Returns (file, seconds). Raises RenderError with the failing cell and
    its traceback; the notebook so far is kept as NAME.failed.ipynb.
    """
    given = dict(given or {})
    known = parameters.read(name, root)
    for word, value in given.items():
        if word not in known:
            raise ValueError(f"{word!r} is no parameter of {name}")
        known[word].check(value)
    own = {k for k in given if k != "cases"}
    target = output(name, profile, given, root)
    lock = "-".join(target.relative_to(root).with_suffix("").parts)
    try:
        with locks.alone(Path(root, "_build", "locks", f"{lock}.lock")):
            return _execute(name, profile, given, root, bars, target, own)
    except BlockingIOError as fault:
        raise RenderError(
            f"{name}: {fault} is rendering it already; wait for it to end"
        ) from None


def _execute(name, profile, given, root, bars, target, own):
    import nbformat
    import papermill
    from jupyter_client import AsyncKernelManager
    from papermill.exceptions import PapermillExecutionError

    target.parent.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    failed = target.with_suffix(".failed.ipynb")
    nb = notebooks.convert(site.source(name, root))
    changed = {"profile": profile} if profile != "laptop" else {}
    with kernel.scratch() as folder:
        done = folder / "run.ipynb"
        kind = kernel.manager(
            AsyncKernelManager,
            folder,
            root=root,
            record=profile == "paper" and not own,
            given=sorted(given),
            out=str(target.parent),
        )
        try:
            papermill.execute_notebook(
                nb,
                str(done),
                parameters={**changed, **given},
                kernel_name="python3",
                kernel_manager_class=kind,
                cwd=str(site.source(name, root).parent),
                progress_bar={"desc": name} if bars else False,
                stderr_file=sys.stderr if profile == "paper" else None,
            )
        except PapermillExecutionError as fault:
            keep(done, failed)
            raise RenderError(
                f"{name}: cell {fault.cell_index} failed with {fault.ename}: "
                f"{fault.evalue}\n"
                + "\n".join(fault.traceback)
                + f"\nthe run so far is in {failed}"
            ) from None
        nb = notebooks.scrub(nbformat.read(done, as_version=4))
        wrong = notebooks.faults(nb)
        if wrong:
            keep(done, failed)
            raise RenderError(
                f"{name}: " + "; ".join(wrong) + f"\nthe run is in {failed}"
            )
    note = {
        "key": key(name, profile, root),
        "profile": profile,
        "outputs": notebooks.seals(nb),
    }
    nb.metadata[notebooks.NOTE] = note
    records.write(target, nbformat.writes(nb) + "\n")
    failed.unlink(missing_ok=True)
    return target, time.perf_counter() - began


def keep(done, failed):
    """Put a failed run's notebook where its author finds it."""
    if done.exists():
        records.write(failed, done.read_text(encoding="utf-8"))


def render(
    names, *, profile="laptop", force=False, jobs=1, given=None, root=ROOT
):
    """Bring the chapters `names` up to date; returns how many ran.

    Fresh chapters are left alone, chapters whose prose changed are
    refreshed without running, stale ones run, `jobs` at a time; the pages
    made from the others come last, with the scoreboard the README's numbers.
    """
    ran = 0
    for batch in (
        [n for n in names if n not in MADE],
        [n for n in names if n in MADE],
    ):
        ran += _render(batch, profile, force, jobs, given, root)
    if "scoreboard" in names and profile == "laptop" and not given:
        text = readme(root)
        if text is not None:
            records.write(Path(root, "README.md"), text)
    return ran


def readme(root):
    """README.md with the scoreboard's numbers; None if it has them."""
    file = Path(root, "README.md")
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    first, last = scores.MARKS
    if first not in text:
        return None
    before, _, rest = text.partition(first)
    after = rest.partition(last)[2]
    new = before + scores.readme(root) + after
    return None if new == text else new


def _render(names, profile, force, jobs, given, root):
    from tqdm import tqdm

    run = []
    for name in names:
        now = state(name, root) if profile == "laptop" else "stale"
        if given or force or now == "stale":
            run.append(name)
        elif now == "prose":
            _refresh(name, root)
            print(f"{name}: text refreshed, outputs kept")
    if not run:
        return 0
    bar = tqdm(total=len(run), desc="chapters", unit="chapter")
    faults = []
    work = [(name, profile, given, root, jobs == 1) for name in run]
    with bar:
        for name, outcome in _outcomes(work, jobs):
            try:
                file, seconds = outcome()
                bar.write(f"{name}: {seconds:.0f} s, {file}")
            except RenderError as fault:
                faults.append(str(fault))
                bar.write(f"{name}: failed")
            bar.update()
    if faults:
        raise RenderError("\n\n".join(faults))
    return len(run)


def _outcomes(work, jobs):
    if jobs == 1:
        for item in work:
            yield item[0], lambda item=item: execute(*item)
        return
    with ProcessPoolExecutor(
        jobs, get_context("spawn"), initializer=_outlive
    ) as pool:
        futures = {pool.submit(execute, *item): item[0] for item in work}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result
        except BaseException:  # stopped: their kernels end with them
            for process in list((pool._processes or {}).values()):
                process.terminate()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _outlive():
    """End this worker with the process that started it."""

    def wait():
        parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _refresh(name, root):
    import nbformat

    nb = notebooks.refresh(read(name, root), site.source(name, root))
    wrong = notebooks.faults(nb)
    if wrong:
        raise RenderError(f"{name}: " + "; ".join(wrong))
    records.write(site.notebook(name, root), nbformat.writes(nb) + "\n")


def check(names, root=ROOT):
    """Sentences on every chapter that is stale, out of step or faulty."""
    found = []
    for name in names:
        nb = read(name, root)
        if nb is None:
            found.append(f"{name}: no notebook yet")
            continue
        noted = nb.metadata.get(notebooks.NOTE, {})
        if noted.get("profile") != "laptop":
            found.append(f"{name}: the committed run is not the laptop one")
        if noted.get("key") != key(name, "laptop", root):
            found.append(
                f"{name}: stale: code, kernels, tools, claims, record or "
                "requirements changed since it was rendered"
            )
        steps = notebooks.differences(nb, site.source(name, root))
        steps += notebooks.edits(nb)
        found += [f"{name}: {s}" for s in steps + notebooks.faults(nb)]
    if readme(root) is not None:
        found.append("README.md: its scores are not the scoreboard's")
    return found
