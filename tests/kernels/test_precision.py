"""bfloat16 products: close to float32 on one stream, and resumed exactly."""

import warnings

import pytest
import torch

from kernels import dropout, meanfield, subnetworks, training
from kernels.networks import Layer, Network, Pool, convolution, mlp
from kernels.networks.convolution import convolve
from kernels.training.dropout import forward
from kernels.training.precision import Precision

BAND = 0.03  # of the loss at the start: bfloat16 keeps 8 bits, 0.4 per cent


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def dense(dtype=torch.float32):
    net = mlp([20, 30, 24, 4])
    x = torch.randn((96, 20), generator=generator(1), dtype=dtype)
    y = torch.randint(4, (96,), generator=generator(2))
    return net, net.init(generator=generator(3), dtype=dtype), x, y


def images():
    net = Network(
        (3, 8, 8),
        (
            Layer(16, True, 3, 1, pools=(Pool("max", 2),)),
            Layer(16, True, 3, 1, pools=(Pool("max", 2),)),
            Layer(12),
            Layer(4),
        ),
    )
    x = torch.randn((96, 3, 8, 8), generator=generator(1))
    y = torch.randint(4, (96,), generator=generator(2))
    return net, net.init(generator=generator(3)), x, y


def go(case, *, mixed, **more):
    net, theta, x, y = case
    how = dict(
        step_size=0.02, momentum=0.9, weight_decay=1e-3, batch=16, epochs=6
    )
    return training.train(
        net,
        theta,
        (x, y),
        generator=generator(4),
        mixed_precision=mixed,
        **(how | more),
    )


def flat(theta):
    return torch.cat([p.flatten() for layer in theta for p in layer])


@pytest.mark.parametrize("case", [dense, images])
@pytest.mark.parametrize("dropout", [0.0, 0.25])
def test_the_loss_curve_stays_in_a_band_about_float32s(case, dropout):
    full, mixed = (go(case(), mixed=m, dropout=dropout) for m in (False, True))
    start = full.losses[0]
    assert full.losses[-6:].mean() < 0.9 * start  # it learns
    assert (full.losses - mixed.losses).abs().max() < BAND * start
    assert not torch.equal(full.losses, mixed.losses)  # and it is bfloat16


@pytest.mark.parametrize("case", [dense, images])
def test_a_bfloat16_run_resumes_bit_for_bit(case, tmp_path):
    class Stop(Exception):
        pass

    def run(mixed=True, stop_at=None, **more):
        seen = []

        def measure(theta):
            seen.append(flat(theta))
            if len(seen) == stop_at:
                raise Stop
            return seen[-1]

        how = dict(dropout=0.25, snapshots=(0.3, 0.7), measure=measure)
        return go(case(), mixed=mixed, **how, **more)

    whole, path = run(), tmp_path / "run.pt"
    with pytest.raises(Stop):
        run(checkpoint=path, stop_at=2)
    again = run(checkpoint=path)
    assert torch.equal(flat(whole.theta), flat(again.theta))
    assert torch.equal(whole.losses, again.losses)
    with pytest.raises(ValueError, match="mixed_precision was True"):
        run(mixed=False, checkpoint=path)


def particles(sizes=(21, 33, 300, 5), trials=2):
    """Mean-field weights and a set that they can learn."""
    g = generator(7)
    theta = meanfield.init(sizes, trials=trials, std=1.0, generator=g)
    x = torch.randn((60, sizes[0]), generator=g)
    return theta, x, x[:, : sizes[-1]].argmax(1)


def settle(theta, x, y, **more):
    """A run of `meanfield.train` with the tests' settings."""
    how = dict(step_size=0.3, batch=15, epochs=30, generator=generator(8))
    return meanfield.train(theta, (x, y), **(how | more))


@pytest.mark.parametrize(
    ("sizes", "ends"),
    [
        ((21, 300, 5), True),
        ((7, 1, 3), True),
        ((21, 33, 300, 5), True),
        ((21, 33, 300, 5), False),
    ],
)
def test_mean_field_curves_stay_in_a_band_about_float32s(sizes, ends):
    full, mixed = (
        settle(*particles(sizes), mixed_precision=m, train_ends=ends)
        for m in (False, True)
    )
    start = full.losses[0].mean()
    assert (full.losses - mixed.losses).abs().max() < BAND * start
    assert not torch.equal(full.losses, mixed.losses)
    before = particles(sizes)[0]
    for layer, old in enumerate(before):
        new, near = full.theta[layer], mixed.theta[layer]
        assert near.dtype == torch.float32
        moved = (new - old).norm()
        fixed = not ends and layer in (0, len(before) - 1)
        assert (moved == 0) == fixed
        assert (near - new).norm() <= 0.1 * moved


