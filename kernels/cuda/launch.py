"""Compiling the CUDA sources and launching them on Torch's stream."""

import contextlib
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kernels import device

FOLDER = Path(__file__).parent
NAMES = {torch.float32: "float", torch.float64: "double"}
MOST_OUTPUTS = 32  # numbers a thread keeps, one an output
WARP = 32
_THREADS_AT_ONCE = 132 * 12 * WARP  # what about fills an H100
_checking = False


def usable(like: Tensor, outputs: int = 1) -> bool:
    """Whether the CUDA kernels run on tensors such as ``like``.

    They need a CUDA device with CuPy (or CuPy forced), float32 or float64,
    and at most 32 outputs.

    Parameters
    ----------
    like : a tensor
    outputs : numbers that a thread keeps
    """
    fits = like.dtype in NAMES and 1 <= outputs <= MOST_OUTPUTS
    return fits and device.backend(device=like.device) == "cupy"


def source(name: str) -> str:
    """The text of ``name``.cu as it is compiled.

    Parameters
    ----------
    name : of the file, without its ending
    """
    parts = (FOLDER / "common.cuh", FOLDER / f"{name}.cu")
    return "\n".join(part.read_text(encoding="utf-8") for part in parts)


def defines(dtype: torch.dtype, outputs: int | None = None) -> tuple[str, ...]:
    """The macros that a source is compiled with.

    Parameters
    ----------
    dtype : float32 or float64
    outputs : the macro OUTPUTS, None for none
    """
    real = (f"-DREAL={NAMES[dtype]}",)
    return real if outputs is None else (*real, f"-DOUTPUTS={outputs}")


def launch(
    file: str,
    kernel: str,
    grid: tuple[int, ...],
    block: tuple[int, ...],
    arguments: Sequence[Any],
    *,
    outputs: int | None = None,
) -> None:
    """Launch ``kernel`` of ``file``.cu on Torch's current stream.

    The launch itself is checked; within ``checked()`` also what the kernel
    did, which waits for it.

    Parameters
    ----------
    file, kernel : names
    grid, block : up to three sizes
    arguments : contiguous tensors on one device, ints and None
        Ints are 32 bits in CUDA, None is a null pointer.  Tensors are
        shared through DLPack, not copied.
    outputs : the macro OUTPUTS, None for none

    Raises
    ------
    ValueError
        For a tensor that is not contiguous or lies elsewhere; CuPy's error
        passes through where compiling or launching fails.
    """
    tensors = [a for a in arguments if isinstance(a, Tensor)]
    real = next(a.dtype for a in tensors if a.dtype in NAMES)
    for a in tensors:
        if not a.is_contiguous() or a.device != tensors[0].device:
            raise ValueError(
                f"{kernel} needs contiguous tensors on {tensors[0].device}; "
                f"got shape {tuple(a.shape)}, strides {a.stride()}, on "
                f"{a.device}"
            )
        if a.dtype in NAMES and a.dtype != real and a.dtype != torch.float64:
            raise ValueError(f"{kernel} got both {real} and {a.dtype}")
    _run(file, kernel, defines(real, outputs), grid, block, arguments)


def _run(file, kernel, macros, grid, block, arguments):
    on = next(a.device for a in arguments if isinstance(a, Tensor))
    with device.cupy_stream(on):
        compiled = _module(file, macros).get_function(kernel)
        compiled(grid, block, tuple(map(_argument, arguments)))
        if _checking and not torch.cuda.is_current_stream_capturing():
            torch.cuda.synchronize(on)


@functools.cache
def _module(file, macros):
    import cupy

    options = ("--std=c++17", *macros)
    return cupy.RawModule(code=source(file), options=options)


def _argument(value):
    if isinstance(value, Tensor):
        return device.to_cupy(value)
    return np.uint64(0) if value is None else np.int32(value)


@contextlib.contextmanager
def checked() -> Iterator[None]:
    """Within it, each launch waits for its kernel and raises its error."""
    global _checking
    before, _checking = _checking, True
    try:
        yield
    finally:
        _checking = before


def vectors(count: int, *tensors: Tensor) -> bool:
    """Whether rows can be read 16 bytes at a time.

    Parameters
    ----------
    count : numbers in a row
    tensors : of one dtype
    """
    size = tensors[0].element_size()
    return (count * size) % 16 == 0 and all(
        a.data_ptr() % 16 == 0 for a in tensors
    )


def dense(tensor: Tensor | None) -> Tensor | None:
    """Laid out row by row, as the kernels read it; None is None.

    Parameters
    ----------
    tensor : a tensor, or None
    """
    return None if tensor is None else tensor.contiguous()


def padded(tensor: Tensor) -> Tensor:
    """With rows of whole packs that start on 16 bytes.

    Itself where it is so already, else a copy with zeros at the rows' ends.

    Parameters
    ----------
    tensor : of any shape
    """
    short = -tensor.shape[-1] % pack(tensor)
    if short:
        return torch.nn.functional.pad(tensor, (0, short))
    return tensor if tensor.data_ptr() % 16 == 0 else tensor.clone()


def pack(like: Tensor) -> int:
    """How many numbers make 16 bytes.

    Parameters
    ----------
    like : a tensor of the numbers' dtype
    """
    return 16 // like.element_size()


def cover(count: int, size: int) -> int:
    """How many pieces of ``size`` cover ``count``.

    Parameters
    ----------
    count, size : whole numbers
    """
    return -(-count // size)


def shares(blocks: int, threads: int, most: int) -> int:
    """Over how many blocks to split each one's work, to fill the device.

    Parameters
    ----------
    blocks, threads : of them without a split, and in each
    most : the largest answer
    """
    wanted = cover(2 * _THREADS_AT_ONCE, blocks * threads)
    return max(1, min(wanted, most))
