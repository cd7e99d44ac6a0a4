"""What calling a function can reach: source texts, constants and files."""

import ast
import dis
import inspect
import sys
import textwrap
import types
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any

from kernels.runs.imports import files_of, import_statements, with_imports

PLAIN = (type(None), bool, int, float, complex, str, bytes, PurePath)
STATELESS = (types.BuiltinFunctionType, types.MethodDescriptorType)
# by name, so that nothing need be imported to know them
NAMED_PLAIN = ("torch.dtype", "torch.device")
NAMED_STATELESS = ("numpy.ufunc",)


class Reach:
    """Gathers what a function can reach, as texts and as files."""

    def __init__(self, roots: tuple[Path, ...]) -> None:
        self.roots = roots
        self.texts: set[str] = set()
        self.files: set[Path] = set()
        self._seen: set[int] = set()

    def add(self, name: str, value: Any) -> None:
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
            self.files.update(with_imports(Path(file), self.roots))
        return inside

    def _add_code(self, name, value):
        members = vars(value).values() if isinstance(value, type) else [value]
        functions = [f for f in members if isinstance(f, types.FunctionType)]
        if in_notebook(value):
            self._add_source(name, value)
            for function in functions:
                self._add_bound(function)
                for read in _globals_read(function.__code__):
                    if read in function.__globals__:
                        self.add(read, function.__globals__[read])
        elif self._add_file(home(value)) and "<locals>" in name:
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
                    self.files.update(with_imports(path, self.roots))

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


def home(code: Callable[..., Any] | type) -> str | None:
    """The file of the module that defines a function or class, or None."""
    return getattr(sys.modules.get(code.__module__), "__file__", None)


def in_notebook(code: Callable[..., Any] | type) -> bool:
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
