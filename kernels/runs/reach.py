"""What calling a function can reach: code, values and files."""

import dataclasses
import dis
import functools
import inspect
import sys
import textwrap
import types
from ast import parse
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any

from kernels.runs.identity import array_text, code_text
from kernels.runs.imports import files_of, import_statements, with_imports

PLAIN = (type(None), bool, int, float, complex, str, bytes, PurePath)
STATELESS = (types.BuiltinFunctionType, types.MethodDescriptorType)
CODE = (types.FunctionType, type)
_PYTHON = 1 << 9  # the flag of classes that a `class` statement makes
# by name, so that nothing need be imported to know them
NAMED_PLAIN = ("torch.dtype", "torch.device")
NAMED_STATELESS = ("numpy.ufunc",)
NAMED_WRAPPERS = (  # which do what they wrap, and nothing else
    "functools._lru_cache_wrapper",
    "numpy._ArrayFunctionDispatcher",
)


class Reach:
    """Gathers what a function can reach, as texts and as files.

    Each text says what is found where, so that two values in each other's
    place differ.  With no ``roots`` no file counts, and code is described as
    it is compiled: no source need be there.
    """

    def __init__(self, roots: tuple[Path, ...]) -> None:
        self.roots = roots
        self.texts: list[str] = []
        self.files: set[Path] = set()
        self._seen: dict[int, tuple[str, Any]] = {}  # holds: ids stay taken

    def add(self, where: str, value: Any, *, of: str = "") -> None:
        """``value``, known as ``where`` in what is reached by way of ``of``.

        Raises ValueError, which names it, for what cannot be told apart.
        """
        value = bare(value)
        path = f"{of}.{where}" if of else where
        if isinstance(value, types.ModuleType):
            self._say(path, f"module {value.__name__}")
            self._add_file(getattr(value, "__file__", None))
        elif _is_plain(value):
            self._say(path, repr(value))
        elif (text := array_text(value)) is not None:
            self._say(path, text)
        elif isinstance(value, set | frozenset) and all(map(_is_plain, value)):
            self._say(path, f"set {sorted(map(repr, value))}")
        elif id(value) in self._seen:
            self._say(path, f"as {self._seen[id(value)][0]}")
        else:
            self._seen[id(value)] = path, value
            if isinstance(value, CODE):
                self._add_code(path, value)
            else:
                self._add_object(where, path, value)

    def _say(self, path, text):
        self.texts.append(f"{path} = {text}")

    def _add_object(self, where, path, value):
        """An object by its type and its parts."""
        parts: dict[Any, Any] = {}
        if isinstance(value, STATELESS) or _type(value) in NAMED_STATELESS:
            name = getattr(value, "__qualname__", value.__name__)
            self._say(path, f"{getattr(value, '__module__', '')} {name}")
            owner = getattr(value, "__self__", None)
            if not isinstance(owner, types.ModuleType | type):
                parts["self"] = owner
        elif isinstance(value, types.MethodType):
            parts = {"self": value.__self__, "function": value.__func__}
        elif isinstance(value, functools.partial):
            parts = {
                "function": value.func,
                "arguments": value.args,
                "keywords": value.keywords,
            }
        elif type(value) in (list, tuple):
            self._say(path, type(value).__name__)
            parts = dict(enumerate(value))
        elif type(value) is dict and all(map(_is_plain, value)):
            self._say(path, "dict")
            parts = {repr(key): part for key, part in value.items()}
        elif dataclasses.is_dataclass(value):
            names = [field.name for field in dataclasses.fields(value)]
            parts = {name: getattr(value, name) for name in names}
            parts["class"] = type(value)
        elif _is_callable_of_python(value):
            parts = vars(value) | {"class": type(value)}
        else:
            raise ValueError(
                f"the function reads {where!r} of type "
                f"{type(value).__name__}, which its key cannot hold; make it "
                "inside the function or pass it as an argument"
            )
        for name, part in parts.items():
            self.add(str(name), part, of=path)

    def _add_file(self, file):
        """A module's closure, if the module is under a root."""
        if file and any(Path(file).is_relative_to(r) for r in self.roots):
            self.files.update(with_imports(Path(file), self.roots))

    def _add_code(self, path, value):
        """A function or a class, with what is bound to it."""
        members = vars(value).values() if isinstance(value, type) else [value]
        functions = list(filter(_is_function, map(_inner, members)))
        if _made_in_notebook(value):
            self._add_source(path, value)
            for function in functions:
                if _made_in_notebook(function):
                    self._add_bound(path, function)
                    self._add_globals(path, function)
                else:  # a library's, around one of the notebook
                    self.add(function.__name__, function, of=path)
            for base in value.__bases__ if isinstance(value, type) else ():
                self.add(f"base {base.__name__}", base, of=path)
            return
        self._say(path, f"{value.__module__}.{value.__qualname__}")
        for module in {value.__module__, _written_in(value)}:
            if not _of_notebook(module):
                self._add_file(getattr(sys.modules[module], "__file__", None))
        if not (self.roots and at_home(value)):
            self._say(path, code_text(value))
            for function in functions:
                self._add_bound(path, function)

    def _add_source(self, path, value):
        function = isinstance(value, types.FunctionType)
        code = value.__code__ if function else value
        if not self.roots or (function and value.__name__ == "<lambda>"):
            self._say(path, code_text(value))
            return
        try:  # of the code: a function's source would be that which it wraps
            text = textwrap.dedent(inspect.getsource(code))
            tree = parse(text)
        except (OSError, TypeError, SyntaxError) as error:
            if function and not _names(code, "IMPORT_NAME"):
                self._say(path, code_text(value))  # a dataclass's method
                return
            raise ValueError(
                f"the source of {value.__name__!r} cannot be read ({error}); "
                "define it in a file or a notebook"
            ) from error
        self._say(path, text)
        for _, module, members in import_statements(tree):
            for imported in (module, *(f"{module}.{m}" for m in members)):
                for file in files_of(imported, self.roots):
                    self.files.update(with_imports(file, self.roots))

    def _add_globals(self, path, function):
        read_by = _names(function.__code__, "LOAD_GLOBAL", "LOAD_NAME")
        for read in sorted(read_by):
            if read in function.__globals__:
                self.add(read, function.__globals__[read], of=path)

    def _add_bound(self, path, function):
        """Default arguments, and what a nested function encloses."""
        path = f"{path}.{function.__name__}"
        for i, default in enumerate(function.__defaults__ or ()):
            self.add(f"default {i}", default, of=path)
        for name, default in (function.__kwdefaults__ or {}).items():
            self.add(f"default {name}", default, of=path)
        names = function.__code__.co_freevars
        for name, enclosed in zip(names, function.__closure__ or ()):
            if enclosed != types.CellType():  # else not yet filled
                self.add(name, enclosed.cell_contents, of=path)


