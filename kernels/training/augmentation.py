"""Random crops and mirror images, a fresh draw a sample."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class CropFlip:
    """Pads by ``padding`` zeros, crops at random, mirrors half the samples.

    ``padding=0`` leaves the crops out, ``flip=False`` the mirror images.
    """

    padding: int = 4
    flip: bool = True

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """``x`` (n, C, H, W), ``generator`` on its device; a new tensor."""
        if x.dim() != 4:
            raise ValueError(
                f"augment got x of shape {tuple(x.shape)}; images (n, "
                "channels, height, width) will do"
            )
        n, channels, height, width = x.shape
        draw: dict[str, Any] = {"generator": generator, "device": x.device}
        top, left = torch.randint(2 * self.padding + 1, (2, n, 1), **draw)
        rows = top + torch.arange(height, device=x.device)  # (n, H)
        cols = left + torch.arange(width, device=x.device)  # (n, W)
        if self.flip:
            mirrored = torch.randint(2, (n, 1), **draw) > 0
            cols = torch.where(mirrored, cols.flip(1), cols)
        padded = functional.pad(x, (self.padding,) * 4)
        return padded[
            torch.arange(n, device=x.device)[:, None, None, None],
            torch.arange(channels, device=x.device)[:, None, None],
            rows[:, None, :, None],
            cols[:, None, None, :],
        ]
