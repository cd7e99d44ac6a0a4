"""The convolutions of a pre-trained VGG-16, from whatever file holds them.

S20 feeds its CIFAR-10 networks with "the pre-trained VGG-16" and does not say
which copy.  Two are common: Oxford's, which Keras distributes, and
torchvision's, trained anew.  They want differently prepared pixels, so a copy
is recognised before it is used, and prepared for as it was trained:
Oxford's by the fingerprint of its 13 kernels and biases, in any file;
torchvision's by the SHA-256 of its published file.
"""

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from kernels.data import roots
from kernels.data.dataset import (
    DamagedFile,
    MissingData,
    fingerprint,
    sha256,
)
from kernels.data.normalize import IMAGENET_MEAN, IMAGENET_STD

SIZE = 128
# positions of the convolutions in torchvision's `features`, a row a block;
# a 2 × 2 maximum follows each block
BLOCKS = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))
# the same 13 in two ways of naming them
TORCHVISION_NAMES = [
    (f"features.{i}.weight", f"features.{i}.bias")
    for block in BLOCKS
    for i in block
]
OXFORD_NAMES = [
    (f"block{b}_conv{c}_w", f"block{b}_conv{c}_b")
    for b, block in enumerate(BLOCKS, 1)
    for c, _ in enumerate(block, 1)
]


@dataclass(frozen=True)
class Copy:
    """A known copy of VGG-16: whose, and how its pixels are prepared.

    A pixel level v, 0 to 255, of channel c goes in as (v - shift[c]) /
    scale[c]; the channels come in the order `order` of R, G, B = 0, 1, 2.
    `identity` is hexadecimal and stands for the weights in a fingerprint.
    """

    name: str
    identity: str
    order: tuple
    shift: tuple
    scale: tuple


# the fingerprint of the kernels and biases, in order, as float32
OXFORD = Copy(
    name="Oxford's",
    identity="1741e40c52eecf03",
    order=(2, 1, 0),
    shift=(103.939, 116.779, 123.68),
    scale=(1.0, 1.0, 1.0),
)


def torchvision():
    """torchvision's copy, known by the SHA-256 of its file."""
    return Copy(
        name="torchvision's",
        identity=roots.VGG16_SHA256,
        order=(0, 1, 2),
        shift=tuple(255 * IMAGENET_MEAN),
        scale=tuple(255 * IMAGENET_STD),
    )


def copies():
    """The copies that are known, the preferred one first."""
    return (OXFORD, torchvision())


def read_weights(path):
    """The convolutions of VGG-16, and which copy of them this is.

    Parameters
    ----------
    path : torchvision's state dict, Keras' weights or arrays
        .pth, .pt, read with ``weights_only``; .h5, .hdf5, which needs
        h5py; .npz, named ``blockB_convC_w`` (out, in, 3, 3) and
        ``blockB_convC_b`` (out,) or as torchvision names them.

    Returns
    -------
    object
        (copy, layers): a ``Copy`` and the 13 pairs (weight (out, in, 3,
        3), bias (out,)), float32.

    Raises
    ------
    MissingData
        Where there is no file, or no h5py to read it with.
    DamagedFile
        For one that is cut short, that is no VGG-16, or no copy known
        here.

    A .pth that would run code is a ``pickle.UnpicklingError``.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingData(
            f"{path} is not here, and no features of these pixels are kept"
        )
    with open(path, "rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    by_file = digest == roots.VGG16_SHA256
    known = " or ".join(
        f"{copy.name} ({copy.identity[:16]})" for copy in copies()
    )
    try:
        layers = _layers(path, _state(path))
    except DamagedFile as error:
        if by_file or "SHA-256" in str(error):
            raise
        raise DamagedFile(
            path,
            found=f"SHA-256 {digest}, and in it {error.found}",
            expected=f"{error.expected}, of a known copy: {known}",
        ) from error
    if by_file:
        return torchvision(), layers
    mark = fingerprint(sha256(t.numpy()) for pair in layers for t in pair)
    for copy in copies():
        if copy.identity == mark:
            return copy, layers
    raise DamagedFile(
        path,
        found=f"SHA-256 {digest}, kernels of fingerprint {mark}",
        expected=f"a known copy: {known}",
    )


def _state(path):
    """name -> array of a file, kernels as (out, in, 3, 3)."""
    try:
        if path.suffix in (".pth", ".pt"):
            return torch.load(path, map_location="cpu", weights_only=True)
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                return dict(arrays)
        if path.suffix in (".h5", ".hdf5"):
            return _keras(path)
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        if isinstance(error, MissingData):
            raise
        found = f"{type(error).__name__}: {error}"
        raise DamagedFile(path, found=found, expected="a whole file") from None
    except zipfile.BadZipFile as error:
        found = f"a broken archive ({error})"
        raise DamagedFile(path, found=found, expected="a whole file") from None
    raise DamagedFile(
        path,
        found=f"a name that ends in {path.suffix or 'nothing'!r}",
        expected=".pth, .pt, .h5, .hdf5 or .npz",
    )


def _keras(path):
    """Keras' groups blockB_convC, a kernel (3, 3, in, out) and a bias each."""
    try:
        import h5py
    except ImportError:
        raise MissingData(
            f"{path} is Keras' and h5py, which reads it, is not installed; "
            "run pip install h5py, or provide an .npz"
        ) from None
    found = {}

    def visit(name, item):
        layer = next((p for p in name.split("/") if p[:5] == "block"), None)
        if layer and isinstance(item, h5py.Dataset):
            array = item[()]
            if array.ndim == 4:
                found[f"{layer}_w"] = array.transpose(3, 2, 0, 1)
            elif array.ndim == 1:
                found[f"{layer}_b"] = array

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return found


