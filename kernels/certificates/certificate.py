"""What a certificate says."""

from dataclasses import dataclass


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
    segment is not), and ``sample`` the number of the sample whose loss is the
    largest there.
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