def test_one_mean_field_step_in_bfloat16_is_the_gradient():
    """Layer by layer, to a tenth of it.

    bfloat16 keeps 2^-8, and a gradient sums terms that cancel.
    """
    theta, x, y = particles()
    exact = tuple(w.double() for w in theta)
    was = [w.clone() for w in exact]
    meanfield.sgd_step(exact, x.double(), y, step_size=0.7)
    meanfield.Step(theta, batch=60, step_size=0.7, mixed_precision=True)(x, y)
    for new, near, old in zip(exact, theta, was):
        moved = (new - old).norm()
        assert (near - new).norm() < 0.1 * moved


def test_a_mean_field_step_sees_weights_changed_from_outside():
    theta, x, y = particles()
    step = meanfield.Step(theta, batch=60, step_size=0.1, mixed_precision=True)
    step(x, y)
    for w in theta:
        w.mul_(2)
    other = tuple(w.clone() for w in theta)
    fresh = meanfield.Step(
        other, batch=60, step_size=0.1, mixed_precision=True
    )
    assert torch.equal(step(x, y), fresh(x, y))
    assert all(map(torch.equal, theta, other))


def test_a_mean_field_bfloat16_run_resumes_bit_for_bit(tmp_path):
    class Stop(Exception):
        pass

    def run(stop=False, mixed=True, path=None):
        def measure(theta):
            if stop:
                raise Stop
            return theta[0].norm().item()

        return settle(
            *particles(),
            mixed_precision=mixed,
            snapshots=[0.6],
            measure=measure,
            checkpoint=path,
            checkpoint_every=7,
        )

    whole, path = run(), tmp_path / "run.pt"
    with pytest.raises(Stop):
        run(stop=True, path=path)
    again = run(path=path)
    assert all(map(torch.equal, whole.theta, again.theta))
    assert torch.equal(whole.losses, again.losses)
    with pytest.raises(ValueError, match="mixed_precision was True"):
        run(mixed=False, path=path)


@pytest.mark.parametrize("case", [dense, images])
def test_parameters_stay_float32_and_small_steps_add_up(case):
    """A thousandth of bfloat16's spacing a step is not lost."""
    tiny = dict(step_size=3e-6, momentum=0.0, weight_decay=0.0, epochs=20)
    _, theta, *_ = one = case()
    full, mixed = (go(one, mixed=m, **tiny) for m in (False, True))
    for weight, _ in mixed.theta:
        assert weight.dtype == torch.float32
        assert weight.is_contiguous()
    moved, moved_mixed = (flat(r.theta) - flat(theta) for r in (full, mixed))
    assert moved.norm() > 0
    assert (moved - moved_mixed).norm() < 0.05 * moved.norm()


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5])
def test_dropout_in_bfloat16_drops_the_same_units_and_keeps_the_mean(rate):
    h = torch.rand((4000, 16), generator=generator(5)) + 0.5
    narrow = mlp([16, 16, 2], bias=False)
    one = ((torch.eye(16), None), (torch.ones(2, 16), None))
    full = forward(narrow, one, h, [rate], generator(6))
    with Precision(True, h)():
        mixed = forward(narrow, one, h, [rate], generator(6))
    ratio = mixed.float() / full
    assert (ratio - 1).abs().max() < 0.02  # other units would move it more
    assert abs(ratio.mean() - 1) < 5e-4  # a rounded 1 / (1 - rate) would too


def test_evaluation_in_bfloat16_is_close():
    net, theta, x, y = images()
    exact = training.evaluate(net, theta, x, y)
    near = training.evaluate(net, theta, x, y, mixed_precision=True)
    assert near != exact
    assert near[0] == pytest.approx(exact[0], rel=0.01)
    assert near[1] == pytest.approx(exact[1], abs=0.05)


