"""networks.tree: maps over parameters, exact ends, and gradients left out."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from kernels import dropout, interpolation, networks, noise, paths, training
from kernels.networks import mlp, tree
from kernels.paths import alignment, curves

F32, F64 = torch.float32, torch.float64


def pair(net, seed, dtype=F64, scale=1.0):
    g = torch.Generator().manual_seed(seed)
    a = net.init(generator=g, dtype=dtype, bias="uniform")
    b = net.init(generator=g, dtype=dtype, bias="uniform")
    return tree.map(lambda p: p * scale, a), b


def test_none_stays_and_order_is_kept():
    theta = mlp([3, 2, 1], bias=False).init(generator=torch.Generator())
    assert [bias for _, bias in tree.map(torch.neg, theta)] == [None, None]
    assert len(tree.parts(theta)) == 2
    back = tree.rebuild(theta, tree.parts(theta))
    assert all(p is q for p, q in zip(tree.parts(theta), tree.parts(back)))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, F32, F64])
@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12, 3e37])
def test_lerp_is_exact_at_both_ends(dtype, scale):
    if scale > torch.finfo(dtype).max / 10:
        pytest.skip("beyond the dtype")
    a, b = pair(mlp([3, 1, 4, 2]), 0, dtype, scale)
    for start, end in ((a, b), (b, a)):
        assert tree.equal(tree.lerp(start, end, 0), start)
        assert tree.equal(tree.lerp(start, end, 1.0), end)


@settings(deadline=None)
@given(st.floats(0, 1), st.integers(-12, 12), st.integers(0, 1 << 20))
def test_lerp_agrees_with_long_double(t, power, seed):
    a, b = pair(mlp([2, 1, 3]), seed, F64, 10.0**power)
    found = tree.lerp(a, b, t)
    for p, q, z in zip(*map(tree.parts, (a, b, found))):
        exact = (1 - t) * p.numpy().astype("g") + t * q.numpy().astype("g")
        room = 4e-16 * torch.maximum(p.abs(), q.abs()).numpy()
        assert (abs(exact - z.numpy()) <= room).all()


def test_lerp_shares_what_does_not_move():
    a, b = pair(mlp([3, 2, 1]), 0)
    b = (a[0], b[1])
    assert tree.lerp(a, b, 0.3)[0][0] is a[0][0]


def test_equal_looks_at_shape_dtype_and_bias():
    (w, b), *_ = theta = mlp([3, 2]).init(generator=torch.Generator())
    assert tree.equal(theta, copy.deepcopy(theta))
    for other in (
        (),
        ((w, None),),
        ((w.double(), b.double()),),
        ((w[:1], b[:1]),),
        ((w, b + 1),),
    ):
        assert not tree.equal(theta, other)


def test_stack_and_take_undo_each_other():
    a, b = pair(mlp([3, 2, 1]), 1)
    both = tree.stack([a, b])
    assert tree.equal(tree.take(both, 1), b)
    assert tree.parts(tree.take(both, [1, 0]))[0].shape == (2, 2, 3)


# --- exact at t = 1 along paths, and parameters that ask for gradients


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8, 1e12])
@pytest.mark.parametrize("widths", [[3, 5, 2], [3, 1, 4, 2], [3, 7, 1, 5, 2]])
def test_the_last_point_of_a_profile_is_the_end_itself(scale, widths):
    net = mlp(widths)
    g = torch.Generator().manual_seed(1)
    x = torch.randn(40, 3, generator=g, dtype=F32)
    y = torch.arange(40) % 2
    a, b = pair(net, 3, F32, scale)
    for start, end in ((a, b), (b, a)):
        seen = interpolation.loss_curve(net, paths.straight(start, end), x, y)
        for place, theta in ((0, start), (-1, end)):
            loss, error = training.evaluate(net, theta, x, y)
            torch.testing.assert_close(
                float(seen.loss[place]), loss, rtol=2e-6, atol=0
            )
            assert float(seen.error[place]) == error


def as_module_parameters(theta):
    """What ``[(m.weight, m.bias) for m in module]`` gives, in lists."""
    return [
        [None if p is None else nn.Parameter(p.clone()) for p in layer]
        for layer in theta
    ]


NET = mlp([3, 6, 4, 2])
PLAIN = [
    NET.init(generator=torch.Generator().manual_seed(s), dtype=F64)
    for s in (1, 2)
]
ASKING = list(map(as_module_parameters, PLAIN))
X = torch.randn(20, 3, dtype=F64, generator=torch.Generator().manual_seed(3))
Y = torch.arange(20) % 2
KEPT = [torch.arange(3), torch.arange(2)]


def rng():
    return torch.Generator().manual_seed(0)


def bent(a, b):
    return curves.train(
        NET, a, b, (X, Y), generator=rng(), steps=3, step_size=0.1, batch=5
    )


def moved(a, b):
    order = alignment.match(NET, a, b)
    return alignment.permute(NET, b, order)


def tensors(found):
    if torch.is_tensor(found):
        yield found
    elif isinstance(found, tuple):
        for part in found:
            yield from tensors(part)


CALLS = {
    "match": moved,
    "curve": lambda a, b: bent(a, b)(0.3),
    "length": lambda a, b: curves.length(bent(a, b)),
    "straight": lambda a, b: paths.straight(a, b)(0.5),
    "theorem1": lambda a, b: paths.theorem1(
        NET, a, b, kept_a=KEPT, kept_b=KEPT
    )(0.7),
    "theorem2": lambda a, b: paths.theorem2(NET, a, b, generator=rng())(0.7),
    "lemma1": lambda a, b: paths.lemma1(NET, a, KEPT)(0.2),
    "profile": lambda a, b: (
        interpolation.loss_curve(NET, paths.straight(a, b), X, Y).loss
    ),
    "stability": lambda a, b: (
        dropout.stability(NET, a, X, Y, draws=3, generator=rng()).train_loss
    ),
    "dropout_network": lambda a, b: dropout.dropout_network(NET, a, KEPT),
    "subnetwork": lambda a, b: dropout.subnetwork(NET, a, KEPT)[1],
    "train": lambda a, b: (
        training.train(
            NET, a, (X, Y), step_size=0.1, steps=2, batch=5, generator=rng()
        ).theta
    ),
    "evaluate": lambda a, b: training.evaluate(NET, a, X, Y),
    "noise": lambda a, b: noise.stability(
        NET, a, X, biases="affine"
    ).layer_cushion[2],
}


@pytest.mark.parametrize("name", CALLS)
def test_parameters_may_ask_for_gradients(name):
    found, expected = CALLS[name](*ASKING), CALLS[name](*PLAIN)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert not any(p.requires_grad for p in tensors(found))
    assert all(p.grad is None for layer in ASKING[0] for p in layer)


def test_gradients_pass_through_a_network_s_outputs():
    """The door is not in the forward pass."""
    z = networks.mlp([3, 6, 4, 2]).forward(ASKING[0], X)
    assert z.requires_grad
