"""S20's appendix D: two isotropic Gaussians told apart by their scale alone.

y is +1 or −1 with probability ½ each, and x given y is N(0, (1 + yΔ)² I_d).
Both classes have mean 0, so no linear function separates them; |x| does.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from kernels import states
from kernels.data.dataset import Dataset, Raw, sha256
from kernels.data.normalize import finish

DIMENSION = 32
DELTA = 0.5


@states("S20", "Appendix D")
def gaussian_sample(
    count: int,
    *,
    generator: torch.Generator,
    dimension: int = DIMENSION,
    delta: float = DELTA,
    dtype: torch.dtype = torch.float32,
    constant: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Fresh examples (S20, appendix D).

    Parameters
    ----------
    count : how many
    generator : its device is the samples'
    dimension : d
    delta : Δ in [0, 1)
    dtype : of x
    constant : appends the feature 1
        As mean-field settings have it for the bias of the first layer.

    Returns
    -------
    tuple[torch.Tensor, torch.Tensor]
        X (count, d) or (count, d + 1) of ``dtype``, and y (count,) int64
        in {−1, +1}.

    Raises
    ------
    ValueError
        For a count, dimension or delta out of range.

    Cost: count × d normal numbers.
    """
    _check(count=count, dimension=dimension, delta=delta)
    device = generator.device
    y = torch.randint(2, (count,), generator=generator, device=device)
    y = 2 * y - 1
    x = torch.randn(
        (count, dimension), generator=generator, device=device, dtype=dtype
    )  # (count, d)
    x *= (1 + delta * y.to(dtype))[:, None]
    if constant:
        x = torch.cat([x, x.new_ones(count, 1)], dim=1)
    return x, y


def gaussian_stream(
    batch: int,
    *,
    generator: torch.Generator,
    block: int | None = None,
    **options: Any,
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Fresh batches (x, y) without end, for one-pass SGD.

    Parameters
    ----------
    batch : examples a batch
    generator : its device is the samples'
        The same state and ``block`` give the same stream.
    block : batches drawn at once, None for about 2¹⁶ numbers
        A speed setting.
    options : as in ``gaussian_sample``

    Yields
    ------
    Iterator[tuple[torch.Tensor, torch.Tensor]]
        X (batch, d) and y (batch,), views of the block.
    """
    dimension = options.get("dimension", DIMENSION)
    _check(batch=batch, dimension=dimension)
    block = block or max(1, math.ceil(2**16 / (batch * dimension)))
    while True:
        x, y = gaussian_sample(
            block * batch, generator=generator, **options
        )  # (block × batch, d)
        yield from zip(x.split(batch), y.split(batch))


@states("S20", "Appendix D")
def gaussians(
    *,
    train: int = 10_000,
    test: int = 10_000,
    dimension: int = DIMENSION,
    delta: float = DELTA,
    seed: int = 0,
    normalize: str | bool | None = False,
    constant: bool = False,
) -> Dataset:
    """A fixed ``Dataset`` (S20, appendix D), the same on every machine.

    Parameters
    ----------
    train, test : numbers of examples
    dimension : d
    delta : Δ in [0, 1)
    seed : of NumPy's PCG64
        It draws the training part, then the test part.
    normalize, constant : as in ``load``

    Raises
    ------
    ValueError
        For a number out of range.
    """
    _check(train=train, test=test, dimension=dimension, delta=delta)
    rng = np.random.Generator(np.random.PCG64(seed))
    parts: Any = []
    for count in (train, test):
        y = 2 * rng.integers(2, size=count) - 1
        x = rng.standard_normal((count, dimension)) * (1 + delta * y)[:, None]
        parts += [x.astype(np.float32), y]
    train_x, train_y, test_x, test_y = parts
    raw = Raw(
        train_x,
        train_y,
        test_x,
        test_y,
        digests=tuple(map(sha256, parts)),
        source=f"generated: d = {dimension}, delta = {delta:g}, seed {seed}",
    )
    return finish(
        raw, "gaussians", normalize=normalize, constant=constant, flat=True
    )


def _check(**arguments):
    for name, value in arguments.items():
        if name == "delta":
            if not 0 <= value < 1:
                raise ValueError(f"delta is {value}; expected 0 <= delta < 1")
        elif not isinstance(value, int) or value < 1:
            raise ValueError(
                f"{name} is {value!r}; expected a positive integer"
            )
