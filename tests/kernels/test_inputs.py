"""One rule for what every entry point takes: x, y, labels, widths."""

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
    noise,
    paths,
    subnetworks,
    training,
)
from kernels.networks import Layer, Network, Pool, losses, mlp
from kernels.paths import curves

F64 = torch.float64
SIZES = (3, 6, 5, 3)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


NET = mlp(SIZES)
THETA, OTHER = (NET.init(generator=rng(s), dtype=F64) for s in (1, 2))
FIELD = meanfield.init(SIZES, trials=2, generator=rng(3), dtype=F64)
LINE = paths.straight(THETA, OTHER)
X = torch.randint(-2, 3, (12, 3), generator=rng(4)).to(F64)
Y = torch.arange(12) % 3


def evaluate(x, y, loss):
    return training.evaluate(NET, THETA, x, y, loss=loss)


def train(x, y, loss):
    run = training.train(
        NET,
        THETA,
        (x, y),
        step_size=0.01,
        steps=2,
        batch=4,
        generator=rng(),
        loss=loss,
    )
    return run.losses


def learned(x, y, loss):
    curve = curves.train(
        NET,
        THETA,
        OTHER,
        (x, y),
        generator=rng(),
        steps=2,
        step_size=0.01,
        batch=4,
        loss=loss,
    )
    return curve.bend


def measured(x, y, loss):
    curve = curves.Curve(THETA, OTHER, THETA)
    return curves.loss_curve(NET, curve, x, y, 3, loss=loss).loss


def profile(x, y, loss):
    return interpolation.loss_curve(NET, LINE, x, y, loss=loss).loss


def stability(x, y, loss):
    found = dropout.stability(
        NET, THETA, x, y, draws=2, generator=rng(), loss=loss, test=(x, y)
    )
    return found.train_loss, found.test_loss


def features(x, y, loss):
    found = subnetworks.train(
        NET,
        THETA,
        x,
        y,
        layer=1,
        draws=2,
        generator=rng(),
        epochs=1,
        batch=4,
        loss=loss,
        test=(x, y),
    )
    return found.train_loss, found.test_loss


def field(x, y, loss):
    return meanfield.evaluate(FIELD, x, y, loss=loss).loss


def field_train(x, y, loss):
    theta = [w.clone() for w in FIELD]
    run = meanfield.train(
        theta,
        (x, y),
        step_size=0.01,
        steps=2,
        batch=4,
        generator=rng(),
        loss=loss,
    )
    return run.losses


def field_step(x, y, loss):
    theta = [w.clone() for w in FIELD]
    return meanfield.sgd_step(theta, x, y, step_size=0.01, loss=loss)


ENTRIES = [
    evaluate,
    train,
    learned,
    measured,
    profile,
    stability,
    features,
    field,
    field_train,
    field_step,
]
entries = pytest.mark.parametrize("entry", ENTRIES, ids=lambda f: f.__name__)
INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64"]


@entries
@pytest.mark.parametrize("loss", losses.LOSSES)
def test_labels_of_any_integer_type_are_one(entry, loss):
    expected = entry(X, Y, loss)
    for name in INTEGERS:
        array = Y.numpy().astype(name)
        for y in (array, array.astype(array.dtype.newbyteorder())):
            found = entry(X, y, loss)
            torch.testing.assert_close(found, expected, rtol=0, atol=0)
    for y in (Y.to(torch.int32), Y.to(torch.uint8), Y.tolist()):
        found = entry(X, y, loss)
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


@entries
def test_inputs_of_any_kind_are_one(entry):
    expected = entry(X, Y, "cross_entropy")
    array = X.numpy()
    spread = np.repeat(array, 2, 0)[::2]
    for x in (
        array,
        spread,
        np.asfortranarray(array),
        X.int(),
        array.astype("int8"),
    ):
        found = entry(x, Y, "cross_entropy")
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


@entries
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_named(entry, bad):
    if entry is field_step:
        pytest.skip("one step of a loop: the loss says it")
    x = X.clone()
    x[3, 1] = bad
    with pytest.raises(ValueError, match=r"x has 1 non-finite"):
        entry(x, Y, "cross_entropy")
    y = torch.zeros(12, 3, dtype=F64)
    y[5, 2] = bad
    with pytest.raises(ValueError, match=r"y has 1 non-finite"):
        entry(X, y, "square")


@entries
def test_lengths_and_empty_sets_are_named(entry):
    for x, y in ((X, Y[:-1]), (X[:-1], Y), (X[:0], Y), (X, Y[:0])):
        with pytest.raises((ValueError, TypeError), match=r"1[12]"):
            entry(x, y, "cross_entropy")
    with pytest.raises(
        ValueError, match=r"no samples|0 samples|at least 1|0,"
    ):
        entry(X[:0], Y[:0], "cross_entropy")


