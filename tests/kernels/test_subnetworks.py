"""Experiment A: against plain NumPy, one draw at a time, killed, refused."""

import math

import numpy as np
import plain_networks as plain
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import certificates, paths, subnetworks
from kernels.networks import Layer, Network, Pool, mlp, tree
from kernels.subnetworks import stack
from kernels.subnetworks.group import Group
from kernels.training import StepDecay

F64 = torch.float64
TINY = 1e-300  # a step size that leaves every float64 but zero as it is
UNIFORM = {"bias": "uniform"}  # no bias is zero


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def dense(widths=(5, 7, 6, 3), bias=True, n=24):
    net = mlp(list(widths), bias=bias)
    theta = net.init(
        generator=generator(1), dtype=F64, bias="uniform" if bias else "zero"
    )
    x = torch.randn((n, widths[0]), generator=generator(2), dtype=F64)
    y = torch.randint(widths[-1], (n,), generator=generator(3))
    return net, theta, x, y


def maps(bias=True, n=12):
    """Two convolutions, pooling, a flattening and a hidden linear layer."""
    net = Network(
        (2, 6, 5),
        (
            Layer(5, bias, 3, 1),
            Layer(3, bias, 3, 1, pools=(Pool("max", 2),)),
            Layer(7, bias),
            Layer(3, bias),
        ),
    )
    theta = net.init(generator=generator(4), dtype=F64)
    x = torch.randn((n, 2, 6, 5), generator=generator(5), dtype=F64)
    y = torch.randint(3, (n,), generator=generator(6))
    return net, theta, x, y


def flat(parameters):
    return [p for layer in parameters for p in layer if p is not None]


def close(a, b, atol=1e-12):
    for p, q in zip(flat(a), flat(b), strict=True):
        np.testing.assert_allclose(p, q, rtol=0, atol=atol)


# --------------------------------------------------- sizes and the forward


