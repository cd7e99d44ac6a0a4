"""A run's state on disk: written whole or not at all, read without pickles
of anything but tensors, plain containers and the classes that are allowed."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from kernels.runs import files


def save(path: str | Path, state: dict[str, Any]) -> None:
    """Write ``state`` to ``path``, whole or not at all.

    Parameters
    ----------
    path : of the file
    state : tensors and plain containers of them
    """
    with files.whole(path) as scratch:
        torch.save(state, scratch)


def load(
    path: str | Path, settings: dict[str, Any], *, allowed: Iterable[type] = ()
) -> dict[str, Any] | None:
    """The state saved at ``path``, on the CPU; None where there is no file.

    Parameters
    ----------
    path : of the file
    settings : must equal the state's own, saved as ``state["settings"]``
    allowed : classes that the file may hold
        Beside tensors and plain containers.

    Raises
    ------
    ValueError
        Where the file is no checkpoint, or belongs to a run with other
        ``settings``.
    """
    path = Path(path)
    if not path.exists():
        return None
    try:
        with torch.serialization.safe_globals(list(allowed)):
            state = torch.load(path, weights_only=True, map_location="cpu")
        saved = state["settings"]
    except Exception as error:
        raise ValueError(
            f"{path} is no checkpoint of a run ({error}): delete it or name "
            "another file"
        ) from error
    differing = [
        f"{name} was {saved.get(name)!r} and is now {value!r}"
        for name, value in settings.items()
        if saved.get(name) != value
    ]
    if differing:
        raise ValueError(
            f"{path} belongs to another run: {'; '.join(differing)}. Delete "
            "it or name another file"
        )
    return state
