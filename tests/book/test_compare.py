"""What nbval forgives and what it does not, end to end."""

import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from book.tools import kernel
from book.tools.compare import close, same

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        ("loss 0.1234567", "loss 0.1234568", True),  # last digit
        ("loss 0.123", "loss 0.126", False),
        ("n = 20", "n = 21", False),
        ("slope -1.20", "slope 1.20", False),
        ("slope −1.20", "slope −1.21", True),
        ("reproduced", "not reproduced", False),
        ("a  b\n c", "a b c", True),
        ("torch 2.13.0+cpu", "torch 2.11.0", True),
        ("key 0123456789ab", "key ba9876543210", True),
        ("laptop run: cpu; Python 3", "laptop run: H100; Python 3", True),
        ("<table at 0x7fffdeadbeef>", "<table at 0x7fff00000000>", True),
        ("1 2 3", "1 2", False),
        ("3.0e-3", "0.0030", True),
    ],
)
def test_same(a, b, equal):
    assert same(a, b) is equal
    assert same(b, a) is equal


def test_residuals_need_a_tag():
    assert not close("6.3796e-11", "6.5800e-11")
    assert close("6.3796e-11", "6.5800e-11", atol=1e-9)


CELLS = """
import matplotlib.pyplot as plt
from book.tools import digest
digest.install()
print("loss 0.12345 after 7 epochs, reproduced")
fig, ax = plt.subplots(figsize=(2, 2))
ax.plot([1, 2, 3], [0.5, 0.25, 0.125]);
"""


TAMPERS = {
    "nothing": (lambda s: s, True),
    "last digit": (
        lambda s: s.replace("loss 0.12345 ", "loss 0.12346 "),
        True,
    ),
    "number": (lambda s: s.replace("loss 0.12345 ", "loss 0.12445 "), False),
    "integer": (lambda s: s.replace("after 7", "after 8"), False),
    "word": (
        lambda s: s.replace("epochs, reproduced", "epochs, not reproduced"),
        False,
    ),
    "curve": (
        lambda s: s.replace("scale=5.0000e-01", "scale=5.1000e-01"),
        False,
    ),
    "picture bytes": (
        lambda s: s.replace('"image/png": "iVBOR', '"image/png": "AAAAA'),
        True,
    ),
}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """nbval on a notebook executed as chapters are, a tampering a cell."""
    from jupyter_client import AsyncKernelManager
    from nbclient import NotebookClient

    nb = nbformat.v4.new_notebook()
    nb.metadata["kernelspec"] = {"name": "python3", "display_name": "py"}
    nb.cells = [nbformat.v4.new_code_cell(CELLS.strip()) for _ in TAMPERS]
    with kernel.scratch() as folder:
        kind = kernel.manager(AsyncKernelManager, folder)
        NotebookClient(nb, kernel_manager_class=kind).execute()
    for cell, (name, (tamper, _)) in zip(nb.cells, TAMPERS.items()):
        before = json.dumps(cell.outputs)
        after = tamper(before)
        assert name == "nothing" or after != before, name
        cell.outputs = [nbformat.from_dict(o) for o in json.loads(after)]
    folder = tmp_path_factory.mktemp("tampered")
    nbformat.write(nb, folder / "chapter.ipynb")
    command = "-m pytest -q -p book.conftest -p no:cacheprovider --nbval -rA"
    done = subprocess.run(
        [
            *(sys.executable, *command.split(), "-c", ROOT / ".pytest.ini"),
            folder / "chapter.ipynb",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    said = done.stdout + done.stderr
    found = re.findall(r"^(PASSED|FAILED) \S*::Cell (\d+)", said, re.M)
    assert len(found) == len(TAMPERS), said
    report, _, summary = said.partition("short test summary info")
    failed = summary.count("\nFAILED ")
    assert report.count("Cell outputs differ") == failed, said
    passed = {int(k): word == "PASSED" for word, k in found}
    return {name: passed[k] for k, name in enumerate(TAMPERS)}


@pytest.mark.slow
@pytest.mark.parametrize("name", TAMPERS)
def test_tampering_is_seen(name, verdicts):
    assert verdicts[name] is TAMPERS[name][1]
