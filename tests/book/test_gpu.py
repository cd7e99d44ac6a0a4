"""`python -m book gpu-check`, as far as it runs without a GPU."""

import json
import math
import os
import subprocess
import sys

import pytest
import torch

from book.tools import gpu, records, timings

CPU = torch.device("cpu")
TOY = {
    "ceilings": {"numbers": 1 << 12, "side": 32},
    "step": {"trials": 2, "width": 16, "inputs": 7, "batch": 5},
    "interpolation": {"neurons": 20, "samples": 30, "points": 4},
    "boxes": {"neurons": 20, "samples": 30, "intervals": 2},
    "dropout": {"neurons": 20, "samples": 30, "draws": 3},
}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    once = timings.seconds
    monkeypatch.setattr(
        timings, "seconds", lambda work, on: once(work, on, rounds=1, least=0)
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_it_says_so_and_what_would_do(tmp_path):
    out = tmp_path / "gpu.json"
    done = subprocess.run(
        [sys.executable, "-m", "book", "gpu-check", "--out", str(out)],
        cwd=records.ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "no GPU here" in done.stderr
    assert "kernels/requirements-gpu.txt" in done.stderr
    assert "Traceback" not in done.stderr
    assert not out.exists()


def test_every_stage_runs_and_is_recorded(tmp_path):
    out, said = tmp_path / "deep" / "gpu.json", []
    gpu.measure(CPU, out, sizes=TOY, tests=(), said=said.append)
    record = json.loads(out.read_text())
    assert record["sizes"] == TOY
    assert record["provenance"]["device"] == "cpu"
    assert record["provenance"]["seconds"] >= 0
    assert list(timings.STAGES) == [n for n in record if n in timings.STAGES]
    for name in timings.STAGES:
        for quantity, value in record[name].items():
            assert math.isfinite(value), (name, quantity)
            assert value > 0 or quantity == "relative_difference"
    # on the CPU both are the reference
    assert record["interpolation"]["relative_difference"] == 0
    assert sum("target" in line for line in said) == len(gpu.TARGETS)
    assert [f.name for f in out.parent.iterdir()] == ["gpu.json"]


def test_a_run_cut_short_keeps_what_it_has(tmp_path, monkeypatch):
    def fails(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setitem(timings.STAGES, "boxes", fails)
    out = tmp_path / "gpu.json"
    with pytest.raises(KeyboardInterrupt):
        gpu.measure(CPU, out, sizes=TOY, tests=(), said=lambda _: None)
    record = json.loads(out.read_text())
    assert "interpolation" in record
    assert "boxes" not in record


def test_targets_stand_beside_what_was_measured():
    said = list(gpu.lines("step", {"of_tf32_rate": 0.7, "seconds": 1.0}))
    assert said == [
        "step: of_tf32_rate 0.7 (target 0.6: met)",
        "step: seconds 1",
    ]
    (said,) = gpu.lines("interpolation", {"faster_than_torch": 4.9})
    assert said.endswith("(target 5: missed)")


def test_the_floor_is_the_slower_of_both_ceilings():
    limits = {"tf32_per_second": 100.0, "bytes_per_second": 10.0}
    assert timings.floor(limits, 200, 10, "tf32_per_second") == 2
    assert timings.floor(limits, 200, 50, "tf32_per_second") == 5


def test_tests_are_counted(tmp_path):
    folder = tmp_path / "tests" / "kernels"
    folder.mkdir(parents=True)
    (folder / "test_some.py").write_text(
        "import pytest\n"
        "@pytest.mark.parametrize('on', ['host', 'gpu'])\n"
        "def test_good(on): pass\n"
        "@pytest.mark.parametrize('on', ['host', 'gpu'])\n"
        "def test_skipped(on): pytest.skip('none')\n"
        "def test_bad(): assert 1 == 2\n"
    )
    found = gpu.run_tests(["test_some"], root=tmp_path)
    output = found.pop("output")
    assert "1 == 2" in output
    assert found == {
        "passed": 2,
        "passed_on_gpu": 1,
        "failed": 1,
        "skipped": 2,
    }


def test_the_torch_path_is_forced_for_a_while_only(monkeypatch):
    monkeypatch.setenv("CONNECTED_LANDSCAPE_BACKEND", "cupy")
    with timings.torch_alone():
        assert os.environ["CONNECTED_LANDSCAPE_BACKEND"] == "torch"
    assert os.environ["CONNECTED_LANDSCAPE_BACKEND"] == "cupy"
    monkeypatch.delenv("CONNECTED_LANDSCAPE_BACKEND")
    with pytest.raises(ZeroDivisionError), timings.torch_alone():
        _ = 1 / 0
    assert "CONNECTED_LANDSCAPE_BACKEND" not in os.environ
