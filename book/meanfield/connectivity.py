# %% [markdown]
# (meanfield-connectivity)=
# # Two solutions of SGD are joined by seven segments
#
# **In one sentence.** Two wide networks, trained from different initial laws
# on differently ordered data for different times, are joined by a path of
# seven line segments (five will do) along which the largest loss is the
# largest of four numbers, so that we can state it exactly
# ({ref}`dropout-certificates`); it falls with the width, and on all our
# networks a straight line between *matched* neurons is lower still.
#
# **Reproduces** {cite}`shevchenko2020`: Definition 3.2, Theorem 1(B), Figure
# 3. **Needs** {ref}`meanfield-dropout`.

# %% tags=["parameters"]
profile = "laptop"  # "paper" runs MNIST up to the paper's N = 3200
trials = 5  # from 2 to 100: pairs of solutions at each width
step_size = 0.2  # alpha
steps = [400, 600]  # from 200 to 10000: k and k', minibatches of 100
cases = ""  # all, or those to run: "N=800 trial=0, N=3200"

# %% tags=["remove-cell"]
import sys
from pathlib import Path

here = Path(globals().get("__file__", "chapter.py")).resolve()
root = next(p for p in here.parents if (p / "_config.yml").exists())
sys.path.insert(0, str(root))

# %% tags=["remove-input"]
from book.tools import chapter

run = chapter.start(
    "meanfield/connectivity",
    profile,
    trials=trials,
    step_size=step_size,
    steps=steps,
    cases=cases,
)

# %% [markdown]
# ## The claim
#
# The network is that of {eq}`eq-md-net`: $N$ neurons, neuron $i$ with input
# weights $w_i \in \mathbb{R}^d$ and output weights $a_i$, one per class,
# averaged; $\theta$ is all of them together, $L_N(\theta)$ the expected loss
# on a fresh example. SGD has step size $\alpha$, and $k$ steps take the time
# $k\alpha$.
#
# ```{prf:definition} Connectivity (S20, Definition 3.2)
# :label: def-mc-connected
# $\theta$ and $\theta'$ are $\varepsilon_C$-*connected* if there is a
# continuous path $\pi$ from $\pi(0) = \theta$ to $\pi(1) = \theta'$ with
#
# $$
# L_N(\pi(t)) \le \max\big(L_N(\theta), L_N(\theta')\big) + \varepsilon_C
# \qquad \text{for all } t \in [0, 1].
# $$ (eq-mc-connected)
# ```
#
# ```{prf:theorem} S20, Theorem 1(B), in our words
# :label: thm-mc-b
# Under the assumptions of {prf:ref}`thm-md-a`, (A1) to (A4), with $T, T' \ge
# 1$ and bounded initial $a_i$ at both ends, let SGD give $\theta$ up to
# time $T$ and, with fresh examples and an initial law that may be another,
# $\theta'$ up to time $T'$. With probability at least $1 - e^{-z^2}$, after
# any numbers of steps $k \le T/\alpha$ and $k' \le T'/\alpha$, they are
# $\varepsilon_C$-connected by a path of 7 line segments, with
#
# $$
# \varepsilon_C = K e^{K T_{\max}^3} \left( \frac{\sqrt{\log N} + z}{\sqrt N}
# + \sqrt\alpha\, \big(\sqrt{D + \log N} + z\big) \right).
# $$ (eq-mc-bound)
#
# Here $T_{\max} = \max(T, T')$, $D$ is the number of a neuron's input weights,
# here $d$, and $K$ depends on the assumptions' bounds only.
# ```
#
# ## Two solutions
#
# As the paper does, we start one solution from a bimodal law, here with the
# entries of $a_i$ near $\pm 3$ and those of $w_i$ near $\pm 1 / \sqrt d$, and
# the other from normal laws. They see the data in different orders and stop
# at different times. `std` and `steps` are given for $\theta$, then for
# $\theta'$; `solutions` trains the two.

# %% tags=["hide-input"]
scale = run.scale(
    laptop=dict(
        dataset="digits",
        widths=[50, 100, 200, 400, 800, 1600],
        trials=trials,
        step_size=step_size,
        std=[[1.0, 3.0], [1.0, 1.0]],  # of w_i (times sqrt(d)) and a_i
        steps=steps,
        dtype="float64",
        frames=True,
    ),
    paper=dict(
        dataset="mnist",
        widths=[200, 400, 800, 1600, 3200],
        trials=3,
        step_size=0.01,  # with 0.1 the loss of θ first rises, to 8.4
        std=[[1.0, 3.0], [1.0, 1.0]],
        steps=[18000, 24000],  # 30 and 40 epochs: T = 0.3 and 0.4
        dtype="float32",
    ),
)

# %%
import torch

from kernels import data, device, meanfield


def solutions(d, width, *, step_size, std, steps, generator, checkpoint=None):
    """Two SGD solutions: laws, data orders and numbers of steps differ."""
    for law, s, k in zip(("bimodal", "normal"), std, steps):
        theta = meanfield.init(
            (d.train.x.shape[1], width, 10),
            trials=1,
            std=s,
            distribution=law,
            generator=generator,
            dtype=d.train.x.dtype,
        )
        meanfield.train(
            theta,
            (d.train.x, d.train.y),
            step_size=step_size,
            batch=100,
            steps=k,
            generator=generator,
            checkpoint=checkpoint and f"{checkpoint}-{law}.pt",
        )
        yield theta


