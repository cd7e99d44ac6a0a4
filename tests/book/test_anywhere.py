"""The book in other hands: no git, no HOME, no UTF-8, another system."""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from book.tools import kernel, keys, records, render, site
from kernels.runs import sources

ROOT = records.ROOT
POOR = {
    "PATH": "/nonexistent",
    "LC_ALL": "C",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
    "OMP_NUM_THREADS": "1",
}


def test_every_text_file_is_opened_in_a_named_encoding():
    """Else it is the locale's: twelve calls were, and the book stopped."""
    wrong = []
    for file in [*ROOT.glob("book/**/*.py"), *ROOT.glob("kernels/**/*.py")]:
        tree = ast.parse(file.read_bytes())
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func).rpartition(".")[2]
            text = ast.unparse(node)
            binary = any(f"'{m}" in text for m in ("rb", "wb", "ab"))
            textual = name in ("read_text", "write_text") or (
                name == "open" and isinstance(node.func, ast.Name)
            )
            if textual and not binary and "utf-8" not in text:
                wrong.append(f"{file.relative_to(ROOT)}:{node.lineno}")
            if name in ("run", "Popen") and "text=True" in text:
                wrong.append(f"{file.relative_to(ROOT)}:{node.lineno}")
    assert wrong == []


# What Windows lacks: modules, attributes, and words of paths and programs.
MODULES = {"fcntl", "grp", "pty", "pwd", "resource", "termios"}
CALLS = {"fork", "killpg", "getpgid", "getpgrp", "setsid", "setpgid", "pipe2"}
CALLS |= {"geteuid", "getuid", "getegid", "getgid", "uname", "mkfifo", "nice"}
CALLS |= {"fchmod", "chown", "sched_getaffinity", "SIGKILL", "SIGSTOP"}
CALLS |= {"SIGCONT", "SIGHUP", "SIGALRM", "SIGUSR1", "SIGUSR2", "alarm"}
CALLS |= {"symlink", "symlink_to"}
WORDS = ("/proc/", "/dev/", "bash", "preexec_fn")
# who uses one, and what stands in its place
FALLBACKS = {
    "book/tools/locks.py": "msvcrt",
    "kernels/device/record.py": "suppress(OSError)",  # a name, or another
    "tests/book/test_anywhere.py": "skipif",
    "tests/book/browser.py": 'os.name != "posix"',
    "tests/book/test_processes.py": "skipif",
    "tests/book/test_publish.py": "skipif",
    "tests/kernels/test_sweep.py": "skipif",
}


