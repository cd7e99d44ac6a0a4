"""VGG-16 features of CIFAR-10: the input of S20's CIFAR-10 experiments.

Images are rescaled to 128 × 128 and to [−1, 1], and fed to the convolutional
layers of VGG-16, pre-trained on ImageNet: 512 × 4 × 4 features.  The paper
says neither which pre-trained copy it takes nor how it interpolates; here it
is torchvision's copy, and bilinear interpolation.
"""

import hashlib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from kernels.data import roots
from kernels.data.dataset import DamagedFile, MissingData, Raw, fingerprint
from kernels.data.files import read_cifar10
from kernels.runs import files
from kernels.runs.progress import progress

SIZE = 128
# positions of the convolutions in torchvision's `features`, a row a block;
# a 2 × 2 maximum follows each block
BLOCKS = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))


def read_weights(path):
    """The convolutions of a VGG-16 state dict in torchvision's layout.

    Returns the 13 pairs (weight (out, in, 3, 3), bias (out,)), float32.
    Raises DamagedFile for a file that is not the known one (by SHA-256), or
    whose tensors are absent or do not fit together.
    """
    if not Path(path).is_file():
        raise MissingData(
            f"{path} is not here, and no features of these pixels are kept"
        )
    with open(path, "rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    if digest != roots.VGG16_SHA256:
        raise DamagedFile(
            path,
            found=f"SHA-256 {digest}",
            expected=f"{roots.VGG16_SHA256}, torchvision's {roots.VGG16_FILE}",
        )
    state = torch.load(path, map_location="cpu", weights_only=True)
    layers, channels = [], 3
    for i in (i for block in BLOCKS for i in block):
        weight = state.get(f"features.{i}.weight", torch.empty(0))
        bias = state.get(f"features.{i}.bias", torch.empty(0))
        expected = (len(weight), channels, 3, 3)
        if tuple(weight.shape) != expected or bias.shape != weight.shape[:1]:
            raise DamagedFile(
                path,
                found=f"features.{i} of shapes {tuple(weight.shape)} and "
                f"{tuple(bias.shape)}",
                expected=f"(out, {channels}, 3, 3) and (out,)",
            )
        channels = len(weight)
        layers.append((weight.float(), bias.float()))
    return layers


def features(layers, pixels):
    """The features of a batch of images.

    Arguments: `layers` as `read_weights` returns them, on the device of
    `pixels`, (n, 3, height, width) levels 0 to 255.

    Returns (n, channels × 4 × 4) float32, channel-major.  Cost: 10 Gflop an
    image with the real weights.
    """
    x = pixels.float() / 127.5 - 1
    x = F.interpolate(x, size=(SIZE, SIZE), mode="bilinear")
    remaining = iter(layers)
    for block in BLOCKS:
        for _ in block:
            weight, bias = next(remaining)
            x = F.conv2d(x, weight, bias, padding=1).relu_()
        x = F.max_pool2d(x, 2)
    return x.flatten(1)  # (n, channels × 4 × 4)


def feature_digests(raw):
    """The digests that the features of `raw` pixels are known by."""
    return (*raw.digests, roots.VGG16_SHA256)


def read_features(root, *, device, batch=100):
    """The features of both splits as `Raw`, computed once and then kept.

    They are kept as `ROOT/vgg16-features/FINGERPRINT-{train,test}.npy`; the
    fingerprint is that of the pixels, the labels and the weights, so other
    pixels never meet these features.  Computing them takes a GPU a minute or
    so and a CPU hours.
    """
    raw = read_cifar10(root)
    digests = feature_digests(raw)
    stem = Path(root) / "vgg16-features" / fingerprint(digests)
    found, layers = [], None
    for part, pixels in (("train", raw.train_x), ("test", raw.test_x)):
        path = stem.with_name(f"{stem.name}-{part}.npy")
        if not path.is_file():
            layers = layers or [
                (weight.to(device), bias.to(device))
                for weight, bias in read_weights(Path(root) / roots.VGG16_FILE)
            ]
            _write_features(path, layers, pixels, device, batch)
        found.append(_read_npy(path, len(pixels)))
    return Raw(
        found[0],
        raw.train_y,
        found[1],
        raw.test_y,
        digests=digests,
        source=f"VGG-16 features of CIFAR-10, {raw.source}",
    )


@torch.no_grad()
def _write_features(path, layers, pixels, device, batch):
    with files.whole(path) as scratch:
        shape = (len(pixels), 16 * len(layers[-1][0]))
        out = np.lib.format.open_memmap(scratch, "w+", np.float32, shape)
        with progress(desc=path.stem, unit="image", total=len(pixels)) as bar:
            for i in range(0, len(pixels), batch):
                chunk = torch.from_numpy(pixels[i : i + batch].copy())
                out[i : i + batch] = features(layers, chunk.to(device)).cpu()
                bar.update(len(chunk))
        out.flush()


def _read_npy(path, count):
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise DamagedFile(
            path, found=str(error), expected="a whole .npy file"
        ) from error
    if array.dtype != np.float32 or array.ndim != 2 or len(array) != count:
        raise DamagedFile(
            path,
            found=f"{array.dtype} of shape {array.shape}",
            expected=f"float32 of shape ({count}, features)",
        )
    return array