# %% [markdown]
# ## Seven segments, knot by knot
#
# Split the neurons into two halves and write $a_1, w_1$ for the weights of
# the first and $a_2, w_2$ for those of the second; $a'_1, \dots, w'_2$ are
# those of $\theta'$. The paper's own construction stands in its supplement,
# which we do not have; what follows is rebuilt from
# {cite}`kuditipudi2019`, whose ideas the paper uses, and the count agrees.
# Three kinds of move are harmless:
#
# - **Output weights** move while no $w$ does: the output is affine in $t$.
# - **Input weights** of neurons whose output weights are 0: it is constant.
# - **Output weights** go over to neurons with the same input weights: again
#   constant.
#
# `paths.two_layer` composes them; on {ref}`the first page <index>` the reader
# chooses which neurons are kept. For two small solutions, `reading` looks up
# what stands in every half of every knot.

# %%
from kernels import paths

d = run.uses(data.load(scale["dataset"], constant=True))
d = d.to(dtype=getattr(torch, scale["dtype"]))
how = {key: scale[key] for key in ("step_size", "std", "steps")}
both = solutions(d, 200, generator=run.generator("example"), **how)
(net, a), (_, b) = (meanfield.as_network(theta, 0) for theta in both)
first, second = halves = torch.arange(200).chunk(2)
example = {
    "The paper's seven": paths.two_layer(
        net, a, b, kept_a=[first], kept_b=[first]
    ),
    "Our five": paths.two_layer(
        net, a, b, kept_a=[first], kept_b=[second], style="short"
    ),
}


def reading(knot):
    """What stands in a knot: w of both halves, then a of both halves."""
    names = {}
    for (w, _), (a_out, _), dash in ((*a, ""), (*b, "'")):
        for i, half in enumerate(halves, 1):
            names[f"$w{dash}_{i}$"] = w[half]
            names[f"$a{dash}_{i}$"] = a_out[:, half]
            names[f"$2a{dash}_{i}$"] = 2 * a_out[:, half]
    names["0"] = torch.zeros_like(a[1][0][:, first])
    (w, _), (a_out, _) = knot
    parts = [w[h] for h in halves] + [a_out[:, h] for h in halves]
    return [
        next(name for name, known in names.items() if torch.equal(known, part))
        for part in parts
    ]


# %% tags=["remove-cell"]
import numpy as np
from scipy.stats import ks_2samp

from book.tools import figures, fits


def draw_knots(ax, path, title):
    """The knots of a path from top to bottom, one row of blocks each."""
    from matplotlib.patches import Rectangle

    before = None
    for k, knot in enumerate(path.knots):
        cells = reading(knot)
        for j, text in enumerate(cells):
            x, y = j + 0.35 * (j > 1), -1.5 * k
            colour = figures.COLOURS["orange" if "'" in text else "blue"]
            if text == "0":
                colour = figures.COLOURS["grey"]
            new = before is not None and before[j] != text
            ax.add_patch(
                Rectangle(
                    (x, y),
                    0.94,
                    0.9,
                    facecolor=colour if text != "0" else "none",
                    alpha=0.22,
                    lw=0,
                )
            )
            ax.add_patch(
                Rectangle(
                    (x, y),
                    0.94,
                    0.9,
                    fill=False,
                    edgecolor=colour,
                    lw=2.2 if new else 0.7,
                )
            )
            ax.text(
                x + 0.47,
                y + 0.42,
                text,
                ha="center",
                va="center",
                color=colour,
                fontsize=10,
            )
        if k < len(path):
            ax.text(
                4.55,
                -1.5 * k - 0.3,
                f"{k + 1}: {path.kinds[k]}",
                va="center",
                fontsize=9,
                color=figures.COLOURS["black"],
            )
        before = cells
    for x, text in ((0.97, "input weights"), (3.32, "output weights")):
        ax.text(x, 1.05, text, ha="center", fontsize=9)
    ax.set(xlim=(-0.1, 6.0), ylim=(-10.6, 1.6))
    ax.set_title(title, pad=2)
    ax.axis("off")


def laws(both, *, bins):
    """How both solutions' weights are distributed over the neurons."""
    found = {}
    for name, values in {
        "a": lambda w, a: a.flatten(),
        "w": lambda w, a: w.flatten(),
        "q": lambda w, a: a.square().sum(1)[0] - w.square().sum(2)[0],
    }.items():
        u, v = (values(*theta).double().numpy() for theta in both)
        ends = np.quantile(np.concatenate([u, v]), [0.001, 0.999])
        shared = dict(bins=bins or 1, range=tuple(ends), density=True)
        counts = [np.histogram(w, **shared)[0].tolist() for w in (u, v)]
        found[name] = {
            "range": [u.min(), u.max(), v.min(), v.max(), *ends],
            "density": counts if bins else None,
            "distance": ks_2samp(u, v).statistic,
        }
    return {"laws": found}


