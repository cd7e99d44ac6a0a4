"""The CUDA kernels against NumPy, on the host and, where there is one, a GPU.

The same .cu sources: g++ compiles them behind cuda_shim.h, CuPy for a GPU.
"""

import cuda_host
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernels.cuda import boxes, dropout, launch, meanfield, segments
from kernels.networks import losses

MANY = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
KINDS = [  # dtype and outputs: what a source is compiled for
    (torch.float32, 10),
    (torch.float64, 10),
    (torch.float32, 1),
    (torch.float64, 3),
    (torch.float32, 21),
]
kinds = pytest.mark.parametrize(("dtype", "outputs"), KINDS)
sizes = {
    "neurons": st.integers(1, 70),
    "samples": st.integers(1, 140) | st.sampled_from([128, 256]),
    "seed": st.integers(0, 10**6),
}


class Draw:
    """Random inputs, as tensors; `plain` gives them as float64 arrays."""

    def __init__(self, seed, dtype, device):
        self.generator = torch.Generator().manual_seed(seed)
        self.dtype, self.device = dtype, device

    def normal(self, *shape):
        made = torch.randn(shape, generator=self.generator, dtype=self.dtype)
        return made.to(self.device)

    def classes(self, count, *shape):
        made = torch.randint(count, shape, generator=self.generator)
        return made.to(self.device)

    def places(self, count):
        made = torch.rand(count, generator=self.generator, dtype=torch.float64)
        return made.sort().values.tolist()

    def segment(self, neurons, samples, outputs, bias):
        """Pre-activations and last layers at both ends."""
        layers = [
            (
                self.normal(outputs, neurons) / neurons,
                self.normal(outputs) if bias else None,
            )
            for _ in range(2)
        ]
        ends = [self.normal(neurons, samples) for _ in range(2)]
        return (*ends, *layers)


def plain(value):
    if isinstance(value, tuple):
        return tuple(map(plain, value))
    return None if value is None else value.double().cpu().numpy()


def between(pair, t):
    start, end = pair
    return 0 if start is None else (1 - t) * start + t * end


def near(found, wanted, dtype, scale=1.0):
    loose = 2e-5 if dtype == torch.float32 else 1e-12
    found = found.double().cpu().numpy()
    np.testing.assert_allclose(found, wanted, rtol=loose, atol=loose * scale)


def segment_by_numpy(start, end, layer, other, places, y, loss):
    """Summed loss and errors at each place, and the outputs' margins."""
    sums, margins = [], []
    for t in places:
        h = np.maximum(between((start, end), t), 0)
        z = (between((layer[0], other[0]), t) @ h).T
        z = z + between((layer[1], other[1]), t)
        own = z[np.arange(len(y)), y]
        each = np.log(np.exp(z).sum(1)) - own
        if loss == "square":
            aim = np.eye(z.shape[1])[y] if z.shape[1] > 1 else y[:, None]
            each = ((z - aim) ** 2).sum(1)
        rivals = np.where(np.eye(z.shape[1])[y] > 0, -np.inf, z).max(1)
        wrong = rivals > own
        if z.shape[1] == 1:  # positive or not, as the label is
            wrong, rivals = (z[:, 0] > 0) != (y > 0), 0
        sums.append((each.sum(), wrong.sum()))
        margins.append(np.abs(own - rivals).min())
    return np.array(sums).T, min(margins)


@kinds
@MANY
@given(
    points=st.integers(1, 27),
    loss=st.sampled_from(losses.LOSSES),
    bias=st.booleans(),
    **sizes,
)
def test_segments(
    engine, dtype, outputs, points, loss, bias, neurons, samples, seed
):
    draw = Draw(seed, dtype, engine)
    segment = draw.segment(neurons, samples, outputs, bias)
    y, places = draw.classes(outputs, samples), draw.places(points)
    wanted, margin = segment_by_numpy(
        *map(plain, segment), places, y.cpu().numpy(), loss
    )
    y = losses.targets(y, outputs, loss=loss, like=segment[0])
    for routine in (segments.segment_losses, segments.reference):
        found = routine(*segment, places, y, loss)
        assert found.shape == (2, points)
        near(found[0], wanted[0], dtype, scale=samples)
        if margin > 1e-5:
            assert found[1].tolist() == wanted[1].tolist()


