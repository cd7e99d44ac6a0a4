"""Recorded runs: JSON with provenance, written whole or not at all.

A paper-scale run of a chapter writes ``book/results/PART/CHAPTER.json``:

``results``     what its figures draw, plain lists and numbers
``recipes``     of all its trainings, as ``training.Recipe`` shows them
``measures``    claim id -> {"mean", "sd", "n"}
``provenance``  device, versions, seed, data fingerprints, commit, seconds
"""

import json
import subprocess
from pathlib import Path

from kernels.runs import files

ROOT = Path(__file__).resolve().parents[2]


def path(chapter, root=ROOT):
    """Where the record of `chapter` ("part/name") lies."""
    return Path(root, "book", "results", f"{chapter}.json")


def load(chapter, root=ROOT):
    """The record of `chapter`, or None when it was never run."""
    file = path(chapter, root)
    if not file.exists():
        return None
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as fault:
        raise ValueError(
            f"the record {file} is not JSON ({fault}); run the chapter's "
            f"paper profile again: python -m book render {chapter} "
            "--profile paper"
        ) from None


def save(chapter, record, root=ROOT):
    """Write `record`, a dict, atomically; numbers keep 6 digits."""
    file = path(chapter, root)
    text = json.dumps(rounded(record), indent=1, allow_nan=False)
    write(file, text + "\n")
    return file


def write(file, text):
    """Write `text` to `file` through a temporary file and a rename."""
    with files.whole(file) as scratch:
        scratch.write_text(text, encoding="utf-8", newline="\n")


def rounded(value, digits=6):
    """`value` with every float rounded to `digits` significant digits.

    Tensors and arrays become lists; a number that is not finite becomes
    None, which JSON can say.
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(k): rounded(v, digits) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(v, digits) for v in value]
    if isinstance(value, float):
        finite = value - value == 0
        return float(f"{value:.{digits}g}") if finite else None
    return value


def commit(root=ROOT):
    """Commit of the working tree, "+edits" when files differ from it.

    "unknown" without git, outside a repository, and in a folder that lies
    within another one's.
    """

    def git(*words):
        return subprocess.run(
            ["git", *words], cwd=root, capture_output=True, encoding="utf-8"
        )

    try:
        top = git("rev-parse", "--show-toplevel")
        if top.returncode or not Path(top.stdout.rstrip("\n")).samefile(root):
            return "unknown"
        head = git("rev-parse", "--short=12", "HEAD")
        edited = git("status", "--porcelain", "--", "kernels", "book/tools")
    except OSError:  # no git
        return "unknown"
    if head.returncode:
        return "unknown"
    return head.stdout.strip() + ("+edits" if edited.stdout.strip() else "")


def words(known):
    """Provenance in words: machine and versions, seed and data, key."""
    data = "; ".join(
        f"{name} {d['fingerprint']} ({d['source']})"
        for name, d in known["data"].items()
    )
    return (
        f"{known['device_name']} ({known['device']}); "
        f"Python {known['python']}, torch {known['torch']}, "
        f"NumPy {known['numpy']}\n"
        f"  seed {known['seed']}; data: {data or 'none'}\n"
        f"  key {known['key']}"
    )
