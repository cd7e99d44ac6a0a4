"""Workers that share the cores take one thread each.

Two of them with a thread for every core wait for one another at the end of
every product: on two cores, beside a busy process, four of the kernels' test
files took 56 s with one thread and 254 s with two.
"""

import os

if "PYTEST_XDIST_WORKER" in os.environ:  # before NumPy and PyTorch are loaded
    os.environ.setdefault("OMP_NUM_THREADS", "1")
