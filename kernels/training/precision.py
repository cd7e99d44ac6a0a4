"""bfloat16 products with float32 parameters, chosen by argument."""

import contextlib

import torch
from torch import Tensor

from kernels import device


class Precision:
    """How products are computed: as stored, or in bfloat16.

    With ``mixed`` the products of the forward and the backward pass take
    bfloat16 inputs (PyTorch's autocast), while parameters, gradients and
    momenta stay float32, and images lie channels-last, which is how a CPU's
    bfloat16 convolutions read them.  The outputs come back as float32, and
    the loss is computed there.  A CPU without bfloat16 products emulates them:
    `kernels.device.warn_of_bfloat16` says so.

    Raises ValueError for ``mixed`` with anything but float32 tensors.
    """

    def __init__(self, mixed: bool, like: Tensor) -> None:
        if mixed not in (True, False):
            raise ValueError(
                f"mixed_precision is {mixed!r}; True or False will do"
            )
        if mixed and like.dtype != torch.float32:
            raise ValueError(
                f"mixed_precision is on, and the parameters are {like.dtype};"
                " float32 will do"
            )
        self.mixed, self._device = bool(mixed), like.device.type
        if mixed:
            device.warn_of_bfloat16(
                self._device,
                asked="mixed_precision=True",
                instead="mixed_precision=False",
            )

    def __call__(self) -> contextlib.AbstractContextManager:
        """The context of a forward pass."""
        if not self.mixed:
            return contextlib.nullcontext()
        return torch.autocast(self._device, dtype=torch.bfloat16)

    def inputs(self, x: Tensor) -> Tensor:
        """``x`` laid out for the products; the same numbers."""
        if self.mixed and x.dim() == 4:
            return x.contiguous(memory_format=torch.channels_last)
        return x

    def outputs(self, z: Tensor) -> Tensor:
        """``z`` as the loss takes it."""
        return z.float() if self.mixed else z
