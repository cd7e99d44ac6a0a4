# %% [markdown]
# (subnetworks-experiments)=
# # Where dropout fails and subnetworks do not
#
# **In one sentence.** Half of a deep, narrow network's neurons, picked at
# random, compute nothing of use, so the dropout path has no low road to
# offer; but a fresh subnetwork, trained on half of the *features* of any one
# layer, fits the data, and those subnetworks are the knots of a path that is
# certified low.
#
# **Reproduces** {cite}`nguyen2021`: Section 6 with Figure 1, Appendix A with
# Figures 3 and 4, Table 1. **Needs** {ref}`subnetworks-theorem`.

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

# %% [markdown]
# ## Two questions about a layer
#
# Write $L$ for the number of weight layers of a ReLU network $\theta$, $n_l$
# for the width of layer $l$, and $f_l(\theta, x) \in \mathbb{R}^{n_l}$ for
# its features; $f_0 = x$. Fix a *pruning factor* $f$, and ask of each layer
# what is left when a fraction $f$ of the units goes.
#
# **(A) Are the features good?** Keep $|\mathcal{I}_l| = \lceil (1-f)\, n_l
# \rceil$ units of layer $l$, and let a new network $\xi_l$ of the widths that
# were given up, $n_p - |\mathcal{I}_p|$ for $p > l$, learn from those
# features alone. With $\Psi$ the loss and $h_L$ the output,
#
# $$
# \tilde Q_l = \min_{\mathcal{I}_l}\ \inf_{\xi_l}\
# \mathbb{E}\big[\Psi\big(h_L(\xi_l, f_{l, \mathcal{I}_l}(\theta, x)),
# y\big)\big],
# \qquad l = 0, \dots, L - 1.
# $$ (eq-se-q)
#
# By Theorem 4.1 ({ref}`subnetworks-theorem`) two solutions are joined by a
# path whose loss nowhere exceeds the largest of these numbers and of the two
# ends' own losses. The minimum is bounded by the best of $T_A = 20$ random
# subsets, the infimum by SGD.
#
# **(B) Are the weights robust?** Remove a fraction $f$ of the units of *all*
# layers $l, \dots, L - 1$ at random, multiply what comes out by the factor
# that is best on the training set, and keep the best of $T_B = 200$ draws.
# That is dropout stability, the condition of {cite}`kuditipudi2019`
# ({ref}`dropout-paths`).
#
# (A) trains what (B) leaves as it is. Both need the same room: the other half
# of the network.
#
# ## The experiment
#
# The paper trains three architectures; the laptop run trains six layers of 40
# neurons on the 8 × 8 digits, deep and narrow on purpose.

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

# %% [markdown]
# The originals are trained until they make no error on the training set, and
# five epochs beyond, without dropout or weight decay.

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


# %% [markdown]
# Experiment (A) bounds {eq}`eq-se-q`. `subnetworks.train` computes the
# features once and trains all draws of a layer together, in batched products.

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


# %% [markdown]
# Experiment (B) is `dropout.stability`: draws are chosen by their training
# loss, and every number reported is that draw's, with the factor found for
# it.

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
def best(s):
    """(loss, error) of the draw that was best in training."""
    table = [s.train_loss, s.train_error, s.test_loss, s.test_error]
    loss, error, *held = (column[s.best].item() for column in table)
    return {"train": [loss, error], "test": held}


def cell(**which):
    """Both experiments on one layer of one model, and the model itself."""
    d, net, theta = original(**which)
    found = {k: which[k] for k in ("dataset", "model", "prune", "layer")}
    found["O"] = {
        name: training.evaluate(net, theta, part.x, part.y)
        for name, part in (("train", d.train), ("test", d.test))
    }
    found["A"] = best(experiment_a(**which))
    if which["layer"]:
        b = experiment_b(**which)
        half = b.train_loss[: len(b.train_loss) // 2].min().item()
        kept = [units.tolist() for units in b.kept[b.best]]
        found["B"] = best(b) | {"of half": half}
        found["B"] |= {"kept": kept, "scales": b.scales[b.best]}
    return found


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