def windows_lacks(text):
    """What a source uses that Windows has not."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from {a.name for a in node.names} & MODULES
        elif isinstance(node, ast.ImportFrom):
            yield from {node.module} & MODULES
            yield from {a.name for a in node.names} & CALLS
        elif isinstance(node, ast.Attribute):
            yield from {node.attr} & CALLS
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if "\n" not in node.value:  # no page, no docstring
                yield from (w for w in WORDS if node.value.startswith(w))
        elif isinstance(node, ast.keyword):
            yield from {node.arg} & set(WORDS)


def test_what_windows_lacks_has_a_fallback():
    found = {}
    for part in ("book", "kernels", "tests"):
        for file in (ROOT / part).rglob("*.py"):
            text = file.read_text(encoding="utf-8")
            name = file.relative_to(ROOT).as_posix()
            if used := set(windows_lacks(text)):
                found[name] = used
                assert FALLBACKS.get(name, "none stated") in text, used
    assert set(found) == set(FALLBACKS)


def test_nothing_imports_what_windows_lacks():
    """Tests too: what fails on import ends the collection of all.

    Decorators run on import: ``parametrize`` over ``signal.SIGKILL`` does.
    """
    for part in ("book", "kernels", "tests"):
        for file in (ROOT / part).rglob("*.py"):
            tree = ast.parse(file.read_bytes())
            for node in (n for top in tree.body for n in on_import(top)):
                names = {a.name for a in getattr(node, "names", ())}
                names |= {getattr(node, "attr", None)}
                assert not names & (MODULES | CALLS), file


def on_import(node):
    """The nodes of a statement that run when its module is imported."""
    yield node
    if isinstance(node, ast.FunctionDef | ast.Lambda):
        inner = [*getattr(node, "decorator_list", ()), node.args]
    else:
        inner = ast.iter_child_nodes(node)
    for child in inner:
        yield from on_import(child)


def test_what_runs_on_import_is_found():
    """A decorator and a default do; a body does not."""
    one, two, three = ast.parse(
        "@mark(signal.SIGKILL)\ndef f(): pass\n"
        "def f(a=signal.SIGKILL): pass\n"
        "def f(): signal.SIGKILL\n"
    ).body
    for top, found in ((one, True), (two, True), (three, False)):
        names = {getattr(n, "attr", None) for n in on_import(top)}
        assert ("SIGKILL" in names) is found


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="a POSIX locale")
def test_a_poor_environment_checks_and_renders(tmp_path):
    """No git, no HOME, no UTF-8, and brackets and spaces in the path."""
    root = copy(tmp_path / "a [b] c Æ")
    done = book(root, "render", "part/one", env=POOR)
    assert done.returncode == 0, done.stderr
    nb = render.read("part/one", root)
    assert "Æ θ" in str(nb.cells[-1].outputs)
    assert book(root, "check", env=POOR).returncode == 0
    # and the same from a richer one
    assert render.check(["part/one"], root) == []


def copy(root):
    """The tools, and a book of one chapter."""
    root.mkdir(parents=True)
    for folder in ("kernels", "book/tools"):
        shutil.copytree(ROOT / folder, root / folder)
    for file in ("book/__init__.py", "book/__main__.py", "requirements.txt"):
        shutil.copy(ROOT / file, root / file)
    (root / "book/claims").mkdir()
    (root / "_config.yml").write_text("title: small\n", encoding="utf-8")
    (root / "_toc.yml").write_text("root: book/part/one\n", encoding="utf-8")
    (root / "book/part").mkdir()
    (root / "book/part/one.py").write_text(
        '# %% [markdown]\n# # Æ θ\n# %%\nprint("Æ θ")\n', encoding="utf-8"
    )
    return root


def book(root, *words, env):
    return subprocess.run(
        [sys.executable, "-m", "book", *words],
        cwd=root,
        env=env,
        capture_output=True,
        encoding="utf-8",
    )


def test_the_commit_is_this_repositorys_or_unknown(tmp_path, monkeypatch):
    git = shutil.which("git")
    if git is None:
        pytest.skip("there is no git here")

    def run(*words):
        subprocess.run([git, *words], cwd=tmp_path, check=True)

    run("init", "-q")
    who = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    run(*who, "commit", "-q", "--allow-empty", "-m", "one")
    assert records.commit(tmp_path) != "unknown"
    inner = tmp_path / "unpacked"
    inner.mkdir()
    assert records.commit(inner) == "unknown"  # another one's, around it
    monkeypatch.setenv("PATH", "/nonexistent")
    assert records.commit(tmp_path) == "unknown"


def test_line_ends_make_nothing_stale(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels/__init__.py").write_bytes(b"")
    (tmp_path / "_toc.yml").write_bytes(b"root: book/one\n")
    source = b"# %% [markdown]\n# # One\n#\n# text\n# %%\nimport kernels.a\n"
    texts = {
        "book/one.py": source,
        "kernels/a.py": b"value = 1\n",
        "requirements.txt": b"numpy\n",
    }
    found = []
    for end in (b"\n", b"\r\n"):
        for name, text in texts.items():
            (tmp_path / name).write_bytes(text.replace(b"\n", end))
        from book.tools import notebooks

        found.append(
            (
                keys.key("one", root=tmp_path),
                sources.digest([tmp_path / "kernels/a.py"], [tmp_path]),
                notebooks.convert(site.source("one", tmp_path)),
            )
        )
    assert found[0] == found[1]


# --- explicit beats ambient ------------------------------------------------

HOSTILE = """
import os, sys, time
import matplotlib.pyplot as plt
print("interpreter", sys.executable)
print("line", plt.rcParams["lines.linewidth"], plt.rcParams["text.usetex"])
print("zone", time.strftime("%Z", time.gmtime(0)), time.timezone)
print("hash", hash("a"))
print("leak", "LEAKED" in globals() or "LEAKED" in os.environ)
fig = plt.figure()
plt.plot([1, 2])
plt.show()
"""


def hostile(folder):
    """A user's own kernels, start-up files and settings, all of them bad."""
    for name in ("home", "jupyter/kernels/python3", "ipython/profile_default"):
        (folder / name).mkdir(parents=True)
    spec = {"argv": ["/bin/false", "{connection_file}"], "language": "python"}
    (folder / "jupyter/kernels/python3/kernel.json").write_text(
        json.dumps({**spec, "display_name": "other"}), encoding="utf-8"
    )
    profile = folder / "ipython/profile_default"
    (profile / "startup").mkdir()
    for file, text in {
        profile / "startup/00.py": "LEAKED = 1\n",
        profile / "ipython_kernel_config.py": (
            "c.InlineBackend.figure_formats = {'svg'}\n"
            "c.IPKernelApp.exec_lines = ['LEAKED = 1']\n"
        ),
        folder / "start.py": "LEAKED = 1\n",
        folder / "matplotlibrc": "lines.linewidth: 9\ntext.usetex: True\n",
    }.items():
        file.write_text(text, encoding="utf-8")
    return {
        "HOME": str(folder / "home"),
        "JUPYTER_PATH": str(folder / "jupyter"),
        "JUPYTER_PREFER_ENV_PATH": "0",
        "IPYTHONDIR": str(folder / "ipython"),
        "MPLCONFIGDIR": str(folder),
        "MATPLOTLIBRC": str(folder / "matplotlibrc"),
        "MPLBACKEND": "svg",
        "PYTHONSTARTUP": str(folder / "start.py"),
        "PYTHONHASHSEED": "7",
        "TZ": "Asia/Tokyo",
        "LC_ALL": "tr_TR.UTF-8",
        "BOOK_PROFILE": "paper",
    }


