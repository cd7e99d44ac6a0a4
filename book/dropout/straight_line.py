# %% [markdown]
# (dropout-straight)=
# # The wall between two trained networks
#
# **In one sentence.** On the straight line between two independently trained
# networks the loss climbs far above both ends, in narrow networks nearly to
# the level of guessing; we measure how high, and prove that it is at most a
# few per cent higher.
#
# **Reproduces** {cite}`kuditipudi2019`, Appendix D.2 and Figure 5. **Needs**
# nothing before it.

# %% tags=["parameters"]
profile = "laptop"  # "paper" runs MNIST, trained as in the paper
widths = [16, 32, 64, 128]  # hidden units of each of the two layers
trials = 5  # from 2 to 100: pairs of networks
steps = 200  # of SGD
step_size = 0.1  # of SGD
samples = 1297  # training images on which lines are measured: all
tolerance = 0.05  # from 0.001 to 1: of the certificate, relative

# %% tags=["remove-cell"]
import sys
from pathlib import Path

here = Path(globals().get("__file__", "chapter.py")).resolve()
root = next(p for p in here.parents if (p / "_config.yml").exists())
sys.path.insert(0, str(root))

# %% tags=["remove-input"]
from book.tools import chapter

run = chapter.start(
    "dropout/straight_line",
    profile,
    widths=widths,
    trials=trials,
    steps=steps,
    step_size=step_size,
    samples=samples,
    tolerance=tolerance,
)

# %% [markdown]
# ## The question
#
# A network of $d$ layers with parameters $\theta = (A_1, \dots, A_d)$
# computes $f_\theta$: with the ReLU $\phi(u) = \max(u, 0)$ and the input
# $x^0$,
#
# $$
# x^1 = A_1 x^0, \qquad x^i = A_i\, \phi(x^{i-1}), \qquad
# f_\theta(x^0) = x^d.
# $$ (eq-sl-net)
#
# (The paper's layers have no biases. Ours do, as layers in practice do;
# read a bias as one more column of $A_i$.) $L(f_\theta)$ is the mean over a
# data set of a loss that is convex in the output: here the cross-entropy on
# training images.
#
# Train twice, from two random starts. SGD ends at two parameters $\theta^A$
# and $\theta^B$, both good. Are they two points of one valley, or of two?
#
# ```{prf:definition} Connected up to ε (K19, Section 2)
# :label: def-sl-connected
# $\theta^A$ and $\theta^B$ are $\epsilon$-*connected* if a continuous path
# $\pi$ leads from one to the other on which
#
# $$
# L(f_{\pi(t)}) \le \max\{L(f_{\theta^A}), L(f_{\theta^B})\} + \epsilon
# \qquad \text{for all } t \in [0, 1].
# $$ (eq-sl-connected)
# ```
#
# The first path one tries is the straight line
# $\theta_t = (1 - t)\,\theta^A + t\,\theta^B$. The smallest $\epsilon$ with
# which it satisfies {eq}`eq-sl-connected` is its *barrier*,
#
# $$
# B(\theta^A, \theta^B) = \sup_{0 \le t \le 1} L(f_{\theta_t})
# - \max\{L(f_{\theta^A}), L(f_{\theta^B})\}.
# $$ (eq-sl-barrier)
#
# The paper's Figure 5 walks this line between two VGG-11 networks on CIFAR-10
# and finds a loss "as high as 2.34 and accuracy as low as 10 %": for ten
# classes, guessing has a loss of $\ln 10 = 2.30$ and 10 % accuracy. That
# barrier is why the rest of Part I exists. Here we look at it where a laptop
# can repeat it often enough for error bars: two hidden layers of equal width,
# five pairs for every width, on the *digits*, scikit-learn's 1797 pictures of
# handwritten digits in 8 × 8 pixels, of which 1297 are for training.

# %%
scale = run.scale(
    laptop=dict(
        dataset="digits",
        widths=widths,
        trials=trials,
        samples=samples,
        recipe=dict(steps=steps, batch=128, step_size=step_size, momentum=0.9),
        tolerance=tolerance,
        dtype="float64",
    ),
    paper=dict(
        dataset="mnist",
        widths=[32, 64, 128, 256],
        trials=5,
        samples=4096,  # as in K19, D.1
        recipe=dict(steps=5000, batch=64, step_size=0.1, momentum=0.0),
        tolerance=0.05,
        dtype="float32",
    ),
)

