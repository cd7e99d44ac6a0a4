"""The CUDA sources on the host: compiled by g++ behind cuda_shim.h."""

import ctypes
import functools
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import torch

from kernels.cuda import launch

SHIM = Path(__file__).with_name("cuda_shim.h")
KERNEL = re.compile(r'extern "C" __global__ void[^(]*\([^)]*\)\s*(\w+)\(')
# Windows' g++ makes libraries that want others beside them
COMPILER = shutil.which("g++") if os.name == "posix" else None
FLAGS = ("-O1", "-std=c++17", "-fPIC", "-shared", "-fno-strict-aliasing", "-w")


@functools.cache
def folder():
    return tempfile.TemporaryDirectory(prefix="landscape-cuda-")


def kernels(name):
    """The names of the kernels of a source."""
    return KERNEL.findall(launch.source(name))


@functools.cache
def library(name, macros):
    """A source as a shared library of the host."""
    hosts = "\n".join(f"HOST({kernel})" for kernel in kernels(name))
    if not any("OUTPUTS" in macro for macro in macros):
        hosts = hosts.replace("HOST(back_project)", "")
    text = f'#include "{SHIM}"\n{launch.source(name)}\n{hosts}\n'
    stem = "".join(filter(str.isalnum, name + "".join(macros)))
    file = Path(folder().name, f"{stem}.cpp")
    file.write_text(text)
    made = file.with_suffix(".so")
    done = subprocess.run(
        [COMPILER, *FLAGS, *macros, str(file), "-o", str(made)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return ctypes.CDLL(str(made))


def run(file, kernel, macros, grid, block, arguments, *, backwards=False):
    """What ``launch._run`` does, on the host."""
    assert block[0] * block[1] * block[2] <= 1024
    assert grid[1] < 65536
    assert grid[2] < 65536
    values = [
        ctypes.c_void_p(a.data_ptr() if torch.is_tensor(a) else 0)
        if a is None or torch.is_tensor(a)
        else ctypes.c_int(a)
        for a in arguments
    ]
    given = (ctypes.c_void_p * len(values))(
        *(ctypes.addressof(value) for value in values)
    )
    sizes = (ctypes.c_uint * 6)(*grid, *block)
    call = getattr(library(file, macros), f"host_{kernel}")
    fault = call(sizes, given, len(values), int(backwards))
    assert fault == 0, {1: "a barrier that not all reach", 2: "arguments"}
