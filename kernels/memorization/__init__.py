"""Networks built by hand to fit given data: N21's Corollaries 4.4 and 4.5.

``memorize``    builds one, from points in generic position or distinct ones
``classify``    reads class scores off one that holds class indices
``pad``         brings one to the shapes of a wider network
``capacity``, ``width_for``    what N21's assumption (A1) asks for
``separation``  networks on linearly separable features (a module)
"""

from kernels.memorization import separation
from kernels.memorization.construction import (
    Memory,
    capacity,
    classify,
    memorize,
    pad,
    width_for,
)

__all__ = [
    "Memory",
    "capacity",
    "classify",
    "memorize",
    "pad",
    "separation",
    "width_for",
]