SPANS = {"a": (-9, 9), "w": (-1, 1)}


def moving(path, places):
    """Histograms of all a and all w at equal distances along a path."""
    found = {name: [] for name in SPANS}
    for t in np.linspace(0, 1, places):
        (w, _), (a, _) = path(t)
        for name, v in (("a", a * a.shape[1]), ("w", w)):
            bars, _ = np.histogram(v.double(), bins=36, range=SPANS[name])
            found[name].append(bars.tolist())
    return found


def far(line):
    """Distance between the neurons (w_i, a_i) at both ends of a line."""
    w, a = (p - q for (p, _), (q, _) in zip(*line.ends(0)))
    return (w.square().sum() + (a * a.shape[1]).square().sum()).sqrt().item()


def gather(cells, *names):
    """(widths, values (widths, trials, ...)) of cell[name][name]..."""
    widths = sorted({c["width"] for c in cells})
    rows = {n: [] for n in widths}
    for c in cells:
        value = c
        for name in names:
            value = value[name]
        rows[c["width"]].append(value)
    return np.array(widths), np.array([rows[n] for n in widths])


def ends(cells, name):
    """The larger "loss" or "error" of both solutions, (widths, trials)."""
    return gather(cells, name)[1][..., 0].max(2)


def changes(cells, name):
    """The larger change by dropout of both, (widths, trials)."""
    whole, half = np.moveaxis(gather(cells, name)[1], -1, 0)
    return abs(half - whole).max(2)


def bound(cells, name):
    """The larger end plus the larger change by dropout, (widths, trials)."""
    return ends(cells, name) + changes(cells, name)


def draw_path(cells, n):
    """Figure 3: loss and error along the seven segments, and the bound."""
    axes = figures.axes(2)
    cells = [c for c in cells if c["width"] == n]
    labels = {"loss": "test loss", "error": "test error (%)"}
    for ax, (name, label) in zip(axes, labels.items()):
        v = gather(cells, "seven", name)[1][0]
        t = np.linspace(0, 1, v.shape[1])
        m, sd = v.mean(0), v.std(0, ddof=1)
        look = figures.look("seven", label="along the path")
        ax.plot(t, m, **look)
        ink = look["color"]
        ax.fill_between(t, m - sd, m + sd, alpha=0.15, lw=0, color=ink)
        top = bound(cells, name).mean()
        told = "larger end + dropout change"
        ax.axhline(top, **figures.look("proved", ls="--", label=told))
        ax.set_xticks(np.arange(8) / 7, [r"$\theta$", *"123456", r"$\theta'$"])
        ax.set(xlabel="knot", ylabel=label, xlim=(-0.01, 1.02))
        ax.set_ylim(0, 1.35 * top)
    axes[0].legend(loc="lower center")


def draw_laws(cells, large_w, n):
    """Histograms of the trained weights, theta's and theta''s."""
    mine = next(c for c in cells if c["width"] == n)["laws"]
    panels = [
        (mine["a"], "output weights a"),
        (mine["w"], "input weights w"),
        (mine["q"], "q = ‖a‖² − ‖w‖² of a neuron"),
        (large_w["w"], "w, where w started large"),
    ]
    axes = figures.axes(2, 2, size=(7.2, 4.6))
    axes[0, 0].figure.get_layout_engine().set(wspace=0.08)
    for ax, (law, label) in zip(axes.flat, panels):
        edges = np.linspace(*law["range"][4:], 41)
        for j, (density, who) in enumerate(
            zip(law["density"], ("θ, from a bimodal law", "θ′, from a normal"))
        ):
            ax.stairs(
                density,
                edges,
                fill=True,
                alpha=0.35,
                color=figures.COLOURS[("blue", "orange")[j]],
                label=who,
            )
            ax.stairs(
                density,
                edges,
                color=figures.COLOURS[("blue", "orange")[j]],
                ls=figures.STYLES[j],
            )
        ax.set(xlabel=label, yticks=[])
    axes[0, 0].set_ylim(top=1.45 * max(map(max, mine["a"]["density"])))
    axes[0, 0].legend(loc="upper center")


NAMES = {
    "seven": figures.look("seven", label="seven segments"),
    "five": figures.look("five"),
    "straight": figures.look("line"),
    "matched": figures.look("matched", label="straight, neurons matched"),
}


def draw_lines(cells, n):
    """Loss along four routes at width n, and the largest against N."""
    axes = figures.axes(2)
    mine = [c for c in cells if c["width"] == n]
    for marker, (name, look) in zip(figures.MARKERS, NAMES.items()):
        v = gather(mine, name, "loss")[1][0].mean(0)
        axes[0].plot(np.linspace(0, 1, len(v)), v, **look)
        widths, top = gather(cells, name, "top_loss")
        bars = top.mean(1), top.std(1, ddof=1)
        axes[1].errorbar(widths, *bars, marker=marker, **look)
    axes[1].plot(
        widths,
        ends(cells, "loss").mean(1),
        ":",
        color=figures.COLOURS["black"],
        label="larger end",
    )
    axes[0].set(xlabel="t", ylabel="test loss", xlim=(0, 1))
    axes[0].set_ylim(bottom=0)
    axes[1].set(
        xscale="log",
        yscale="log",
        xlabel="number of neurons N",
        ylabel="largest test loss",
    )
    figures.log_ticks(axes[1], widths)
    low, high = axes[1].get_ylim()
    marks = [v for v in (0.05, 0.1, 0.2, 0.5, 1, 2) if low < v < high]
    figures.log_ticks(axes[1], marks, which="y")
    figures.legend(axes[1])