@pytest.mark.parametrize(
    ("width", "prune", "kept"),
    [(245, 1 / 2, 123), (500, 1 / 2, 250), (245, 1 / 3, 164),
     (300, 1 / 3, 200), (245, 1 / 4, 184), (500, 1 / 4, 375), (1, 1 / 2, 1)],
)  # fmt: skip
def test_kept_sizes_are_the_papers(width, prune, kept):
    net = mlp([4, width, 2])
    assert subnetworks.kept_counts(net, 1 - prune) == [kept]
    assert subnetworks.kept_counts(net, [kept]) == [kept]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(1, 6), min_size=2, max_size=5),
    st.booleans(),
    st.integers(1, 4),
    st.data(),
)
def test_every_draw_is_its_own_network(widths, bias, draws, data):
    net = mlp(widths, bias=bias)
    layer = data.draw(st.integers(0, net.depth - 1))
    size = data.draw(st.integers(1, net.widths[layer]))
    theta = net.init(generator=generator(1), dtype=F64)
    x = torch.randn((9, widths[0]), generator=generator(2), dtype=F64)
    small = net.narrow([size, *net.widths[layer + 1 : -1]], first=layer)
    xis = [
        small.init(generator=generator(3 + t), dtype=F64) for t in range(draws)
    ]
    kept = torch.stack(
        [
            torch.randperm(net.widths[layer], generator=generator(9 + t))[
                :size
            ]
            for t in range(draws)
        ]
    )
    h = net.features(theta, x, layer)
    z = stack.forward(small, tree.stack(xis), stack.take(net, layer, h, kept))
    seen = plain.features(net, theta, x)[layer]
    for t in range(draws):
        expected = plain.forward(
            small, xis[t], torch.tensor(seen[:, kept[t].numpy()])
        )
        np.testing.assert_allclose(z[t], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("layer", [0, 1, 2, 3])
def test_channels_are_units(layer, bias):
    net, theta, x, _ = maps(bias)
    size = 2
    inputs = size if layer else 2
    small = net.narrow([inputs, 4, 2, 3][: 4 - layer], first=layer)
    xis = [small.init(generator=generator(t), dtype=F64) for t in range(3)]
    h = net.features(theta, x, layer)
    kept = torch.tensor([[0, 2], [1, 2], [0, 1]])
    taken = stack.take(net, layer, h, kept) if layer else h
    z = stack.forward(small, tree.stack(xis), taken)
    seen = plain.features(net, theta, x)[layer]
    for t in range(3):
        mine = seen[:, kept[t].numpy()] if layer else seen
        mine = torch.tensor(mine).flatten(1)
        expected = plain.forward(small, xis[t], mine)
        np.testing.assert_allclose(z[t], expected, rtol=0, atol=1e-11)


# ------------------------------------------------------------- the training


def born(net, theta, x, y, **how):
    """The draws before training: a step size that changes nothing."""
    return subnetworks.train(
        net, theta, x, y, step_size=TINY, epochs=1, batch=len(x), **how
    )


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("nesterov", [False, True])
def test_each_draw_is_plain_gradient_descent(layer, nesterov):
    """Whole-set steps on a xi of two layers, momentum and decay and all."""
    widths = (5, 7, 6, 3) if layer else (5, 7, 3)
    net, theta, x, y = dense(widths)
    how = dict(layer=layer, draws=3, keep=0.5, init=UNIFORM)
    start = born(net, theta, x, y, generator=generator(8), **how)
    end = subnetworks.train(
        net,
        theta,
        x,
        y,
        step_size=0.1,
        momentum=0.8,
        nesterov=nesterov,
        weight_decay=0.02,
        schedule=StepDecay(0.5, epochs=3),
        batch=len(x),
        epochs=7,
        stop=None,
        generator=generator(8),
        **how,
    )
    features = plain.features(net, theta, x)[layer]
    hot = np.eye(3)[y.numpy()]
    for t in range(3):
        h = features[:, end.kept[t].numpy()]
        w = [p.numpy().copy() for p in flat(start.parameters[t])]
        v = [np.zeros_like(p) for p in w]
        for k in range(7):
            z1 = h @ w[0].T + w[1]
            a = np.maximum(z1, 0)
            z = a @ w[2].T + w[3]
            e = np.exp(z - z.max(1, keepdims=True))
            dz = (e / e.sum(1, keepdims=True) - hot) / len(h)
            dz1 = dz @ w[2] * (z1 > 0)
            gradients = dz1.T @ h, dz1.sum(0), dz.T @ a, dz.sum(0)
            for p, u, g in zip(w, v, gradients):
                g = g + 0.02 * p
                u *= 0.8
                u += g
                p -= 0.1 * 0.5 ** (k // 3) * (g + 0.8 * u if nesterov else u)
        for p, q in zip(flat(end.parameters[t]), w):
            np.testing.assert_allclose(p, q, rtol=0, atol=1e-12)
        np.testing.assert_array_equal(end.kept[t], start.kept[t])


@pytest.mark.parametrize("layer", [0, 2])
def test_losses_are_those_of_the_parameters_returned(layer):
    net, theta, x, y = dense()
    s = subnetworks.train(
        net, theta, x, y, layer=layer, draws=4, epochs=3, batch=5,
        generator=generator(), test=(x[:7], y[:7]),
    )  # fmt: skip
    seen = plain.features(net, theta, x)[layer]
    for t in range(4):
        mine = torch.tensor(seen[:, s.kept[t].numpy()])
        z = plain.forward(s.net, s.parameters[t], mine)
        logs = z - np.log(np.exp(z).sum(1, keepdims=True))
        each = -logs[np.arange(len(y)), y.numpy()]
        wrong = z.argmax(1) != y.numpy()
        assert s.train_loss[t] == pytest.approx(each.mean(), abs=1e-12)
        assert s.train_error[t] == pytest.approx(wrong.mean(), abs=1e-12)
        assert s.test_loss[t] == pytest.approx(each[:7].mean(), abs=1e-12)
        assert s.test_error[t] == pytest.approx(wrong[:7].mean(), abs=1e-12)
    assert s.best == int(s.train_loss.numpy().argmin())
    sizes = subnetworks.kept_counts(net, 0.5)
    inputs = sizes[layer - 1] if layer else 5
    rest = [h - k for h, k in zip(net.hidden, sizes)][layer:]
    assert s.net.widths == (inputs, *rest, 3)


@pytest.mark.parametrize("stop", [None, "separation"])
def test_a_draw_does_not_depend_on_the_others(stop):
    net, theta, x, y = dense((5, 40, 30, 3))
    how = dict(layer=1, epochs=40, batch=6, step_size=0.02, stop=stop)
    all_ = subnetworks.train(
        net, theta, x, y, draws=6, generator=generator(4), **how
    )
    one = subnetworks.train(
        net, theta, x, y, draws=6, together=1, generator=generator(4), **how
    )
    few = subnetworks.train(
        net, theta, x, y, draws=2, generator=generator(4), **how
    )
    if stop:  # some end early, at different times, and leave the stack
        assert len(set(all_.epochs.tolist())) > 1
    np.testing.assert_array_equal(all_.epochs, one.epochs)
    for t in range(6):
        np.testing.assert_array_equal(all_.kept[t], one.kept[t])
        close(all_.parameters[t], one.parameters[t], atol=1e-9)
    for t in range(2):
        close(all_.parameters[t], few.parameters[t], atol=1e-9)
    assert not torch.equal(all_.kept[0], all_.kept[1])


def test_separation_ends_a_draw():
    net, theta, x, y = dense((5, 16, 16, 3))
    s = subnetworks.train(
        net, theta, x, y, layer=0, draws=5, epochs=200, batch=6,
        step_size=0.02, generator=generator(),
    )  # fmt: skip
    early = s.epochs < 200
    assert early.any()
    assert (s.train_error[early] == 0).all()


def test_new_convolutions_train_and_the_network_stays():
    net, theta, x, y = maps()
    before = [p.clone() for p in flat(theta)]
    how = dict(layer=0, draws=2, init=UNIFORM, generator=generator(3))
    start = born(net, theta, x, y, **how)
    how["generator"] = generator(3)
    end = subnetworks.train(
        net, theta, x, y, step_size=0.01, epochs=2, batch=4, stop=None, **how
    )
    for t in range(2):
        for (w, b), (v, c) in zip(end.parameters[t], start.parameters[t]):
            assert not torch.equal(w, v)
            assert not torch.equal(b, c)
    assert all(map(torch.equal, before, flat(theta)))
    assert [w.shape for w, _ in end.parameters[0]] == [
        (2, 2, 3, 3), (1, 2, 3, 3), (3, 1 * 3 * 2), (3, 3)
    ]  # fmt: skip


def test_square_loss_and_width_zero():
    """Hidden layers of width 1 leave xi no unit: it computes its bias."""
    net, theta, x, _ = dense((5, 1, 1, 2))
    y = torch.randn((24, 2), generator=generator(), dtype=F64)
    s = subnetworks.train(
        net, theta, x, y, layer=0, draws=2, epochs=400, batch=24,
        step_size=0.05, momentum=0.0, loss="square", generator=generator(),
    )  # fmt: skip
    assert s.net.widths == (5, 0, 0, 2)
    variance = (y - y.mean(0)).square().sum(1).mean()
    assert s.train_loss[0] == pytest.approx(float(variance), rel=1e-6)


# ------------------------------------------------------------ what it is for


@pytest.mark.parametrize("keep", [0.5, 2 / 3])
def test_theorem_41_is_bounded_by_the_subnetworks_losses(keep):
    """N21 (4): no point of the path is above the worst xi_l or end."""
    net, a, x, y = dense((5, 7, 6, 4, 3))
    b = net.init(generator=generator(7), dtype=F64)
    kept, parts, bound = [], [], []
    for theta in (a, b):
        found = [
            subnetworks.train(
                net, theta, x, y, layer=m, keep=keep, draws=2, epochs=5,
                batch=8, generator=generator(m),
            )
            for m in range(net.depth)
        ]  # fmt: skip
        kept.append([s.kept[s.best] for s in found[1:]])
        parts.append([s.parameters[s.best] for s in found])
        bound += [float(s.train_loss[s.best]) for s in found]
        z = plain.forward(net, theta, x)
        logs = z - np.log(np.exp(z).sum(1, keepdims=True))
        bound.append(-logs[np.arange(len(y)), y.numpy()].mean())
    path = paths.theorem41(
        net, a, b, kept_a=kept[0], kept_b=kept[1], subnetworks_a=parts[0],
        subnetworks_b=parts[1], style="short",
    )  # fmt: skip
    found = certificates.certify(net, path, x, y)
    assert found.exact
    assert found.upper <= max(bound) * (1 + 1e-8)  # a slack for rounding
    assert "general" not in path.kinds


# ------------------------------------------------------ killed and resumed


class Killed(Exception):
    pass


def killed_at(monkeypatch, count):
    """Raises Killed in the count-th step from here on."""
    real, left = Group.step, [count]

    def step(self):
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return real(self)

    monkeypatch.setattr(Group, "step", step)


@pytest.mark.parametrize("stop", [None, "separation"])
@pytest.mark.parametrize("together", [None, 2])
def test_killed_at_any_step_it_goes_on(tmp_path, monkeypatch, together, stop):
    net, theta, x, y = dense((5, 40, 30, 3))
    how = dict(
        layer=1, draws=4, epochs=25, batch=6, step_size=0.02, momentum=0.9,
        stop=stop, together=together, checkpoint_every=5,
    )  # fmt: skip
    whole = subnetworks.train(net, theta, x, y, generator=generator(), **how)

    def again():
        return subnetworks.train(
            net, theta, x, y, generator=generator(), store=tmp_path, **how
        )

    killed = 0
    for count in (3, 11, 26, 90):
        with monkeypatch.context() as patch:
            killed_at(patch, count)
            try:
                again()
            except Killed:
                killed += 1
    assert killed >= 2
    after = again()
    np.testing.assert_array_equal(whole.epochs, after.epochs)
    if stop:
        assert whole.epochs.min() < 25
    for t in range(4):
        close(whole.parameters[t], after.parameters[t], atol=0)
    files = sorted(f.name for f in (tmp_path / "layer-01").iterdir())
    assert files == [f"draw-{t:03d}.pt" for t in range(4)]

    with monkeypatch.context() as patch:  # nothing is trained again
        killed_at(patch, 0)
        again()
    how["step_size"] = 0.1
    with pytest.raises(ValueError, match=r"step_size was 0\.02 and is now"):
        again()


# ---------------------------------------------------------------- schedules


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(0.01, 3), min_size=1, max_size=40), st.integers(0, 4)
)
def test_plateau_is_torchs(losses, patience):
    parameter = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    torchs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.9, patience=patience
    )
    ours = subnetworks.Plateau(0.9, patience=patience)
    for k, loss in enumerate(losses, 1):
        torchs.step(loss)
        expected = optimizer.param_groups[0]["lr"]
        assert ours.after(losses[:k]) == pytest.approx(expected)