def bare(value: Any) -> Any:
    """``value`` without caches and dispatchers, which change no result."""
    while _type(value) in NAMED_WRAPPERS:
        value = value.__wrapped__
    return value


def home(code: Callable[..., Any] | type) -> str | None:
    """The file of the module that defines a function or class, or None."""
    return getattr(sys.modules.get(code.__module__), "__file__", None)


def in_notebook(code: Callable[..., Any] | type) -> bool:
    """Whether it counts as a notebook's or a script's."""
    return _of_notebook(code.__module__)


def at_home(code: Callable[..., Any] | type) -> bool:
    """Whether its module has it under its name: the module's text makes it.

    Not so for what a function returns, such as a decorator's wrapper of
    something else.
    """
    found: Any = sys.modules.get(code.__module__)
    for part in code.__qualname__.split("."):
        found = getattr(found, part, None)
    return bare(found) is code and not in_notebook(code)


def _made_in_notebook(value):
    return _of_notebook(_written_in(value))


def _written_in(value):
    """The module of its own text; a wrapper's `__module__` is another's."""
    if isinstance(value, types.FunctionType):
        return value.__globals__.get("__name__")
    return value.__module__


def _of_notebook(module):
    return module == "__main__" or module not in sys.modules


def _inner(member):
    """The function in a static method, a class method or a property."""
    member = getattr(member, "fget", None) or member
    return getattr(member, "__func__", member)


def _is_function(value):
    return isinstance(value, types.FunctionType)


def _is_callable_of_python(value):
    """Whether all that it is stands in its class and its `__dict__`."""
    kinds = type(value).__mro__[:-1]
    return (
        callable(value)
        and _is_function(type(value).__call__)
        and all(kind.__flags__ & _PYTHON for kind in kinds)
        and not any(vars(kind).get("__slots__") for kind in kinds)
        and hasattr(value, "__dict__")
    )


def _is_plain(value):
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(_is_plain(k) and _is_plain(v) for k, v in value.items())
    return isinstance(value, PLAIN) or _type(value) in NAMED_PLAIN


def _type(value):
    return f"{type(value).__module__}.{type(value).__name__}"


def _names(code, *operations):
    """Names that a code object, or one in it, has for some operations."""
    names = {
        step.argval
        for step in dis.get_instructions(code)
        if step.opname in operations
    }
    inner = (c for c in code.co_consts if isinstance(c, types.CodeType))
    return names.union(*(_names(c, *operations) for c in inner))
