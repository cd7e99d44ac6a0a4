"""Runs: the same as their steps one by one, resumed, stopped, scheduled."""

import pytest
import torch

from kernels import meanfield

SIZES = (5, 8, 3)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def dataset(n=23, sizes=SIZES):
    g = generator(1)
    x = torch.randn((n, sizes[0]), generator=g)
    return x, torch.randint(sizes[-1], (n,), generator=g)


def start(sizes=SIZES, trials=3):
    return meanfield.init(sizes, trials=trials, generator=generator(2))


def fresh(batch, g):
    """A stream: two Gaussians around +-1."""
    y = torch.randint(3, (batch,), generator=g)
    x = torch.randn((batch, 5), generator=g) + y[:, None]
    return x, y


def one_or_each(each):
    return [generator(s) for s in (7, 8, 9)] if each else generator(7)


@pytest.mark.parametrize("each", [False, True])
def test_a_run_is_its_epochs_of_shuffled_minibatches(each):
    x, y = dataset()
    run = meanfield.train(
        start(),
        (x, y),
        step_size=0.2,
        batch=5,
        epochs=3,
        generator=one_or_each(each),
    )
    theta = start()
    generators = one_or_each(True) if each else [generator(7)] * 3
    orders = None
    for k in range(3 * 4):  # 23 samples are 4 minibatches and 3 left over
        if k % 4 == 0:
            if each:
                orders = [torch.randperm(23, generator=g) for g in generators]
            else:
                orders = [torch.randperm(23, generator=generators[0])] * 3
        rows = [order[5 * (k % 4) :][:5] for order in orders]
        losses = meanfield.sgd_step(
            theta,
            torch.stack([x[r] for r in rows]),
            torch.stack([y[r] for r in rows]),
            step_size=0.2,
        )
        torch.testing.assert_close(run.losses[k], losses)
    assert run.steps == 12
    for w, v in zip(run.theta, theta):
        torch.testing.assert_close(w, v)


def test_training_is_in_place_and_learns():
    x, y = dataset(200)
    y = (x[:, 0] > 0).long()
    theta = start((5, 50, 2))
    run = meanfield.train(
        theta,
        (x, y),
        step_size=0.5,
        batch=20,
        epochs=20,
        generator=generator(),
    )
    assert run.theta is theta
    assert (run.losses[-10:].mean(0) < 0.3 * run.losses[0]).all()
    assert (meanfield.evaluate(theta, x, y).error < 0.1).all()


def test_a_stream_draws_fresh_samples_at_each_step():
    run = meanfield.train(
        start(), fresh, step_size=0.1, batch=4, steps=6, generator=generator(3)
    )
    theta, g = start(), generator(3)
    for k in range(6):
        losses = meanfield.sgd_step(theta, *fresh(4, g), step_size=0.1)
        assert torch.equal(run.losses[k], losses)
    assert all(torch.equal(w, v) for w, v in zip(run.theta, theta))


def test_snapshots_come_at_their_moments():
    arguments = dict(step_size=0.25, batch=5, generator=generator(3))
    run = meanfield.train(
        start(), fresh, steps=120, snapshots=(1, 0, 0.5, 7), **arguments
    )
    assert [s.step for s in run.snapshots] == [0, 7, 60, 120]
    assert [s.time for s in run.snapshots] == [0, 1.75, 15, 30]
    for snapshot, expected in ((0, start()), (3, run.theta)):
        found = run.snapshots[snapshot].value
        assert all(torch.equal(w, v) for w, v in zip(found, expected))
    arguments["generator"] = generator(3)
    short = meanfield.train(start(), fresh, steps=7, **arguments)
    for w, v in zip(run.snapshots[1].value, short.theta):
        assert torch.equal(w, v)


@pytest.mark.parametrize("schedule", ["constant", "paper"])
def test_the_papers_schedule_has_the_same_time_in_more_steps(schedule):
    run = meanfield.train(
        start(),
        dataset(),
        step_size=0.8,
        batch=5,
        epochs=2,
        schedule=schedule,
        snapshots=(1.0,),
        generator=generator(),
    )
    stretch = {"constant": 1, "paper": 8}[schedule]
    assert run.steps == 8 * stretch
    assert run.step_size == 0.8 / stretch
    assert run.snapshots[0].time == pytest.approx(6.4)


