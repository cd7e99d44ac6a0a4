"""Separating planes and the network of N21's Corollary 4.5."""

from fractions import Fraction

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


@pytest.mark.parametrize("size", [1e-300, 1e-12, 2e-9, 1e-8, 1e7, 1e16])
def test_features_in_other_units(size):
    """Separable by the same share of their size, and the loss is met."""
    for seed in (0, 10, 29):
        f, labels = clusters(12, 3, 3, seed, 0.6)
        plain = separation.separate(f, labels)
        found = separation.separate(size * f, labels)
        assert plain.separate
        assert found.separate
        assert found.margin / size == pytest.approx(plain.margin, rel=1e-6)
        side = 2 * np.eye(3)[labels] - 1
        heights = size * f.numpy() @ found.weight.numpy().T
        heights = side * (heights + found.offset.numpy())
        assert heights.min() >= found.margin
        for hidden in (0, 1):
            theta = separation.separating(size * f, found, hidden, loss=1e-4)
            h = size * f.numpy()
            for i, (weight, offset) in enumerate(theta):
                h = h @ weight.numpy().T
                h = h if offset is None else h + offset.numpy()
                h = np.maximum(h, 0) if i < hidden else h
            assert cross_entropy(h, labels.numpy()) <= 1e-4


@pytest.mark.parametrize("apart", [1e-3, 1e-6, 1e-8, 1e-10, 1e-13, 0.0])
def test_a_positive_margin_is_true_however_small(apart):
    """Two classes, either side of a plane, nearer than the solver sees."""
    g = torch.Generator().manual_seed(1)
    f = torch.rand(20, 3, generator=g, dtype=torch.float64)
    labels = torch.arange(20) % 2
    f[:, 0] = f[:, 1] + apart * (2.0 * labels - 1)
    found = separation.separate(f, labels)
    exact = [
        (1 if k == label else -1)
        * (
            sum(Fraction(a) * Fraction(b) for a, b in zip(row, w))
            + Fraction(c)
        )
        for row, label in zip(f.tolist(), labels.tolist())
        for k, (w, c) in enumerate(
            zip(found.weight.tolist(), found.offset.tolist())
        )
    ]
    assert found.margin <= min(exact)
    assert found.separate == (found.margin > 0)
    if apart >= 1e-6:
        assert found.margin == pytest.approx(apart, rel=0.1)
    if apart == 0:
        assert not found.separate


def test_bad_arguments():
    f, labels = clusters(6, 3, 3, 0, 0.1)
    with pytest.raises(ValueError, match=r"\(6, 3\) and labels \(5,\)"):
        separation.separate(f, labels[:5])
    with pytest.raises(ValueError, match=r"labels has \[4, 0, 2\]"):
        separation.separate(f, torch.tensor([0, 0, 2, 0, 2, 0]))
    with pytest.raises(ValueError, match="features has 18 non-finite"):
        separation.separate(f * torch.nan, labels)
    with pytest.raises(ValueError, match="labels has -1"):
        separation.separate(f, labels - 1)
    with pytest.raises(TypeError, match="labels has dtype"):
        separation.separate(f, labels + 0.5)
    with pytest.raises(TypeError, match="features has dtype"):
        separation.separate(f.long(), labels)
    planes = separation.separate(f, labels)
    for options in ({"loss": 0.0, "hidden": 1}, {"loss": 1.0, "hidden": -1}):
        with pytest.raises(ValueError, match="a positive number, and 0"):
            separation.separating(f, planes, **options)
