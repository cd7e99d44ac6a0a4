"""How many sign changes a segment has, nearly: a probe before the work."""

import torch
from torch import Tensor

from kernels.certificates.pieces.interval import Segment

FLIPS = 12  # sign changes a sample that one interval should have
_PROBES, _PROBED = 65, 8


def sign_changes(segment: Segment) -> float:
    """Sign changes of hidden units a sample, as few points and samples say."""
    n = len(segment.h)
    some = torch.linspace(0, n - 1, min(_PROBED, n)).round().long()
    some = some.to(segment.h.device)
    network, changes = segment.network, 0
    before: Tensor | None = None
    for t in torch.linspace(0, 1, _PROBES).tolist():
        theta, h, found = segment.at(t), segment.h[some], []
        for i in range(segment.first, network.depth):
            z = network.linear(i, theta[i - 1][0], h, theta[i - 1][1])
            found.append((z > 0).flatten(1))
            h = network.activate(i, z)
        signs = torch.cat(found, 1) if found else torch.zeros(len(some), 0)
        if before is not None:
            changes += int((signs != before).sum())
        before = signs
    return changes / len(some)
