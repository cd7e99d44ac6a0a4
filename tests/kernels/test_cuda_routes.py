"""The routines with their CUDA kernels, against themselves without.

On the host (cuda_shim.h), where Torch's own path is what runs otherwise, and
on a GPU where there is one.
"""

import contextlib
import types

import numpy as np
import pytest
import torch

from kernels import (
    certificates,
    device,
    dropout,
    interpolation,
    meanfield,
    networks,
    paths,
)
from kernels.cuda import launch


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def case(net, engine, samples=90):
    """Two parameters and a data set, where the kernels run."""

    def drawn(seed):
        theta = net.init(
            generator=seeded(seed), dtype=torch.float64, bias="uniform"
        )
        return tuple(tuple(p.to(engine) for p in layer) for layer in theta)

    x = torch.randn(
        samples, *net.inputs, generator=seeded(2), dtype=torch.float64
    )
    y = torch.randint(net.widths[-1], (samples,), generator=seeded(3))
    return drawn(0), drawn(1), x.to(engine), y.to(engine)


@pytest.fixture
def launched(monkeypatch):
    """The names of the kernels launched so far."""
    names, run = [], launch._run

    def noted(file, kernel, *rest, **options):
        names.append(kernel)
        run(file, kernel, *rest, **options)

    monkeypatch.setattr(launch, "_run", noted)
    return names


@contextlib.contextmanager
def torch_alone():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device, "backend", lambda *a, **k: "torch")
        yield


def convolutional():
    pool = networks.Pool("max", 2)
    layers = (
        networks.Layer(4, kernel=3, padding=1, pools=(pool,)),
        networks.Layer(5),
        networks.Layer(3),
    )
    return networks.Network((1, 4, 4), layers)


def straight_above(net, theta, other):
    """A segment along which only the last two layers move."""
    return paths.straight(theta, (*theta[:-2], *other[-2:]))


NETS = {
    "two layers": lambda: networks.mlp([6, 40, 3]),
    "four layers": lambda: networks.mlp([6, 11, 9, 30, 3]),
    "convolution below": convolutional,
}
nets = pytest.mark.parametrize("make", NETS.values(), ids=NETS)


@nets
@pytest.mark.parametrize("loss", ["cross_entropy", "square"])
def test_profile(engine, launched, make, loss):
    net = make()
    theta, other, x, y = case(net, engine)
    path = straight_above(net, theta, other)
    given = (net, path, x, y, 7, loss)
    found = interpolation.loss_curve(*given, batch=64)
    # two blocks of samples, each along the segment and at its own end
    assert launched == ["segment_losses"] * 4
    with torch_alone():
        wanted = interpolation.loss_curve(*given)
    torch.testing.assert_close(found.loss, wanted.loss, rtol=1e-11, atol=0)
    assert torch.equal(found.error, wanted.error)
    assert found.passes == wanted.passes


@nets
@pytest.mark.parametrize("loss", ["cross_entropy", "square"])
def test_certificate(engine, launched, make, loss):
    net = make()
    theta, other, x, y = case(net, engine)
    path = straight_above(net, theta, other)
    found = certificates.certify(net, path, x, y, loss, 0.01, budget=40)
    assert launched
    assert set(launched) == {"interval_boxes"}
    with torch_alone():
        wanted = certificates.certify(net, path, x, y, loss, 0.01, budget=40)
    assert found.upper == pytest.approx(wanted.upper, rel=1e-11)
    assert found.attained == pytest.approx(wanted.attained, rel=1e-11)
    assert found.error_upper == wanted.error_upper
    assert found.intervals == wanted.intervals


def test_a_path_that_moves_below_takes_torch(engine, launched):
    net = networks.mlp([6, 11, 9, 3])
    theta, other, x, y = case(net, engine)
    path = paths.straight(theta, other)
    interpolation.loss_curve(net, path, x, y, 4)
    certificates.certify(net, path, x, y, budget=8)
    assert launched == []


