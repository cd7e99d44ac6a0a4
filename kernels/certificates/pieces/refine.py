"""The worst intervals of all segments are refined first, a round at a time."""

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from kernels import device
from kernels.certificates.pieces.cover import Cover, Job, Leaf
from kernels.certificates.pieces.loss import Bounds
from kernels.runs.progress import progress

ROUND = 16  # intervals that are bounded before the next are chosen


def refine(
    covers: list[Cover],
    tolerance: float,
    *,
    floor: float = 0.0,
    budget: int | None = None,
    seconds: float | None = None,
    threads: int = 1,
    error: bool = True,
) -> bool:
    """Refine until the largest bound is within ``tolerance`` of what is found.

    ``floor``: the largest loss found elsewhere; ``budget``: how many times an
    interval is bounded, all covers together.  Returns whether it got there;
    if so, and with ``error``, what is left of the budget goes to the error's
    supremum.

    ``threads`` share the intervals of a round, each with one thread an
    operation.  Whatever above the goal is in a round would have been bounded
    in any case, so that a round costs nothing, and what is in it does not
    depend on ``threads``: nor does any number of the result.
    """
    end = math.inf if seconds is None else time.monotonic() + seconds
    most = math.inf if budget is None else budget

    def run(job: Job) -> Bounds | None:
        return None if time.monotonic() > end else job.run()

    def over() -> bool:
        spent = sum(cover.bounded for cover in covers)
        return spent >= most or time.monotonic() > end

    def turn(choose: Callable[[int], list[Job]]) -> bool:
        spent = sum(cover.bounded for cover in covers)
        jobs = choose(int(min(ROUND, most - spent)))
        each: Any = pool.map if threads > 1 else map
        for job, found in zip(jobs, each(run, jobs)):
            job.cover.take(job, found)
            bar.update(1)
        return bool(jobs)

    def goal() -> float:
        attained = max(cover.attained()[0] for cover in covers)
        return max(attained, floor) * (1 + tolerance) + 1e-12

    total = sum(len(cover.leaves) for cover in covers)
    with (
        device.threads(1),
        ThreadPoolExecutor(threads) as pool,
        progress(desc="bounding", unit="interval", total=total) as bar,
    ):
        for cover in covers:
            cover.climb()
        while not over() and turn(lambda most: _highest(covers, goal(), most)):
            pass
        complete = max(cover.upper for cover in covers) <= goal()
        if complete and error:
            for cover in covers:
                cover.stuck = False
            while not over() and turn(lambda most: _wrong(covers, most)):
                pass
    return complete


def _highest(covers: list[Cover], goal: float, most: int) -> list[Job]:
    """Jobs for the largest bounds above the goal, over all covers."""
    jobs: list[Job] = []
    while len(jobs) < most and not any(cover.stuck for cover in covers):
        found = [(cover.highest(), cover) for cover in covers]
        leaf, cover = max(found, key=_upper)
        if leaf is None or leaf.upper <= goal:
            break
        job = cover.work(leaf, goal)
        jobs += [job] if job else []
    return jobs


def _upper(found: tuple[Leaf | None, Cover]) -> tuple[float, float]:
    leaf, _ = found
    return leaf.rank if leaf else (-math.inf, 0.0)


def _wrong(covers: list[Cover], most: int) -> list[Job]:
    """Jobs for the largest errors above what was found, cover by cover."""
    jobs: list[Job] = []
    for cover in covers:
        upper = cover.upper  # with all leaves in place
        while len(jobs) < most and not cover.stuck and cover.leaves:
            leaf = max(cover.leaves, key=lambda one: one.error)
            if leaf.error <= cover.error_attained()[0]:
                break
            job = cover.settle(leaf, upper)
            jobs += [job] if job else []
    return jobs
