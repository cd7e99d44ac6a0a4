"""Writes that are whole or not at all."""

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole(path: str | Path, *, durable: bool = False) -> Iterator[Path]:
    """A temporary file beside ``path``, to be written inside the block.

    At the block's end it is renamed to ``path``; where the block fails it is
    removed and ``path`` stays as it was: whoever reads ``path`` finds all of
    it or what was there before.  Folders on the way are made.  Any number of
    processes may write the same ``path`` at once: the last rename wins.

    Parameters
    ----------
    path : of the file
    durable : waits until the disk has it
        So that this holds through a power failure too; on a busy disk that
        takes seconds.

    Yields
    ------
    Iterator[Path]
        The temporary file's path.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}-{uuid.uuid4().hex}.tmp")
    try:
        yield scratch
        if durable:
            with open(scratch, "rb+") as written:
                os.fsync(written.fileno())
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)
