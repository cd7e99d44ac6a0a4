"""Paths between parameters: straight, and as the papers build them."""

from kernels.paths.path import KINDS, Knots, Path, straight
from kernels.paths.structure import TOLERANCE, segment_kind

__all__ = [
    "KINDS",
    "TOLERANCE",
    "Knots",
    "Path",
    "segment_kind",
    "straight",
]
