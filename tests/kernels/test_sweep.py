"""kernels.sweep: every cell once, whole, wherever it runs."""

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from kernels import sweep
from kernels.runs.sources import ROOT
from kernels.sweep import engines
from kernels.sweep.store import Store

HERE = Path(__file__).resolve().parent
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows has the one


def cell(x, scale=1):
    return {"y": x * scale, "pair": (x, scale), "root": math.sqrt(x)}


def logged(log, i, wait=0.0):
    """Leaves a line a call, so that calls can be counted."""
    time.sleep(wait)
    with open(log, "a") as lines:
        lines.write(f"{i}\n")
    return {"i": i, "third": i / 3}


def flaky(log, i):
    logged(log, i)
    if i % 2 and Path(log).read_text().split().count(str(i)) < 2:
        raise ValueError(f"first time for {i}")
    return {"i": i}


def broken(log, i):
    logged(log, i)
    if i in (1, 3):
        raise KeyError(f"no {i}")
    return {"i": i}


def deadly(log, i, deaths):
    """Kills its own process the first `deaths` times."""
    logged(log, i)
    if i == 2 and Path(log).read_text().split().count("2") <= deaths:
        os.kill(os.getpid(), KILL)
    return {"i": i}


def environment(i):
    return {"pid": os.getpid(), "threads": os.environ["OMP_NUM_THREADS"]}


def unfit(i):
    return {"value": {1, 2}} if i else [1]


def contents(folder):
    return {p.name: p.read_bytes() for p in Path(folder).iterdir()}


def calls(log):
    return sorted(map(int, Path(log).read_text().split()))


GRID = [{"x": x, "scale": s} for x in (3, 1, 2) for s in (1, 0.5)]


@pytest.mark.parametrize("workers", [None, 2])
def test_results_come_in_grid_order_and_read_back_alike(tmp_path, workers):
    expected = [
        {
            "y": p["x"] * p["scale"],
            "pair": [p["x"], p["scale"]],
            "root": p["x"] ** 0.5,
        }
        for p in GRID
    ]
    assert sweep.run(cell, iter(GRID), tmp_path, workers) == expected
    assert sweep.run(cell, GRID, tmp_path, workers) == expected
    assert len(contents(tmp_path)) == len(GRID)


def test_a_cell_runs_once_even_when_named_twice(tmp_path):
    log = str(tmp_path / "log")
    grid = [{"log": log, "i": i} for i in (1, 2, 1)]
    store = tmp_path / "store"
    results = sweep.run(logged, grid, store)
    assert [r["i"] for r in results] == [1, 2, 1]
    grid.append({"i": 5, "log": log})  # and in another order of keywords
    grid.append({"i": 2, "log": log})
    assert [r["i"] for r in sweep.run(logged, grid, store)] == [1, 2, 1, 5, 2]
    assert calls(log) == [1, 2, 5]


def test_processes_are_separate_have_one_thread_and_leave_no_trace(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    before, main = dict(os.environ), sys.modules["__main__"]
    grid = [{"i": i} for i in range(4)]
    results = sweep.run(environment, grid, tmp_path, 2)
    pids = {r["pid"] for r in results}
    assert 1 <= len(pids) <= 2
    assert os.getpid() not in pids
    assert {r["threads"] for r in results} == {"1"}
    assert os.environ == before
    assert sys.modules["__main__"] is main
    if os.name == "posix":  # elsewhere the question itself would kill
        for pid in pids:
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)


def test_the_key_tells_cells_points_and_code_apart():
    keys = {
        sweep.key(cell, {"x": 1}, "a"),
        sweep.key(cell, {"x": 1.0}, "a"),
        sweep.key(cell, {"x": True}, "a"),
        sweep.key(cell, {"x": "1"}, "a"),
        sweep.key(cell, {"z": 1}, "a"),
        sweep.key(cell, {"x": 1}, "b"),
        sweep.key(logged, {"x": 1}, "a"),
    }
    assert len(keys) == 7
    assert sweep.key(cell, {"a": 1, "b": 2}, "") == sweep.key(
        cell, {"b": 2, "a": 1}, ""
    )


@pytest.mark.parametrize(
    ("point", "message"),
    [({"x": {1}}, "not JSON-able"), (3, "a grid holds dicts")],
)
def test_points_that_cannot_be_stored_are_named(point, message):
    with pytest.raises(TypeError, match=message):
        sweep.key(cell, point, "")


def module(folder, body):
    """A fresh module `field`, imported from `folder`."""
    (folder / "field.py").write_text(textwrap.dedent(body))
    sys.modules.pop("field", None)
    import importlib

    importlib.invalidate_caches()
    return importlib.import_module("field")


def test_an_edit_of_the_code_reruns_and_key_code_false_does_not(
    tmp_path, monkeypatch
):
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    store, grid = tmp_path / "store", [{"x": 2}]
    first = module(tmp_path, "def cell(x):\n    return {'y': x}\n")
    for keyed in (True, False):
        assert sweep.run(first.cell, grid, store, key_code=keyed) == [{"y": 2}]
    second = module(tmp_path, "def cell(x):\n    return {'y': -x * 1}\n")
    run = sweep.run(second.cell, grid, store)
    assert run == [{"y": -2}]
    assert sweep.run(second.cell, grid, store, key_code=False) == [{"y": 2}]


MADE = """
    import functools

    def make(c):
        def cell(x):
            return {'y': c * x}
        return cell

    def default(c):
        def cell(x, *, c=c):
            return {'y': c * x}
        return cell

    def plain(x):
        return {'y': x}

    def times(c):
        @functools.wraps(plain)
        def cell(**point):
            return {'y': c * plain(**point)['y']}
        return cell

    def alike(c):
        pair = lambda x: {'y': x}, lambda x: {'y': 2 * x}
        return pair[c - 1]

    def nested(c):
        inner = make(1), make(2)
        first, second = inner[:: 1 if c == 1 else -1]
        return lambda x: {'y': first(x)['y'] + 0 * second(x)['y']}
"""


