"""Every .cu compiles for three generations of GPUs, and spills nothing."""

import re

import cuda_host
import cuda_nvrtc
import pytest
import torch

from kernels.cuda import launch

pytestmark = pytest.mark.skipif(
    cuda_nvrtc.library() is None,
    reason="the wheel nvidia-cuda-nvrtc is not installed",
)

SHARED = 48 * 1024  # bytes a block may have without asking for more
SOURCES = ("segments", "dropout", "boxes", "meanfield")
# registers a thread: 168 leave room for 384 threads on a multiprocessor
FEW_OUTPUTS, FEW_REGISTERS, MOST_REGISTERS = 16, 168, 255
USED = re.compile(r"Used (\d+) registers")
MEMORY = re.compile(r"(\d+) bytes smem")
SPILLED = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores")


def cases():
    """Source, architecture, outputs: all outputs on sm_90, two elsewhere."""
    for file in SOURCES:
        for arch in ("sm_80", "sm_90", "sm_100"):
            few = (1, 4, 5) if file == "boxes" else (1, 10, 16, 32)
            for outputs in few if arch == "sm_90" else few[-3::2]:
                yield file, arch, outputs


def resources(file, arch, outputs, dtype):
    """(registers, shared bytes, spilled bytes), one of each a kernel."""
    cubin, log = cuda_nvrtc.compiled(
        launch.source(file),
        f"--gpu-architecture={arch}",
        "--std=c++17",
        "--ptxas-options=-v",
        "-diag-suppress=177",  # a helper that this source does not call
        *launch.defines(dtype, outputs),
    )
    assert cubin.startswith(b"\x7fELF")
    assert "warning" not in log, log
    for kernel in cuda_host.kernels(file):
        assert kernel.encode() in cubin
    spilled = [max(map(int, pair)) for pair in SPILLED.findall(log)]
    return (
        [int(count) for count in USED.findall(log)],
        [int(count) for count in MEMORY.findall(log)],
        spilled,
    )


@pytest.mark.parametrize(("file", "arch", "outputs"), [*cases()])
def test_no_spills_and_few_registers(file, arch, outputs):
    limit = FEW_REGISTERS if outputs <= FEW_OUTPUTS else MOST_REGISTERS
    for dtype in launch.NAMES:
        registers, shared, spilled = resources(file, arch, outputs, dtype)
        kernels = len(cuda_host.kernels(file))
        assert len(registers) == len(spilled) == kernels
        assert max(registers) <= limit, (dtype, registers)
        assert max(shared, default=0) <= SHARED
        assert spilled == [0] * kernels, dtype


def test_all_sources_are_here():
    assert {file.stem for file in launch.FOLDER.glob("*.cu")} == set(SOURCES)


def test_the_loss_compiles_without_a_number_of_outputs():
    cubin, _ = cuda_nvrtc.compiled(
        launch.source("meanfield"),
        "--gpu-architecture=sm_90",
        *launch.defines(torch.float32),
    )
    assert b"loss_gradient" in cubin
    assert b"back_project" not in cubin


def test_a_fault_is_reported_with_the_log():
    with pytest.raises(AssertionError, match="undefined"):
        cuda_nvrtc.compiled(
            "__global__ void f() { nothing(); }",
            "--gpu-architecture=sm_90",
        )
