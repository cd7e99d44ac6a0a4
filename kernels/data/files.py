"""Readers of the official file formats, with nothing taken on trust.

Root folders have torchvision's layout: `MNIST/raw/*-ubyte`, plain or `.gz`,
and `cifar-10-batches-bin/*.bin`.
"""

import gzip
import math
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from kernels.data.dataset import DamagedFile, Raw, fingerprint, sha256

MNIST_FOLDER = Path("MNIST", "raw")
MNIST_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
CIFAR_FOLDER = Path("cifar-10-batches-bin")
CIFAR_FILES = (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin")
CIFAR_RECORD = 1 + 3 * 32 * 32

# SHA-256 of the official files, unpacked, in the order above.  CIFAR-10's are
# those that ports of torchvision publish; they were not recomputed here.
MNIST_SHA256 = (
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
)
CIFAR_SHA256 = (
    "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
)
DECODED = "decoded from JPEG copies, not the official pixels"
SOURCES = {
    fingerprint(MNIST_SHA256): "the official MNIST files",
    fingerprint(CIFAR_SHA256): "the official CIFAR-10 files",
    "17a990a1bd6b867d": DECODED,
}


def mnist_path(root, name):
    """The file `name` of MNIST, unpacked or packed, or None."""
    for candidate in (name, f"{name}.gz"):
        path = Path(root) / MNIST_FOLDER / candidate
        if path.is_file():
            return path
    return None


def read_mnist(root):
    """MNIST as `Raw`: (n, 1, 28, 28) pixels; all four files must be there."""
    arrays: Any = []
    digests = []
    for name in MNIST_FILES:
        path = mnist_path(root, name)
        array, digest = read_idx(path, axes=3 if "images" in name else 1)
        if array.ndim == 3:
            if array.shape[1:] != (28, 28):
                raise DamagedFile(
                    path,
                    found=f"images of {array.shape[1]} x {array.shape[2]}",
                    expected="28 x 28",
                )
            array = array[:, None]  # (n, 1, 28, 28)
        else:
            if len(array) != len(arrays[-1]):
                raise DamagedFile(
                    path,
                    found=f"{len(array)} labels",
                    expected=f"{len(arrays[-1])}, one an image",
                )
            _check_labels(path, array)
        arrays.append(array)
        digests.append(digest)
    source = _source("MNIST", digests, arrays, (60_000, 10_000))
    train_x, train_y, test_x, test_y = arrays
    return Raw(train_x, train_y, test_x, test_y, tuple(digests), source)


def read_idx(path, *, axes):
    """An IDX file of bytes, plain or gzip, as an array; and its SHA-256.

    Parameters
    ----------
    path : the file's
    axes : how many it must have: 3 for images, 1 for labels

    Returns
    -------
    object
        The array and the digest of the unpacked content.

    Raises
    ------
    DamagedFile
        For anything else.
    """
    content = _unpacked(path)
    header = 4 + 4 * axes
    if len(content) < header:
        raise DamagedFile(
            path,
            found=f"{len(content)} bytes",
            expected=f"a header of {header} bytes and its data",
        )
    magic, expected = int.from_bytes(content[:4], "big"), 0x0800 | axes
    if magic != expected:
        kinds = {2049: " (labels)", 2051: " (images)"}
        raise DamagedFile(
            path,
            found=f"magic number {magic}{kinds.get(magic, '')}",
            expected=f"{expected}{kinds.get(expected, '')}",
        )
    shape = struct.unpack(f">{axes}I", content[4:header])
    size = header + math.prod(shape)
    if len(content) != size or size == header:
        raise DamagedFile(
            path,
            found=f"{len(content) - header} bytes of data",
            expected=f"{size - header or 'some'}, of shape {shape}",
        )
    array = np.frombuffer(content, np.uint8, offset=header).reshape(shape)
    return array, sha256(content)


def read_cifar10(root):
    """CIFAR-10 as `Raw`: (n, 3, 32, 32) pixels; all six files must be there.

    The files must hold equally many records, as the official ones do (10000):
    a file cut short between two records would else go unnoticed.
    """
    folder = Path(root) / CIFAR_FOLDER
    records: list[np.ndarray] = []
    digests = []
    for name in CIFAR_FILES:
        path = folder / name
        content = np.fromfile(path, np.uint8)
        if content.size == 0 or content.size % CIFAR_RECORD:
            raise DamagedFile(
                path,
                found=f"{content.size} bytes",
                expected=f"10000 records of {CIFAR_RECORD} bytes",
            )
        digests.append(sha256(content))
        content = content.reshape(-1, CIFAR_RECORD)
        count = len(records[0]) if records else len(content)
        if len(content) != count:
            raise DamagedFile(
                path,
                found=f"{len(content)} records",
                expected=f"{count}, as in {CIFAR_FILES[0]}",
            )
        _check_labels(path, content[:, 0])
        records.append(content)
    train, test = np.concatenate(records[:5]), records[5]
    del records
    arrays = (
        train[:, 1:].reshape(-1, 3, 32, 32),
        train[:, 0],
        test[:, 1:].reshape(-1, 3, 32, 32),
        test[:, 0],
    )
    note = folder / "SOURCE.txt"
    source = _source(
        "CIFAR-10",
        digests,
        arrays,
        (50_000, 10_000),
        note=note.read_text("utf-8", "replace") if note.is_file() else "",
    )
    return Raw(*arrays, digests=tuple(digests), source=source)


def _source(name, digests, arrays, counts, note=""):
    """Where the content comes from; warns when it has not the full size."""
    known = SOURCES.get(fingerprint(digests))
    if known:
        return known
    train, test = len(arrays[0]), len(arrays[2])
    if (train, test) != counts:
        warnings.warn(
            f"{name} here has {train} training and {test} test images, the "
            f"official one {counts[0]} and {counts[1]}",
            stacklevel=4,
        )
    if "jpeg" in note.lower():
        return DECODED
    return " ".join(note.split()) or f"not the official {name} files"


def _check_labels(path, labels):
    wrong = np.flatnonzero(labels > 9)
    if wrong.size:
        raise DamagedFile(
            path,
            found=f"label {labels[wrong[0]]} at example {wrong[0]}",
            expected="labels 0 to 9",
        )


def _unpacked(path):
    content = Path(path).read_bytes()
    if Path(path).suffix != ".gz":
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DamagedFile(
            path,
            found=f"broken gzip data ({error})",
            expected="a whole gzip file",
        ) from error
