"""The hand-written steps against autograd, and what they must leave alone."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.profiler import ProfilerActivity, profile

from kernels import meanfield


def leaky(z):  # an activation the package has no backward pass for
    return torch.where(z > 0, z, 0.1 * z) + z.sin()


ACTIVATIONS = [torch.relu, torch.sigmoid, torch.tanh, F.softplus, leaky]
EXPLICIT = ACTIVATIONS[:4]
LOSSES = ["cross_entropy", "square"]
SIZES = [(5, 7, 3), (5, 4, 4, 3), (3, 6, 6, 6, 2)]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def problem(sizes, trials, batch, loss, *, shared, real=True, seed=0):
    """Weights, inputs and targets in float64."""
    g = generator(seed)
    theta = meanfield.init(
        sizes, trials=trials, generator=g, dtype=torch.float64
    )
    lead = (batch,) if shared else (trials, batch)
    x = torch.randn((*lead, sizes[0]), generator=g, dtype=torch.float64)
    if loss == "square" and real:
        shape = (*lead, sizes[-1])
        return theta, x, torch.randn(shape, generator=g, dtype=torch.float64)
    return theta, x, torch.randint(sizes[-1], lead, generator=g)


def oracle(theta, x, y, *, step_size, loss, activation, train_ends):
    """(losses, weights after the step), by autograd, a trial at a time."""
    losses, trials = [], []
    for trial in range(len(theta[0])):
        leaves = [w[trial].clone().requires_grad_() for w in theta]
        xs = x if x.ndim == 2 else x[trial]
        ys = y if len(y) == len(xs) and x.ndim == 2 else y[trial]
        h = xs @ leaves[0].T
        for w in leaves[1:]:
            h = activation(h) @ w.T / w.shape[1]
        if loss == "cross_entropy":
            value = F.cross_entropy(h, ys)
        else:
            if not ys.is_floating_point():
                ys = F.one_hot(ys, h.shape[1])
            value = ((ys - h) ** 2).sum(1).mean()
        gradients = torch.autograd.grad(value, leaves)
        after = []
        for layer, (w, gradient) in enumerate(zip(leaves, gradients)):
            middle = 0 < layer < len(leaves) - 1
            if middle:
                factor = w.shape[0] * w.shape[1]  # N^2
            else:  # N, the width of the one hidden layer it touches
                factor = w.shape[0] if layer == 0 else w.shape[1]
            moves = middle or train_ends
            after.append((w - moves * step_size * factor * gradient).detach())
        losses.append(value.detach())
        trials.append(after)
    return torch.stack(losses), [torch.stack(w) for w in zip(*trials)]


def agree(theta, x, y, **arguments):
    expected_loss, expected = oracle(theta, x, y, **arguments)
    loss = meanfield.sgd_step(theta, x, y, **arguments)
    torch.testing.assert_close(loss, expected_loss, rtol=1e-10, atol=1e-10)
    for w, wanted in zip(theta, expected):
        torch.testing.assert_close(w, wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    ("sizes", "train_ends"),
    [(s, True) for s in SIZES] + [(s, False) for s in SIZES[1:]],
)
@pytest.mark.parametrize("trials", [1, 3])
def test_step_agrees_with_autograd(
    loss, activation, sizes, trials, train_ends
):
    for shared in (True, False):
        theta, x, y = problem(sizes, trials, 6, loss, shared=shared)
        agree(
            theta,
            x,
            y,
            step_size=0.7,
            loss=loss,
            activation=activation,
            train_ends=train_ends,
        )


@settings(max_examples=80, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 5), min_size=3, max_size=5),
    trials=st.integers(1, 3),
    batch=st.integers(1, 4),
    loss=st.sampled_from(LOSSES),
    activation=st.sampled_from(ACTIVATIONS),
    shared=st.booleans(),
    real=st.booleans(),
    seed=st.integers(0, 99),
)
def test_step_agrees_at_odd_sizes(
    sizes, trials, batch, loss, activation, shared, real, seed
):
    real = real or sizes[-1] == 1  # one output: an integer is the target
    theta, x, y = problem(
        sizes, trials, batch, loss, shared=shared, real=real, seed=seed
    )
    agree(
        theta,
        x,
        y,
        step_size=0.3,
        loss=loss,
        activation=activation,
        train_ends=True,
    )


@pytest.mark.parametrize("shared", [True, False])
def test_one_real_output_takes_targets_without_a_last_dimension(shared):
    theta, x, y = problem((3, 4, 1), 2, 5, "square", shared=shared)
    other = tuple(w.clone() for w in theta)
    signs = y.squeeze(-1).sign().long()
    meanfield.sgd_step(theta, x, signs, step_size=0.2, loss="square")
    y = signs.unsqueeze(-1).double()
    meanfield.sgd_step(other, x, y, step_size=0.2, loss="square")
    for w, v in zip(theta, other):
        assert torch.equal(w, v)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("sizes", SIZES)
def test_copies_of_neurons_move_as_their_originals(loss, sizes):
    """Each neuron k times over: the same function, and with gradients times
    N and N^2 the same motion, whatever the width."""
    copies = 3
    theta, x, y = problem(sizes, 2, 5, loss, shared=True)

    def widened(theta):
        wide = list(theta)
        for layer in range(len(theta) - 1):
            wide[layer] = wide[layer].repeat_interleave(copies, dim=1)
            wide[layer + 1] = wide[layer + 1].repeat_interleave(copies, dim=2)
        return tuple(w.clone() for w in wide)

    wide = widened(theta)
    for _ in range(3):
        narrow_loss = meanfield.sgd_step(theta, x, y, step_size=0.4, loss=loss)
        wide_loss = meanfield.sgd_step(wide, x, y, step_size=0.4, loss=loss)
        torch.testing.assert_close(
            wide_loss, narrow_loss, rtol=1e-12, atol=1e-12
        )
    for w, expected in zip(wide, widened(theta)):
        torch.testing.assert_close(w, expected, rtol=1e-12, atol=1e-12)


def test_any_memory_layout_gives_the_same_step():
    for sizes in SIZES:
        theta, x, y = problem(sizes, 2, 5, "cross_entropy", shared=False)
        rows = torch.contiguous_format
        plain = tuple(w.clone(memory_format=rows) for w in theta)
        turned = tuple(w.mT.clone(memory_format=rows).mT for w in theta)
        strided = tuple(
            torch.stack((w, w), -1)[..., 0] for w in theta
        )  # contiguous neither way
        for other in (theta, plain, turned, strided):
            meanfield.sgd_step(other, x, y, step_size=0.3)
        for other in (plain, turned, strided):
            for w, v in zip(theta, other):
                torch.testing.assert_close(w, v, rtol=1e-12, atol=1e-12)


def test_fixed_ends_stay_bit_for_bit():
    theta, x, y = problem((4, 5, 5, 5, 3), 2, 6, "square", shared=True)
    before = [w.clone() for w in theta]
    meanfield.sgd_step(
        theta, x, y, step_size=0.5, loss="square", train_ends=False
    )
    moved = [not torch.equal(a, b) for a, b in zip(before, theta)]
    assert moved == [False, True, True, False]


@pytest.mark.parametrize("activation", EXPLICIT)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("layers", [2, 3, 4])
@pytest.mark.parametrize("shared", [True, False])
def test_a_step_allocates_nothing(activation, loss, layers, shared):
    sizes = (20, *[32] * (layers - 1), 10)  # large enough for real products
    theta, x, y = problem(sizes, 2, 16, loss, shared=shared)
    step = meanfield.Step(
        theta, batch=16, step_size=0.1, loss=loss, activation=activation
    )
    step(x, y)

    def allocated(work):
        with profile(
            activities=[ProfilerActivity.CPU], profile_memory=True
        ) as record:
            work()
        return sum(
            max(event.self_cpu_memory_usage, 0) for event in record.events()
        )

    assert allocated(lambda: step(x, y)) == 0
    assert allocated(lambda: x + 1) >= x.numel() * 8  # it would be seen


def test_a_step_reads_its_workspace_afresh():
    """Two minibatches through one Step: nothing of the first is left."""
    theta, x, y = problem((4, 6, 6, 3), 2, 5, "cross_entropy", shared=False)
    other = tuple(w.clone() for w in theta)
    step = meanfield.Step(theta, batch=5, step_size=0.4)
    for inputs in (x, -x):
        step(inputs, y)
        meanfield.sgd_step(other, inputs, y, step_size=0.4)
    for w, v in zip(theta, other):
        assert torch.equal(w, v)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (dict(step_size=0.0), ValueError, "step_size"),
        (dict(step_size=float("nan")), ValueError, "step_size"),
        (dict(loss="hinge"), ValueError, "cross_entropy, square.*hinge"),
        (dict(train_ends=False), ValueError, "train_ends"),
        (dict(y=torch.zeros(4)), TypeError, "int64"),
        (dict(y=torch.zeros(5).long()), TypeError, r"\(4,\).*got.*\(5,\)"),
        (dict(y=torch.full((4,), 3)), ValueError, r"0\.\.2.*3 to 3"),
        (
            dict(loss="square", y=torch.zeros(4, 2)),
            ValueError,
            r"\(4, 3\) or \(2, 4, 3\), got \(4, 2\)",
        ),
        (
            dict(activation=lambda z: z.sum(-1)),
            ValueError,
            "activation must act on each number alone",
        ),
    ],
)
def test_wrong_arguments_are_named(change, error, message):
    theta, x, y = problem((5, 6, 3), 2, 4, "cross_entropy", shared=True)
    arguments = dict(x=x, y=y, step_size=0.1)
    with pytest.raises(error, match=message):
        meanfield.sgd_step(theta, **{**arguments, **change})


def test_a_step_wants_its_own_batch():
    theta, x, y = problem((5, 6, 3), 2, 4, "cross_entropy", shared=True)
    step = meanfield.Step(theta, batch=8, step_size=0.1)
    with pytest.raises(ValueError, match=r"8 samples.*\(4, 5\)"):
        step(x, y)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_step_broadcasts_no_targets(loss):
    theta, x, y = problem((5, 6, 3), 2, 4, loss, shared=True)
    before = [w.clone() for w in theta]
    step = meanfield.Step(theta, batch=4, step_size=0.1, loss=loss)
    wrong = [y[:1], y.expand(3, *y.shape), y.expand(1, *y.shape)]
    if loss == "square":
        wrong.append(y[:, :1])
    for targets in wrong:
        with pytest.raises(ValueError, match="y must have shape"):
            step(x, targets)
    assert all(torch.equal(w, v) for w, v in zip(theta, before))
    one = step(x, y).clone()
    for w, v in zip(theta, before):
        w.copy_(v)
    assert torch.equal(step(x, y.expand(2, *y.shape)), one)


@pytest.mark.parametrize("layer", [0, 1])
def test_weights_that_share_memory_are_refused(layer):
    """As each trial would move the one that all of them are."""
    theta, x, y = problem((5, 6, 3), 1, 4, "cross_entropy", shared=True)
    theta = [w.clone().expand(2, -1, -1) for w in theta]
    theta[1 - layer] = theta[1 - layer].clone()
    before = [w.clone() for w in theta]
    with pytest.raises(ValueError, match=f"layer {layer + 1} must have mem"):
        meanfield.sgd_step(theta, x, y, step_size=0.1)
    assert all(torch.equal(w, v) for w, v in zip(theta, before))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_the_captured_step_is_the_eager_one():
    theta, x, y = problem((5, 6, 6, 3), 2, 4, "cross_entropy", shared=False)
    x, y = x.cuda(), y.cuda()
    eager = tuple(w.cuda() for w in theta)
    captured = tuple(w.clone() for w in eager)
    steps = [
        meanfield.Step(w, batch=4, step_size=0.3, graph=graph)
        for w, graph in ((eager, False), (captured, True))
    ]
    for inputs in (x, -x, 2 * x):
        one, two = (step(inputs, y).clone() for step in steps)
        torch.testing.assert_close(one, two)
    for w, v in zip(eager, captured):
        torch.testing.assert_close(w, v, rtol=1e-12, atol=1e-12)
