"""Training of networks: against plain NumPy, resumed, stopped, refused."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import training
from kernels.networks import Layer, Network, Pool, mlp
from kernels.training.minibatches import Shuffled, checksum

F64 = torch.float64


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def dataset(n=23, inputs=5, classes=3, dtype=F64):
    g = generator(1)
    x = torch.randn((n, inputs), generator=g, dtype=dtype)
    return x, torch.randint(classes, (n,), generator=g)


def net_and_theta(bias=True, dtype=F64):
    net = mlp([5, 7, 3], bias=bias)
    return net, net.init(generator=generator(2), dtype=dtype, bias="uniform")


def images():
    """A network with pooling behind its convolution, and data for it."""
    net = Network(
        (2, 6, 5),
        (Layer(3, True, 3, 1, pools=(Pool("max", 2),)), Layer(4), Layer(3)),
    )
    x, y = dataset(16, 60)
    return net, net.init(generator=generator(4), dtype=F64), x, y


def same(theta, other):
    return all(
        (p is None and q is None) or torch.equal(p, q)
        for layer, twin in zip(theta, other)
        for p, q in zip(layer, twin)
    )


# ------------------------------------------------- a loop in plain NumPy


def numpy_gradients(weights, x, y, loss):
    """Two layers with biases; y class indices; mean loss and gradients."""
    w1, b1, w2, b2 = weights
    z1 = x @ w1.T + b1
    h = np.maximum(z1, 0)
    z = h @ w2.T + b2
    hot = np.eye(z.shape[1])[y]
    if loss == "square":
        value = ((z - hot) ** 2).sum(1).mean()
        dz = 2 * (z - hot) / len(x)
    else:
        e = np.exp(z - z.max(1, keepdims=True))
        soft = e / e.sum(1, keepdims=True)
        value = -np.log((soft * hot).sum(1)).mean()
        dz = (soft - hot) / len(x)
    dz1 = (dz @ w2) * (z1 > 0)
    return value, [dz1.T @ x, dz1.sum(0), dz.T @ h, dz.sum(0)]


def inverse_time(k, per_epoch):
    return 1 / (1 + 0.03 * k)


def halves(k, per_epoch):
    return 0.5 ** (k // (2 * per_epoch))


@pytest.mark.parametrize("loss", ["cross_entropy", "square"])
@pytest.mark.parametrize(
    ("momentum", "nesterov"), [(0.0, False), (0.9, False), (0.8, True)]
)
@pytest.mark.parametrize(
    ("schedule", "factor"),
    [
        (None, lambda k, per_epoch: 1.0),
        (training.InverseTime(0.03), inverse_time),
        (training.StepDecay(0.5, epochs=2), halves),
    ],
)
def test_sgd_is_the_plain_loop(loss, momentum, nesterov, schedule, factor):
    net, theta = net_and_theta()
    x, y = dataset()
    run = training.train(
        net,
        theta,
        (x, y),
        step_size=0.05,
        batch=5,
        epochs=5,
        momentum=momentum,
        nesterov=nesterov,
        weight_decay=0.01,
        schedule=schedule,
        loss=loss,
        generator=generator(7),
    )
    weights = [part.numpy().copy() for layer in theta for part in layer]
    velocity = [np.zeros_like(w) for w in weights]
    g, losses = generator(7), []
    for k in range(5 * 4):  # 23 samples are 4 minibatches and 3 left over
        if k % 4 == 0:
            order = torch.randperm(23, generator=g)
        rows = order[5 * (k % 4) :][:5]
        value, gradients = numpy_gradients(
            weights, x[rows].numpy(), y[rows].numpy(), loss
        )
        losses.append(value)
        for w, v, gradient in zip(weights, velocity, gradients):
            gradient = gradient + 0.01 * w
            v *= momentum
            v += gradient
            step = gradient + momentum * v if nesterov else v
            w -= 0.05 * factor(k, 4) * step
    assert run.steps == 20
    assert run.per_epoch == 4
    np.testing.assert_allclose(run.losses, losses, rtol=1e-12)
    for layer, pair in zip(run.theta, zip(weights[::2], weights[1::2])):
        for part, expected in zip(layer, pair):
            np.testing.assert_allclose(part, expected, rtol=0, atol=1e-12)


def test_the_start_is_left_as_it_is():
    net, theta = net_and_theta(bias=False)
    before = [layer[0].clone() for layer in theta]
    run = training.train(
        net, theta, dataset(), step_size=0.1, batch=5, steps=3,
        generator=generator(),
    )  # fmt: skip
    assert all(torch.equal(w, layer[0]) for w, layer in zip(before, theta))
    assert not torch.equal(run.theta[0][0], theta[0][0])
    assert not any(layer[0].requires_grad for layer in run.theta)
    assert all(layer[1] is None for layer in run.theta)


# -------------------------------------------------------------- dropout


def seen_through(layer, units):
    """A network whose outputs are the features of its one hidden layer."""
    net = Network(
        (2, 4, 4) if layer.kernel else (6,), (layer, Layer(units, False))
    )
    weight = torch.randn(
        net.weight_shape(1), generator=generator(3), dtype=F64
    )
    theta = ((weight, None), (torch.eye(units, dtype=F64), None))
    n = 4000
    shape = (n, *net.inputs)
    x = torch.randn(shape, generator=generator(4), dtype=F64)
    return net, theta, x


@pytest.mark.parametrize(
    ("layer", "units", "block"),
    [
        (Layer(7, False), 7, 1),
        (Layer(3, False, 3, 1), 48, 16),
        (Layer(3, False, 3, 1, pools=(Pool("max", 2),)), 12, 4),
    ],
)
@pytest.mark.parametrize("rate", [0.25, 0.5])
def test_dropout_drops_whole_units_and_keeps_the_mean(
    layer, units, block, rate
):
    net, theta, x = seen_through(layer, units)
    clean = net.forward(theta, x)
    dropped = training.forward(net, theta, x, (rate,), generator(5))
    clean, dropped = (
        z.reshape(len(x), layer.width, block) for z in (clean, dropped)
    )
    kept = (dropped != 0).any(2)
    expected = kept[:, :, None] * clean / (1 - rate)
    torch.testing.assert_close(dropped, expected, rtol=1e-12, atol=0)
    alive = (clean != 0).any(2)
    share = kept[alive].double().mean()
    deviation = (rate * (1 - rate) / alive.sum()) ** 0.5
    assert abs(float(share) - (1 - rate)) < 4 * deviation
    together = (kept[:, 0] == kept[:, 1])[alive[:, 0] & alive[:, 1]]
    expected = rate**2 + (1 - rate) ** 2  # units are dropped independently
    assert abs(float(together.double().mean()) - expected) < 0.05


@settings(max_examples=25, deadline=None)
@given(
    widths=st.lists(st.integers(1, 6), min_size=2, max_size=5),
    bias=st.booleans(),
    seed=st.integers(0, 99),
)
def test_without_dropout_it_is_the_network(widths, bias, seed):
    net = mlp(widths, bias)
    g = generator(seed)
    theta = net.init(generator=g, dtype=F64, bias="uniform")
    x = torch.randn((4, widths[0]), generator=g, dtype=F64)
    rates = (0.0,) * len(net.hidden)
    z = training.forward(net, theta, x, rates, None)
    assert torch.equal(z, net.forward(theta, x))


def test_training_with_dropout_differs_by_layer():
    net, theta, x, y = images()
    arguments = dict(step_size=0.1, batch=8, steps=4, weight_decay=0.0)
    runs = [
        training.train(
            net, theta, (x, y), dropout=rate, generator=generator(3),
            **arguments,
        ).losses
        for rate in (0.0, [0.0, 0.0], [0.5, 0.0], [0.0, 0.5], 0.5)
    ]  # fmt: skip
    assert torch.equal(runs[0], runs[1])
    for k in range(1, 5):
        for other in range(k + 1, 5):
            assert not torch.equal(runs[k], runs[other])


# ----------------------------------------------------------- evaluation


def test_evaluation_is_the_mean_over_the_set():
    net, theta = net_and_theta()
    x, y = dataset(200)
    weights = [part.numpy() for layer in theta for part in layer]
    for loss in ("cross_entropy", "square"):
        value, _ = numpy_gradients(weights, x.numpy(), y.numpy(), loss)
        z = np.maximum(x.numpy() @ weights[0].T + weights[1], 0)
        z = z @ weights[2].T + weights[3]
        error = (z.argmax(1) != y.numpy()).mean()
        for block in (None, 1, 7, 200):
            found = training.evaluate(net, theta, x, y, loss=loss, block=block)
            np.testing.assert_allclose(found, (value, error), rtol=1e-12)


def test_evaluation_with_dropout_on():
    net, theta = net_and_theta()
    x, y = dataset(300)
    kwargs = dict(dropout=0.5)
    first = training.evaluate(
        net, theta, x, y, generator=generator(1), **kwargs
    )
    again = training.evaluate(
        net, theta, x, y, generator=generator(1), **kwargs
    )
    assert first == again
    assert first != training.evaluate(net, theta, x, y)
    with pytest.raises(ValueError, match="needs a generator"):
        training.evaluate(net, theta, x, y, **kwargs)
    with pytest.raises(ValueError, match="300 samples and y has 299"):
        training.evaluate(net, theta, x, y[:-1])


# --------------------------------------------------- resuming, stopping


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("sampling", ["epochs", "independent"])
def test_an_interrupted_run_resumes_bit_for_bit(tmp_path, sampling):
    net, theta, x, y = images()
    calls = []

    def go(checkpoint=None, stop_at=None):
        def measure(theta):
            calls.append(1)
            if stop_at is not None and len(calls) == stop_at:
                raise Interrupted
            return theta[0][0].sum().item()

        return training.train(
            net,
            theta,
            (x.reshape(-1, 2, 6, 5), y),
            step_size=0.05,
            batch=3,
            epochs=8,
            momentum=0.9,
            weight_decay=1e-3,
            schedule=training.StepDecay(0.7, epochs=1),
            dropout=(0.25, 0.5),
            augment=training.CropFlip(padding=1),
            sampling=sampling,
            stop="separation",
            snapshots=(0, 13, 0.7, 1),
            measure=measure,
            checkpoint=checkpoint,
            checkpoint_every=7,
            generator=generator(11),
        )

    whole = go()
    path = tmp_path / "run.pt"
    calls.clear()
    with pytest.raises(Interrupted):
        go(path, stop_at=3)
    calls.clear()
    resumed = go(path)
    assert len(calls) == 2  # the first two were in the checkpoint
    assert same(whole.theta, resumed.theta)
    assert torch.equal(whole.losses, resumed.losses)
    assert whole.snapshots == resumed.snapshots
    assert [s.step for s in whole.snapshots] == [0, 13, 28, 40]
    calls.clear()
    done = go(path)
    assert calls == []
    assert same(whole.theta, done.theta)
    assert list(tmp_path.iterdir()) == [path]


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    net, theta = net_and_theta()
    path = tmp_path / "run.pt"

    def go(theta, **changed):
        arguments = dict(step_size=0.1, batch=5, steps=4) | changed
        training.train(
            net, theta, dataset(), checkpoint=path, generator=generator(),
            **arguments,
        )  # fmt: skip

    go(theta)
    for change, match in (
        (dict(step_size=0.2), "step_size was 0.1 and is now 0.2"),
        (dict(momentum=0.5), "momentum was 0.0 and is now 0.5"),
        (dict(dropout=0.5), "dropout was"),
        (dict(schedule=training.InverseTime(0.1)), "schedule was 'None'"),
    ):
        with pytest.raises(ValueError, match=match):
            go(theta, **change)
    other = net.init(generator=generator(99), dtype=F64)
    with pytest.raises(ValueError, match="start was"):
        go(other)


def test_it_stops_where_the_training_set_is_separated():
    x, _ = dataset(103)
    y = (x[:, 0] > 0).long()
    net = mlp([5, 30, 2])
    theta = net.init(generator=generator(2), dtype=F64)
    arguments = dict(
        step_size=0.5, batch=10, epochs=400, generator=generator(3)
    )
    run = training.train(
        net, theta, (x, y), stop="separation", snapshots=(0, 1), **arguments
    )
    assert run.separated
    assert run.steps % run.per_epoch == 0
    assert run.steps < 400 * 10
    assert len(run.losses) == run.steps
    assert [s.step for s in run.snapshots] == [0]
    assert training.evaluate(net, run.theta, x, y)[1] == 0
    # one epoch less was not enough, by the rule itself
    arguments |= dict(epochs=run.steps // 10 - 1, generator=generator(3))
    shorter = training.train(
        net, theta, (x, y), stop="separation", **arguments
    )
    assert not shorter.separated
    assert shorter.steps == run.steps - 10


def test_an_epoch_with_errors_is_not_enough():
    g = generator(5)
    y = torch.randint(2, (60,), generator=g)
    x = torch.randn((60, 5), generator=g, dtype=F64) + 20 * y[:, None] - 10
    net = mlp([5, 8, 2])
    theta = net.init(generator=generator(1), dtype=F64)
    assert training.evaluate(net, theta, x, y)[1] > 0
    for epochs, steps in ((1, 10), (9, 20)):
        run = training.train(
            net, theta, (x, y), stop="separation", step_size=0.1, batch=6,
            epochs=epochs, generator=generator(3),
        )  # fmt: skip
        assert training.evaluate(net, run.theta, x, y)[1] == 0
        assert run.steps == steps
        assert run.separated == (epochs > 1)


def test_it_does_not_stop_where_labels_contradict():
    x, y = dataset(20)
    x, y = torch.cat([x, x]), torch.cat([y, (y + 1) % 3])
    net, theta = net_and_theta()
    run = training.train(
        net, theta, (x, y), stop="separation", dropout=0.1, step_size=0.1,
        batch=8, epochs=6, generator=generator(3),
    )  # fmt: skip
    assert not run.separated
    assert run.steps == 30


def test_independent_minibatches_hold_different_samples():
    x = torch.arange(12.0)[:, None]
    afresh = Shuffled(x, x, 5, [generator(0)], afresh=True)
    batches = [afresh.next()[0].flatten().tolist() for _ in range(200)]
    assert all(len(set(batch)) == 5 for batch in batches)
    repeats = sum(
        bool(set(a) & set(b)) for a, b in zip(batches[::2], batches[1::2])
    )
    assert repeats > 80  # 97 % of pairs share a sample, none within an epoch
    counts = np.bincount(np.array(batches).astype(int).ravel())
    assert counts.min() > 50


# --------------------------------------- schedules, augmentation, errors


def test_schedules():
    decay = training.StepDecay(0.5, epochs=30)
    assert [decay(k, 10) for k in (0, 299, 300, 599, 600)] == [
        1, 1, 0.5, 0.5, 0.25,
    ]  # fmt: skip
    assert training.InverseTime(1e-6)(10**6, 1) == 0.5
    for bad in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="epochs is"):
            training.StepDecay(0.5, epochs=bad)
    with pytest.raises(ValueError, match="decay is -1"):
        training.InverseTime(-1)


def test_crops_and_mirror_images():
    x = torch.randn((40, 2, 4, 3), generator=generator())
    out = training.CropFlip(padding=1)(x, generator(1))
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), (1, 1), (1, 1)))
    seen = set()
    for image, source in zip(out.numpy(), padded):
        matches = {
            (top, left, flip)
            for top in range(3)
            for left in range(3)
            for flip in (1, -1)
            if np.array_equal(
                image, source[:, top : top + 4, left : left + 3][..., ::flip]
            )
        }
        assert len(matches) == 1
        seen |= matches
    assert len(seen) > 10
    assert {flip for *_, flip in seen} == {1, -1}
    plain = training.CropFlip(padding=0, flip=False)(x, generator(1))
    assert torch.equal(plain, x)
    with pytest.raises(ValueError, match=r"shape \(40, 24\)"):
        training.CropFlip()(x.flatten(1), generator())


def test_a_run_that_diverges_says_so():
    net, theta = net_and_theta()
    x, y = dataset()
    with pytest.raises(FloatingPointError, match=r"try step_size=3\.3e\+99"):
        training.train(
            net, theta, (x, y), step_size=1e100, batch=5, epochs=20,
            loss="square", generator=generator(),
        )  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        (dict(step_size=0), "step_size is 0"),
        (dict(step_size=float("nan")), "step_size is nan"),
        (dict(momentum=1.0), "momentum is 1.0"),
        (dict(nesterov=True), "nesterov needs a momentum"),
        (dict(weight_decay=-1e-3), "weight_decay is -0.001"),
        (dict(batch=24), "batch is 24; 1 to 23"),
        (dict(dropout=1.0), "hidden layer 1: rate 1.0"),
        (dict(dropout=(0.1, 0.2)), "2 rates; .* 1 hidden"),
        (dict(sampling="often"), "sampling is 'often'"),
        (dict(stop="early"), "stop is 'early'"),
        (dict(loss="hinge"), "loss is 'hinge'"),
        (dict(epochs=2), "epochs or steps, not both"),
        (dict(mixed_precision=True), "mixed_precision is on"),
        (dict(augment=training.CropFlip()), r"shape \(5, 5\)"),
        (dict(snapshots=(0.5, 11)), "up to 10, got 11"),
    ],
)
def test_bad_arguments(changed, match):
    net, theta = net_and_theta()
    arguments = dict(step_size=0.1, batch=5, steps=10) | changed
    with pytest.raises(ValueError, match=match):
        training.train(
            net, theta, dataset(), generator=generator(), **arguments
        )


def test_bad_data():
    net, theta = net_and_theta()
    x, y = dataset()
    for data, error, match in (
        ((x[:-1], y), ValueError, "x has 22 samples and y has 23"),
        ((x[:, :4], y), ValueError, r"x has shape \(23, 4\)"),
        ((x.float(), y), TypeError, "x has dtype torch.float32"),
        ((x, y + 1), ValueError, "classes 1 to 3"),
    ):
        with pytest.raises(error, match=match):
            training.train(
                net, theta, data, step_size=0.1, batch=5, steps=1,
                generator=generator(),
            )  # fmt: skip


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_mixed_precision_on_cuda():
    net, theta, x, y = images()
    theta = tuple((w.float().cuda(), b.float().cuda()) for w, b in theta)
    x, y = x.float().cuda(), y.cuda()
    run = training.train(
        net, theta, (x, y), step_size=0.1, batch=8, epochs=60, dropout=0.1,
        mixed_precision=True, generator=generator(),
    )  # fmt: skip
    assert run.theta[0][0].dtype == torch.float32
    assert run.losses[-5:].mean() < run.losses[:5].mean()


def test_data_and_starts_in_another_order_are_another_run(tmp_path):
    """Their sums are the same: so were their labels once."""
    net, theta = net_and_theta()
    x, y = dataset()
    path = tmp_path / "run.pt"

    def go(theta=theta, x=x, y=y):
        return training.train(
            net, theta, (x, y), step_size=0.1, batch=5, steps=4,
            generator=generator(), checkpoint=path,
        )  # fmt: skip

    first = go()
    (w, b), *rest = theta
    for change, name in (
        (dict(y=y.flip(0)), "data"),
        (dict(x=x.flip(0)), "data"),
        (dict(x=x.flip(1)), "data"),
        (dict(theta=((w.flip(0), b), *rest)), "start"),
    ):
        with pytest.raises(ValueError, match=f"{name} was"):
            go(**change)
    assert same(go(x=x.T.contiguous().T).theta, first.theta)


def falling(power):
    return lambda k, per_epoch: 1 / (1 + k) ** power


def test_functions_of_one_name_are_another_run(tmp_path):
    net, theta = net_and_theta()
    path = tmp_path / "run.pt"

    def go(schedule):
        return training.train(
            net, theta, dataset(), step_size=0.1, batch=5, steps=4,
            generator=generator(), checkpoint=path, schedule=schedule,
        )  # fmt: skip

    first = go(falling(1))
    assert same(go(falling(1)).theta, first.theta)
    for other in (falling(2), lambda k, per_epoch: 1.0):
        with pytest.raises(ValueError, match="schedule was"):
            go(other)
    with pytest.raises(ValueError, match="reads 'power' of type object"):
        go(falling(object()))


def test_without_a_checkpoint_nothing_need_be_told_apart():
    net, theta = net_and_theta()
    things = iter([1.0] * 4)
    found = training.train(
        net, theta, dataset(), step_size=0.1, batch=5, steps=4,
        generator=generator(), schedule=lambda *_: next(things),
    )  # fmt: skip
    assert found.steps == 4


@pytest.mark.parametrize(
    "dtype", [torch.bfloat16, torch.float32, F64, torch.int64, torch.bool]
)
def test_the_checksum_sees_order_shape_and_type(dtype):
    x = torch.tensor([[0, 1, 1], [0, 0, 1]]).to(dtype)
    others = [x.flip(0), x.flip(1), x.reshape(3, 2), x.to(torch.int32)]
    assert len({checksum(one) for one in (x, *others)}) == 5
    assert checksum(x.T.contiguous().T) == checksum(x)
