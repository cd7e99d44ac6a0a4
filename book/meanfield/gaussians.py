# %% [markdown]
# (meanfield-gaussians)=
# # Two Gaussians, inside the theorem's assumptions
#
# **In one sentence.** On a problem where Theorem 1 applies almost word for
# word (bounded activation, square loss, every example fresh) we measure what
# dropout costs against the width, the number kept, the dimension and the
# time; an exact formula explains every slope, and says why the theorem's rate
# cannot be improved.
#
# **Reproduces** {cite}`shevchenko2020`: Theorem 1(A), Section 3.3, and the
# setting of appendix D, isotropic Gaussians. **Needs**
# {ref}`meanfield-dropout`, whose two terms come back here.

# %% tags=["parameters"]
profile = "laptop"  # "paper" has widths to 6400 and 20 trials
widths = [25, 50, 100, 200, 400, 800]  # N, to be compared
trials = 5  # from 2 to 100: networks of each width
step_size = 0.04  # alpha
batch = 20  # examples a step
time = 20  # T
dims = [8, 32, 128]  # of the Gaussians

# %% tags=["remove-cell"]
import sys
from pathlib import Path

here = Path(globals().get("__file__", "chapter.py")).resolve()
root = next(p for p in here.parents if (p / "_config.yml").exists())
sys.path.insert(0, str(root))

# %% tags=["remove-input"]
from book.tools import chapter

run = chapter.start(
    "meanfield/gaussians",
    profile,
    widths=widths,
    trials=trials,
    step_size=step_size,
    batch=batch,
    time=time,
    dims=dims,
)

# %% [markdown]
# ## The claim
#
# The network averages $N$ neurons, $\hat y_N(x, \theta) = \frac1N \sum_i a_i\,
# \sigma(\langle x, w_i \rangle)$, with $x, w_i \in \mathbb{R}^D$; the loss is
# $L_N(\theta) = \mathbb{E}\{(y - \hat y_N(x, \theta))^2\}$; SGD takes one
# fresh batch a step and multiplies the gradient by $N$
# ({ref}`meanfield-sgd`). Keeping the neurons $A$, chosen before training, and
# averaging only those gives the loss $L_{|A|}(\theta_S)$.
#
# ```{prf:theorem} S20, Theorem 1(A) and Section 3.3, in our words
# :label: thm-mg-a
# Let the step size be $\alpha\, \xi(k\alpha)$ with $\xi > 0$ bounded and
# Lipschitz (A1), let the labels be bounded and the gradient of $\sigma$ in $w$
# sub-Gaussian (A2), let $\sigma$ be bounded with bounded, Lipschitz derivative (A3), and
# let the initial $a_i$ be bounded (A4). Fix $T \ge 1$, choose $A$ independently
# of the training, and use each example once. Then, with probability at least
# $1 - e^{-z^2}$, at all steps up to time $T$,
#
# $$
# \begin{aligned}
# &\big| L_N(\theta) - L_{|A|}(\theta_S) \big| \\
# &\quad \le K(T) \Big( \frac{\sqrt{\log |A|} + z}{\sqrt{|A|}} \\
# &\qquad + \sqrt\alpha\, \big(\sqrt{D + \log N} + z\big) \Big),
# \end{aligned}
# $$ (eq-mg-bound)
#
# where $K(T) = K e^{K T^3}$. If $\sigma$ is not bounded but the inputs, the
# initial weights and the residuals during training are, the same holds with
# another $K(T)$.
# ```
#
# Four readings of {eq}`eq-mg-bound` can be tested: the *rate* in the number
# kept is $-1/2$ or better; only the number *kept* matters, not $N$; the
# *dimension* enters with the step size only; *boundedness* is not essential.
#
# ## The problem
#
# S20's Section 5 announces "classification of isotropic Gaussians with the
# two-layer neural network" for its appendix D. The appendix is not part of
# the text that we have, so this is a reconstruction: the task of
# {cite}`mei2018`, on whose analysis S20 builds. The label is $\pm 1$ with
# probability one half, and
#
# $$
# x \mid y \sim \mathcal{N}\big(0, (1 + y\Delta)^2 I_d\big), \qquad
# \Delta = \tfrac12.
# $$ (eq-mg-data)
#
# Both classes of {eq}`eq-mg-data` have mean zero: no linear function of $x$ tells them apart, and
# only the length $|x|$ does. With a constant feature for the bias, $D = d+1$.
#
# The labels are bounded, $\sigma(\langle x, w\rangle)$ has a sub-Gaussian
# gradient, and we draw the initial $a_i$ from a bounded interval. So for the
# sigmoid and tanh all assumptions hold, if (A3) is read for $\sigma$ as a
# function of one number; read for $\sigma(x, w)$, whose gradient is to be
# bounded, it wants bounded inputs, and ours are Gaussian. One liberty remains:
# we average gradients over small batches, which makes SGD less noisy than the
# theorem's.

