"""Piecewise-linear paths with knots made on demand."""

from collections.abc import Sequence
from typing import Any

import torch

from kernels.networks import Parameters, tree
from kernels.networks.checks import check_alike, is_whole
from kernels.networks.placing import State
from kernels.paths.structure import Proof, segment_proof

KINDS = ("constant", "affine", "general")


class Path:
    """A piecewise-linear path through parameters, all segments equally long.

    Parameters
    ----------
    knots : sequence of parameters
        At least two, of one shape: tuples of ``(weight, bias or None)``.  The
        constructions of this package pass :class:`Knots`, which makes them on
        demand.
    kinds : sequence of str, optional
        One of ``"constant"``, ``"affine"``, ``"general"`` a segment, on the
        caller's word.  None, the rule: proved from the weights.

    Attributes
    ----------
    knots : the knots, first and last with the end points' own tensors.
        Neighbours share (``is``) the tensors of layers that do not move.
    kinds : tuple of str
        ``"constant"``: the output does not move, on any input; ``"affine"``:
        it is affine in t, on every input; ``"general"``: neither is proved.
        Of the real numbers that the weights are; where their own rounding
        stands in the way, up to a difference that :meth:`proof` knows of and
        a certificate counts.  All segments are proved on first use;
        :meth:`kind` proves one.
    functions : tuple of int
        For each knot, the first knot that computes exactly the same function,
        as the constant segments prove it.  ``set(path.functions)`` are the
        knots at which a loss must be evaluated to know it at all of them: 2d
        on the path of Theorem 1 (K19), 2L + 1 on that of Theorem 4.1 (N21).

    ``len(path)`` is the number of segments, which are counted 0 … len(path) -
    1, from the start alone; ``path(t)`` is the parameter at t in [0, 1].
    Memory: the end points, and at most four copies more.
    """

    def __init__(
        self, knots: Sequence[Parameters], kinds: Sequence[str] | None = None
    ) -> None:
        if len(knots) < 2:
            raise ValueError(
                f"knots has {len(knots)} entries; at least 2 will do"
            )
        if not isinstance(knots, Knots):
            for k, knot in enumerate(knots[1:], 1):
                check_alike(knots[0], knot, "knot 0", f"knot {k}")
            knots = tuple(map(tree.at_rest, knots))
        self.knots = knots
        self._proofs: list[Proof | None] = [None] * len(self)
        self._word: tuple[str, ...] | None = None
        if kinds is not None:
            _check_kinds(kinds, len(self))
            self._word = tuple(kinds)

    def __len__(self) -> int:
        return len(self.knots) - 1

    def __repr__(self) -> str:
        return f"<Path of {len(self)} segments>"

    def __call__(self, t: float) -> Parameters:
        t = float(t)
        if not 0 <= t <= 1:
            raise ValueError(f"t is {t}; a number in [0, 1] will do")
        place = t * len(self)
        if abs(place - round(place)) <= 1e-12:  # k / len(path) is knot k
            place = round(place)
        segment = min(int(place), len(self) - 1)
        return self.point(segment, place - segment)

    def point(self, segment: int, s: float) -> Parameters:
        """The parameter at ``s`` in [0, 1] of one segment.

        Layers that do not move along the segment are shared, not copied.
        """
        segment = self._segment(segment)
        if not 0 <= s <= 1:
            raise ValueError(f"s is {s}; a number in [0, 1] will do")
        if s == 0:
            return self.knots[segment]
        if s == 1:
            return self.knots[segment + 1]
        return tree.lerp(*self.ends(segment), s)

    def ends(self, segment: int) -> tuple[Parameters, Parameters]:
        """Both knots of a segment."""
        segment = self._segment(segment)
        return self.knots[segment], self.knots[segment + 1]

    def kind(self, segment: int) -> str:
        """The kind of one segment: the caller's word, or proved once."""
        segment = self._segment(segment)
        if self._word is not None:
            return self._word[segment]
        return self.proof(segment).kind

    def proof(self, segment: int) -> Proof:
        """What the weights prove of one segment, whatever the caller said."""
        segment = self._segment(segment)
        found = self._proofs[segment]
        if found is None:
            found = segment_proof(*self.ends(segment))
            self._proofs[segment] = found
        return found

    def _segment(self, segment: int) -> int:
        """Its number; one counted from the end would be another segment."""
        if not (is_whole(segment, 0) and segment < len(self)):
            raise ValueError(
                f"segment is {segment!r}; a whole number from 0 to "
                f"{len(self) - 1} will do"
            )
        return int(segment)

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(self.kind(segment) for segment in range(len(self)))

    @property
    def functions(self) -> tuple[int, ...]:
        firsts = [0]
        for k, kind in enumerate(self.kinds, 1):
            same = kind == "constant" and (
                self._word is not None or self.proof(k - 1).exact
            )
            firsts.append(firsts[-1] if same else k)
        return tuple(firsts)


class Knots(Sequence[Parameters]):
    """Knots from recipes: one tuple of layer recipes a knot.

    A recipe's ``build()`` gives its ``(weight, bias or None)``.  What two
    knots share is one recipe.  The layers of the two knots asked for last are
    held, no others.
    """

    def __init__(self, recipes: Sequence[State]) -> None:
        self.recipes = tuple(recipes)
        # the two latest: (knot number, layers)
        self._recent: list[tuple[int, Parameters]] = []

    def __len__(self) -> int:
        return len(self.recipes)

    def __getitem__(self, k: Any) -> Any:
        if isinstance(k, slice):
            return Knots(self.recipes[k])
        k = range(len(self))[k]
        wanted = self.recipes[k]
        made = {
            recipe: pair
            for number, layers in self._recent
            for recipe, pair in zip(self.recipes[number], layers)
            if recipe in wanted
        }
        others = [entry for entry in self._recent if entry[0] != k]
        self._recent = others[-1:]  # let go of the older one first
        with torch.no_grad():
            layers = tuple(
                made[recipe] if recipe in made else recipe.build()
                for recipe in wanted
            )
        self._recent.append((k, layers))
        return layers


def straight(theta_a: Parameters, theta_b: Parameters) -> Path:
    """The segment from ``theta_a`` to ``theta_b``: the barrier's line.

    Parameters
    ----------
    theta_a, theta_b : parameters of one network

    Raises
    ------
    ValueError, TypeError
        Where shapes, biases or dtypes differ or a value is not finite.
    """
    check_alike(theta_a, theta_b, "theta_a", "theta_b")
    return Path((theta_a, theta_b))


def _check_kinds(kinds: Sequence[str], segments: int) -> None:
    if len(kinds) != segments:
        raise ValueError(
            f"kinds has {len(kinds)} entries; the path has {segments} segments"
        )
    for k, kind in enumerate(kinds):
        if kind not in KINDS:
            raise ValueError(f"kinds[{k}] is {kind!r}; one of {KINDS} will do")
