"""What a worker of a cluster does: see that its code is ours, then the cell.

A worker lives long, and Python keeps a module as it was when it was imported.
A result must not be filed under code that did not compute it.
"""

import importlib.util
import os
import pickle
import sys
import time
from pathlib import Path

from kernels.runs import sources

_LOADED: dict[
    Path, str
] = {}  # file -> its digest when its module was imported here
_BEGAN = time.time()


class Refused(RuntimeError):
    """This worker cannot do the cell, nor would a second attempt."""


def load(payload, wanted):
    """The cell in ``payload``, where this process has the modules ``wanted``.

    Parameters
    ----------
    payload : a pickled function
    wanted : {module: digest of its file} as the caller has them
        From ``sources.function_modules``.

    Raises
    ------
    Refused
        , which says what to do, for a cell that cannot be imported and for
        modules of which this process has other code.
    """
    before = set(sys.modules)
    try:
        cell = pickle.loads(payload)
    except Exception as error:
        raise Refused(
            f"worker {os.getpid()} cannot import the cell "
            f"({type(error).__name__}: {error}); start workers where its "
            "module can be imported"
        ) from error
    for name, digest in wanted.items():
        found = _file(name)
        if found is None:
            raise Refused(
                f"worker {os.getpid()} has no module {name!r}, which the "
                "cell needs; start workers where it can be imported"
            )
        here = sources.content(found)
        if name in sys.modules:
            if name not in before:
                _LOADED[found] = here
            here = _LOADED.setdefault(found, _when_imported(found, here))
        if here != digest:
            raise Refused(
                f"worker {os.getpid()} has other code of {name!r} than this "
                "process: restart the workers, with the files as they are now"
            )
    return cell


def _file(name):
    module = sys.modules.get(name)
    try:
        spec = module.__spec__ if module else importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    file = getattr(module, "__file__", None) or (spec and spec.origin)
    return Path(file) if file else None


def _when_imported(file, digest):
    """Its digest when imported, or "" where it was edited since we began."""
    return digest if file.stat().st_mtime < _BEGAN else ""
