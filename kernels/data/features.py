"""VGG-16 features of CIFAR-10, computed once and then kept.

They are the input of S20's CIFAR-10 experiments: images rescaled to 128 × 128
and fed to VGG-16's convolutions, 512 × 4 × 4 features.  S20 brings the pixels
to [−1, 1]; here they are prepared as the copy of VGG-16 was trained
(`kernels.data.vgg16`).
"""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kernels import device as devices
from kernels.data import roots, vgg16
from kernels.data.dataset import DamagedFile, Raw, fingerprint
from kernels.data.files import read_cifar10
from kernels.runs.progress import progress

FOLDER = "vgg16-features"
PRECISIONS = {"bfloat16": torch.bfloat16, "float32": torch.float32}
PARTS = ("test", "train")


def digests(raw: Raw, copy: Any, precision: str) -> tuple[str, ...]:
    """What the features of `raw` pixels by `copy` are known by."""
    return (
        *raw.digests,
        copy.identity,
        hashlib.sha256(f"{precision} {copy}".encode()).hexdigest(),
    )


def known(root: str | Path, raw: Raw) -> tuple[Any, str] | None:
    """(copy, precision) of the features kept for these pixels, or None."""
    for copy in vgg16.copies():
        for precision in ("float32", "bfloat16"):
            stem = _stem(root, digests(raw, copy, precision))
            if all(_path(stem, part).is_file() for part in PARTS):
                return copy, precision
    return None


def read_features(
    root: str | Path,
    *,
    device: torch.device | str = "cpu",
    precision: str | None = None,
    batch: int = 50,
) -> Raw:
    """The features of both splits as ``Raw``, computed once and then kept.

    They are kept as ``ROOT/vgg16-features/FINGERPRINT-{train,test}.npy``,
    float16; the fingerprint is that of the pixels, the labels, the weights,
    their preparation and the precision, so that others never meet these
    features.  A run that was killed goes on where it was: its rows are in
    ``….npy.partial``.

    Parameters
    ----------
    root : the data root, with CIFAR-10 and the features or the weights
    device : of the computation
    precision : ``"bfloat16"``, ``"float32"`` or None
        None takes what is kept, float32 first, else computes in bfloat16,
        which halves the time of a CPU that has bfloat16 products and
        multiplies that of another (a warning says so); features then are
        1.2 % off in norm, as measured on some hundred images.
    batch : images at a time

    Raises
    ------
    MissingData
        Without weights.
    DamagedFile
        For a damaged file.

    Cost on two CPU cores: half an hour for all 60 000.
    """
    if precision is not None and precision not in PRECISIONS:
        raise ValueError(
            f"precision is {precision!r}; expected None or one of "
            f"{', '.join(PRECISIONS)}"
        )
    raw = read_cifar10(root)
    kept = known(root, raw)
    if kept is None or precision not in (None, kept[1]):
        path = roots.vgg16_weights(root) or Path(root) / roots.VGG16_FILE
        copy, layers = vgg16.read_weights(path)
        kept = copy, precision or "bfloat16"
        stem = _stem(root, digests(raw, *kept))
        for part in PARTS:
            pixels = getattr(raw, f"{part}_x")
            _extract(_path(stem, part), layers, pixels, *kept, device, batch)
    marks = digests(raw, *kept)
    stem = _stem(root, marks)
    copy, precision = kept
    return Raw(
        _read_npy(_path(stem, "train"), len(raw.train_x)),
        raw.train_y,
        _read_npy(_path(stem, "test"), len(raw.test_x)),
        raw.test_y,
        digests=marks,
        source=f"features by {copy.name} VGG-16 in {precision} of CIFAR-10, "
        f"{raw.source}",
    )


def _stem(root, marks):
    return Path(root) / FOLDER / fingerprint(marks)


def _path(stem, part):
    return stem.with_name(f"{stem.name}-{part}.npy")


@torch.no_grad()
def _extract(path, layers, pixels, copy, precision, device, batch):
    """Writes the features of `pixels` to `path`, resuming where it was."""
    if path.is_file():
        return
    path.parent.mkdir(exist_ok=True)
    dtype = PRECISIONS[precision]
    if precision == "bfloat16":
        devices.warn_of_bfloat16(
            device,
            asked='VGG-16 features with precision="bfloat16", the default',
            instead='features.read_features(..., precision="float32")',
        )
    layers = [(w.to(device, dtype), b.to(device, dtype)) for w, b in layers]
    layers = [
        (w.contiguous(memory_format=torch.channels_last), b) for w, b in layers
    ]
    rows = _Rows(path, len(pixels), 16 * len(layers[-1][0]))
    bar = progress(desc=path.stem, unit="image", total=len(pixels))
    with bar:
        bar.update(rows.done)
        for i in range(rows.done, len(pixels), batch):
            chunk = torch.from_numpy(pixels[i : i + batch].copy())
            x = vgg16.prepare(copy, chunk.to(device)).to(dtype)
            rows.append(vgg16.features(layers, x).half().cpu().numpy())
            bar.update(len(chunk))
    os.replace(rows.partial, path)


class _Rows:
    """A float16 .npy file, `path.partial`, that grows by whole rows."""

    def __init__(self, path, count, width):
        self.partial = path.with_name(f"{path.name}.partial")
        wanted = {"descr": "<f2", "fortran_order": False}
        with open(self.partial, "ab") as file:
            if file.tell() == 0:
                header = {**wanted, "shape": (count, width)}
                np.lib.format.write_array_header_1_0(file, header)
        with open(self.partial, "rb") as file:
            shape, dtype = _header(self.partial, file)
            self._start, self._row = file.tell(), 2 * width
        if (shape, dtype.str) != ((count, width), "<f2"):
            raise DamagedFile(
                self.partial,
                found=f"{dtype} of shape {shape}",
                expected=f"float16 of shape ({count}, {width}); delete it",
            )
        size = self.partial.stat().st_size - self._start
        self.done = min(size // self._row, count)
        os.truncate(self.partial, self._start + self.done * self._row)

    def append(self, rows):
        """Adds `rows`; raises where they overflow or another wrote here."""
        if not np.isfinite(rows).all():
            raise OverflowError(
                f"a feature of image {self.done} or after exceeds float16"
            )
        with open(self.partial, "ab") as file:
            if file.tell() != self._start + self.done * self._row:
                raise RuntimeError(
                    f"another process writes {self.partial}: let one go on"
                )
            file.write(rows.tobytes())
        self.done += len(rows)


def _header(path, file):
    """(shape, dtype) of a .npy file open at its start."""
    try:
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise ValueError(f"a .npy file of version {version}")
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    except (ValueError, EOFError) as error:
        raise DamagedFile(
            path, found=str(error), expected="a .npy file; delete it"
        ) from error
    return shape, dtype


def _read_npy(path, count):
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise DamagedFile(
            path, found=str(error), expected="a whole .npy file"
        ) from error
    if array.dtype != np.float16 or array.ndim != 2 or len(array) != count:
        raise DamagedFile(
            path,
            found=f"{array.dtype} of shape {array.shape}",
            expected=f"float16 of shape ({count}, features)",
        )
    return array
