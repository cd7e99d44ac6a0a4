"""A chapter's key: a digest of everything its outputs depend on.

Its code cells, the modules of `kernels` and `book` it imports (followed
through their own imports), requirements.txt, its profile, its claims and
its recorded paper-scale run. Prose and captions are not in the key.
"""

import hashlib
import json
import re
from dataclasses import asdict
from pathlib import Path

from book.tools import claims, records
from kernels.runs import sources

ROOT = records.ROOT
CELL = re.compile(r"^# %%(.*)\n", re.MULTILINE)


def code(text):
    """The code cells of a py:percent source, markers and prose removed."""
    pieces = CELL.split(text)
    heads, bodies = pieces[1::2], pieces[2::2]
    return [
        body.strip()
        for head, body in zip(heads, bodies)
        if "[markdown]" not in head and body.strip()
    ]


def modules(name, root=ROOT):
    """Files of `kernels` and `book` that the chapter imports."""
    chapter = Path(root, "book", f"{name}.py").resolve()
    return [f for f in sources.closure(chapter, (root,)) if f != chapter]


def key(name, profile="laptop", root=ROOT):
    """Key of chapter `name` ("part/chapter") in `profile`, 12 digits."""
    text = Path(root, "book", f"{name}.py").read_text(encoding="utf-8")
    record = records.path(name, root)
    parts = {
        "code": code(text),
        "modules": sources.digest(modules(name, root), (root,)),
        "requirements": Path(root, "requirements.txt").read_text(
            encoding="utf-8"
        ),
        "profile": profile,
        "claims": [asdict(c) for c in claims.of(name, root)],
        "record": profile == "laptop"
        and record.exists()
        and record.read_text(encoding="utf-8"),
    }
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