@pytest.mark.parametrize("split", [1, 3, 5])
def test_neurons_split_over_blocks(engine, split, monkeypatch):
    draw = Draw(1, torch.float64, engine)
    segment = draw.segment(333, 70, 10, True)
    y, places = draw.classes(10, 70), draw.places(25)
    wanted = segments.reference(*segment, places, y, "cross_entropy")
    monkeypatch.setattr(launch, "shares", lambda *_: split)
    first = segments.segment_losses(*segment, places, y)
    near(first, wanted.cpu().numpy(), torch.float64)
    again = segments.segment_losses(*segment, places, y)
    assert torch.equal(first, again)


def test_real_targets_of_the_square_loss(engine):
    draw = Draw(2, torch.float64, engine)
    for outputs in (1, 3):
        segment = draw.segment(20, 33, outputs, True)
        y = draw.normal(33, outputs)
        given_ = (*segment, draw.places(4), y, "square")
        wanted = segments.reference(*given_).cpu().numpy()
        near(segments.segment_losses(*given_), wanted, torch.float64)


def test_ties_and_nan_count_as_torch_counts_them(engine):
    """Equal outputs: the first wins. NaN: wrong, and the loss is NaN."""
    units = torch.ones(1, 6, dtype=torch.float64, device=engine)
    units[0, 4] = torch.nan
    units[0, 5] = torch.inf
    weight = torch.tensor([[1.0], [1.0], [0.5]], device=engine).double()
    y = torch.tensor([0, 1, 2, 0, 0, 2], device=engine)
    layer = (weight, None)
    given_ = (units, units, layer, layer, [0.0], y, "cross_entropy")
    found = segments.segment_losses(*given_)
    assert found.isnan().tolist() == [[True], [False]]
    assert found[1].item() == 4  # all but the first of class 0, twice
    assert segments.reference(*given_)[1].item() == 4


def test_rows_that_do_not_start_on_16_bytes(engine):
    draw = Draw(3, torch.float32, engine)
    start, end, *layers = draw.segment(40, 64, 10, False)
    y, places = draw.classes(10, 64), [0.3, 0.6]
    wanted = segments.segment_losses(start, end, *layers, places, y)
    moved = draw.normal(1 + start.numel())[1:].view_as(start).copy_(start)
    assert moved.data_ptr() % 16 == 4
    found = segments.segment_losses(moved, end, *layers, places, y)
    assert torch.equal(found, wanted)


@kinds
@MANY
@given(intervals=st.integers(1, 9), bias=st.booleans(), **sizes)
def test_boxes(
    engine, dtype, outputs, intervals, bias, neurons, samples, seed
):
    draw = Draw(seed, dtype, engine)
    segment = draw.segment(neurons, samples, outputs, bias)
    places = draw.places(intervals + 1)
    found = boxes.interval_boxes(*segment, places)
    near(found, plain(boxes.reference(*segment, places)), dtype)
    start, end, layer, other = map(plain, segment)
    z = []
    for k in range(intervals):
        for u in (0, 0.3, 0.7, 1):
            s = (1 - u) * places[k] + u * places[k + 1]
            h = np.maximum(between((start, end), s), 0)
            out = between((layer[0], other[0]), s) @ h
            shift = between((layer[1], other[1]), s)
            z.append(out + (shift[:, None] if bias else 0))
    z = np.array(z).reshape(intervals, 4, outputs, samples)
    left, right, lo, hi = plain(found)
    loose = 1e-5 if dtype == torch.float32 else 1e-12
    np.testing.assert_allclose(left, z[:, 0], rtol=loose, atol=loose)
    np.testing.assert_allclose(right, z[:, 3], rtol=loose, atol=loose)
    for j, u in ((1, 0.3), (2, 0.7)):
        away = z[:, j] - (1 - u) * left - u * right
        assert (away >= lo - loose).all()
        assert (away <= hi + loose).all()