def epsilon(cells, name="seven"):
    """(widths, epsilon_C (widths, trials)) of the named path."""
    widths, top = gather(cells, name, "top_loss")
    return widths, top - ends(cells, "loss")


def rates(cells):
    """(label, widths, values) of both paths' epsilon_C and of epsilon_D."""
    widths = gather(cells, "width")[0]
    return [
        (r"$\varepsilon_C$, seven segments", *epsilon(cells)),
        (r"$\varepsilon_C$, five segments", *epsilon(cells, "five")),
        (r"$\varepsilon_D$, larger of both", widths, changes(cells, "loss")),
    ]


def draw_rate(cells):
    """epsilon_C and epsilon_D against N, with fitted powers."""
    ax = figures.axes(size=(7.2, 3.8))
    for j, (label, n, v) in enumerate(rates(cells)):
        fit = fits.loglog(n, v)
        colour = figures.CYCLE[j]
        ax.errorbar(
            n * 1.04 ** (j - 1),
            v.mean(1),
            v.std(1, ddof=1),
            fmt=figures.MARKERS[j],
            color=colour,
            label=f"{label}: slope {fit}",
        )
        ax.plot(n, fit(n), ls=figures.STYLES[j], color=colour, lw=1)
    top = 1.5 * max(v.mean(1).max() for *_, v in rates(cells))
    ax.plot(
        n,
        top * (n / n[0]) ** -0.5,
        ":",
        color=figures.COLOURS["grey"],
        label="the bound's rate, slope −0.5",
    )
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="number of neurons N",
        ylabel="increase in test loss",
    )
    figures.log_ticks(ax, n)
    ax.legend(loc="lower left")


# %% tags=["hide-input"] mystnb={"image": {"alt": "Two columns of block pictures. Left: the eight knots of the seven-segment path, segments 1, 3 and 7 affine, the others constant. Right: the six knots of the five-segment path, segments 1, 3 and 5 affine, 2 and 4 constant."}, "figure": {"name": "fig-mc-knots", "caption": "The knots of both paths, read off the weights of two trained networks. Each row is a knot: input weights of the first and second half, output weights of the first and second half. Blue parts are θ's, orange ones are those of θ′, heavy frames mark what moved. Between rows: the segment's number, and its kind as proved from the weights."}}
for ax, (title, path) in zip(
    figures.axes(2, size=(7.2, 5.6)), example.items()
):
    draw_knots(ax, path, title)

# %% [markdown]
# Segment 1 drops the second half of $\theta$ (its $a$ become 0, those kept
# are doubled), which frees the second half's input weights; segment 2 writes
# the kept half of $\theta'$ there; segment 3 hands the output over. Segments
# 4 to 6 only bring that half home, and segment 7 undoes the dropout of
# $\theta'$. If $\theta'$ keeps its *second* half instead, that half is at
# home from the start, segments 4 to 6 become one, and five segments do.
#
# ## The largest loss on the path, exactly
#
# A loss that is convex in the output, as the square and the cross-entropy
# are, is convex in $t$ on an affine segment, so that its maximum is at a
# knot. Constant segments join knots that compute one function. What remains
# are four functions, the two networks and their two dropout networks
# $\theta_S$, $\theta'_{S}$ {eq}`eq-md-drop`:
#
# $$
# \sup_{t \in [0, 1]} L_N(\pi(t)) = \max\big( L_N(\theta),\, L_{|A|}(\theta_S),
# \, L_N(\theta'),\, L_{|A|}(\theta'_{S}) \big).
# $$ (eq-mc-four)
#
# This is an equation on the continuum of all $t$. It explains the theorem:
# take {eq}`eq-mc-connected` with the smallest $\varepsilon_C$, and
# $\varepsilon_C \le \max(\varepsilon_D, \varepsilon_D')$, the two networks'
# changes in loss by dropout. `certify` proves the kinds from the weights and
# evaluates the four ({ref}`dropout-certificates`).

# %%
from kernels import certificates

x, y = d.test.x, d.test.y
for path in example.values():
    proof = certificates.certify(net, path, x, y)
    print(
        f"{len(path)} segments, {proof.evaluations} evaluations: "
        f"loss {proof.attained:.4f}, exact: {proof.exact}; "
        f"error {100 * proof.error_attained:.2f} %"
    )
run.measure("s20-path-segments", len(example["The paper's seven"]))
assert len(example["Our five"]) == 5