# %% tags=["hide-input"]
import functools

import torch

from kernels import data, device


@functools.cache
def images(name, dtype):
    """A dataset, read once."""
    return data.load(name).to(dtype=getattr(torch, dtype))


# %% [markdown]
# ## Two networks, and a third that is the first
#
# For one `pair` we train twice (`trained`), and walk two lines. The first
# leads to the other network. The second leads to a *copy of the same network*,
# its hidden units in another order: rows of $A_i$ and columns of $A_{i+1}$
# permuted together, so that both ends compute exactly the same function.

# %%
from kernels import certificates, interpolation, networks, paths, training
from kernels.paths.alignment import permute


def trained(net, split, generator, recipe):
    """SGD from a random start; handed over in float64, to be certified."""
    theta = training.train(
        net,
        net.init(generator=generator, dtype=split.x.dtype),
        (split.x, split.y),
        generator=generator,
        schedule=training.InverseTime(1e-6),  # K19, D.1
        **recipe,
    ).theta
    return tuple((weight.double(), bias.double()) for weight, bias in theta)


def pair(*, dataset, width, trial, samples, recipe, tolerance, dtype):
    """Train two networks, and walk to the other and to a permuted copy."""
    d = images(dataset, dtype)
    net = networks.mlp([d.train.x.shape[1], width, width, 10])
    g = device.generator(0, "straight_line", dataset, width, trial)
    a, b = (trained(net, d.train, g, recipe) for _ in range(2))
    order = [torch.randperm(h, generator=g) for h in net.hidden]
    some = torch.randperm(len(d.train.y), generator=g)[:samples]
    x, y = d.train.x[some].double(), d.train.y[some]
    line = paths.straight(a, b)
    bound = certificates.certify(
        net, line, x, y, tolerance=tolerance, error=False
    )
    result = {"width": width, "upper": bound.upper}
    result |= {"complete": bound.complete, "intervals": bound.intervals}
    for name, end in (("other", b), ("copy", permute(net, a, order))):
        line = paths.straight(a, end)
        seen = interpolation.loss_curve(net, line, x, y, points=41)
        result[name] = {
            "t": seen.t.tolist(),
            "loss": seen.loss.tolist(),
            "error": seen.error.tolist(),
        }
    test = training.evaluate(net, b, d.test.x.double(), d.test.y)
    return result | {"attained": bound.attained, "test_error": test[1]}


# %%
from kernels import sweep

fixed = dict(scale)
widths, trials = fixed.pop("widths"), fixed.pop("trials")
run.uses(images(scale["dataset"], scale["dtype"]))
cells = sweep.run(
    pair,
    [dict(width=n, trial=r, **fixed) for n in widths for r in range(trials)],
    store=run.store,
)
for n in widths:
    ends = [c for c in cells if c["width"] == n]
    test = sum(c["test_error"] for c in ends) / len(ends)
    print(f"width {n:3}: test error {100 * test:.1f} %")

# %% tags=["remove-cell"]
import numpy as np

from book.tools import figures

LINES = [("other", "grey", "-"), ("copy", "black", "--")]
NAMES = {"other": "to the other network", "copy": "to a permuted copy"}


def draw_lines(cells, width):
    """Figure 5: loss and accuracy along the line, mean and deviation."""
    axes = figures.axes(2)
    mine = [c for c in cells if c["width"] == width]
    for line, colour, style in LINES:
        t = np.array(mine[0][line]["t"])
        for ax, key in zip(axes, ("loss", "error")):
            v = np.array([c[line][key] for c in mine])
            if key == "error":
                v = 100 * (1 - v)
            m, sd = v.mean(0), v.std(0, ddof=1)
            ink = figures.COLOURS[colour]
            ax.plot(t, m, style, color=ink, label=NAMES[line])
            ax.fill_between(t, m - sd, m + sd, alpha=0.15, lw=0, color=ink)
    axes[0].set(xlabel="t", ylabel="training loss")
    axes[1].set(xlabel="t", ylabel="training accuracy (%)", ylim=(0, 102))
    axes[0].set_ylim(bottom=0)
    axes[1].legend(loc="lower left")


