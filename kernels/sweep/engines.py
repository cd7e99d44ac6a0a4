"""Three ways to make one attempt at each of many cells.

Every engine takes `call`, {index: point} and yields (index, outcome) as they
come; an outcome is {"result": ...} or {"error": ..., "trace": ...}.
"""

import contextlib
import json
import multiprocessing
import os
import pickle
import queue
import sys
import threading
import time
import traceback
import types
from concurrent.futures import CancelledError
from multiprocessing.connection import wait
from typing import Any

from kernels.runs.sources import at_home

CONTEXT = multiprocessing.get_context("spawn")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def attempt(cell, point):
    """One attempt at one cell; a failure is an outcome, not an exception.

    The result goes through JSON here, so that a fresh one and a stored one
    are the same, and one that is not JSON-able fails like any other.
    """
    try:
        result = cell(**point)
        if not isinstance(result, dict):
            raise TypeError(
                f"the cell returned a {type(result).__name__}, expected a "
                "dict of numbers, strings and lists"
            )
        return {"result": json.loads(json.dumps(result))}
    except Exception as error:
        return _failed(_text(error), traceback.format_exc())


def here(cell, points):
    """In this process, in order."""
    for index, point in points.items():
        yield index, attempt(cell, point)


def processes(cell, points, count):
    """On `count` fresh local processes of one thread each.

    A process takes one cell at a time: when it dies, that cell has failed
    with it and another process takes its place.  Processes end when this one
    does, however it does.
    """
    payload = _portable(cell)
    waiting = list(reversed(points.items()))
    busy, idle = {}, []  # connection -> (process, index); processes

    def start():
        ours, theirs = CONTEXT.Pipe()
        process = CONTEXT.Process(
            target=_serve, args=(theirs, payload), daemon=True
        )
        with _alone():
            process.start()
        theirs.close()
        give(ours, process)

    def give(connection, process):
        index, point = waiting.pop()
        busy[connection] = process, index
        with contextlib.suppress(OSError):  # it died: `recv` will tell
            connection.send(point)

    try:
        for _ in range(min(count, len(waiting))):
            start()
        while busy:
            ready: list[Any] = wait(list(busy))
            for connection in ready:
                process, index = busy.pop(connection)
                try:
                    outcome = connection.recv()
                except (EOFError, OSError):
                    process.join()
                    outcome = _failed(
                        f"its process died with exit code {process.exitcode}"
                    )
                    if waiting:
                        start()
                else:
                    if waiting:
                        give(connection, process)
                    else:
                        connection.close()
                        idle.append(process)
                _refuse(cell, outcome)
                yield index, outcome
    finally:
        for process, _ in busy.values():
            process.terminate()
            process.join()
        for process in idle:
            process.join()


def _serve(connection, payload):
    """A worker's life: cells in, outcomes out, until the other end closes."""
    threading.Thread(target=_outlive, daemon=True).start()
    with contextlib.suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            point = connection.recv()
            try:
                cell = pickle.loads(payload)
            except Exception as error:
                connection.send({"refused": _text(error)})
            else:
                connection.send(attempt(cell, point))


def _outlive():
    """End this process with the one that started it, in mid-cell too."""
    parent: Any = multiprocessing.parent_process()
    parent.join()
    os._exit(1)


def _text(error):
    return f"{type(error).__name__}: {error}"


def _failed(error, trace=""):
    return {"error": error, "trace": trace or error}


def _portable(cell):
    """A cell as bytes that another process can load.

    By name where its module has it under that, else by value, which needs
    cloudpickle (a dependency of scikit-learn's and of Dask's).
    """
    if at_home(cell):
        return pickle.dumps(cell)
    try:
        import cloudpickle
    except ImportError as error:
        raise ValueError(
            f"the cell {cell.__qualname__!r} is defined in a notebook, a "
            "script or another function, and cloudpickle, which could send "
            "it to other processes, is not installed; define it in a module "
            "or use workers=None"
        ) from error
    return cloudpickle.dumps(cell)


@contextlib.contextmanager
def _alone():
    """What a process sees at birth: one thread, no `__main__` to run again.

    Else a spawned process would first run the caller's script anew, which a
    chapter, having no `if __name__ == "__main__"`, does not bear.
    """
    before, main = dict(os.environ), sys.modules["__main__"]
    os.environ.update(dict.fromkeys(THREADS, "1"))
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        for name in THREADS:
            if name in before:
                os.environ[name] = before[name]
            else:
                del os.environ[name]


def _refuse(cell, outcome):
    """Raise where no worker could do the cell, however often it tried."""
    if "refused" in outcome:
        raise ImportError(
            f"no cell of {cell.__module__}.{cell.__qualname__} can run: "
            + outcome["refused"]
        )


def dask(cell, points, client, *, wanted, patience):
    """On a Dask cluster, whose code must be `wanted`.

    A worker that dies is Dask's to handle: it gives the cell to another one,
    a cell too whose result went with it, and after
    `distributed.scheduler.allowed-failures` deaths declares it failed.  Raises
    ConnectionError when the scheduler is gone, or has had no worker for
    `patience` seconds, and ImportError when a worker cannot import the cell or
    has other code of it.
    """
    payload = _portable(cell)

    def there(point):  # travels by value: the worker may lack this module
        try:
            from kernels.sweep import engines, workers
        except ImportError as error:
            return {"refused": f"a worker cannot import kernels: {error}"}
        try:
            return engines.attempt(workers.load(payload, wanted), point)
        except workers.Refused as error:
            return {"refused": str(error)}

    done: queue.SimpleQueue[Any] = queue.SimpleQueue()
    futures = {
        client.submit(there, point, pure=False): index
        for index, point in points.items()
    }
    for future in futures:
        future.add_done_callback(done.put)
    left, alone = len(futures), None
    lost: list[Any] = []
    try:
        while left:
            try:
                future = done.get(timeout=0.5)
            except queue.Empty:
                alone = _lonely(client, alone, patience)
                while lost:
                    done.put(lost.pop())
                continue
            status = future.status  # once: it may change at any moment
            if status == "lost":  # until another worker has done it
                lost.append(future)
                continue
            left, alone = left - 1, None
            if status == "error":
                outcome = _failed(_text(future.exception()))
            elif status == "finished":
                outcome = future.result()
            else:
                raise ConnectionError(f"a cell was {status}")
            _refuse(cell, outcome)
            yield futures[future], outcome
    except (CancelledError, OSError) as error:
        raise ConnectionError(_text(error)) from error
    finally:
        with contextlib.suppress(Exception):
            client.cancel(list(futures))


def _lonely(client, since, patience):
    """Since when the client has had no worker, None if it has one."""
    gone = client.status != "running"
    if not gone and client.scheduler_info(n_workers=-1)["workers"]:
        return None
    now = time.monotonic()
    since = now if since is None else since
    if now - since >= patience:
        what = "no scheduler" if gone else "no worker"
        raise ConnectionError(f"{what} for {patience:g} seconds")
    return since
