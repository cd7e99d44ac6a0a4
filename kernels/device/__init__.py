"""Device, precision, CuPy, random streams and threads, chosen in one place.

Four environment variables force what is otherwise chosen at run time:

``CONNECTED_LANDSCAPE_DEVICE``   "cpu", "cuda", "cuda:1", "mps"
``CONNECTED_LANDSCAPE_DTYPE``    "float32" or "float64"
``CONNECTED_LANDSCAPE_BACKEND``  "torch" or "cupy", for routines with both
``OMP_NUM_THREADS``              threads of one operation, read by torch
"""

from kernels.device.backends import (
    backend,
    cupy_problem,
    cupy_stream,
    has_cupy,
    to_cupy,
    to_torch,
)
from kernels.device.choice import (
    DTYPES,
    pick,
    pick_dtype,
    tf32,
    threads,
    warn_of_bfloat16,
)
from kernels.device.record import describe
from kernels.device.streams import generator, seed_for

__all__ = [
    "DTYPES",
    "backend",
    "cupy_problem",
    "cupy_stream",
    "describe",
    "generator",
    "has_cupy",
    "pick",
    "pick_dtype",
    "seed_for",
    "tf32",
    "threads",
    "to_cupy",
    "to_torch",
    "warn_of_bfloat16",
]