@entries
def test_other_types_are_named(entry):
    with pytest.raises(TypeError, match=r"x has dtype torch.float32.*float64"):
        entry(X.float(), Y, "cross_entropy")
    with pytest.raises((TypeError, ValueError), match=r"y .*float64"):
        entry(X, Y.double(), "cross_entropy")
    with pytest.raises(TypeError, match=r"y is a (list|ndarray) of <U"):
        entry(X, ["cat"] * 12, "cross_entropy")
    with pytest.raises(TypeError, match=r"x .*complex"):
        entry(X.to(torch.complex128), Y, "cross_entropy")
    y = torch.zeros(12, 3, dtype=torch.complex128)
    for same in (y, y.numpy()):
        with pytest.raises(TypeError, match=r"y .*complex"):
            entry(X, same, "square")


@pytest.mark.parametrize(
    "call",
    [
        lambda x: certificates.certify(NET, LINE, x, Y),
        lambda x: certificates.flips(NET, LINE, x),
        lambda x: subnetworks.last_layer(x, Y),
        lambda x: noise.stability(NET, THETA, x, biases="affine"),
    ],
)
def test_imaginary_parts_are_not_dropped(call):
    x = X.to(torch.complex128)
    x[0] += 1j
    x[1] -= 1j
    for same in (x, x.numpy(), x.tolist()):
        with pytest.raises(TypeError, match="complex"):
            call(same)
    with pytest.raises(TypeError, match=r"layer 1: dtype .*complex64"):
        paths.lemma1(NET, THETA, [torch.tensor([1 + 2j]), [0]])


def test_integers_that_a_dtype_does_not_hold():
    theta = mlp([1, 1]).init(generator=rng(), dtype=torch.bfloat16)
    net = mlp([1, 1])
    assert net.forward(theta, torch.tensor([[256]])).shape == (1, 1)
    with pytest.raises(ValueError, match=r"bfloat16 does not hold, up to 257"):
        net.forward(theta, torch.tensor([[257]]))


# --- one output


@pytest.mark.parametrize("kind", ["int64", "int32", "int8", "float64"])
@pytest.mark.parametrize("pair", [(0, 1), (-1, 1), (0, 3), (7, 2)])
def test_with_one_output_integers_are_real_targets(kind, pair):
    y = np.array([pair[k % 2] for k in range(12)]).astype(kind)
    real = torch.tensor(y.astype("float64"))
    net = mlp([3, 4, 1])
    theta = net.init(generator=rng(5), dtype=F64)
    z = net.forward(theta, X)[:, 0]
    mean = float((z - real).square().mean())
    for y_ in (y, y[:, None], torch.from_numpy(y)):
        loss, error = training.evaluate(net, theta, X, y_, loss="square")
        assert loss == pytest.approx(mean, rel=1e-14)
        assert error == float(((z > 0) != (real > 0)).double().mean())
    field = meanfield.init((3, 4, 1), trials=1, generator=rng(6), dtype=F64)
    z = meanfield.forward(field, X)[0, :, 0]
    seen = meanfield.evaluate(field, X, y, loss="square")
    mean = float((z - real).square().mean())
    assert float(seen.loss[0]) == pytest.approx(mean, rel=1e-14)


def test_with_one_output_there_is_no_second_class():
    net = mlp([3, 4, 1])
    theta = net.init(generator=rng(5), dtype=F64)
    for y in ([0, 1] * 6, [-1, 1] * 6):
        with pytest.raises(ValueError, match="1 outputs allow 0 to 0"):
            training.evaluate(net, theta, X, y)


def test_noise_takes_what_the_others_take():
    def cushions(x):
        found = noise.stability(NET, THETA, x, biases="affine")
        return found.layer_cushion[2]

    torch.testing.assert_close(cushions(X.numpy()), cushions(X))
    x = X.clone()
    x[0, 0] = float("nan")
    with pytest.raises(ValueError, match="x has 1 non-finite"):
        cushions(x)
    with pytest.raises(ValueError, match="no samples"):
        cushions(X[:0])


# --- whole numbers, generators and pairs


def loss_along(**more):
    return interpolation.loss_curve(NET, LINE, X, Y, **more).loss


def loss_along_affine(**more):
    path = paths.lemma1(NET, THETA, [[0, 1, 2], [0, 1]])
    return interpolation.loss_curve(NET, path, X, Y, **more).loss


def dropped(**more):
    options = {"draws": 3, "generator": rng(), **more}
    return dropout.stability(NET, THETA, X, Y, **options).train_loss


def certified(**more):
    return torch.tensor(certificates.certify(NET, LINE, X, Y, **more).upper)


def along_curve(points):
    curve = curves.Curve(THETA, OTHER, THETA)
    return curves.loss_curve(NET, curve, X, Y, points).loss


def with_threads(count):
    with device.threads(count):
        return torch.tensor(torch.get_num_threads())


BATCHED = [loss_along, loss_along_affine, dropped, certified]