def barriers(cells, line, key):
    """(widths, values (widths, trials)): worst of the line less its ends."""
    widths = sorted({c["width"] for c in cells})
    rows = []
    for n in widths:
        seen = [c[line][key] for c in cells if c["width"] == n]
        rows.append([max(v) - max(v[0], v[-1]) for v in seen])
    return np.array(widths), np.array(rows)


# %% [markdown]
# {numref}`fig-sl-lines` shows both lines at one width. Halfway, the loss is
# hundreds of times that of the ends, and a quarter of the training images are
# wrong. The copy lies behind the same hill, although it *is* the first
# network. So the barrier need not mean that the two ends have learned
# different things. Hidden units have no order, a straight line ignores that,
# and averages units that have nothing to do with each other. Whoever wants a
# path must deal with units, one by one or in blocks, and that is what the
# theorems' paths do.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Training loss and accuracy along two straight lines: the loss starts near zero, rises to a peak near the middle and returns to zero; accuracy dips in the middle. The line to a permuted copy of the same network shows the same hill."}, "figure": {"name": "fig-sl-lines", "caption": "Digits, two hidden layers of 64: mean and one standard deviation over 5 pairs. Solid: the line to the independently trained network. Dashed: the line to the same network with its hidden units in another order."}}
draw_lines(cells, 64 if 64 in widths else widths[-1])

# %% [markdown]
# ## A maximum that is certified
#
# A grid of points can miss the highest one: what it finds is a lower bound.
# A straight line is one *general* segment: all layers move at once, and the
# loss along it is not convex. We bound it from above. On a short piece of the
# line, from $t_a$ to $t_b$, with $s \in [0, 1]$ along it, write each
# activation as the chord between its two exact values and a remainder,
#
# $$
# \begin{gathered}
# h(s) = (1 - s)\,h(0) + s\,h(1) + e(s), \\
# \underline e \le e(s) \le \overline e ,
# \end{gathered}
# $$ (eq-sl-chord)
#
# and carry the box $[\underline e, \overline e]$ through the layers. A linear
# layer whose weight moves by $\Delta W$ adds $(s^2 - s)\,\Delta W \Delta h$,
# which lies between $-\tfrac14$ of $\Delta W \Delta h$ and 0; the ReLU is
# monotone, convex and has slope at most one. ({ref}`dropout-certificates` has
# the formula of each step, its proof, and what rounding adds.) At the output
# the loss of the chord with the worst corner of the box is convex in $s$, so
# the larger of its two ends is a bound for every $s$. The box shrinks like
# $(t_b - t_a)^2$: halve the piece, and the doubt is a quarter. `certify`
# halves the worst piece until the bound is within 5 % of the largest loss
# found.

# %%
for n in widths:
    mine = [c for c in cells if c["width"] == n]
    found = np.mean([c["attained"] for c in mine])
    gap = 100 * max(c["upper"] / c["attained"] - 1 for c in mine)
    pieces = max(c["intervals"] for c in mine)
    print(f"width {n:3}: {found:.3f} + {gap:.1f} % ({pieces} pieces)")
assert all(c["complete"] for c in cells)

# %% [markdown]
# Printed is the highest loss found, mean over the pairs; the largest
# percentage, over the pairs, by which the bound exceeds it; and the most
# pieces that took. The line *does* reach that loss, and it goes no more than a
# few per cent higher, at any of the uncountably many $t$.
#
# ## Wider networks, lower walls
#
# {numref}`fig-sl-width` repeats it over widths. The barrier
# {eq}`eq-sl-barrier` falls as the layers get wider, in loss and in accuracy,
# but it does not go away: at width 128 there are twenty weights for every
# training image, and the loss in the middle of the line is still hundreds of
# times that of the ends.


