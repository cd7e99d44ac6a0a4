"""A chapter's parameters: the numbers that a reader may change.

They stand in its cell tagged "parameters", one plain value a line, beside
`profile`; the comment says what each is. They are changed in that cell, by
``python -m book render CHAPTER -p NAME=VALUE``, or in a script's command
line. Two are special: `profile`, and `cases`, which names the cells of a
grid to run ("": all).
"""

import argparse
import ast
import math
import re
from dataclasses import dataclass, replace

from book.tools import site

PROFILES = ("laptop", "paper")
CELL = re.compile(
    r'^# %%[^\n]*tags=[^\n]*"parameters".*?\n(.*?)(?=^# %%|\Z)', re.M | re.S
)
BOUNDS = re.compile(r"from (\S+) to (\S+): ")


@dataclass(frozen=True)
class Parameter:
    """One parameter: its name, its value in the chapter, what it is."""

    name: str
    default: object
    text: str = ""
    low: float | None = None
    high: float | None = None

    def check(self, value):
        """`value`, where it will do; else ValueError naming the parameter."""
        wrong = self._fault(value)
        if wrong:
            raise ValueError(f"{self.name} is {value!r}; {wrong}")
        return value

    def _fault(self, value):
        if self.name == "profile":
            known = ", ".join(PROFILES)
            return "" if value in PROFILES else f"give one of {known}"
        default = self.default
        if isinstance(default, list):
            if not isinstance(value, (list, tuple)) or not value:
                return f"give a list such as {default!r}"
            each = replace(self, default=default[0])
            faults = map(each._fault, value)
            return next((f"of each: {f}" for f in faults if f), "")
        if isinstance(default, (bool, str)):
            kind = type(default)
            if isinstance(value, kind):
                return ""
            return f"give a {kind.__name__} such as {default!r}"
        whole = isinstance(default, int)
        number = isinstance(value, (int, float)) and value is not True
        if not number or value is False or not math.isfinite(value):
            return f"give a number such as {default!r}"
        if whole and value != int(value):
            return f"give a whole number such as {default!r}"
        if self.low is None and default > 0 and value <= 0:
            return "give a positive number"
        if self.low is not None and value < self.low:
            return f"give at least {self.low:g}"
        if self.high is not None and value > self.high:
            return f"give at most {self.high:g}"
        return ""


def read(name, root=site.ROOT):
    """{name: Parameter} of chapter `name`, from its source.

    A comment "# from 1 to 10: text" after a value sets its bounds.
    """
    source = site.source(name, root).read_text(encoding="utf-8")
    found = CELL.search(source)
    known = {}
    lines = found[1].splitlines() if found else []
    for line in lines:
        head, equals, rest = line.partition("=")
        if not equals or not head.strip().isidentifier():
            continue
        value, _, text = rest.partition("  #")
        bounds = BOUNDS.match(text.strip())
        low, high = map(float, bounds.groups()) if bounds else (None, None)
        known[head.strip()] = Parameter(
            head.strip(), ast.literal_eval(value.strip()), text.strip(),
            low, high,
        )  # fmt: skip
    return known


def parse(words, known, chapter):
    """{name: value} of NAME=VALUE words; wrong ones are a ValueError.

    `known` are the parameters of `chapter`. Text that is no Python value is
    a string.
    """
    given = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or name not in known:
            raise ValueError(
                f"no parameter {word!r} in {chapter}; give NAME=VALUE with "
                f"NAME one of: {', '.join(known) or 'none'}"
            )
        try:
            value = ast.literal_eval(text)
        except (SyntaxError, ValueError):
            value = text
        if isinstance(known[name].default, str):
            value = text.strip("'\"")
        given[name] = known[name].check(value)
    return given


def checked(name, values):
    """The parameters of chapter `name` that `values` set, which must fit."""
    known = read(name) if values else {}
    for key, value in values.items():
        if key not in known:
            raise ValueError(
                f"{key!r} is no parameter of {name}; its cell tagged "
                f"parameters has: {', '.join(known)}"
            )
        known[key].check(value)
    return known


def listing(name, root=site.ROOT):
    """The parameters of chapter `name` with their defaults, as text."""
    lines = [f"parameters of {name} (-p NAME=VALUE):"]
    for p in read(name, root).values():
        lines.append(f"  {p.name} = {p.default!r}")
        if p.text:
            lines[-1] = f"{lines[-1]:<32} {p.text}"
    return "\n".join(lines)


def script(words, name):
    """What a chapter run as a script was told: {"profile", "given"}.

    ``python book/PART/NAME.py [--profile paper] [-p NAME=VALUE ...]``
    """
    top = argparse.ArgumentParser(
        prog=f"python book/{name}.py",
        description=listing(name),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--profile", choices=PROFILES)
    top.add_argument(
        "-p", "--parameter", action="append", default=[], metavar="NAME=VALUE"
    )
    said = top.parse_args(words)
    try:
        given = parse(said.parameter, read(name), name)
    except ValueError as fault:
        top.error(str(fault))
    return {"profile": said.profile, "given": given}


def changed(known, values, told=()):
    """The `values` that differ from the chapter's, or that were `told`."""
    return {
        name: value
        for name, value in values.items()
        if name in told
        or name not in known
        or list_(value) != list_(known[name].default)
    }


def list_(value):
    """Tuples as lists, as JSON and papermill have them."""
    return list(value) if isinstance(value, tuple) else value


def put(settings, values):
    """`settings` with `values` in place of equal names of the same form.

    A name that is not among them is looked for in the dicts among them.
    """
    inner = {k: v for k, v in values.items() if k not in settings}
    found = {}
    for name, old in settings.items():
        new = values.get(name, old)
        alike = isinstance(new, list) == isinstance(old, (list, tuple))
        if isinstance(old, dict):
            found[name] = put(old, inner)
        else:
            found[name] = new if alike else old
    return found
