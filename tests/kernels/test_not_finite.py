"""What is not finite is refused by name, not swallowed."""

import math

import path_cases as cases
import pytest
import torch

from kernels import certificates, dropout, interpolation, networks, paths
from kernels.training import evaluate

NET = networks.mlp([3, 5, 4, 2])


def broken(tensor, value):
    tensor = tensor.clone()
    tensor.view(-1)[-1] = value
    return tensor


def given():
    x = cases.inputs(NET, 6)
    y = torch.randn(6, 2, generator=cases.seeded(1)).double()
    return cases.drawn(NET, 1), cases.drawn(NET, 2), x, y


def certify(theta, other, x, y):
    path = paths.Path(_Unchecked((theta, other)))
    return certificates.certify(NET, path, x, y, "square")


def profile(theta, other, x, y):
    path = paths.Path(_Unchecked((theta, other)))
    return interpolation.loss_curve(NET, path, x, y, loss="square")


def measured(theta, other, x, y):
    return evaluate(NET, theta, x, y, loss="square")


def stable(theta, other, x, y):
    return dropout.stability(
        NET,
        theta,
        x,
        y,
        draws=3,
        loss="square",
        generator=cases.seeded(),
    )


class _Unchecked(paths.Knots):
    """Knots that nobody has looked at."""

    def __init__(self, knots):
        self.given = knots

    def __len__(self):
        return len(self.given)

    def __getitem__(self, k):
        return self.given[k]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("call", [certify, profile, measured, stable])
@pytest.mark.parametrize("where", ["weight", "bias", "x", "y"])
def test_refused_by_name(call, where, value):
    theta, other, x, y = given()
    if where in ("weight", "bias"):
        layers = [list(pair) for pair in theta]
        part = int(where == "bias")
        layers[1][part] = broken(layers[1][part], value)
        theta = tuple(map(tuple, layers))
    elif where == "x":
        x = broken(x, value)
    else:
        y = broken(y, value)
    with pytest.raises(ValueError, match=rf"{where}.* 1 non-finite"):
        call(theta, other, x, y)


@pytest.mark.parametrize("call", [certify, profile, measured, stable])
def test_overflow_is_no_loss(call):
    theta, other, x, y = given()
    theta, other = (
        tuple((1e200 * w, b) for w, b in end) for end in (theta, other)
    )
    with pytest.raises(ValueError, match=r"finite|overflow"):
        call(theta, other, x, y)


@pytest.mark.parametrize("knot", [0, 1, 2])
def test_a_knot_that_is_not_evaluated_is_looked_at(knot):
    """A dead unit's weight changes no function; infinity in it is refused."""
    net = networks.mlp([2, 3, 2])
    theta = [list(pair) for pair in cases.drawn(net, 1)]
    theta[1][0] = theta[1][0].clone()
    theta[1][0][:, 2] = 0
    knots = [tuple(map(tuple, theta))] * 3
    first = (broken(theta[0][0], math.inf), theta[0][1])
    knots[knot] = (first, tuple(theta[1]))
    path = paths.Path(_Unchecked(knots))
    x, y = cases.inputs(net, 4), torch.zeros(4).long()
    name = rf"path.knots\[{knot}\], layer 1: weight has 1 non-finite"
    with pytest.raises(ValueError, match=name):
        certificates.certify(net, path, x, y)
