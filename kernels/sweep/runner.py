"""`run`: what is stored already, what remains, what failed."""

import contextlib
import functools
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from kernels.runs.progress import progress
from kernels.runs.sources import function_digest, function_modules
from kernels.sweep import engines
from kernels.sweep.store import Store, key, label


class SweepFailed(RuntimeError):
    """Cells that failed twice; the results of all others are stored.

    `failures`: a list of (point, traceback as text).
    """

    def __init__(
        self, message: str, failures: Iterable[tuple[dict[str, Any], str]] = ()
    ) -> None:
        super().__init__(message)
        self.failures = list(failures)


def run(
    cell: Callable[..., Any],
    grid: Iterable[dict[str, Any]],
    store: str | Path,
    workers: Any = None,
    *,
    desc: str | None = None,
    key_code: bool = True,
    patience: float = 60.0,
) -> list[Any]:
    """Run ``cell(**point)`` for every point of a grid, and keep the results.

    Every result is one file, written whole by this process and named by the
    cell, its point and its code: a run that is killed at any moment and
    started again completes the grid, with the same bytes in the same files.
    A cell that fails, or whose process dies, is warned of with its parameters
    and run once more, after the others.

    Parameters
    ----------
    cell : a function of keyword arguments alone
        These, and the dict that it returns, are JSON-able.  One whose
        outcome is random takes a seed.  It may stand in a module, a script
        or a notebook.
    grid : an iterable of dicts; equal points are run once
    store : folder for the results, made if absent
    workers : None, a positive int, a Dask ``Client`` or its address
        None: in this process, one after another, with its threads; an int:
        so many local processes of one thread each; else on that cluster,
        whose workers must be able to import what the cell does.  One GPU a
        cell: start one Dask worker, of one thread, a GPU.
    desc : text of the progress bar, None for the cell's name
    key_code : whether results count for the present code only
        See ``kernels.runs.sources.function_digest``; False keeps them
        through edits, which is then the caller's to answer for.
    patience : seconds that a cluster may be without a worker

    Returns
    -------
    list[Any]
        The results in the grid's order, as they read back from JSON
        (tuples become lists), whether computed now or before.

    Raises
    ------
    SweepFailed
        At the end, naming the cells that failed twice.
    TypeError, ValueError
        At once, for arguments that do not fit.
    ImportError
        No ``distributed``; a worker that cannot import the cell, or has other
        code of it than this process: restart it.
    ConnectionError
        No scheduler, or no longer; no worker within ``patience``.  As with
        ImportError, all finished cells are stored.
    """
    code = function_digest(cell) if key_code else ""
    wanted = function_modules(cell) if key_code else {}
    points = [dict(point) for point in grid]
    names = [key(cell, point, code) for point in points]
    kept = Store(store)
    pending, results = {}, {}
    for name, point in zip(names, points):
        found = kept.read(name, point)
        if found is None:
            pending[name] = point
        else:
            results[name] = found
    total = len(pending) + len(results)

    if not pending:
        return [results[name] for name in names]

    def attempts(number, points):
        """One attempt at each of `points`; returns the failed outcomes."""
        failed = {}
        with contextlib.closing(engine(cell, points)) as outcomes:
            for name, outcome in outcomes:
                point = points[name]
                if "result" in outcome:
                    result = results[name] = outcome["result"]
                    kept.write(name, cell=cell, point=point, result=result)
                    bar.update(1)
                else:
                    failed[name] = outcome
                    warnings.warn(
                        f"{title} failed at {point}, attempt {number} of 2: "
                        f"{outcome['error']}",
                        RuntimeWarning,
                        stacklevel=3,
                    )
        return failed

    title = label(cell)
    with (
        _engine(workers, wanted, patience) as engine,
        progress(desc=desc or title, unit="cell", total=total) as bar,
    ):
        bar.update(len(results))
        try:
            failed = attempts(1, pending)
            again = {name: pending[name] for name in failed}
            failed = attempts(2, again) if again else {}
        except ConnectionError as error:
            raise ConnectionError(
                f"the Dask cluster is gone ({error}); {len(results)} of "
                f"{total} cells are stored in {store}: start again, with a "
                "scheduler and workers, to complete them"
            ) from error
    if failed:
        raise _summary(title, again, failed, total)
    return [results[name] for name in names]


@contextlib.contextmanager
def _engine(workers, wanted, patience):
    """The engine that `workers` asks for, a function of (cell, points)."""
    if workers is None:
        yield engines.here
    elif isinstance(workers, int):
        if workers < 1 or isinstance(workers, bool):
            raise ValueError(
                f"workers is {workers!r}; expected None, a positive integer, "
                "or a Dask Client or scheduler address"
            )
        yield functools.partial(engines.processes, count=workers)
    else:
        with _client(workers) as client:
            yield functools.partial(
                engines.dask, client=client, wanted=wanted, patience=patience
            )


@contextlib.contextmanager
def _client(workers):
    try:
        from distributed import Client
        from distributed.comm import get_address_host_port
    except ImportError as error:
        raise ImportError(
            f"workers is {workers!r}, which needs Dask's scheduler; run "
            "pip install distributed, or pass a number of local processes"
        ) from error
    if isinstance(workers, Client):
        yield workers
    elif isinstance(workers, str):
        try:
            get_address_host_port(workers)  # a bad one would hang the client
            client = Client(workers, timeout=10, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ConnectionError(
                f"no Dask scheduler answers at {workers!r}: {error}"
            ) from error
        with client:
            yield client
    else:
        raise TypeError(
            f"workers is a {type(workers).__name__}; expected None, a "
            "positive integer, or a Dask Client or scheduler address"
        )


def _summary(title, points, failed, total):
    lines = [f"{len(failed)} of {total} cells of {title} failed twice:"]
    for name, outcome in failed.items():
        lines.append(f"  {points[name]}: {outcome['error']}")
    pairs = [(points[name], failed[name]["trace"]) for name in failed]
    lines.append("The results of all others are stored.  The first traceback:")
    return SweepFailed("\n".join([*lines, pairs[0][1]]), pairs)