# %%
run.draws("Gaussians", "kernels.data.gaussian_sample")
scale = run.scale(
    laptop=dict(
        widths=widths,
        trials=trials,
        step_size=step_size,
        batch=batch,
        time=time,
        examples=1000,  # to measure on
        dims=dims,
        dtype="float64",
    ),
    paper=dict(
        widths=[25, 50, 100, 200, 400, 800, 1600, 3200, 6400],
        trials=20,
        step_size=0.02,
        batch=20,
        time=20,
        examples=2000,
        dims=[8, 32, 128, 512],
        dtype="float32",
    ),
)
activations = ["sigmoid", "tanh", "relu"]  # bounded, bounded, unbounded
shares = (0, 0.05, 0.65, 1)  # of the time T

# %% [markdown]
# `cost` compares a network with 31 halves of it, the first and thirty random
# ones, and `fluctuations` predicts the comparison; more below.

# %%
from kernels import meanfield


def cost(theta, x, y, halves, how):
    """What dropping half of the neurons costs, and what it should."""
    whole = meanfield.evaluate(theta, x, y, **how)
    half = meanfield.evaluate(theta, x, y, masks=halves, **how)
    why = meanfield.fluctuations(theta, x, y, **how)
    kept = int(halves[0].sum())
    change = half.loss - whole.loss[:, None]
    return {
        "loss": whole.loss.item(),
        "error": 100 * whole.error.item(),
        "change": change.abs().mean().item(),
        "signed": change[:, 1:].mean().item(),
        "mean": why.mean_increase(kept).item(),
        "deviation": why.linear_std(kept).item(),
        "predicted": why.mean_absolute(kept).item(),
    }


# %% [markdown]
# One `trial` draws a network and a stream of its own, trains, and measures on
# the way; at the end it also keeps $|A| = 25, 50, 100, \dots$ neurons.

# %% tags=["hide-input"]
import torch

from kernels import data, device


