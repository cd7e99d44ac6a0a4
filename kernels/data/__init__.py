"""The papers' datasets, checked, normalised and fingerprinted.

``find(text)``          `load`, by one word; or the reader's own ``.npz`` file
``load(name)``          a frozen `Dataset` of float32 inputs and int64 labels
``fetch(name)``         downloads what is missing, hashes checked
``status()``            what is where, and whether it is what it should be
``gaussian_stream``     S20's Gaussian problem, fresh samples without end

No pickle of code is ever loaded: images come from IDX and CIFAR-10 binary
files, features from `.npy` files with `allow_pickle=False`, VGG-16's weights
through `torch.load(weights_only=True)`.
"""

from kernels.data.arrays import find
from kernels.data.dataset import DamagedFile, Dataset, MissingData, Split
from kernels.data.gaussians import (
    gaussian_sample,
    gaussian_stream,
    gaussians,
)
from kernels.data.loading import NAMES, load, status
from kernels.data.roots import fetch, where

__all__ = [
    "NAMES",
    "DamagedFile",
    "Dataset",
    "MissingData",
    "Split",
    "fetch",
    "find",
    "gaussian_sample",
    "gaussian_stream",
    "gaussians",
    "load",
    "status",
    "where",
]