@pytest.mark.parametrize("call", BATCHED, ids=lambda f: f.__name__)
@pytest.mark.parametrize("batch", [-1, 0, 2.5, float("nan"), "3"])
def test_a_batch_is_a_positive_whole_number(call, batch):
    """A negative one would leave memory that nothing was written to."""
    with pytest.raises(ValueError, match=rf"batch is '?{batch}'?; .*from 1"):
        call(batch=batch)


WHOLE = [
    *((call, "batch", 5) for call in BATCHED),
    (loss_along, "points", 3),
    (along_curve, "points", 3),
    (certified, "threads", 1),
    (certified, "initial", 3),
    (with_threads, "count", 1),
]


@pytest.mark.parametrize(("call", "name", "value"), WHOLE)
def test_whole_numbers_of_any_type_are_one(call, name, value):
    expected = call(**{name: value})
    for same in (np.int64(value), torch.tensor(value), float(value)):
        found = call(**{name: same})
        torch.testing.assert_close(found, expected, rtol=0, atol=0)
    for other in (value + 0.5, 0, -1, None if name == "points" else "1"):
        with pytest.raises(ValueError, match=rf"{name} is .*whole number"):
            call(**{name: other})


# --- networks and parameters


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: mlp([4, 3.7, 2]), r"widths is \(4, 3\.7, 2\)"),
        (lambda: mlp([4, "3", 2]), "widths is"),
        (lambda: mlp([4, float("nan"), 2]), "widths is"),
        (lambda: networks.conv3(channels=(1, 2.5, 3)), r"width is 2\.5"),
        (lambda: Layer(2.5), r"width is 2\.5"),
        (lambda: Layer(2, kernel=0), "kernel is 0"),
        (lambda: Layer(2, kernel=3, stride=0), "stride is 0"),
        (lambda: Layer(2, kernel=3, stride=-1), "stride is -1"),
        (lambda: Layer(2, kernel=3, padding=-1), "padding is -1"),
        (lambda: Pool("max", 1.5), r"size is 1\.5"),
        (lambda: Network((3.5,), (Layer(2),)), r"inputs is 3\.5"),
        (lambda: mlp([4, 3, 2]).narrow([2.5, 3]), r"2\.5"),
        (
            lambda: meanfield.init((4, 3.7, 2), trials=1, generator=rng()),
            r"got \(4, 3\.7, 2\)",
        ),
        (
            lambda: meanfield.init((4, 3, 2), trials=1.5, generator=rng()),
            r"trials is 1\.5",
        ),
    ],
)
def test_sizes_are_whole_numbers(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_lists_do_where_tuples_are_meant():
    made = Network(
        [1, 6, 6],
        [Layer(2, kernel=3, pools=[Pool("max", 2)]), Layer(np.int64(3))],
    )
    same = Network(
        (1, 6, 6),
        (Layer(2, kernel=3, pools=(Pool("max", 2),)), Layer(3)),
    )
    assert made == same
    assert hash(made) == hash(same)
    assert repr(made) == repr(same)
    theta = [list(layer) for layer in THETA]
    assert torch.equal(NET.forward(theta, X), NET.forward(THETA, X))
    assert paths.straight(theta, OTHER).knots[0][0][0] is THETA[0][0]


def test_a_module_is_no_parameters():
    module = torch.nn.Sequential(
        torch.nn.Linear(3, 6), torch.nn.Tanh(), torch.nn.Linear(6, 3)
    )
    for call in (
        lambda: NET.forward(module, X),
        lambda: paths.straight(module, THETA),
        lambda: training.evaluate(NET, module, X, Y),
    ):
        with pytest.raises(TypeError, match=r"is a Sequential; a tuple"):
            call()
    with pytest.raises(TypeError, match=r"layer 1 is a Tensor; a .weight"):
        NET.check(tuple(p for layer in THETA for p in layer)[:3])


@pytest.mark.parametrize(
    "data", [X, (X,), {"x": X, "y": Y}, (X, Y, Y)], ids=str
)
def test_data_is_a_pair(data):
    with pytest.raises(TypeError, match=r"data is a .*; a pair"):
        training.train(NET, THETA, data, step_size=1, steps=1, generator=rng())
    with pytest.raises(TypeError, match=r"data is a .*; a pair"):
        curves.train(
            NET, THETA, OTHER, data, step_size=1, steps=1, generator=rng()
        )
    with pytest.raises(TypeError, match=r"test is a .*; a pair"):
        dropped(test=data)


@pytest.mark.parametrize("seed", [None, 0, np.random.default_rng(0)])
def test_a_generator_is_torchs(seed):
    options = {"generator": seed}
    learn = {"step_size": 0.1, "steps": 1, "batch": 4, **options}
    for call in (
        lambda: NET.init(**options),
        lambda: paths.theorem2(NET, THETA, OTHER, **options),
        lambda: paths.theorem3(NET, THETA, OTHER, THETA, p=0.5, **options),
        lambda: curves.train(NET, THETA, OTHER, (X, Y), **learn),
        lambda: dropped(**options),
    ):
        with pytest.raises(TypeError, match=r"generator is .*; a torch.Gen"):
            call()