@pytest.mark.parametrize(
    "how", ["make", "default", "times", "alike", "nested"]
)
@pytest.mark.parametrize("workers", [None, 1])
def test_cells_that_a_function_makes_are_told_apart(
    tmp_path, monkeypatch, how, workers
):
    """In a module outside the repository, of which no root tells."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    made = module(tmp_path, MADE)
    store = tmp_path / "store"
    for c in (1, 2):
        cell = getattr(made, how)(c)
        assert sweep.run(cell, [{"x": 3}], store, workers) == [{"y": 3 * c}]
    assert len(contents(store)) == 2
    again = getattr(made, how)(2)
    assert sweep.run(again, [{"x": 3}], store) == [{"y": 6}]
    assert len(contents(store)) == 2


def test_a_cell_that_encloses_what_no_key_can_hold_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"reads 'factor' of type object"):
        sweep.run(enclosing(object()), [{"i": 1}], tmp_path)


def test_what_is_no_whole_record_is_computed_again(tmp_path):
    grid = [{"x": 4}, {"x": 9}]
    sweep.run(cell, grid, tmp_path)
    whole = contents(tmp_path)
    one, two = sorted(tmp_path.iterdir())
    one.write_text(one.read_text()[:30])
    two.write_text(two.read_text().replace('"x"', '"z"'))
    assert [r["root"] for r in sweep.run(cell, grid, tmp_path)] == [2, 3]
    assert contents(tmp_path) == whole


def test_a_write_that_fails_leaves_no_file(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(TypeError):
        store.write("name", cell=cell, point={}, result={"y": {1}})
    assert not contents(tmp_path)


@pytest.mark.parametrize("workers", [None, 2])
def test_a_failing_cell_is_reported_and_tried_once_more(tmp_path, workers):
    log = str(tmp_path / "log")
    grid = [{"log": log, "i": i} for i in range(4)]
    with pytest.warns(RuntimeWarning, match=r"'i': [13]}, attempt 1 of 2: Va"):
        results = sweep.run(flaky, grid, tmp_path / "store", workers)
    assert results == [{"i": i} for i in range(4)]
    assert calls(log) == [0, 1, 1, 2, 3, 3]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("workers", [None, 2])
def test_cells_that_fail_twice_are_listed_and_lose_nothing(tmp_path, workers):
    log = str(tmp_path / "log")
    grid = [{"log": log, "i": i} for i in range(5)]
    for round_ in (1, 2):
        with pytest.raises(sweep.SweepFailed) as caught:
            sweep.run(broken, grid, tmp_path / "store", workers)
        text = str(caught.value)
        assert text.startswith("2 of 5 cells of test_sweep.broken failed")
        assert "'i': 1}: KeyError: 'no 1'" in text
        assert "'i': 3}: KeyError: 'no 3'" in text
        points = [point for point, _ in caught.value.failures]
        assert sorted(p["i"] for p in points) == [1, 3]
        assert all("in broken" in trace for _, trace in caught.value.failures)
        expected = [0, 2, 4, *[1, 3] * 2 * round_]
        assert calls(log) == sorted(expected)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_results_that_cannot_be_stored_are_failures(tmp_path):
    with pytest.raises(sweep.SweepFailed, match="returned a list") as caught:
        sweep.run(unfit, [{"i": 0}, {"i": 1}], tmp_path)
    assert "set is not JSON serializable" in str(caught.value)


def test_a_process_that_dies_costs_its_own_cell_one_attempt(tmp_path):
    log = str(tmp_path / "log")
    grid = [{"log": log, "i": i, "deaths": 1} for i in range(5)]
    with pytest.warns(RuntimeWarning, match="died with exit code -9") as seen:
        results = sweep.run(deadly, grid, tmp_path / "store", 2)
    assert len(seen) == 1
    assert results == [{"i": i} for i in range(5)]
    assert calls(log) == [0, 1, 2, 2, 3, 4]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_cell_that_always_kills_its_process_is_listed(tmp_path):
    log = str(tmp_path / "log")
    grid = [{"log": log, "i": i, "deaths": 9} for i in range(4)]
    with pytest.raises(sweep.SweepFailed, match="exit code -9") as caught:
        sweep.run(deadly, grid, tmp_path / "store", 1)
    assert [point["i"] for point, _ in caught.value.failures] == [2]
    assert len(contents(tmp_path / "store")) == 3


SCRIPT = """
    import sys, time
    from kernels import sweep
    OFFSET = 0.1

    def helper(i):
        return i / 3 + OFFSET

    def cell(i):  # no `if __name__` guard: a chapter has none
        time.sleep(0.05)
        return {"i": i, "value": helper(i)}

    workers = int(sys.argv[2]) or None
    grid = [{"i": i} for i in range(20)]
    results = sweep.run(cell, grid, sys.argv[1], workers)
    print(results[19]["i"])
