"""Other processors and thread counts raise no false alarm.

Libraries choose their instructions by the processor, which environment
variables can imitate: the last digits differ, and what a chaotic training
run makes of them.
"""

import os
import subprocess
import sys

import nbformat
import pytest
import yaml

from book.tools import compare, digest, kernel, records, render

ROOT = records.ROOT
SETS = {
    "findings": {
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "MKL_CBWR": "COMPATIBLE",
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "OMP_NUM_THREADS": "2",
    },
    "old": {
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
        "MKL_CBWR": "SSE4_2",
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "OPENBLAS_CORETYPE": "Nehalem",
    },
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "OPENBLAS_CORETYPE": "Haswell"},
    "threads": {"OMP_NUM_THREADS": "3", "MKL_CBWR": "AVX2"},
}
CELLS = """
import matplotlib.pyplot as plt
import torch
from book.tools import digest
digest.install()
g = torch.Generator().manual_seed(0)
x = torch.randn(300, 8, generator=g, dtype=torch.float64)
y = torch.relu(x @ torch.randn(8, 3, generator=g, dtype=torch.float64))
from kernels import networks, training
net = networks.mlp([8, 40, 40, 3])
theta = net.init(generator=g, dtype=torch.float64)
found = training.train(
    net, theta, (x, y), loss="square", steps=60, batch=50, step_size=0.05,
    generator=g,
).theta
z = net.forward(found, x)
print(f"{float((z - y).square().mean()):.4f}")
side = torch.linspace(-3, 3, 400, dtype=torch.float64)
grid = torch.cartesian_prod(side, side)
w = torch.randn(50, 2, generator=g, dtype=torch.float64)
height = (torch.relu(grid @ w.T) @ torch.randn(50, 1, generator=g,
          dtype=torch.float64)).reshape(400, 400)
fig, ax = plt.subplots(figsize=(2, 2))
_ = ax.imshow(height.numpy())
"""


def outputs(tmp_path, more):
    """What a small chapter shows where the processor is `more`."""
    from jupyter_client import AsyncKernelManager
    from nbclient import NotebookClient

    nb = nbformat.v4.new_notebook()
    nb.cells = [nbformat.v4.new_code_cell(CELLS.strip())]
    plain = {k: v for k, v in os.environ.items() if k not in known()}
    with pytest.MonkeyPatch.context() as patch, kernel.scratch() as folder:
        patch.setattr(os, "environ", {**plain, **more})
        kind = kernel.manager(AsyncKernelManager, folder)
        NotebookClient(nb, kernel_manager_class=kind).execute()
    text = ""
    for out in nb.cells[0].outputs:
        text += out.get("text", "") if out.get("name") == "stdout" else ""
        text += out.get("data", {}).get("text/plain", "")
    return text


def known():
    return set().union(*SETS.values())


@pytest.mark.slow
def test_a_small_chapter_says_the_same_on_other_processors(tmp_path):
    here = outputs(tmp_path, {})
    assert "image (400, 400)" in here
    for name, more in SETS.items():
        assert compare.same(here, outputs(tmp_path, more)), name


def test_every_chapter_runs_on_an_old_processor_in_the_workflow():
    """All of them would take too long here; one set of `SETS` does there."""
    text = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    job = yaml.safe_load(text)["jobs"]["processor"]
    assert job["env"] == SETS["old"]
    words = job["steps"][-1]["run"].split()
    assert "--nbval" in words
    assert words[-1] == "book"


def test_a_sum_over_a_big_image_is_printed_to_digits_that_hold():
    """The statistic that raised the false alarm: steps of 160 000 numbers."""
    import numpy as np

    side = np.linspace(-1, 1, 400)
    v = np.maximum(side, 0.2) + 0.1 * side[:, None] ** 2  # partly flat
    noise = np.random.default_rng(1).normal(size=v.shape)
    a, b = (digest.statistics("image", v * (1 + e * noise)) for e in (0, 1e-7))
    assert compare.same(a, b)
    moved = v.copy()
    moved[:8] = moved[:8, ::-1]
    assert not compare.same(a, digest.statistics("image", moved))


@pytest.mark.slow
def test_two_quick_chapters_pass_on_another_processor():
    names = ["dropout/certificates", "meanfield/neurons"]
    if any(render.state(name) == "stale" for name in names):
        pytest.skip("a chapter is stale")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "--nbval", "-q"),
            *("-p", "no:cacheprovider"),
            *(f"book/{name}.ipynb" for name in names),
        ],
        cwd=ROOT,
        env={**os.environ, **SETS["findings"]},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout
