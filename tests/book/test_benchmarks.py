"""Every benchmark still runs: once, on a few samples, without thresholds.

Measuring is for `python -m pytest tests/benchmarks/NAME.py`, on a machine
with nothing else to do. Here the sources are compiled without their `assert`
lines, the numbers at their heads and a certificate's budget are made small,
and of parametrised cases the first one runs.
"""

import inspect
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from kernels import device
from kernels.data import MissingData

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"
SMALL = {
    "BATCH": 4,
    "DRAWS": 1,
    "IMAGES": 200,
    "ROUNDS": 1,
    "SAMPLED": 1,
    "SAMPLES": 20,
    "SIDE": 64,
    "STEPS": 1,
}


class Once:
    """pytest-benchmark's fixture, but for the measuring."""

    def __init__(self):
        self.extra_info, self.calls = {}, 0

    def __call__(self, work, *args, **kwargs):
        self.calls += 1
        return work(*args, **kwargs)

    def pedantic(self, work, args=(), kwargs=None, **_):
        return self(work, *args, **(kwargs or {}))


def loaded(file):
    """The benchmark as a module, small and without assertions."""
    module = ModuleType(file.stem)
    code = compile(file.read_text(encoding="utf-8"), file, "exec", optimize=1)
    exec(code, vars(module))
    for name in SMALL.keys() & vars(module).keys():
        setattr(module, name, SMALL[name])
    if file.stem == "bench_certificates":
        certify = partial(module.certificates.certify, budget=4)
        module.certificates = SimpleNamespace(certify=certify)
    if file.stem == "bench_interpolation":
        data = module.data
        module.data = lambda n: data(SMALL["SAMPLES"])
    return module


def first_case(test):
    """The first values of each of its `parametrize` marks."""
    case = {}
    for mark in getattr(test, "pytestmark", []):
        names, values, *_ = mark.args
        if isinstance(names, str):
            case[names] = next(iter(values))
        else:
            case |= dict(zip(names, next(iter(values))))
    return case


@pytest.mark.parametrize(
    "file", sorted(FOLDER.glob("bench_*.py")), ids=lambda file: file.stem
)
def test_it_runs(file, capsys):
    module = loaded(file)
    tests = [t for n, t in vars(module).items() if n.startswith("test_")]
    assert tests
    for test in tests:
        once = Once()
        offered = SimpleNamespace(benchmark=once, capsys=capsys)
        wanted = inspect.signature(test).parameters
        fixtures = {n: v for n, v in vars(offered).items() if n in wanted}
        with device.threads(1):
            try:
                test(**fixtures, **first_case(test))
            except MissingData as absent:
                pytest.skip(str(absent).splitlines()[0])
        assert once.calls == 1, test.__name__
