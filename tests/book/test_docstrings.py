"""One dialect: every public function says what it takes, as numpydoc does."""

import ast
import importlib
import inspect
import re
import sys
from pathlib import Path

import pytest

import kernels

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))
import rooms  # noqa: E402

ROOMS = sorted(
    path.stem
    for path in (ROOT / "kernels").iterdir()
    if path.stem[0] != "_"
    and (path.suffix == ".py" or (path / "__init__.py").exists())
)
SECTIONS = ["Parameters", "Attributes", "Returns", "Yields", "Raises"]
OTHER = r"(Arguments?|Args)\b.|(Raises|Returns|Yields)[ ,]|[:@]param"
PUBLIC = {"kernels.states": kernels.states} | {
    f"{thing.__module__}.{thing.__qualname__}": thing
    for room in ROOMS
    for _, thing in rooms.doors(importlib.import_module(f"kernels.{room}"))
    if inspect.isfunction(thing) or inspect.isclass(thing)
}
FUNCTIONS = {n: f for n, f in PUBLIC.items() if inspect.isfunction(f)}


def sections(text):
    """{section: its lines}, "" the prose, in the order of the text."""
    found, name = {"": []}, ""
    lines = text.splitlines()
    for line, below in zip(lines, [*lines[1:], ""]):
        if re.fullmatch(r"-{3,}", below) and len(below) == len(line):
            name = line
            assert name not in found, f"{name} twice"
            found[name] = []
        elif not re.fullmatch(r"-{3,}", line):
            found[name].append(line)
    return found


def described(lines):
    """Names of the items of a section of parameters."""
    names = []
    for line in lines:
        item = re.match(r"(\*{0,2}\w+(?:, \*{0,2}\w+)*)(?: : |$)", line)
        names += item[1].replace("*", "").split(", ") if item else []
    return names


def faults(function):
    """What the docstring of a function lacks, or says in another dialect."""
    text = inspect.getdoc(function) or ""
    first, _, rest = text.partition("\n")
    if not first.endswith((".", "?")) or rest[:1].strip():
        yield "no summary of one line that ends in a stop"
    found = sections(text)
    given = [name for name in SECTIONS if name in found]
    if given != [name for name in found if name]:
        yield f"sections {[*found][1:]}; of {SECTIONS} in this order will do"
    parameters = list(inspect.signature(function).parameters)
    named = described(found.get("Parameters", []))
    if missing := [name for name in parameters if name not in named]:
        yield f"nothing on {missing}"
    if wrong := [name for name in named if name not in parameters]:
        yield f"{wrong} are no arguments"
    for line in text.splitlines():
        if re.match(OTHER, line):
            yield f"another dialect: {line!r}"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_argument_is_documented_in_one_dialect(name):
    assert not list(faults(FUNCTIONS[name]))


@pytest.mark.parametrize("name", PUBLIC)
def test_every_class_and_function_has_a_summary(name):
    first, *rest = (inspect.getdoc(PUBLIC[name]) or "").splitlines() or [""]
    assert first.endswith((".", "?"))
    assert not rest or not rest[0]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "no summary"),
        ("Adds\nup.", "no summary"),
        ("Adds up.", "nothing on ['a', 'b']"),
        ("Adds.\n\nParameters\n----------\na, c : int", "['c'] are no"),
        ("Adds.\n\nArguments: `a` and `b`.", "another dialect"),
        ("Adds.\n\nReturns the sum.", "another dialect"),
        ("Adds.\n\nArgs\n----\na, b : int", "sections ['Args']"),
        (
            "Adds.\n\nReturns\n-------\nint\n\nParameters\n----------\na : b",
            "in this order",
        ),
    ],
)
def test_the_rule_sees(text, fault):
    def add(a, b):
        return a + b

    add.__doc__ = text
    assert any(fault in one for one in faults(add))
    add.__doc__ = "Adds.\n\nParameters\n----------\na : int\n    One.\nb\n"
    assert not list(faults(add))


# ------------------------------------------------------------- annotations


def definitions(node, inside=()):
    """(dotted name, function) of what is public in a module or class."""
    for child in node.body:
        name = getattr(child, "name", "_")
        if name.startswith("_") and name not in ("__init__", "__call__"):
            continue
        if isinstance(child, ast.ClassDef):
            yield from definitions(child, (*inside, name))
        elif isinstance(child, ast.FunctionDef):
            yield ".".join((*inside, name)), child


def bare(function):
    """Names of arguments without an annotation, "return" for the result."""
    a = function.args
    every = [*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg]
    names = [one.arg for one in every if one and one.annotation is None]
    names = [name for name in names if name not in ("self", "cls")]
    return names + ["return"] * (function.returns is None)


@pytest.mark.parametrize("room", ROOMS)
def test_public_functions_are_annotated(room):
    """The doors, and the methods of the classes among them."""
    doors = {n for n in PUBLIC if n.split(".")[1] == room}
    found = {}
    for file in sorted((ROOT / "kernels").rglob("*.py")):
        parts = file.relative_to(ROOT).with_suffix("").parts
        if parts[1] != room:
            continue
        module = ".".join(parts).removesuffix(".__init__")
        for name, node in definitions(ast.parse(file.read_bytes())):
            door = f"{module}.{name.split('.')[0]}"
            if door in doors and bare(node):
                found[f"{module}.{name}"] = bare(node)
    assert not found


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("def f(a: int, *b: int, c: int = 1, **d: int) -> int: ...", []),
        ("def f(self, a) -> int: ...", ["a"]),
        ("def f(a: int, *b, c, **d): ...", ["c", "b", "d", "return"]),
    ],
)
def test_the_rule_sees_what_is_bare(line, names):
    (function,) = ast.parse(line).body
    assert bare(function) == names
