"""Processes that end, and do not stand in each other's way."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from jupyter_client import KernelManager

from book.tools import kernel, notebooks, records, render, site

ROOT = records.ROOT
posix = pytest.mark.skipif(os.name != "posix", reason="signals")
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows has the one
SLOW = """\
# %% tags=["parameters"]
profile = "laptop"
# %%
import os, time
from pathlib import Path
print("here")
Path({seen!r}, str(os.getpid())).touch()
end = time.monotonic() + {pause}
while time.monotonic() < end and not Path({seen!r}, "../on").exists():
    time.sleep(0.05)
"""


def book(root, names, pause):
    """A book whose chapters say who they are, then wait."""
    seen = root / "seen"
    seen.mkdir(parents=True)
    for folder in ("kernels", "book/tools"):
        shutil.copytree(ROOT / folder, root / folder)
    for file in ("book/__init__.py", "book/__main__.py", "requirements.txt"):
        shutil.copy(ROOT / file, root / file)
    (root / "book/claims").mkdir()
    (root / "book/part").mkdir()
    (root / "_config.yml").write_text("title: small\n", "utf-8")
    toc = f"root: book/{names[0]}\n"
    toc += "chapters:\n" if names[1:] else ""
    toc += "".join(f"- file: book/{n}\n" for n in names[1:])
    (root / "_toc.yml").write_text(toc, "utf-8")
    for name in names:
        text = SLOW.format(seen=str(seen), pause=pause)
        site.source(name, root).write_text(text, "utf-8")
    return root


def start(root, *words):
    own = root / "tmp"
    own.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "book", "render", *words],
        cwd=root,
        env={**os.environ, "TMPDIR": str(own)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
        preexec_fn=listening if os.name == "posix" else None,
    )


def listening():
    """Ctrl-C reaches it, also under a shell that runs its jobs apart."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def alive(pid):
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return text.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="/proc")
@pytest.mark.parametrize(
    ("jobs", "end"),
    [
        ("1", KILL),
        ("2", KILL),
        ("1", signal.SIGTERM),
        ("2", signal.SIGTERM),
        ("2", signal.SIGINT),
    ],
)
def test_nothing_outlives_a_render(tmp_path, jobs, end):
    names = ["part/one", "part/two"][: int(jobs)]
    root = book(tmp_path, names, 300)
    process = start(root, "--jobs", jobs)
    seen = root / "seen"
    until(lambda: len(list(seen.iterdir())) == int(jobs))
    os.kill(process.pid, end)
    process.communicate(timeout=30)
    until(lambda: not any(alive(f.name) for f in seen.iterdir()), 15)
    until(lambda: not list((root / "tmp").glob("landscape-*")), 15)
    assert not list(root.glob("book/**/*.ipynb"))


@posix
@pytest.mark.slow
def test_one_chapter_is_rendered_by_one_process_at_a_time(tmp_path):
    root = book(tmp_path, ["part/one"], 300)
    first = start(root)
    until(lambda: list((root / "seen").iterdir()))
    second = start(root)
    _, said = second.communicate(timeout=60)
    assert second.returncode == 1
    assert f"part/one: process {first.pid} is rendering it" in said
    assert "Traceback" not in said
    (root / "on").touch()
    said = "".join(first.communicate(timeout=60))
    assert first.returncode == 0, said
    assert "NOTE" not in said  # ipykernel's, of an entry point not ours
    assert render.check(["part/one"], root) == []
    assert not list((root / "tmp").glob("landscape-*"))


@pytest.mark.slow
def test_outputs_edited_by_hand_are_named(tmp_path):
    """Pictures and explorers too, which nbval does not compare."""
    root = book(tmp_path, ["part/one"], 0)
    render.execute("part/one", root=root, bars=False)
    assert render.check(["part/one"], root) == []
    nb = render.read("part/one", root)
    cell = next(c for c in nb.cells if c.outputs)
    picture = {"output_type": "display_data", "metadata": {}}
    for data in (
        {"image/png": "aGVsbG8="},
        {"text/html": '<div class="explorer"></script></div>'},
    ):
        changed = nb.copy()
        one = type(cell)({**cell, "outputs": [*cell.outputs]})
        one.outputs.append(type(cell)({**picture, "data": data}))
        changed.cells = [one if c is cell else c for c in nb.cells]
        [said] = notebooks.edits(changed)
        assert "its outputs are not those of its rendering" in said
    cell.outputs = []
    assert len(notebooks.edits(nb)) == 1


def test_a_kernel_that_is_stopped_does_not_say_so(tmp_path):
    """jupyter_client interrupts before it stops, and ipykernel logs that."""
    said = tmp_path / "stderr"
    with kernel.scratch() as folder, said.open("w") as stderr:
        km = kernel.manager(KernelManager, folder)()
        km.start_kernel(stderr=stderr)
        client = km.blocking_client()
        client.start_channels()
        client.wait_for_ready(timeout=60)
        client.execute_interactive(
            "log = get_ipython().kernel.log\n"
            "log.error('KeyboardInterrupt caught in kernel.')\n"
            "log.error('something else')",
            timeout=60,
        )
        client.stop_channels()
        km.shutdown_kernel()
    text = said.read_text("utf-8")
    assert "something else" in text
    assert "KeyboardInterrupt" not in text
