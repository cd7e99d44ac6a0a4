"""Results on disk: one file a cell, whole or absent."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kernels.runs import files


def key(cell: Callable[..., Any], point: dict[str, Any], code: str) -> str:
    """The name of a cell's result: 32 hexadecimal digits.

    Parameters
    ----------
    cell : the function, which counts by module and name
    point : its keyword arguments
    code : a digest of what it runs, or "" to leave that out

    Raises
    ------
    TypeError
        For a point that is no dict of JSON-able values.
    """
    if not isinstance(point, dict):
        raise TypeError(f"a grid holds dicts; got {point!r}")
    try:
        text = json.dumps([label(cell), point, code], sort_keys=True)
    except TypeError as error:
        raise TypeError(
            f"the point {point!r} is not JSON-able ({error}); use plain "
            "numbers, strings, lists and dicts"
        ) from error
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def label(cell):
    """Module and name of a cell; a notebook's count under no module."""
    module = "" if cell.__module__ == "__main__" else f"{cell.__module__}."
    return f"{module}{cell.__qualname__}"


class Store:
    """A folder of results, `KEY.json`, each written whole or not at all."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def read(self, name, point):
        """The stored result for `point`, or None if there is no whole one."""
        try:
            record = json.loads((self.folder / f"{name}.json").read_bytes())
            if record["point"] == json.loads(json.dumps(point)):
                return record["result"]
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            pass
        return None

    def write(self, name, *, cell, point, result):
        """Stores a result; the bytes depend on the arguments alone."""
        record = {"cell": label(cell), "point": point, "result": result}
        text = json.dumps(record, indent=1) + "\n"
        path = self.folder / f"{name}.json"
        with files.whole(path, durable=True) as scratch:
            scratch.write_text(text, encoding="utf-8", newline="\n")
