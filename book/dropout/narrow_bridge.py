# %% [markdown]
# (dropout-bridge)=
# # A bridge through a narrow network
#
# **In one sentence.** If a network of a few units already does the job, two
# wide networks need to give up no more units than that to be joined: down a
# little, across through the narrow one, and up again; we build the path,
# bound the loss on all of it, and measure on MNIST what it costs.
#
# **Reproduces** {cite}`kuditipudi2019`, Theorem 3 and Figure 2, left, centre
# and right. **Needs** {ref}`dropout-noise`.

# %% tags=["parameters"]
profile = "laptop"  # "paper" runs MNIST, trained as in the paper
channels = 12  # filters in each of three convolutions
narrow = [1, 2, 3, 6]  # filters of the narrow networks that are tried
star = 3  # filters of the narrow network on the bridge
trials = 5  # from 2 to 100: pairs of networks
steps = 150  # of SGD
samples = 512  # training images on which losses are measured

# %% tags=["remove-cell"]
import sys
from pathlib import Path

here = Path(globals().get("__file__", "chapter.py")).resolve()
root = next(p for p in here.parents if (p / "_config.yml").exists())
sys.path.insert(0, str(root))

# %% tags=["remove-input"]
from book.tools import chapter

run = chapter.start(
    "dropout/narrow_bridge",
    profile,
    channels=channels,
    narrow=narrow,
    star=star,
    trials=trials,
    steps=steps,
    samples=samples,
)

# %% [markdown]
# ## The claim
#
# In {ref}`dropout-noise` two networks of hidden widths $h_1, \dots, h_{d-1}$
# met halfway, and each had to lose *half* of its units to let the other in.
# That is a lot for networks that were trained without dropout. But what must
# fit beside a dropped network $\theta^A_1$ need not be the other one. Any
# third network $\theta^*$ does, and if it is narrow, little has to go.
#
# Notation is that of {eq}`eq-ns-net`. Algorithm 1 drops each unit with
# probability $p$ and multiplies what the others pass on by $1/(1 - p)$;
# $\theta^A_1$ and $\theta^B_1$ are what it makes of $\theta^A$ and
# $\theta^B$. $L$ is the training loss, convex in the output.
#
# ```{prf:theorem} K19, Theorem 3, in our words
# :label: thm-nb-three
# Let $\theta^A$ and $\theta^B$ be $\epsilon$-noise stable
# ({prf:ref}`def-ns-four`), with no column of $A_i$ longer than about $\sqrt p$
# of $\|A_i\|_F$ for $2 \le i \le d$. Let $\theta^*$ have hidden widths
# $h^*_i$, the least of them $\tilde\Omega(1)$, not too few up to logarithms,
# and let
#
# $$
# \tfrac32 \max_{1 \le i < d} \frac{h^*_i}{h_i} \le p \le \tfrac34 .
# $$ (eq-nb-rate)
#
# Then 13 straight segments join $\theta^A$ and $\theta^B$, and on all of them
#
# $$
# L \le \max\big\{ L(f_{\theta^A}) + \tilde O(\sqrt p\,\epsilon),\;
# L(f_{\theta^B}) + \tilde O(\sqrt p\,\epsilon),\; L(f_{\theta^*}) \big\}.
# $$ (eq-nb-bound)
# ```
#
# The $\tfrac32$ in {eq}`eq-nb-rate` makes room: beside what $\theta^A_1$ keeps
# of layer $i$, $h^*_i$ units must be free, and Lemma 5 promises
# $\tfrac23 p\, h_i$ dropped ones. The smaller $\theta^*$, the smaller may $p$
# be, and with it the rise $\sqrt p\, \epsilon$ in {eq}`eq-nb-bound`.

# %%
scale = run.scale(
    laptop=dict(
        dataset="digits",
        channels=channels,
        narrow=narrow,
        star=star,
        p=0.25,
        trials=trials,
        keeps=[0.5, 0.6, 0.7, 0.8, 0.9, 0.95],
        samples=samples,
        select=128,  # of them, those on which draws are compared
        certified=samples,  # of them, those drawn and certified
        recipe=dict(steps=steps, batch=64, step_size=0.05, momentum=0.9),
        dtype="float64",
    ),
    paper=dict(
        dataset="mnist",
        channels=32,
        narrow=[1, 2, 4, 6, 10],
        star=6,  # floor(32 p)
        p=0.2,
        trials=3,  # K19: 5
        keeps=[0.5, 0.6, 0.7, 0.8, 0.9, 0.95],
        samples=4096,
        select=1024,
        certified=64,  # of them, those drawn and certified
        recipe=dict(steps=5000, batch=64, step_size=0.1),
        dtype="float32",
    ),
)

