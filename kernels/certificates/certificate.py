"""What a certificate says."""

from dataclasses import dataclass

from kernels.certificates import rounding
from kernels.certificates.engine import Known
from kernels.paths import Path

_TIED = 1e-9  # of two values nearer than that part, the first is shown


@dataclass(frozen=True)
class Segment:
    """What is known of one segment.

    ``start``, ``stop``: its place in [0, 1]; ``kind``: "constant", "affine"
    or "general"; ``upper`` bounds the mean loss on it, at ``where`` it is
    at least ``attained``, ``exact``: that is its supremum, but for rounding.
    ``error_upper``, ``error_attained``: the same for the 0-1 error.
    ``intervals``: how many intervals of it were bounded.  Segments far below
    the path's largest loss are not refined: their bounds can be loose.
    ``rounding``: how much of ``upper - attained`` is allowance, that of
    ``attained`` included; ``mismatch``: how far an output may be from
    constant or affine because the weights themselves are rounded, which the
    allowance includes; 0 where the kind is exact.
    ``where``: the place in [0, 1] of the segment, that very number, at which
    the exact loss is at least ``attained``;
    ``flips``: how many sign changes of hidden units a sample the segment was
    cut at, None where it was not cut (see ``certificates.flips``).
    """

    start: float
    stop: float
    kind: str
    upper: float
    attained: float
    exact: bool
    error_upper: float
    error_attained: float
    intervals: int
    rounding: float = 0.0
    mismatch: float = 0.0
    where: float = 0.0
    flips: float | None = None


@dataclass(frozen=True)
class Certificate:
    """What ``certify`` proved.

    ``attained`` <= supremum of the mean loss over the path <= ``upper``:
    ``attained`` is the largest loss found, less what rounding can have added.
    ``rounding``: how much of ``upper - attained`` is allowance.  ``exact``:
    the supremum is ``attained``, but for rounding: ``upper - attained <=
    rounding``.
    ``complete``: ``upper``, but for ``rounding``, is within the tolerance
    asked for; False where the budget ended first, and the bounds hold all the
    same.  ``error_attained <= supremum of the 0-1 error <= error_upper``,
    equal where ``error_exact``; a sample decided by less than rounding can do
    counts as wrong above and as right below.
    ``evaluations``: how many distinct functions were evaluated, each on all
    samples; ``intervals``: how many intervals of general segments were
    bounded; ``segments``: the same, segment by segment; ``where``: the place
    in [0, 1] of the path at which ``attained`` is found, rounded (that of the
    segment is not), the first of those that come within a billionth of it,
    and ``sample`` the number of the sample whose loss is the largest there.
    """

    upper: float
    attained: float
    exact: bool
    complete: bool
    error_upper: float
    error_attained: float
    error_exact: bool
    evaluations: int
    intervals: int
    segments: tuple[Segment, ...]
    rounding: float = 0.0
    where: float = 0.0
    sample: int = 0


def first_of_highest(values: list[float]) -> int:
    """Where the largest is: of those that tie, but for rounding, the first.

    Segments share their knots, whose loss two forward passes compute.
    """
    top = max(values)
    return next(k for k, v in enumerate(values) if v >= top * (1 - _TIED))


def _contained(allowance: float, upper: float, attained: float) -> float:
    """How much of ``upper`` is allowance: at most what ``attained`` leaves."""
    return min(allowance, rounding.above(upper - attained, 0.0), upper)


def certificate(
    path: Path,
    known: list[Known],
    evaluations: int,
    complete: bool,
    sample: int,
) -> Certificate:
    """What is ``known`` of a path's segments, put together."""
    segments = tuple(
        Segment(
            start=k / len(path),
            stop=(k + 1) / len(path),
            kind=segment.kind,
            upper=segment.upper,
            attained=segment.attained,
            exact=segment.upper - segment.attained <= segment.allowance,
            error_upper=segment.error_upper,
            error_attained=segment.error_attained,
            intervals=segment.intervals,
            rounding=_contained(
                segment.allowance, segment.upper, segment.attained
            ),
            mismatch=segment.mismatch,
            where=segment.where,
            flips=segment.flips,
        )
        for k, segment in enumerate(known)
    )
    upper, allowance = max(
        (segment.upper, segment.allowance) for segment in known
    )
    found = [segment.attained for segment in segments]
    attained, highest = max(found), first_of_highest(found)
    allowance = _contained(allowance, upper, attained)
    error_upper = max(segment.error_upper for segment in segments)
    error_attained = max(segment.error_attained for segment in segments)
    return Certificate(
        upper=upper,
        attained=attained,
        exact=upper - attained <= allowance,
        complete=complete,
        error_upper=error_upper,
        error_attained=error_attained,
        error_exact=error_upper <= error_attained,
        evaluations=evaluations,
        intervals=sum(segment.intervals for segment in segments),
        segments=segments,
        rounding=allowance,
        where=(highest + segments[highest].where) / len(path),
        sample=sample,
    )
