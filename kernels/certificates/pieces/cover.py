"""A segment covered by intervals, and what is worth doing with each."""

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from kernels.certificates.pieces.interval import Segment, bound, snap
from kernels.certificates.pieces.loss import Bounds
from kernels.certificates.pieces.probe import FLIPS, sign_changes
from kernels.networks import losses

_MOST = 1 << 12
_SLACKS = (1.0, 1 / 6, 0.0)
_HALVINGS = 30
_ERROR_HALVINGS = 4


@dataclass
class Seen:
    """Plain forward passes at one place: per sample, and the means."""

    losses: Tensor
    wrong: Tensor
    loss: float
    error: float


@dataclass(eq=False)
class Leaf:
    """An interval: ``upper`` and ``error`` hold on it; ``ends`` is the larger
    mean loss at its ends; ``level`` (n,) says with which of the slacks a
    sample was bounded last."""

    start: float
    stop: float
    upper: float
    error: float
    ends: float
    level: Tensor
    depth: int = 0
    bounds: Bounds | None = None
    worst: float = 0.0
    strict: bool = False

    @property
    def rank(self) -> tuple[float, float]:
        return self.upper, self.ends


@dataclass
class Job:
    """An interval to bound: all samples, or those that are ``chosen``."""

    cover: "Cover"
    leaf: Leaf
    slack: Tensor
    chosen: Tensor | None = None

    def run(self) -> Bounds:
        """Changes nothing, so that several can run at once."""
        with torch.no_grad():  # a thread's own setting
            leaf = self.leaf
            return bound(
                self.cover.segment,
                leaf.start,
                leaf.stop,
                self.slack,
                self.chosen,
            )