@pytest.mark.slow
def test_a_rendering_is_the_same_in_a_hostile_shell(tmp_path, monkeypatch):
    root = copy(tmp_path / "book")
    text = f"# %%\n{HOSTILE}".replace("\n\n", "\n")
    marks = (
        ' mystnb={"image": {"alt": "a line from one to two, in a hostile '
        'shell and elsewhere"}, "figure": {"name": "fig-x", "caption": "x"}}'
    )
    text = text.replace("# %%", f"# %%{marks}", 1)
    site.source("part/one", root).write_text(text, encoding="utf-8")
    render.execute("part/one", root=root, bars=False)
    plain = site.notebook("part/one", root).read_bytes()
    for name, value in hostile(tmp_path / "user").items():
        monkeypatch.setenv(name, value)
    mask = os.umask(0o077)
    try:
        render.execute("part/one", root=root, bars=False)
    finally:
        os.umask(mask)
    assert site.notebook("part/one", root).read_bytes() == plain
    words = json.loads(plain)["cells"][0]["outputs"][0]["text"]
    assert f"interpreter {sys.executable}\n" in words
    assert "leak False\n" in words


def test_the_environment_of_a_kernel(tmp_path):
    shell = {"HOME": "/h", "OMP_NUM_THREADS": "3", "MPLBACKEND": "svg"}
    found = kernel.environment(tmp_path, {**shell, **hostile(tmp_path / "u")})
    assert found["OMP_NUM_THREADS"] == "3"  # the machine's owner's word
    assert found["TMPDIR"] == str(tmp_path)
    assert not [
        k
        for k, v in found.items()
        if str(tmp_path / "u") in v and k not in ("HOME", "PATH")
    ]
    assert not {"MPLBACKEND", "LC_ALL", "PYTHONSTARTUP"} & set(found)
    assert Path(found["MPLCONFIGDIR"]).is_relative_to(ROOT)