"""


def start(script, store, workers):
    return subprocess.Popen(
        [sys.executable, str(script), str(store), str(workers)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TQDM_DISABLE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("workers", [0, 2])
def test_a_killed_run_started_again_ends_with_the_same_bytes(
    tmp_path, workers
):
    """Cells of a script, killed for good in mid-run, twice."""
    script = tmp_path / "chapter.py"
    script.write_text(textwrap.dedent(SCRIPT))
    whole, part = tmp_path / "whole", tmp_path / "part"
    counts = []
    for least in (3, 9):
        process = start(script, part, workers)
        deadline = time.monotonic() + 60
        while len(list(part.glob("*.json"))) < least:
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.kill()
        process.communicate()
        counts.append(len(list(part.glob("*.json"))))
    assert 3 <= counts[0] < 20
    assert 9 <= counts[1] < 20
    for store, count in ((part, workers), (whole, 0)):
        process = start(script, store, count)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (0, "19\n"), err
    for path in part.glob(".*.tmp"):
        path.unlink()  # at most one, of the write that the kill cut short
    assert contents(part) == contents(whole)
    assert len(contents(whole)) == 20


def enclosing(factor):
    def local(i):
        return {"y": factor * i}

    return local


def test_local_cells_travel_by_value(tmp_path):
    pytest.importorskip("cloudpickle")
    for factor in (3, 4):  # in one store: what is enclosed is in the key
        run = sweep.run(enclosing(factor), [{"i": 1}], tmp_path, 1)
        assert run == [{"y": factor}]


def test_local_cells_are_refused_without_cloudpickle(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with pytest.raises(ValueError, match=r"local.*define it in a module"):
        sweep.run(enclosing(3), [{"i": 1}], tmp_path, 1)


@pytest.mark.parametrize("workers", [0, -1, True])
def test_bad_counts_of_workers(tmp_path, workers):
    with pytest.raises(ValueError, match=f"workers is {workers}"):
        sweep.run(cell, GRID, tmp_path, workers)


def test_dask_is_asked_for_by_name_when_absent(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match="pip install distributed"):
        sweep.run(cell, GRID, tmp_path, "tcp://127.0.0.1:8786")


def test_an_attempt_is_an_outcome_whatever_happens():
    assert engines.attempt(cell, {"x": 4})["result"]["root"] == 2.0
    bad = engines.attempt(cell, {"x": -1})
    assert bad["error"].startswith("ValueError")
    assert "in cell" in bad["trace"]
    assert json.dumps(bad)


# ---- Dask: optional, so these skip where `distributed` is not installed


@pytest.fixture
def cluster():
    distributed = pytest.importorskip("distributed")
    with (
        _quiet(),
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
        ) as cluster,
    ):
        yield cluster


@contextlib.contextmanager
def _quiet():
    """Without the log that a cluster writes when its parts are killed."""
    import logging

    logger = logging.getLogger("distributed")
    before, logger.level = logger.level, logging.CRITICAL + 1
    try:
        yield
    finally:
        logger.level = before


def test_dask_gives_the_bytes_that_this_process_gives(tmp_path, cluster):
    from distributed import Client

    sweep.run(cell, GRID, tmp_path / "here")
    here = contents(tmp_path / "here")
    address = cluster.scheduler_address
    assert sweep.run(cell, GRID, tmp_path / "dask", address)[0]["y"] == 3
    assert contents(tmp_path / "dask") == here
    with Client(cluster) as client:
        sweep.run(cell, GRID[:2], tmp_path / "client", client)
        assert client.status == "running"  # it is the caller's
    assert len(contents(tmp_path / "client")) == 2


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_dask_cells_fail_and_are_retried_like_any(tmp_path, cluster):
    log = str(tmp_path / "log")
    grid = [{"log": log, "i": i} for i in range(5)]
    with pytest.raises(sweep.SweepFailed, match="'i': 3}: KeyError"):
        sweep.run(broken, grid, tmp_path / "s", cluster.scheduler_address)
    assert calls(log) == sorted([0, 2, 4, *[1, 3] * 2])
    assert len(contents(tmp_path / "s")) == 3


def test_dask_survives_a_worker_killed_in_mid_run(tmp_path, cluster):
    log = str(tmp_path / "log")
    grid = [{"log": log, "i": i, "wait": 0.2} for i in range(12)]
    pids = []

    def kill_one():
        while not Path(log).exists():
            time.sleep(0.01)
        pids.append(next(iter(cluster.workers.values())).pid)
        os.kill(pids[0], KILL)

    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    store = tmp_path / "store"
    results = sweep.run(logged, grid, store, cluster.scheduler_address)
    killer.join()
    assert len(pids) == 1
    assert results == [{"i": i, "third": i / 3} for i in range(12)]
    sweep.run(logged, grid, tmp_path / "here")
    assert contents(store) == contents(tmp_path / "here")


class Lost:
    """A future whose result went with its worker, until it is done anew."""

    status = "lost"

    def add_done_callback(self, call):
        call(self)

    def result(self):
        return {"result": 7}


class Fickle(Lost):
    """One whose status changes at every look."""

    def __init__(self):
        self.looks = 0

    @property
    def status(self):
        self.looks += 1
        return "finished" if self.looks == 1 else "error"

    def exception(self):
        raise AssertionError("it was finished when it was looked at")


class Careless:
    """A client of a cluster that loses one result; ``looks`` at workers."""

    status = "running"

    def __init__(self, workers):
        self.workers, self.looks, self.future = workers, 0, Lost()

    def submit(self, *_, **__):
        return self.future

    def scheduler_info(self, **_):
        self.looks += 1
        if self.workers and self.looks == 2:
            self.future.status = "finished"
        return {"workers": self.workers}

    def cancel(self, _):
        pass


def over_dask(client, patience):
    how = {"wanted": {}, "patience": patience}
    return list(engines.dask(logged, {"a": {"i": 1}}, client, **how))


def test_dask_may_lose_a_result_and_compute_it_again():
    client = Careless({"one": {}})
    assert over_dask(client, 60) == [("a", {"result": 7})]
    assert client.looks == 2


def test_the_status_of_a_cell_is_read_once_a_turn():
    client = Careless({"one": {}})
    client.future = Fickle()
    assert over_dask(client, 60) == [("a", {"result": 7})]
    assert client.future.looks == 1


def test_a_lost_result_waits_for_a_worker_no_longer_than_any():
    with pytest.raises(ConnectionError, match="no worker for"):
        over_dask(Careless({}), 0.6)


SCHEDULER = """
    import time
    from distributed import LocalCluster

    if __name__ == "__main__":
        with LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            protocol="tcp://",
            dashboard_address=None,
        ) as cluster:
            print(cluster.scheduler_address, flush=True)
            time.sleep(120)