def trial(
    *,
    activation,
    width,
    trial,
    step_size,
    batch,
    time,
    examples,
    dtype,
    d=32,
):
    """One network trained by one-pass SGD, measured at four times."""
    how = dict(
        loss="square", activation=getattr(torch.nn.functional, activation)
    )
    fresh = dict(dimension=d, constant=True, dtype=getattr(torch, dtype))
    g = device.generator(0, "gaussians", activation, width, trial, d)
    theta = meanfield.init(
        (d + 1, width, 1),
        trials=1,
        std=(1, 2),
        distribution=("normal", "uniform"),  # (A4): bounded a
        generator=g,
        dtype=fresh["dtype"],
    )
    theta[0][..., -1] *= (d + 1) ** 0.5  # biases of unit size
    x, y = data.gaussian_sample(examples, generator=g, **fresh)
    y = y.to(x.dtype)
    halves = meanfield.masks(width, keep=width // 2, count=31, generator=g)
    seen = meanfield.train(
        theta,
        lambda n, g: data.gaussian_sample(n, generator=g, **fresh),
        step_size=step_size,
        batch=batch,
        steps=round(time / step_size),
        generator=g,
        snapshots=shares,
        measure=lambda theta: cost(theta, x, y, halves, how),
        **how,
    ).snapshots
    kept = [25 * 2**j for j in range(8) if 25 * 2**j < width]
    few = [
        meanfield.masks(width, keep=m, count=10, generator=g, first=False)
        for m in kept
    ]
    loss = meanfield.evaluate(
        theta, x, y, masks=torch.cat([halves, *few]), **how
    ).loss[0, 31:]
    rise = loss.view(-1, 10) - seen[-1].value["loss"]
    return {
        "activation": activation,
        "width": width,
        "seen": [s.value for s in seen],
        "kept": kept,
        "kept_change": rise.abs().mean(1).tolist(),
        "kept_signed": rise.mean(1).tolist(),
        "kept_mean": (
            seen[-1].value["mean"]
            * (1 / torch.tensor(kept) - 1 / width)
            / (1 / (width // 2) - 1 / width)
        ).tolist(),
    }


# %% tags=["hide-input"]
from kernels import sweep

fixed = dict(scale)
widths, dims = fixed.pop("widths"), fixed.pop("dims")
trials = range(fixed.pop("trials"))
cells = sweep.run(
    trial,
    [
        dict(activation=f, width=n, trial=r, **fixed)
        for f in activations
        for n in widths
        for r in trials
    ],
    store=run.store,
)

# %% tags=["remove-cell"]
import numpy as np

from book.tools import figures, fits

names = {"sigmoid": "sigmoid", "tanh": "tanh", "relu": "ReLU"}


def table(cells, activation, name, share=1):
    """(widths, values (widths, trials)) at a share of the time T."""
    mine = [c for c in cells if c["activation"] == activation]
    widths = sorted({c["width"] for c in mine})
    at = shares.index(share)
    v = [
        [c["seen"][at][name] for c in mine if c["width"] == n] for n in widths
    ]
    return np.array(widths), np.array(v)


def band(ax, x, v, j, **options):
    """Mean and standard deviation over trials, in the j-th style."""
    ax.errorbar(
        x,
        v.mean(1),
        v.std(1, ddof=1),
        fmt=figures.MARKERS[j],
        color=figures.CYCLE[j],
        **options,
    )


def draw_width(cells):
    """Change in loss against N at times 0 and T, three activations."""
    axes = figures.axes(3, sharey=True, size=(7.2, 3.7))
    for ax, f in zip(axes, activations):
        for j, share in enumerate((0, 0.05, 1)):
            n, v = table(cells, f, "change", share)
            fit = fits.loglog(n, v)
            word = "time 0" if share == 0 else f"{share:g} T"
            band(ax, n, v, j, label=f"{word}: {fit}")
            ax.plot(
                n,
                table(cells, f, "predicted", share)[1].mean(1),
                color=figures.CYCLE[j],
                lw=1,
            )
        ax.set(xscale="log", yscale="log", title=names[f])
        ax.set_xlabel("neurons N")
        figures.log_ticks(ax, n[::2] if len(n) < 7 else n[::4])
        ax.legend(fontsize=7.5, loc="lower left", handletextpad=0.2)
    low, high = axes[0].get_ylim()
    axes[0].set_ylim(low / 6, high)
    axes[0].set_ylabel("change in loss, half kept")


def draw_kept(cells, activation, chosen):
    """Change against |A|, and signed change against the exact formula."""
    axes = figures.axes(2, sharey=True)
    for j, n in enumerate(chosen):
        mine = [
            c
            for c in cells
            if c["activation"] == activation and c["width"] == n
        ]
        m = np.array(mine[0]["kept"])
        band(
            axes[0],
            m,
            np.array([c["kept_change"] for c in mine]).T,
            j,
            label=f"N = {n}",
        )
        axes[1].plot(
            np.mean([c["kept_mean"] for c in mine], 0),
            np.mean([c["kept_signed"] for c in mine], 0),
            figures.MARKERS[j],
            color=figures.CYCLE[j],
        )
    for ax in axes:
        ax.set(xscale="log", yscale="log")
    ends = np.array(axes[1].get_xlim())
    axes[1].plot(ends, ends, color=figures.COLOURS["grey"], lw=1, ls="--")
    axes[0].set(xlabel="neurons kept |A|", ylabel="change in loss at T")
    axes[1].set(xlabel="predicted mean change", ylabel="measured mean change")
    figures.log_ticks(axes[0], m[::2])
    low, high = axes[1].get_xlim()
    ticks = [t for t in (0.003, 0.01, 0.03, 0.1, 0.3) if low < t < high]
    figures.log_ticks(axes[1], ticks)
    figures.log_ticks(axes[1], ticks, "y")
    axes[0].legend()


def draw_dims(dims, change, loss):
    """Change in loss, and loss, against d; batch growing or not."""
    axes = figures.axes(2)
    for ax, v, what in zip(
        axes, (np.array(change), np.array(loss)), ("change in loss", "loss")
    ):
        for j, word in enumerate(("batch ∝ d", "batch 20")):
            band(ax, dims, v[j], j, ls=figures.STYLES[j], label=word)
        ax.set(xscale="log", xlabel="dimension d", ylabel=what)
        ax.set_ylim(bottom=0)
        figures.log_ticks(ax, dims)
    axes[0].legend(loc="lower left")


# %% [markdown]
# ## What SGD learns
#
# All three learn that long inputs are of one class and short ones of the
# other. The sigmoid is slow, for its slope is small, and ReLU is fast.

# %%
print("N =", widths[-1], " loss at 0, T/20, 0.65 T, T     error at T (%)")
for f in activations:
    loss = [table(cells, f, "loss", s)[1][-1].mean() for s in shares]
    error = table(cells, f, "error")[1][-1].mean()
    print(f"{f:8}", *[f"{v:8.3f}" for v in loss], f"{error:12.1f}")

# %% [markdown]
# ## The rate: bounded and unbounded
#
# {numref}`fig-mg-width` is the counterpart of S20's Figure 2 on this problem.
# Lines are not fits. They are the prediction of the next section.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Change in loss against the number of neurons on logarithmic axes for sigmoid, tanh and ReLU at three times: slopes between minus one half and minus one, lines of the prediction running through the points."}, "figure": {"name": "fig-mg-width", "caption": "Change in loss when half of the neurons are kept, mean and standard deviation over trials, at three times of training; in the legends the fitted slopes. Lines: the prediction from each network's own fluctuations, nothing fitted."}}
draw_width(cells)

# %%
print("slope at time       0        T/20      0.65 T           T")
for f in activations:
    fit = [str(fits.loglog(*table(cells, f, "change", s))) for s in shares]
    print(f"{f:8}", *[f"{v:>13}" for v in fit])

# %% [markdown]
# Every slope lies between $-1$ and $-1/2$: the bound's rate holds, with room,
# and at no time does boundedness show. Why these slopes, and why do they
# differ from time to time?
#
# ## The two terms, exactly
#
# Let $v_i(x) = a_i\, \sigma(\langle x, w_i\rangle)$. Dropout moves the output
# by $\delta(x) = \frac1{|A|}\sum_{i \in A} v_i - \frac1N \sum_i v_i$, and the
# square loss by exactly two terms,
#
# $$
# \begin{aligned}
# L_{|A|}(\theta_S) - L_N(\theta) =
# &\underbrace{-2\, \mathbb{E}_x\{(y - \hat y_N)\, \delta\}}_{\text{linear}} \\
# &+ \underbrace{\mathbb{E}_x\{\delta^2\}}_{\text{quadratic}},
# \end{aligned}
# $$ (eq-mg-terms)
#
# with no remainder. Average {eq}`eq-mg-terms` over the sets $A$ of one size: the linear term
# averages to zero and the quadratic one, sampling without replacement, to
#
# $$
# \begin{aligned}
# \mathbb{E}_A\big[L_{|A|}(\theta_S)\big] &- L_N(\theta) \\
# &= \Big(\tfrac1{|A|} - \tfrac1N\Big)\, \mathbb{E}_x \operatorname{Var}_i(v_i)
# \end{aligned}
# $$ (eq-mg-exact)
#
# ($\operatorname{Var}_i$ with the divisor $N - 1$). The linear term has the
# standard deviation
#
# $$
# \begin{aligned}
# s_{|A|} &= \sqrt{\tfrac1{|A|} - \tfrac1N}\; \operatorname{std}_i(c_i), \\
# c_i &= -2\, \mathbb{E}_x\{(y - \hat y_N)\, v_i\},
# \end{aligned}
# $$ (eq-mg-linear)
#
# of order $|A|^{-1/2}$. Which of the two is larger decides the slope, and as
# one falls like $1/N$ and the other like $N^{-1/2}$, **the linear term must
# win in the end**, unless the $c_i$ vanish. By {eq}`eq-sg-particle`, $c_i$ is
# $-a_i$ times the speed of $a_i$; it vanishes where training has come to
# rest. So at any time before that, the theorem's rate $-1/2$ is, but for the
# logarithm, the true one for $N \to \infty$, and no theorem can improve it; what is better than
# $-1/2$ in {numref}`fig-mg-width` is the quadratic term, seen at widths where
# it is still the larger. {numref}`fig-mg-terms` shows the crossing.

# %% tags=["hide-input"] mystnb={"image": {"alt": "For sigmoid and ReLU at time T: measured change in loss beside the quadratic term of slope minus one and the linear term of slope minus one half. For the sigmoid they cross at moderate width, for ReLU the quadratic term stays above."}, "figure": {"name": "fig-mg-terms", "caption": "Time T: the measured change (points) between the quadratic term (slope −1) and the mean size of the linear one (slope −1/2). The sigmoid, still learning, has crossed over; for ReLU, which has almost come to rest, the quadratic term rules at all these widths."}}
axes = figures.axes(2, sharey=True)
for ax, f in zip(axes, ("sigmoid", "relu")):
    n, v = table(cells, f, "change")
    ax.errorbar(
        n,
        v.mean(1),
        v.std(1, ddof=1),
        fmt="o",
        color=figures.COLOURS["black"],
        label="measured",
    )
    for j, (name, size) in enumerate(
        (("deviation", (2 / np.pi) ** 0.5), ("mean", 1))
    ):
        ax.plot(
            n,
            size * table(cells, f, name)[1].mean(1),
            figures.STYLES[j],
            color=figures.CYCLE[j],
            label=("linear term", "quadratic term")[j],
        )
    ax.set(xscale="log", yscale="log", title=names[f])
    ax.set_xlabel("neurons N")
    figures.log_ticks(ax, n)
axes[0].set_ylabel("change in loss, half kept")
_ = axes[0].legend()

# %% [markdown]
# The lines in {numref}`fig-mg-width` are the mean of $|\cdot|$ of a normal
# variable with the mean {eq}`eq-mg-exact` and the deviation
# {eq}`eq-mg-linear`: two numbers, computed from each trained network without
# dropping anything.
#
# ## The number kept
#
# Train at several widths, keep ever fewer neurons. {numref}`fig-mg-kept`, left:
# the change depends on what is kept, and only where $|A|$ is close to $N$ can
# $N$ be told from it. Right: the exact identity {eq}`eq-mg-exact` against the
# mean of the *signed* changes. The points scatter about the diagonal because
# ten subsets are not all subsets; so do, below, the thirty random halves at
# time $T$ (with standard errors over trials).

# %% tags=["hide-input"] mystnb={"image": {"alt": "Left: change in loss against the number kept for three widths, nearly one line. Right: measured mean change against the prediction, points on the diagonal over two decades."}, "figure": {"name": "fig-mg-kept", "caption": "tanh at time T. Left: change in loss against the number kept, mean and standard deviation over trials. Right: mean signed change against the exact formula, one point per width and number kept, ten subsets in each trial."}}
draw_kept(cells, "tanh", widths[-3:])

# %%
for f in activations:
    measured, exact = (
        table(cells, f, name)[1].sum(0) for name in ("signed", "mean")
    )
    ratio = measured / exact  # one a trial, over all widths
    error = ratio.std(ddof=1) / len(ratio) ** 0.5
    print(f"{f:8} measured / exact = {ratio.mean():.2f} ± {error:.2f}")

# %% [markdown]
# ## The dimension
#
# In {eq}`eq-mg-bound` the dimension stands beside $\alpha$, in the part that
# is about SGD's noise, and not beside $|A|$. On this problem one can see why.
# It does not change under rotations, so a density of particles that is
# symmetric at the start stays so, and is told by $a_i$, the bias and the size
# $|w_i|$ alone. Given those, the pre-activation at $x$ is $|x|\,|w_i|$ times
# the cosine of a random angle, and $|x|/\sqrt d$ is close to $1 \pm \Delta$:
# for large $d$ nothing of $d$ is left, and the variance in
# {eq}`eq-mg-exact`, taken under $\rho_t$, has a limit.
#
# We change $d$ sixteen-fold and more. First SGD's noise is held fixed, by
# batches in proportion to $d$; then, for contrast, the batch stays as it is.

# %%
wide = 400
grid = [
    dict(
        activation="tanh",
        width=wide,
        trial=r,
        d=d,
        **{**fixed, "batch": fixed["batch"] * d // 32 if grow else 20},
    )
    for grow in (True, False)
    for d in dims
    for r in list(trials)[:10]
]
by_dim = sweep.run(trial, grid, store=run.store)
shape = (2, len(dims), -1)
dim_change, dim_loss = (
    np.reshape([c["seen"][-1][name] for c in by_dim], shape)
    for name in ("change", "loss")
)

# %% tags=["hide-input"] mystnb={"image": {"alt": "Change in loss and loss against the dimension. The change in loss stays between 0.034 and 0.042 with either batch. The mean loss falls from 0.32 to 0.26 with the batch in proportion; with a fixed batch it first falls and then rises to 0.324."}, "figure": {"name": "fig-mg-dims", "caption": "tanh, N = 400, time T. Left: change in loss when half is kept. Right: the loss itself. With the noise held fixed (batch in proportion to d) the change stays where it is and the loss falls a little; with a fixed batch the training suffers at d = 128, not the stability."}}
draw_dims(dims, dim_change, dim_loss)

# %% [markdown]
# With the noise held fixed the cost of dropout stays where it is, and the loss
# even falls a little, for long and short inputs are easier to tell apart in
# many dimensions. With a fixed batch the noise grows with $d$, as the second
# term of the bound says. But what suffers is the training, not the stability:
# both networks, the whole and the half, ride on the same noise.

# %% [markdown]
# ## The limit, solved
#
# So far the prediction needed a trained network. The symmetry that made $d$
# disappear does better: it turns the equation of {cite}`mei2018`, S20's $N \to
# \infty$ and $\alpha \to 0$, into one that can be solved. Let $\rho_t$ be the
# law of $(a, b, r)$, with $b$ the bias and $r$ the length of the other
# weights, whose direction stays uniform; let $u$ be the cosine of a uniform
# direction and a fixed one. A neuron enters through its *profile* alone, and
# with $f$ the output at $|x| = R$,
#
# $$
# \begin{aligned}
# G(s, b) &= \mathbb{E}_u\, \sigma(s u + b), \\
# f(R) &= \mathbb{E}_{\rho_t}\{a\, G(R r, b)\}, \\
# \dot a &= 2\, \mathbb{E}_x\{(y - f)\, G\}, \\
# \dot b &= 2 a\, \mathbb{E}_x\{(y - f)\, \partial_b G\}, \\
# \dot r &= 2 a\, \mathbb{E}_x\{(y - f)\, R\, \partial_s G\}.
# \end{aligned}
# $$ (eq-mg-limit)
#
# This holds at every $d \ge 2$, not only at large ones. `limit` follows
# {eq}`eq-mg-limit` from 256 points, spread evenly under $\rho_0$ without
# randomness: three numbers each instead of $d + 2$. $\mathbb{E}_x$ is Gauss's
# rule for $|x|$; $\mathbb{E}_u$ is closed for ReLU and Gauss's rule for the
# others.
#
# Under $\rho_t$ the two terms of {eq}`eq-mg-terms` have constants. In a large
# network the linear term has the deviation $C_t / \sqrt{N}$ and the quadratic
# one the mean $V_t / N$, half kept, with
#
# $$
# \begin{aligned}
# C_t &= \operatorname{std}_{\rho_t}(a\, \dot a), \\
# V_t &= \mathbb{E}_x \operatorname{Var}_{\rho_t}(a\, \sigma),
# \end{aligned}
# $$ (eq-mg-constants)
#
# so that they are equally large, on average, at the width
#
# $$
# N_t^* = \tfrac{\pi}{2}\, V_t^2 / C_t^2.
# $$ (eq-mg-crossing)
#
# For the mean absolute change, $\varepsilon_D(t)$, we take $\delta$ to be the
# Gaussian field that it tends to. The covariance splits by spherical
# harmonics; the change is then a sum of independent weighted $\chi^2$
# variables and a normal one, and its mean size an integral over its
# characteristic function. Nothing is fitted, and no network is asked.
#
# **Expected** (written after the solver's first numbers, before the
# comparisons below were run): at time 0 the lines go through the points. At
# time $T$ they miss those of batches of twenty examples, for $\alpha$ is not
# zero, and ReLU's the most; batches of 200 come to within a tenth in $V_T$.

# %%
rho_0 = meanfield.particles(256, dimension=32)
moments = [fixed["time"] * k / 20 for k in range(21)]
limits = {
    f: meanfield.limit(
        rho_0, moments, activation=getattr(torch.nn.functional, f)
    )
    for f in activations
}
print("at T        risk      V_T      C_T      N*     128 particles differ by")
for f, laws in limits.items():
    law = laws[-1]
    (coarse,) = meanfield.limit(
        meanfield.particles(128, dimension=32),
        moments[-1:],
        activation=getattr(torch.nn.functional, f),
    )
    names_of = ("risk", "curvature", "influence")
    values = [getattr(law, name) for name in names_of]
    off = [abs(getattr(coarse, n) / v - 1) for n, v in zip(names_of, values)]
    crossing = np.pi / 2 * (law.curvature / law.influence) ** 2
    print(
        f"{f:8} {law.risk:7.4f} {law.curvature:8.3f} {law.influence:8.4f} "
        f"{crossing:8.1e}    {', '.join(f'{100 * v:.1f}%' for v in off)}"
    )

# %% [markdown]
# To see the noise of SGD for what it is we train a few networks on batches
# ten times as large, and look at them on more examples.

# %% tags=["hide-input"]
calm = {**fixed, "batch": 200, "examples": 4000, "dtype": "float32"}
quiet = sweep.run(
    trial,
    [
        dict(activation=f, width=n, trial=0, **calm)
        for f in activations
        for n in widths[1:6:2]
    ],
    store=run.store,
)


# %% tags=["remove-cell"]
def draw_limit(cells, quiet, share=1):
    """Change in loss against N: the limit's line, two sizes of batches."""
    at = round(20 * share)
    axes = figures.axes(3, sharey=True, size=(7.2, 3.4))
    for ax, f in zip(axes, activations):
        law = limits[f][at]
        wide = np.geomspace(24, 2e6, 9)
        wide = [2 * round(n / 2) for n in wide]
        ax.plot(
            wide,
            [
                law.mean_absolute(n // 2, n, independent=share == 0)
                for n in wide
            ],
            color=figures.COLOURS["black"],
            lw=1,
            label="limit",
        )
        for j, (group, word) in enumerate(
            ((cells, "batch 20"), (quiet, "batch 200"))
        ):
            n, v = by_width(group, f, "change", share)
            ax.plot(
                n, v, figures.MARKERS[j], color=figures.CYCLE[j], label=word
            )
        ax.set(xscale="log", yscale="log", title=names[f])
        ax.set_xlabel("neurons N")
        figures.log_ticks(ax, [100, 10**4, 10**6])
    axes[0].set_ylabel("change in loss, half kept")
    axes[0].legend(loc="lower left")


def by_width(cells, activation, name, share):
    """(widths, means over trials), with any number of trials a width."""
    mine = [c for c in cells if c["activation"] == activation]
    at, n = shares.index(share), sorted({c["width"] for c in mine})
    each = [[c["seen"][at][name] for c in mine if c["width"] == k] for k in n]
    return np.array(n), np.array([np.mean(v) for v in each])


def constants(cells, activation, examples):
    """V and C at the four times, in the widest networks of a group."""
    mine = [c for c in cells if c["activation"] == activation]
    n = max(c["width"] for c in mine)
    factor = 1 / (n // 2) - 1 / n
    seen = [c["seen"] for c in mine if c["width"] == n]
    v, c = [], []
    for j, share in enumerate(shares):
        law = limits[activation][round(20 * share)]
        v.append(np.mean([s[j]["mean"] for s in seen]) / factor)
        square = np.mean([s[j]["deviation"] ** 2 for s in seen]) / factor
        c.append(max(square - law.noise / examples, 0) ** 0.5)
    return np.array(v), np.array(c)


# %% [markdown]
# {numref}`fig-mg-limit` lays the measured points over the lines. Those of
# large batches lie on them. {numref}`fig-mg-limit-time` says where the others
# went: into both constants {eq}`eq-mg-constants`.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Change in loss at time T against the number of neurons from tens to a million for sigmoid, tanh and ReLU. A solved line in each, with the points of batches of 200 examples and those of 20 examples near it. The line's slope turns from minus one to minus one half for the sigmoid first, then for tanh, and not at all for ReLU."}, "figure": {"name": "fig-mg-limit", "caption": "Time T: mean change in loss, half kept. Line: the limiting equation, solved, nothing fitted and no network used. Points: networks trained with the two sizes of batches, means over trials (of large batches one)."}}
draw_limit(cells, quiet)

# %% tags=["hide-input", "rtol=0.05"] mystnb={"image": {"alt": "Left: the constant of the quadratic term against time on a logarithmic axis, rising for all three activations, points of networks close to the solved lines. Right: the constant of the linear term: for the sigmoid it falls and then rises, for ReLU the line falls far below the points of networks."}, "figure": {"name": "fig-mg-limit-time", "caption": "The two constants against time: lines from the limiting equation; filled points from the widest networks with batches of 200 samples, open ones with 20. Left: of the quadratic term. Right: of the linear term, what finitely many test examples add to the square subtracted."}}
axes = figures.axes(2)
for j, f in enumerate(activations):
    at = [law.time for law in limits[f]]
    colour = figures.CYCLE[j]
    for ax, name in zip(axes, ("curvature", "influence")):
        line = [getattr(law, name) for law in limits[f]]
        ax.plot(at, line, color=colour, ls=figures.STYLES[j], label=names[f])
    for group, examples, face in (
        (cells, fixed["examples"], "none"),
        (quiet, calm["examples"], colour),
    ):
        where = np.array(shares) * fixed["time"]
        for ax, v in zip(axes, constants(group, f, examples)):
            ax.plot(
                where[v > 0],
                v[v > 0],
                figures.MARKERS[j],
                color=colour,
                markerfacecolor=face,
            )
for ax, what in zip(axes, ("quadratic: V", "linear: C")):
    ax.set(xlabel="time t", ylabel=what, yscale="log")
_ = axes[1].legend(loc="lower left")

# %% tags=["rtol=0.05"]
print("measured V and C at T over the limit's")
for f in activations:
    law = limits[f][-1]
    for word, group, n in (
        ("batch 20 ", cells, fixed["examples"]),
        ("batch 200", quiet, calm["examples"]),
    ):
        v, c = (v[-1] for v in constants(group, f, n))
        print(
            f"{f:8} {word}  {v / law.curvature:5.2f} {c / law.influence:7.2f}"
        )

# %% [markdown]
# **What came out.** With large batches $V_T$ is met as expected. With small
# ones the networks are elsewhere, for $\alpha$ is not zero; the printed ratios
# say by how much, and the error of the solver itself is the smaller part.
# $C_T$ tells more. For the sigmoid and tanh it is the limit's, roughly; for
# ReLU the networks' is many times larger. So what we took above
# for the linear term of ReLU is SGD's noise: each step throws $f$ off, and
# $a\, \dot a$ answers. In the limit ReLU has come to rest far more nearly than
# any of our networks, and {eq}`eq-mg-crossing` puts its crossing in
# {numref}`fig-mg-terms` beyond $10^8$ neurons.
#
# What the lines leave out: the network's own distance from the limit, of order
# $N^{-1/2}$. At time 0 the neurons are independent and it is known, and `limit`
# adds it; later training has taken most of it away, and we drop it.
#
# And the dimension: the same two constants for tanh at time $T$, with a
# million dimensions in place of infinitely many.

# %%
for d in (dims[0], dims[-1], 10**6):
    (law,) = meanfield.limit(
        meanfield.particles(256, dimension=d),
        moments[-1:],
        dimension=d,
        activation=torch.tanh,
    )
    print(
        f"d = {d:7}  risk {law.risk:.3f}  V {law.curvature:6.2f}  "
        f"C {law.influence:.3f}"
    )

# %% [markdown]
# ## Bounded in, bounded out
#
# For an activation without a bound the theorem's extension rests on one fact:
# parameters that begin bounded "stay bounded for any finite time". Here all of
# them begin in an interval, and the largest at time $T$ hardly knows the
# width:


# %% tags=["hide-input"]
def largest(width, *, step_size, batch, time, dtype, d=32, **_):
    """The largest parameter at time 0 and at T, ReLU, uniform laws."""
    fresh = dict(dimension=d, constant=True, dtype=getattr(torch, dtype))
    g = device.generator(0, "gaussians", "bounded", width)
    theta = meanfield.init(
        (d + 1, width, 1),
        trials=1,
        std=(1, 2),
        distribution="uniform",
        generator=g,
        dtype=fresh["dtype"],
    )
    start = max(w.abs().max().item() for w in theta)
    meanfield.train(
        theta,
        lambda n, g: data.gaussian_sample(n, generator=g, **fresh),
        step_size=step_size,
        batch=batch,
        steps=round(time / step_size),
        generator=g,
        loss="square",
        activation=torch.relu,
    )
    return start, max(w.abs().max().item() for w in theta)


ends = {n: largest(n, **fixed) for n in (widths[0], widths[-1])}
for n, (start, stop) in ends.items():
    print(f"N = {n}: largest parameter {start:.2f}, at time T {stop:.2f}")
run.measure("s20-gaussians-bounded", ends[widths[-1]][1] / ends[widths[0]][1])

# %% [markdown]
# ## At a larger scale
#
# The recorded run goes from $N = 25$ to $6400$ and to $d = 512$, in twenty
# trials (ten for the dimension), with half the step size. The text we have
# prints no number of the appendix; what is judged is Theorem 1 and Section
# 3.3 themselves. At these widths the bending towards slope $-1/2$ can be seen
# for tanh too, and the prediction follows it
# ({numref}`fig-mg-width-paper`). {numref}`fig-mg-limit-paper` lays these widths
# over the solved limit.

# %% tags=["hide-input"]
for f in activations:
    fit = fits.loglog(*table(cells, f, "change"))
    run.measure(f"s20-gaussians-{f}", fit.slope)
times = [table(cells, "relu", "change", s)[1][-1].mean() for s in (0, 0.65, 1)]
run.measure("s20-gaussians-time", max(times) / min(times))
first = dim_change[0][dims.index(32) if 32 in dims else 0]
run.measure("s20-gaussians-dimension", dim_change[0][-1].mean() / first.mean())
narrow, wide = (
    [c for c in cells if c["width"] == n and c["activation"] == "tanh"]
    for n in (widths[-3:][0], widths[-1])
)
few = [m for m in narrow[0]["kept"] if 4 * m <= narrow[0]["width"]]
if few:  # of a quarter of the narrower ones, 400 at the paper's scale
    ends = (
        np.mean([c["kept_change"][c["kept"].index(few[-1])] for c in group])
        for group in (wide, narrow)
    )
    run.measure("s20-gaussians-kept", np.divide(*ends))
run.finish(
    {
        "cells": cells,
        "dims": {"d": dims, "change": dim_change, "loss": dim_loss},
    }
)

# %% tags=["hide-input"] mystnb={"image": {"alt": "Recorded run: change in loss against N from 25 to 6400 for three activations at three times, with the prediction's lines through the points; slopes flatten towards minus one half at large widths."}, "figure": {"name": "fig-mg-width-paper", "caption": "Recorded run, N from 25 to 6400, twenty trials. Lines: the prediction from fluctuations."}}
paper = run.recorded
draw_width(paper["cells"])

# %% tags=["hide-input"] mystnb={"image": {"alt": "Recorded run: change in loss at time T against the number of neurons for three activations, with the line of the solved limit, the three close to their lines."}, "figure": {"name": "fig-mg-limit-paper", "caption": "Recorded run at time T over the solved limit, beside this page's networks with large batches. Its step size is half of this page's."}}
draw_limit(paper["cells"], quiet)

# %%
print("recorded: measured V and C at T over the limit's")
for f in activations:
    v, c = (v[-1] for v in constants(paper["cells"], f, 2000))
    law = limits[f][-1]
    print(f"{f:8} {v / law.curvature:5.2f} {c / law.influence:7.2f}")

# %% tags=["hide-input"] mystnb={"image": {"alt": "Recorded run: change in loss against the number kept for N = 1600, 3200, 6400, one curve; measured mean change on the diagonal with the exact formula."}, "figure": {"name": "fig-mg-kept-paper", "caption": "Recorded run, tanh: the number kept decides, and the exact formula holds."}}
draw_kept(paper["cells"], "tanh", [1600, 3200, 6400])

# %% tags=["hide-input"] mystnb={"image": {"alt": "Recorded run: change in loss and loss for d = 8, 32, 128, 512; with the batch in proportion both are flat, with a fixed batch the loss rises at d = 512."}, "figure": {"name": "fig-mg-dims-paper", "caption": "Recorded run, tanh, N = 400: dimensions 8 to 512."}}
draw_dims(*paper["dims"].values())

# %% [markdown]
# ## Verdict

# %% tags=["remove-input"]
run.verdict()

# %% [markdown]
# ## Deviations, and what to make of them
#
# - **What has no row.** That {eq}`eq-mg-bound` holds "with probability at least
#   $1 - e^{-z^2}$" cannot be tested with a constant $K$ that nobody knows:
#   any tail fits under some multiple of $z$.
# - **A reconstruction.** Appendix D is not in the text we have. The problem is
#   {cite}`mei2018`'s; dimension, $\Delta$, widths, times, step size, initial
#   law and the biases of unit size are ours.
# - **Batches** of twenty rather than single examples, to afford a larger step.
# - **Section 3.3** asks for bounded inputs and bounded initial weights. Ours
#   are normal, so ReLU is outside those assumptions too.
# - **A rate is not a bound.** All slopes are far from contradicting the
#   theorem, but they also do not confirm its constant: $e^{KT^3}$ at $T = 20$
#   is beyond any measurement. At $N = 6400$ the change at time $T$ is 1 to 3
#   times that at time 0, as Section 3.3 says, mild.
# - **Slopes mix two laws.** A slope fitted over two decades of $N$ across the
#   crossing of {numref}`fig-mg-terms` is neither $-1/2$ nor $-1$, and depends on
#   where the decades lie. The prediction's lines have no such ambiguity.
#
# ## Exercises
#
# 1. Set `time` to 60 (`-p time=60`). Where does the sigmoid's crossing in
#    {numref}`fig-mg-terms` go, and which of the two terms has moved it?
# 2. At time 0 nothing has been learned. Why is the sigmoid's slope there so
#    different from tanh's? (Compare $\sigma(0)$.)
# 3. Give the initial $a_i$ the law "normal", breaking (A4). Does any figure
#    notice?
#
# ## Provenance

# %% tags=["remove-input"]
run.footer()
