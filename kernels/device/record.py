"""What a result was computed on."""

import contextlib
import platform
from typing import Any

import numpy as np
import torch

from kernels.device.backends import cupy_problem
from kernels.device.choice import pick


def describe(device: torch.device | str | None = None) -> dict[str, Any]:
    """What a result was computed on, as a JSON-able dict for its record.

    Parameters
    ----------
    device : as in :func:`pick`

    Returns
    -------
    dict[str, Any]
        The keys device (type), device_name, python, torch, numpy, threads,
        system; on CUDA also cuda (torch's version of it), capability,
        memory_bytes, and cupy (its version, or why it is not used).
    """
    device = pick(device)
    found = {
        "device": device.type,
        "device_name": _cpu_name(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    if device.type == "cuda":
        card = torch.cuda.get_device_properties(device)
        found["device_name"] = card.name
        found["cuda"] = torch.version.cuda
        found["capability"] = f"{card.major}.{card.minor}"
        found["memory_bytes"] = card.total_memory
        found["cupy"] = cupy_problem() or _cupy_version()
    return found


def _cupy_version():
    import cupy

    return cupy.__version__


def _cpu_name():
    with (
        contextlib.suppress(OSError),
        open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines,
    ):
        for line in lines:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