# %% tags=["remove-cell"]
def draw_width(cells):
    """The barrier against the width, in loss and in accuracy."""
    axes = figures.axes(2)
    for (line, colour, style), marker in zip(LINES, figures.MARKERS):
        ink = figures.COLOURS[colour]
        for ax, key, unit in zip(axes, ("loss", "error"), (1, 100)):
            n, v = barriers(cells, line, key)
            ax.errorbar(
                n,
                unit * v.mean(1),
                unit * v.std(1, ddof=1),
                fmt=marker + style,
                color=ink,
                label=NAMES[line],
            )
    upper = [
        np.mean(
            [
                c["upper"] - max(c["other"]["loss"][0], c["other"]["loss"][-1])
                for c in cells
                if c["width"] == m
            ]
        )
        for m in n
    ]
    axes[0].plot(
        n, upper, "_", ms=14, color=figures.COLOURS["black"], label="certified"
    )
    axes[0].axhline(np.log(10), color=figures.COLOURS["grey"], ls=":", lw=1)
    axes[0].text(n[-1], np.log(10), "guessing", ha="right", va="bottom")
    axes[0].set(ylabel="barrier in training loss", ylim=(0, 2.6))
    axes[1].set(ylabel="barrier in accuracy (points)", ylim=(0, 100))
    for ax in axes:
        ax.set(xscale="log", xlabel="width of both hidden layers")
        figures.log_ticks(ax, n)
    handles, labels = axes[0].get_legend_handles_labels()
    axes[1].legend(handles[1:] + handles[:1], labels[1:] + labels[:1])


# %% tags=["hide-input"] mystnb={"image": {"alt": "Barrier in loss and in accuracy against the width from 16 to 128: both fall with the width, for the other network and for a permuted copy alike, and strokes of the certified bound lie just above the points."}, "figure": {"name": "fig-sl-width", "caption": "Digits: the barrier of the straight line against the width, mean and standard deviation over 5 pairs. Horizontal strokes: the certified upper bound, mean over the pairs."}}
draw_width(cells)

# %% [markdown]
# ## At the paper's scale
#
# The recorded run trains on MNIST as the paper's Appendix D.1 does: 5000 steps
# of batches of 64, step size 0.1, losses on 4096 random training images. The
# networks are ours, fully connected; the paper's own Figure 5 is for VGG-11 on
# CIFAR-10, whose place is {ref}`dropout-vgg`. At width 256 the loss on the
# line is 55 ± 11 times that of the worse end, and 23 ± 7 points of accuracy
# are gone.

# %%
for key, claim in {
    "loss": "k19-straight-loss",
    "error": "k19-straight-accuracy",
}.items():
    wide = [c["other"][key] for c in cells if c["width"] == widths[-1]]
    if key == "loss":
        run.measure(claim, [max(v) / max(v[0], v[-1]) for v in wide])
    else:
        run.measure(claim, 100 * barriers(cells, "other", key)[1][-1])
run.finish({"cells": cells})

# %% tags=["hide-input"] mystnb={"image": {"alt": "MNIST: training loss and accuracy along the straight line for two hidden layers of 256, with a hill in the loss and a dip in the accuracy in the middle."}, "figure": {"name": "fig-sl-lines-paper", "caption": "MNIST, two hidden layers of 256, the counterpart of K19's Figure 5: mean and one standard deviation over the recorded pairs."}}
paper = run.recorded["cells"]
draw_lines(paper, 256)

# %% tags=["hide-input"] mystnb={"image": {"alt": "MNIST: barrier in loss and in accuracy against the width from 32 to 256, falling from about 1.4 to 0.9 in loss, the certified bound just above."}, "figure": {"name": "fig-sl-width-paper", "caption": "MNIST: the barrier against the width, mean and standard deviation over the recorded pairs, with the certified upper bound."}}
draw_width(paper)

# %% [markdown]
# ## Verdict

# %% tags=["remove-input"]
run.verdict()

# %% [markdown]
# ## Deviations
#
# - **Networks.** Fully connected networks with biases stand in for VGG-11,
#   which {ref}`dropout-vgg` is about.
# - **"Large" and "poor"** are the paper's words. We wrote down what they
#   would mean before the runs: ten times the loss of the worse end, and ten
#   points of accuracy.
# - **Training without dropout.** The paper's networks were trained with
#   dropout. For the straight line that makes matters worse, as
#   {ref}`dropout-paths` finds on its own pairs; here nothing is dropped.
#
# ## Exercises
#
# 1. Add a third hidden layer in `pair`. Does the wall grow?
# 2. Let both networks start from the same `net.init` and differ in the order
#    of the minibatches alone. How many common steps make the wall vanish?
# 3. Set `tolerance=0.01`. By how much does the number of pieces grow, and
#    what does the square law behind {eq}`eq-sl-chord` predict?
#
# ## Provenance

# %% tags=["remove-input"]
run.footer()