def test_plateau_slows_a_training_down():
    net, theta, x, y = dense()
    how = dict(layer=0, draws=1, epochs=8, batch=6, stop=None, step_size=0.1)
    free, slow = (
        subnetworks.train(
            net, theta, x, y, generator=generator(), schedule=schedule, **how
        )
        for schedule in (None, subnetworks.Plateau(0.01, patience=0))
    )
    assert not torch.equal(free.parameters[0][0][0], slow.parameters[0][0][0])


def test_table_1():
    """The rows as N21 prints them."""
    for layer in range(11):
        assert 2e-3 <= subnetworks.table1("mnist", layer)["step_size"] <= 5e-3
    for layer in range(6):
        row = subnetworks.table1("cifar10", layer)
        assert 1e-3 <= row["step_size"] <= 1e-2
        assert row["momentum"] == 0.95
    per_epoch = 500
    for prune, layer, at, factor in [
        (1 / 2, 0, 19, 1), (1 / 2, 0, 20, 0.5), (1 / 3, 7, 40, 0.25),
        (1 / 4, 0, 249, 1), (1 / 4, 0, 250, 0.1),
    ]:  # fmt: skip
        row = subnetworks.table1("vgg11", layer, prune=prune)
        assert row["step_size"] == 5e-3
        assert (row["momentum"], row["weight_decay"]) == (0.9, 5e-4)
        assert math.isclose(row["schedule"](at * per_epoch, per_epoch), factor)
    row = subnetworks.table1("vgg11", 1, prune=1 / 4)
    assert row["schedule"] == subnetworks.Plateau(0.9)


