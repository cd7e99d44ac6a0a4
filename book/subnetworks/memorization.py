# %% [markdown]
# (subnetworks-memorization)=
# # Memorizing labels, and separable features
#
# **In one sentence.** Theorem 4.1 trades the quality of features against
# width, and both ends of the trade can be built by hand: two layers of width
# of order $\sqrt N$ memorize any $N$ labels, and linearly separable features
# need hardly any width; we build both networks, join real solutions through
# them, and find that 245 units are far from what the corollary asks.
#
# **Reproduces** {cite}`nguyen2021`: Corollaries 4.4 and 4.5, and the remark
# on the width in its Section 6. **Needs** {ref}`subnetworks-theorem`.

# %% tags=["parameters"]
profile = "laptop"  # "paper" measures the trained widths at larger N
samples = [64, 128, 256, 512]  # numbers of random labels to memorize
trials = 5  # from 2 to 100: networks of each width
steps = 800  # of Adam on all samples

# %% tags=["remove-cell"]
import sys
from pathlib import Path

here = Path(globals().get("__file__", "chapter.py")).resolve()
root = next(p for p in here.parents if (p / "_config.yml").exists())
sys.path.insert(0, str(root))

# %% tags=["remove-input"]
from book.tools import chapter

run = chapter.start(
    "subnetworks/memorization",
    profile,
    samples=samples,
    trials=trials,
    steps=steps,
)

# %% [markdown]
# ## The claim: two layers of width $\sqrt N$
#
# By {prf:ref}`thm-st-main` two networks are connected at low loss if, for
# every layer $l$, some subnetwork $\xi_l$ does well on the kept features
# $f_{l, \mathcal I_l}$ of layer $l$; its hidden layers have the widths
# $n_p - |\mathcal I_p|$. A training set is finite. If $\xi_l$ can *memorize*
# it, the features hardly matter.
#
# ```{prf:theorem} N21, Corollary 4.4, in our words
# :label: thm-sm-memory
# Let $\sigma$ be the ReLU, the loss a mean over $N$ samples with distinct
# inputs, and labels in $[-1, 1]^{n_L}$. For both networks let there be
# subsets $\mathcal I_l$ such that
#
# - (A1) $|\mathcal I_{L-1}| \ge n_{L-1} / 2$ and
#
# $$
# 4 \Big\lfloor \frac{n_{L-2}}{8} \Big\rfloor \Big\lfloor
# \frac{n_{L-1} - |\mathcal I_{L-1}|}{4 n_L} \Big\rfloor \ge N;
# $$ (eq-sm-a1)
#
# - (A1-b) some output layer on the features $\mathcal I_{L-1}$ has a loss of
#   at most $\Phi(\theta_i) + \varepsilon$;
# - (A2) $|\mathcal I_{L-2}| = \lceil n_{L-2} / 2 \rceil$, and these features
#   of the samples are in generic position: no hyperplane of
#   $\mathbb R^d$ holds more than $d$ of them;
# - (A3) below, $|\mathcal I_l| = n_l - 1$, and the samples' features are
#   distinct.
#
# Then for every $\epsilon > 0$ a path joins the two with loss at most
#
# $$
# \max\big(\Phi(\theta_0), \Phi(\theta_1)\big) + \epsilon + \varepsilon.
# $$ (eq-sm-bound)
# ```
#
# With half of the units kept and $n_{L-2} = n_{L-1} = n$, {eq}`eq-sm-a1`
# reads $n^2 \gtrsim 16 N n_L$: width of order $\sqrt N$. The paper adds that
# its own networks, of width 245 on MNIST and 500 on CIFAR-10, have "roughly
# the square root of the number of training samples, as required by Corollary
# 4.4". The rate is right. The number is not:

# %%
import torch

from book.tools import fits
from kernels import memorization

needed = {
    name: memorization.width_for(samples, outputs=10)
    for name, samples in (("MNIST", 60000), ("CIFAR-10", 50000))
}
for (name, width), ours in zip(needed.items(), (245, 500)):
    allowed = memorization.capacity(
        ours, ours, kept=(ours + 1) // 2, outputs=10
    )
    print(f"{name}: (A1) asks for width {width};", end=" ")
    print(f"width {ours} serves for {allowed} samples")
