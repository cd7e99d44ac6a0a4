"""kernels.runs.sources: what counts as the code behind a result."""

import hashlib
import linecache
import os
import runpy
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from kernels.runs import sources
from kernels.runs.sources import closure, digest, function_digest


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))


def names(files, root):
    return {Path(f).relative_to(root).as_posix() for f in files}


@pytest.fixture
def tree(tmp_path):
    write(
        tmp_path,
        {
            "pack/__init__.py": "",
            "pack/a.py": "import pack.b\nimport math, numpy\n",
            "pack/b.py": "VALUE = 1\n",
            "pack/c.py": "def f():\n    from pack import d, VALUE\n",
            "pack/d.py": "from . import b\n",
            "pack/cycle.py": "from .sub import leaf\nfrom .sub.leaf import x",
            "pack/sub/__init__.py": "from .twig import y\n",
            "pack/sub/leaf.py": "from ..cycle import z\nfrom ..b import w\n",
            "pack/sub/twig.py": "y = 1\n",
            "pack/alone.py": "import absent.module\n",
            "loose/inner/m.py": "import pack.b as other\n",
            "script.py": "from loose.inner import m\n",
        },
    )
    return tmp_path


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("pack.b", "pack/__init__ pack/b"),
        ("pack.a", "pack/__init__ pack/a pack/b"),
        ("pack.c", "pack/__init__ pack/b pack/c pack/d"),
        ("pack", "pack/__init__"),
        ("pack.alone", "pack/__init__ pack/alone"),
        (
            "pack.cycle",
            "pack/__init__ pack/b pack/cycle pack/sub/__init__ "
            "pack/sub/leaf pack/sub/twig",
        ),
        ("pack.sub.twig", "pack/__init__ pack/sub/__init__ pack/sub/twig"),
        ("script", "loose/inner/m pack/__init__ pack/b script"),
    ],
)
def test_closure_follows_every_form_of_import(tree, start, expected):
    wanted = {f"{name}.py" for name in expected.split()}
    assert names(closure(start, [tree]), tree) == wanted
    path = tree / f"{start.replace('.', '/')}.py"
    if path.exists():
        assert names(closure(path, [tree]), tree) == wanted


