"""The house: rooms, their doors, and the old names that still lead in."""

import ast
import importlib
from pathlib import Path

import pytest

import kernels
from kernels.runs.sources import ROOT

ROOMS = {
    path.stem
    for path in Path(kernels.__file__).parent.iterdir()
    if path.stem != "__init__" and (path.suffix == ".py" or path.is_dir())
} - {"__pycache__"}
FILES = sorted(Path(ROOT, "kernels").rglob("*.py"))
INSIDE = {  # what proves a certificate's steps, or shows them
    Path(ROOT, "book/dropout/certificates.py"),
    Path(ROOT, "book/tools/splitting.py"),
}
CHAPTERS = sorted({*Path(ROOT, "book").rglob("*.py")} - INSIDE)


def imported(file):
    """Dotted names below `kernels` that a file imports, one a name."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (n for n in names if n.split(".")[0] == "kernels")


def behind_doors(file):
    """What `file` imports of other rooms without going through a door."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    own = parts[1] if parts[0] == "kernels" and len(parts) > 1 else None
    for name in imported(file):
        _, *path = name.split(".")
        if not path or path[0] in (own, "states", "at_first_use"):
            continue  # the package's own
        if path[0] not in ROOMS:
            yield name  # an old name: the chapter's key would not see it
        elif len(path) > 1:
            room = importlib.import_module(f"kernels.{path[0]}")
            single = not hasattr(room, "__path__")
            doors = dir(room) if single else room.__all__
            if path[1] not in doors or path[1].startswith("_"):
                yield name


def test_at_most_sixteen_rooms():
    assert len(ROOMS) <= 16, sorted(ROOMS)


def test_every_room_is_named_in_the_package():
    listed = {
        line.split("``")[1]
        for line in kernels.__doc__.splitlines()
        if line.startswith("``")
    }
    assert listed == ROOMS


def test_rooms_are_entered_by_their_doors():
    found = {
        f"{file.relative_to(ROOT)}: {name}"
        for file in FILES + CHAPTERS
        for name in behind_doors(file)
    }
    assert not found


@pytest.mark.parametrize(
    "line",
    [
        "from kernels.networks.batchnorm import fold_batch_norm",
        "import kernels.paths.descend",
        "from kernels import alignment",
        "from kernels.interpolation import _still",
    ],
)
def test_a_private_module_is_seen(line, tmp_path, monkeypatch):
    file = tmp_path / "kernels" / "curious" / "plain.py"
    file.parent.mkdir(parents=True)
    file.write_text(line)
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    assert len(list(behind_doors(file))) == 1


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_doors_lead_somewhere(room):
    room = importlib.import_module(f"kernels.{room}")
    for door in getattr(room, "__all__", ()):
        if not hasattr(room, door):
            importlib.import_module(f"{room.__name__}.{door}")


def test_old_names_lead_to_the_new_rooms():
    from kernels import alignment, curves, losses, separation

    assert alignment.match.__module__ == "kernels.paths.alignment"
    assert curves.train.__module__ == "kernels.paths.curves"
    assert losses.targets.__module__ == "kernels.networks.losses"
    assert separation.separate.__module__ == "kernels.memorization.separation"
    with pytest.raises(AttributeError, match="no attribute 'attic'"):
        kernels.attic  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'attic'"):
        kernels.paths.attic  # noqa: B018
