"""Dropout networks and dropout stability (K19, Definition 1; S20, (3.4);
N21, experiment B)."""

from kernels.dropout.draws import counts, draw
from kernels.dropout.narrowing import dropout_network, subnetwork
from kernels.dropout.rescale import best_scale
from kernels.dropout.stability import Stability, stability

__all__ = [
    "Stability",
    "best_scale",
    "counts",
    "draw",
    "dropout_network",
    "stability",
    "subnetwork",
]
