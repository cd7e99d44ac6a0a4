# %% [markdown]
# (subnetworks-width)=
# # Wide enough, and dropout is enough
#
# **In one sentence.** In a network with two hidden layers the damage done by
# removing half of the neurons shrinks as the layers widen, sooner in the
# second hidden layer than in the first, until nothing is left of it: wide
# networks need no retrained subnetworks.
#
# **Reproduces** {cite}`nguyen2021`, Figure 2. **Needs**
# {ref}`subnetworks-experiments` for experiment (B).

# %% tags=["parameters"]
profile = "laptop"  # "paper" runs MNIST and widths from 200 to 3000
step_size = 0.02  # of SGD
epochs = 60  # of SGD, at most
beyond = 5  # epochs after the data are separated
draws = 50  # T_B, random halves tried for each network
cases = ""  # all, or those to run: "torch width=1500, width=3000 model=0"

# %% tags=["remove-cell"]
import sys
from pathlib import Path

here = Path(globals().get("__file__", "chapter.py")).resolve()
root = next(p for p in here.parents if (p / "_config.yml").exists())
sys.path.insert(0, str(root))

# %% tags=["remove-input"]
from book.tools import chapter

run = chapter.start(
    "subnetworks/width",
    profile,
    step_size=step_size,
    epochs=epochs,
    beyond=beyond,
    draws=draws,
    cases=cases,
)

# %% [markdown]
# ## The claim
#
# Experiment (B) removes half of the neurons of the layers $l, \dots, L - 1$
# at random, multiplies the output by the factor $r$ that is best on the
# training set, and keeps the best of $T_B$ draws
# $\mathcal{I} = (\mathcal{I}_l, \dots, \mathcal{I}_{L-1})$:
#
# $$
# B_l = \min_{\mathcal{I}}\ \min_{r \ge 0}\
# \mathbb{E}\big[\Psi\big(r\, h_L(\theta_{\mathcal{I}}, x), y\big)\big].
# $$ (eq-sw-b)
#
# With two hidden layers of the same width ($L = 3$) there are two of these
# numbers. The paper trains such networks on MNIST with widths from 200 to
# 3000 and finds that beyond 1000 dropout stability holds across both layers.
# This is where the mean-field picture of Part II meets Part III: what dropout
# does is a fluctuation of a sum over neurons, and more neurons average it
# away ({ref}`meanfield-dropout`).
#
# ## The experiment

# %%
scale = run.scale(
    laptop=dict(
        dataset="digits",
        models={  # initialisation: {width: models}
            "torch": {16: 4, 32: 4, 64: 4, 128: 4, 256: 3, 512: 2},
            "normal": {16: 2, 32: 2, 64: 2, 128: 2, 256: 2},
        },
        sgd=dict(step_size=step_size, momentum=0.9, batch=50, epochs=epochs),
        beyond=beyond,
        draws=draws,
        dtype="float64",
    ),
    paper=dict(
        dataset="mnist",
        models={
            "torch": {200: 3, 500: 3, 1000: 3, 1500: 3, 2000: 3, 3000: 3},
            "normal": {200: 1, 500: 1},
        },
        sgd=dict(step_size=5e-3, momentum=0.95, batch=100, epochs=60),
        beyond=1,
        draws=50,
        dtype="float32",
        mixed_from=1500,  # width from which training takes bfloat16 products
    ),
)

# %% [markdown]
# A `cell` trains one network until it separates the training `samples`, and a
# little beyond; then half of it goes, from layer 1 on or in layer 2 alone.
# Networks start from PyTorch's default initialisation, uniform with variance
# $1/(3n)$ for $n$ inputs, as the authors' do; to see whether that matters,
# some start from He's, whose variance is $2/n$.

# %%
import functools

import torch

from kernels import data, device, dropout, networks, training

STORE = run.store


@functools.cache
def samples(dataset, dtype):
    """Training and test set; MNIST in [-1, 1], as the authors have it."""
    how = "signed" if dataset == "mnist" else "global"
    d = data.load(dataset, normalize=how)
    return d.to(dtype=getattr(torch, dtype))