# %% [markdown]
# The classification error is *not* convex: on an affine segment it can exceed
# both ends, since example 1 may turn wrong before example 2 turns right. But
# the $t$ at which a given example is right form an interval, and a sweep over
# all intervals' ends finds the largest error exactly as well. That is the
# error quoted here and below.
#
# ## Figure 3: error along the path
#
# Every pair is joined in four ways: by the paper's path, ours, and two
# straight lines to which we come back. `routes` builds them, and `along` looks
# at the test loss and error of each.

# %%
from kernels import interpolation
from kernels.paths import alignment


def routes(net, a, b):
    """Paths from a to b; the last ends at b with its neurons permuted."""
    width = net.hidden[0]
    first, second = torch.arange(width).chunk(2)
    order = alignment.match(net, a, b, weights=(1, width))
    return {
        "seven": paths.two_layer(net, a, b, kept_a=[first], kept_b=[first]),
        "five": paths.two_layer(
            net, a, b, kept_a=[first], kept_b=[second], style="short"
        ),
        "straight": paths.straight(a, b),
        "matched": paths.straight(a, alignment.permute(net, b, order)),
    }


def along(net, path, x, y):
    """Loss and error (%) along a path, and the largest of both."""
    straight = len(path) == 1
    seen = interpolation.loss_curve(
        net, path, x, y, points=25 if straight else 9
    )
    top = seen.loss.max().item(), seen.error.max().item()
    if not straight:  # known on the continuum
        proof = certificates.certify(net, path, x, y)
        top = proof.attained, proof.error_attained
    return {
        "loss": seen.loss.tolist(),
        "error": (100 * seen.error).tolist(),
        "top_loss": top[0],
        "top_error": 100 * top[1],
    }


# %% [markdown]
# For the question whether one solution is a permutation of the other, to
# which we come below, `laws` keeps the histograms of the entries of $a$ and
# of $w$, and of a third quantity, $q_i = \lVert a_i \rVert^2 - \lVert w_i
# \rVert^2$; `far` is the distance between the ends of a line, neuron by
# neuron.


# %% tags=["hide-input"]
STORE = run.store if run.profile == "paper" else ""  # for checkpoints