@pytest.mark.parametrize("case", [dense, images])
@pytest.mark.parametrize("first", [1, 2])
def test_dropout_stability_in_bfloat16(case, first):
    net, theta, x, y = case()
    full, mixed = (
        dropout.stability(
            net,
            theta,
            x,
            y,
            first=first,
            draws=5,
            rescale="inverse",
            generator=generator(7),
            test=(x[:10], y[:10]),
            mixed_precision=m,
        )
        for m in (False, True)
    )
    for one in ("train_loss", "test_loss"):
        a, b = getattr(full, one), getattr(mixed, one)
        assert 0 < (a - b).abs().max() < BAND
    assert all(
        torch.equal(a, b)
        for one, other in zip(full.kept, mixed.kept)
        for a, b in zip(one, other)
    )


@pytest.mark.parametrize("case", [dense, images])
def test_subnetworks_in_bfloat16(case, tmp_path):
    net, theta, x, y = case()
    how = dict(
        layer=1, draws=2, epochs=4, batch=16, step_size=5e-3, momentum=0.9,
        stop=None,
    )  # fmt: skip
    full, mixed = (
        subnetworks.train(
            net,
            theta,
            x,
            y,
            generator=generator(7),
            mixed_precision=m,
            store=tmp_path / str(m),
            **how,
        )
        for m in (False, True)
    )
    difference = (full.train_loss - mixed.train_loss).abs().max()
    assert 0 < difference < BAND
    assert all(torch.equal(a, b) for a, b in zip(full.kept, mixed.kept))
    with pytest.raises(ValueError, match="mixed_precision was True"):
        subnetworks.train(
            net, theta, x, y, generator=generator(7), store=tmp_path / "True",
            **how,
        )  # fmt: skip


@pytest.mark.parametrize("channels", [1, 3, 40])
@pytest.mark.parametrize(
    ("size", "side", "stride", "padding"),
    [
        ((4, 4), 3, 1, 1),
        ((5, 2), 3, 1, 1),
        ((1, 1), 1, 1, 0),
        ((7, 6), 3, 2, 1),
        ((5, 5), 5, 1, 0),
        ((2, 3), 2, 1, 2),
        ((9, 9), 3, 1, 1),  # too large: torch's own convolution
    ],
)
def test_a_bfloat16_convolution_and_its_gradients(
    channels, size, side, stride, padding
):
    """Within bfloat16's rounding of the sums of these numbers in float64."""
    shapes = (5, channels, *size), (7, channels, side, side), (7,)
    g = generator(8)
    parts = [torch.randn(s, generator=g).bfloat16() for s in shapes]
    how = dict(stride=stride, padding=padding)
    exact = [p.double().requires_grad_() for p in parts]
    z = torch.nn.functional.conv2d(*exact, **how)
    seen = torch.randn(z.shape, generator=g).bfloat16()
    z.backward(seen.double())
    terms = torch.nn.functional.conv2d(*[p.abs() for p in exact], **how)
    last = parts[0].contiguous(memory_format=torch.channels_last)
    for h in (parts[0], last):
        near = [h.clone(), *(p.clone() for p in parts[1:])]
        near = [p.requires_grad_() for p in near]
        found = convolve(*near, **how)
        assert found.shape == z.shape
        assert found.dtype == torch.bfloat16
        # one rounding of the result, and float32's of its sum
        assert ((found - z).abs() <= 2**-8 * z.abs() + 2**-16 * terms).all()
        found.backward(seen)
        for one, other in zip(near, exact):
            gap = (one.grad - other.grad).norm()
            assert gap <= 2**-7 * other.grad.norm()


def test_autocast_gives_what_bfloat16_parts_give():
    shapes = (5, 3, 4, 4), (7, 3, 3, 3), (7,)
    parts = [torch.randn(s, generator=generator()) for s in shapes]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = convolve(*parts, padding=1)
    expected = convolve(*[p.bfloat16() for p in parts], padding=1)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_other_convolutions_are_torchs_own(dtype):
    h = torch.randn((3, 5, 4, 4), generator=generator(), dtype=dtype)
    weight = torch.randn((6, 5, 3, 3), generator=generator(1), dtype=dtype)
    expected = torch.nn.functional.conv2d(h, weight, None, padding=1)
    assert torch.equal(convolve(h, weight, None, padding=1), expected)