@pytest.mark.parametrize("sizes", [(5, 6, 6, 3), (5, 6, 6, 6, 3)])
@pytest.mark.parametrize("train_ends", [True, False])
def test_deeper_networks_with_other_options(sizes, train_ends):
    theta = start(sizes)
    before = [w.clone() for w in theta]
    x, y = dataset()
    y = torch.nn.functional.one_hot(y, 3).float()
    meanfield.train(
        theta,
        (x, y),
        step_size=0.1,
        batch=5,
        epochs=2,
        loss="square",
        activation=torch.tanh,
        train_ends=train_ends,
        generator=one_or_each(True),
    )
    moved = [not torch.equal(a, b) for a, b in zip(before, theta)]
    ends = [train_ends]
    assert moved == ends + [True] * (len(theta) - 2) + ends


class Killed(Exception):
    pass


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("killed_at", [0, 30, 60])
def test_a_killed_run_resumes_to_the_same_numbers(
    tmp_path, stream, each, killed_at
):
    x, y = dataset()

    def draw(batch, generators):
        g = generators[0] if each else generators
        return fresh(batch, g)

    def go(measure, checkpoint=None):
        return meanfield.train(
            start(),
            draw if stream else (x, y),
            step_size=0.2,
            batch=5,
            steps=60,
            snapshots=(0, 0.25, 0.5, 1.0),
            measure=measure,
            generator=one_or_each(each),
            checkpoint=checkpoint,
            checkpoint_every=11,
        )

    def measure(theta):
        found = meanfield.evaluate(theta, x, y)
        return {"all": found, "norm": float(theta[0].norm()), "k": [1, "a"]}

    calls = []

    def fragile(theta):
        calls.append(len(calls))
        if len(calls) == {0: 1, 30: 3, 60: 4}[killed_at]:
            raise Killed
        return measure(theta)

    path = tmp_path / "deep" / "run.pt"
    with pytest.raises(Killed):
        go(fragile, path)
    assert path.exists() == (killed_at > 0)
    seen = []

    def counted(theta):
        seen.append(1)
        return measure(theta)

    resumed = go(counted, path)
    assert len(seen) == {0: 4, 30: 2, 60: 1}[killed_at]  # only what was left
    whole = go(measure)
    assert torch.equal(resumed.losses, whole.losses)
    for w, v in zip(resumed.theta, whole.theta):
        assert torch.equal(w, v)
        assert w.stride() == v.stride()
    assert len(resumed.snapshots) == 4
    for a, b in zip(resumed.snapshots, whole.snapshots):
        assert a.step == b.step
        assert torch.equal(a.value["all"].loss, b.value["all"].loss)
        assert torch.equal(a.value["all"].error, b.value["all"].error)
        assert a.value["norm"] == b.value["norm"]
        assert a.value["k"] == b.value["k"]
    # and once more: nothing is left to do
    again = go(fragile, path)
    assert all(torch.equal(w, v) for w, v in zip(again.theta, whole.theta))
    assert sorted(p.name for p in path.parent.iterdir()) == ["run.pt"]


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    path = tmp_path / "run.pt"

    def go(data=fresh, seed=0, **change):
        arguments = dict(step_size=0.1, batch=4, steps=6)
        return meanfield.train(
            start(),
            data,
            generator=generator(seed),
            checkpoint=path,
            **{**arguments, **change},
        )

    go()
    with pytest.raises(
        ValueError, match=r"step_size was 0\.1 and is now 0\.2"
    ):
        go(step_size=0.2)
    with pytest.raises(ValueError, match="data was"):
        go(data=dataset())
    with pytest.raises(ValueError, match="data was"):
        go(seed=1)
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match="no checkpoint"):
        go()


def test_a_checkpoint_cannot_run_code(tmp_path):
    path = tmp_path / "run.pt"

    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "made"), "w"))

    torch.save({"settings": {}, "x": Evil()}, path)
    with pytest.raises(ValueError, match="no checkpoint"):
        meanfield.train(
            start(),
            fresh,
            step_size=0.1,
            steps=1,
            generator=generator(),
            checkpoint=path,
        )
    assert not (tmp_path / "made").exists()


def test_a_loss_that_is_not_finite_stops_the_run():
    # the first step at which one trial's loss is not finite, by hand
    x, y = dataset()
    arguments = dict(step_size=1e3, loss="square")
    theta, g = start(), generator(4)
    onehot = torch.nn.functional.one_hot(y, 3).float()
    losses, broken = torch.zeros(3), -1
    while losses.isfinite().all():
        rows = torch.randperm(23, generator=g)
        losses = meanfield.sgd_step(theta, x[rows], onehot[rows], **arguments)
        broken += 1
    trial = int((~losses.isfinite()).nonzero()[0])
    with pytest.raises(FloatingPointError) as caught:
        meanfield.train(
            start(),
            (x, onehot),
            batch=23,
            epochs=100,
            generator=generator(4),
            **arguments,
        )
    text = str(caught.value)
    assert (
        f"the loss is not finite at step {broken} (trial {trial} of 3)" in text
    )
    assert "step size 1000" in text
    assert "try step_size=3.3e+02" in text


