"""CuPy beside Torch: whether it works, and how the two share memory."""

import contextlib
import functools
import os
import warnings
from collections.abc import Iterator
from typing import Any

import torch

from kernels.device.choice import pick

BACKENDS = ("torch", "cupy")


@functools.cache
def cupy_problem() -> str | None:
    """Why CuPy cannot be used, or None where it can.

    Without a CUDA device a CuPy that is not installed, or finds none either,
    is no fault and stays silent.  With one, a CuPy that is not installed,
    fails to import, finds no device, or cannot compile and run a kernel is
    warned of, once a process.
    """
    try:
        import cupy

        if cupy.is_available():
            if int((cupy.arange(3) + 1).sum()) == 6:
                return None
            problem = "broken: its device cannot add 1, 2 and 3"
        elif torch.cuda.is_available():
            problem = "broken: it finds no device, torch does"
        else:
            return "CuPy is installed but there is no CUDA device"
    except ModuleNotFoundError as error:
        problem = f"broken: {type(error).__name__}: {error}"
        if error.name == "cupy":
            problem = "not installed"
            if not torch.cuda.is_available():
                return "CuPy is not installed"
    except Exception as error:
        problem = f"broken: {type(error).__name__}: {error}"
    warnings.warn(
        f"CuPy is {problem}. Torch is used in its place, which is slower; "
        "kernels/requirements-gpu.txt has the versions that fit together",
        RuntimeWarning,
        stacklevel=2,
    )
    return f"CuPy is {problem}"


def has_cupy() -> bool:
    """Whether CuPy works here; see `cupy_problem` for when it warns."""
    return cupy_problem() is None


def backend(
    name: str | None = None, *, device: torch.device | str | None = None
) -> str:
    """Which of two implementations of a routine runs: "torch" or "cupy".

    Where neither argument nor variable says, CuPy is taken on a CUDA device
    when it works.

    Parameters
    ----------
    name : "torch", "cupy" or None for CONNECTED_LANDSCAPE_BACKEND
    device : where the tensors lie, None for ``pick()``

    Raises
    ------
    ValueError
        For another name.
    RuntimeError
        When CuPy is asked for and cannot be used (with the reason) or the
        device is no CUDA device.
    """
    name = name or os.environ.get("CONNECTED_LANDSCAPE_BACKEND") or None
    if name not in (None, *BACKENDS):
        raise ValueError(
            f"backend is {name!r}; expected one of {', '.join(BACKENDS)}"
        )
    if name == "torch":
        return "torch"
    device = pick() if device is None else torch.device(device)
    if name is None:
        usable = device.type == "cuda" and has_cupy()
        return "cupy" if usable else "torch"
    if device.type != "cuda":
        raise RuntimeError(
            f"backend is 'cupy' but the tensors are on {device}; move them "
            "to a CUDA device or use backend 'torch'"
        )
    if not has_cupy():
        raise RuntimeError(f"backend is 'cupy' but {cupy_problem()}")
    return "cupy"


def to_cupy(tensor: torch.Tensor) -> Any:
    """A CuPy array over the same memory as a CUDA tensor; nothing is copied.

    The array keeps the memory alive.  A tensor that requires grad is
    detached.  Use the array inside ``cupy_stream``.

    Parameters
    ----------
    tensor : on a CUDA device
    """
    import cupy

    return cupy.from_dlpack(tensor.detach())


def to_torch(array: Any) -> torch.Tensor:
    """A tensor over the same memory as a CuPy array; nothing is copied.

    Parameters
    ----------
    array : CuPy's
    """
    return torch.from_dlpack(array)


@contextlib.contextmanager
def cupy_stream(device: torch.device | None = None) -> Iterator[None]:
    """Run CuPy's work on torch's current stream of ``device``.

    Kernels of both libraries then run in the order in which they are
    launched, with no synchronisation, and are caught together by a CUDA
    graph that torch captures.

    Parameters
    ----------
    device : a CUDA device, None for the current one
    """
    import cupy

    stream = torch.cuda.current_stream(device)
    with (
        cupy.cuda.Device(stream.device.index),
        cupy.cuda.Stream.from_external(stream),
    ):
        yield
