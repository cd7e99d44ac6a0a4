"""Equation or theorem -> chapter, function, test: read from the sources.

What is public in ``kernels`` claims a statement of a paper by its decorator,
``@states("K19", "Lemma 1")``; docstrings only mention. A chapter claims those
that its "Reproduces" names. A test covers the public names that it uses,
itself or through helpers, fixtures and constants of its folder.
"""

import ast
import html
import re
from functools import lru_cache
from pathlib import Path

from book.tools import records, scores, site, verdicts
from book.tools.statements import STATEMENTS, WORDS
from kernels.runs.sources import statements

ROOT = records.ROOT
CITED = {
    "kuditipudi2019": "K19",
    "shevchenko2020": "S20",
    "nguyen2021": "N21",
}
NUMBER = r"(?:[A-Z]\.)?\d+(?:\.\d+)*"
PART = r"(?: ?\([A-Z]\))?"
MORE = r"(?:, and |, | and )"
NAMED = (
    r"(?:Theorem|Lemma|Definition|Corollar(?:y|ie)|Claim|Algorithm|Remark)s? "
    rf"{NUMBER}{PART}(?:{MORE}{NUMBER}{PART})*"
    r"|(?:[Ee]xperiment|[Aa]ppendix)s? [A-Z]\b(?: and [A-Z]\b)?"
)
EQUATION = rf"\({NUMBER}\)(?:[–-]\({NUMBER}\))?"
ITEM = rf"(?:{NAMED}|{EQUATION})"
REPRODUCES = re.compile(r"\*\*Reproduces\*\*(.*?)\*\*Needs\*\*", re.DOTALL)


def labels(text):
    """Statements that a text names, one each: "Lemmas 1 and 2, (3.1)–(3.3)".

    Parts of a theorem, "(A)", are dropped.
    """
    found = []
    for item in re.findall(ITEM, text):
        numbers = re.findall(NUMBER, item)
        if item.startswith("("):
            stem, dot, first = numbers[0].rpartition(".")
            last = numbers[-1].rpartition(".")[2]
            each = range(int(first), int(last) + 1)
            found += [f"({stem}{dot}{k})" for k in each]
            continue
        kind, rest = item.split(maxsplit=1)
        kind = re.sub("ies$", "y", kind.capitalize()).removesuffix("s")
        found += [f"{kind} {n}" for n in numbers or rest.split(" and ")]
    return found


def claimed(node):
    """[(paper, statement)] that a definition's ``@states`` claim."""
    found = []
    for call in node.decorator_list:
        if isinstance(call, ast.Call) and _dotted(call.func) == "states":
            paper, *each = (argument.value for argument in call.args)
            found += [(paper, label) for label in each]
    return found


def chapters(root=ROOT):
    """{(paper, statement): [chapters that reproduce it]}."""
    found = {}
    for name in site.chapters(root):
        text = (
            site.source(name, root)
            .read_text(encoding="utf-8")
            .replace("\n# ", " ")
        )
        for said in REPRODUCES.findall(text):
            cited, *rest = re.split(r"\{cite\}`(\w+)`", said)[1:]
            for paper, items in zip([cited, *rest[1::2]], rest[::2]):
                for label in labels(items):
                    found.setdefault((CITED.get(paper), label), []).append(
                        name
                    )
    return found


@lru_cache(maxsize=4096)
def _parsed(file, _mtime):
    return ast.parse(file.read_text(encoding="utf-8"))


def _tree(file):
    return _parsed(file, file.stat().st_mtime_ns)


def _public(body):
    kinds = ast.FunctionDef | ast.ClassDef
    return [
        n for n in body if isinstance(n, kinds) and not n.name.startswith("_")
    ]


def _imports(tree):
    """Local name -> dotted name of what a file imports, anywhere in it."""
    found = {}
    for node in statements(tree):
        if isinstance(node, ast.Import):
            for a in node.names:
                top = a.name.split(".")[0]
                found[a.asname or top] = a.name if a.asname else top
        elif isinstance(node, ast.ImportFrom):
            for a in node.names:
                found[a.asname or a.name] = f"{node.module}.{a.name}"
    return found


def functions(root=ROOT):
    """{public name: (its claims, {full names that mean it})} of `kernels`.

    The public name is the package's own where it exports the function
    ("paths.lemma1"), else the module's ("losses.targets"); methods follow
    their class ("noise.Stability.epsilon") and have no full name.
    """
    exported, found = {}, {}
    for file in sorted(Path(root, "kernels").rglob("__init__.py")):
        package = ".".join(file.parent.relative_to(root).parts)
        for name, full in _imports(_tree(file)).items():
            exported[full] = f"{package}.{name}"
    for file in sorted(Path(root, "kernels").rglob("*.py")):
        if file.name == "__init__.py":
            continue
        module = ".".join(file.relative_to(root).with_suffix("").parts)
        for node in _public(_tree(file).body):
            full = f"{module}.{node.name}"
            name = exported.get(full, full)
            short = name.removeprefix("kernels.")
            found[short] = claimed(node), {full, name}
            for method in _public(node.body):
                if isinstance(node, ast.ClassDef):
                    found[f"{short}.{method.name}"] = claimed(method), set()
    return found


