"""The structural certificate: never wrong, and sees what the papers use."""

import itertools
import weakref

import numpy as np
import path_cases as cases
import plain_networks as plain
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from kernels import networks, paths
from kernels.paths import segment_kind, segment_proof, structure


def layers(*weights):
    return tuple((torch.tensor(w, dtype=torch.float64), None) for w in weights)


def test_by_hand():
    theta = layers([[1, 2], [3, 4], [1, 2]], [[1, 2, 3]])
    dead = layers([[1, 2], [3, 4], [1, 2]], [[1, 2, 0]])
    moved = layers([[1, 2], [3, 4], [5, 6]], [[1, 2, 0]])
    shifted = layers([[1, 2], [3, 4], [1, 2]], [[3, 2, 1]])
    assert segment_kind(theta, theta) == "constant"
    assert segment_kind(theta, dead) == "affine"
    assert segment_kind(dead, moved) == "constant"  # nothing reads unit 3
    assert segment_kind(moved, dead) == "constant"
    assert segment_kind(theta, shifted) == "constant"  # between twins
    assert segment_kind(moved, shifted) == "general"  # b and a at once
    silent = layers([[0, 0], [3, 4], [0, 0]], [[1, 2, 3]])
    other = layers([[0, 0], [3, 4], [0, 0]], [[7, 2, -1]])
    assert segment_kind(silent, other) == "constant"  # they read zeros


@pytest.mark.parametrize("bias", [True, False])
def test_the_weights_are_left_alone(bias):
    net = networks.mlp([3, 5, 4, 2], bias=bias)
    ends = cases.drawn(net, 1), cases.drawn(net, 2)
    copies = cases.drawn(net, 1), cases.drawn(net, 2)
    segment_kind(*ends)
    for theta, copy in zip(ends, copies):
        assert all(torch.equal(w, v) for (w, _), (v, _) in zip(theta, copy))


def test_looking_leaves_the_weights_alone():
    theta = layers([[1, 2], [3, 4]], [[1, 2]])
    other = layers([[5, 6], [3, 4]], [[7, 2]])
    before = [w.clone() for w, _ in (*theta, *other)]
    segment_kind(theta, other)
    for (w, _), was in zip((*theta, *other), before):
        assert torch.equal(w, was)


def test_a_zero_row_with_a_bias_is_not_zero():
    """Zeroing rows and leaving the bias is no removal."""

    def net(bias, top):
        return (
            (torch.zeros(2, 3), torch.tensor([1.0, bias])),
            (torch.tensor([[1.0, top]]), torch.zeros(1)),
        )

    assert segment_kind(net(0.0, 1), net(0.0, 2)) == "constant"
    assert segment_kind(net(0.5, 1), net(0.5, 2)) == "affine"


def test_rows_and_columns_at_once_are_not_constant():
    """Lemma 4's steps may not be merged: the output really moves."""
    net = networks.mlp([3, 6, 2], bias=False)
    (first, _), (last, _) = cases.drawn(net, 3)
    last[:, 3:] = 0
    start = ((first, None), (last, None))
    end = (
        (torch.cat([first[3:], first[:3]]), None),
        (torch.cat([last[:, 3:], last[:, :3]], 1), None),
    )
    assert segment_kind(start, end) == "general"
    x = cases.inputs(net)
    middle = plain.forward(net, cases.between(start, end, 0.5), x)
    assert abs(middle - plain.forward(net, start, x)).max() > 0.1


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_sums_over_a_class_may_round(dtype):
    """Three twins share a column in another order: equal but for rounding."""
    first = torch.tensor([[1.0, 2.0]] * 3, dtype=dtype)
    shares = torch.tensor([[0.1, 0.2, 0.3]], dtype=dtype)
    turned = shares.flip(1)
    pair = [((first, None), (top, None)) for top in (shares, turned)]
    assert segment_kind(*pair) == "constant"
    nearly = shares + torch.tensor([[0, 0, 1e-6]], dtype=dtype)
    assert segment_kind(pair[0], ((first, None), (nearly, None))) == "affine"


def test_near_twins_are_no_twins():
    first = torch.tensor([[1, 2, 3], [1, 2, 3]]).double()
    first[1, 2] = 3 + 1e-10
    pair = [
        ((first, None), (torch.tensor([top]).double(), None))
        for top in ([1.0, 0.0], [0.0, 1.0])
    ]
    assert segment_kind(*pair) == "affine"


@pytest.mark.parametrize("units", [1, 3, 700])
def test_small_differences_are_seen(units):
    net = networks.mlp([4, units, 2])
    theta = cases.drawn(net, 5)
    for layer, kind in ((0, "general"), (1, "affine")):
        for part in (0, 1):
            other = [list(pair) for pair in theta]
            moved = other[layer][part].clone()
            moved.view(-1)[-1] += 1e-9
            other[layer][part] = moved
            assert segment_kind(theta, other) == kind