def cell(
    *, dataset, start, width, model, sgd, beyond, draws, dtype, mixed=False
):
    """Two hidden layers, trained; experiment B from layer 1 and from 2."""
    d = samples(dataset, dtype)
    net = networks.mlp([d.train.x.shape[1], width, width, 10])
    g = device.generator(0, "width", dataset, start, width, model)
    bias = "uniform" if start == "torch" else "zero"
    theta = net.init(
        generator=g, dtype=d.train.x.dtype, distribution=start, bias=bias
    )
    for part, more in (("to", {}), ("on", {"epochs": beyond})):
        done = training.train(
            net,
            theta,
            (d.train.x, d.train.y),
            generator=g,
            nesterov=True,
            stop="separation" if part == "to" else None,
            checkpoint=Path(
                STORE, f"{dataset}-{start}-{width}-{model}-{part}.pt"
            ),
            mixed_precision=mixed,
            **sgd | more,
        )
        theta = done.theta
    found = {"start": start, "width": width, "model": model}
    found["O train"] = training.evaluate(net, theta, d.train.x, d.train.y)
    found["O test"] = training.evaluate(net, theta, d.test.x, d.test.y)
    for layer in (1, 2):
        b = dropout.stability(
            net,
            theta,
            d.train.x,
            d.train.y,
            first=layer,
            draws=draws,
            generator=g,
            test=(d.test.x, d.test.y),
        )
        for part in ("train", "test"):
            both = (getattr(b, f"{part}_{what}") for what in ("loss", "error"))
            found[f"B{layer} {part}"] = [t[b.best].item() for t in both]
    return found


# %% tags=["hide-input"]
def named(c):
    """A case's name, from its settings or from its results."""
    return f"{c['start']} width={c['width']} model={c['model']}"


run.uses(samples(scale["dataset"], scale["dtype"]))
fixed = {k: v for k, v in scale.items() if k not in ("models", "mixed_from")}
wide = scale.get("mixed_from", float("inf"))
cells = run.cells(
    "cells",
    cell,
    [
        dict(start=start, width=w, model=m, mixed=w >= wide, **fixed)
        for start, widths in scale["models"].items()
        for w, models in widths.items()
        for m in range(models)
    ],
    named,
)

# %% tags=["remove-cell"]
import numpy as np

from book.tools import figures, fits


def gather(cells, who, part, what, start="torch"):
    """{width: values over models}; what: 0 the loss, 1 the error."""
    rows = {}
    for c in cells:
        if c["start"] == start:
            rows.setdefault(c["width"], []).append(c[f"{who} {part}"][what])
    return {w: np.array(v) for w, v in sorted(rows.items())}


LINES = [
    ("half of layers 1 and 2 removed", "B1", "torch", "blue", "-o"),
    ("the same, He's initialisation", "B1", "normal", "green", "-.^"),
    ("half of layer 2 removed", "B2", "torch", "orange", "--s"),
    ("original network", "O", "torch", "black", ":"),
]


def draw_width(cells):
    """Figure 2: training loss and test error against the width."""
    axes = figures.axes(2)
    for ax, part, what in zip(axes, ("train", "test"), (0, 1)):
        for label, who, start, colour, style in LINES:
            rows = gather(cells, who, part, what, start)
            v = [r * (100 if what else 1) for r in rows.values()]
            ax.errorbar(
                list(rows),
                [r.mean() for r in v],
                [r.std(ddof=1) if len(r) > 1 else 0 for r in v],
                fmt=style,
                color=figures.COLOURS[colour],
                label=label,
            )
        ax.set(xscale="log", xlabel="width of both hidden layers")
        figures.log_ticks(ax, gather(cells, "O", part, what))
    axes[0].set_ylabel("training loss")
    axes[1].set_ylabel("test error (%)")
    figures.legend(axes[1])


# %% [markdown]
# {numref}`fig-sw-digits` shows both numbers falling towards the original's.
# Layer 2, removed alone, is ahead by a factor of about four in width: what
# its neurons read is intact, while a network without half of layer 1 passes
# the damage on. And the initialisation matters as much as a doubling of the
# width: our guess, which no run
# here tests, is that more is left of He's larger initial weights after
# training that has nothing to do with the data.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Training loss and test error against the width from 16 to 512 on the digits. With half of both layers removed the loss falls from 1.4 to 0.036 and the error from 51 to 2.7 per cent; with half of layer 2 removed from 0.87 to 0 and from 31 to 2.1 per cent, near the original's. He's initialisation is worse than PyTorch's at every width from 64."}, "figure": {"name": "fig-sw-digits", "caption": "Digits: experiment (B) on networks with two hidden layers, mean and standard deviation over models. Wider networks lose less, and lose less still when only layer 2 is pruned."}}
draw_width(cells)

# %% [markdown]
# ## How fast
#
# The paper draws the curves and leaves the rate open. The *rise* in training
# loss, $B_l$ less the original's loss, on logarithmic axes (`rises`):


