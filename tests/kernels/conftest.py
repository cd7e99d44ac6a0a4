"""Where the CUDA kernels run in a test: on the host, and on a GPU."""

import contextlib
import functools

import cuda_host
import pytest
import torch

from kernels import device
from kernels.cuda import launch


def poisoned(new_empty):
    """`Tensor.new_empty`, but every float is NaN."""

    def function(self, *shape, **options):
        made = new_empty(self, *shape, **options)
        return made.fill_(torch.nan) if made.is_floating_point() else made

    return function


@pytest.fixture(params=["host", "host backwards", "gpu"])
def engine(request, monkeypatch):
    """Makes the kernels run; the device that their tensors lie on.

    On the host twice, a block's threads in order and in reverse: a missing
    barrier shows as a difference.  New buffers are full of NaN.
    """
    with contextlib.ExitStack() as stack:
        if request.param == "gpu":
            if not (torch.cuda.is_available() and device.has_cupy()):
                pytest.skip("no CUDA device with CuPy here")
            stack.enter_context(launch.checked())
        else:
            if cuda_host.COMPILER is None:
                pytest.skip("no g++ here to compile the sources for the host")
            backwards = request.param == "host backwards"
            run = functools.partial(cuda_host.run, backwards=backwards)
            monkeypatch.setattr(launch, "_run", run)
            monkeypatch.setattr(device, "backend", lambda *a, **k: "cupy")
        new_empty = poisoned(torch.Tensor.new_empty)
        monkeypatch.setattr(torch.Tensor, "new_empty", new_empty)
        yield torch.device("cuda" if request.param == "gpu" else "cpu")