many = [1000 * 2**k for k in range(9)]
a1 = [memorization.width_for(samples, outputs=10) for samples in many]
rate = fits.loglog(many, torch.tensor(a1, dtype=torch.float64)[:, None])
product = needed["MNIST"] * (needed["MNIST"] // 2) / (60000 * 10)
print(
    f"exponent of N: {rate.slope:.3f}; product of widths: {product:.2f} N n_L"
)

# %% [markdown]
# On MNIST a factor of 13 in width, of 167 in samples. The corollary is a
# "proof of concept", as its authors say; let us see what it proves, and where
# the constant comes from.

# %%
scale = run.scale(
    laptop=dict(
        samples=samples,
        trials=trials,
        steps=steps,
    ),
    paper=dict(
        samples=[64, 128, 256, 512, 1024, 2048, 4096],
        trials=5,
        steps=2000,
    ),
)

# %% [markdown]
# ## How to memorize with one hidden layer
#
# For $l = L - 2$ the subnetwork has one hidden layer, and the paper quotes a
# result of {cite:t}`bubeck2020`. The construction goes like this. Take $d$ of
# the samples. A hyperplane $\langle u, x\rangle = b$ passes through them and,
# in generic position, through no other; all others are at least $2\tau$ away
# in $s(x) = \langle u, x \rangle - b$. Let $v$ be an affine function with the
# wanted values at the $d$ samples ($d$ equations, $d + 1$ unknowns), and
# $\delta$ so small that $\delta |v| \le \tau$ on all samples. Then
#
# $$
# \begin{aligned}
# \frac1\delta \big[ &\sigma(s + \delta v + \tau) - \sigma(s + \tau) \\
# - &\sigma(s + \delta v - \tau) + \sigma(s - \tau) \big] \\
# = &\begin{cases} v, & s = 0, \\ 0, & |s| \ge 2 \tau, \end{cases}
# \end{aligned}
# $$ (eq-sm-ridge)
#
# exactly: four units for $d$ samples, and $4 \lceil N / d \rceil$ for all.
# The paper uses it for each of the $n_L$ outputs. But the hyperplane, and so
# $\sigma(s \pm \tau)$, can serve all of them, which makes $2 n_L + 2$ units a
# group in place of $4 n_L$. That is what `memorize` does.
# {numref}`fig-sm-plane` shows it in the plane, where a group is two points
# and a hyperplane the line through them.

# %%
g = run.generator("plane")
points = torch.randn(8, 2, generator=g, dtype=torch.float64)
values = torch.tensor([1.0, -1, 1, -1, -1, 1, 1, -1]).double()
memory = memorization.memorize(points, values, generator=g)
(weight, bias), (out, _) = memory.parameters
h = torch.relu(points @ weight.T + bias)
print(f"{len(weight)} units; values met: {(h @ out.T)[:, 0].round().tolist()}")

# %% tags=["hide-input", "rtol=0.02"] mystnb={"image": {"alt": "Values of the constructed network over the plane: zero over most of it, and different from zero along four straight strips, two of which fan out, each through two of the eight points, whose values it takes."}, "figure": {"name": "fig-sm-plane", "caption": "A network with 16 hidden units that takes the values +1 (circles) and −1 (squares) at eight points of the plane: four strips, each through two points and clear of the others; far from its points, where v is large, a strip fans out. Colour: the network's value, cut off at ±1.5."}}
from matplotlib.colors import LinearSegmentedColormap

from book.tools import figures

shades = LinearSegmentedColormap.from_list(
    "signs",
    [figures.COLOURS["orange"], "#f4f4f2", figures.COLOURS["blue"]],
)
side = torch.linspace(-3.2, 3.2, 400, dtype=torch.float64)
grid = torch.cartesian_prod(side, side)
height = (torch.relu(grid @ weight.T + bias) @ out.T).reshape(400, 400).T
ax = figures.axes(size=(4.6, 3.6))
image = ax.imshow(
    height.clamp(-1.5, 1.5),
    origin="lower",
    extent=(-3.2, 3.2, -3.2, 3.2),
    cmap=shades,
)
for sign, marker in ((1, "o"), (-1, "s")):
    ax.plot(*points[values == sign].T, marker, ls="", color="black", ms=4)
ax.set(xlabel="$x_1$", ylabel="$x_2$", xticks=[-2, 0, 2], yticks=[-2, 0, 2])
ax.grid(False)
_ = ax.figure.colorbar(image, ax=ax, ticks=[-1, 0, 1], label="value")

# %% [markdown]
# ## ... and from anywhere below
#
# For $l \le L - 3$ the features need only be distinct, and the paper quotes
# {cite:t}`yun2019`. By (A3), $\xi_l$ has a single unit in each of its first
# layers: all that passes is one number. So: put the samples on a line, by a
# direction in which they stay distinct, and hand the number on. The layer of
# width $m = \lfloor n_{L-2} / 2 \rfloor$ bends the line in $m$ places. Now a
# hyperplane can pass through $m$ samples again, one on each piece: it is a
# zigzag along the line, zero once a piece. From there on it is
# {eq}`eq-sm-ridge` with $d = m$, and that is where the two factors of
# {eq}`eq-sm-a1` come from: $m$ samples a group, and as many groups as there
# is room for in the last hidden layer.
#
# ## Two networks that know random labels
#
# We take labels that have nothing to do with the images: 360 digits, labels
# drawn at random, and two networks 64-32-245-245-10 without an output bias,
# trained until they know them by heart. 360 is exactly what {eq}`eq-sm-a1`
# allows at width 245.

# %% tags=["hide-input"]
from kernels import data, training
from kernels.networks import Layer, Network

digits = run.uses(data.load("digits").to(dtype=torch.float64))
hidden = [32, 245, 245]
net = Network((64,), (*map(Layer, hidden), Layer(10, False)))
x = digits.train.x[:360]
y = torch.randint(10, (360,), generator=run.generator("labels"))


def trained(net, x, y, g, steps):
    """A network of SGD's, minibatches of 90."""
    start = net.init(generator=g, dtype=torch.float64)
    options = dict(steps=steps, batch=90, step_size=0.05, momentum=0.9)
    return training.train(net, start, (x, y), generator=g, **options).theta


a, b = (trained(net, x, y, run.generator(end), 600) for end in "AB")
ends = [training.evaluate(net, theta, x, y) for theta in (a, b)]
for name, (loss, error) in zip("AB", ends):
    print(f"theta^{name}: loss {loss:.4f}, error {100 * error:.1f} %")

# %% [markdown]
# Now the assumptions, for subsets `chosen` at random with the sizes of (A3),
# (A2) and (A1). Features of ReLU networks have zeros. Where unit $i$ is zero,
# a sample lies on the hyperplane $z_i = 0$, and generic position allows at
# most $d = 123$ samples there.


# %%
def chosen(net, theta, x, g):
    """Random I_1, I_2, I_3, and the features they keep, from layer 0 up."""
    sizes = [31, 123, 123]
    kept = [
        torch.randperm(h, generator=g)[:size].sort().values
        for h, size in zip(hidden, sizes)
    ]
    above = [net.features(theta, x, m)[:, k] for m, k in enumerate(kept, 1)]
    return kept, [x, *above]


sides = {
    name: chosen(net, theta, x, run.generator("kept", name))
    for name, theta in (("a", a), ("b", b))
}
flat = 0
for name, (_, f) in sides.items():
    closest = float(torch.pdist(f[1]).min())
    zeros = (f[2] == 0).sum(0)
    flat += int((zeros > 123).sum())
    print(f"theta^{name.upper()}: (A3) features {closest:.2f} apart;", end=" ")
    print(f"(A2) {int((zeros > 123).sum())} of 123 planes hold too many")

# %% [markdown]
# **(A2) fails**, and not by accident. A ReLU unit is zero on a good part of
# the samples, generic position allows it on $\lceil n_{L-2} / 2\rceil$, and
# the corollary is about $N \gg n_{L-2}$. At such $N$ one cannot count on
# features of ReLU networks in generic position.
#
# **The repair** is to ask for what the construction uses: a *partition* of the
# samples into groups of at most $d$, each affinely independent (then some
# affine function $v$ takes its values) and none with another sample in its
# affine hull (then a hyperplane through the group avoids all others). The
# second is not enough: three points of a line, alone in a group, are asked for
# the values 0, 1, 0, which no affine function has. `memorize` checks both and
# names the group that fails. Random groups as large as $d$ may fail even that:
# where one of the units is zero on a whole group, the group may span the
# hyperplane $z_i = 0$, with all that lies in it. `partitions` counts which
# will do:


# %%
def partitions(f, group, g, tries=20):
    """How many of 20 random partitions have clear affine hulls."""
    good = 0
    for _ in range(tries):
        try:
            memorization.memorize(f, y.double(), generator=g, group=group)
            good += 1
        except ValueError:
            pass
    return good


for group in (None, 72):
    good = [
        partitions(f[2], group, run.generator("partitions", name))
        for name, (_, f) in sides.items()
    ]
    print(f"groups of {group or 'd'}: {good} of 20 partitions will do")

# %% [markdown]
# We take groups of 72: five of them, 22 units each, fit into the 122 free
# units of the last layer, because hyperplanes are shared. (For (A1-b) linear
# programming finds hyperplanes through 0 that separate the classes, so that
# $\varepsilon = 0$.)

# %% tags=["hide-input"]
from kernels import paths
from kernels.memorization import separation


def memorizing(net, kept, f, y, g, margin=15.0):
    """xi_0 … xi_{L-2} with outputs ± margin, and how far off they are."""
    target = 2.0 * torch.nn.functional.one_hot(y, 10).double() - 1
    rest = [h - len(k) for h, k in zip(hidden, kept)]
    xi, wrong, off = [], 0, 0.0
    for m in range(3):
        options = dict(group=72) if m == 2 else dict(hidden=3 - m, width=122)
        built = memorization.memorize(f[m], target, generator=g, **options)
        small = net.narrow([f[m].shape[1], *rest[m:]], first=m)
        *below, (out, _) = memorization.pad(small, built.parameters)
        z = small.forward((*below, (out, None)), f[m])
        wrong += int((z.argmax(1) != y).sum())
        off = max(off, float((z - target).abs().max()))
        xi.append((*below, (margin * out, None)))
    return xi, wrong, off


subnets, wrong = {}, 0
for name, (kept, f) in sides.items():
    xi, errors, off = memorizing(net, kept, f, y, run.generator("xi", name))
    planes = separation.separate(f[3], y, bias=False)  # for (A1-b)
    xi.append(separation.separating(f[3], planes, 0, loss=1e-6))
    subnets |= {f"kept_{name}": kept, f"subnetworks_{name}": xi}
    wrong += errors
    print(f"theta^{name.upper()}: {errors} labels wrong;", end=" ")
    print(f"values within 0.01: {off < 0.01}; (A1-b): {planes.separate}")

# %% [markdown]
# With them the path of Theorem 4.1 is built, and `certify` proves what its
# segments do and, from that, its supremum ({ref}`dropout-certificates`).

# %%
from kernels import certificates, interpolation

path = paths.theorem41(net, a, b, **subnets)
sure = certificates.certify(net, path, x, y)
line = interpolation.loss_curve(net, paths.straight(a, b), x, y, points=41)
worse = max(loss for loss, _ in ends)
over = sure.attained - worse
signs = {"constant": "·", "affine": "/", "general": "?"}
print("".join(signs[kind] for kind in path.kinds))
print(f"worse end              {worse:.4f}")
print(f"supremum of the path   {sure.attained:.4f} (exact: {sure.exact})")
print(f"straight line          {float(line.loss.max()):.4f}")

# %% [markdown]
# The path never rises above its worse end ({eq}`eq-sm-bound` with
# $\varepsilon = 0$), although every function on its way was built with no
# training at all. Between the strips these functions are zero, and the
# theorem is about the training loss only.
#
# ## How wide, really?
#
# Two savings more, both ours. *Shared hyperplanes*, as above: $2 n_L + 2$
# units a group. And for classification *one number is enough*: memorize the
# class index $c$ itself as a single output $s$, four units a group, and let
# the output layer score
#
# $$
# z_k = \beta \big( k s - \tfrac12 k^2 \big)
# = \tfrac\beta2 \big( s^2 - (s - k)^2 \big),
# $$ (eq-sm-classes)
#
# which is linear in $s$ (a unit that is constantly 1 provides the rest) and
# largest at $k = c$. The number of classes drops out of the width;
# `built_width` is what such a construction takes.

# %%
g = run.generator("one number")
_, f = sides["a"]
built = memorization.memorize(f[2], y.double(), generator=g, group=30)
(weight, bias), (out, _) = memorization.classify(built.parameters, 10, 30.0)
z = torch.relu(f[2] @ weight.T + bias) @ out.T
loss = torch.nn.functional.cross_entropy(z, y)
print(f"{len(weight)} units, loss below 1e-4: {bool(loss < 1e-4)}")


def built_width(samples, units, more=0):
    """Smallest n with `units` a group of n/2, and `more`, within n/2."""
    n = 2
    while units * -(-samples // (n // 2)) + more > n // 2:
        n += 2
    return n


print("N = 60000, ten classes:")
for name, width in (
    ("(A1)", needed["MNIST"]),
    ("shared hyperplanes", built_width(60000, 22)),
    ("one number", built_width(60000, 4, 1)),
):
    print(f"  {name:20} width {width}")

# %% [markdown]
# And *trained*: the smallest $n$ at which a network $\lceil n/2 \rceil$ –
# $\lfloor n/2 \rfloor$ – 10, which is $\xi_{L-2}$'s shape, learns $N$ random
# labels of normal inputs without an error (its loss then goes to zero with
# the scale of the output layer). All samples at once, Adam, five trials in
# one batched product.


# %% tags=["hide-input"]
def learns(n, samples, trials, steps, g):
    """For each trial, whether half of n units learn the labels."""
    d, m = -(-n // 2), n // 2
    double = dict(generator=g, dtype=torch.float64)
    x = torch.randn(trials, samples, d, **double)
    y = torch.randint(10, (trials, samples), generator=g)
    w = torch.randn(trials, d, m, **double) * (2 / d) ** 0.5
    u = torch.randn(trials, m, 10, **double) * (2 / m) ** 0.5
    bias = torch.zeros(trials, 1, m, dtype=torch.float64)
    theta = [p.requires_grad_() for p in (w, bias, u)]
    adam = torch.optim.Adam(theta, lr=0.02)
    done = torch.zeros(trials, dtype=torch.bool)
    for k in range(steps):
        z = torch.relu(torch.baddbmm(bias, x, w)) @ u  # (trials, samples, 10)
        loss = torch.nn.functional.cross_entropy(
            z.flatten(0, 1), y.flatten(), reduction="sum"
        )
        adam.zero_grad()
        (loss / samples).backward()
        adam.step()
        if k % 20 == 19:
            done |= (z.argmax(2) == y).all(1)
            if done.all():
                break
    return done


# %% tags=["hide-input"]
from kernels import device, sweep


def least(*, samples, trials, steps):
    """The smallest width that learns, trial by trial."""
    found = torch.zeros(trials)
    n = 2 * round(0.9 * samples**0.5)
    while not found.all():
        g = device.generator(0, "least", samples, n)
        learned = learns(n, samples, trials, steps, g)
        found[learned & (found == 0)] = n
        n += 2
    return {"samples": samples, "width": found.tolist()}


fixed = dict(scale)
counts = fixed.pop("samples")
cells = sweep.run(
    least, [dict(samples=n, **fixed) for n in counts], store=run.store
)
widths = torch.tensor([c["width"] for c in cells], dtype=torch.float64)
learned = fits.loglog(counts, widths)
share = (widths.mean(1) / torch.tensor(counts).sqrt()).tolist()
print("n / sqrt(N):", ", ".join(f"{v:.1f}" for v in share))
local = fits.loglog(counts[-2:], widths[-2:]).slope
print(f"exponent of N: {learned.slope:.2f}; of the last two: {local:.2f}")
print(f"with the last constant, at N = 60000: {share[-1] * 60000**0.5:.0f}")

# %% tags=["hide-input"] mystnb={"image": {"alt": "Width of the last two hidden layers against the number of samples on logarithmic axes: four parallel lines of slope one half; assumption A1 is highest, then the constructions, then trained networks, and the papers' networks of width 245 and 500 lie near or below the lowest."}, "figure": {"name": "fig-sm-width", "caption": "Width needed to memorize N random labels of ten classes when half of each layer is kept: assumption (A1), our two constructions, and trained networks (points, mean and standard deviation of 5 trials; dotted: the last of them continued as √N, a guess). Crosses: N21's networks on MNIST and CIFAR-10."}}
import numpy as np

ax = figures.axes(size=(7.2, 3.8))
n = np.geomspace(64, 1e5, 25).round().astype(int)
for name, colour, style, width in (
    ("(A1)", "orange", "-", lambda k: memorization.width_for(k, outputs=10)),
    ("shared hyperplanes", "purple", "--", lambda k: built_width(k, 22)),
    ("one number", "green", "-.", lambda k: built_width(k, 4, 1)),
):
    ax.plot(
        n,
        [width(int(k)) for k in n],
        style,
        color=figures.COLOURS[colour],
        label=name,
    )
blue = figures.COLOURS["blue"]
ax.errorbar(
    counts,
    widths.mean(1),
    widths.std(1),
    fmt="o",
    color=blue,
    label="trained",
)
ax.plot(n, share[-1] * n**0.5, ":", color=blue)
ax.plot(
    [60000, 50000],
    [245, 500],
    "x",
    ls="",
    color=figures.COLOURS["black"],
    label="N21's networks",
)
ax.set(xscale="log", yscale="log", xlabel="samples N", ylabel="width n")
_ = ax.legend(loc="upper left", bbox_to_anchor=(1, 1))

# %% [markdown]
# Width of order $\sqrt N$ it is, with constants of 13, 9 and 4 (at 60 000)
# and, trained, a little above 2. That constant falls at first, which pulls the
# fitted exponent below one half; from 256 to 512 samples it hardly moves, and
# the line through all points would be a poor guide at 60 000. Two is what
# counting says: half of each layer leaves $(n/2)^2$ weights, as many as
# samples at $n = 2 \sqrt N$, which is 490 for MNIST; the last measured
# constant says about 500. Either is twice 245. So memorization does not
# explain why the paper's network on MNIST is connected (experiment A): that is
# a fact about its features, and about labels that are not random. On CIFAR-10,
# 500 might do.
#
# ## The other extreme: separable features
#
# ```{prf:theorem} N21, Corollary 4.5, in our words
# :label: thm-sm-separable
# Let the loss be the cross-entropy, $\sigma$ strictly monotone on some
# interval $[\alpha, \beta]$, and $n_l \ge 2 n_L$. Call samples *linearly
# separable* if for each class a hyperplane separates it from the others. If
# the inputs are, and at both ends, at each layer, also the features of some
# $\mathcal I_l$ with $n_l / 2 \le |\mathcal I_l| \le n_l - n_L$, then for
# every $\epsilon > 0$ a path joins the two with
#
# $$
# \Phi(\theta(t)) \le \max\big(\Phi(\theta_0), \Phi(\theta_1)\big) + \epsilon.
# $$ (eq-sm-separable)
# ```
#
# For {eq}`eq-sm-separable` the proof gives $\xi_l$ one unit for each class, in
# every layer. With
# hyperplanes $\langle w_k, f \rangle + c_k$ and a $\gamma$ between $\alpha$
# and $\beta$, unit $k$ maps its class above $\gamma$ and all others below:
#
# $$
# \langle w_k, f \rangle + c_k \in \begin{cases} (\gamma, \beta) &
# \text{for class } k, \\ (\alpha, \gamma) & \text{else}. \end{cases}
# $$ (eq-sm-interval)
#
# After {eq}`eq-sm-interval` and $\sigma$ a threshold on a unit separates each
# class; the
# next layers keep that, and the output layer multiplies it by a large number.
# For the ReLU we take $\alpha, \gamma, \beta = 0, 1, 2$.
#
# 400 images of digits, all ten classes, true labels, are linearly separable
# (all 1297 are not). Two networks 64-48-48-10; random subsets of 38 units,
# the first that is separable, by linear programming. The corollary is said to
# hold for other losses too: `hinge` is one, with infimum 0 on what is
# separable.

# %% tags=["hide-input"]
from kernels import networks

small = networks.mlp([64, 48, 48, 10])  # with an output bias, see below
xs, ys = digits.train.x[:400], digits.train.y[:400]
every = separation.separate(digits.train.x, digits.train.y).separate
print(f"images separable: {separation.separate(xs, ys).separate}", end="; ")
print(f"all 1297: {every}")


def separable(theta, layer, g, tries=100):
    """A subset of 38 units of a layer, and the planes on its features."""
    f = small.features(theta, xs, layer)
    for _ in range(tries):
        units = torch.randperm(48, generator=g)[:38].sort().values
        planes = separation.separate(f[:, units], ys)
        if planes.separate:
            return units, f[:, units], planes
    raise ValueError(f"layer {layer}: none of {tries} subsets is separable")


ends, found = [], {}
for name in "ab":
    g = run.generator("4.5", name)
    ends.append(trained(small, xs, ys, g, 600))
    found[name] = [(None, xs, separation.separate(xs, ys))]
    found[name] += [separable(ends[-1], layer, g) for layer in (1, 2)]
margins = [planes.margin for part in found.values() for *_, planes in part]
print(f"layers 0, 1, 2 of both: all margins positive: {min(margins) > 0}")


# %%
def hinge(z, y):
    """Mean of what the runner-up lacks to stay 1 behind: another loss."""
    own = z.gather(1, y[:, None])
    others = z.scatter(1, y[:, None], -torch.inf).amax(1, keepdim=True)
    return float((1 + others - own).clamp_min(0).mean())


corollary, inner, other_loss = {}, 0.0, 0.0
for name, layers in found.items():
    xi = []
    for m, (_, f, planes) in enumerate(layers):
        built = separation.separating(f, planes, 2 - m, loss=1e-8)
        shape = small.narrow([f.shape[1], 10, 10][: 3 - m], first=m)
        xi.append(memorization.pad(shape, built))
        loss, _ = training.evaluate(shape, xi[-1], f, ys)
        inner = max(inner, loss if m < 2 else 0.0)
        other_loss = max(other_loss, hinge(shape.forward(xi[-1], f), ys))
    corollary[f"kept_{name}"] = [units for units, *_ in layers[1:]]
    corollary[f"subnetworks_{name}"] = xi
print(f"networks built, l < L - 1: loss below 1e-8: {inner < 1e-8}")
print(f"the same networks, all l: hinge loss {other_loss:.1e}")
way = paths.theorem41(small, *ends, **corollary)
high = certificates.certify(small, way, xs, ys)
losses = [training.evaluate(small, theta, xs, ys)[0] for theta in ends]
line = interpolation.loss_curve(
    small, paths.straight(*ends), xs, ys, points=41
)
print(f"ends {losses[0]:.5f}, {losses[1]:.5f}; path {high.attained:.5f}")
print(f"exact: {high.exact}; straight line {float(line.loss.max()):.4f}")

# %% [markdown]
# Again the path stays at its worse end. {numref}`fig-sm-units` looks into one
# of the networks built.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Values of the ten units of the first layer of the constructed network on 400 images: each unit lies above 1 for its own class and below 1 for all others."}, "figure": {"name": "fig-sm-units", "caption": "The network built on the 38 kept features of layer 1: its ten units on all 400 images. Every unit is above γ = 1 on its own class (orange), and below on the others (blue), by a small margin on some."}}
_, f, planes = found["b"][1]
first, first_bias = separation.separating(f, planes, 1, loss=1e-8)[0]
z = f @ first.T + first_bias
ax = figures.axes(size=(7.2, 3.2))
spread = torch.rand(400, generator=run.generator("jitter")) - 0.5
for own, colour, name in (
    (False, "blue", "other classes"),
    (True, "orange", "its own class"),
):
    for k in range(10):
        some = (ys == k) == own
        ax.plot(
            k + 0.7 * spread[some],
            z[some, k],
            ".",
            ls="",
            ms=3,
            color=figures.COLOURS[colour],
            label=None if k else name,
        )
ax.axhline(1, color=figures.COLOURS["black"], lw=1, ls=":")
ax.set(xticks=range(10), xlabel="unit k", ylabel="value")
ax.grid(axis="x", visible=False)
_ = ax.legend(loc="upper left", bbox_to_anchor=(1, 1), markerscale=3)

# %% [markdown]
# ## The missing output bias
#
# For $l = L - 1$ there is no hidden layer left, and the proof says: a convex
# problem with linearly separable inputs, so the infimum is 0 "immediately".
# But the model has no output bias, and a hyperplane need not pass through 0.
# One feature, with values 1 and 2 on two samples of different classes: the
# threshold $\tfrac32$ separates them. Without a bias the scores are
# $f\,(u_0, u_1)$, their difference is $f\,s$ with one sign for both samples,
# and the smallest loss is {eq}`eq-sm-bias`,
#
# $$
# \min_s \tfrac12 \big[ \log(1 + e^{-s}) + \log(1 + e^{2s}) \big] > 0.
# $$ (eq-sm-bias)

# %%
s = torch.linspace(-3, 3, 600001, dtype=torch.float64)
softplus = torch.nn.functional.softplus
best = float((softplus(-s) + softplus(2 * s)).min() / 2)
f, labels = torch.tensor([[1.0], [2.0]]).double(), torch.tensor([0, 1])
planes = separation.separate(f, labels)
((weight, offset),) = separation.separating(f, planes, 0, loss=1e-6)
with_bias = torch.nn.functional.cross_entropy(f @ weight.T + offset, labels)
through = separation.separate(f, labels, bias=False).separate
print(f"separable: {planes.separate}, through 0: {through}")
print(f"smallest loss without a bias: {best:.4f}")
print(f"with a bias below 1e-6: {bool(with_bias < 1e-6)}")

# %% [markdown]
# So (13) of the paper fails there by 0.64. Either of two repairs will do: an
# output bias, as in our two networks above (it moves with the output layer,
# and every segment stays what it was), or hyperplanes through 0 at layer
# $L - 1$. The other layers are fine: $\xi_l$ has hidden biases, and its output
# layer compares units of which one is above 1 and the others below, which
# needs none. For the features of our two networks the question is idle:

# %% tags=["hide-input"]
for name, theta in zip("AB", ends):
    units = corollary[f"kept_{name.lower()}"][1]
    f = small.features(theta, xs, 2)[:, units]
    zero = separation.separate(f, ys, bias=False).separate
    print(f"theta^{name}, layer L - 1: separable through 0: {zero}")
run.measure("n21-a1-mnist", needed["MNIST"] / 60_000**0.5)
run.measure("n21-a1-cifar", needed["CIFAR-10"] / 50_000**0.5)
run.measure("n21-a1-product", product)
run.measure("n21-a1-root", rate.slope)
run.measure("n21-generic", flat)
run.measure("n21-generic-repaired", wrong + max(round(over, 9), 0.0))
run.measure("n21-memorize-root", learned.slope)
run.measure("n21-corollary45-inner", round(inner, 7))
run.measure("n21-corollary45-losses", round(other_loss, 9))
run.measure("n21-corollary45-last", best)
run.measure(
    "n21-corollary45-last-repaired",
    round(high.attained - max(losses), 9) + 0.0,
)
run.finish({"cells": cells})

# %% [markdown]
# ## Verdict

# %% tags=["remove-input"]
run.verdict()

# %% [markdown]
# ## Deviations and gaps
#
# - **Width 245.** {eq}`eq-sm-a1` asks for 3120 on MNIST and 2864 on CIFAR-10;
#   the remark in the paper's Section 6 holds for the rate, not the number.
# - **(A2)** is not met by ReLU features; a partition into affinely independent
#   groups with clear affine hulls is enough, and is what we check by building
#   it.
# - **Corollary 4.5** needs an output bias, or planes through 0 at the last
#   hidden layer.
# - **The constructions** of {cite:t}`bubeck2020` and {cite:t}`yun2019` are not
#   in the paper's text. Ours are built to the counts that it quotes;
#   hyperplanes shared by all outputs and {eq}`eq-sm-classes` go beyond them.
# - **Rounding.** The exact identity {eq}`eq-sm-ridge` divides by a small
#   $\delta$. In float64 the values are met within 0.01 for 360 samples.
# - **Trained widths** are for Adam, 800 steps and normal inputs: what this
#   optimiser finds, not what is possible. Larger $N$, in the `paper` profile,
#   are not on record.
#
# ## Exercises
#
# 1. Replace the random labels by the digits' own. Which of the assumptions
#    may change, and which cannot?
# 2. Draw `torch.randint(2, ...)` in `learns`. How much narrower may the
#    network be with two classes?
# 3. Keep all 1297 images for Corollary 4.5. Which of its assumptions fails,
#    and where does the code notice?
#
# ## Provenance

# %% tags=["remove-input"]
run.footer()
