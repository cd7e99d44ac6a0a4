"""A grid of independent cells, run once each, wherever there is room.

``run(cell, grid, store=DIR)``   all results, in grid order
``SweepFailed``                  raised at the end when cells failed twice

The engines (this process, local processes, a Dask cluster) all make one
attempt at each cell they are given; what is stored, retried and reported is
decided here in one place, and by this process alone, so that a cluster needs
no shared folder.
"""

from kernels.sweep.runner import SweepFailed, run
from kernels.sweep.store import key

__all__ = ["SweepFailed", "key", "run"]
