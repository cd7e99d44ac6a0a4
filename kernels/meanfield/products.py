"""The matrix products of a step: as stored, or with bfloat16 inputs."""

import torch
from torch import Tensor

from kernels.meanfield.model import Weights

_ROWS = 256  # of a layer's update at a time, so that they stay in the cache


class Stored:
    """The three products of each layer, in the weights' own dtype.

    Layer l is ``theta[l]``, (R, out, in); ``above`` (R, batch, out) and
    ``below`` (R, batch, in) are what stands on its two sides.
    """

    def __init__(self, theta: Weights) -> None:
        self.theta = theta

    def refresh(self) -> None:
        """Called before each step: the weights may have been changed."""

    def forward(
        self, layer: int, below: Tensor, out: Tensor, scale: float
    ) -> None:
        """out = scale * below W^T, (R, batch, out)."""
        out.baddbmm_(below, self.theta[layer].mT, beta=0, alpha=scale)

    def backward(
        self, layer: int, above: Tensor, out: Tensor, scale: float
    ) -> None:
        """out = scale * above W, (R, batch, in)."""
        out.baddbmm_(above, self.theta[layer], beta=0, alpha=scale)

    def descend(
        self, layer: int, above: Tensor, below: Tensor, step_size: float
    ) -> None:
        """W -= step_size * above^T below, along the transposed memory."""
        w = self.theta[layer].mT
        w.baddbmm_(below.mT, above, alpha=-step_size)


class Mixed(Stored):
    """bfloat16 inputs for every layer but the last, weights in float32.

    Each layer keeps a bfloat16 copy of its weights, written again as they
    are updated.  What a product returns is rounded to bfloat16 too, and so is
    the gradient before it is subtracted from the float32 weights; the thin
    last layer is computed as stored.

    ``tests/benchmarks/bench_meanfield.py`` holds its time against float32's.
    """

    def __init__(self, theta: Weights) -> None:
        super().__init__(theta)
        self._copies = [  # (R, in, out): the memory order of the weights
            torch.empty(w.mT.shape, dtype=torch.bfloat16, device=w.device)
            for w in theta[:-1]
        ]
        self._versions = [-1] * len(self._copies)
        shape = [(c.shape[0], _ROWS, c.shape[2]) for c in self._copies]
        self._room = [c.new_empty(s) for c, s in zip(self._copies, shape)]

    def refresh(self) -> None:
        """Copies again the weights that were changed from outside."""
        for layer, copy in enumerate(self._copies):
            w = self.theta[layer]
            if w._version != self._versions[layer]:
                copy.copy_(w.mT)
                self._versions[layer] = w._version

    def forward(
        self, layer: int, below: Tensor, out: Tensor, scale: float
    ) -> None:
        """out = scale * below W^T, (R, batch, out)."""
        if layer == len(self._copies):
            return super().forward(layer, below, out, scale)
        product = torch.bmm(below.bfloat16(), self._copies[layer])
        torch.mul(product, scale, out=out)

    def backward(
        self, layer: int, above: Tensor, out: Tensor, scale: float
    ) -> None:
        """out = scale * above W, (R, batch, in)."""
        if layer == len(self._copies):
            return super().backward(layer, above, out, scale)
        product = torch.bmm(above.bfloat16(), self._copies[layer].mT)
        torch.mul(product, scale, out=out)

    def descend(
        self, layer: int, above: Tensor, below: Tensor, step_size: float
    ) -> None:
        """W -= step_size * above^T below, by blocks of rows of W^T."""
        if layer == len(self._copies):
            return super().descend(layer, above, below, step_size)
        w, copy = self.theta[layer].mT, self._copies[layer]
        above = above.bfloat16()
        below = below.bfloat16().mT.contiguous()  # (R, in, batch)
        for i in range(0, w.shape[1], _ROWS):
            rows = slice(i, i + _ROWS)
            mine = w[:, rows]
            gradient = self._room[layer][:, : mine.shape[1]]
            torch.bmm(below[:, rows], above, out=gradient)
            mine.add_(gradient, alpha=-step_size)
            copy[:, rows].copy_(mine)
        self._versions[layer] = self.theta[layer]._version
