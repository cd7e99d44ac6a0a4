# %% [markdown]
# (meanfield-dropout)=
# # Dropout stability grows with the neurons kept
#
# **In one sentence.** Remove half of the neurons of a wide two-layer network
# that SGD trained, rescale the rest, and the loss hardly changes; how little
# depends on how many neurons are *kept*, and we show why the change falls
# like $N^{-1/2}$ before training and faster than $N^{-1}$ after it.
#
# **Reproduces** {cite}`shevchenko2020`: Definition 3.1, Theorem 1(A),
# Figures 1(a) and 2. **Needs** nothing before it.

# %% tags=["parameters"]
profile = "laptop"  # "paper" runs MNIST at the paper's own widths
trials = 5  # from 2 to 100: networks of each width
step_size = 0.5  # alpha
looks = 20  # from 2 to 100: times at which the loss is measured
steps = 390  # minibatches of 100: 30 epochs, so that T = 15
cases = ""  # all, or those to run: "main N=3200 trial=0, literal"

# %% tags=["remove-cell"]
import sys
from pathlib import Path

here = Path(globals().get("__file__", "chapter.py")).resolve()
root = next(p for p in here.parents if (p / "_config.yml").exists())
sys.path.insert(0, str(root))

# %% tags=["remove-input"]
from book.tools import chapter

run = chapter.start(
    "meanfield/dropout_stability",
    profile,
    trials=trials,
    step_size=step_size,
    looks=looks,
    steps=steps,
    cases=cases,
)

# %% [markdown]
# ## The claim
#
# A two-layer network with $N$ neurons averages them. With input
# $x \in \mathbb{R}^d$ (a constant feature 1 is part of $x$, so that there
# are biases), input weights $w_i \in \mathbb{R}^d$, output weights $a_i$, one
# number per class, and $\sigma(u) = \max(u, 0)$,
#
# $$
# \hat y_N(x, \theta) = \frac1N \sum_{i=1}^N a_i\, \sigma(\langle x, w_i\rangle).
# $$ (eq-md-net)
#
# Its population risk $L_N(\theta)$ is the expected loss on a fresh example.
# SGD with step size $\alpha$ multiplies the gradient by $N$, so that a single
# neuron moves at a speed that does not depend on $N$:
#
# $$
# \theta_i^{k+1} = \theta_i^k - \alpha N\, \nabla_{\theta_i}
# \ell\big(y_k, \hat y_N(x_k, \theta^k)\big).
# $$ (eq-md-sgd)
#
# After $k$ steps the time is $t = k\alpha$, and $T$ is the time at the end.
# Now keep the neurons $A \subseteq \{1, \dots, N\}$ and average those:
#
# $$
# \hat y_{|A|}(x, \theta_S) = \frac{1}{|A|} \sum_{i \in A}
# a_i\, \sigma(\langle x, w_i\rangle).
# $$ (eq-md-drop)
#
# ```{prf:definition} Dropout stability (S20, Definition 3.1)
# :label: def-md-stable
# $\theta$ is $\varepsilon_D$-*dropout stable* for $A$ if
# $|L_N(\theta) - L_{|A|}(\theta_S)| \le \varepsilon_D$.
# ```
#
# ```{prf:theorem} S20, Theorem 1(A), in our words
# :label: thm-md-a
# Let the step size be $\alpha\, \xi(k\alpha)$ with $\xi > 0$ bounded and
# Lipschitz (A1), the labels bounded and $\nabla_w \sigma(x, w)$ sub-Gaussian
# over $x$ (A2), $\sigma$ bounded and differentiable with a bounded, Lipschitz
# gradient (A3), the initial $a_i$ bounded (A4), the loss the square, and let
# each example be used once. Fix $T \ge 1$, and choose $A$ independently of
# the training. With probability at least $1 - e^{-z^2}$, after any number
# of steps up to time $T$, $\theta$ is $\varepsilon_D$-dropout stable with
#
# $$
# \varepsilon_D = K e^{K T^3} \left( \frac{\sqrt{\log |A|} + z}{\sqrt{|A|}}
# + \sqrt\alpha\, \big(\sqrt{D + \log N} + z\big) \right),
# $$ (eq-md-bound)
#
# where $D = d$ and $K$ depends on the bounds only.
# ```
#
# Two things stand out in {eq}`eq-md-bound`. The first term knows $|A|$ and not
# $N$. And as a rate it says $|A|^{-1/2}$, *at most*: an upper bound.
#
# ## The experiment
#
# The paper trains with cross-entropy, ReLU and minibatches of 100, outside
# the theorem's assumptions; so do we. Its numbers for the time $T$ are step
# size times *epochs*, and so are ours. The laptop run uses the 8 × 8 digits of
# scikit-learn, the paper's scale is MNIST.

