"""What a file imports, found in its text, and which files those are."""

import ast
import functools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

Statement = tuple[int, str, tuple[str, ...]]  # level, module, members


def with_imports(path: Path, roots: Sequence[Path]) -> tuple[Path, ...]:
    """A file that may lie anywhere, and all that it consists of."""
    path = path.resolve(strict=True)
    dotted = label(path, roots).removesuffix(".py").replace("/", ".")
    return reached([path, *files_of(dotted, roots)], roots)


def reached(first: Sequence[Path], roots: Sequence[Path]) -> tuple[Path, ...]:
    """These files, all that they import, and CUDA sources beside them."""
    found = functools.cache(functools.partial(files_of, roots=roots))
    seen, waiting = set(), list(first)
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            for name in imports(path, roots):
                waiting.extend(found(name))
    for folder in {path.parent for path in seen}:
        seen.update(folder.glob("*.cu"), folder.glob("*.cuh"))
    return tuple(sorted(seen))


def label(path: Path, roots: Sequence[Path]) -> str:
    """A file's path below the root that holds it, or its bare name."""
    path = path.resolve()
    for root in roots:
        if path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return path.name


def files_of(name: str, roots: Sequence[Path]) -> list[Path]:
    """The files that importing the dotted `name` runs; [] if no root has it.

    The last parts may name what is inside a module: they are passed over.
    A folder without `__init__.py` is a namespace package.
    """
    parts = name.split(".")
    for root in roots:
        found, folder = [], str(root)
        for part in parts:
            folder = os.path.join(folder, part)  # Path's are ten times slower
            package = os.path.join(folder, "__init__.py")
            if os.path.isfile(package):
                found.append(Path(package))
            elif os.path.isfile(f"{folder}.py"):
                found.append(Path(f"{folder}.py"))
                break
            elif not os.path.isdir(folder):
                break
        if found:
            return found
    return []


def imports(path: Path, roots: Sequence[Path]) -> list[str]:
    """Dotted names, absolute, of all that `path` imports."""
    stat = path.stat()
    names: list[str] = []
    for level, module, members in _parsed(
        path, stat.st_mtime_ns, stat.st_size
    ):
        base = module
        if level:
            parts = label(path, roots).removesuffix(".py").split("/")
            package = parts[:-level]
            base = ".".join([*package, module] if module else package)
        names.extend(
            f"{base}.{member}" if base else member for member in members
        )
        names.extend([base] if base else [])
    return names


@functools.lru_cache(maxsize=4096)
def _parsed(path: Path, _mtime: int, _size: int) -> list[Statement]:
    return import_statements(ast.parse(path.read_bytes(), filename=str(path)))


def import_statements(tree: ast.AST) -> list[Statement]:
    """(level, module, members) for every import statement in a tree."""
    found: list[Statement] = []
    for node in statements(tree):
        if isinstance(node, ast.Import):
            found.extend((0, alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            members = tuple(a.name for a in node.names if a.name != "*")
            found.append((node.level, node.module or "", members))
    return found


def statements(tree: ast.AST) -> Iterator[ast.stmt]:
    """Every statement in a tree, however deep; `ast.walk` sees all else too.

    `tree` : an `ast.Module` or a statement
    """
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        for part in ("body", "orelse", "finalbody", "handlers", "cases"):
            waiting += getattr(node, part, ())
        if isinstance(node, ast.stmt):
            yield node
