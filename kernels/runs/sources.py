"""Which source files a module depends on, and one hash over them.

A result may be kept only as long as the code that made it is the same.  What
counts as that code is found without running it: the import statements of a
file, wherever they stand in it, followed transitively through the folders
named as roots.  Everything outside the roots (torch, the standard library) is
left to requirements.txt.

Not seen: modules imported under a computed name (`importlib`), files read
otherwise.  CUDA sources are: a `.cu` or `.cuh` file counts as imported with
every module of its folder.
"""

import hashlib
import types
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from kernels.runs.identity import tensor_text as tensor_text
from kernels.runs.imports import (
    files_of,
    label,
    reached,
    statements,
    with_imports,
)
from kernels.runs.reach import Reach, bare, home, in_notebook
from kernels.runs.reach import at_home as at_home

__all__ = [
    "closure",
    "content",
    "digest",
    "fingerprint",
    "function_digest",
    "function_modules",
    "statements",
]

ROOT = Path(__file__).resolve().parent.parent.parent


def closure(
    start: str | Path, roots: Iterable[str | Path] = (ROOT,)
) -> tuple[Path, ...]:
    """The files that ``start`` consists of, itself included.

    Parameters
    ----------
    start : a dotted module name, or the path of a Python file
        A name is found under the roots, a file may lie anywhere.
    roots : folders of top-level modules and packages, in order

    Returns
    -------
    tuple[Path, ...]
        Sorted absolute paths: the file, all that it imports, the
        ``__init__.py`` of every package on the way, and CUDA sources
        beside them. A cycle of imports is no obstacle.

    Raises
    ------
    ModuleNotFoundError
        For a name that no root holds.
    FileNotFoundError
        For a path that is not there.
    SyntaxError
        With the file's name, for a file that does not parse.

    Cost: one parse per file, kept until the file changes.
    """
    folders = _resolved(roots)
    if isinstance(start, Path) or start.endswith(".py"):
        return with_imports(Path(start), folders)
    first = files_of(start, folders)
    if not first:
        raise ModuleNotFoundError(
            f"no module {start!r} under {', '.join(map(str, folders))}"
        )
    return reached(first, folders)


def digest(
    files: Iterable[str | Path], roots: Iterable[str | Path] = (ROOT,)
) -> str:
    """SHA-256 (hexadecimal) over the names and contents of ``files``.

    A file's name is its path below the root that holds it, or its bare name
    under none: the hash is the same in every copy of the repository, with
    either kind of line ends, and does not depend on the order of ``files``.

    Parameters
    ----------
    files : paths
    roots : folders below which names are counted
    """
    folders = _resolved(roots)
    whole = hashlib.sha256()
    for name, path in sorted((label(Path(f), folders), f) for f in files):
        whole.update(f"{name}\0{content(path)}\n".encode())
    return whole.hexdigest()


def function_digest(
    function: Callable[..., Any], roots: Iterable[str | Path] = (ROOT,)
) -> str:
    """SHA-256 (hexadecimal) over the code that calling ``function`` can reach.

    For a function of an importable module: the digest of the module's
    closure.  For one that was defined in a notebook or a script: its own
    source and, transitively, the functions and classes that it names, the
    closures of the modules that it names or imports, and the values of plain
    constants (numbers, strings, and lists, tuples and dicts of them).  For
    one that another function made (a nested function, a lambda, a decorator's
    wrapper), wherever that is written: also its own code, what it encloses
    and its defaults.

    Parameters
    ----------
    function : a plain function
    roots : folders of the modules that count

    Raises
    ------
    TypeError
        For what is no function.
    ValueError
        When the function reads a global, or encloses a value, that cannot
        be hashed: its name and type are in the message.
    """
    reach = _reached(function, roots)
    whole = hashlib.sha256(digest(reach.files, reach.roots).encode())
    for text in reach.texts:
        whole.update(f"\0{text}".encode())
    return whole.hexdigest()


def fingerprint(name: str, value: Any) -> str:
    """What tells a function, or a callable object, from others in a label.

    For a run that is saved and goes on: its name, a colon and 16 digits of a
    hash over its code and the values that are bound to it: what it encloses,
    defaults, arguments of a ``functools.partial``, fields of a dataclass; for
    a function of a notebook or a script the globals too that it reads.  The
    same in every process of one version of Python.  Modules that it calls do
    not count.

    Parameters
    ----------
    name : what it is called in the error's message
    value : the function or object

    Raises
    ------
    ValueError
        Where a bound value cannot be told from others: its name and type are
        in the message.
    """
    reach = Reach(())
    reach.add(name, value)
    whole = hashlib.sha256("\0".join(reach.texts).encode())
    called = getattr(value, "__qualname__", type(value).__qualname__)
    return f"{called}:{whole.hexdigest()[:16]}"


def function_modules(
    function: Callable[..., Any], roots: Iterable[str | Path] = (ROOT,)
) -> dict[str, str]:
    """{module: SHA-256 of its file} for the code that ``function`` can reach.

    For another process to say whether it has the same.

    Parameters
    ----------
    function : a plain function
    roots : folders of the modules that count

    Raises
    ------
    TypeError, ValueError
        As ``function_digest`` does.
    """
    reach = _reached(function, roots)
    own = home(function)
    found = {}
    for path in reach.files:
        file = label(path, reach.roots)
        if own and path == Path(own).resolve():
            name = function.__module__
        elif file.endswith(".py"):
            name = file.removesuffix(".py").removesuffix("/__init__")
            name = name.replace("/", ".")
        else:
            continue  # CUDA: read when it is compiled
        found[name] = content(path)
    return found


def content(path: str | Path) -> str:
    """SHA-256 (hexadecimal) of a file, whatever its line ends.

    Parameters
    ----------
    path : the file's
    """
    text = Path(path).read_bytes().replace(b"\r\n", b"\n")
    return hashlib.sha256(text).hexdigest()


def _reached(
    function: Callable[..., Any], roots: Iterable[str | Path]
) -> Reach:
    function = bare(function)
    if not isinstance(function, types.FunctionType):
        raise TypeError(
            f"expected a plain function, got {type(function).__name__}"
        )
    reach = Reach(_resolved(roots))
    if not in_notebook(function):  # its module counts wherever it lies
        reach.files.update(closure(Path(str(home(function))), reach.roots))
    if not at_home(function):
        reach.add(function.__qualname__, function)
    return reach


def _resolved(roots: Iterable[str | Path]) -> tuple[Path, ...]:
    return tuple(Path(root).resolve() for root in roots)
