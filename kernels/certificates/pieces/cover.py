"""A segment covered by intervals; the worst is refined first."""

import heapq
import math
import time
from dataclasses import dataclass, field
from itertools import count, pairwise
from typing import Any

import torch
from torch import Tensor

from kernels.certificates.pieces.interval import Segment, bound, snap
from kernels.certificates.pieces.loss import Bounds
from kernels.networks import losses
from kernels.runs.progress import progress

FLIPS = 12  # sign changes a sample that one interval should have
_PROBES, _PROBED = 65, 8
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


@dataclass
class Leaf:
    """An interval: ``upper`` and ``error`` hold on it; ``level`` (n,) says
    with which of the slacks a sample was bounded last."""

    start: float
    stop: float
    upper: float
    error: float
    level: Tensor
    depth: int = 0
    bounds: Bounds | None = None
    worst: float = 0.0
    strict: bool = False


@dataclass
class Cover:
    """Intervals that cover one segment, and what is known on each.

    ``known``: bounds that hold already, ``(start, stop, loss, error)``: what
    is said of intervals that are never reached.
    """

    segment: Segment
    known: tuple[tuple[float, ...], ...] = ((0.0, 1.0, math.inf, 1.0),)
    threads: int = 1
    seen: dict[float, Seen] = field(default_factory=dict)
    pieces: int = 0
    bounded: int = 0

    def __post_init__(self) -> None:
        self._leaves: list[tuple[float, float, int, Leaf]] = []
        self._order = count()
        self.flips = sign_changes(self.segment)
        number = min(max(1, round(self.flips / FLIPS)), _MOST)
        places = [snap(k / number) for k in range(number + 1)]
        level = torch.zeros(len(self.segment.h), dtype=torch.long)
        for t in places:
            self.look(t)
        for a, b in pairwise(places):
            loss, error = self._before(a, b)
            self._push(Leaf(a, b, loss, error, level))

    def _before(self, a: float, b: float) -> tuple[float, float]:
        over = [one for one in self.known if one[0] < b and one[1] > a]
        return max(one[2] for one in over), max(one[3] for one in over)

    @property
    def unreached(self) -> bool:
        """Whether nothing is known of some interval."""
        return self._leaves[0][0] == -math.inf

    def fall_back(self, known: tuple) -> None:
        """Take bounds that hold, as ``known``, where they are lower."""
        self.known, leaves = known, self.leaves
        self._leaves = []
        for leaf in leaves:
            loss, error = self._before(leaf.start, leaf.stop)
            leaf.upper = min(leaf.upper, loss)
            leaf.error = min(leaf.error, error)
            self._push(leaf)

    def _push(self, leaf: Leaf) -> None:
        ends = max(self.look(leaf.start).loss, self.look(leaf.stop).loss)
        key = (-leaf.upper, -ends, next(self._order), leaf)
        heapq.heappush(self._leaves, key)

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
    def leaves(self) -> list[Leaf]:
        return sorted((key[-1] for key in self._leaves), key=lambda o: o.start)

    @property
    def upper(self) -> float:
        return max(-self._leaves[0][0], self.attained()[0])

    @property
    def error_upper(self) -> float:
        return max(key[-1].error for key in self._leaves)

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

    def step(self, goal: float) -> bool:
        """Bound, refine or halve the worst interval; False: no more to do."""
        leaf = heapq.heappop(self._leaves)[-1]
        done = True
        if leaf.bounds is None:
            self._bound(leaf, goal, None)
        else:
            chosen = self._hard(leaf, goal)
            if chosen is not None:
                leaf.level = leaf.level.clone()
                leaf.level[chosen] += 1
                self._bound(leaf, goal, chosen)
            elif leaf.depth < _HALVINGS:
                self._halve(leaf)
                return True
            else:
                done = False
        self._push(leaf)
        return done

    def settle(self) -> bool:
        """The same for the interval of the largest error; False: done."""
        leaf = max((key[-1] for key in self._leaves), key=lambda o: o.error)
        if leaf.error <= self.error_attained()[0]:
            return False
        if leaf.bounds is not None:
            half = (leaf.stop - leaf.start) / 2
            middle = (leaf.start + leaf.stop) / 2
            self.look(snap(middle + leaf.worst * half))
            if leaf.error <= self.error_attained()[0]:
                return False
            if leaf.strict and leaf.depth >= _ERROR_HALVINGS:
                return False
        upper = self.upper  # with the leaf still in the heap
        self._leaves.remove(next(k for k in self._leaves if k[-1] is leaf))
        heapq.heapify(self._leaves)
        if leaf.bounds is None:
            self._bound(leaf, upper, None)
        elif not leaf.strict:
            # wrong perhaps, but not seen to be
            unsure = torch.zeros(len(leaf.level), dtype=torch.bool)
            unsure[leaf.bounds.wrong[0].cpu()] = True
            ends = self.look(leaf.start).wrong & self.look(leaf.stop).wrong
            unsure &= ~ends.cpu()
            chosen = torch.nonzero(unsure & (leaf.level < 2))[:, 0]
            leaf.level = leaf.level.clone()
            leaf.level[chosen] = 2
            if len(chosen):
                self._bound(leaf, upper, chosen)
            leaf.strict = True
        else:
            self._halve(leaf)
            return True
        self._push(leaf)
        return True

    def _halve(self, leaf: Leaf) -> None:
        middle = (leaf.start + leaf.stop) / 2
        for a, b in ((leaf.start, middle), (middle, leaf.stop)):
            part = Leaf(a, b, leaf.upper, leaf.error, leaf.level)
            part.depth = leaf.depth + 1
            self._push(part)

    def _bound(self, leaf: Leaf, goal: float, chosen: Tensor | None) -> None:
        slack = self._slack(leaf, goal)
        index = None if chosen is None else chosen.to(slack.device)
        found = bound(
            self.segment,
            leaf.start,
            leaf.stop,
            slack,
            index,
            threads=self.threads,
        )
        self.pieces += int(found.pieces.sum())
        self.bounded += 1
        if index is None or leaf.bounds is None:
            leaf.bounds = found
        else:
            leaf.bounds.replace(index, found)
        leaf.upper = min(leaf.upper, leaf.bounds.mean())
        error, leaf.worst = leaf.bounds.error()
        leaf.error = min(leaf.error, error)

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