"""


def test_a_scheduler_that_vanishes_leaves_what_is_done(tmp_path):
    pytest.importorskip("distributed")
    script = tmp_path / "scheduler.py"
    script.write_text(textwrap.dedent(SCHEDULER))
    search = os.pathsep.join([str(ROOT), str(HERE), *sys.path])
    process = subprocess.Popen(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": search},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    address = process.stdout.readline().strip()
    log, store = str(tmp_path / "log"), tmp_path / "store"
    grid = [{"log": log, "i": i, "wait": 0.2} for i in range(30)]

    def kill_scheduler():
        while len(list(store.glob("*.json"))) < 3:
            time.sleep(0.01)
        process.kill()

    killer = threading.Thread(target=kill_scheduler, daemon=True)
    killer.start()
    with _quiet(), pytest.raises(ConnectionError, match="of 30 cells are st"):
        sweep.run(logged, grid, store, address)
    killer.join()
    process.communicate()
    done = contents(store)
    assert 3 <= len(done) < 30
    results = sweep.run(logged, [{**p, "wait": 0.2} for p in grid], store)
    assert results == [{"i": i, "third": i / 3} for i in range(30)]
    assert done.items() <= contents(store).items()


@pytest.mark.parametrize(
    ("address", "message"),
    [("nonsense://x:1", "unknown address scheme"), ("host", "port number")],
)
def test_a_bad_scheduler_address_is_named(tmp_path, address, message):
    pytest.importorskip("distributed")
    with pytest.raises(ConnectionError, match=message):
        sweep.run(cell, GRID, tmp_path, address)


# ---- sweeps that end


def written(folder, name, text):
    (folder / f"{name}.py").write_text(textwrap.dedent(text), "utf-8")


@pytest.fixture
def outside(tmp_path, monkeypatch):
    """A folder on this process's path, for cells and what they import."""
    folder = tmp_path / "code"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in [n for n in sys.modules if n.startswith("outside_")]:
        del sys.modules[name]