# %% [markdown]
# ## Two wide networks and a narrow one
#
# K19's network for MNIST: three convolutions of 32 filters, $3 \times 3$, same
# size out as in, no pooling, then one linear layer; four layers, no biases.
# A unit is a filter. Here it reads digits of $8 \times 8$ and has 12 filters a
# layer; the narrow one has 3. No dropout in training, as in the paper.

# %% tags=["hide-input"]
import functools

import torch

from kernels import data, device, networks, training

STORE = run.store


@functools.cache
def images(name, dtype):
    """A dataset of images, read once."""
    return data.load(name, flat=False).to(dtype=getattr(torch, dtype))


def trained(*, dataset, channels, trial, recipe, dtype):
    """K19's network for MNIST with so many filters, trained."""
    d = images(dataset, dtype)
    net = networks.conv3(channels=channels, inputs=tuple(d.image_shape))
    g = device.generator(0, "narrow_bridge", dataset, channels, trial)
    start = net.init(generator=g, dtype=d.train.x.dtype, distribution="torch")
    theta = training.train(
        net,
        start,
        (d.train.x, d.train.y),
        generator=g,
        schedule=training.InverseTime(1e-6),  # K19, D.1
        sampling="independent",
        checkpoint=Path(STORE, f"{dataset}-{channels}-{trial}.pt"),
        **recipe,
    ).theta
    return net, theta


def batch(dataset, dtype, trial, samples):
    """A random batch of training images."""
    d = images(dataset, dtype)
    g = device.generator(0, "narrow_bridge", "batch", dataset, trial)
    some = torch.randperm(len(d.train), generator=g)[:samples]
    return d.train.x[some], d.train.y[some]


run.uses(images("digits", "float64"))
digits = dict(dataset="digits", dtype="float64")
digits |= dict(recipe=dict(steps=150, batch=64, step_size=0.05, momentum=0.9))
net, a = trained(channels=12, trial=0, **digits)
_, b = trained(channels=12, trial=1, **digits)
small, star = trained(channels=3, trial=0, **digits)
x, y = batch("digits", "float64", 0, 512)
for name, n, theta in (("A", net, a), ("B", net, b), ("*", small, star)):
    loss, error = training.evaluate(n, theta, x, y)
    print(f"theta^{name}: loss {loss:.3f}, error {100 * error:.1f} %")

# %% [markdown]
# ## The bridge
#
# Down, across, across, up:
#
# | from | to | how | K19 | ours |
# |---|---|---|---|---|
# | $\theta^A$ | $\theta^A_1$ | straight (Lemma 3) | 1 | 1 |
# | $\theta^A_1$ | $\theta^*$ | write it into free units, move the output over, clear, permute (Lemma 2) | 8 | 4 |
# | $\theta^*$ | $\theta^B_1$ | write $\theta^B_1$ beside it, move the output over, clear | 3 | 3 |
# | $\theta^B_1$ | $\theta^B$ | straight (Lemma 3) | 1 | 1 |
#
# $\theta^*$ is permuted in between because the units that $\theta^A_1$ leaves
# free need not be those that $\theta^B_1$ does. Ours writes it wherever it is
# beside $\theta^A_1$, shifts it straight to a place that is free beside
# $\theta^B_1$ (copy rows, move columns: two constant segments), and lets the
# next step clear what is left behind. (Where one place is free beside both,
# the shift can go as well, and seven segments are enough.)
#
# `theorem3` draws the number of units kept given that $\theta^*$ fits, then
# the units; `bridge` is its path for one draw. The theorem says that good draws
# exist: `best_draw` takes, of 20, the one whose `highest_knot`, the worse of
# the two dropout networks, is lowest.

# %%
from kernels import certificates, paths


def highest_knot(net, path, x, y):
    """The larger loss of the two dropout networks of a path."""
    ends = (path.knots[1], path.knots[len(path) - 1])
    return max(training.evaluate(net, theta, x, y)[0] for theta in ends)


def best_draw(net, a, b, star, x, y, *, p, name, draws=20):
    """The generator's name of the best path of some draws."""
    return min(
        ((name, k) for k in range(draws)),
        key=lambda k: highest_knot(net, bridge(net, a, b, star, p, k), x, y),
    )


