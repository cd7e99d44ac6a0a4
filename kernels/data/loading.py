"""`load` and `status`: datasets by name."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kernels import device as devices
from kernels.data.dataset import (
    DamagedFile,
    Dataset,
    MissingData,
    Raw,
    fingerprint,
    sha256,
)
from kernels.data.features import digests, known, read_features
from kernels.data.files import read_cifar10, read_mnist
from kernels.data.gaussians import gaussians
from kernels.data.normalize import check_mode, finish
from kernels.data.roots import locate, vgg16_weights
from kernels.data.vgg16 import read_weights

NAMES = ("gaussians", "digits", "mnist", "cifar10", "vgg16_features")
DIGITS_TRAIN = 1297


def load(
    name: str,
    root: str | Path | None = None,
    *,
    normalize: str | bool | None = None,
    constant: bool = False,
    flat: bool = True,
    download: bool = True,
    device: torch.device | str | None = None,
) -> Dataset:
    """A dataset, checked and normalised.

    ``gaussians``       two classes ±1, d = 32; see ``gaussians``
    ``digits``          8 × 8 digits, bundled with scikit-learn: 1297 to train
                        and 500 to test, split by NumPy's
                        ``default_rng(0).permutation(1797)``
    ``mnist``           28 × 28 digits, 60000 and 10000
    ``cifar10``         3 × 32 × 32 images, 50000 and 10000
    ``vgg16_features``  8192 features of the CIFAR-10 images (S20)

    Parameters
    ----------
    name : one of these
    root : folder of the files, in torchvision's layout; None: ``where()``
    normalize : None, ``"global"``, ``"channel"``, ``"signed"``, …
        ``"global"``: one mean and deviation, those of all training values;
        ``"channel"``: one a colour channel; ``"signed"``: pixels to [−1,
        1]; ``"imagenet"``: ImageNet's a channel; False: pixels to [0, 1],
        other values as they are; ``"deviation"``: divided by the deviation
        of all training values, not shifted; None: ``"global"`` for images,
        False for gaussians and features.
    constant : whether to append the feature 1, after normalisation
    flat : x as (n, d), or images as (n, channels, height, width)
    download : whether to fetch what is missing
    device : where the tensors go, None for the CPU
        VGG-16 itself then runs on ``kernels.device.pick()``.

    Returns
    -------
    Dataset
        ``.train.x`` float32, ``.train.y`` int64, ``.test`` alike.

    Raises
    ------
    ValueError
        For an unknown name or option.
    MissingData
        For absent files (with three ways to provide them).
    DamagedFile
        For a file that is cut short, mislabelled or of the wrong shape
        (path, found, expected).

    Cost: about a second for mnist and twice that for cifar10, most of it
    unpacking and hashing; 4 bytes a number.
    """
    if name not in NAMES:
        raise ValueError(
            f"name is {name!r}; expected one of {', '.join(NAMES)}"
        )
    check_mode(normalize)
    if name == "gaussians":
        if not flat:
            raise ValueError("flat=False is for images; gaussians has none")
        found = gaussians(normalize=normalize or False, constant=constant)
    else:
        if normalize is None:
            normalize = False if name == "vgg16_features" else "global"
        raw = _read(name, root, download=download, device=device)
        found = finish(
            raw, name, normalize=normalize, constant=constant, flat=flat
        )
    return found if device is None else found.to(device)


def status(root: str | Path | None = None) -> dict[str, dict[str, Any]]:
    """What is where, for every dataset, without downloading anything.

    Reads and hashes every file: a few seconds.  VGG-16's features count as
    present when what they are computed from is.

    Parameters
    ----------
    root : as in ``load``

    Returns
    -------
    dict[str, dict[str, Any]]
        {name: {"present", "path", "problem", "fingerprint", "source"}}:
        ``path`` the folder that holds it, None for what is generated or
        bundled; ``problem`` why a dataset is not present (damaged, or
        which files each folder lacks), None for one that is.
    """
    return {name: _status(name, root) for name in NAMES}


def _status(name, root):
    found: dict[str, Any] = {"present": False, "path": None, "problem": None}
    found.update(fingerprint=None, source=None)
    try:
        if name == "gaussians":
            data = gaussians()
            mark, found["source"] = data.fingerprint, data.source
        elif name == "digits":
            raw = _read_digits()
            mark, found["source"] = fingerprint(raw.digests), raw.source
        else:
            folder = locate(name, root, download=False)
            found["path"] = str(folder)
            raw = (read_mnist if name == "mnist" else read_cifar10)(folder)
            mark, found["source"] = fingerprint(raw.digests), raw.source
            if name == "vgg16_features":
                kept = known(folder, raw)
                if kept is None:
                    kept = read_weights(vgg16_weights(folder))[0], "bfloat16"
                mark = fingerprint(digests(raw, *kept))
        found.update(present=True, fingerprint=mark)
    except (DamagedFile, MissingData) as error:
        found["problem"] = str(error)
    return found


def _read(name, root, *, download, device):
    if name == "digits":
        return _read_digits()
    folder = locate(name, root, download=download)
    if name == "mnist":
        return read_mnist(folder)
    if name == "cifar10":
        return read_cifar10(folder)
    return read_features(folder, device=devices.pick(device))


def _read_digits():
    package = find_spec("sklearn")  # whose import would take seconds
    if package is None or package.origin is None:
        raise MissingData(
            "digits come with scikit-learn, which is not installed; run "
            "pip install scikit-learn"
        )
    file = Path(package.origin).parent / "datasets/data/digits.csv.gz"
    if not file.exists():
        raise MissingData(
            f"scikit-learn has no file {file}; pip install "
            "--force-reinstall scikit-learn brings it"
        )
    table: np.ndarray = np.loadtxt(file, delimiter=",", dtype=np.uint8)
    x = table[:, :-1].reshape(-1, 1, 8, 8).copy()  # levels 0 to 16
    y = table[:, -1].astype(np.int64)
    order = np.random.default_rng(0).permutation(len(x))
    train, test = order[:DIGITS_TRAIN], order[DIGITS_TRAIN:]
    parts = (x[train], y[train], x[test], y[test])
    return Raw(
        *parts,
        digests=tuple(map(sha256, parts)),
        source="the digits bundled with scikit-learn",
        top=16,
    )
