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

from __future__ import annotations

import ast
import dis
import functools
import hashlib
import inspect
import sys
import textwrap
import types
from collections.abc import Callable, Iterable
from pathlib import Path, PurePath
from typing import Any

from kernels.runs.imports import files_of, import_statements, imports, label

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
        path = Path(start).resolve(strict=True)
        dotted = label(path, folders).removesuffix(".py").replace("/", ".")
        first = [path, *files_of(dotted, folders)]
    else:
        first = files_of(start, folders)
        if not first:
            raise ModuleNotFoundError(
                f"no module {start!r} under {', '.join(map(str, folders))}"
            )
    found = functools.cache(functools.partial(files_of, roots=folders))
    seen, waiting = set(), first
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            for name in imports(path, folders):
                waiting.extend(found(name))
    for folder in {path.parent for path in seen}:
        seen.update(folder.glob("*.cu"), folder.glob("*.cuh"))
    return tuple(sorted(seen))


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
    constants (numbers, strings, and lists, tuples and dicts of them).

    Parameters
    ----------
    function : a plain function
    roots : folders of the modules that count

    Raises
    ------
    TypeError
        For what is no function.
    ValueError
        When the function reads a global that cannot be hashed: its name
        and type are in the message.
    """
    reach = _reached(function, roots)
    whole = hashlib.sha256(digest(reach.files, reach.roots).encode())
    for text in sorted(reach.texts):
        whole.update(f"\0{text}".encode())
    return whole.hexdigest()


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
    TypeError
        Otherwise.
    ValueError
        As ``function_digest`` does.
    """
    reach = _reached(function, roots)
    home = _home(function)
    found = {}
    for path in reach.files:
        file = label(path, reach.roots)
        if home and path == Path(home).resolve():
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
) -> _Reach:
    function = inspect.unwrap(function)
    if not isinstance(function, types.FunctionType):
        raise TypeError(
            f"expected a plain function, got {type(function).__name__}"
        )
    reach = _Reach(_resolved(roots))
    if not _in_notebook(function):  # its module counts wherever it lies
        reach.files.update(closure(Path(_home(function)), reach.roots))
    reach.add(function.__qualname__, function)
    return reach


def _resolved(roots: Iterable[str | Path]) -> tuple[Path, ...]:
    return tuple(Path(root).resolve() for root in roots)


PLAIN = (type(None), bool, int, float, complex, str, bytes, PurePath)
STATELESS = (types.BuiltinFunctionType, types.MethodDescriptorType)
# by name, so that nothing need be imported to know them
NAMED_PLAIN = ("torch.dtype", "torch.device")
NAMED_STATELESS = ("numpy.ufunc",)


class _Reach:
    """Gathers what a function can reach, as texts and as files."""

    def __init__(self, roots):
        self.roots = roots
        self.texts = set()
        self.files = set()
        self._seen = set()

    def add(self, name, value):
        value = inspect.unwrap(value) if callable(value) else value
        if isinstance(value, types.ModuleType):
            self._add_file(getattr(value, "__file__", None))
        elif isinstance(value, types.FunctionType | type):
            if id(value) not in self._seen:
                self._seen.add(id(value))
                self._add_code(name, value)
        elif _is_plain(value):
            self.texts.add(f"{name} = {value!r}")
        elif not (
            isinstance(value, STATELESS) or _type(value) in NAMED_STATELESS
        ):
            raise ValueError(
                f"the function reads {name!r} of type "
                f"{type(value).__name__}, which its key cannot hold; make it "
                "inside the function or pass it as an argument"
            )

    def _add_file(self, file):
        """A module's closure, if the module is under a root."""
        inside = file and any(Path(file).is_relative_to(r) for r in self.roots)
        if inside:
            self.files.update(closure(Path(file), self.roots))
        return inside

    def _add_code(self, name, value):
        members = vars(value).values() if isinstance(value, type) else [value]
        functions = [f for f in members if isinstance(f, types.FunctionType)]
        if _in_notebook(value):
            self._add_source(name, value)
            for function in functions:
                self._add_bound(function)
                for read in _globals_read(function.__code__):
                    if read in function.__globals__:
                        self.add(read, function.__globals__[read])
        elif self._add_file(_home(value)) and "<locals>" in name:
            for function in functions:
                self._add_bound(function)

    def _add_source(self, name, value):
        try:
            text = textwrap.dedent(inspect.getsource(value))
            tree = ast.parse(text)
        except (OSError, TypeError, SyntaxError) as error:
            raise ValueError(
                f"the source of {name!r} cannot be read ({error}); define it "
                "in a file or a notebook"
            ) from error
        self.texts.add(text)
        for _, module, members in import_statements(tree):
            for imported in (module, *(f"{module}.{m}" for m in members)):
                for path in files_of(imported, self.roots):
                    self.files.update(closure(path, self.roots))

    def _add_bound(self, function):
        """Default arguments, and what a nested function encloses."""
        for i, default in enumerate(function.__defaults__ or ()):
            self.add(f"default {i}", default)
        for name, default in (function.__kwdefaults__ or {}).items():
            self.add(f"default {name}", default)
        names = function.__code__.co_freevars
        for name, enclosed in zip(names, function.__closure__ or ()):
            if enclosed != types.CellType():  # else not yet filled
                self.add(name, enclosed.cell_contents)


def _home(code):
    """The file of the module that defines a function or class, or None."""
    return getattr(sys.modules.get(code.__module__), "__file__", None)


def _in_notebook(code):
    return code.__module__ == "__main__" or (
        code.__module__ not in sys.modules
    )


def _is_plain(value):
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(_is_plain(k) and _is_plain(v) for k, v in value.items())
    return isinstance(value, PLAIN) or _type(value) in NAMED_PLAIN


def _type(value):
    return f"{type(value).__module__}.{type(value).__name__}"


def _globals_read(code):
    """Names of the globals that a code object, or one in it, loads."""
    names = {
        step.argval
        for step in dis.get_instructions(code)
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    }
    inner = (c for c in code.co_consts if isinstance(c, types.CodeType))
    return names.union(*map(_globals_read, inner))