@dataclass
class Cover:
    """Intervals that cover one segment, and what is known on each.

    ``known``: bounds that hold already, ``(start, stop, loss, error)``: what
    is said of intervals that are never reached.  ``leaves``: the intervals;
    those of a job that was handed out are missing until it is taken or put
    back.  ``stuck``: the worst interval can be refined no more.
    """

    segment: Segment
    known: tuple[tuple[float, ...], ...] = ((0.0, 1.0, math.inf, 1.0),)
    seen: dict[float, Seen] = field(default_factory=dict)
    leaves: list[Leaf] = field(default_factory=list)
    bounded: int = 0
    stuck: bool = False

    def __post_init__(self) -> None:
        self.flips = sign_changes(self.segment)
        number = min(max(1, round(self.flips / FLIPS)), _MOST)
        places = [snap(k / number) for k in range(number + 1)]
        level = torch.zeros(len(self.segment.h), dtype=torch.long)
        for a, b in pairwise(places):
            self._add(a, b, *self._before(a, b), level)

    def _before(self, a: float, b: float) -> tuple[float, float]:
        over = [one for one in self.known if one[0] < b and one[1] > a]
        return max(one[2] for one in over), max(one[3] for one in over)

    def _add(
        self,
        a: float,
        b: float,
        upper: float,
        error: float,
        level: Tensor,
        depth: int = 0,
    ) -> None:
        ends = max(self.look(a).loss, self.look(b).loss)
        self.leaves.append(Leaf(a, b, upper, error, ends, level, depth))

    @property
    def unreached(self) -> bool:
        """Whether nothing is known of some interval."""
        return self.upper == math.inf

    def fall_back(self, known: tuple) -> None:
        """Take bounds that hold, as ``known``, where they are lower."""
        self.known = known
        for leaf in self.leaves:
            loss, error = self._before(leaf.start, leaf.stop)
            leaf.upper = min(leaf.upper, loss)
            leaf.error = min(leaf.error, error)

    def look(self, t: float) -> Seen:
        """The loss and error at t, evaluated once."""
        if t not in self.seen:
            segment = self.segment
            z = segment.outputs(t)
            each = losses.sample_losses(z, segment.y, segment.loss)
            wrong = losses.sample_errors(z, segment.y)
            error = float(wrong.mean(dtype=torch.float64))
            self.seen[t] = Seen(each, wrong, float(each.mean()), error)
        return self.seen[t]

    def attained(self) -> tuple[float, float]:
        """The largest loss found, and where."""
        t = max(self.seen, key=lambda t: self.seen[t].loss)
        return self.seen[t].loss, t

    def error_attained(self) -> tuple[float, float]:
        t = max(self.seen, key=lambda t: self.seen[t].error)
        return self.seen[t].error, t

    @property
    def upper(self) -> float:
        return max(self.attained()[0], *(leaf.upper for leaf in self.leaves))

    @property
    def error_upper(self) -> float:
        return max(leaf.error for leaf in self.leaves)

    @property
    def cuts(self) -> Tensor:
        """(n,): how many cuts each sample got on the whole segment."""
        total = torch.zeros(len(self.segment.h), dtype=torch.long)
        for leaf in self.leaves:
            if leaf.bounds is not None:
                total += leaf.bounds.cuts.cpu()
        return total

    def climb(self, points: int = 4, turns: int = 2) -> None:
        """Look closer around the largest loss found."""
        for _ in range(turns):
            _, best = self.attained()
            places = sorted(self.seen)
            k = places.index(best)
            near = places[max(k - 1, 0) : k + 2]
            for a, b in pairwise(near):
                for j in range(1, points):
                    self.look(snap(a + (b - a) * j / points))

    def highest(self) -> Leaf | None:
        """The interval of the largest bound, of those that wait."""
        return max(self.leaves, key=lambda leaf: leaf.rank, default=None)

    def work(self, leaf: Leaf, goal: float) -> Job | None:
        """What to do next with an interval above the goal.

        A job for all samples or for some, with a smaller slack; None: the
        interval was halved, or is ``stuck``.
        """
        if leaf.bounds is None:
            return self._job(leaf, goal)
        chosen = self._hard(leaf, goal)
        if chosen is not None:
            leaf.level = leaf.level.clone()
            leaf.level[chosen] += 1
            return self._job(leaf, goal, chosen)
        if leaf.depth < _HALVINGS:
            self._halve(leaf)
        else:
            self.stuck = True
        return None

    def settle(self, leaf: Leaf, goal: float) -> Job | None:
        """The same with an interval of an error above what was found."""
        if leaf.bounds is None:
            return self._job(leaf, goal)
        half = (leaf.stop - leaf.start) / 2
        middle = (leaf.start + leaf.stop) / 2
        self.look(snap(middle + leaf.worst * half))
        if leaf.error <= self.error_attained()[0]:
            return None
        if leaf.strict:
            if leaf.depth < _ERROR_HALVINGS:
                self._halve(leaf)
            else:
                self.stuck = True
            return None
        # wrong perhaps, but not seen to be
        leaf.strict = True
        unsure = torch.zeros(len(leaf.level), dtype=torch.bool)
        unsure[leaf.bounds.wrong[0].cpu()] = True
        ends = self.look(leaf.start).wrong & self.look(leaf.stop).wrong
        unsure &= ~ends.cpu()
        chosen = torch.nonzero(unsure & (leaf.level < 2))[:, 0]
        if not len(chosen):
            return None
        leaf.level = leaf.level.clone()
        leaf.level[chosen] = 2
        return self._job(leaf, goal, chosen)

    def take(self, job: Job, found: Bounds | None) -> None:
        """Put a job's interval back, with what was found on it."""
        leaf = job.leaf
        self.leaves.append(leaf)
        if found is None:
            return
        self.bounded += 1
        if job.chosen is None or leaf.bounds is None:
            leaf.bounds = found
        else:
            leaf.bounds.replace(job.chosen, found)
        leaf.upper = min(leaf.upper, leaf.bounds.mean())
        error, leaf.worst = leaf.bounds.error()
        leaf.error = min(leaf.error, error)

    def _job(
        self, leaf: Leaf, goal: float, chosen: Tensor | None = None
    ) -> Job:
        slack = self._slack(leaf, goal)
        self.leaves.remove(leaf)
        if chosen is not None:
            chosen = chosen.to(slack.device)
        return Job(self, leaf, slack, chosen)

    def _halve(self, leaf: Leaf) -> None:
        self.leaves.remove(leaf)
        middle = (leaf.start + leaf.stop) / 2
        for a, b in ((leaf.start, middle), (middle, leaf.stop)):
            self._add(a, b, leaf.upper, leaf.error, leaf.level, leaf.depth + 1)

    def _slack(self, leaf: Leaf, goal: float) -> Tensor:
        """How much relaxing one unit may weigh in each sample's outputs."""
        ends = self.look(leaf.start), self.look(leaf.stop)
        room = max(goal - max(end.loss for end in ends), 0.0)
        each = torch.maximum(*(end.losses for end in ends))
        if self.segment.loss == "cross_entropy":
            slack = room / 4 / (1.02 - torch.exp(-each))
            slack = slack.clamp_max(0.25)
        else:
            outputs = self.segment.network.widths[-1]
            slope = 2 * (outputs * each).sqrt() + 1e-300
            slack = (room / 4 / slope).clamp_max(math.sqrt(room / outputs) / 4)
        factors = torch.tensor(_SLACKS, dtype=slack.dtype, device=slack.device)
        return slack * factors[leaf.level.to(slack.device)]

    def _hard(self, leaf: Leaf, goal: float) -> Tensor | None:
        """The samples that are worth a smaller slack, or None: halve."""
        ends = [self.look(leaf.start).losses, self.look(leaf.stop).losses]
        found: Any = leaf.bounds
        gain = torch.maximum(found.left - ends[0], found.right - ends[1])
        gain = (gain + found.excess).cpu()
        gain = torch.where(leaf.level < len(_SLACKS) - 1, gain, 0.0)
        surplus = (leaf.upper - goal) * len(gain)
        order = torch.argsort(gain, descending=True)
        total = torch.cumsum(gain[order], 0)
        if not float(total[-1]) > surplus:
            return None
        number = int(
            torch.searchsorted(total, min(2 * surplus, float(total[-1])))
        )
        chosen = order[: number + 1]
        return chosen[gain[chosen] > 0]
