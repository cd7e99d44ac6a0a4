"""Networks on linearly separable features, as N21's Corollary 4.5 has them.

``separate``    a hyperplane for each class, of largest margin, or none
``separating``  the network that the corollary's proof builds on them
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kernels import states
from kernels.networks import Parameters


@dataclass(frozen=True, eq=False)
class Planes:
    """Hyperplanes, one a class: ``weight`` (C, features), ``offset`` (C,).

    ``margin``: the smallest signed distance of a feature vector, over classes
    (samples of class k are to be on the positive side of plane k, the others
    on the negative), by the weights' largest entry, which is 1.  Positive
    where every plane separates.
    """

    weight: Tensor
    offset: Tensor
    margin: float

    @property
    def separate(self) -> bool:
        return self.margin > 1e-9


def separate(features: Tensor, labels: Tensor, *, bias: bool = True) -> Planes:
    """For each class the hyperplane of largest margin against the others.

    A linear program a class: maximise t so that every sample is on its side
    by t, weights within [-1, 1].  t is positive if and only if the class can
    be separated, by an affine plane, or without ``bias`` by one through 0.

    Parameters
    ----------
    features : (N, features) float64
    labels : (N,) class indices
        Classes 0 … C - 1 with C the largest index plus one.
    bias : whether planes need not pass through 0

    Raises
    ------
    ValueError
        For other shapes, fewer than two classes, or an empty one.

    Needs SciPy.  Cost: C programs of N rows.
    """
    from scipy.optimize import linprog

    if features.dim() != 2 or labels.shape != features.shape[:1]:
        raise ValueError(
            f"features has shape {tuple(features.shape)} and labels "
            f"{tuple(labels.shape)}; (N, features) and (N,) will do"
        )
    counts = labels.bincount()
    if len(counts) < 2 or not bool(counts.all()):
        raise ValueError(
            f"labels has {counts.tolist()} samples of its classes; two "
            "classes or more, with a sample each, will do"
        )
    f = features.numpy()
    ones = np.ones((len(f), 1))
    limits: list[Any] = [(-1, 1)] * f.shape[1]
    limits += [(None, None) if bias else (0, 0), (None, None)]
    cost = np.append(np.zeros(len(limits) - 1), -1)
    rows, offsets, margins = [], [], []
    for k in range(len(counts)):
        side = (2 * (labels == k) - 1).numpy()[:, None]
        # unknowns w, c, t: t - side * (w . f + c) <= 0
        table = np.concatenate([-side * f, -side * ones, ones], 1)
        found = linprog(cost, table, np.zeros(len(f)), bounds=limits)
        *row, offset, margin = found.x.tolist()
        rows.append(row)
        offsets.append(offset)
        margins.append(margin)
    weight, place = (
        torch.tensor(values, dtype=features.dtype)
        for values in (rows, offsets)
    )
    return Planes(weight, place, min(margins))


@states("N21", "Corollary 4.5")
def separating(
    features: Tensor, planes: Planes, hidden: int, *, loss: float
) -> Parameters:
    """A network of cross-entropy at most ``loss`` (N21, Corollary 4.5).

    As in the corollary's proof.  Unit k of the first of ``hidden`` layers has
    the pre-activation 1 + (w_k . f + c_k) / R, R the largest |w_k . f + c_k|:
    samples of class k land in (1, 2], the others in [0, 1), where the ReLU is
    strictly monotone.
    Further layers hand units on; the output layer multiplies them by a number
    large enough, and needs no bias.  With ``hidden=0`` it is the planes
    themselves, times a number, and needs one, unless the planes have none.

    Parameters
    ----------
    features : (N, features)
    planes : that separate them, from :func:`separate`
    hidden : the number of hidden layers
    loss : a positive number

    Returns
    -------
    Parameters
        One ``(weight, bias)`` a layer; the output layer's bias is None
        where it is zero.

    Raises
    ------
    ValueError
        Where the planes do not separate.
    """
    if not planes.separate:
        raise ValueError(
            f"planes have margin {planes.margin:.3g}; a positive one, of "
            "separable features, will do"
        )
    if not loss > 0 or hidden < 0:
        raise ValueError(
            f"loss is {loss} and hidden {hidden}; a positive number, and 0 "
            "or more, will do"
        )
    classes = len(planes.weight)
    heights = features @ planes.weight.T + planes.offset
    top = float(heights.abs().max())
    # scores differ by 2 margin times a factor; log(1 + (C - 1) e^-s) <= loss
    needed = math.log(max(classes - 1, 1) / math.expm1(min(loss, 1.0)))
    factor = max(needed, 1.0) / (2 * planes.margin)
    eye = torch.eye(classes, dtype=features.dtype)
    if hidden == 0:
        offset = factor * planes.offset
        return (
            (factor * planes.weight, offset if bool(offset.any()) else None),
        )
    first = (planes.weight / top, 1 + planes.offset / top)
    still = (eye, torch.zeros(classes, dtype=features.dtype))
    return (first, *[still] * (hidden - 1), (factor * top * eye, None))