@pytest.mark.parametrize("first", [1, 2])
@pytest.mark.parametrize("rescale", ["brent", 1.7])
def test_dropout(engine, launched, first, rescale):
    net = networks.mlp([6, 20, 14, 3])
    theta, _, x, y = case(net, engine)
    run = {"first": first, "draws": 7, "rescale": rescale, "keep": [3, 0.5]}
    found = dropout.stability(net, theta, x, y, **run, generator=seeded(4))
    assert launched == ["kept_outputs"] * (first == 2)
    with torch_alone():
        wanted = dropout.stability(
            net, theta, x, y, **run, generator=seeded(4)
        )
    torch.testing.assert_close(
        found.train_loss, wanted.train_loss, rtol=1e-9, atol=0
    )
    torch.testing.assert_close(found.scale, wanted.scale)
    assert torch.equal(found.train_error, wanted.train_error)
    assert found.best == wanted.best


def test_dropout_of_channels_behind_a_flatten(engine, launched):
    pool = networks.Pool("max", 2)
    layers = (
        networks.Layer(6, kernel=3, padding=1, pools=(pool,)),
        networks.Layer(3),
    )
    net = networks.Network((1, 4, 4), layers)
    theta, _, x, y = case(net, engine)
    found = dropout.stability(net, theta, x, y, draws=4, generator=seeded(4))
    assert launched == ["kept_outputs"]
    with torch_alone():
        wanted = dropout.stability(
            net, theta, x, y, draws=4, generator=seeded(4)
        )
    torch.testing.assert_close(found.train_loss, wanted.train_loss)


@pytest.mark.parametrize("loss", ["cross_entropy", "square"])
@pytest.mark.parametrize("activation", [torch.relu, torch.tanh])
@pytest.mark.parametrize(
    ("sizes", "ends"),
    [((5, 37, 3), True), ((5, 8, 9, 3), True), ((5, 8, 9, 3), False)],
)
def test_mean_field_training(engine, launched, sizes, ends, activation, loss):
    x = torch.randn(60, 5, generator=seeded(1), dtype=torch.float64)
    y = torch.randint(3, (60,), generator=seeded(2))

    def trained():
        theta = meanfield.init(
            sizes, trials=2, generator=seeded(3), dtype=torch.float64
        )
        return meanfield.train(
            tuple(w.to(engine) for w in theta),
            (x.to(engine), y.to(engine)),
            step_size=0.1,
            generator=seeded(4),
            batch=7,
            steps=5,
            loss=loss,
            activation=activation,
            train_ends=ends,
        )

    found = trained()
    used = {"loss_gradient"}
    if activation is torch.relu:
        used.add("back_project")
    assert set(launched) == used
    with torch_alone():
        wanted = trained()
    torch.testing.assert_close(found.losses, wanted.losses)
    for w, same in zip(found.theta, wanted.theta):
        torch.testing.assert_close(w, same)


def test_too_many_outputs_take_torch(engine, launched):
    net = networks.mlp([4, 9, 33])
    theta, other, x, y = case(net, engine)
    interpolation.loss_curve(net, paths.straight(theta, other), x, y, 4)
    assert launched == []


def test_launching_hands_cupy_the_source_and_the_memory(monkeypatch):
    """What CuPy is told, with a CuPy that only takes notes."""
    notes = {}

    class RawModule:
        def __init__(self, *, code, options):
            notes.update(code=code, options=options)

        def get_function(self, name):
            notes["name"] = name
            return lambda *rest: notes.update(rest=rest)

    cupy = types.SimpleNamespace(RawModule=RawModule)
    cupy.from_dlpack = np.from_dlpack
    monkeypatch.setitem(__import__("sys").modules, "cupy", cupy)
    monkeypatch.setattr(device, "cupy_stream", contextlib.nullcontext)
    launch._module.cache_clear()
    x = torch.zeros(4)
    launch.launch(
        "dropout",
        "kept_outputs",
        (2, 1, 1),
        (32, 1, 1),
        (x, None, 7),
        outputs=3,
    )
    launch._module.cache_clear()
    assert notes["code"] == launch.source("dropout")
    assert set(notes["options"]) == {
        "--std=c++17",
        "-DREAL=float",
        "-DOUTPUTS=3",
    }
    grid, block, (shared, null, number) = notes["rest"]
    assert (notes["name"], grid, block) == (
        "kept_outputs",
        (2, 1, 1),
        (32, 1, 1),
    )
    x[2] = 5  # the same memory
    assert shared[2] == 5
    assert (null, number) == (0, 7)
    assert (null.dtype, number.dtype) == (np.uint64, np.int32)
