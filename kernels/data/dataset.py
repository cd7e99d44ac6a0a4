"""What a dataset is: two splits of tensors, a fingerprint and a source."""

import dataclasses
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch


class DamagedFile(ValueError):
    """A data file that is not what its name and place say.

    Attributes: `path`, `found`, `expected`.
    """

    def __init__(self, path: str | Path, *, found: str, expected: str) -> None:
        super().__init__(f"{path}: found {found}, expected {expected}")
        self.path, self.found, self.expected = path, found, expected

    def __reduce__(self) -> tuple[Any, ...]:
        keywords = {"found": self.found, "expected": self.expected}
        return _damaged_file, (self.path, keywords)


def _damaged_file(path, keywords):
    return DamagedFile(path, **keywords)


class MissingData(FileNotFoundError):
    """Data that is not here and could not be had; says what would do."""


@dataclass(frozen=True, eq=False)
class Split:
    """Inputs `x`, float32, one example a row, and labels `y`, int64 (n,)."""

    x: torch.Tensor
    y: torch.Tensor

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """A training and a test split, and what they are.

    `fingerprint`: the first 16 hexadecimal digits of a SHA-256 over the
    content (pixels and labels as stored, before normalisation).  `source`:
    where the content comes from, in words.  `classes`: the values of `y`.
    `image_shape`: (channels, height, width) for images, else None; a
    convolutional net takes `x.view(-1, *image_shape)`.  `normalization`: what
    was done to the stored values, in words.
    """

    train: Split
    test: Split
    name: str
    fingerprint: str
    source: str
    classes: tuple
    image_shape: tuple | None
    normalization: str

    def __repr__(self) -> str:
        return (
            f"Dataset({self.name}: {len(self.train)} training and "
            f"{len(self.test)} test examples of shape "
            f"{tuple(self.train.x.shape[1:])}, {self.source}, "
            f"fingerprint {self.fingerprint})"
        )

    def to(
        self,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> "Dataset":
        """The same dataset with `x` and `y` on `device`, `x` of `dtype`."""

        def moved(split):
            x = split.x.to(device=device, dtype=dtype)
            return Split(x, split.y.to(device=device))

        return dataclasses.replace(
            self, train=moved(self.train), test=moved(self.test)
        )


def fingerprint(digests: Iterable[str]) -> str:
    """16 hexadecimal digits over the SHA-256 digests of a dataset's parts.

    Because it is a hash over hashes, the fingerprint of files that are not
    here follows from their published checksums.

    Parameters
    ----------
    digests : hexadecimal digests in the dataset's own order
    """
    joined = b"".join(bytes.fromhex(digest) for digest in digests)
    return hashlib.sha256(joined).hexdigest()[:16]


def sha256(content: bytes | np.ndarray) -> str:
    """SHA-256 of bytes, or of an array's little-endian C-order bytes."""
    if isinstance(content, np.ndarray):
        little = content.dtype.newbyteorder("<")
        whole = np.ascontiguousarray(content, dtype=little)
        return hashlib.sha256(whole.data).hexdigest()
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Raw:
    """What a reader returns: values as stored, not yet normalised.

    `train_x`, `test_x`: (n, channels, height, width) uint8 for images, else
    (n, d) float32; `train_y`, `test_y`: (n,) integers; `digests`: of the
    parts; `source`: in words; `top`: the largest pixel level.
    """

    train_x: np.ndarray
    train_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    digests: tuple
    source: str
    top: int = 255