@st.composite
def twin_ridden(draw):
    """A segment of small integers: many twins, dead units and fixed rows."""
    depth = draw(st.integers(2, 4))
    widths = [2, *(draw(st.integers(1, 4)) for _ in range(depth - 1)), 2]
    bias = draw(st.booleans())
    generator = cases.seeded(draw(st.integers(0, 10_000)))
    sparse = draw(st.sampled_from([0.3, 0.6, 0.8]))

    def matrix(*shape):
        values = torch.randint(-1, 2, shape, generator=generator).double()
        return values * (torch.rand(shape, generator=generator) > sparse)

    ends = [[], []]
    for below, width in itertools.pairwise(widths):
        start = matrix(width, below), matrix(width) if bias else None
        end = list(start)
        change = draw(st.sampled_from(["none", "entry", "row", "column"]))
        if change != "none":
            end[0] = start[0].clone()
            row = draw(st.integers(0, width - 1))
            column = draw(st.integers(0, below - 1))
            if change == "entry":
                end[0][row, column] += 1
            elif change == "row":
                end[0][row] = matrix(below)
            else:  # hand a column over to another
                other = draw(st.integers(0, below - 1))
                handed = end[0][:, column].clone()
                end[0][:, column] -= handed
                end[0][:, other] += handed
        ends[0].append(start)
        ends[1].append(tuple(end))
    return networks.mlp(widths, bias=bias), *map(tuple, ends)


@settings(max_examples=300, deadline=None)
@given(case=twin_ridden())
def test_what_is_claimed_holds(case):
    net, start, end = case
    path = paths.Path([start, end])
    cases.assert_honest(net, path, cases.inputs(net, 30))


def test_channels_keep_their_maps():
    """Equal channels stay equal through pooling; a channel may be silent."""
    net = cases.convolutional()
    theta = [[w.clone(), b.clone()] for w, b in cases.drawn(net, 6)]
    for part in theta[2]:
        part[1] = part[0]
    shifted = [list(pair) for pair in theta]
    shifted[3][0] = theta[3][0].clone()
    columns = net.columns(3, shifted[3][0])
    columns[:, 1] += columns[:, 0]
    columns[:, 0] = 0
    path = paths.Path([theta, shifted])
    assert path.kinds == ("constant",)
    cases.assert_honest(net, path, cases.inputs(net))
    # handing over to a channel that is no twin is not constant
    columns[:, 2] += columns[:, 1]
    columns[:, 1] = 0
    path = paths.Path([theta, shifted])
    assert path.kinds == ("general",)


def test_kinds_hold_far_from_the_data():
    """For all inputs: also on large, tiny and negative ones."""
    net = networks.mlp([3, 5, 6, 2])
    path = paths.theorem1(
        net,
        cases.drawn(net, 1),
        cases.drawn(net, 2),
        kept_a=cases.halves(net, 1),
        kept_b=cases.halves(net, 2),
    )
    for scale in (1e6, 1e-6, -1.0):
        found = cases.assert_honest(net, path, scale * cases.inputs(net))
    assert found == "1001000010000000001001"
    assert np.isfinite(plain.forward(net, path(0.4), cases.inputs(net))).all()


def test_a_layer_without_a_live_unit_has_no_drift():
    dead = (torch.zeros(2, 3), None), (torch.ones(2, 2), None)
    ends = [(*dead, (torch.full((1, 2), v), None)) for v in (1.0, 2.0)]
    proof = segment_proof(*ends, drift=True)
    assert proof.kind != "general"
    assert all(not bool(d.weight.any()) for d in proof.drift)


def test_blocks_of_rows_change_nothing(monkeypatch):
    net = cases.convolutional()
    ends = cases.drawn(net, 1), cases.drawn(net, 2)
    kept = cases.halves(net, 1)
    path = paths.theorem1(net, *ends, kept_a=kept, kept_b=kept)
    whole = path.kinds
    monkeypatch.setattr(structure, "_CHUNK", 7)
    assert paths.Path(path.knots).kinds == whole
    assert {"constant", "affine"} <= set(whole)


class Held(TorchDispatchMode):
    """``most``: bytes that results of operators held at once."""

    def __init__(self):
        super().__init__()
        self.users, self.now, self.most = {}, 0, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        inputs = {
            t.untyped_storage().data_ptr()
            for t in tree_leaves((args, kwargs))
            if isinstance(t, torch.Tensor)
        }
        out = func(*args, **(kwargs or {}))
        for t in tree_leaves(out):
            if not isinstance(t, torch.Tensor):
                continue
            place = t.untyped_storage().data_ptr()
            if place in self.users:
                self.users[place] += 1
            elif place in inputs:  # a view of what was there before
                continue
            else:
                self.users[place] = 1
                self.now += t.untyped_storage().nbytes()
                self.most = max(self.most, self.now)
            size = t.untyped_storage().nbytes()
            weakref.finalize(t, self.let_go, place, size)
        return out

    def let_go(self, place, size):
        self.users[place] -= 1
        if not self.users[place]:
            del self.users[place]
            self.now -= size


def test_little_memory_is_taken(monkeypatch):
    """Beside the weights: some blocks of rows, no copy of a layer."""
    monkeypatch.setattr(structure, "_CHUNK", 1 << 14)
    net = networks.mlp([300, 500, 400, 4])
    ends = cases.drawn(net, 1), cases.drawn(net, 2)
    kept = [torch.arange(250), torch.arange(200)]
    path = paths.theorem1(net, *ends, kept_a=kept, kept_b=kept, style="short")
    block, most = 8 << 14, []
    for k in range(len(path)):
        theta, other = path.ends(k)
        with Held() as held:
            segment_proof(theta, other)
        most.append(held.most)
    assert 8 * block < max(most) < 14 * block
    assert sorted(most)[-2] < 8 * 500 * 400
