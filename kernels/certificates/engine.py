"""What an engine for general segments gets, and what it returns.

An engine is a function ``engine(task) -> complete``: it bounds the loss and
the error on the general segments of a path and writes what it finds into
``task.known``.  ``certify`` chooses one (``certify.choose``); two engines:
``bisection.bisect`` (chords and boxes) and ``pieces.cut``.
"""

import math
from dataclasses import dataclass

from kernels.certificates import rounding
from kernels.certificates.samples import Samples


@dataclass
class Known:
    """What is known of one segment; an engine fills this in.

    ``upper``: at least the mean loss anywhere on the segment, in exact
    arithmetic, its allowance for rounding, ``rounding``, included.
    ``highest``: the largest mean loss found, as a forward pass at ``where``
    in [0, 1] of the segment computed it, and ``slack``, how far the exact one
    there can be from it.  ``error_upper``, ``error_attained``: bounds on the
    0-1 error's supremum.  ``intervals``: how many were bounded.
    ``cap``: a bound that was known before, or infinity.  ``flips``: how many
    sign changes of hidden units a sample were cut, where the engine cuts.
    """

    highest: float = 0.0
    slack: float = 0.0
    error_attained: float = 0.0
    where: float = 0.0
    upper: float = math.inf
    rounding: float = 0.0
    error_upper: float = 1.0
    intervals: int = 0
    mismatch: float = 0.0
    cap: float = math.inf
    kind: str = "general"
    flips: float | None = None

    def found(
        self, loss: float, slack: float, error: float, where: float
    ) -> None:
        """A forward pass at ``where`` gave this; ``error`` is certain."""
        if loss > self.highest:
            self.highest, self.slack, self.where = loss, slack, where
        self.error_attained = max(self.error_attained, error)

    def sharpen(self, loss: float, slack: float) -> None:
        """A pass at the same place gave this; taken if its slack is less."""
        if slack < self.slack:
            self.rounding += max(0.0, self.highest - loss)
            self.highest, self.slack = loss, slack

    @property
    def attained(self) -> float:
        """At most the exact loss at ``where``."""
        return max(0.0, -rounding.above(self.slack, -self.highest))

    @property
    def allowance(self) -> float:
        """What rounding puts between ``attained`` and ``upper``."""
        between = self.highest - self.attained
        return (self.rounding + between) * (1 + 8 * rounding.UNIT)


@dataclass(frozen=True)
class Task:
    """What an engine gets.

    ``data``: the path's outputs, ``samples.Samples``: ``data.points(segment,
    places)`` gives parameters in float64 (each within 8 u max(|p|, |q|) of
    the exact point between the segment's ends p and q), ``data.limits``
    max(|p|, |q|), ``data.at(segment, s)`` (loss, its allowance, error
    that is certain, error that is possible) at the exact point, ``data.x`` and
    ``data.y`` the samples.
    ``known``: one :class:`Known` for each segment of the path, general ones
    with ``upper`` to be filled in; all count for the largest loss found.
    ``segments``: the numbers of the general ones.
    ``tolerance``: stop where every segment's ``upper - rounding`` is at most
    ``goal()``; ``budget``: intervals at most, all segments together;
    ``initial``: intervals a segment to begin with; ``seconds``: when to stop,
    or None; ``threads`` may share the work of an engine whose result does not
    depend on them.
    ``error``: whether to work on for the error's supremum alone.

    An engine returns whether the goal was reached, and leaves a valid bound
    where it was not.
    """

    data: Samples
    known: list[Known]
    segments: list[int]
    tolerance: float
    budget: int
    initial: int
    seconds: float | None = None
    threads: int = 1
    error: bool = True

    def goal(self) -> float:
        """What the largest bound must come down to."""
        highest = max(known.highest for known in self.known)
        return highest * (1 + self.tolerance) + 1e-12
