from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import certificates
from kernels import counterexample as ce
from kernels.counterexample.biases import biased_network, biased_path


def outputs(theta, x):
    (rows, offset), (outer, last) = (
        tuple(v.numpy() for v in layer) for layer in theta
    )
    return np.maximum(x @ rows.T + offset, 0) @ outer[0] + last


def between(a, b, t):
    return [
        tuple((1 - t) * v + t * w for v, w in zip(*layers))
        for layers in zip(a, b)
    ]


@settings(max_examples=12, deadline=None)
@given(
    st.integers(4, 8),
    st.tuples(*[st.integers(0, 9)] * 4),
)
def test_fits_everywhere_whatever_the_sizes(h, more):
    k = h + 1 + more[0]
    l = k + h + 1 + more[1]  # noqa: E741
    m = l + 3 + more[2]
    n = m + h + 1 + more[3]
    x, y = (v.numpy() for v in ce.dataset(h, k, l, m, n))
    path = biased_path(h)
    assert len(path) == 14
    for a, b in pairwise(path.knots):
        for t in (0, 0.11, 0.25, 0.5, 0.73, 1):
            np.testing.assert_allclose(
                outputs(between(a, b, t), x), y, atol=1e-12
            )


def test_certified_zero_and_it_moves():
    x, y = ce.dataset(5)
    path = biased_path(5)
    proof = certificates.certify(biased_network(5), path, x, y, loss="square")
    assert proof.exact
    assert proof.attained < 1e-24
    for a, b in pairwise(path.knots[:8]):
        moved = [(v != w).any() for p, q in zip(a, b) for v, w in zip(p, q)]
        assert any(moved)


@pytest.mark.parametrize("h", [4, 7])
def test_ends_are_the_minima_without_biases(h):
    path = biased_path(h)
    teacher, full = ce.minima(h)
    for knot, end in ((path.knots[0], full), (path.knots[-1], teacher)):
        for (weight, bias), (given_weight, _) in zip(knot, end):
            assert torch.equal(weight, given_weight)
            assert not bias.any()


def test_too_narrow():
    with pytest.raises(ValueError, match="h is 3"):
        biased_path(3)