def pair(*, dataset, width, trial, dtype, frames=False, **how):
    """One pair of solutions: their paths, dropouts and histograms."""
    d = data.load(dataset, constant=True).to(dtype=getattr(torch, dtype))
    g = device.generator(0, dataset, width, trial)
    saved = f"{STORE}/{dataset}-{width}-{trial}" if STORE else None
    both = list(solutions(d, width, generator=g, checkpoint=saved, **how))
    (net, a), (_, b) = (meanfield.as_network(theta, 0) for theta in both)
    x, y = d.test.x, d.test.y
    ways = routes(net, a, b)
    result = {name: along(net, way, x, y) for name, way in ways.items()}
    result["width"], result["trial"] = width, trial
    result["nearer"] = far(ways["matched"]) / far(ways["straight"])
    kept = torch.ones(2, width, dtype=torch.bool)  # all, and the first half
    kept[1, width // 2 :] = False
    for theta in both:
        exact = tuple(w.double() for w in theta)
        found = meanfield.evaluate(exact, x.double(), y, masks=kept)
        for name, value in (
            ("loss", found.loss),
            ("error", 100 * found.error),
        ):
            result.setdefault(name, []).append(value[0].tolist())
    if frames and trial == 0:  # to be dragged along, below
        result["moving"] = moving(ways["seven"], len(result["seven"]["loss"]))
    return result | laws(both, bins=40 if trial == 0 else 0)


# %% tags=["hide-input"]
fixed = dict(scale)
widths, trials = fixed.pop("widths"), fixed.pop("trials")
cells = run.cells(
    "pairs",
    pair,
    [dict(width=n, trial=r, **fixed) for r in range(trials) for n in widths],
    lambda c: f"N={c['width']} trial={c['trial']}",
)
for name in ("loss", "error"):
    n, top = gather(cells, "seven", f"top_{name}")
    four = gather(cells, name)[1].max((2, 3))
    for limit, label in (
        (four, "the four"),
        (bound(cells, name), "the bound"),
    ):
        above = (top > limit + 1e-5).sum()
        print(f"largest {name} beyond {label}: {above} of {top.size} pairs")

# %% tags=["hide-input"] mystnb={"image": {"alt": "Digits, N = 1600: test loss and test error along the seven segments. Both stay below the dashed bound; the loss rises on segment 1, dips in the middle of segment 3, falls on segment 7, and is constant on segments 2, 4, 5 and 6."}, "figure": {"name": "fig-mc-path", "caption": "Digits, N = 1600, mean and one standard deviation over 5 pairs. The loss peaks at knots, as it must; in the middle of segment 3 two half networks vote together, and the loss falls back towards that of the whole ones. Dashed: the larger end plus the larger change by dropout."}}
draw_path(cells, 1600)

# %% [markdown]
# The dashed line is the paper's: the larger error of both ends plus the
# larger change due to dropping half of the neurons. For the loss it bounds
# the path by {eq}`eq-mc-four`. For the error nothing guarantees it, nor that
# the four networks' errors bound it; the lines printed above count the
# exceptions among all pairs of all widths. The error does go beyond the four
# now and then, as a function that is not convex may, but not beyond the
# bound.
#
# ## One is no permutation of the other
#
# Were $\theta'$ a permutation of $\theta$, the two would compute the same
# function and their histograms would agree. {numref}`fig-mc-laws` shows that
# those of $a$ do not: the one that began bimodal still is. The histograms of
# $w$, though $w$ began bimodal as well, are nearly alike. Why does $a$
# remember and $w$ forget?
#
# Because $\sigma(u) = u\,\sigma'(u)$ for the ReLU, both norms of a neuron
# change at one rate under gradient flow,
#
# $$
# \frac{d}{dt} \lVert a_i \rVert^2 = \frac{d}{dt} \lVert w_i \rVert^2
# = -2\, \mathbb{E}\, \big\langle \nabla\ell,\, a_i\,
# \sigma(\langle x, w_i \rangle) \big\rangle,
# $$ (eq-mc-balance)
#
# so that $q_i = \lVert a_i \rVert^2 - \lVert w_i \rVert^2$ is conserved,
# whatever the data. {eq}`eq-mc-balance` is for infinitely small steps; a step
# of SGD changes $q_i$ by exactly
# $\alpha^2 N^2 (\lVert \nabla_{a_i} \ell \rVert^2 -
# \lVert \nabla_{w_i} \ell \rVert^2)$, over a fixed time in all by something
# of order $\alpha$. At the start $q_i$ is near $10 \cdot 3^2 - 1 = 89$ in
# $\theta$ and $9 \pm 4.5$ in $\theta'$. After training the two laws of $q_i$
# are still disjoint, in every pair of the widest networks. So no single
# neuron of one solution has a counterpart in the other, which is far more
# than that the one is no permutation of the other.
#
# The same law says which layer remembers: the one that starts large. Start
# $w$ at deviation 5 and $a$ at 0.2, and the roles change.

# %%
low, high = (gather(cells, "laws", "q", "range")[1][-1, :, j] for j in (0, 3))
print(
    f"smallest q of theta {low.min():.0f}, largest of theta' {high.max():.0f}"
)
std = [[5.0, 0.2], [5.0, 0.2]]
both = solutions(
    d, 400, generator=run.generator("large w"), **{**how, "std": std}
)
large_w = laws(list(both), bins=40)["laws"]

# %% tags=["hide-input"] mystnb={"image": {"alt": "Four histograms after training. Output weights: two peaks near plus and minus 3 for one solution, one peak at 0 for the other. Input weights: nearly alike. The conserved q: disjoint. Input weights that started large: two peaks against one."}, "figure": {"name": "fig-mc-laws", "caption": "Digits, N = 1600, weights after training. The output weights keep their initial shape, the input weights lose it (upper row). The conserved quantity q separates the two solutions neuron by neuron (lower left). With large initial input weights it is these that keep their shape (lower right, another pair, N = 400)."}}
draw_laws(cells, large_w, 1600)

# %% [markdown]
# ## The straight line, before and after matching
#
# Is the detour over seven segments needed? At $t$ the straight line has the
# neurons $(1 - t)\,\theta_i + t\,\theta'_i$. As $N$ grows, $\theta_i$ and
# $\theta'_i$ become independent draws from two laws ({ref}`meanfield-sgd`),
# and the network at $t$ approaches the mean-field network of
#
# $$
# (1 - t)\,\Theta + t\,\Theta', \qquad \Theta, \Theta' \text{ independent.}
# $$ (eq-mc-coupling)
#
# Its loss is a number that does not know $N$. So nothing makes the straight
# line's barrier fall with the width.
#
# But which neuron is called $i$ is an accident. `alignment.match` finds the
# permutation $\tau$ with the least
# $\sum_i \lVert \theta_i - \theta'_{\tau(i)} \rVert^2$, a linear assignment,
# which is solved exactly. In {eq}`eq-mc-coupling` that replaces independence
# by the optimal coupling of both laws.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Left, N = 1600: the straight line's loss is far above that of both paths, the matched line's is flat. Right: with N the paths' largest loss falls to that of the ends, the straight line's falls from 0.44 to 0.165 only, the matched line's is lowest at every width."}, "figure": {"name": "fig-mc-lines", "caption": "Digits, 5 pairs. Left: loss along four routes at N = 1600. Right: the largest loss against N. The straight line has a barrier that the width does not remove; the paths' barrier falls; after matching little of it is left at any width."}}
draw_lines(cells, 1600)

# %% [markdown]
# In numbers: the largest loss, less that of the larger end, and the largest
# error.

# %%
for name in NAMES:
    n, top = gather(cells, name, "top_loss")
    added = (top - ends(cells, "loss")).mean(1)
    error = gather(cells, name, "top_error")[1].mean(1)
    for j in (-2, -1):
        print(
            f"{NAMES[name]['label']:25s} N = {n[j]}: "
            f"loss {added[j]:.3f} above the end, error {error[j]:.1f} %"
        )
n, nearer = gather(cells, "nearer")
print(f"matching leaves {nearer[-1].mean():.2f} of the distance")
straight = certificates.certify(net, paths.straight(a, b), x, y)
print(
    f"certified, N = 200: {straight.attained:.3f} to {straight.upper:.3f}, "
    f"{straight.intervals} intervals"
)

# %% [markdown]
# In loss both paths beat the straight line at these two widths, by more at the
# larger; in error the straight line is still better at $N = 800$. And the
# matched line beats them all, at every width here. Two
# things are to be said for the path. It joins the two points themselves; the
# matched line ends at the permuted $\theta'$, another point with the same
# function. And a theorem makes the path's barrier vanish as $N$ grows, while
# the matched line's limit, the optimal coupling of two different laws, is
# small for no reason that we know: matched neurons are still more than half
# as far apart as unmatched ones.
#
# The largest losses of both lines are those of 25 points, for their segments
# are neither constant nor affine. On such a segment `certify` encloses the
# largest loss; the last line printed is an example.
#
# ## The rate
#
# {numref}`fig-mc-rate` shows $\varepsilon_C$, the path's largest loss less
# the larger end's, against the width, and beside it $\varepsilon_D$, the
# larger of both solutions' changes in loss by dropout.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Increase in loss along both paths, and change in loss by dropout, against N on logarithmic axes: three nearly parallel lines, all much steeper than the bound's slope of minus one half."}, "figure": {"name": "fig-mc-rate", "caption": "Digits, mean and standard deviation over 5 pairs. The increase along the path follows the cost of dropout, and both fall much faster than the bound, whose slope is −1/2."}}
draw_rate(cells)

# %% [markdown]
# By {eq}`eq-mc-four` this had to be: $\varepsilon_C$ is one of the changes by
# dropout, less what the other end allows. Why those fall faster than the
# bound {eq}`eq-mc-bound` is the subject of {ref}`meanfield-dropout`: the
# linear term in the perturbation, which alone gives $-1/2$, is suppressed by
# training.
#
# {numref}`fig-mc-explore` has one pair of every width to drag along. As $N$
# doubles and doubles again, the certified supremum comes down towards the
# larger end, while the histograms go through the same seven moves: a spike
# at 0 wherever half of the $a_i$ rest, tails where the other half is doubled,
# and $w$ on its way from one law to the other.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-mc-explore", "caption": "Digits, one pair of solutions at each width: test loss and error along the seven segments, the certified suprema and the larger end's values, and the histograms of all output and input weights (height: the square root of the share). Choose a wider network and the suprema come down; shaded: affine segments."}}
from book.tools import explorer


def walked(firsts):
    """One pair of every width, to be dragged along."""
    kinds = example["The paper's seven"].kinds
    t, words = explorer.walk(
        kinds, 8
    )  # 9 points on each segment, as in `along`
    panels, gaps = [], {}
    for name, unit in (("loss", ""), ("error", " %")):
        top = np.array([c["seven"][f"top_{name}"] for c in firsts])
        end = np.array([max(whole for whole, _ in c[name]) for c in firsts])
        curve = {"seven segments": [c["seven"][name] for c in firsts]}
        limits = {"certified supremum": top, "larger end": end}
        panels.append(
            explorer.Curves(
                f"test {name}", curve, limits, unit.strip(), log=True
            )
        )
        gaps[name] = [
            f"{u:.3g}{unit}, {u - v:.2g} above the larger end"
            for u, v in zip(top, end)
        ]
    for name, label, marks in (
        ("a", "output weights a", (-6, -3, 0, 3, 6)),
        ("w", "input weights w", (-1, 0, 1)),
    ):
        bars = [c["moving"][name] for c in firsts]
        panels.append(explorer.Bars(label, bars, SPANS[name], marks))
    return explorer.Explorer(
        "Seven segments between two solutions",
        t,
        words,
        panels,
        choices={
            f"N = {c['width']}": f"N = {c['width']}, certified: the test loss "
            f"is at most {loss}; the test error at most {error}."
            for c, loss, error in zip(firsts, *gaps.values())
        },
        choose="Width",
        kinds=kinds,
        ticks=dict(enumerate(["θ", *"123456", "θ′"])),
    )


firsts = [c for c in cells if "moving" in c]
if firsts:
    chapter.show(walked(firsts))

# %% [markdown]
# ## At the paper's scale
#
# The recorded run joins three pairs a width, trained on MNIST with $\alpha =
# 0.01$ for 30 and 40 epochs, up to the $N = 3200$ of Figure 3. In the paper's
# unit, step size times epochs, that is $T = 0.3$ and $0.4$. An earlier record
# had ten times the step and $T = 0.4$ and $0.6$: with that step the loss of
# $\theta$, whose output weights start at $\pm 3$, first rose from 2.3 to 8.4
# ($N = 3200$, one net), which S20's figures do not show; with this one it falls
# from the first step on, in the hundred steps that we looked at. The verdicts
# of both records agree.

# %%
n, eps = epsilon(cells)
error = gather(cells, "seven", "error")[1][-1]
top = gather(cells, "seven", "top_error")[1][-1]
slopes = [fits.loglog(n, v).slope for _, n, v in rates(cells)]
run.measure("s20-path-error-bound", (top - bound(cells, "error")[-1]).max())
run.measure("s20-path-error-constant", top - error.min(1))
run.measure("s20-path-rate", slopes[0])
run.measure("s20-path-line", epsilon(cells, "straight")[1][-1] / eps[-1])
run.finish({"large_w": large_w})


# %% tags=["hide-input"] mystnb={"image": {"alt": "MNIST, N = 3200: test loss and test error along the seven segments stay below the dashed bound; the mean error lies between 1.9 and 2.6 per cent all the way."}, "figure": {"name": "fig-mc-path-paper", "caption": "MNIST, N = 3200, the counterpart of S20's Figure 3 (its error is the right panel's), mean and standard deviation over the recorded pairs."}}
paper = run.recorded["pairs"]
draw_path(paper, 3200)

# %% tags=["hide-input"] mystnb={"image": {"alt": "MNIST, N = 3200: histograms of output weights, input weights and the conserved q after training, and of input weights that started large; the first, third and fourth pair differ plainly."}, "figure": {"name": "fig-mc-laws-paper", "caption": "MNIST, N = 3200, the counterpart of the histograms beside S20's Figure 3. As on the digits, the laws of q are disjoint."}}
draw_laws(paper, run.recorded["large_w"], 3200)

# %% tags=["hide-input"] mystnb={"image": {"alt": "MNIST. Left: at N = 3200 the straight line's loss reaches 0.23 while both paths and the matched line stay near 0.08. Right: from N = 200 to 3200 the paths' largest loss falls from above 0.6 to 0.08, the straight line's from 0.42 to 0.23 only."}, "figure": {"name": "fig-mc-lines-paper", "caption": "MNIST: loss along four routes at N = 3200, and their largest loss against N. Once more the width mends the paths and not the straight line, and the matched line is best."}}
draw_lines(paper, 3200)

# %% tags=["hide-input"] mystnb={"image": {"alt": "MNIST: increase in loss along both paths and change by dropout against N from 200 to 3200 on logarithmic axes; slopes near minus 1.35, far steeper than minus one half."}, "figure": {"name": "fig-mc-rate-paper", "caption": "MNIST: the increase along the path and the cost of dropout against N, mean and standard deviation over the recorded pairs. The slopes are close to the digits'."}}
draw_rate(paper)

# %% [markdown]
# At $N = 3200$ the path's largest error is 2.5 %, 0.7 points above its
# smallest; the largest loss is 0.012 above that of the worse end. The straight
# line is worse in both (3.7 %, 0.16 above), the matched line again better in
# both (2.2 %, 0.003 above). In one pair of the fifteen, at $N = 1600$, the
# largest error lies one test image above that of the four networks and above
# the bound: for the error neither is a theorem. At $N = 200$ the straight line
# is, on average, the better one in both.
#
# The laws of $q_i$ are disjoint in all fifteen pairs. In the earlier record
# $q_i$ had drifted to $-69$ in $\theta'$; now no neuron of the widest nets is
# below $-1$: a drift of order $\alpha$ should shrink like that. It went
# downwards, so that the gradient in $w_i$ must be the larger one: it grows
# with the norm of the input, which has 785 features.
#
# ## Verdict

# %% tags=["remove-input"]
run.verdict()

# %% [markdown]
# ## Deviations, and what to make of them
#
# - **No row for what cannot fail.** That five segments do for disjoint halves
#   is our construction; that $\varepsilon_C$ scales like $\varepsilon_D$ is an
#   identity by {eq}`eq-mc-four`; and that no permutation leads from one
#   solution to the other was decided by their initial laws. The text shows
#   all three, the scoreboard counts none.
# - **The path is rebuilt.** The proof of Theorem 1(B) stands in a supplement
#   that we do not have. Ours has the theorem's count and its bound.
# - **The error is not convex.** The paper's red line is drawn for the
#   classification error, of which the theorem does not speak. We judge that
#   statement on the exact supremum of the error; that it holds at $N = 3200$
#   is an observation, not a consequence, and one narrower pair on record
#   exceeds it by one test image.
# - **Fresh data.** The theorem takes independent examples, each used once. As
#   in the paper's experiments, both solutions here go through one training
#   set several times, in their own orders.
# - **Assumptions.** ReLU and cross-entropy are outside the theorem, and so is
#   a normal law for the $a_i$, which is not bounded (A4). The paper does not
#   say which weights begin bimodal, nor where the two modes are: in $\theta$
#   both layers do, at plus and minus one deviation, and each mode has a
#   deviation of its own, a tenth of its distance from 0.
# - **Odd widths.** Kept neurons are rescaled by $N / |A|$, which is 2 for
#   even $N$ only; both kept sets must fit, $|A| \le \lfloor N/2 \rfloor$.
#
# ## Exercises
#
# 1. Set `step_size=0.5` in the laptop column. Is $q$ still conserved, and
#    does $\varepsilon_C$ at $N = 1600$ notice?
# 2. Start both solutions from the normal law with deviation 1. Is one now a
#    permutation of the other? Predict the distance after matching first.
# 3. `routes` keeps the first half. Let it try ten random halves of each
#    solution and keep the best pair: by how much does {eq}`eq-mc-four` allow
#    $\varepsilon_C$ to fall?
#
# ## Provenance

# %% tags=["remove-input"]
run.footer()
