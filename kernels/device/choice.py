"""Device, precision and threads of a process."""

import contextlib
import os
import warnings
from collections.abc import Iterator
from typing import Any

import torch

DTYPES = {"float32": torch.float32, "float64": torch.float64}

# what torch.cpu.get_capabilities calls bfloat16 products, on x86 and on Arm
BFLOAT16 = ("avx512_bf16", "amx_bf16", "bf16")

torch.backends.cudnn.allow_tf32 = False  # see `tf32`


def pick(device: torch.device | str | None = None) -> torch.device:
    """The device to compute on.

    Parameters
    ----------
    device : a torch.device, its name, or None
        None: the environment variable CONNECTED_LANDSCAPE_DEVICE and,
        where that is not set, the first CUDA device or else the CPU.

    Returns
    -------
    torch.device
        A device that is there.

    Raises
    ------
    ValueError
        For a name that torch does not know.
    RuntimeError
        For a device that is not there.
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


def pick_dtype(dtype: torch.dtype | str | None = None) -> torch.dtype:
    """The floating-point type to compute in.

    Parameters
    ----------
    dtype : torch.float32, torch.float64, one of their names, or None
        None: CONNECTED_LANDSCAPE_DTYPE and, where that is not set,
        float32.

    Raises
    ------
    ValueError
        For any other.
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


@contextlib.contextmanager
def tf32() -> Iterator[None]:
    """Lets float32 products and convolutions on CUDA round to TF32.

    Outside of it neither does: importing this module turns off what cuDNN
    does by default.  TF32 keeps 10 bits of the mantissa (relative error about
    5e-4) and runs on the tensor cores.  A captured CUDA graph keeps what held
    when it was captured.
    """
    flags: list[Any] = [torch.backends.cuda.matmul, torch.backends.cudnn]
    before = [flag.allow_tf32 for flag in flags]
    for flag in flags:
        flag.allow_tf32 = True
    try:
        yield
    finally:
        for flag, was in zip(flags, before):
            flag.allow_tf32 = was


def warn_of_bfloat16(
    device: torch.device | str, *, asked: str, instead: str
) -> None:
    """Warns of bfloat16 products on a CPU that has no instruction for them.

    PyTorch emulates them there.  The precision is what was asked for, the
    time is not: on a CPU with AVX2 a square product took 28 to 56 times
    float32's time, a training step of VGG-11 some 15 times.  A CPU has the
    instruction with AVX-512 BF16, AMX or Arm's BF16, and PyTorch uses it where
    it was built with oneDNN; the warning is a RuntimeWarning.

    Parameters
    ----------
    device : where the products are computed
    asked : the argument that asked for them, as its caller writes it
    instead : what the caller can write for float32
    """
    if torch.device(device).type != "cpu":
        return
    able = torch.cpu.get_capabilities()
    if torch.backends.mkldnn.is_available() and any(map(able.get, BFLOAT16)):
        return
    warnings.warn(
        f"{asked}: this CPU has no bfloat16 products that PyTorch can use "
        f"({torch.backends.cpu.get_cpu_capability()}); they are emulated, "
        f"which can be many times slower than float32; {instead} computes "
        "in float32",
        RuntimeWarning,
        stacklevel=2,
    )


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """Run a block with ``count`` threads in each torch operation.

    Parameters
    ----------
    count : at least 1

    Raises
    ------
    ValueError
        For anything else.
    """
    from kernels.networks.checks import whole  # which imports this module

    count = whole("count", count)
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
