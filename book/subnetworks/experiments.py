# %% [markdown]
# (subnetworks-experiments)=
# # Where dropout fails and subnetworks do not
#
# PLACEHOLDER

# %% tags=["parameters"]
profile = "laptop"  # "paper" runs MNIST and the paper's ten layers of 245

# %% tags=["remove-cell"]
import sys
from pathlib import Path

here = Path(globals().get("__file__", "chapter.py")).resolve()
root = next(p for p in here.parents if (p / "_config.yml").exists())
sys.path.insert(0, str(root))

# %% tags=["remove-input"]
from book.tools import chapter

run = chapter.start("subnetworks/experiments", profile)

# %%
scale = run.scale(
    laptop=dict(
        nets=[dict(dataset="digits", hidden=[40] * 6)],
        models={"1/2": 5, "1/3": 2, "1/4": 2},  # for each pruning factor f
        sgd_o=dict(step_size=0.02, momentum=0.9, batch=50, halve=50),
        sgd_a=dict(step_size=0.02, momentum=0.9, batch=50, halve=10),
        epochs=(100, 25),  # at most: of an original, of a subnetwork
        draws=(3, 100),  # T_A, T_B
        dtype="float64",
    ),
    paper=dict(
        nets=[dict(dataset="mnist", hidden=[245] * 10)],
        models={"1/2": 2, "1/3": 1, "1/4": 1},
        sgd_o=dict(step_size=2e-3, momentum=0.95, batch=100, halve=10),
        sgd_a=dict(step_size=1e-2, momentum=0.95, batch=100, halve=4),
        epochs=(80, 20),
        draws=(5, 200),
        dtype="float32",
    ),
)

# %%
import functools
from fractions import Fraction

import torch

from kernels import data, device, networks, training

STORE = run.store
SCALING = {"digits": "global", "mnist": "signed", "cifar10": "imagenet"}


@functools.cache
def samples(dataset, dtype):
    """Training and test set, normalised as the authors do."""
    d = data.load(dataset, normalize=SCALING[dataset])
    return d.to(dtype=getattr(torch, dtype))


def sgd(*, step_size, momentum, batch, halve):
    """Settings as `kernels.training` and `kernels.subnetworks` take them."""
    falling = training.StepDecay(0.5, epochs=halve)
    return dict(
        step_size=step_size, momentum=momentum, batch=batch, schedule=falling
    )


def original(*, dataset, hidden, model, sgd_o, epochs, dtype, **_):
    """A network trained until it separates its data, and 5 epochs beyond."""
    d = samples(dataset, dtype)
    net = networks.mlp([d.train.x.shape[1], *hidden, 10])
    g = device.generator(0, "experiments", dataset, model)
    theta = net.init(generator=g, dtype=d.train.x.dtype)
    for part, most, stop in (("to", epochs[0], "separation"), ("on", 5, None)):
        theta = training.train(
            net,
            theta,
            (d.train.x, d.train.y),
            generator=g,
            nesterov=True,
            epochs=most,
            stop=stop,
            checkpoint=Path(STORE, f"{dataset}-{model}-{part}.pt"),
            **sgd(**sgd_o),
        ).theta
    return d, net, theta


# %%
from kernels import subnetworks


def experiment_a(*, prune, layer, sgd_a, epochs, draws, **which):
    """Equation (16), bounded from above: the best of T_A trained xi_l."""
    d, net, theta = original(epochs=epochs, **which)
    names = which["dataset"], which["model"], prune.replace("/", "-")
    return subnetworks.train(
        net,
        theta,
        d.train.x,
        d.train.y,
        layer=layer,
        keep=float(1 - Fraction(prune)),
        draws=draws[0],
        epochs=epochs[1],
        generator=device.generator(0, "A", *names, layer),
        test=(d.test.x, d.test.y),
        store=Path(STORE, "-".join(map(str, names))),
        **sgd(**sgd_a),
    )


# %%
from kernels import dropout


def experiment_b(*, prune, layer, draws, **which):
    """The best of T_B: layers l, ..., L - 1 pruned, the output rescaled."""
    d, net, theta = original(**which)
    names = which["dataset"], which["model"], prune.replace("/", "-")
    return dropout.stability(
        net,
        theta,
        d.train.x,
        d.train.y,
        first=layer,
        keep=float(1 - Fraction(prune)),
        draws=draws[1],
        generator=device.generator(0, "B", *names, layer),
        test=(d.test.x, d.test.y),
    )


# %%
def cell(**which):
    """Both experiments on one layer of one model, and the model itself."""
    d, net, theta = original(**which)
    found = {k: which[k] for k in ("dataset", "model", "prune", "layer")}
    found["O train"] = training.evaluate(net, theta, d.train.x, d.train.y)
    found["O test"] = training.evaluate(net, theta, d.test.x, d.test.y)
    found |= summary("A", experiment_a(**which))
    if which["layer"]:
        b = experiment_b(**which)
        found |= summary("B", b)
        found["B kept"] = [units.tolist() for units in b.kept[b.best]]
        found["B scales"] = b.scales[b.best]
        found["B of half"] = (
            b.train_loss[: len(b.train_loss) // 2].min().item()
        )
    return found


def summary(name, s):
    """(loss, error) of the draw with the smallest training loss."""
    best = s.best
    return {
        f"{name} train": [
            s.train_loss[best].item(),
            s.train_error[best].item(),
        ],
        f"{name} test": [s.test_loss[best].item(), s.test_error[best].item()],
    }


# %%
from kernels import sweep

grid = [
    dict(**one, prune=f, model=m, layer=layer)
    for f, models in scale["models"].items()
    for one in scale["nets"]
    for m in range(models)
    for layer in range(len(one["hidden"]) + 1)
]
fixed = {k: v for k, v in scale.items() if k not in ("nets", "models")}
cells = sweep.run(cell, [p | fixed for p in grid], store=STORE)