# ------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"layer": 3}, "layer is 3; .* 0 to 2"),
        ({"layer": -1}, "layer is -1"),
        ({"draws": 0}, "draws is 0"),
        ({"epochs": 0}, "epochs is 0"),
        ({"batch": 25}, "batch is 25; 1 to 24"),
        ({"keep": 0.0}, "keep is 0.0: hidden layer 1 would keep 0 of its 7"),
        ({"keep": 1.1}, "keep is 1.1: hidden layer 1 would keep 8 of its 7"),
        ({"keep": [0.5]}, "keep has 1 entries; the network has 2"),
        ({"together": 0}, "together is 0"),
        ({"stop": "never"}, "stop is 'never'"),
        ({"loss": "hinge"}, "loss is 'hinge'"),
    ],
)
def test_what_does_not_fit_is_named(change, words):
    net, theta, x, y = dense()
    how = dict(layer=1, generator=generator(), batch=6) | change
    with pytest.raises(ValueError, match=words):
        subnetworks.train(net, theta, x, y, **how)


def test_a_step_too_long_is_named():
    net, theta, x, y = dense()
    with pytest.raises(
        FloatingPointError, match=r"layer 1: .*step_size=3\.3e"
    ):
        subnetworks.train(
            net, theta, x * 1e150, y, layer=1, step_size=1e200, epochs=3,
            batch=6, generator=generator(),
        )  # fmt: skip


def test_a_store_tells_labels_starts_and_schedules_apart(tmp_path):
    net, theta, x, y = dense()

    def go(y=y, **how):
        how = dict(layer=1, draws=2, epochs=2, batch=6) | how
        return subnetworks.train(
            net, theta, x, y, generator=generator(), store=tmp_path, **how
        )

    def falling(power):
        return lambda k, per_epoch: 1 / (1 + k) ** power

    first = go(schedule=falling(1))
    for change, name in (
        (dict(y=y.flip(0)), "targets"),
        (dict(init={"scale": 5.0}), "init"),
        (dict(init={"bias": "uniform"}), "init"),
        (dict(schedule=falling(2)), "schedule"),
    ):
        with pytest.raises(ValueError, match=f"{name} was"):
            go(**dict(schedule=falling(1)) | change)
    again = go(schedule=falling(1), init={}, draws=3)
    for a, b in zip(first.parameters, again.parameters):
        close(a, b, atol=0)
