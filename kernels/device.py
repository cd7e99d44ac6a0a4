"""Device, precision, CuPy, random streams and threads, chosen in one place.

Four environment variables force what is otherwise chosen at run time:

``CONNECTED_LANDSCAPE_DEVICE``   "cpu", "cuda", "cuda:1", "mps"
``CONNECTED_LANDSCAPE_DTYPE``    "float32" or "float64"
``CONNECTED_LANDSCAPE_BACKEND``  "torch" or "cupy", for routines with both
``OMP_NUM_THREADS``              threads of one operation, read by torch
"""

import contextlib
import functools
import hashlib
import json
import os
import platform
import warnings

import numpy as np
import torch

DTYPES = {"float32": torch.float32, "float64": torch.float64}
BACKENDS = ("torch", "cupy")

torch.backends.cudnn.allow_tf32 = False  # see `tf32`


def pick(device=None):
    """The device to compute on.

    Arguments: `device` a torch.device, its name, or None for the environment
    variable CONNECTED_LANDSCAPE_DEVICE and, where that is not set, the first
    CUDA device or else the CPU.

    Returns a torch.device that is there.  Raises ValueError for a name that
    torch does not know and RuntimeError for a device that is not there.
    """
    origin = "device"
    if device is None:
        origin = "CONNECTED_LANDSCAPE_DEVICE"
        device = os.environ.get(origin) or (
            "cuda" if torch.cuda.is_available() else "cpu"
        )
    try:
        device = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"{origin} is {device!r}; expected 'cpu', 'cuda', 'cuda:N' or "
            "'mps'"
        ) from error
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise RuntimeError(
                f"{origin} asks for {device}, but torch {torch.__version__} "
                f"sees {count} CUDA devices here; use 'cpu', or install a "
                "CUDA build of torch and a driver"
            )
    elif device.type == "mps" and not torch.backends.mps.is_available():
        raise RuntimeError(f"{origin} asks for mps, which is not here")
    elif device.type not in ("cpu", "cuda", "mps"):
        raise ValueError(
            f"{origin} is {str(device)!r}; expected 'cpu', 'cuda', 'cuda:N' "
            "or 'mps'"
        )
    return device


def pick_dtype(dtype=None):
    """The floating-point type to compute in.

    Arguments: `dtype` torch.float32, torch.float64, one of their names, or
    None for CONNECTED_LANDSCAPE_DTYPE and, where that is not set, float32.

    Returns a torch.dtype.  Raises ValueError for any other.
    """
    origin = "dtype"
    if dtype is None:
        origin = "CONNECTED_LANDSCAPE_DTYPE"
        dtype = os.environ.get(origin) or "float32"
    chosen = DTYPES.get(str(dtype).removeprefix("torch."))
    if chosen is None:
        raise ValueError(
            f"{origin} is {dtype!r}; expected one of {', '.join(DTYPES)}"
        )
    return chosen


@functools.cache
def cupy_problem():
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


def has_cupy():
    """Whether CuPy works here; see `cupy_problem` for when it warns."""
    return cupy_problem() is None


def backend(name=None, *, device=None):
    """Which of two implementations of a routine runs: "torch" or "cupy".

    Arguments: `name` "torch", "cupy" or None for
    CONNECTED_LANDSCAPE_BACKEND; `device` where the tensors lie, None for
    `pick()`.  Where neither argument nor variable says, CuPy is taken on a
    CUDA device when it works.

    Raises ValueError for another name, RuntimeError when CuPy is asked for
    and cannot be used (with the reason) or the device is no CUDA device.
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


def to_cupy(tensor):
    """A CuPy array over the same memory as a CUDA tensor; nothing is copied.

    The array keeps the memory alive.  A tensor that requires grad is
    detached.  Use the array inside `cupy_stream`.
    """
    import cupy

    return cupy.from_dlpack(tensor.detach())


def to_torch(array):
    """A tensor over the same memory as a CuPy array; nothing is copied."""
    return torch.from_dlpack(array)


@contextlib.contextmanager
def cupy_stream(device=None):
    """Runs CuPy's work on torch's current stream of `device`.

    Kernels of both libraries then run in the order in which they are
    launched, with no synchronisation, and are caught together by a CUDA
    graph that torch captures.
    """
    import cupy

    stream = torch.cuda.current_stream(device)
    with (
        cupy.cuda.Device(stream.device.index),
        cupy.cuda.Stream.from_external(stream),
    ):
        yield


@contextlib.contextmanager
def tf32():
    """Lets float32 products and convolutions on CUDA round to TF32.

    Outside of it neither does: importing this module turns off what cuDNN
    does by default.  TF32 keeps 10 bits of the mantissa (relative error about
    5e-4) and runs on the tensor cores.  A captured CUDA graph keeps what held
    when it was captured.
    """
    flags = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [flag.allow_tf32 for flag in flags]
    for flag in flags:
        flag.allow_tf32 = True
    try:
        yield
    finally:
        for flag, was in zip(flags, before):
            flag.allow_tf32 = was


def seed_for(seed, *names):
    """A 63-bit seed derived from `seed` and what it is for.

    The first eight bytes, little-endian, without the top bit, of the SHA-256
    of the JSON list [seed, name, ...] in UTF-8 without spaces: cells that
    differ in any name get unrelated seeds, the same cell gets the same one on
    every machine.

    Raises TypeError for a seed or name that is no str, int, float or bool.
    """
    for part in (seed, *names):
        if not isinstance(part, str | int | float):
            raise TypeError(
                f"seed and names must be str, int, float or bool; got "
                f"{part!r} of type {type(part).__name__}"
            )
    text = json.dumps([seed, *names], separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def generator(seed, *names, device="cpu"):
    """A torch.Generator of its own for (seed, names), e.g. (0, "init", 3).

    Seeded by `seed_for`.  Torch's CPU generator (Mersenne Twister) uses the
    lower 32 bits alone, so among n streams two coincide with probability
    about n² / 2³³: 1e-4 at a thousand.  The CUDA generator uses all 63.
    """
    return torch.Generator(device=device).manual_seed(seed_for(seed, *names))


@contextlib.contextmanager
def threads(count):
    """Runs a block with `count` threads in each torch operation."""
    if not isinstance(count, int) or count < 1:
        raise ValueError(f"count is {count!r}; expected a positive integer")
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def describe(device=None):
    """What a result was computed on, as a JSON-able dict for its record.

    Keys: device (type), device_name, python, torch, numpy, threads, system;
    on CUDA also cuda (torch's version of it), capability, memory_bytes, and
    cupy (its version, or why it is not used).
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