@kinds
@MANY
@given(
    trials=st.integers(1, 3),
    loss=st.sampled_from(losses.LOSSES),
    batched=st.booleans(),
    **sizes,
)
def test_mean_field_pieces(
    engine, dtype, outputs, trials, loss, batched, neurons, samples, seed
):
    draw = Draw(seed, dtype, engine)
    outs = draw.normal(trials, outputs, samples)
    y = draw.classes(outputs, *([trials] * batched), samples)
    z, classes = plain(outs), y.cpu().numpy()
    truth = np.moveaxis(np.eye(outputs)[classes], -1, -2)
    if loss == "square":
        gradient = 2 * (z - truth) / samples
        value = ((z - truth) ** 2).sum((1, 2)) / samples
        y = torch.tensor(truth, dtype=dtype, device=engine).mT
    else:
        total = np.exp(z).sum(1, keepdims=True)
        gradient = (np.exp(z) / total - truth) / samples
        value = (truth * (np.log(total) - z)).sum((1, 2)) / samples
    kernel = meanfield.Loss(loss, outs, outs.new_empty(trials))
    kernel.gradient.fill_(torch.nan)
    kernel(y)
    pairs = [(kernel.gradient, kernel._value)]
    pairs.append(meanfield.reference_gradient(outs, y, loss))
    for found, mean in pairs:
        near(found, gradient, dtype, scale=0.1)
        near(mean, value, dtype)
    w = draw.normal(trials, outputs, neurons)
    h = draw.normal(trials, samples, neurons).relu_()
    below = torch.full_like(h, torch.nan)
    meanfield.back_project(kernel.gradient, w, h, below)
    wanted = np.einsum("rcb,rcn->rbn", gradient, plain(w)) * (plain(h) > 0)
    near(below, wanted, dtype)
    above = kernel.gradient
    near(meanfield.reference_projection(above, w, h), wanted, dtype)


@kinds
@MANY
@given(draws=st.integers(1, 9), data=st.data(), **sizes)
def test_dropout(engine, dtype, outputs, draws, data, neurons, samples, seed):
    draw = Draw(seed, dtype, engine)
    count = data.draw(st.integers(1, neurons))
    units, weight = (
        draw.normal(neurons, samples),
        draw.normal(outputs, neurons),
    )
    order = torch.rand(draws, neurons, generator=draw.generator).argsort(1)
    kept = order[:, :count].sort(1).values.to(engine)
    mask = np.zeros((draws, 1, neurons))
    np.put_along_axis(mask, kept.cpu().numpy()[:, None], 1.5, 2)
    wanted = (mask * plain(weight)) @ plain(units)
    for routine in (dropout.kept_outputs, dropout.reference):
        found = routine(units, weight, kept, scale=1.5)
        assert found.shape == (draws, outputs, samples)
        near(found, wanted, dtype, scale=neurons**0.5)


def test_wrong_arguments_are_named(engine):
    draw = Draw(4, torch.float64, engine)
    start, end, layer, other = draw.segment(8, 6, 3, True)
    y = draw.classes(3, 6)
    with pytest.raises(ValueError, match="strides"):
        segments.segment_losses(
            start.T.contiguous().T, end, layer, other, [0], y
        )
    with pytest.raises(ValueError, match=r"needs \[\(8, 6\), \(3, 8\)"):
        segments.segment_losses(start, end[:4], layer, other, [0], y)
    with pytest.raises(ValueError, match="other has none"):
        boxes.interval_boxes(start, end, layer, (other[0], None), [0, 1])
    with pytest.raises(ValueError, match="weight has shape"):
        dropout.kept_outputs(start, layer[0][:, 1:], y[None])
    with pytest.raises(ValueError, match="both"):
        meanfield.back_project(
            *(t[None] for t in (end, start.float(), end)), end
        )


def test_the_shim_notices_a_missing_barrier(monkeypatch):
    """Else the tests above would prove less than they say."""
    if cuda_host.COMPILER is None:
        pytest.skip("no g++ here to compile the sources for the host")
    broken = launch.source("segments").replace("__syncthreads();", "")
    monkeypatch.setattr(launch, "source", lambda name: broken)
    monkeypatch.setattr(launch.device, "backend", lambda *a, **k: "cupy")
    draw = Draw(5, torch.float64, "cpu")
    segment = draw.segment(50, 40, 4, False)
    y, places = draw.classes(4, 40), draw.places(12)
    wanted = segments.reference(*segment, places, y, "cross_entropy")
    monkeypatch.setattr(launch, "_run", cuda_host.run)
    found = segments.segment_losses(*segment, places, y)
    assert not torch.allclose(found, wanted, rtol=1e-9, atol=0)