def test_weights_that_are_not_finite_stop_the_run():
    """One step: its own loss is finite, what it leaves is not."""

    def far(batch, g):  # inputs so large that the weights surely overflow
        x, y = fresh(batch, g)
        return 1000 * x, y

    with pytest.raises(FloatingPointError, match=r"weight.*step 1 .*1e\+38"):
        meanfield.train(
            start(), far, step_size=1e38, steps=1, generator=generator()
        )


def test_threads_are_one_inside_and_restored_after():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    seen = []

    def look(theta):
        seen.append(torch.get_num_threads())

    try:
        for threads in (1, None):
            meanfield.train(
                start(),
                fresh,
                step_size=0.1,
                steps=2,
                snapshots=(0,),
                measure=look,
                threads=threads,
                generator=generator(),
            )
        assert seen == [1, 2]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (dict(epochs=None), ValueError, "epochs or steps"),
        (dict(steps=3), ValueError, "not both"),
        (dict(epochs=0), ValueError, "at least one step, got 0"),
        (dict(batch=24), ValueError, r"1\.\.23, got 24"),
        (dict(batch=0), ValueError, "batch"),
        (dict(schedule="cosine"), ValueError, "constant.*paper.*cosine"),
        (dict(snapshots=(-0.5,)), ValueError, "snapshots.*-0.5"),
        (dict(snapshots=(99,)), ValueError, "up to 8, got 99"),
        (dict(snapshots=(1.5,)), ValueError, "whole numbers"),
        (dict(generator=[generator()]), ValueError, "1 entries for 3 trials"),
        (dict(data=fresh), ValueError, "no epochs"),
        (dict(data=(dataset()[0], torch.zeros(23))), TypeError, "int64"),
        (dict(data=(dataset()[0].double(), 0)), TypeError, "float64"),
        (dict(data=(dataset()[0][0], 0)), ValueError, r"\(n, 5\)"),
        (dict(data=(torch.zeros(3, 23, 5), 0)), ValueError, r"\(n, 5\)"),
    ],
)
def test_wrong_arguments_are_named(change, error, message):
    arguments = dict(
        data=dataset(), step_size=0.1, batch=5, epochs=2, generator=generator()
    )
    with pytest.raises(error, match=message):
        meanfield.train(start(), **{**arguments, **change})


def test_a_stream_with_wrong_samples_is_named():
    def narrow(batch, g):
        x, y = fresh(batch, g)
        return x[:, :4], y

    with pytest.raises(ValueError, match=r"\(n, 5\).*got \(4, 4\)"):
        meanfield.train(
            start(),
            narrow,
            step_size=1,
            batch=4,
            steps=1,
            generator=generator(),
        )


def test_what_differs_in_order_or_in_what_it_encloses_is_another_run(
    tmp_path,
):
    x, y = dataset()

    def stream(delta):
        return lambda batch, g: fresh(round(delta * batch), g)

    def go(data=(x, y), theta=None, name="run.pt", **change):
        return meanfield.train(
            start() if theta is None else theta,
            data,
            **{"step_size": 0.1, "batch": 4, "steps": 6, **change},
            generator=generator(),
            checkpoint=tmp_path / name,
        )

    first = go()
    other = tuple(w.flip(1) for w in start())
    for change, name in (
        (dict(data=(x, y.flip(0))), "data"),
        (dict(theta=other), "start"),
        (dict(activation=lambda z: z.tanh()), "activation"),
    ):
        with pytest.raises(ValueError, match=f"{name} was"):
            go(**change)
    go(stream(1), name="stream.pt", activation=lambda z: z.tanh())
    with pytest.raises(ValueError, match="data was"):
        go(stream(1.1), name="stream.pt", activation=lambda z: z.tanh())
    with pytest.raises(ValueError, match="activation was"):
        go(stream(1), name="stream.pt", activation=lambda z: z.relu())
    go(stream(1), name="stream.pt", activation=lambda z: z.tanh())
    assert all(map(torch.equal, go().theta, first.theta))