def test_a_live_workers_old_code_is_not_filed_as_the_new(tmp_path, outside):
    """What ran is what is filed; else the worker is to be restarted."""
    import importlib

    distributed = pytest.importorskip("distributed")
    written(outside, "outside_cell", "def cell(i):\n    return {'i': i}\n")
    import outside_cell

    with (
        _quiet(),
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, dashboard_address=None
        ) as one,
        distributed.Client(one) as client,
    ):
        path = str(outside)
        client.run(lambda: sys.path.insert(0, path))
        run = [{"i": 1}], tmp_path / "store", client
        assert sweep.run(outside_cell.cell, *run) == [{"i": 1}]
        written(
            outside, "outside_cell", "def cell(i):\n    return {'i': -i}\n"
        )
        importlib.reload(outside_cell)
        done = contents(tmp_path / "store")
        began = time.monotonic()
        with pytest.raises(ImportError, match=r"outside_cell.*restart the w"):
            sweep.run(outside_cell.cell, *run)
        assert time.monotonic() - began < 30
        assert contents(tmp_path / "store") == done
        client.restart()
        client.run(lambda: sys.path.insert(0, path))
        assert sweep.run(outside_cell.cell, *run) == [{"i": -1}]


def test_a_cell_that_no_worker_can_import_is_named_at_once(
    tmp_path, cluster, outside
):  # the cluster first: its workers know this process's path at their birth
    written(outside, "outside_lost", "def cell(i):\n    return {'i': i}\n")
    import outside_lost

    began = time.monotonic()
    with _quiet(), pytest.raises(ImportError, match=r"outside_lost\.cell can"):
        sweep.run(
            outside_lost.cell,
            [{"i": i} for i in range(50)],
            tmp_path / "store",
            cluster.scheduler_address,
        )
    assert time.monotonic() - began < 30


def test_local_processes_name_it_too(tmp_path, outside, monkeypatch):
    written(outside, "outside_gone", "def cell(i):\n    return {'i': i}\n")
    import outside_gone

    monkeypatch.setattr(
        sys, "path", [p for p in sys.path if p != str(outside)]
    )
    began = time.monotonic()
    with pytest.raises(ImportError, match=r"outside_gone\.cell can run"):
        sweep.run(
            outside_gone.cell, [{"i": i} for i in range(50)], tmp_path / "s", 1
        )
    assert time.monotonic() - began < 60


def test_no_worker_within_the_stated_time_is_an_error(tmp_path):
    distributed = pytest.importorskip("distributed")
    with (
        _quiet(),
        distributed.LocalCluster(n_workers=0, dashboard_address=None) as empty,
        pytest.raises(ConnectionError, match="no worker for 1 seconds"),
    ):
        sweep.run(
            cell, GRID, tmp_path / "s", empty.scheduler_address, patience=1
        )


LONG = """
    import signal, sys, time
    # a shell that starts its jobs in the background ignores it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.path.insert(0, {root!r})

    def cell(i):
        import os
        from pathlib import Path
        Path(sys.argv[1], str(os.getpid())).touch()
        time.sleep(300)

    from kernels import sweep
    sweep.run(cell, [{{"i": i}} for i in range(4)], sys.argv[2], 2)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="/proc")
@pytest.mark.parametrize("end", [KILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_their_parent_in_mid_cell(tmp_path, end):
    pytest.importorskip("cloudpickle")
    script, seen = tmp_path / "script.py", tmp_path / "pids"
    seen.mkdir()
    script.write_text(textwrap.dedent(LONG).format(root=str(ROOT)), "utf-8")
    process = subprocess.Popen(
        [sys.executable, script, seen, tmp_path / "store"],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while len(list(seen.iterdir())) < 2:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, end)
    process.wait(timeout=20)
    deadline = time.monotonic() + 20
    for file in seen.iterdir():
        while alive(int(file.name)):
            assert time.monotonic() < deadline, "a worker outlived its parent"
            time.sleep(0.1)


def alive(pid):
    """Whether a process runs; one that has ended and waits does not."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except (ProcessLookupError, FileNotFoundError):
        return False
    return text.rpartition(")")[2].split()[0] != "Z"