# %% tags=["hide-input"]
scale = run.scale(
    laptop=dict(
        cases={
            "main": dict(
                dataset="digits",
                widths=[50, 100, 200, 400, 800, 1600],
                trials=trials,
                step_size=step_size,
                std=[1.0, 1.0],  # of the initial w_i (times sqrt(d)) and a_i
                steps=steps,
            )
        },
        looks=looks,
        dtype="float64",
    ),
    paper=dict(
        cases={
            "main": dict(
                dataset="mnist",
                widths=[50, 100, 200, 400, 800, 1600, 3200],
                trials=5,
                step_size=0.01,
                std=[1.0, 3.0],
                steps=24000,  # 40 epochs, so that T = 0.01 * 40 = 0.4
            ),
            "deviation-1": dict(
                dataset="mnist",
                widths=[800, 3200],
                trials=1,
                step_size=0.01,
                std=[1.0, 1.0],
                steps=24000,
            ),
            "literal": dict(
                dataset="mnist",
                widths=[50, 100, 200],
                trials=3,
                step_size=0.5,  # alpha_0, and alpha = alpha_0 / N
                std=[1.0, 3.0],
                steps=480,  # k_0 = 0.8 epochs, times N
                schedule="paper",
            ),
            "tenth": dict(
                dataset="mnist",
                widths=[800],
                trials=1,
                step_size=0.001,
                std=[1.0, 3.0],
                steps=240000,
            ),
        },
        looks=40,
        dtype="float32",
    ),
)

# %% [markdown]
# At chosen times we compare the network with dropout networks
# {eq}`eq-md-drop`. Mask 0 keeps the first half of the neurons, as the paper
# does, ten more keep random halves; the *change in loss* below is the mean of
# $|L_N(\theta) - L_{|A|}(\theta_S)|$ over all eleven. `stability` measures it,
# and looks at the training loss as well, on 10 000 of the training examples;
# `terms` are what the expansion below predicts it from. A recorded run resumes
# at its last `checkpoint`.

# %%
from pathlib import Path

import torch

from kernels import data, device, meanfield

STORE = run.store if run.profile == "paper" else ""  # for checkpoints


def checkpoint(*names):
    """Where a recorded run saves its state, None on a laptop."""
    return Path(STORE, "-".join(map(str, names)) + ".pt") if STORE else None


def stability(theta, d, masks):
    """Definition 3.1, measured on a test set: what dropping half costs."""
    seen = meanfield.evaluate(theta, d.test.x, d.test.y, masks=masks)
    loss, error = seen.loss[0], 100 * seen.error[0]
    x, y = d.train.x[:10_000], d.train.y[:10_000]
    return {
        "train_loss": meanfield.evaluate(theta, x, y).loss.item(),
        "loss": loss[0].item(),
        "error": error[0].item(),
        "half_loss": loss[1].item(),
        "half_error": error[1].item(),
        "change": (loss[1:] - loss[0]).abs().mean().item(),
    }


def terms(theta, d, kept):
    """Both terms of the expansion below, which predict the change."""
    why = meanfield.fluctuations(theta, d.test.x, d.test.y)
    return {
        "linear": why.linear_std(kept).item(),
        "quadratic": why.mean_increase(kept).item(),
    }


# %% [markdown]
# One trial initialises, trains by {eq}`eq-md-sgd`, and measures on the way;
# at the end it also keeps fewer neurons than half, $|A| = 25, 50, 100, \dots$