def _dotted(node):
    """ "a.b.c" of a chain of attributes on a name, else None."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = _dotted(node.value)
        return base and f"{base}.{node.attr}"
    return None


def _uses(node, imports):
    """Dotted names that a piece of code uses, imports resolved."""
    found = set()
    for part in ast.walk(node):
        name = part.arg if isinstance(part, ast.arg) else _dotted(part)
        if name:  # an argument may be a fixture
            head, dot, tail = name.partition(".")
            found.add(imports.get(head, head) + dot + tail)
        if isinstance(part, ast.Attribute):
            found.add(f".{part.attr}")
    return found


def covers(root=ROOT):
    """{"test_paths.py::test_name": dotted names that it can reach}."""
    pieces = {}  # "module.name" -> names that its definition uses
    for file in sorted(Path(root, "tests", "kernels").glob("*.py")):
        tree, own = _tree(file), {}
        for node in tree.body:
            targets = [getattr(node, "name", None)] + [
                getattr(t, "id", None) for t in getattr(node, "targets", [])
            ]
            own |= {name: node for name in targets if name}
        known = {name: f"{file.stem}.{name}" for name in own}
        known |= _imports(tree)
        for name, node in own.items():
            pieces[f"{file.stem}.{name}"] = _uses(node, known)
    found = {}
    for piece in pieces:
        stem, _, name = piece.partition(".")
        if stem.startswith("test_") and name.startswith("test_"):
            found[f"{stem}.py::{name}"] = _closure(piece, pieces)
    return found


def _closure(piece, pieces):
    seen, waiting = set(), [piece]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(pieces.get(name, ()))
    return seen


def _covered(name, full, reached):
    """The tests of a function, those that say most about it first."""
    room, own = name.split(".")[0], name.rsplit(".", 1)[1]
    found = [test for test, names in reached.items() if names & full]
    if not full:  # a method: known by its own name, in tests of its room
        found = [
            test
            for test, names in reached.items()
            if f".{own}" in names
            and any(n.startswith(f"kernels.{room}") for n in names)
        ]

    home = {room} | {part for f in full for part in f.split(".")[1:-1]}

    def last(test):
        refuses = ".raises" in reached[test]  # bad input, not mathematics
        near = home & set(test.split(".py")[0].split("_"))
        return refuses, -len(near), f"::test_{own}" not in test

    return sorted(found, key=last)


def table(root=ROOT):
    """{(paper, statement): {"chapters": [...], "functions": {name: tests}}}.

    JSON-able but for its keys; in the papers' order, what STATEMENTS does
    not know at the end.
    """
    rows = {(p, s): {} for p, known in STATEMENTS.items() for s in known}
    reached = covers(root)
    for name, (claimed_, full) in functions(root).items():
        for claim in claimed_:
            tests = _covered(name, full, reached)
            rows.setdefault(claim, {})[name] = tests
    places = chapters(root)
    return {
        claim: {"chapters": places.get(claim, []), "functions": found}
        for claim, found in rows.items()
    }


def listing(root=ROOT):
    """What the page shows, JSON-able: its key. The first test of each.

    [chapters' titles, [[paper, statement, chapters, {function: test}]]].
    """
    titles = {n: scores.title(n, root) for n in site.chapters(root)}
    rows = []
    for claim, row in table(root).items():
        found = {f: t[0] if t else "" for f, t in row["functions"].items()}
        rows.append([*claim, row["chapters"], found])
    return [titles, rows]


HEAD = ("Statement", "In words, and where", "Function", "Test")


def page(paper, root=ROOT):
    """The table of one paper: "K19", "S20" or "N21"."""
    titles, rows = listing(root)
    body, text = [], []
    for label, places, found in (r[1:] for r in rows if r[0] == paper):
        words = html.escape(STATEMENTS[paper].get(label, ""))
        for chapter in places:
            title = html.escape(titles[chapter])
            words += f'<br><a href="{chapter}.html">{title}</a>'
        span = f'rowspan="{len(found) or 1}"'
        first = (
            f'<th role="rowheader" scope="row" {span}>{label}</th>'
            f'<td role="cell" {span}>{words}</td>'
        )
        none = {"": WORDS.get((paper, label), "none yet")}
        for name, test in (found or none).items():
            file, _, case = test.partition("::test_")
            says = f"{_code(file)}: {case.replace('_', ' ')}"
            body.append(
                f'<tr role="row">{first}<td role="cell" data-label="Function">'
                f"{_linked(name) if name else test}</td>"
                '<td role="cell" data-label="Test">'
                f"{says if case else '–'}</td></tr>"
            )
            first = ""
            text.append(f"{paper} {label}: {name or '–'}: {test}")
    caption = f"Statements of {scores.PAPERS[paper.lower()]}"
    return verdicts.Shown(
        verdicts.table(["".join(body)], caption, HEAD, "reference"),
        "\n".join(text),
    )


def _linked(name):
    """A function's name, as a link to where the reference shows it."""
    room = name.split(".")[0]
    return f'<a href="reference/{room}.html#kernels.{name}">{_code(name)}</a>'


def _code(name):
    """A name in HTML; a narrow line may end behind its dots and dashes."""
    return f"<code>{re.sub(r'(?<=[._])', '<wbr>', name)}</code>"
