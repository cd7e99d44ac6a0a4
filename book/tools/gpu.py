"""``python -m book gpu-check``: test and time the CUDA kernels.

Needs Python, torch, CuPy and pytest; no Jupyter and no network. Everything
is measured in one run: the machine's own ceilings first (copies, matrix
products), then each routine beside its Torch reference. The record is
written anew after every stage, so that a run cut short keeps what it has.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from xml.etree import ElementTree

import torch

from book.tools import records, timings
from kernels import device

OUT = Path("book", "results", "gpu.json")
TESTS = ("test_cuda", "test_cuda_routes", "test_cuda_compile")
SIZES = {
    "ceilings": {"numbers": 1 << 28, "side": 8192},
    "step": {"trials": 20, "width": 3200, "inputs": 784, "batch": 100},
    "interpolation": {"neurons": 12800, "samples": 8192, "points": 25},
    "boxes": {"neurons": 3200, "samples": 2048, "intervals": 8},
    "dropout": {"neurons": 3200, "samples": 8192, "draws": 200},
}
TARGETS = {  # stage, quantity: at least
    ("step", "of_tf32_rate"): 0.6,
    ("step", "faster_than_eager"): 10.0,
    ("interpolation", "faster_than_torch"): 5.0,
}


def run_tests(names=TESTS, root=records.ROOT):
    """Runs the kernels' tests; how many passed, also on the GPU."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "tests.xml")
        command = [sys.executable, "-m", "pytest", "-q", "-p"]
        command += ["no:cacheprovider", f"--junitxml={report}"]
        command += [f"tests/kernels/{name}.py" for name in names]
        done = subprocess.run(
            command, cwd=root, capture_output=True, encoding="utf-8"
        )
        if not report.exists():
            raise RuntimeError(f"pytest did not run: {done.stderr[-2000:]}")
        cases = list(ElementTree.parse(report).iter("testcase"))

    ends = [{part.tag for part in case} for case in cases]
    passed = [
        case.get("name")
        for case, end in zip(cases, ends)
        if not end & {"failure", "error", "skipped"}
    ]
    return {
        "passed": len(passed),
        "passed_on_gpu": sum("gpu" in name for name in passed),
        "failed": sum(bool(end & {"failure", "error"}) for end in ends),
        "skipped": sum("skipped" in end for end in ends),
        "output": done.stdout[-4000:] if done.returncode else "",
    }


def measure(on, out, *, sizes=SIZES, tests=TESTS, said=print):
    """Tests, then all stages, and the record's file; returns the record."""
    began = time.perf_counter()
    record = {
        "provenance": {
            **device.describe(on),
            "commit": records.commit(),
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
        },
        "sizes": sizes,
        "targets": {f"{s}.{q}": v for (s, q), v in TARGETS.items()},
    }

    def keep():
        seconds_ = round(time.perf_counter() - began, 1)
        record["provenance"]["seconds"] = seconds_
        text = json.dumps(records.rounded(record), indent=1)
        records.write(out, text + "\n")

    if tests:
        record["tests"] = run_tests(tests)
        said(f"tests: {record['tests']}")
        keep()
    for name, stage in timings.STAGES.items():
        record[name] = stage(on, record.get("ceilings"), **sizes[name])
        keep()
        for line in lines(name, record[name]):
            said(line)
    return record


def lines(name, found):
    """What a stage measured, each target beside its measurement."""
    for quantity, value in found.items():
        aim = TARGETS.get((name, quantity))
        if aim is None:
            yield f"{name}: {quantity} {value:.4g}"
        else:
            verdict = "met" if value >= aim else "missed"
            yield f"{name}: {quantity} {value:.4g} (target {aim:g}: {verdict})"


def check(out=None):
    """The command: needs a CUDA device and CuPy, and says so otherwise."""
    if not torch.cuda.is_available():
        raise RuntimeError(
            f"no GPU here: torch {torch.__version__} finds no CUDA device, so "
            "nothing was measured. Run this on a machine with an NVIDIA GPU, "
            "its driver and kernels/requirements-gpu.txt; on this one "
            "python -m pytest tests/kernels/test_cuda.py "
            "tests/kernels/test_cuda_routes.py "
            "tests/kernels/test_cuda_compile.py checks the kernels without"
        )
    if not device.has_cupy():
        raise RuntimeError(
            f"{device.cupy_problem()}, so the CUDA kernels cannot run: pip "
            "install -r kernels/requirements-gpu.txt"
        )
    on = device.pick("cuda")
    print(f"{torch.cuda.get_device_name(on)}, torch {torch.__version__}")
    record = measure(on, Path(out or records.ROOT / OUT))
    tests = record["tests"]
    if tests["failed"] or not tests["passed_on_gpu"]:
        raise RuntimeError(
            f"{tests['failed']} tests failed, {tests['passed_on_gpu']} passed "
            f"on the GPU:\n{tests['output']}"
        )
    print("not measured here: the papers' experiments within one GPU-hour")