# %% tags=["hide-input"]
def trial(
    *,
    dataset,
    width,
    trial,
    step_size,
    std,
    steps,
    looks,
    dtype,
    schedule="constant",
):
    """One network of `width` neurons, trained and measured."""
    d = data.load(dataset, constant=True).to(dtype=getattr(torch, dtype))
    g = device.generator(0, dataset, width, trial)
    sizes = (d.train.x.shape[1], width, 10)
    theta = meanfield.init(
        sizes, trials=1, std=std, generator=g, dtype=d.train.x.dtype
    )
    half = dict(keep=width // 2, count=11, generator=g)
    whole = torch.ones(1, width, dtype=torch.bool)
    masks = torch.cat([whole, meanfield.masks(width, **half)])
    moments = {round(steps ** (j / 12)) for j in range(12)}
    moments |= {round(j / looks * steps) for j in range(looks + 1)}
    moments |= {round(share * steps) for share in (0.05, 0.65)}
    start = terms(theta, d, width // 2)
    trained = meanfield.train(
        theta,
        (d.train.x, d.train.y),
        step_size=step_size,
        batch=100,
        steps=steps,
        schedule=schedule,
        generator=g,
        snapshots=[m / steps for m in sorted(moments)],
        checkpoint=checkpoint(width, trial, step_size, *std, schedule),
        measure=lambda theta: stability(theta, d, masks),
    )
    x, y = d.test.x, d.test.y
    end = trained.snapshots[-1].value["loss"]
    kept = []
    for m in [25 * 2**j for j in range(8) if 25 * 2**j < width]:
        few = meanfield.masks(
            width, keep=m, count=10, generator=g, first=False
        )
        loss = meanfield.evaluate(theta, x, y, masks=few).loss
        kept.append([m, (loss - end).abs().mean().item()])
    train = meanfield.evaluate(theta, d.train.x, d.train.y)
    return {
        "width": width,
        "steps": [k.step for k in trained.snapshots],
        "seen": [k.value for k in trained.snapshots],
        "terms": [start, terms(theta, d, width // 2)],
        "kept": kept,
        "train_loss": train.loss.item(),
    }


# %% tags=["hide-input"]
def grid(widths, trials, **point):
    """A point a network: first one at every width, then the next ones."""
    how = dict(looks=scale["looks"], dtype=scale["dtype"])
    return [
        dict(width=n, trial=r, **how, **point)
        for r in range(trials)
        for n in widths
    ]


def named(point):
    """A network's name among those of its case."""
    return f"N={point['width']} trial={point['trial']}"


d = run.uses(data.load(scale["cases"]["main"]["dataset"], constant=True))
found = {
    name: run.cells(name, trial, grid(**case), named)
    for name, case in scale["cases"].items()
}
cells = found["main"]
peak = max(z["loss"] / c["seen"][0]["loss"] for c in cells for z in c["seen"])
print(f"largest test loss on the way, over the first: {peak:.3f}")

# %% tags=["remove-cell"]
from itertools import pairwise

import numpy as np


def gather(cells, name, share=1.0):
    """(widths, a list of `name` over the trials per width), at a moment."""

    def read(cell):
        steps = np.array(cell["steps"])
        i = np.abs(steps - share * steps[-1]).argmin()
        return cell["seen"][i][name]

    return by_width(cells, read)


def by_width(cells, read):
    """(widths, a list of `read(cell)` over the trials per width)."""
    widths = sorted({c["width"] for c in cells})
    return np.array(widths), [
        np.array([read(c) for c in cells if c["width"] == n]) for n in widths
    ]


def spread(values):
    """Standard deviation over the trials, along the first axis."""
    return np.std(values, axis=0, ddof=1) if len(values) > 1 else 0


def series(ax, x, rows, **style):
    """Mean and standard deviation of every row."""
    ax.errorbar(
        x, [v.mean() for v in rows], [spread(v) for v in rows], **style
    )


def crossing(cell, which, level=0.062):
    """What was seen where the loss `which` falls to `level`, interpolated.

    None where it does not get there.
    """
    seen = cell["seen"]
    for before, after in pairwise(seen):
        if after[which] <= level < before[which]:
            t = (before[which] - level) / (before[which] - after[which])
            return {
                key: (1 - t) * before[key] + t * after[key] for key in before
            }
    return None


# %% [markdown]
# ### Figure 1(a): the network and its half, while training
#
# {numref}`fig-md-risk` follows test loss and test error of the network and of
# its first half. Both fall together; the narrow network's half lags far
# behind, the wide network's half almost touches it.

# %% tags=["remove-cell"]
from book.tools import figures


def draw_risk(cells, chosen):
    """Figure 1(a): test loss and error against the step, two widths."""
    left, right = figures.axes(2)
    near = right.inset_axes((0.45, 0.52, 0.53, 0.42))
    chosen = [n for n in chosen if n in {c["width"] for c in cells}]
    panels = [
        (left, "loss", "Test loss"),
        (right, "error", "Test error (%)"),
        (near, "error", ""),
    ]
    for ax, name, label in panels:
        for n, colour in zip(chosen, ("orange", "blue")):
            mine = [c for c in cells if c["width"] == n]
            k = np.array(mine[0]["steps"])
            for key, style in ((name, "--"), (f"half_{name}", "-")):
                v = np.array([[z[key] for z in c["seen"]] for c in mine])
                m, sd = v.mean(0), spread(v)
                who = "first half" if key != name else "network"
                ax.plot(
                    k + 1,
                    m,
                    style,
                    color=figures.COLOURS[colour],
                    label=f"{who}, N = {n}",
                )
                ax.fill_between(
                    k + 1,
                    m - sd,
                    m + sd,
                    alpha=0.15,
                    lw=0,
                    color=figures.COLOURS[colour],
                )
        ax.set(xscale="log", xlabel="step k + 1", ylabel=label)
        ax.set_ylim(bottom=0)
    left.legend()
    ends = [line.get_ydata()[-1] for line in near.lines]
    near.set(xlim=(k[-1] / 10, k[-1] + 1), ylim=(0, 1.4 * max(ends)))
    near.set(xlabel="", xticks=[k[-1] / 10, k[-1]], title="the last tenfold")
    near.set_xticklabels([f"{k[-1] / 10:.0f}", f"{k[-1]}"], fontsize=8)
    near.xaxis.set_minor_formatter("")
    near.spines["left"].set_color(figures.COLOURS["black"])


# %% tags=["hide-input"] mystnb={"image": {"alt": "Test loss and test error against the step for N = 100 and N = 1600: the half of the wide network almost touches the whole one, the half of the narrow one stays far above."}, "figure": {"name": "fig-md-risk", "caption": "Digits, mean and one standard deviation over 5 trials. Dashed: the trained network; solid: its first half, rescaled. Inset: the end, from a tenth of the steps on. At N = 1600 dropping half costs almost nothing at any time of training; at N = 100 it costs a multiple of the loss."}}
draw_risk(cells, chosen=[100, 1600])

# %% [markdown]
# ### Figure 2: the change in loss against the width
#
# Now the same at three times of training and every width. On logarithmic
# axes a power of $N$ is a straight line, and its slope is the exponent.

# %% tags=["remove-cell"]
from book.tools import fits


def draw_width(cells):
    """Figure 2: change in loss against N at times 0, 0.05T, 0.65T, T."""
    ax = figures.axes(size=(7.2, 3.8))
    shares = (0, 0.05, 0.65, 1)
    for j, share in enumerate(shares):
        n, v = gather(cells, "change", share)
        fit = fits.loglog(n, v)
        colour = figures.CYCLE[j]
        series(
            ax,
            n,
            v,
            fmt=figures.MARKERS[j],
            color=colour,
            label=f"time {share:g} T: slope {fit}",
        )
        ax.plot(n, fit(n), color=colour, lw=1)
    n, v = gather(cells, "change", 1)
    top = max(row.max() for row in v) * 1.3
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
        ylabel="change in test loss, half kept",
    )
    figures.log_ticks(ax, n)
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))


# %% tags=["hide-input"] mystnb={"image": {"alt": "Change in test loss against the number of neurons on logarithmic axes: four straight lines, with slope about minus one half at time 0 and about minus 1.3 at the end of training, steeper than the bound."}, "figure": {"name": "fig-md-width", "caption": "Digits: change in test loss when half of the neurons are kept, mean and standard deviation over trials. Straight lines, as the paper found; but the slope starts at −1/2, the bound's own rate, and ends beyond −1."}}
draw_width(cells)

# %%
for share in (0, 0.05, 0.65, 1):
    fit = fits.loglog(*gather(cells, "change", share))
    print(f"time {share:4g} T: slope {fit}, R² = {fit.r2:.3f}")

# %% [markdown]
# The bound {eq}`eq-md-bound` allows a decay like $N^{-1/2}$, up to a
# logarithm. After training the change decays much faster, so the bound holds
# with room to spare. Where does the room come from?
#
# ## What the paper does not say: two terms
#
# Write $v_i(x) = a_i\,\sigma(\langle x, w_i\rangle)$ for what neuron $i$
# contributes. Dropout moves the output at $x$ by
#
# $$
# \delta(x) = \frac1M \sum_{i \in A} v_i(x) - \frac1N \sum_{i=1}^N v_i(x),
# \qquad M = |A|.
# $$ (eq-md-delta)
#
# If $A$ is drawn uniformly among the subsets of size $M$, then
# {eq}`eq-md-delta` has mean zero, and sampling without replacement gives its
# covariance, $\big(\tfrac1M - \tfrac1N\big)\,\mathrm{Cov}_i(v_i)$, where the
# covariance over the neurons has the divisor $N - 1$. Expand the loss to
# second order:
#
# $$
# L_{|A|}(\theta_S) - L_N(\theta) =
# \underbrace{\mathbb{E}_x \langle \nabla\ell, \delta\rangle}_{\text{linear}}
# + \underbrace{\tfrac12\, \mathbb{E}_x \langle \delta, H \delta\rangle
# }_{\text{quadratic}} + \cdots
# $$ (eq-md-expand)
#
# with $\nabla\ell$ and $H$ the gradient and Hessian of the loss in the output.
#
# **The quadratic term** of {eq}`eq-md-expand` has the mean
# $\tfrac12 \big(\tfrac1M - \tfrac1N\big)\, \mathbb{E}_x \operatorname{tr}
# (H\, \mathrm{Cov}_i v_i)$: of order $1/N$ when $M = N/2$. For the square
# loss $H = 2I$, nothing is left out, and the mean over $A$ is *exact*:
#
# $$
# \mathbb{E}_A\big[L_{|A|}(\theta_S)\big] - L_N(\theta)
# = \Big(\frac1M - \frac1N\Big)\; \mathbb{E}_x \operatorname{Var}_i(v_i).
# $$ (eq-md-exact)
#
# **The linear term** has mean zero over $A$, but not size zero. It is the
# mean over $A$, less the mean over all neurons, of the *influences*
# $c_i = \mathbb{E}_x \langle \nabla\ell, v_i\rangle$, and its standard
# deviation is $\sqrt{(1/M - 1/N)\,\mathrm{Var}_i(c_i)}$: of order $N^{-1/2}$.
# But $c_i$ is $a_i$ times ($N$ times) the derivative of the risk in $a_i$,
# and that is what SGD drives to zero.
#
# So at the start the linear term rules, with slope $-1/2$; when training has
# made the $a_i$ nearly stationary, the quadratic one rules, with slope $-1$.
# Equation {eq}`eq-md-exact` can be checked by brute force, over all
# $\binom{12}{6} = 924$ halves of twelve neurons, whose `square_loss` is taken:

# %%
from itertools import combinations

g = run.generator("identity")
theta = meanfield.init((5, 12, 2), trials=1, generator=g, dtype=torch.float64)
x = torch.randn(40, 5, generator=g, dtype=torch.float64)
y = torch.randn(40, 2, generator=g, dtype=torch.float64)


def square_loss(theta):
    """S20 (3.2) on the forty examples."""
    return (meanfield.forward(theta, x)[0] - y).square().sum(1).mean()


halves = [
    square_loss(meanfield.drop(theta, torch.tensor(kept)))
    for kept in combinations(range(12), 6)
]
left = torch.stack(halves).mean() - square_loss(theta)
right = meanfield.fluctuations(theta, x, y, loss="square").mean_increase(6)
print(f"mean over 924 halves {left:.10f}, formula {right.item():.10f}")

# %% [markdown]
# And against the measurement: {numref}`fig-md-why` draws both terms at the
# start and at the end of training.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Two panels. At time 0 the measured change in loss follows the linear term of slope minus one half; at the end of training it follows the quadratic term of slope minus one for wide networks and lies above it for narrow ones."}, "figure": {"name": "fig-md-why", "caption": "Digits: the measured change in loss (points) beside the two terms of the expansion. Left: before training the linear term explains it. Right: after training the quadratic one does, for wide networks; for narrow ones the change is too large for a second-order expansion, which bends the line and makes the fitted slope steeper than −1."}}


def terms_at(name, share):
    """A term of the expansion at share 0 or 1, a row a width."""
    return by_width(cells, lambda c: c["terms"][share][name])[1]


axes = figures.axes(2, sharey=True)
for ax, share, title in zip(axes, (0, 1), ("time 0", "time T")):
    n, v = gather(cells, "change", share)
    series(ax, n, v, fmt="o", label="measured", color=figures.COLOURS["black"])
    for j, (name, size) in enumerate(
        (("linear", (2 / np.pi) ** 0.5), ("quadratic", 1))
    ):
        ax.plot(
            n,
            size * np.array([row.mean() for row in terms_at(name, share)]),
            figures.STYLES[j],
            color=figures.CYCLE[j],
            label=f"{name} term",
        )
    ax.set(xscale="log", yscale="log", title=title, xlabel="neurons N")
    figures.log_ticks(ax, n)
axes[0].set_ylabel("change in test loss")
_ = axes[0].legend()

# %% [markdown]
# (The linear term is drawn at the mean size of a normal variable,
# $\sqrt{2/\pi}$ times its standard deviation.) The slope beyond $-1$ is no
# new power law. It is the trace of higher orders where $\delta$ is large.
#
# ## The number kept, not the number there was
#
# The theorem's real content is that $N$ hardly matters once $|A|$ is given.
# Train networks of several widths, and keep ever fewer neurons.


# %% tags=["remove-cell"]
def gather_kept(cells, n):
    """(numbers kept, changes (numbers, trials)) of networks of width n."""
    rows = np.array([c["kept"] for c in cells if c["width"] == n])
    return rows[0, :, 0], rows[:, :, 1].T


def draw_kept(cells, chosen):
    """Change in loss against |A|, and against 1/|A| - 1/N."""
    axes = figures.axes(2, sharey=True)
    chosen = [n for n in chosen if n in {c["width"] for c in cells}]
    for j, n in enumerate(chosen):
        m, v = gather_kept(cells, n)
        for ax, at in ((axes[0], m), (axes[1], 1 / m - 1 / n)):
            series(
                ax,
                at,
                v,
                fmt=figures.MARKERS[j] + "-",
                lw=1,
                color=figures.CYCLE[j],
                label=f"N = {n}",
            )
            ax.set(xscale="log", yscale="log")
    axes[0].set(xlabel="neurons kept |A|", ylabel="change in test loss")
    figures.log_ticks(axes[0], gather_kept(cells, max(chosen))[0])
    axes[1].set(xlabel="1/|A| − 1/N")
    axes[0].legend()


# %% tags=["hide-input"] mystnb={"image": {"alt": "Change in test loss against the number of neurons kept for three widths: the curves nearly coincide, and coincide better when drawn against one over A minus one over N."}, "figure": {"name": "fig-md-kept", "caption": "Digits, end of training. Left: against the number kept, networks of very different widths lose nearly the same. Right: against 1/|A| − 1/N, the factor of both terms, they fall on one curve even where |A| is close to N."}}
draw_kept(cells, chosen=[400, 800, 1600])

# %% [markdown]
# What is left of $N$ is the factor $1/|A| - 1/N$ that both terms share: a
# network that keeps everything loses nothing. Against that factor the curves
# fall together, which is a sharper statement than the theorem's.
#
# ## At the paper's scale
#
# The recorded run trains on MNIST with the widths of the paper's figures. The
# paper gives neither its step size nor its initial law. Theorem 1 wants
# $\alpha \ll 1 / (D + \log N)$, and an earlier run of ours with
# $\alpha = 0.1$ showed what happens otherwise: the test loss first rose to
# several times its first value. With $\alpha = 0.01$ and 40 epochs, $T = 0.4$,
# it never does. The initial deviation 3 of the $a_i$ was chosen, on that
# earlier run, so that dropping half costs about what the paper says: read the
# 3 % below as a fit, and the slopes, which nothing was fitted to, as a
# prediction.


# %% tags=["hide-input"]
def ratios(cells):
    """Largest ratio of changes in loss between widths, as many kept."""
    seen = {}
    for n in {c["width"] for c in cells}:
        m, v = gather_kept(cells, n)
        for kept, change in zip(m, v.mean(1)):
            if 2 * kept <= n:
                seen.setdefault(kept, []).append(change)
    return max(max(v) / min(v) for v in seen.values())


def judge(cells):
    """What the claims of this chapter measure, from one run's networks."""
    n, rows = gather(cells, "error")
    half, loss, half_loss = (
        gather(cells, name)[1] for name in ("half_error", "loss", "half_loss")
    )
    gap = [h - e for h, e in zip(half, rows)]
    quarter = n.tolist().index(n[-1] // 4)  # 800 for 3200
    both = min(len(gap[quarter]), len(gap[-1]))
    fit, later, first = (
        fits.loglog(*gather(cells, "change", t)) for t in (1, 0.65, 0)
    )
    fixed = [abs(h - w) for h, w in zip(half_loss, loss)]
    wide = [c for c in cells if c["width"] == n[-1]]
    found = {
        "s20-train-loss-3200": [c["train_loss"] for c in wide],
        "s20-gap-800-3200": gap[quarter][:both] - gap[-1][:both],
        "s20-loglog-linear": fit.r2,
        "s20-time-mild": fit.slope - later.slope,
        "s20-time-mild-start": fit.slope - first.slope,
        "s20-theorem1a-rate": fit.slope,
        "s20-kept-not-total": ratios(cells),
        "s20-fixed-pattern": fits.loglog(n, fixed).slope,
    }
    for ending, which in {"": "train_loss", "-risk": "loss"}.items():
        at = [v for v in (crossing(c, which) for c in wide) if v]
        if at:
            found[f"s20-error-3200{ending}"] = [v["error"] for v in at]
            found[f"s20-dropout-error-3200{ending}"] = [
                v["half_error"] for v in at
            ]
    return found


for claim, values in judge(cells).items():
    run.measure(claim, values)
run.finish(found)
paper = run.recorded["main"]
for claim, values in judge(paper).items():
    run.remeasure(claim, values)

# %% [markdown]
# The paper's three numbers, 0.062, below 2 % and about 3 %, can be read in
# two ways. It calls 0.062 the *training* loss at its plateau; its figure
# plots the population risk. So we read the errors off twice, at the moment
# when the training loss is 0.062 and when the test loss is:

# %%
print("   N  a's std  where 0.062   train   test   error   half's error")
for name in ("main", "deviation-1"):
    mine = run.recorded.get(name, [])
    for n in sorted({c["width"] for c in mine if c["width"] >= 800}):
        same = [c for c in mine if c["width"] == n]
        for which, kind in (("train_loss", "training"), ("loss", "test")):
            at = [v for v in (crossing(c, which) for c in same) if v]
            if not at:
                print(f"{n:5}: the {kind} loss does not fall to 0.062")
                continue
            mean = {k: np.mean([v[k] for v in at]) for k in at[0]}
            print(
                f"{n:5}  {same[0]['settings']['std'][1]:5g}    "
                f"{kind:9}"
                f"   {mean['train_loss']:.3f}   {mean['loss']:.3f}"
                f"   {mean['error']:.2f} %   {mean['half_error']:.2f} %"
                f"   (n = {len(at)})"
            )

# %% [markdown]
# Where the training loss is 0.062 the error of $N = 3200$ is 2.4 %, not below
# 2 %; where the *test* loss is 0.062 it is 1.9 %. So the published 0.062 and
# "below 2 %" fit together if 0.062 is the population risk. The half's error
# is then 2.4 %, better than the published 3 %: without the overshoot our
# networks lose less than the paper's, and the deviation 3, fitted to a run
# that overshot, no longer fits.
#
# What does the step size do at one time $T$? `literal` is the paper's own
# schedule, $\alpha = \alpha_0 / N$ for $k_0 N$ epochs, with $\alpha_0 = 0.5$ and
# $k_0 \alpha_0 = 0.4$: at $N = 50$ the constant step, at $N = 200$ a quarter of
# it.

# %%
for name in ("main", "literal", "tenth"):
    mine = run.recorded.get(name, [])
    for n in sorted({c["width"] for c in mine}):
        same = [c for c in mine if c["width"] == n]
        end = {
            key: np.mean([c["seen"][-1][key] for c in same])
            for key in ("loss", "change")
        }
        print(
            f"{name:8} N = {n:4}: test loss {end['loss']:.4f}, change "
            f"{end['change']:.4f} (n = {len(same)})"
        )

# %% [markdown]
# Test losses agree within 0.003. The changes do within 0.15 at $N = 50$ and
# 0.02 at $N = 200$, and differ by a fifth at $N = 100$, where the literal
# schedule's is the larger: of the smaller noise of its smaller steps nothing
# is seen up to there.

# %% tags=["hide-input"] mystnb={"image": {"alt": "MNIST at N = 800 and N = 3200: test loss and test error of the network and of its first half against the step; the test loss stays below its first value, and the half is closer to the network at N = 3200."}, "figure": {"name": "fig-md-risk-paper", "caption": "MNIST, the counterpart of S20's Figure 1(a), mean (and, where there are several, one standard deviation) over the recorded networks. Inset: the end, from a tenth of the steps on. At N = 3200 the first half is at the end less than a point worse than the network."}}
draw_risk(paper, chosen=[800, 3200])

# %% tags=["hide-input"] mystnb={"image": {"alt": "MNIST: change in test loss against N at four times on logarithmic axes; nearly straight lines whose slope steepens from about minus 0.6 at time 0 to about minus 1.35 at 0.65 T and T."}, "figure": {"name": "fig-md-width-paper", "caption": "MNIST, the counterpart of S20's Figure 2: linear in log-log scale as published. From 0.65 T to T the slope hardly changes; from time 0 on it does."}}
draw_width(paper)

# %% tags=["hide-input"] mystnb={"image": {"alt": "MNIST: change in test loss against the number kept for N = 800, 1600 and 3200; the three curves coincide when drawn against one over A minus one over N."}, "figure": {"name": "fig-md-kept-paper", "caption": "MNIST, end of training: the change in loss depends on the number kept, through 1/|A| − 1/N."}}
draw_kept(paper, chosen=[800, 1600, 3200])

# %% [markdown]
# ## Verdict

# %% tags=["remove-input"]
run.verdict()

# %% [markdown]
# ## Deviations, and what to make of them
#
# - **The plateau.** The paper trains "until the training loss has reached a
#   plateau", at 0.062. We find no plateau there: with these settings the
#   training loss goes on falling, well below 0.062, while the *test* loss
#   settles near it. If 0.062 is the population risk, which is what the
#   paper's figure plots, loss and error fit together; as a training loss they
#   do not.
# - **"Quite mild" in time.** The change in loss and its slope in $N$ vary
#   little between the middle and the end of training. From time 0 on they do:
#   the slope goes from $-1/2$ to beyond $-1$, for the reason given above.
# - **The number kept.** Its row asks for a factor of two between any two widths
#   and differs: on MNIST, with 100 neurons kept, the change is 0.62 at $N =
#   200$ and 1.87 at $N = 3200$ (means over five networks). Of that factor, 3.0,
#   the narrow network's $1/|A| - 1/N$ makes 1.9.
# - **Step size.** The paper sets $\alpha = \alpha_0/N$ and trains for $k_0 N$
#   epochs, whose cost grows like $N^2$. A constant $\alpha$ and a constant
#   number of epochs reach the same time $T$ at a cost that grows like $N$, but
#   are not the same: the bound's second term, the noise of SGD, falls with
#   $\alpha$, so that the literal schedule quietens wide networks and the
#   constant one does not. `meanfield.train(schedule="paper")` runs the literal
#   one.
# - **Masks.** The paper drops the second half. Since the initial neurons are
#   exchangeable, all halves are alike; averaging over eleven only reduces the
#   noise. The error rates above are the first half's, as published.
# - **Assumptions.** Theorem 1(A) is for bounded $\sigma$, the square loss and
#   fresh examples. ReLU, cross-entropy and epochs are outside it, here as in
#   the paper's own experiments.
#
# ## Exercises
#
# 1. Set `step_size` to 2 (`-p step_size=2`); the run prints how far the test
#    loss overshoots. The accuracy hardly changes; what
#    happens to dropout stability, and which of the two terms is to blame?
# 2. Keep a quarter of the neurons (`keep=width // 4`) and predict the factor
#    by which the change at time $T$ grows before you run it.
# 3. Raise the initial `std` of the $a_i$ to 3. Which of the slopes changes?
#
# ## Provenance

# %% tags=["remove-input"]
run.footer()
