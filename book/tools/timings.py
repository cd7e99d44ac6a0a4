"""What ``python -m book gpu-check`` times, one function a stage.

A stage takes the device, the measured ceilings and its sizes, and returns
numbers by name: seconds, ratios, and `of_floor`, the share of the time below
which the ceilings let no version go.
"""

import contextlib
import os
import statistics
import time

import torch

from kernels import device, meanfield
from kernels.cuda import boxes, dropout, segments

CLASSES = 10


def seconds(work, on, *, rounds=7, least=0.05):
    """Median seconds of a call, over rounds of at least `least` seconds.

    Of a GPU its own clock's, of a CPU processor seconds.
    """
    for _ in range(3):
        work()
    repeats = max(1, round(least / max(_round(work, on, 2), 1e-6)))
    return statistics.median(_round(work, on, repeats) for _ in range(rounds))


def _processor(work, repeats):
    began = time.process_time()
    for _ in range(repeats):
        work()
    return (time.process_time() - began) / repeats


def _round(work, on, repeats):
    if on.type != "cuda":
        return _processor(work, repeats)
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(repeats):
        work()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1e3 / repeats


@contextlib.contextmanager
def torch_alone():
    """Routines made or called within it take their Torch path."""
    name = "CONNECTED_LANDSCAPE_BACKEND"
    before = os.environ.get(name)
    os.environ[name] = "torch"
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


def ceilings(on, _, *, numbers, side):
    """Bytes a second of a copy, operations a second of matrix products."""
    source = torch.randn(numbers, device=on)
    target = torch.empty_like(source)
    copy = seconds(lambda: target.copy_(source), on)
    a, b, out = (torch.randn(side, side, device=on) for _ in range(3))
    rate = {}
    for name, precision in (
        ("fp32", contextlib.nullcontext),
        ("tf32", device.tf32),
    ):
        with precision():
            taken = seconds(lambda: torch.mm(a, b, out=out), on)
        rate[f"{name}_per_second"] = 2 * side**3 / taken
    return {"bytes_per_second": 2 * 4 * numbers / copy, **rate}


def floor(limits, operations, bytes_, rate):
    """Seconds below which the measured ceilings let no version go."""
    return max(operations / limits[rate], bytes_ / limits["bytes_per_second"])