def sign_changes(segment: Segment) -> float:
    """Sign changes of hidden units a sample, as few points and samples say."""
    n = len(segment.h)
    some = torch.linspace(0, n - 1, min(_PROBED, n)).round().long()
    some = some.to(segment.h.device)
    network, changes = segment.network, 0
    before: Tensor | None = None
    for t in torch.linspace(0, 1, _PROBES).tolist():
        theta, h, found = segment.at(t), segment.h[some], []
        for i in range(segment.first, network.depth):
            z = network.linear(i, theta[i - 1][0], h, theta[i - 1][1])
            found.append((z > 0).flatten(1))
            h = network.activate(i, z)
        signs = torch.cat(found, 1) if found else torch.zeros(len(some), 0)
        if before is not None:
            changes += int((signs != before).sum())
        before = signs
    return changes / len(some)


def refine(
    covers: list[Cover],
    tolerance: float,
    *,
    floor: float = 0.0,
    budget: int | None = None,
    seconds: float | None = None,
) -> bool:
    """Refine until the largest bound is within ``tolerance`` of what is found.

    ``floor``: the largest loss found elsewhere; ``budget``: how many times an
    interval is bounded, all covers together.  Returns whether it got there;
    if so, what is left of the budget goes to the error's supremum.
    """
    end = math.inf if seconds is None else time.monotonic() + seconds
    most = math.inf if budget is None else budget

    def over() -> bool:
        spent = sum(cover.bounded for cover in covers)
        return time.monotonic() > end or spent >= most

    for cover in covers:
        cover.climb()
    total = sum(len(cover.leaves) for cover in covers)
    with progress(desc="bounding", unit="interval", total=total) as bar:
        while True:
            goal = max(cover.attained()[0] for cover in covers)
            goal = max(goal, floor) * (1 + tolerance) + 1e-12
            cover = max(covers, key=lambda c: c.upper)
            complete = cover.upper <= goal
            if complete or over() or not cover.step(goal):
                break
            bar.update(1)
        for cover in covers if complete else ():
            while not over() and cover.settle():
                bar.update(1)
    return complete