def bridge(net, a, b, star, p, draw, style="paper"):
    """Theorem 3's path, for one draw of both dropout networks."""
    g = device.generator(0, "narrow_bridge", "draw", *draw)
    return paths.theorem3(net, a, b, star, p=p, generator=g, style=style)


few, labels = x[:64], y[:64]
best = best_draw(net, a, b, star, x[:128], y[:128], p=0.25, name="digits")
signs = {"constant": "·", "affine": "/", "general": "?"}
walks = {}
for style in ("paper", "short"):
    path = bridge(net, a, b, star, 0.25, best, style)
    sure = certificates.certify(net, path, few, labels)
    walks[style] = path, sure
    kinds = "".join(signs[kind] for kind in path.kinds)
    print(
        f"{len(path):2} segments {kinds:13}: attained {sure.attained:.3f}, "
        f"proved at most {sure.upper:.3f}"
    )

# %% tags=["remove-cell"]
import numpy as np

from book.tools import figures
from kernels import interpolation


def shade(ax, path):
    """Segments by kind: orange where all layers move, blue where affine."""
    ink = {"general": "orange", "affine": "blue"}
    for k, kind in enumerate(path.kinds):
        if kind in ink:
            colour = figures.COLOURS[ink[kind]]
            ax.axvspan(k, k + 1, color=colour, alpha=0.12, lw=0)


# %% tags=["hide-input"] mystnb={"image": {"alt": "Training loss along Theorem 3's path of 13 segments and our 9: up on the first segment, affine to the narrow network's loss, constant, affine to the other dropout network, down on the last; the certified bound is a dotted line just above, the straight line between the same networks rises far higher."}, "figure": {"name": "fig-nb-walk", "caption": "One pair of networks trained without dropout, digits, p = 1/4: training loss on 64 images along K19's 13 segments (left) and our 9. Orange: Lemma 3, all layers move; blue: affine, the output moves to the narrow network and away from it; blank: constant. Dotted: the rigorous bound for the whole path, on the same 64 images; dashed: the straight line between the same networks."}}
axes = figures.axes(2, sharey=True)
direct = interpolation.loss_curve(
    net, paths.straight(a, b), few, labels, points=41
)
for ax, (path, sure) in zip(axes, walks.values()):
    n = len(path)
    along = interpolation.loss_curve(net, path, few, labels, points=13)
    shade(ax, path)
    ax.plot(n * along.t, along.loss, **figures.look("k19"))
    ax.plot(n * direct.t, direct.loss, **figures.look("line"))
    ax.axhline(sure.upper, **figures.look("proved"))
    ax.set(yscale="log", xlim=(0, n), xlabel="segment")
    ax.set_title(f"{n} segments")
axes[0].set_ylabel("training loss")
figures.legend(axes[1])

# %% [markdown]
# Between the two dropout networks only three functions occur, those of
# $\theta^A_1$, $\theta^*$ and $\theta^B_1$, and blends of neighbours that are
# affine in $t$: by {eq}`eq-dp-convex` the supremum there is a maximum of three
# numbers. On the two orange segments all layers but the first move at once,
# nothing is convex, and the bound is that of {eq}`eq-sl-chord`, by bisection
# until it is within 5 % of what is attained. Four layers are within its
# reach, and the bound holds for the whole path. Each layer more multiplies
# its excess; deeper networks want the segment cut where units change sign
# ({ref}`dropout-certificates`).
#
# Note the shape. The path does not stay up where the dropout networks are: it
# comes *down* in the middle, to the narrow network, which was trained as it
# is. The price of the whole way is what it costs to drop a quarter of the
# filters, once on each side.
#
# ## Where the proof needs a word more
#
# **Room, not halves.** The proof goes from $\theta^A_1$ to $\theta^*$ "from
# Lemma 2". But the lemma wants half of all units zero in both parameters
# (which is one unit too few for odd widths, see {ref}`dropout-paths`), and
# with $p < \tfrac12$ that is not so. What its construction needs is room:
# beside the kept units $S_i$ of layer $i$ those of $\theta^*$ must fit,
#
# $$
# |S_i| + h^*_i \le h_i \qquad (1 \le i < d),
# $$ (eq-nb-room)
#
# and the same for $\theta^B_1$. Then all five functions go through. And
# {eq}`eq-nb-room` is an event, not a fact. The exact probability that
# Algorithm 1 leaves room in all of three hidden layers, at the smallest $p$
# that {eq}`eq-nb-rate` allows:


# %%
from math import comb


def room(h, star, p, layers=3):
    """P(at least `star` of `h` units are dropped, in every layer)."""
    few = sum(comb(h, k) * p**k * (1 - p) ** (h - k) for k in range(star))
    return (1 - few) ** layers


for h in (16, 32, 128, 512):
    p = 1.5 * (h // 8) / h
    print(f"h = {h:3}, h* = {h // 8:2}, p = {p:.4f}: {room(h, h // 8, p):.2f}")
p, h, h_star = 0.2, 32, 6
print(
    f"K19's MNIST setting: p = {p}, h* = {h_star} of {h}; "
    f"1.5 h*/h = {1.5 * h_star / h:.2f}, room with probability "
    f"{room(h, h_star, p):.2f}"
)
left_over = min(
    h - int(h * (20 - k) / 20 + 1e-9) - int(h * k / 20 + 1e-9)
    for k in range(1, 11)
)
print(f"exact draws, floor(32 (1 - p)) kept: {left_over} or more left over")

# %% [markdown]
# So at width 32 a draw at the edge of {eq}`eq-nb-rate` has no room a third of
# the time; the theorem's "$h^*_{\min} = \tilde\Omega(1)$" hides that. The
# setting that Section 6 recommends, $p = 0.2$ and a narrow network of
# $\lfloor 32 p \rfloor = 6$ filters, does not satisfy {eq}`eq-nb-rate` at
# all, which would allow four. No harm is done. Their experiment draws
# *exactly* $\lfloor 32 (1 - p) \rfloor$ filters to keep, which always leaves
# room, and `theorem3` draws given {eq}`eq-nb-room`.
#
# **Rows that stay.** "At least $h^*_i$ units in layer $i$ have been set to
# zero — meaning that the corresponding rows of $A_i$ and columns of $A_{i+1}$
# are zero", says the proof. Algorithm 1 zeroes columns only (and has
# $h^*_{i-1}$, not $h^*_i$, of them to zero in $A_i$). As for Theorem 2, no
# segment is lost: the first step across overwrites those rows and the last
# one restores them. Counted, with what is in the units at the knots:

# %%
from itertools import pairwise

path, _ = walks["short"]
for name, knot in (
    ("theta^A_1", path.knots[1]),
    ("theta*", path.knots[4]),
    ("theta^B_1", path.knots[len(path) - 1]),
):
    live, stale = [], []
    for (weight, _), (above, _) in pairwise(knot):
        heard = (networks.columns(above, len(weight)) != 0).any(2).any(0)
        live.append(int(heard.sum()))
        stale.append(int((weight.flatten(1) != 0).any(1)[~heard].sum()))
    print(
        f"{name:9}: filters that are heard {live}, rows nobody reads {stale}"
    )

# %% [markdown]
# ## Figure 2
#
# Three questions decide whether the bridge is any good, and the paper's
# Figure 2 has a panel for each.
#
# *Left.* How much does dropping cost? For each of five networks, 20 dropout
# networks that keep exactly $\lfloor (1-p) h \rfloor$ random filters in all
# three layers, kept ones times $1/(1-p)$; the best of the 20.
#
# *Centre.* Is the straight way down to one of them low? The segment of Lemma
# 3, for one draw that nobody selected.
#
# *Right.* How narrow can $\theta^*$ be? The same architecture with a few
# filters, trained alike.


# %% tags=["hide-input"]
from kernels import dropout


def drop_columns(net, theta, kept, scale):
    """Algorithm 1 for given subsets: columns of A_2, …, A_d, rows stay."""
    layers = [theta[0]]
    for (weight, _), units, some in zip(theta[1:], net.hidden, kept):
        delta = torch.zeros(units).to(weight)
        delta[some] = scale
        columns = networks.columns(weight, units) * delta[:, None]
        layers.append((columns.reshape(weight.shape), None))
    return tuple(layers)


def panels(*, channels, trial, keeps, samples, select, **how):
    """Figure 2, left and centre, for one network."""
    net, theta = trained(channels=channels, trial=trial, **how)
    x, y = batch(how["dataset"], how["dtype"], trial, samples)
    g = device.generator(0, "narrow_bridge", "panels", channels, trial)
    left, lines = [], {}
    for keep in keeps:
        found = dropout.stability(
            net,
            theta,
            x[:select],
            y[:select],
            keep=keep,
            draws=20,
            rescale=1 / keep,
            generator=g,
        )
        best = dropout.dropout_network(
            net, theta, found.kept[found.best], scale=1 / keep
        )
        left.append(training.evaluate(net, best, x, y))
    for keep in (0.9, 0.8, 0.7, 0.5):
        kept = [draw[0] for draw in dropout.draw(net, keep, 1, generator=g)]
        end = drop_columns(net, theta, kept, 1 / keep)
        n = samples if keep == 0.8 else select
        line = interpolation.loss_curve(
            net, paths.straight(theta, end), x[:n], y[:n], points=11
        )
        lines[f"{1 - keep:.1f}"] = [line.loss.tolist(), line.error.tolist()]
    return {"left": left, "lines": lines}


def alone(*, channels, trial, samples, **how):
    """Figure 2, right: one narrow network."""
    net, theta = trained(channels=channels, trial=trial, **how)
    x, y = batch(how["dataset"], how["dtype"], trial, samples)
    return {"channels": channels, "seen": training.evaluate(net, theta, x, y)}


# %% tags=["hide-input"]
from kernels import sweep

how = {key: scale[key] for key in ("dataset", "recipe", "dtype")}
trials, wide = range(scale["trials"]), scale["channels"]
run.uses(images(scale["dataset"], scale["dtype"]))
measured = {key: scale[key] for key in ("keeps", "samples", "select")}
wides = sweep.run(
    panels,
    [dict(channels=wide, trial=r, **measured, **how) for r in trials],
    store=STORE,
)
narrows = sweep.run(
    alone,
    [
        dict(channels=n, trial=r, samples=scale["samples"], **how)
        for r in trials
        for n in scale["narrow"]
    ],
    store=STORE,
)
figure2 = {
    "keeps": scale["keeps"],
    "left": [w["left"] for w in wides],
    "lines": [w["lines"] for w in wides],
    "narrow": scale["narrow"],
    "right": [
        [c["seen"] for c in narrows if c["channels"] == n]
        for n in scale["narrow"]
    ],
}

# %% tags=["remove-cell"]
INKS = [figures.COLOURS[c] for c in ("blue", "orange")]


def spread(ax, x, values, ink):
    """Every trial a faint point, (points, trials), and their mean."""
    ax.plot(x, values, "o", ls="", ms=3.5, color=ink, alpha=0.35)
    ax.plot(x, values.mean(1), "-", marker="_", ms=9, color=ink)


def draw_figure2(f):
    """K19's Figure 2: loss above, accuracy below."""
    axes = figures.axes(3, 2, size=(7.2, 4.8), sharex="col", sharey="row")
    left = np.array(f["left"])  # (trials, keeps, 2)
    right = np.array(f["right"])  # (widths, trials, 2)
    t = np.linspace(0, 1, 11)
    lines = np.array([trial["0.2"] for trial in f["lines"]])
    for part in (left, lines.swapaxes(1, 2), right):
        part[..., 1] = 100 * (1 - part[..., 1])
    for k, (row, ink) in enumerate(zip(axes, INKS)):
        spread(row[0], f["keeps"], left[:, :, k].T, ink)
        for line in lines[:, k]:
            row[1].plot(t, line, "-", color=ink, lw=1, alpha=0.8)
        spread(row[2], f["narrow"], right[:, :, k], ink)
    axes[0, 0].set(ylabel="training loss", yscale="log")
    axes[1, 0].set(ylabel="training accuracy (%)")
    axes[1, 0].set(xlabel="share of filters kept, 1 − p")
    axes[1, 1].set(xlabel="t, from θ to θ₁, p = 0.2")
    axes[1, 2].set(xlabel="filters in each layer")
    axes[1, 2].set_xticks(f["narrow"])
    for ax, title in zip(axes[0], ("left", "centre", "right")):
        ax.set_title(title)


# %% tags=["hide-input"] mystnb={"image": {"alt": "Six panels: the mean loss falls from 0.49 with half of the filters to 0.01 with all but one, though not at every step, and accuracy rises; both change without jumps along the line to a dropout network at p = 0.2, not always in one direction; narrow networks of a few filters reach low loss."}, "figure": {"name": "fig-nb-two", "caption": "K19's Figure 2 on digits, networks of 12 filters, 5 trials. Left: the best of 20 dropout networks. Centre: the segments to one dropout network each, p = 0.2. Right: networks of a few filters. A point or a line a trial; strokes are means."}}
draw_figure2(figure2)

# %% tags=["hide-input"]
for keep, seen in zip(
    scale["keeps"], np.array(figure2["left"]).swapaxes(0, 1)
):
    loss, error = seen.mean(0)
    sd = seen[:, 0].std(ddof=1)
    kept = int(keep * wide + 1e-9)
    print(
        f"keep {kept} of {wide}: loss {loss:.2f} ± {sd:.1g}, "
        f"accuracy {100 * (1 - error):.0f} %"
    )


def excess(line):
    """By how much a line's loss exceeds that of its worse end."""
    return max(line[0]) - max(line[0][0], line[0][-1])


rises = {
    p: [excess(trial[p]) for trial in figure2["lines"]]
    for p in figure2["lines"][0]
}
text = ", ".join(f"p = {p}: {max(v):.3f}" for p, v in rises.items())
print(f"largest excess over the worse end, {text}")

# %% [markdown]
# Left: with half of the filters gone, Definition 1's case, about one image in
# ten is wrong; with a quarter gone three in a hundred. Centre: on none of the
# lines, at all four $p$, is one of eleven points above the worse end: as far
# as these see, the way down is never higher than where it leads, and Lemma 3's
# segment costs nothing beyond the dropout network itself. Right: from two
# filters on, every network is below a tenth of $\ln 10$, the loss of guessing.
# A network of one filter can fail altogether, when its only filter is off on
# all images; then it stays at that loss.
#
# ## Five bridges
#
# Now the whole path, for five pairs. The narrow network is the best of those
# in the right panel: one is enough, and it may serve all pairs.


# %% tags=["hide-input"]
from kernels import noise


def crossing(
    *, channels, star, p, pair, trials, samples, select, certified, **how
):
    """Theorem 3's path between two networks: what is bounded, what is so.

    The path's loss and error on all samples; all else on those certified.
    """
    net, a = trained(channels=channels, trial=pair[0], **how)
    _, b = trained(channels=channels, trial=pair[1], **how)
    x, y = batch(how["dataset"], how["dtype"], pair[0], samples)
    narrow = [trained(channels=star, trial=r, **how) for r in range(trials)]
    seen = [training.evaluate(*each, x, y)[0] for each in narrow]
    small, middle = narrow[seen.index(min(seen))]
    name = f"{how['dataset']} {pair}"
    draw = best_draw(net, a, b, middle, x[:select], y[:select], p=p, name=name)
    path = bridge(net, a, b, middle, p, draw)
    whole = interpolation.loss_curve(net, path, x, y, points=11)
    x, y = x[:certified], y[:certified]
    stable = [noise.stability(net, theta, x[:64]) for theta in (a, b)]
    a, b, middle = (
        tuple((weight.double(), None) for weight, _ in theta)
        for theta in (a, b, middle)
    )
    x = x.double()
    path = bridge(net, a, b, middle, p, draw)
    sure = certificates.certify(net, path, x, y, budget=64, error=False)
    along = interpolation.loss_curve(net, path, x, y, points=11)
    line = interpolation.loss_curve(net, paths.straight(a, b), x, y, points=11)
    return {
        "start": [training.evaluate(net, theta, x, y)[0] for theta in (a, b)],
        "star": training.evaluate(small, middle, x, y)[0],
        "path": float(whole.loss.max()),
        "error": float(whole.error.max()),
        "line": float(line.loss.max()),
        "along": along.loss.tolist(),
        "certified": [sure.attained, sure.upper],
        "where": sure.where,
        "complete": sure.complete,
        "intervals": [s.intervals for s in sure.segments if s.intervals],
        "epsilon": max(one.epsilon() for one in stable),
    }


# %%
keys = ("star", "p", "trials", "samples", "select", "certified")
measured = {key: scale[key] for key in keys}
rounds = [[r, (r + 1) % len(trials)] for r in trials]
cells = sweep.run(
    crossing,
    [dict(channels=wide, pair=pair, **measured, **how) for pair in rounds],
    store=STORE,
)
for c in cells:
    print(
        f"ends {max(c['start']):.3f}, theta* {c['star']:.3f}, straight line "
        f"{c['line']:.2f}; path {c['certified'][0]:.3f}, at segment "
        f"{13 * c['where']:.1f}, proved at most {c['certified'][1]:.3f}"
    )
print(f"{sum(c['complete'] for c in cells)} of {len(cells)} within 5 %")

# %% tags=["remove-cell"]
ROWS = [
    ("√p ε", "purple", "^", lambda c, p: p**0.5 * c["epsilon"]),
    ("straight line", "grey", "s", lambda c, p: c["line"]),
    ("path, proved", "black", "v", lambda c, p: c["certified"][1]),
    ("path, found", "orange", ".", lambda c, p: c["certified"][0]),
    ("narrow network", "gold", "x", lambda c, p: c["star"]),
    ("worse end", "black", "o", lambda c, p: max(c["start"])),
]


def draw_bridges(cells, p, rows=ROWS):
    """Left: loss along every path; right: what is promised and what is so."""
    one, two = figures.axes(2, size=(7.2, 3.6))
    for c in cells:
        t = np.linspace(0, 13, len(c["along"]))
        one.plot(t, c["along"], lw=1, alpha=0.8, **figures.look("k19"))
        if "where" in c:  # certified on the samples of the curve
            ink = dict(color=figures.COLOURS["black"], lw=0.8)
            one.axhline(c["certified"][1], ls=":", **ink)
            one.plot(13 * c["where"], c["certified"][0], "*", **ink)
    one.set(yscale="log", xlabel="segment", ylabel="training loss")
    one.set_title("13 segments")
    for k, (_, colour, marker, value) in enumerate(rows):
        v = [value(c, p) for c in cells]
        at = k + np.linspace(-0.2, 0.2, len(v))
        two.plot(at, v, marker, ls="", color=figures.COLOURS[colour])
    two.set_xticks(
        range(len(rows)), [r[0] for r in rows], rotation=35, ha="right"
    )
    two.set(yscale="log")
    two.grid(axis="x", visible=False)
    two.set_title("pair by pair")


# %% tags=["hide-input"] mystnb={"image": {"alt": "Left: training loss along five paths of 13 segments on a logarithmic axis, highest at the two dropout networks. Right: for every pair the bound of Theorem 3 lies orders of magnitude above, the straight line above the path, the proved bound hardly above the highest loss found on the path, the ends below."}, "figure": {"name": "fig-nb-bridges", "caption": "Digits, five pairs. Left: training loss along Theorem 3's paths, p = 1/4; dotted: the certified bound for all of the path, star: where the highest loss was found. Right: √p ε of Definition 4, the highest loss found on the straight line, the path's bound and its highest loss found, the narrow network's and the worse end's. All on the same images, but for ε: on 64 of them."}}
draw_bridges(cells, scale["p"])

# %% [markdown]
# Every path lies well below the straight line between its ends, and is bounded
# on its whole length, on the very images of the curve
# ({ref}`dropout-certificates`). The bound in Theorem 3, with constant 1 and no
# logarithm, is again beyond all use: $\sqrt p\,\epsilon$ is in the thousands.
# And what rules the height is not the narrow network, which is nearly as good
# as the wide ones, but the dropout networks.
#
# ## At the paper's scale
#
# MNIST as in the paper's D.1: networks of 32 filters, 5000 steps of batches of
# 64, step size 0.1, losses on 4096 random training images; three trials. With
# half of the filters dropped one image in ten is wrong, with a fifth dropped
# one in sixty, for the best of 20 draws. An unselected draw is another matter:
# at $p = 0.2$ ours end at 93 to 97 % accuracy, and at $p = \tfrac12$ one of
# the three knows one image in five. Still, on no line is one of the eleven
# points above the end. Four filters a layer reach a loss of 0.05 to 0.07; a
# single one failed in one of three trials. Over a narrow network of six, three
# bridges of 13 segments stay below 0.18 where the straight lines climb to 1.3
# and more: that is 11 points a segment, on 4096 images, and it is not proved.
# What is proved speaks of the first 64 of them alone, at every point: at most
# 0.150, 0.253 and 0.061, within 5 % of what is found there, from 8 to 10
# intervals a segment. Few images have losses of their own: the second bridge,
# at most 0.142 on 4096, reaches 0.249 on these. To certify all 4096 would cost
# some 20 CPU-minutes a bridge: 0.015 seconds an image and interval, measured
# on a loaded thread with an untrained network. A run from now on draws its
# curves on the images that it certifies; the record is older, and its bounds
# have an earlier, fixed allowance for rounding, $10^{-9}$ of the bound, where
# {ref}`dropout-certificates` has one that is computed.


# %% tags=["hide-input"]
def top(figure2, *shares):
    """Highest loss on the segments at these p, trial by trial."""
    return [max(max(c[p][0]) for p in shares) for c in figure2["lines"]]


run.measure("k19-theorem3-segments", len(walks["paper"][0]))
losses = np.array(figure2["left"])[:, :, 0]  # (trials, keeps)
run.measure("k19-figure2-half", losses[:, scale["keeps"].index(0.5)])
run.measure("k19-figure2-wider", losses[:, scale["keeps"].index(0.8)])
run.measure("k19-figure2-line", top(figure2, "0.2"))
run.measure("k19-figure2-line-other", top(figure2, "0.1", "0.3", "0.5"))
narrow = figure2["right"][scale["narrow"].index(scale["star"])]
run.measure("k19-figure2-narrow", [loss for loss, _ in narrow])
run.measure("k19-figure2-bridge", [c["path"] for c in cells])
run.finish({"figure2": figure2, "cells": cells})
known = run.recorded["figure2"]
run.remeasure("k19-figure2-line", top(known, "0.2"))
run.remeasure("k19-figure2-line-other", top(known, "0.1", "0.3", "0.5"))

# %% tags=["hide-input"] mystnb={"image": {"alt": "MNIST, six panels: loss falls and accuracy rises with the share of filters kept; the loss is highest at the dropout end of every line; networks of a few filters reach low loss."}, "figure": {"name": "fig-nb-two-paper", "caption": "K19's Figure 2 on MNIST, networks of 32 filters, 3 trials: as above."}}
paper = run.recorded
draw_figure2(paper["figure2"])

# %% tags=["hide-input"] mystnb={"image": {"alt": "MNIST: left, training loss along three paths of 13 segments, highest at the dropout networks; right, the bound of Theorem 3 far above, the straight line above the path, the narrow network and the ends below."}, "figure": {"name": "fig-nb-bridges-paper", "caption": "MNIST, three pairs, p = 1/5, narrow networks of 6 filters: as above, but curves, lines, the narrow network and the ends are on 4096 images, where nothing is certified and the path's loss is the highest at 11 points a segment; ε and the path's bound and highest loss are on the first 64 images."}}
on_all = ("path, 4096", "orange", "D", lambda c, p: c["path"])
draw_bridges(paper["cells"], 0.2, [*ROWS[:2], on_all, *ROWS[2:]])

# %% [markdown]
# ## Verdict

# %% tags=["remove-input"]
run.verdict()

# %% [markdown]
# ## Deviations
#
# - **What the words mean.** "Low", "fairly" and "performs well" had to become
#   a number: a tenth of $\ln 10$, the loss of guessing. For "fairly" we had
#   written a half before the run, and made it a tenth on a second reading.
#   With the half, the networks would be fairly dropout stable at a loss of
#   0.6 where the whole one has 0.05 at most.
# - **Counted no longer.** That the bound of {eq}`eq-nb-bound` holds with room
#   of thousands, that $\lfloor 32p \rfloor$ filters fit beside $\lfloor 32(1 -
#   p) \rfloor$, and that $p = 0.2$ with six filters misses {eq}`eq-nb-rate`
#   (0.71 of what it asks; the paper says "at most" six, and four meet it) are
#   checks in the text and have no row.
# - **Choice and report.** The best of the 20 draws is chosen on 1024 images
#   and reported on 4096. The paper does both on "a random batch of 4096
#   training images".
# - **Unselected draws.** For the centre panel the paper takes "a single
#   dropout version"; ours is the first draw, good or bad.
# - **The factor** is $1/(1-p)$ as printed, though $\lfloor 32(1-p) \rfloor$
#   is not $32(1-p)$: at $1 - p = 0.95$, 30 filters of 32 are kept.
# - **Fewer.** Three trials for the paper's five, which is what a shared CPU
#   had time for; six shares of kept filters; the bridges' bound and
#   $\epsilon$ on 64 images. The three pairs share networks, each with its
#   neighbour. The recorded run was resumed: the minutes below are those of its
#   measurements, training took 25 more on one core.
# - **Ours, not the paper's**: nine segments for 13, the bridges of
#   {numref}`fig-nb-bridges` (the paper argues from its three panels that they
#   would be good), every bound.
#
# ## Exercises
#
# 1. Set `star` to 1 (`-p star=1`). The draws may now keep two filters more in
#    each layer; does the bridge get lower?
# 2. Replace `rescale=1 / keep` by `rescale="brent"`, the best factor. How much
#    of the left panel's loss was the factor's fault?
# 3. Take for $\theta^*$ an untrained network. Which segments of
#    {numref}`fig-nb-walk` change, and what is the supremum then?
#
# ## Provenance

# %% tags=["remove-input"]
run.footer()
