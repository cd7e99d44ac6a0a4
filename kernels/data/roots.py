"""Where the files of a dataset lie, and how to get those that do not."""

import os
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from kernels.data import files
from kernels.data.dataset import DamagedFile, MissingData

VARIABLE = "CONNECTED_LANDSCAPE_DATA"

MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
# of the gzip files, in the order of files.MNIST_FILES
MNIST_GZIP_SHA256 = (
    "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
)
CIFAR_MIRRORS = ("https://www.cs.toronto.edu/~kriz/",)
CIFAR_ARCHIVE = "cifar-10-binary.tar.gz"
CIFAR_ARCHIVE_SHA256 = (
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
)
VGG16_MIRRORS = ("https://download.pytorch.org/models/",)
VGG16_FILE = "vgg16-397923af.pth"
VGG16_SHA256 = (
    "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0"
)


def where(root: str | Path | None = None) -> tuple[Path, ...]:
    """The folders in which data is looked for, in order.

    Parameters
    ----------
    root : a folder, then it alone, or None
        None: the folder that the environment variable
        CONNECTED_LANDSCAPE_DATA names, if it is set, and the user's cache
        folder.
    """
    if root is not None:
        return (Path(root).expanduser(),)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    found = [Path(cache) / "connected-landscape"]
    if os.environ.get(VARIABLE):
        found.insert(0, Path(os.environ[VARIABLE]).expanduser())
    return tuple(found)


def missing(name: str, root: str | Path) -> list[Path]:
    """The files of a dataset that `root` lacks, as paths below it."""
    root = Path(root)
    if name == "mnist":
        absent = [
            f for f in files.MNIST_FILES if not files.mnist_path(root, f)
        ]
        return [files.MNIST_FOLDER / f"{f}.gz" for f in absent]
    wanted = [files.CIFAR_FOLDER / f for f in files.CIFAR_FILES]
    if name == "vgg16_features" and not _has_features(root):
        wanted += [] if vgg16_weights(root) else [Path(VGG16_FILE)]
    return [path for path in wanted if not (root / path).is_file()]


def vgg16_weights(root: str | Path) -> Path | None:
    """The first file of VGG-16's weights below a data root, or None.

    What lies in `ROOT/vgg16/`, .npz before .h5 before .pth, goes before
    torchvision's file in the root itself.
    """
    folder = Path(root) / "vgg16"
    suffixes = ("npz", "h5", "hdf5", "pth", "pt")
    inside = [p for s in suffixes for p in sorted(folder.glob(f"*.{s}"))]
    known = [*inside, Path(root) / VGG16_FILE]
    return next((p for p in known if p.is_file()), None)


def _has_features(root):
    kept = root / "vgg16-features"
    return all(any(kept.glob(f"*-{part}.npy")) for part in ("train", "test"))


def locate(
    name: str, root: str | Path | None = None, *, download: bool = True
) -> Path:
    """The folder that holds all files of a dataset, fetched if need be.

    Raises MissingData, which names the files and the three ways to provide
    them, when no folder is complete and `download` is False or fails.
    """
    for folder in where(root):
        if not missing(name, folder):
            return folder
    if not download:
        raise _missing(name, root, "download=False")
    return fetch(name, root)


def fetch(name: str, root: str | Path | None = None) -> Path:
    """Download the files of a dataset that are not there yet.

    Every download is checked against its SHA-256 and put in place only then.

    Parameters
    ----------
    name : ``"mnist"``, ``"cifar10"`` or ``"vgg16_features"``
        The last needs the weights of VGG-16, 528 MB, and CIFAR-10.
    root : the folder to complete, None for the first of ``where()``

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ValueError
        For another name (the generated and bundled datasets need nothing).
    MissingData
        When a download fails.
    """
    getters = {
        "mnist": [_get_mnist],
        "cifar10": [_get_cifar10],
        "vgg16_features": [_get_cifar10, _get_vgg16],
    }
    if name not in getters:
        raise ValueError(
            f"name is {name!r}; what can be fetched is {', '.join(getters)}"
        )
    folder = where(root)[0]
    try:
        for get in getters[name]:
            get(folder)
    except DamagedFile:
        raise
    except ImportError:
        raise _missing(name, root, "pooch is not installed") from None
    except (OSError, ValueError, tarfile.TarError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise _missing(name, root, reason) from None  # its trace is long
    return folder


def _get_mnist(root):
    for path in missing("mnist", root):
        file = files.MNIST_FILES.index(path.name.removesuffix(".gz"))
        _download(MNIST_MIRRORS, root / path, sha256=MNIST_GZIP_SHA256[file])


def _get_vgg16(root):
    if missing("vgg16_features", root):
        _download(VGG16_MIRRORS, root / VGG16_FILE, sha256=VGG16_SHA256)


def _get_cifar10(root):
    """Downloads the archive and takes the six files out of it, no others."""
    absent = missing("cifar10", root)
    if not absent:
        return
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix=".cifar-") as scratch:
        archive = Path(scratch) / CIFAR_ARCHIVE
        _download(CIFAR_MIRRORS, archive, sha256=CIFAR_ARCHIVE_SHA256)
        with tarfile.open(archive) as packed:
            for path in absent:
                content: Any = packed.extractfile(path.as_posix())
                unpacked = Path(scratch) / path.name
                with open(unpacked, "wb") as target:
                    shutil.copyfileobj(content, target)
                (root / path).parent.mkdir(exist_ok=True)
                os.replace(unpacked, root / path)


def _download(mirrors, path, *, sha256):
    """One file from the first mirror that has it, with a progress bar."""
    import pooch

    from kernels.runs.progress import progress

    for mirror in mirrors:
        bar = progress(desc=path.name, unit="B", total=0)
        try:
            pooch.retrieve(
                mirror + path.name,
                known_hash=f"sha256:{sha256}",
                fname=path.name,
                path=path.parent,
                downloader=pooch.HTTPDownloader(progressbar=bar, timeout=30),
            )
            return
        except (OSError, ValueError):
            if mirror == mirrors[-1]:
                raise
        finally:
            bar.close()


def _missing(name, root, reason):
    tried = []
    for folder in where(root):
        first, *others = missing(name, folder)
        more = f" and {len(others)} more" if others else ""
        tried.append(f"  {folder} lacks {first}{more}")
    return MissingData(
        "\n".join(
            [
                f"{name} is not here, and was not downloaded ({reason}):",
                *tried,
                "Three ways to provide it:",
                "  1. pass root=FOLDER, a folder that holds those files",
                f"  2. set {VARIABLE}=FOLDER",
                "  3. with a network and pooch installed, run "
                f"kernels.data.fetch({name!r})",
            ]
        )
    )
