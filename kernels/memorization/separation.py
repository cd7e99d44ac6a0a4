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
from torch.nn import functional

from kernels import states
from kernels.memorization.units import unit
from kernels.networks import Parameters, checks

_EPS = torch.finfo(torch.float64).eps


@dataclass(frozen=True, eq=False)
class Planes:
    """Hyperplanes, one a class: ``weight`` (C, features), ``offset`` (C,).

    ``margin``: the smallest signed distance of a feature vector, over classes
    (samples of class k are to be on the positive side of plane k, the others
    on the negative), by the weights' largest entry, which is 1.  Positive
    only where every plane separates: what rounding may have added in float64
    is taken off.
    """

    weight: Tensor
    offset: Tensor
    margin: float

    @property
    def separate(self) -> bool:
        return self.margin > 0


def separate(features: Tensor, labels: Tensor, *, bias: bool = True) -> Planes:
    """For each class the hyperplane of largest margin against the others.

    A linear program a class: maximise t so that every sample is on its side
    by t, weights within [-1, 1].  t is positive if and only if the class can
    be separated, by an affine plane, or without ``bias`` by one through 0.
    The margin that is returned is measured on the planes that are, and
    positive only where they separate.  The program's tolerance is 1e-7 for
    features in units in which the largest is about 1, in whatever they come:
    whether classes that are nearer to each other can be separated it does
    not say.

    Parameters
    ----------
    features : (N, features) float64
    labels : (N,) class indices
        Classes 0 … C - 1 with C the largest index plus one.
    bias : whether planes need not pass through 0

    Raises
    ------
    ValueError
        For other shapes, fewer than two classes, or an empty one, and for
        features that are not finite.
    TypeError
        For features that are no floats, or labels that are no integers.
    RuntimeError
        Where the solver stops.

    Needs SciPy.  Cost: C programs of N rows.
    """
    from scipy.optimize import linprog

    features, labels = _checked(features, labels)
    counts = labels.bincount()
    size = unit(features)
    f = features.double().numpy() / size
    ones = np.ones((len(f), 1))
    limits: list[Any] = [(-1, 1)] * f.shape[1]
    limits += [(None, None) if bias else (0, 0), (None, None)]
    cost = np.append(np.zeros(len(limits) - 1), -1)
    rows, offsets = [], []
    for k in range(len(counts)):
        side = (2 * (labels == k) - 1).numpy()[:, None]
        # unknowns w, c, t: t - side * (w . f + c) <= 0
        table = np.concatenate([-side * f, -side * ones, ones], 1)
        found = linprog(cost, table, np.zeros(len(f)), bounds=limits)
        if found.x is None:
            raise RuntimeError(f"the solver stopped: {found.message}")
        *row, offset, _ = found.x.tolist()
        rows.append(row)
        offsets.append(offset)
    weight, place = (
        torch.tensor(values, dtype=features.dtype)
        for values in (rows, offsets)
    )
    margin = _margin(f, labels, weight.double(), place.double())
    return Planes(weight, place * size, margin * size)


def _checked(features, labels):
    features = checks.tensor("features", features)
    if not features.is_floating_point():
        raise TypeError(f"features has dtype {features.dtype}; floats will do")
    given = checks.tensor("labels", labels)
    labels = checks.indices("labels", given)
    if labels is None:
        raise TypeError(f"labels has dtype {given.dtype}; integers will do")
    if features.dim() != 2 or labels.shape != features.shape[:1]:
        raise ValueError(
            f"features has shape {tuple(features.shape)} and labels "
            f"{tuple(labels.shape)}; (N, features) and (N,) will do"
        )
    checks.check_finite("features", features)
    if labels.numel() and int(labels.min()) < 0:
        raise ValueError(
            f"labels has {int(labels.min())}; class indices from 0 will do"
        )
    counts = labels.bincount()
    if len(counts) < 2 or not bool(counts.all()):
        raise ValueError(
            f"labels has {counts.tolist()} samples of its classes; two "
            "classes or more, with a sample each, will do"
        )
    return features, labels


def _margin(f, labels, weight, place):
    """The smallest signed distance, less what rounding may have added."""
    f = torch.from_numpy(f)
    side = 2.0 * functional.one_hot(labels, len(weight)) - 1
    heights = side * (f @ weight.T + place)
    rough = f.abs() @ weight.abs().T + place.abs()
    return float((heights - (f.shape[1] + 2) * _EPS * rough).min())


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
