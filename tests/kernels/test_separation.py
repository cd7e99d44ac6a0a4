"""Separating planes and the network of N21's Corollary 4.5."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.memorization import separation


def clusters(n, features, classes, seed, spread):
    """Points around corners of a simplex, and their classes."""
    g = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % classes
    noise = torch.rand(n, features, generator=g, dtype=torch.float64) - 0.5
    corners = torch.eye(features, dtype=torch.float64)[:classes]
    return corners[labels] + spread * noise, labels


def cross_entropy(z, labels):
    z = z - z.max(1, keepdims=True)
    own = z[np.arange(len(z)), labels]
    return float(np.mean(np.log(np.exp(z).sum(1)) - own))


@settings(max_examples=20, deadline=None)
@given(
    classes=st.integers(2, 4),
    extra=st.integers(0, 3),
    hidden=st.integers(0, 3),
    bias=st.booleans(),
    seed=st.integers(0, 99),
)
def test_the_proofs_network(classes, extra, hidden, bias, seed):
    # off a corner's plane by less than half: separable; with a further
    # feature of 1 also by planes through 0
    f, labels = clusters(24, classes + extra, classes, seed, 0.2)
    if not bias:
        f = torch.cat([f, torch.ones(24, 1, dtype=f.dtype)], 1)
    planes = separation.separate(f, labels, bias=bias)
    assert planes.separate
    side = np.where(labels.numpy()[:, None] == np.arange(classes), 1.0, -1.0)
    heights = f.numpy() @ planes.weight.numpy().T + planes.offset.numpy()
    assert (side * heights).min() == pytest.approx(planes.margin, abs=1e-9)
    assert planes.weight.abs().max() <= 1 + 1e-9
    theta = separation.separating(f, planes, hidden, loss=1e-7)
    assert len(theta) == hidden + 1
    h = f.numpy()
    for weight, offset in theta[:-1]:
        z = h @ weight.numpy().T + offset.numpy()
        assert z.shape[1] == classes
        assert (z >= -1e-12).all()
        assert (z <= 2 + 1e-12).all()
        assert (side * (z - 1) > 0).all()
        h = np.maximum(z, 0)
    weight, offset = theta[-1]
    assert (offset is None) or (hidden == 0 and bias)
    z = h @ weight.numpy().T
    z = z if offset is None else z + offset.numpy()
    assert cross_entropy(z, labels.numpy()) <= 1e-7


def test_a_threshold_is_no_plane_through_zero():
    """Features 1 and 2: the widest threshold is 3/2."""
    f = torch.tensor([[1.0], [2.0]], dtype=torch.float64)
    labels = torch.tensor([0, 1])
    planes = separation.separate(f, labels)
    assert planes.margin == pytest.approx(0.5)
    assert planes.offset / planes.weight[:, 0] == pytest.approx(
        torch.tensor([-1.5, -1.5], dtype=torch.float64)
    )
    through = separation.separate(f, labels, bias=False)
    assert not through.separate
    with pytest.raises(ValueError, match="planes have margin"):
        separation.separating(f, through, 1, loss=1e-3)


def test_exclusive_or_is_not_separable():
    f = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=torch.float64)
    assert not separation.separate(f, torch.tensor([0, 1, 1, 0])).separate


def test_bad_arguments():
    f, labels = clusters(6, 3, 3, 0, 0.1)
    with pytest.raises(ValueError, match=r"\(6, 3\) and labels \(5,\)"):
        separation.separate(f, labels[:5])
    with pytest.raises(ValueError, match=r"labels has \[4, 0, 2\]"):
        separation.separate(f, torch.tensor([0, 0, 2, 0, 2, 0]))
    planes = separation.separate(f, labels)
    for options in ({"loss": 0.0, "hidden": 1}, {"loss": 1.0, "hidden": -1}):
        with pytest.raises(ValueError, match="a positive number, and 0"):
            separation.separating(f, planes, **options)