def test_closure_matches_what_python_imports():
    """The oracle: the interpreter's own list of loaded modules."""
    script = (
        "import sys, kernels.sweep, kernels.data\n"
        "print([m.__file__ for n, m in sys.modules.items()"
        " if n.split('.')[0] == 'kernels' and m.__file__])"
    )
    out = subprocess.run(
        [sys.executable, "-c", script],
        cwd=sources.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {Path(p) for p in eval(out.stdout)}
    found = {*closure("kernels.sweep"), *closure("kernels.data")}
    assert loaded <= found
    assert Path(sources.__file__) in loaded


def test_cuda_sources_count_with_their_folder(tree):
    write(tree, {"pack/sub/k.cu": "__global__", "pack/other.cuh": ""})
    assert (tree / "pack/sub/k.cu") in closure("pack.sub.leaf", [tree])
    assert (tree / "pack/sub/k.cu") not in closure("pack.a", [tree])
    assert (tree / "pack/other.cuh") in closure("pack.a", [tree])


def test_closure_sees_an_edit_at_once(tree):
    assert "pack/d.py" not in names(closure("pack.a", [tree]), tree)
    path = tree / "pack/b.py"
    path.write_text("import pack.d\n")
    os.utime(path, ns=(1, 1))  # even with an old date
    assert "pack/d.py" in names(closure("pack.a", [tree]), tree)


def test_closure_errors(tree):
    with pytest.raises(ModuleNotFoundError, match=r"pack2.*under.*"):
        closure("pack2", [tree])
    with pytest.raises(FileNotFoundError):
        closure(tree / "pack/none.py", [tree])
    (tree / "pack/b.py").write_text("def (:\n")
    with pytest.raises(SyntaxError) as caught:
        closure("pack.a", [tree])
    assert caught.value.filename.endswith("b.py")


def test_digest_by_hand_and_in_any_order(tree):
    files = closure("pack.a", [tree])
    text = "".join(
        f"{name}\0{hashlib.sha256((tree / name).read_bytes()).hexdigest()}\n"
        for name in sorted(names(files, tree))
    )
    assert digest(files, [tree]) == hashlib.sha256(text.encode()).hexdigest()
    assert digest(reversed(files), [tree]) == digest(files, [tree])


def test_digest_is_the_same_in_a_copy_and_changes_with_an_edit(tree, tmp_path):
    copy = tmp_path / "elsewhere"
    for path in closure("pack.a", [tree]):
        write(copy, {path.relative_to(tree).as_posix(): path.read_text()})
    here = digest(closure("pack.a", [tree]), [tree])
    assert digest(closure("pack.a", [copy]), [copy]) == here
    (copy / "pack/b.py").write_text("VALUE = 2\n")
    assert digest(closure("pack.a", [copy]), [copy]) != here


NOTEBOOK = """
    import math
    import torch.nn.functional as F
    from pack import b

    SCALE = 2.0
    UNUSED = 5
    SHAPE = {"sizes": [1, 2]}

    def helper(x, power=3):
        return x ** power + b.VALUE

    def cell(x):
        # the helper is reached through a nested function
        inner = lambda v: helper(v) * SCALE
        return {"y": inner(x), "n": SHAPE["sizes"], "r": F.relu, "m": math.pi}
"""


def notebook_digest(path, text, monkeypatch, root):
    """The digest of `cell`, defined by running `text` as a script."""
    path.write_text(textwrap.dedent(text))
    linecache.clearcache()
    main = sys.modules["__main__"]  # where the source of classes is looked up
    monkeypatch.setattr(main, "__file__", str(path), raising=False)
    monkeypatch.syspath_prepend(str(root))
    for name in [n for n in sys.modules if n.split(".")[0] == "pack"]:
        monkeypatch.delitem(sys.modules, name)
    space = runpy.run_path(str(path), run_name="__main__")
    space["cell"].__globals__.update(space)  # run_path clears them
    return function_digest(space["cell"], [root])


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ("SCALE = 2.0", "SCALE = 2.5", True),
        ("power=3", "power=2", True),
        ("x ** power", "x * power", True),
        ("[1, 2]", "[1, 3]", True),
        ("UNUSED = 5", "UNUSED = 6", False),
        ("import math\n", "import math\n\n    # prose\n", False),
    ],
)
def test_a_notebooks_cell_is_keyed_by_what_it_reaches(
    tree, monkeypatch, old, new, changes
):
    assert old in NOTEBOOK
    args = monkeypatch, tree
    before = notebook_digest(tree / "n.py", NOTEBOOK, *args)
    edited = NOTEBOOK.replace(old, new)
    after = notebook_digest(tree / "n.py", edited, *args)
    assert (before != after) == changes
    assert notebook_digest(tree / "other.py", NOTEBOOK, *args) == before


def test_a_notebooks_cell_is_keyed_by_the_modules_it_reaches(
    tree, monkeypatch
):
    args = NOTEBOOK, monkeypatch, tree
    before = notebook_digest(tree / "n.py", *args)
    (tree / "pack/d.py").write_text("# not imported by b\n")
    assert notebook_digest(tree / "n.py", *args) == before
    (tree / "pack/b.py").write_text("VALUE = 1  # edited\n")
    assert notebook_digest(tree / "n.py", *args) != before


def test_an_unhashable_global_is_an_error(tree, monkeypatch):
    text = NOTEBOOK.replace("SCALE = 2.0", "SCALE = b.__spec__")
    with pytest.raises(ValueError, match=r"'SCALE' of type ModuleSpec"):
        notebook_digest(tree / "n.py", text, monkeypatch, tree)


def make(factor):
    def cell(x):
        return {"y": factor * x}

    return cell


def plain(x):
    return {"y": x}


def test_module_functions_are_keyed_by_their_closure_and_what_they_enclose():
    here = [Path(__file__).parent]
    expected = digest(closure(Path(__file__), here), here)
    wanted = hashlib.sha256(expected.encode()).hexdigest()
    assert function_digest(plain, here) == wanted
    assert function_digest(make(1), here) != function_digest(make(2), here)
    assert function_digest(make(1), here) == function_digest(make(1), here)


def test_function_digest_rejects_what_is_no_function():
    with pytest.raises(TypeError, match="got builtin"):
        function_digest(len)