def _layers(path, state):
    """The 13 pairs out of `state`, checked to fit together."""
    if not isinstance(state, dict):
        raise DamagedFile(
            path,
            found=f"a {type(state).__name__}",
            expected="tensors by name",
        )
    oxford = any(name in state for name, _ in OXFORD_NAMES)
    layers, channels = [], 3
    for names in OXFORD_NAMES if oxford else TORCHVISION_NAMES:
        weight, bias = (_tensor(state.get(name)) for name in names)
        expected = (len(weight), channels, 3, 3)
        if tuple(weight.shape) != expected or bias.shape != weight.shape[:1]:
            layer = names[0].removesuffix(".weight").removesuffix("_w")
            raise DamagedFile(
                path,
                found=f"{layer} of shapes {tuple(weight.shape)} and "
                f"{tuple(bias.shape)}",
                expected=f"(out, {channels}, 3, 3) and (out,)",
            )
        channels = len(weight)
        layers.append((weight, bias))
    return layers


def _tensor(value):
    """A float32 tensor, contiguous; empty for what is absent or no array."""
    if not isinstance(value, np.ndarray | torch.Tensor):
        return torch.empty(0)
    value = torch.as_tensor(np.ascontiguousarray(value))
    return value.float() if value.ndim else torch.empty(0)


def prepare(copy, pixels):
    """Levels 0 to 255, (n, 3, height, width), as `copy` was trained on them.

    Returns float32 (n, 3, 128, 128), bilinear between the pixels.
    """
    x = pixels[:, list(copy.order)].float()
    shift, scale = (
        torch.tensor(v, dtype=x.dtype, device=x.device).view(3, 1, 1)
        for v in (copy.shift, copy.scale)
    )
    x = (x - shift) / scale
    return F.interpolate(x, size=(SIZE, SIZE), mode="bilinear")


def features(layers, x):
    """The features of prepared images.

    Parameters
    ----------
    layers : as ``read_weights`` returns them, of the type and device of
        ``x``
    x : (n, 3, 128, 128)

    Returns
    -------
    object
        (n, channels × 4 × 4), channel-major, of that type.

    Cost: 10 Gflop an image with the real weights.
    """
    x = x.contiguous(memory_format=torch.channels_last)
    remaining = iter(layers)
    for block in BLOCKS:
        for _ in block:
            weight, bias = next(remaining)
            x = F.conv2d(x, weight, bias, padding=1).relu_()
        x = F.max_pool2d(x, 2)
    return x.contiguous().flatten(1)  # (n, channels × 4 × 4)
