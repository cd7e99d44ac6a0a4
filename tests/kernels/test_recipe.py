"""training.Recipe: one description, the same wherever SGD runs."""

import dataclasses
import subprocess
import sys

import pytest
import torch

from kernels import subnetworks, training
from kernels.networks import mlp, tree
from kernels.paths import curves
from kernels.training import Recipe

F64 = torch.float64
NET = mlp([3, 6, 5, 2])
A, B = (
    NET.init(generator=torch.Generator().manual_seed(s), dtype=F64)
    for s in (1, 2)
)
X = torch.randn(20, 3, dtype=F64, generator=torch.Generator().manual_seed(3))
Y = torch.arange(20) % 2
DECAY = training.StepDecay(0.5, epochs=1)


def rng():
    return torch.Generator().manual_seed(0)


def trained(*args, **how):
    return training.train(NET, A, (X, Y), *args, generator=rng(), **how).theta


def bent(*args, **how):
    return curves.train(NET, A, B, (X, Y), *args, generator=rng(), **how).bend


def fitted(*args, **how):
    found = subnetworks.train(
        NET, A, X, Y, *args, layer=1, draws=1, generator=rng(), **how
    )
    return found.parameters[0]


@pytest.mark.parametrize("run", [trained, bent, fitted])
def test_a_recipe_is_its_keywords(run):
    how = dict(
        step_size=0.1,
        momentum=0.5,
        weight_decay=1e-3,
        batch=5,
        epochs=2,
        schedule=DECAY,
        stop=None,
    )
    expected = run(**how)
    recipe = Recipe(**how)
    assert tree.equal(run(recipe=recipe), expected)
    other = dataclasses.replace(recipe, momentum=0.0)
    assert tree.equal(run(recipe=other, momentum=0.5), expected)
    assert not tree.equal(run(recipe=other), expected)


@pytest.mark.parametrize(
    ("run", "change"),
    [
        (bent, {"dropout": 0.5}),
        (bent, {"stop": "separation"}),
        (bent, {"mixed_precision": True}),
        (fitted, {"dropout": 0.5}),
        (fitted, {"sampling": "independent"}),
        (fitted, {"steps": 3}),
    ],
)
def test_what_a_training_does_not_have_is_refused(run, change):
    (name,) = change
    with pytest.raises(ValueError, match=f"{name} is .*train has"):
        run(step_size=0.1, batch=5, **({"epochs": 1} | change))


def test_unknown_settings_and_other_recipes():
    with pytest.raises(TypeError, match="stepsize"):
        trained(stepsize=0.1)
    with pytest.raises(TypeError, match="step_size"):
        trained(steps=1)
    with pytest.raises(TypeError, match="recipe is a dict"):
        trained(recipe={"step_size": 0.1})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("step_size", 0),
        ("step_size", float("inf")),
        ("momentum", -0.1),
        ("weight_decay", float("nan")),
        ("batch", 0),
        ("batch", 2.5),
        ("epochs", 0),
        ("epochs", float("nan")),
        ("steps", 0),
        ("steps", 1.5),
        ("loss", "hinge"),
        ("sampling", "often"),
        ("stop", "early"),
    ],
)
def test_settings_out_of_range_are_named(name, value):
    with pytest.raises(ValueError, match=f"{name} is "):
        Recipe(**({"step_size": 0.1} | {name: value}))


def test_its_repr_is_the_same_in_every_process():
    line = (
        "from kernels.training import *\n"
        "def slow(k, n):\n    return 1.0\n"
        "print(Recipe(0.1, momentum=0.9, schedule=slow, dropout=[0.1, 0],"
        "augment=CropFlip(2)))"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", line],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for _ in range(2)
    }
    assert seen == {
        "Recipe(step_size=0.1, momentum=0.9, schedule=slow, "
        "dropout=(0.1, 0), augment=CropFlip(padding=2, flip=True))"
    }
    recipe = Recipe(0.1, schedule=DECAY, nesterov=True, momentum=0.5)
    rebuilt = eval(repr(recipe), vars(training))
    assert rebuilt == recipe


def test_recipes_are_noted_each_once_in_order():
    how = dict(step_size=0.1, batch=5, epochs=1)
    trained(**how)
    with training.noted() as all_:
        trained(**how)
        with training.noted() as inner:
            bent(**how)
            with pytest.raises(ValueError, match="dropout"):
                bent(**how, dropout=-1.0)
        trained(recipe=Recipe(**how))
        fitted(**how, momentum=0.0, stop=None)
    plain = repr(Recipe(**how))
    curve = repr(Recipe(**how, momentum=0.9))
    assert inner[0] == curve
    assert all_[:2] == [plain, curve]
    assert all_.count(plain) == 1
    trained(**how, momentum=0.3)
    assert not any("0.3" in one for one in all_)


def test_a_run_from_its_checkpoint_notes_its_recipe(tmp_path):
    how = dict(step_size=0.1, batch=5, epochs=1)
    how["checkpoint"] = tmp_path / "run.pt"
    trained(**how)
    with training.noted() as found:
        trained(**how)
    assert found == ["Recipe(step_size=0.1, batch=5, epochs=1)"]
