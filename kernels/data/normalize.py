"""From values as stored to the tensors that a network is fed."""

from typing import Any

import numpy as np
import torch

from kernels.data.dataset import Dataset, Split, fingerprint

MODES = ("global", "channel", "deviation", "signed", "imagenet", False)
IMAGENET_MEAN = np.array([0.485, 0.456, 0.406])
IMAGENET_STD = np.array([0.229, 0.224, 0.225])


def finish(raw, name, *, normalize, constant, flat):
    """Normalises a `Raw` and wraps it up as a `Dataset`.

    Every mode is x → (x − shift) / scale, computed in float64 and rounded
    once to float32:

    "global"    mean and standard deviation of all training values
    "channel"   the same for each colour channel
    "deviation" no shift, the deviation of all training values
    "signed"    pixels to [−1, 1] (S20's VGG input, N21's MNIST)
    "imagenet"  ImageNet's mean and deviation a channel (N21's CIFAR-10)
    False       pixels to [0, 1]; what is no image stays as it is
    """
    images = raw.train_x.ndim == 4
    if not flat and (constant or not images):
        raise ValueError(
            f"flat=False keeps images as (n, channels, height, width); "
            f"{name} with constant={constant} has rows of numbers"
        )
    shift, scale, words = _affine(raw, name, normalize, images)

    def split(stored, labels):
        if images:
            x = _apply(stored, shift, scale)
            if flat:
                x = x.reshape(len(x), -1)  # (n, d)
            if constant:  # (n, d + 1)
                x = np.hstack([x, np.ones((len(x), 1), np.float32)])
        else:
            x = _rows(stored, shift, scale, constant)
        return Split(torch.from_numpy(x), torch.from_numpy(_int64(labels)))

    return Dataset(
        train=split(raw.train_x, raw.train_y),
        test=split(raw.test_x, raw.test_y),
        name=name,
        fingerprint=fingerprint(raw.digests),
        source=raw.source,
        classes=tuple(np.unique(raw.train_y).tolist()),
        image_shape=raw.train_x.shape[1:] if images else None,
        normalization=words,
    )


def check_mode(normalize):
    """Raises ValueError for a `normalize` that names no mode."""
    known = isinstance(normalize, str | bool) and normalize in MODES
    if not (known or normalize is None):
        raise ValueError(
            f"normalize is {normalize!r}; expected None or one of "
            f"{', '.join(map(repr, MODES))}"
        )


def moments(values):
    """Mean and standard deviation (1/n) of all numbers in an array.

    The sums are exact for pixels, and float64 otherwise.
    """
    total: Any = 0.0
    squares: Any = 0.0
    for chunk in np.array_split(values, 1 + values.size // 2**17):
        numbers = chunk.astype(np.float64).ravel()
        total += numbers.sum()
        squares += numbers @ numbers
    mean = total / values.size
    return mean, max(squares / values.size - mean * mean, 0.0) ** 0.5


def _affine(raw, name, mode, images):
    """(shift, scale, words), each number one for all or one a channel."""
    train, top = raw.train_x, raw.top
    if mode is False:
        return (0.0, float(top), "[0, 1]") if images else (0.0, 1.0, "none")
    if mode == "global":
        mean, std = moments(train)
        return mean, std or 1.0, f"mean {mean:.6g}, deviation {std:.6g}"
    if mode == "deviation":
        std = moments(train)[1] or 1.0
        return 0.0, std, f"divided by the deviation {std:.6g}"
    if not images:
        raise ValueError(
            f"normalize is {mode!r}, which is for images; {name} takes "
            "'global', 'deviation' or False"
        )
    if mode == "signed":
        return top / 2, top / 2, "[-1, 1]"
    if mode == "imagenet":
        if train.shape[1] != 3:
            raise ValueError(
                f"normalize is 'imagenet', which needs 3 channels; {name} "
                f"has {train.shape[1]}"
            )
        return top * IMAGENET_MEAN, top * IMAGENET_STD, "ImageNet's"
    channels = [moments(train[:, c]) for c in range(train.shape[1])]
    mean, std = np.array(channels).T
    words = "; ".join(f"mean {m:.6g}, deviation {s:.6g}" for m, s in channels)
    return mean, np.where(std > 0, std, 1.0), words


def _rows(stored, shift, scale, constant):
    """(stored − shift) / scale of numbers, in float64 and then float32.

    With `constant` the feature 1 as a last column.  A block of rows at a
    time: features fill memory once.
    """
    count, width = stored.shape
    out = np.ones((count, width + constant), np.float32)
    for i in range(0, count, 1000):
        block = stored[i : i + 1000].astype(np.float64)
        out[i : i + 1000, :width] = (block - shift) / scale
    return out


def _apply(stored, shift, scale):
    """(stored − shift) / scale of pixels as float32, through a table."""
    levels = np.arange(256.0)[:, None]
    table = ((levels - shift) / scale).astype(np.float32)  # (256, 1 or C)
    out = np.empty(stored.shape, np.float32)
    for c in range(stored.shape[1]):
        column = table[:, min(c, table.shape[1] - 1)]
        # "clip" clips nothing here, and unlike "raise" needs no second copy
        np.take(column, stored[:, c], out=out[:, c], mode="clip")
    return out


def _int64(labels):
    return np.ascontiguousarray(labels, dtype=np.int64)
