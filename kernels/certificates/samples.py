"""A path's outputs on all samples, in float64, with their rounding."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from kernels.certificates import rounding, twofold
from kernels.certificates.bounds import limits
from kernels.certificates.errors import error_bounds
from kernels.certificates.mismatch import mismatch
from kernels.networks import Network, Parameters, losses, tree
from kernels.networks.checks import check_finite, tensor
from kernels.paths import Path
from kernels.paths.structure import segment_proof

FINE = 1e-8  # an allowance that small, relative, need not be sharper
_KEPT = 1 << 24  # inputs kept in float64; more are converted in blocks
FAIR = 1e-5  # nor one that small where there are many functions


class Samples:
    """The network, the path and the samples of one certificate.

    ``x`` (n, …) on the parameters' device, ``y`` as ``losses.targets`` gives
    it in float64; ``loss`` its name; ``batch``: samples at once.
    """

    def __init__(
        self,
        network: Network,
        path: Path,
        x: Any,
        y: Any,
        loss: str,
        batch: int,
    ) -> None:
        self.network, self.path, self.loss = network, path, loss
        x = tensor("x", x)
        check_finite("x", x)
        self.x, self.batch = x.to(path.knots[0][0][0].device), batch
        if x.numel() <= _KEPT:
            self.x = self.x.double()
        like = self.x.new_empty(0, dtype=torch.float64)
        self.y = losses.targets(y, network.widths[-1], loss=loss, like=like)

    def blocks(self) -> Iterator[Tensor]:
        return (block.double() for block in self.x.split(self.batch))

    def outputs(
        self, theta: Parameters, name: str = "the path's parameters"
    ) -> tuple[Tensor, Tensor]:
        """Outputs (n, outputs) and their rounding; theta in any dtype."""
        theta = tree.to(theta, torch.float64)
        net = self.network
        z, rho = self._all(
            lambda x: rounding.forward(net, theta, x, norms=True)
        )
        if self._share(z, rho) > FINE:
            z, rho = self._all(lambda x: rounding.forward(net, theta, x))
        if self._share(z, rho) > FAIR:
            sharp = self._all(
                lambda x: twofold.forward(net, theta, theta, 0.0, x)
            )
            if self._share(*sharp) < self._share(z, rho):
                z, rho = sharp
        return _finite(z, rho, name)

    def _all(
        self, forward: Callable[[Tensor], tuple[Tensor, Tensor]]
    ) -> tuple[Tensor, Tensor]:
        z, rho = map(torch.cat, zip(*map(forward, self.blocks())))
        return z, rho

    def _share(self, z: Tensor, rho: Tensor) -> float:
        """What rounding can do, as a share of the mean loss."""
        value, slack = rounding.mean_loss(z, rho, self.y, self.loss)
        return slack / value if value > 0 and slack >= 0 else math.inf

    def measure(
        self, z: Tensor, rho: Tensor
    ) -> tuple[float, float, float, float]:
        """Mean loss, its allowance, the error that is certain and the one
        that is possible."""
        loss, slack = rounding.mean_loss(z, rho, self.y, self.loss)
        if not math.isfinite(loss + slack):
            raise ValueError(
                f"the mean loss is {loss} with {slack} for rounding: float64 "
                "overflows; smaller weights, inputs or targets will do"
            )
        most, least = error_bounds(z, z, rho, rho, self.y)
        return loss, slack, least, most

    def points(
        self, segment: int, places: Iterable[float]
    ) -> Iterator[Parameters]:
        """Parameters in float64; layers that do not move are shared."""
        pairs: list[Any] = []
        for layer, twin in zip(*self.path.ends(segment)):
            for p, q in zip(layer, twin):
                still = p is q or p is None or q is None or torch.equal(p, q)
                p = None if p is None else p.double()
                pairs.append((p, p if still or q is None else q.double()))
        for s in places:
            flat = [p if p is q else torch.lerp(p, q, s) for p, q in pairs]
            yield tuple(zip(flat[::2], flat[1::2]))

    def at(self, segment: int, s: float) -> tuple[float, float, float, float]:
        """What :meth:`measure` gives at (1 - s) p + s q, in real numbers."""
        theta, other = (
            tree.to(end, torch.float64) for end in self.path.ends(segment)
        )
        z, rho = self._all(
            lambda x: twofold.forward(self.network, theta, other, s, x)
        )
        return self.measure(*_finite(z, rho, f"segment {segment}, {s}"))

    def hardest(self, segment: int, s: float) -> int:
        """The sample whose loss is the largest at one point of a segment."""
        (theta,) = self.points(segment, [s])
        z = torch.cat([self.network.forward(theta, x) for x in self.blocks()])
        return self.hardest_of(z)

    def hardest_of(self, z: Tensor) -> int:
        """The sample whose loss is the largest, of outputs z."""
        return int(losses.sample_losses(z, self.y, self.loss).argmax())

    def limits(self, segment: int) -> Parameters:
        """Bounds on the weights anywhere on the segment."""
        return limits(*self.path.ends(segment))

    def mismatch(self, segment: int) -> Tensor:
        """How far outputs are from affine on an almost exact segment."""
        ends = self.path.ends(segment)
        drift = segment_proof(*ends, drift=True).drift
        theta, other = (tree.to(end, torch.float64) for end in ends)
        found = [
            mismatch(self.network, theta, other, drift, x)
            for x in self.blocks()
        ]
        return torch.cat(found)


def _finite(z: Tensor, rho: Tensor, name: str) -> tuple[Tensor, Tensor]:
    if not bool(torch.isfinite(z).all() & torch.isfinite(rho).all()):
        raise ValueError(
            f"the outputs at {name} are not finite: float64 overflows; "
            "smaller weights or inputs will do"
        )
    return z, rho
