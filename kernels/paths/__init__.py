"""Paths between parameters: straight, and as the papers build them.

Every construction returns a :class:`Path` of exactly the stated number of
segments, whatever the subsets: a step that has nothing to move for the
subsets at hand is a segment of length zero.

Beside the papers' constructions, modules that are imported when asked for
(``from kernels.paths import alignment, curves``):

``alignment``  hidden units matched by permutation
``curves``     learned curves between two networks
``exact``      sums of floats whose rounding is known
``structure``  what a segment does, proved from its weights
``repair``     straight lines that keep their units' statistics
"""

import importlib
from typing import Any

from kernels.paths import exact, structure
from kernels.paths.dropout import lemma1, lemma2, theorem1
from kernels.paths.features import theorem41
from kernels.paths.noise import theorem2, theorem3
from kernels.paths.path import KINDS, Knots, Path, straight
from kernels.paths.structure import segment_kind, segment_proof
from kernels.paths.two_layer import two_layer

__all__ = [
    "KINDS",
    "Knots",
    "Path",
    "alignment",
    "curves",
    "exact",
    "lemma1",
    "lemma2",
    "repair",
    "segment_kind",
    "segment_proof",
    "straight",
    "structure",
    "theorem1",
    "theorem2",
    "theorem3",
    "theorem41",
    "two_layer",
]


def __getattr__(name: str) -> Any:
    if name in ("alignment", "curves", "repair"):
        return importlib.import_module(f"kernels.paths.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