TWINS = """
    import contextlib
    import functools
    import math
    from dataclasses import dataclass

    import numpy as np

    def times(n):
        def wrap(f):
            @functools.wraps(f)
            def g(**point):
                return n * f(**point)
            return g
        return wrap

    def one(x):
        return x

    @dataclass(frozen=True)
    class Power:
        n: int

        def __call__(self, x):
            return x ** self.n

    @contextlib.contextmanager
    def quietly():
        yield 1

    class Base:
        def get(self, x):
            return x + 1

    class Child(Base):
        pass

    @functools.cache
    def known(x):
        return x

    USED = FIRST

    def cell(x):
        with quietly():
            return Child().get(known(USED)), np
"""


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("times(1)(one)", "times(2)(one)"),
        ("times(1)(times(2)(one))", "times(2)(times(1)(one))"),
        ("lambda x: x", "lambda x: -x"),
        ("(lambda x: x, lambda x: -x)[0]", "(lambda x: x, lambda x: -x)[1]"),
        ("lambda x: x in {'a', 'b'}", "lambda x: x in {'a', 'c'}"),
        ("lambda x: [x for _ in 'a']", "lambda x: [-x for _ in 'a']"),
        ("functools.partial(one, 1)", "functools.partial(one, 2)"),
        ("functools.partial(one, x=1)", "functools.partial(one, y=1)"),
        ("Power(1)", "Power(2)"),
        ("Power(1).__call__", "Power(2).__call__"),
        ("math.sqrt", "math.exp"),
        ("np.sin", "np.cos"),
        ("np.mean", "np.median"),
        ("np", "math"),
        ("'a'.join", "'b'.join"),
        ("np.arange(3)", "np.arange(3)[::-1]"),
        ("np.arange(4).reshape(2, 2)", "np.arange(4)"),
        ("np.float32(1)", "np.float64(1)"),
        ("[one, math.exp]", "[math.exp, one]"),
        ("{'f': one}", "{'g': one}"),
        ("{1, 2}", "{1, 3}"),
    ],
)
def test_values_that_a_notebook_reads_are_told_apart(
    tree, monkeypatch, first, second
):
    args = monkeypatch, tree
    text = [TWINS.replace("FIRST", value) for value in (first, second)]
    keys = [notebook_digest(tree / "n.py", t, *args) for t in text]
    assert keys[0] != keys[1]
    assert notebook_digest(tree / "n.py", text[0], *args) == keys[0]


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ("return x + 1", "return x + 2", True),  # of a base class
        ("yield 1", "yield 2", True),  # in a library's wrapper
        ("return x\n\n    USED", "return -x\n\n    USED", True),  # in a cache
        ("return x ** self.n", "return self.n", False),  # not reached
    ],
)
def test_wrapped_and_inherited_code_is_reached(
    tree, monkeypatch, old, new, changes
):
    args = monkeypatch, tree
    text = TWINS.replace("FIRST", "1")
    assert old in text
    before = notebook_digest(tree / "n.py", text, *args)
    after = notebook_digest(tree / "n.py", text.replace(old, new), *args)
    assert (before != after) == changes


SCRIPT = """
from dataclasses import dataclass
from functools import partial
import torch
from kernels import training
from kernels.runs.sources import fingerprint

@dataclass(frozen=True)
class Own:
    factor: float
    def __call__(self, k, per_epoch):
        return self.factor if k in {"a", "b", 3} else 1.0

def stream(delta, weights=torch.arange(3.0)):
    def draw(batch, g):
        return torch.randn(batch, generator=g) * delta * weights
    return draw

for value in (
    torch.relu, torch.nn.functional.silu, torch.nn.GELU(), Own(0.5), Own(0.6),
    training.StepDecay(0.5, epochs=2), training.CropFlip(), stream(0.1),
    stream(0.5), stream(0.5, torch.arange(3.0).flip(0)), lambda z: z.tanh(),
    lambda z: z.sigmoid(), partial(torch.add, 1), partial(torch.add, 2),
    torch.no_grad()(stream(0.1)), torch.enable_grad()(stream(0.1)),
    (lambda z: z.exp()), training.InverseTime(0.1), training.InverseTime(0.2),
):
    print(fingerprint("value", value))
"""


def test_fingerprints_differ_and_are_the_same_in_every_process(tmp_path):
    found = []
    for seed in ("1", "2"):  # one from a file, one that has no source
        (tmp_path / "script.py").write_text(SCRIPT)
        where = [tmp_path / "script.py"] if seed == "1" else ["-c", SCRIPT]
        done = subprocess.run(
            [sys.executable, *where],
            env=os.environ
            | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(sources.ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(done.stdout.split())
    assert found[0] == found[1]
    assert len(set(found[0])) == len(found[0]) == 19
    assert "relu:" in found[0][0]
    assert found[0][3].startswith("Own:")


def test_a_fingerprint_names_what_it_cannot_hold():
    with pytest.raises(ValueError, match=r"reads 'factor' of type object"):
        sources.fingerprint("schedule", make(object()))