def step(on, limits, *, trials, width, inputs, batch):
    """A mean-field step of all trials, and each trial by eager autograd."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(batch, inputs, generator=draw).to(on)
    y = torch.randint(CLASSES, (batch,), generator=draw).to(on)

    def ours(tf32):
        theta = meanfield.init(
            (inputs, width, CLASSES), trials=trials, generator=draw, device=on
        )
        one = meanfield.Step(theta, batch=batch, step_size=1e-3, tf32=tf32)
        return seconds(lambda: one(x, y), on)

    fused, exact = ours(True), ours(False)
    with torch_alone():
        plain = ours(True)
    with device.tf32():
        eager = seconds(_eager(x, y, trials, width), on)
    weights = trials * width * (inputs + CLASSES)
    operations = trials * batch * width * (4 * inputs + 6 * CLASSES)
    # the weights are read twice and written once
    least = floor(limits, operations, 3 * 4 * weights, "tf32_per_second")
    return {
        "seconds": fused,
        "seconds_fp32": exact,
        "seconds_torch": plain,
        "seconds_eager": eager,
        "of_tf32_rate": operations / fused / limits["tf32_per_second"],
        "of_tf32_rate_at_most": operations / least / limits["tf32_per_second"],
        "of_floor": least / fused,
        "faster_than_eager": eager / fused,
        "faster_than_torch": plain / fused,
    }


def _eager(x, y, trials, width):
    """One step of every trial, one after the other, by autograd."""
    nets = [
        torch.nn.Sequential(
            torch.nn.Linear(x.shape[1], width, bias=False),
            torch.nn.ReLU(),
            torch.nn.Linear(width, CLASSES, bias=False),
        ).to(x.device)
        for _ in range(trials)
    ]
    optimisers = [
        torch.optim.SGD(net.parameters(), lr=1e-3 * width) for net in nets
    ]

    def work():
        for net, optimiser in zip(nets, optimisers):
            optimiser.zero_grad()
            z = net(x) / width
            torch.nn.functional.cross_entropy(z, y).backward()
            optimiser.step()

    return work


def _compared(on, limits, fused, plain, operations, bytes_, *, rate):
    """Times of both, their largest relative difference, the ceilings."""
    found, wanted = fused(), plain()
    away = (found - wanted).double().norm() / wanted.double().norm()
    taken, other = seconds(fused, on), seconds(plain, on)
    return {
        "seconds": taken,
        "seconds_torch": other,
        "faster_than_torch": other / taken,
        "of_floor": floor(limits, operations, bytes_, rate) / taken,
        "relative_difference": float(away),
    }


def _segment(on, neurons, samples, dtype):
    draw = torch.Generator().manual_seed(1)

    def normal(*shape):
        return torch.randn(shape, generator=draw).to(on, dtype)

    layers = [(normal(CLASSES, neurons), normal(CLASSES)) for _ in range(2)]
    y = torch.randint(CLASSES, (samples,), generator=draw).to(on)
    return (*(normal(neurons, samples) for _ in range(2)), *layers), y


def interpolation(on, limits, *, neurons, samples, points):
    """Loss and error at the points of a segment, from its ends on."""
    segment, y = _segment(on, neurons, samples, torch.float32)
    places = torch.linspace(0, 1, points).tolist()
    given = (*segment, places, y, "cross_entropy")
    return _compared(
        on,
        limits,
        lambda: segments.segment_losses(*given),
        lambda: segments.reference(*given),
        points * samples * neurons * (2 * CLASSES + 3),
        2 * 4 * neurons * samples,
        rate="fp32_per_second",
    )


def interval_boxes(on, limits, *, neurons, samples, intervals):
    """A certificate's bounds on the intervals of a segment, in float64."""
    segment, _ = _segment(on, neurons, samples, torch.float64)
    places = torch.linspace(0, 1, intervals + 1).tolist()
    side = 4096 if on.type == "cuda" else 64
    a, b = (
        torch.randn(side, side, device=on, dtype=torch.float64)
        for _ in range(2)
    )
    double = 2 * side**3 / seconds(lambda: a @ b, on)
    found = _compared(
        on,
        {**limits, "fp64_per_second": double},
        lambda: boxes.interval_boxes(*segment, places),
        lambda: boxes.reference(*segment, places),
        intervals * samples * neurons * 14 * CLASSES,
        2 * 8 * neurons * samples,
        rate="fp64_per_second",
    )
    return {**found, "fp64_per_second": double}


def many_dropouts(on, limits, *, neurons, samples, draws):
    """Outputs of dropout networks that keep half of the last layer."""
    segment, _ = _segment(on, neurons, samples, torch.float32)
    units, weight = segment[0], segment[2][0]
    draw = torch.Generator().manual_seed(2)
    order = torch.rand(draws, neurons, generator=draw).argsort(1)
    kept = order[:, : neurons // 2].sort(1).values.to(on)
    return _compared(
        on,
        limits,
        lambda: dropout.kept_outputs(units, weight, kept, scale=2.0),
        lambda: dropout.reference(units, weight, kept, 2.0),
        2 * draws * (neurons // 2) * CLASSES * samples,
        4 * samples * (neurons + draws * CLASSES),
        rate="fp32_per_second",
    )


STAGES = {
    "ceilings": ceilings,
    "step": step,
    "interpolation": interpolation,
    "boxes": interval_boxes,
    "dropout": many_dropouts,
}


def in_turns(*works, rounds=5, least=0.02):
    """Median processor seconds of a call of each, measured in turns.

    Ratios of numbers taken in turns mean something on a machine that does
    other work, too; processor time leaves out most of that work.
    """

    repeats = [
        max(1, round(least / max(_processor(w, 1), 1e-6))) for w in works
    ]
    turns = [
        [_processor(w, n) for w, n in zip(works, repeats)]
        for _ in range(rounds)
    ]
    return [statistics.median(taken) for taken in zip(*turns)]