def test_what_mixed_precision_does_not_take():
    double = tuple(w.double() for w in particles()[0])
    with pytest.raises(ValueError, match="float64; float32 will do"):
        meanfield.Step(double, batch=9, step_size=1, mixed_precision=True)
    with pytest.raises(ValueError, match="float64; float32 will do"):
        go(dense(torch.float64), mixed=True)
    net, theta, x, y = dense(torch.float64)
    with pytest.raises(ValueError, match="float64; float32 will do"):
        training.evaluate(net, theta, x, y, mixed_precision=True)
    with pytest.raises(ValueError, match="float64; float32 will do"):
        dropout.stability(
            net, theta, x, y, generator=generator(), mixed_precision=True
        )
    with pytest.raises(ValueError, match="mixed_precision is 'bf16'"):
        go(dense(), mixed="bf16")


def measure_stability(*, mixed):
    net, theta, x, y = dense()
    dropout.stability(
        net, theta, x, y, draws=1, generator=generator(), mixed_precision=mixed
    )


def train_subnetworks(*, mixed):
    net, theta, x, y = dense()
    how = dict(layer=1, draws=1, epochs=1, batch=96, stop=None)
    subnetworks.train(
        net, theta, x, y, generator=generator(), mixed_precision=mixed, **how
    )


def train_particles(*, mixed):
    settle(*particles(), epochs=1, mixed_precision=mixed)


DOORS = {
    "mean field": train_particles,
    "train": lambda mixed: go(dense(), mixed=mixed, epochs=1),
    "evaluate": lambda mixed: training.evaluate(
        *dense(), mixed_precision=mixed
    ),
    "stability": measure_stability,
    "subnetworks": train_subnetworks,
}


@pytest.mark.parametrize("door", DOORS)
def test_emulated_products_are_warned_of(door, monkeypatch):
    call = DOORS[door]

    def told(able, *, mixed, built=True):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
        monkeypatch.setattr(
            torch.backends.mkldnn, "is_available", lambda: built
        )
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default")  # Python's own: once a place
            call(mixed=mixed)
            if mixed:
                training.evaluate(*dense(), mixed_precision=True)
        return [str(w.message) for w in caught]

    x86 = {"avx2": True, "avx512_f": True, "avx512_bf16": False}
    for able in ({}, x86, {"neon": True, "bf16": False}):
        (message,) = told(able, mixed=True)  # once, two calls
        assert message.startswith("mixed_precision=True: ")
        assert "emulated" in message
        assert "mixed_precision=False" in message
        assert told(able, mixed=False) == []
    for name in ("avx512_bf16", "amx_bf16", "bf16"):
        assert told({name: True}, mixed=True) == []
        assert len(told({name: True}, mixed=True, built=False)) == 1


@pytest.mark.parametrize(
    ("samples", "channels", "size", "side", "stride", "padding"),
    [
        (0, 16, 8, 3, 1, 1),
        (1, 3, 5, 3, 2, 0),
        (700, 7, 9, 3, 2, 1),
        (300, 16, 8, 3, 1, 1),
        (50, 40, 4, 1, 1, 0),
        (257, 51, 2, 3, 1, 1),
    ],
)
def test_many_float64_samples_go_in_parts_to_the_same_bits(
    samples, channels, size, side, stride, padding, monkeypatch
):
    """Their gradients too; the weight's is of all samples at once."""
    g = generator(3)
    h = torch.randn(samples, channels, size, size, generator=g).double()
    weight = torch.randn(5, channels, side, side, generator=g).double()
    bias = torch.randn(5, generator=g).double()
    how = dict(stride=stride, padding=padding)
    counted = []
    plain = torch.nn.functional.conv2d

    def conv2d(part, *args, **kwargs):
        counted.append(len(part))
        return plain(part, *args, **kwargs)

    monkeypatch.setattr(convolution.functional, "conv2d", conv2d)
    found = convolve(h.requires_grad_(), weight, bias, **how)
    parts = len(counted)
    assert sum(counted) == samples
    assert (parts > 1) == (samples in (700, 300))
    again = convolve(h, weight.clone().requires_grad_(), bias, **how)
    assert len(counted) == parts + 1
    expected = plain(h, weight, bias, **how)
    assert torch.equal(found, expected)
    assert torch.equal(again, expected)
    if samples:
        seen = torch.randn(found.shape, generator=g).double()
        ours, theirs = (
            torch.autograd.grad(z, h, seen) for z in (found, expected)
        )
        assert torch.equal(*ours, *theirs)
