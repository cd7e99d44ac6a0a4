"""Reference pages: ``.. room:: networks`` shows a room of ``kernels``.

What is on the page comes from the package: the room's docstring and, in the
order of its ``__all__``, each function and class by ``sphinx.ext.autodoc``;
of a door that is a module, all that is public in it.  The directive's content
is examples in doctest form: blocks between blank lines, each headed by the
name that it shows; blocks without a name set the stage.  ``tests/book``
runs them.
"""

import importlib
import inspect
import re
import sys
from pathlib import Path
from types import ModuleType

from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.util.nodes import nested_parse_with_titles

PARAMETERS = re.compile(
    r"tuple\[tuple\[([\w.~]*)Tensor, \1Tensor \| None\], \.\.\.\]"
)
PROSE = re.compile(  # between these: literals, roles, *stress*, examples
    r"(``.+?``|(?::\w+:)?`[^`]+`|(?<![\w*])\*\w+\*(?![\w*])"
    r"|^\s*>>>.+?(?=\n\s*\n|\Z))",
    re.DOTALL | re.MULTILINE,
)
MARKS = re.compile(r"((?<![\n ])\||\|(?! )|(?<=.)\*|(?<=\w)_(?!\w))")
ROW = re.compile(r"(`{1,2}[^`]+`{1,2}(?:, `{1,2}[^`]+`{1,2})*)(  +)(?=\S)")


def doors(room):
    """[(dotted name below the room, what it is)] of a room's public names.

    Doors that are modules come last, each followed by what is in it and not
    among the room's own.
    """
    names = getattr(room, "__all__", None) or _own(room)
    found, modules = [], []
    for name in names:
        if not hasattr(room, name):
            importlib.import_module(f"{room.__name__}.{name}")
        thing = getattr(room, name)
        module = isinstance(thing, ModuleType)
        (modules if module else found).append((name, thing))
    shown = [thing for _, thing in found]
    for name, module in modules:
        found.append((name, module))
        found += [
            (f"{name}.{own}", getattr(module, own))
            for own in _own(module)
            if not any(getattr(module, own) is thing for thing in shown)
        ]
    return found


def _own(module):
    """Public functions and classes that a module defines, in its order."""
    return [
        name
        for name, thing in vars(module).items()
        if not name.startswith("_")
        and getattr(thing, "__module__", None) == module.__name__
        and (inspect.isclass(thing) or inspect.isfunction(thing))
    ]


def examples(lines):
    """(stage, {name: example}): blocks of doctest lines, as strings."""
    stage, named = [], {}
    for block in re.split(r"\n\s*\n", "\n".join(lines).strip()):
        first, _, rest = block.partition("\n")
        if first.startswith(">>>"):
            stage.append(block)
        else:
            named[first.strip()] = rest
    return "\n".join(stage), named


def page(name, lines):
    """The page of a room as reStructuredText."""
    room = importlib.import_module(f"kernels.{name}")
    stage, named = examples(lines)
    parts = [plain(inspect.getdoc(room) or "")]
    if stage:
        parts += ["The examples below start from here:", _code(stage)]
    for door, thing in doors(room):
        full = f"kernels.{name}.{door}"
        if isinstance(thing, ModuleType):
            parts += [f"{door}\n{'-' * len(door)}"]
            parts += [plain(inspect.getdoc(thing) or "")]
            continue
        if inspect.isclass(thing):
            parts.append(f".. autoclass:: {full}\n   :members:")
        elif inspect.isroutine(thing):
            parts.append(f".. autofunction:: {full}")
        else:
            continue
        if door in named:
            indented = _code(named[door]).replace("\n", "\n   ")
            parts[-1] += f"\n\n   {indented}"
    return "\n\n".join(parts)


def _code(text):
    return ".. code-block:: pycon\n\n   " + text.replace("\n", "\n   ")


def plain(text):
    """A docstring as reStructuredText: its prose, tables and sections.

    In prose |A|, * and names_ stand for themselves.  Lines of a name and,
    two spaces on, its meaning are definitions.  What follows a section's
    items without an indent is behind the section.
    """
    parts = PROSE.split(_definitions(text.expandtabs().splitlines()))
    parts[::2] = [MARKS.sub(r"\\\1", part) for part in parts[::2]]
    return "".join(parts)


def _definitions(lines):
    """``name``  meaning -> a definition list; sections closed."""
    out, section, column = [], False, None
    for i, line in enumerate(lines):
        row = ROW.match(line)
        rule = re.fullmatch(r"-{3,}", lines[i + 1]) if lines[i + 1 :] else None
        if rule:
            section = True
        elif section and _behind(lines[i - 1], line):
            out.append("")  # two empty lines end a section
            section = False
        if row:
            column = row.end(2)
            nested = "  " in line[column:]
            out += ["", row[1], f"   {'| ' * nested}{_one(line[column:])}"]
        elif column and line.strip() and line[:column].strip() == "":
            deeper = line[column:]
            nested = nested or "  " in deeper.strip()
            mark = "  " if nested and deeper[:1] == " " else "| " * nested
            out.append(f"   {mark}{_one(deeper)}")
        else:
            if column and line.strip():
                out.append("")
            column = None
            out.append(line)
    return "\n".join(out)


def _behind(before, line):
    """Whether a line of text follows a section's items, and is none."""
    item = re.match(r"[\w, *]+ : ", line)
    return line[:1].strip() and not before.strip() and not item


def _one(text):
    return " ".join(text.split())


class Room(Directive):
    required_arguments = 1
    has_content = True

    def run(self):
        from docutils import nodes

        text = page(self.arguments[0], self.content)
        node = nodes.section()
        node.document = self.state.document
        lines = StringList(text.splitlines(), source=self.arguments[0])
        nested_parse_with_titles(self.state, lines, node)
        return node.children


def docstring(app, what, name, obj, options, lines):
    """Escape what is prose, before napoleon reads the sections."""
    lines[:] = plain("\n".join(lines)).splitlines()


def signature(app, what, name, obj, options, parameters, returned):
    """Name the type of parameters, as the sources do."""
    short = (
        text and PARAMETERS.sub("Parameters", text)
        for text in (parameters, returned)
    )
    return tuple(short)


def setup(app):
    root = str(Path(__file__).resolve().parents[2])
    if root not in sys.path:
        sys.path.insert(0, root)  # `kernels` is imported, not installed
    app.setup_extension("sphinx.ext.autodoc")
    app.setup_extension("sphinx.ext.napoleon")
    app.add_directive("room", Room)
    app.connect("autodoc-process-docstring", docstring, priority=100)
    app.connect("autodoc-process-signature", signature)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