# %%
def rises(cells, who):
    """(widths, rise in training loss, one mean a width)."""
    b, o = (gather(cells, name, "train", 0) for name in (who, "O"))
    return np.array(list(b)), np.array([(b[w] - o[w]).mean() for w in b])


for who, layers in (("B1", "layers 1 and 2"), ("B2", "layer 2")):
    n, rise = rises(cells, who)
    keep = (n >= 32) & (rise > 1e-3)
    fit = fits.loglog(n[keep], rise[keep, None])
    print(f"{layers}: slope {fit.slope:.1f} over widths {n[keep].tolist()}")

# %% [markdown]
# A slope near $-1$ is what the second order of the loss in the fluctuation
# predicts ({ref}`meanfield-dropout`); the best of many draws, and a factor
# fitted to the data, make it steeper. When the pruned network still separates
# the training set, the best factor in {eq}`eq-sw-b` is infinite and the loss
# that it reaches is zero, *below* the original's: those widths are left out
# of the fit.
#
# ## At the paper's scale
#
# MNIST, on CPU cores: on record are three models at 200 and at 500, one at
# 1000 and one at 2000. The paper has three of each, and one more width, 3000;
# the missing ones are cases of the paper profile, minutes of one core each.


# %% tags=["hide-input"]
def above_1000(cells):
    """The widths larger than 1000; on a laptop the largest."""
    widths = {c["width"] for c in cells}
    return {w for w in widths if w > 1000} or {max(widths)}


def above(cells, who, part, what, widths):
    """By how much (B) is above the original, the largest over widths."""
    b, o = (gather(cells, name, part, what) for name in (who, "O"))
    return max((b[w] - o[w]).mean() * (100 if what else 1) for w in widths)


def judge(measure, cells):
    """All claims on N21's Figure 2 that these cells measure."""
    wide, narrow = above_1000(cells), {min(c["width"] for c in cells)}
    for k in (1, 2):
        for name, part, what in (("loss", "train", 0), ("error", "test", 1)):
            worst = above(cells, f"B{k}", part, what, wide)
            measure(f"n21-width-{name}-{k}", worst)
    measure("n21-width-narrow", above(cells, "B1", "train", 0, narrow))


judge(run.measure, cells)
run.finish({})
judge(run.remeasure, run.recorded["cells"])

# %% tags=["hide-input"] mystnb={"image": {"alt": "MNIST, widths 200 to 2000: training loss and test error of the original and of networks with half of layers 1 and 2, or of layer 2, removed."}, "figure": {"name": "fig-sw-mnist", "caption": "MNIST, the counterpart of N21's Figure 2."}}
paper = run.recorded["cells"]
draw_width(paper)

# %%
for who, layers in (("B1", "layers 1 and 2"), ("B2", "layer 2")):
    n, rise = rises(paper, who)
    error = {}
    for name in (who, "O"):
        rows = gather(paper, name, "test", 1)
        error[name] = np.array([100 * rows[w].mean() for w in n])
    for w, loss, points in zip(n, rise, error[who] - error["O"]):
        print(f"{layers}, width {w}: loss {loss:+.3f}, error {points:+.2f}")

# %% [markdown]
# In layer 2 dropout stability holds from 500 on. Through both layers it does
# not hold at 1000 by the tolerances we had set, and holds at 2000, with 0.96
# points of test error just within them. The paper says *larger than* 1000. The
# curves fall as it says, and with the initialisation that its authors used;
# from which width on one calls a network stable depends on what one calls
# small.

# %% [markdown]
# ## Verdict

# %% tags=["remove-input"]
run.verdict()

# %% [markdown]
# ## Deviations
#
# - **Training.** The authors train for 400 epochs at a step size of 0.005
#   with momentum 0.95; ours ends an epoch after the training set is separated.
#   Both start from PyTorch's default initialisation, except where He's is
#   named.
# - **The widths** are the figure's. (The script for this sweep in
#   [the code that the paper names](https://github.com/modeconnectivity/modeconnectivity),
#   `widths_mnist.bash` at commit `8d801c7`, names a folder by each width and
#   trains every network at width 500.)
# - **Draws.** $T_B = 50$ instead of 200, here and on MNIST. For the
#   wide networks the draws hardly differ, which is the point.
# - **Loss and error.** With an infinite best factor the training loss of (B)
#   is zero and its test loss huge. Read the error in that case.
#
# ## Exercises
#
# 1. Add `beyond=100` epochs. Does training on make a network more stable
#    under dropout, or less?
# 2. Keep a quarter (`keep=0.25` in `dropout.stability`). By which factor must
#    the width grow to make up for it?
#
# ## Provenance

# %% tags=["remove-input"]
run.footer()
