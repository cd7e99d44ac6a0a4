"""A reader's own data, in a NumPy file; or any dataset by one word."""

import zipfile
from pathlib import Path

import numpy as np
import torch

from kernels.data.dataset import (
    DamagedFile,
    Dataset,
    MissingData,
    Split,
    fingerprint,
    sha256,
)
from kernels.data.loading import load
from kernels.data.normalize import MODES


def find(
    text: str, root: str | Path | None = None, *, download: bool = True
) -> Dataset:
    """A dataset by name, or a reader's own in an ``.npz`` file.

    Parameters
    ----------
    text : str
        "NAME" or "NAME:MODE" as :func:`load` has names and modes of
        normalisation ("mnist", "cifar10:channel"; "mnist:False" for pixels
        in [0, 1]), images as (n, channels, height, width).  Or "FILE.npz",
        what ``np.savez(FILE, x=x, y=y)`` writes: ``x`` (n, features) or (n,
        channels, height, width), real numbers as the network reads them,
        nothing is normalised; ``y`` (n,) classes 0, 1, …; also ``x_test``,
        ``y_test``, if there is a test set.
    root : folder of the files of a dataset by name, as in :func:`load`.
    download : whether to fetch what is missing of a dataset by name.

    Returns
    -------
    Dataset
        A `Dataset`, of float32 inputs, those of a file without a test set
        with none in `test`.

    Raises
    ------
    MissingData
        For a file that is not there.
    DamagedFile
        For one that is not such a file (path, found, expected).
    ValueError
        For another name or mode.

    >>> find("digits").train.x.shape
    torch.Size([1297, 1, 8, 8])
    """
    if text.endswith(".npz"):
        return _npz(Path(text).expanduser())
    name, _, mode = text.partition(":")
    normalize = {"": None, "False": False}.get(mode, mode)
    if normalize not in (None, *MODES):
        raise ValueError(
            f"dataset is {text!r}; behind the colon one of "
            f"{', '.join(map(str, MODES))} will do"
        )
    flat = name in ("gaussians", "vgg16_features")
    return load(name, root, normalize=normalize, flat=flat, download=download)


def _npz(path: Path) -> Dataset:
    if not path.is_file():
        raise MissingData(f"there is no file {path}")
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (ValueError, OSError, zipfile.BadZipFile, EOFError) as error:
        raise DamagedFile(
            path, found=str(error), expected="arrays x and y, as np.savez has"
        ) from error
    kinds = {"x", "y"}, {"x", "y", "x_test", "y_test"}
    if arrays.keys() not in kinds:
        raise DamagedFile(
            path,
            found=f"arrays {', '.join(arrays) or 'none'}",
            expected="x and y, or these and x_test and y_test",
        )
    x, y = arrays["x"], arrays["y"]
    held = arrays.get("x_test", x[:0]), arrays.get("y_test", y[:0])
    _check(path, "", x, y, x.shape[1:])
    if "x_test" in arrays:
        _check(path, "_test", *held, x.shape[1:])
    parts = (x, y, *held)
    return Dataset(
        train=_split(x, y),
        test=_split(*held),
        name=path.name,
        fingerprint=fingerprint(map(sha256, parts)),
        source=f"the file {path.name}",
        classes=tuple(np.unique(y).tolist()),
        image_shape=x.shape[1:] if x.ndim == 4 else None,
        normalization="none",
    )


def _split(x: np.ndarray, y: np.ndarray) -> Split:
    return Split(
        torch.from_numpy(np.ascontiguousarray(x, np.float32)),
        torch.from_numpy(np.ascontiguousarray(y, np.int64)),
    )


def _check(
    path: Path,
    end: str,
    x: np.ndarray,
    y: np.ndarray,
    shape: tuple[int, ...],
) -> None:
    """That x and y are samples and their classes."""
    sides = "(n, features) or (n, channels, height, width)"
    tests = (
        (
            x.dtype.kind in "biuf" and x.ndim in (2, 4) and 0 not in x.shape,
            f"x{end} of dtype {x.dtype} and shape {x.shape}",
            f"real numbers {sides}, none of them 0",
        ),
        (
            x.shape[1:] == shape,
            f"x{end} of shape {x.shape}",
            f"samples of shape {shape}, as x has",
        ),
        (
            y.dtype.kind in "iu" and y.shape == x.shape[:1],
            f"y{end} of dtype {y.dtype} and shape {y.shape}",
            f"whole numbers of shape {x.shape[:1]}, one class a sample",
        ),
    )
    for sound, found, expected in tests:
        if not sound:
            raise DamagedFile(path, found=found, expected=expected)
    if int(y.min()) < 0:
        raise DamagedFile(
            path, found=f"y{end} down to {y.min()}", expected="classes from 0"
        )
    with np.errstate(over="ignore"):
        finite = np.isfinite(x.astype(np.float32)).all()
    if not finite:
        raise DamagedFile(
            path,
            found=f"x{end} with values that are not finite in float32",
            expected="finite ones",
        )
