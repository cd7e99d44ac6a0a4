# %% [markdown]
# (further)=
# # What came after
#
# **In one sentence.** We name 26 works that cite
# {cite}`shevchenko2020`, set eight ways of joining two networks side by side
# on the same pairs (three straight lines and one repaired, two learned
# curves, and the papers' two constructions), and train with heavy-ball
# momentum in the mean-field regime.
#
# **Needs** {ref}`dropout-paths` and {ref}`subnetworks-theorem`; nothing here
# is a reproduction, and nothing is judged.

# %% tags=["parameters"]
profile = "laptop"  # "paper" runs more pairs of networks and wider ones
pairs = 3  # pairs of networks of each shape
epochs = 40  # of training an end
steps = 300  # of training a curve's bend
draws = 50  # patterns tried for a dropout network
budget = 200  # intervals that a certificate may bound
rate = 0.5  # from 0 to 0.9: of dropout, in training the wide networks

# %% tags=["remove-cell"]
import sys
from pathlib import Path

here = Path(globals().get("__file__", "chapter.py")).resolve()
root = next(p for p in here.parents if (p / "_config.yml").exists())
sys.path.insert(0, str(root))

# %% tags=["remove-input"]
from book.tools import chapter

run = chapter.start(
    "further",
    profile,
    pairs=pairs,
    epochs=epochs,
    steps=steps,
    draws=draws,
    budget=budget,
    rate=rate,
)

# %% [markdown]
# ## The works that cite it
#
# We went by a list of the works that cite {cite}`shevchenko2020`: titles,
# authors and years. Its other entries, on quantum optimisation, decentralised
# training, architectures and the recovery of weights, are left out. We have
# *not* read these works, {cite}`nguyen2021` excepted. What follows says what a
# title announces and which page of this book it meets; for results, read the
# work itself.
#
# ### Symmetry and the straight line
#
# - *Understanding Mode Connectivity via Parameter Space Symmetry*
#   {cite}`zhao2025` announces an account of connectivity by symmetries of the
#   parameters. Permutations, and the free moves through dead units on our
#   paths, are such symmetries.
# - *Proving Linear Mode Connectivity of Neural Networks via Optimal
#   Transport* {cite}`ferbach2023` announces proofs for the straight line. Our
#   line after matching, below, solves an assignment, the discrete case of
#   transport.
# - *Landscaping Linear Mode Connectivity* {cite}`singh2024` is about the
#   landscape in which a straight line is low. Where ours is not low is the
#   subject of {ref}`dropout-straight`.
# - *Exploring Neural Network Landscapes: Star-Shaped and Geodesic
#   Connectivity* {cite}`lin2024` names two forms of connectivity.
#   Geodesics ask for short paths; the table below compares lengths.
# - *Deep networks on toroids: removing symmetries reveals the structure of
#   flat regions in the landscape geometry* {cite}`pittorino2022` removes
#   symmetries before looking. Matching removes one of them, the order of the
#   units, and leaves another, the scale of a ReLU unit.
#
# ### From one network to its own initialisation
#
# - *Analyzing Monotonic Linear Interpolation in Neural Network Loss
#   Landscapes* {cite}`lucas2021` is about loss that falls monotonically on a
#   straight line. Our lines have two solutions as ends, and are not
#   monotone.
# - *Plateau in Monotonic Linear Interpolation – A "Biased" View of Loss
#   Landscape for Deep Networks* {cite}`wang2022` looks at a plateau on such
#   lines. Two of its authors, Xiang Wang and Rong Ge, are authors of
#   {cite}`kuditipudi2019`.
#
# ### Theorems on connected solutions
#
# - *When Are Solutions Connected in Deep Networks?* {cite}`nguyen2021when` is
#   {cite}`nguyen2021` itself under the title of its final version (NeurIPS
#   2021). Part III is built on the text of the preprint, arXiv:2102.09671, and
#   quotes from it; the final version we have not read, and cannot say what
#   else it changed.
# - *A note on connectivity of sublevel sets in deep learning*
#   {cite}`nguyen2021note` asks the question for all networks below a loss, not
#   for two of them. {ref}`dropout-disconnected` shows two minima that are
#   *not* connected.
# - *Taxonomizing local versus global structure in neural network loss
#   landscapes* {cite}`yang2021` sets local against global structure. A path
#   between two solutions is a global question; noise stability
#   ({ref}`dropout-noise`) is measured at one.
#
# ### Mean field
#
# - *Mean-field analysis for heavy ball methods: Dropout-stability,
#   connectivity, and global convergence* {cite}`wu2022` announces both halves
#   of S20's Theorem 1 for momentum. The last section below tries them out.
# - *Mean-field Analysis of Piecewise Linear Solutions for Wide ReLU Networks*
#   {cite}`shevchenko2021` turns the mean field to the functions that ReLU
#   networks learn. It shares two authors with {cite}`shevchenko2020`.
# - *A rigorous framework for the mean field limit of multilayer neural
#   networks* {cite}`nguyen2020framework` names the limit that
#   {ref}`meanfield-multilayer` simulates. We simulate and prove nothing.
# - *Global Convergence of Three-layer Neural Networks in the Mean Field
#   Regime* {cite}`pham2021three` asks where training ends. Our three-layer
#   networks are trained for a fixed time.
# - *Limiting fluctuation and trajectorial stability of multilayer neural
#   networks with mean field training* {cite}`pham2021fluctuation` goes to the
#   next order, the fluctuations around the limit. For dropout, two terms of
#   that order are measured in {ref}`meanfield-dropout`.
# - *Sharp asymptotics on the compression of two-layer neural networks*
#   {cite}`amani2022` announces limits for making a network smaller. Keeping
#   half of the neurons is the simplest compression.
# - *Fundamental limits of overparametrized shallow neural networks for
#   supervised learning* {cite}`camilli2023` and *Information-theoretic
#   reduction of deep neural networks to linear models in the overparametrized
#   proportional regime* {cite}`camilli2025` are about wide networks too. The
#   second names its regime, the proportional one; ours is the mean field's.
#
# ### Redundancy, pruning, fusion
#
# - *Redundant representations help generalization in wide neural networks*
#   {cite}`doimo2021` says in its title that redundancy helps. Redundant
#   neurons are what a dropout path lives on.
# - *AC/DC: Alternating Compressed/DeCompressed Training of Deep Neural
#   Networks* {cite}`peste2021` trains with and without some of the weights in
#   turn. Our paths go from the whole network to its half and back.
# - *Finding Strong Lottery Ticket Networks with Genetic Algorithms*
#   {cite}`altmann2024` searches for good subnetworks by selection. We take
#   the best of random draws.
# - *Mode Connectivity in Federated Learning with Data Heterogeneity*
#   {cite}`zhou2023` and *Deep Model Fusion: A Survey* {cite}`li2023fusion`
#   are about several networks that are to become one. Both ends of all our
#   paths are trained on the same data.
#
# ### Elsewhere
#
# - *Mode Connectivity in Auction Design* {cite}`hertrich2023`, *Mode
#   connectivity in the loss landscape of parameterized quantum circuits*
#   {cite}`hamilton2021` and *WGAN with an Infinitely Wide Generator Has No
#   Spurious Stationary Points* {cite}`no2021` take these questions to
#   auctions, quantum circuits and generative models. Nothing in this book
#   was tried there.
#
# ## Eight ways across
#
# Let $\theta^A$ and $\theta^B$ be two trained networks with weight matrices
# and biases stacked into vectors. Which path from one to the other is low,
# how long is it, and what does it cost to find?
#
# 1. **The straight line**, $(1 - t)\,\theta^A + t\,\theta^B$. Nothing to
#    find.
# 2. **The line after matching.** Hidden units have no order. Let
#    $\mathcal{P}$ be a permutation of the hidden units of every layer, with
#    the columns that they feed; $\mathcal{P}\theta^B$ computes the same
#    function as $\theta^B$. We take the one that brings the weights
#    closest,
#
#    $$
#    \min_{\mathcal{P}}\ \lVert \theta^A - \mathcal{P}\theta^B \rVert,
#    $$ (eq-fu-match)
#
#    found layer by layer, each an assignment problem, until nothing changes
#    (`matched`, by `alignment.match`): with several hidden layers a local
#    minimum. This
#    line ends at $\mathcal{P}\theta^B$, *not* at $\theta^B$. The permutation
#    itself is a path too, swap by swap, and a free one where every layer has
#    one unit that is zero in all its weights, in and out ({cite}`nguyen2021`,
#    Claim 5.1); in few segments, where half of the units are
#    ({cite}`kuditipudi2019`, Lemma 4). A trained network has none as a rule.
# 3. **The line after matching what the units compute.** The permutation with
#    the largest sum of correlations between the units' activations on the
#    training images, layer by layer (`matched_by_activations`, by
#    `alignment.match_activations`).
# 4. **The same, repaired.** Halfway between two networks that are not quite
#    aligned, units cancel and the signal shrinks from layer to layer. REPAIR
#    gives every hidden unit, at every $t$, the mean and the deviation that
#    lie on the line between its ends' (`repair.repaired`; {cite}`jordan2023`).
#    What we walk is the polygon through 41 such points.
# 5. and 6. **A learned curve** {cite}`garipov2018`. A third parameter $\phi$,
#    the *bend*, is trained so that the loss is low on average over the
#    quadratic Bézier curve
#
#    $$
#    \gamma_\phi(t) = (1 - t)^2\,\theta^A + 2t(1 - t)\,\phi + t^2\,\theta^B
#    $$ (eq-fu-bezier)
#
#    or over the *chain* of two segments from $\theta^A$ to $\phi$ and from
#    $\phi$ to $\theta^B$: each step of SGD draws $t$ uniformly and a
#    minibatch (`learned`).
# 7. **The dropout path** of {cite}`kuditipudi2019`, Theorem 1: half of the
#    units of layers $l, l + 1, \dots$ are dropped, for each $l$ the best of
#    many random choices, with the factor on the output that fits the training
#    set best, but no more than width over units kept: without a cap a
#    network that still separates its data would have an infinite one.
# 8. **The subnetworks' path** of {cite}`nguyen2021`, Theorem 4.1: for each
#    layer $l$, a fresh network of half the width, trained on half of that
#    layer's features (`reoptimised`).
#
# The last two are built from pieces whose output is constant or affine in $t$,
# so that the supremum of a convex loss over the whole path is a maximum over a
# few functions: exact ({ref}`dropout-certificates`). Lines, chains and the
# repaired polygon are piecewise linear in the weights, but not in the outputs;
# `certificates.certify` bounds them from above on the whole continuum. The
# Bézier curve {eq}`eq-fu-bezier` is not even piecewise linear in the weights:
# we take the polygon of eight chords through nine of its points.
#
# ## The experiment
#
# Two architectures on the 8 × 8 digits: a deep, narrow one, the kind on which
# {cite}`nguyen2021` find that dropout fails, and a wide one that is trained
# with dropout. Losses are training losses.

# %%
scale = run.scale(
    laptop=dict(
        nets={"deep": [40] * 6, "wide": [128] * 2},
        pairs=pairs,
        epochs=epochs,
        bend=dict(steps=steps, step_size=0.05),
        draws=draws,
        subnets=dict(draws=1, epochs=12),
        budget=budget,
        momentum=dict(widths=[50, 100, 200, 400, 800], trials=4),
    ),
    paper=dict(
        nets={"deep": [40] * 6, "wide": [640] * 2},
        pairs=10,
        epochs=100,
        bend=dict(steps=5000, step_size=0.05),
        draws=200,
        subnets=dict(draws=20, epochs=25),
        budget=600,
        momentum=dict(widths=[50, 100, 200, 400, 800, 1600], trials=10),
    ),
)

# %% [markdown]
# The ends are trained without error on the training set, or nearly so, with
# rate 1/2 of dropout for the wide network.

# %% tags=["hide-input"]
import functools
import math

import torch

from kernels import data, device, networks, training

DROPOUT = {"deep": 0.0, "wide": rate}
BATCH = 50
run.uses(data.load("digits"))


@functools.cache
def samples():
    """The training set."""
    d = data.load("digits", normalize="global").to(dtype=torch.float64)
    return d.train.x, d.train.y


def end(name, hidden, seed, *, epochs, **_):
    """One trained network."""
    x, y = samples()
    net = networks.mlp([x.shape[1], *hidden, 10])
    g = device.generator(0, "further", name, seed)
    trained = training.train(
        net,
        net.init(generator=g, dtype=x.dtype),
        (x, y),
        generator=g,
        step_size=0.02,
        momentum=0.9,
        nesterov=True,
        batch=BATCH,
        epochs=epochs,
        schedule=training.StepDecay(0.5, epochs=15),
        dropout=DROPOUT[name],
    )
    return net, trained.theta


# %% [markdown]
# Each way returns its path and its cost. We count products, multiplications
# of two numbers followed by an addition: a pass of one example through a
# network costs as many as it has weights, forward and backward together
# three times that. The cost is given in units of the products that trained
# *one end*, and does not depend on the machine. `products` counts a pass.


# %%
def products(net):
    """Multiplications of one example's forward pass: the weights."""
    return sum(math.prod(net.weight_shape(i + 1)) for i in range(net.depth))


# %%
from kernels import paths
from kernels.paths import alignment


def matched(net, a, b):
    """The line after matching; the sweeps over the layers that it took."""
    order, sweeps = alignment.match(net, a, b), 1
    while not all(
        map(torch.equal, order, alignment.match(net, a, b, sweeps=sweeps))
    ):
        sweeps += 1
    low, mid, high = net.widths[:-2], net.hidden, net.widths[2:]
    sweep = sum(h**2 * (i + o) for i, h, o in zip(low, mid, high))
    line = paths.straight(a, alignment.permute(net, b, order))
    return line, (sweeps + 1) * sweep


def matched_by_activations(net, a, b):
    """The line after matching what the units compute, and its end."""
    x, _ = samples()
    order = alignment.match_activations(net, a, b, x)
    cost = len(x) * (2 * products(net) + sum(h**2 for h in net.hidden))
    return paths.straight(a, alignment.permute(net, b, order)), cost


# %%
from kernels.paths import curves


def learned(net, a, b, kind, generator, *, bend, **_):
    """A curve with one trained bend."""
    curve = curves.train(
        net,
        a,
        b,
        samples(),
        generator=generator,
        kind=kind,
        batch=100,
        **bend,
    )
    cost = bend["steps"] * 3 * 100 * products(net)
    if kind == "chain":
        return curve.path(), cost
    return paths.Path([curve(k / 8) for k in range(9)]), cost


# %%
from kernels import dropout


def dropped(net, a, b, generator, *, draws, **_):
    """Theorem 1 of K19 over the best dropout networks of every level."""
    (x, y), how, cost = samples(), {}, 0
    for theta, side in ((a, "a"), (b, "b")):
        levels = [
            dropout.stability(
                net,
                theta,
                x,
                y,
                first=i,
                draws=draws,
                generator=generator,
            )
            for i in range(1, net.depth)
        ]
        how[f"kept_{side}"] = [s.kept[s.best] for s in levels]
        how[f"scale_{side}"] = factors = []
        for s in levels:
            kept = [len(units) for units in s.kept[0]]
            most = math.prod(h / k for h, k in zip(net.hidden, kept))
            *others, last = s.scales[s.best]
            factors.append([*others, min(last, most)])
            small = net.narrow(kept[s.first - 1 :], first=s.first)
            cost += draws * len(x) * products(small)
    return paths.theorem1(net, a, b, style="short", **how), cost


# %%
from kernels import subnetworks


def reoptimised(net, a, b, generator, *, subnets, **_):
    """Theorem 4.1 of N21 over trained subnetworks of every layer."""
    (x, y), how, cost = samples(), {}, 0
    for theta, side in ((a, "a"), (b, "b")):
        layers = [
            subnetworks.train(
                net,
                theta,
                x,
                y,
                layer=layer,
                generator=generator,
                step_size=0.04,
                momentum=0.9,
                schedule=training.StepDecay(0.5, epochs=10),
                **subnets,
            )
            for layer in range(net.depth)
        ]
        how[f"kept_{side}"] = [s.kept[s.best] for s in layers[1:]]
        how[f"subnetworks_{side}"] = [s.parameters[s.best] for s in layers]
        cost += sum(
            int(s.epochs.sum()) * len(x) * 3 * products(s.net) for s in layers
        )
    return paths.theorem41(net, a, b, style="short", **how), cost


# %% [markdown]
# For each path: the loss along it, the largest value found, the bound over
# the continuum ({ref}`dropout-certificates`), on the same training images and
# for every pair, and the length, the sum of Euclidean lengths over all weights
# and biases, relative to the straight line's.

# %% tags=["hide-input"]
from kernels import certificates, interpolation
from kernels.paths import repair


def repaired(net, line, points=41):
    """The polygon through repaired points of a straight line, and its cost."""
    (x, _), (a, b) = samples(), line.ends(0)
    shares = [k / (points - 1) for k in range(points)]
    knots = [repair.repaired(net, a, b, t, x) for t in shares]
    return paths.Path(knots), points * 3 * len(x) * products(net)


def measure(net, path, budget):
    """Loss along a path, its largest value, where, and the bound on it."""
    x, y = samples()
    points = {1: 101, 2: 51, 8: 13}.get(len(path), 3)
    seen = interpolation.loss_curve(net, path, x, y, points=points)
    proof = certificates.certify(
        net, path, x, y, budget=budget, initial=2, error=False
    )
    highest, place = proof.attained, proof.where
    if not proof.exact and seen.loss.max() > highest:
        highest, place = seen.loss.max().item(), seen.t[seen.loss.argmax()]
    return seen, highest, float(place), highest if proof.exact else proof.upper


# %% tags=["hide-input"]
def pair(*, name, hidden, number, budget, **how):
    """All ways between one pair of ends."""
    ends = [end(name, hidden, 2 * number + k, **how) for k in (0, 1)]
    (net, a), (_, b) = ends
    g = device.generator(0, "further", name, number, "ways")
    ways = {
        "straight": (paths.straight(a, b), 0),
        "matched": matched(net, a, b),
        "activations": matched_by_activations(net, a, b),
        "bezier": learned(net, a, b, "bezier", g, **how),
        "chain": learned(net, a, b, "chain", g, **how),
        "dropout": dropped(net, a, b, g, **how),
        "subnetworks": reoptimised(net, a, b, g, **how),
    }
    line, cost = ways["activations"]
    way, more = repaired(net, line)
    ways["repaired"] = way, cost + more
    seen = len(samples()[0]) // BATCH * BATCH  # in an epoch
    unit = how["epochs"] * seen * 3 * products(net)
    line = curves.length(ways["straight"][0])
    found = {"name": name, "number": number}
    for key, (way, cost) in ways.items():
        seen, highest, where, upper = measure(net, way, budget)
        found[key] = {
            "t": seen.t.tolist(),
            "loss": seen.loss.tolist(),
            "highest": highest,
            "where": where,
            "upper": upper,
            "length": curves.length(way) / line,
            "cost": cost / unit,
        }
    return found


# %% tags=["hide-input"]
from kernels import sweep

fixed = dict(scale)
nets, pairs = fixed.pop("nets"), fixed.pop("pairs")
heavy = fixed.pop("momentum")
cells = sweep.run(
    pair,
    [
        dict(name=name, hidden=hidden, number=k, **fixed)
        for name, hidden in nets.items()
        for k in range(pairs)
    ],
    store=run.store,
)

# %% tags=["remove-cell"]
import numpy as np

from book.tools import figures

LINES = {  # a way's look and its marker
    "straight": (figures.look("line"), "o"),
    "matched": (figures.look("matched"), "s"),
    "activations": (figures.look("activations"), "X"),
    "repaired": (figures.look("repaired"), "p"),
    "bezier": (figures.look("bezier") | {"label": "Bézier, 8 chords"}, "^"),
    "chain": (figures.look("chain"), "D"),
    "dropout": (figures.look("k19"), "v"),
    "subnetworks": (figures.look("n21"), "P"),
}


def of(name, key, what):
    """Values of one way over the pairs of one architecture."""
    return np.array([c[key][what] for c in cells if c["name"] == name])


def table(name):
    """Mean over the pairs; how far the bounds are above, at most."""
    print(f"{name:21}{'highest loss':>16}{'bound':>9}{'length':>9}{'cost':>9}")
    for key, (look, _) in LINES.items():
        high, upper = of(name, key, "highest"), of(name, key, "upper")
        above = (upper / high - 1).max()
        bound = f"+{100 * above:.1f} %" if above else "exact"
        length, cost = (of(name, key, w).mean() for w in ("length", "cost"))
        shown = f"{high.mean():.3f}"
        if len(high) > 1:
            shown += f" ± {high.std(ddof=1):.3f}"
        print(
            f"  {look['label']:19}{shown:>16}{bound:>9}{length:9.2f}"
            + (f"{cost:9.2f}" if cost >= 0.005 or cost == 0 else "   < 0.01")
        )


def draw_ways():
    """Training loss along every way of the first pair."""
    axes = figures.axes(2, sharey=True, size=(7.2, 4.0))
    for ax, name in zip(axes, nets):
        (cell,) = (c for c in cells if (c["name"], c["number"]) == (name, 0))
        for key, (look, _) in LINES.items():
            ax.plot(cell[key]["t"], cell[key]["loss"], lw=1.6, **look)
            at = cell[key]["where"], cell[key]["highest"]
            ax.plot(*at, "*", ms=6, color=look["color"])
        ax.set(yscale="log", xlabel="t along the path", title=name)
    axes[0].set_ylabel("training loss")
    figures.legend(axes[0])


def draw_prices():
    """Highest loss against the cost of finding the path."""
    axes = figures.axes(2, sharey=True, size=(7.2, 3.9))
    for ax, name in zip(axes, nets):
        for key, (look, marker) in LINES.items():
            at, high = of(name, key, "cost"), of(name, key, "highest")
            ax.plot(at, high, ms=7, **look | dict(ls="", marker=marker))
        ax.set_xscale("symlog", linthresh=1e-3)
        ax.set(yscale="log", title=name, xlim=(-2e-4, 30))
        ax.set_xticks([0, 1e-2, 1, 10], ["0", "0.01", "1", "10"])
        ax.set_xlabel("cost, in trainings of one end")
    axes[0].set_ylabel("highest training loss")
    figures.legend(axes[0])


# %% [markdown]
# Below, the highest loss found, mean and standard deviation over the pairs;
# *bound*, by how much the proved bound on the continuum exceeds that, for the
# pair where it does most (*exact*: the highest loss found is the supremum, for
# every pair); the length relative to the straight line's; and the cost in
# trainings of one end.

# %% tags=["rtol=0.25", "atol=0.1"]
for name in nets:
    table(name)

# %% tags=["hide-input", "rtol=0.25", "atol=0.1"] mystnb={"image": {"alt": "Training loss along eight paths, deep network on the left and wide network on the right. Left: the straight line, the line matched by weights and the dropout path rise to a loss near that of guessing; matched by activations, and more so when repaired, the line is far lower; the learned curves and the subnetworks' path are lowest. Right: only the straight line rises; all others stay low."}, "figure": {"name": "fig-fu-ways", "caption": "Digits, the first pair of each architecture: training loss along every path. On the deep, narrow networks the learned curves and the subnetworks' path stay low, and what a matched line is worth depends on what is matched; on the wide ones, trained with dropout, everything but the plain straight line is low. Stars: where the highest loss was found; it is certified for the whole of each path."}}
draw_ways()

# %% tags=["hide-input", "rtol=0.25", "atol=0.1"] mystnb={"image": {"alt": "Highest loss on the path against the cost of finding it, for the deep and the wide networks: the lines are free or nearly so, dropout and subnetworks cost a fraction of a training, curves more than half, repairing a line about one."}, "figure": {"name": "fig-fu-prices", "caption": "Highest training loss on each path against what it cost to find, in trainings of one end. On the wide networks the cheap ways are as good as the dear ones; on the deep ones none that is cheap is as low."}}
draw_prices()

# %% [markdown]
# What we read from three pairs of each kind ({numref}`fig-fu-ways`,
# {numref}`fig-fu-prices`):
#
# - **Deep and narrow.** On the straight line the loss is that of a guess,
#   $\log 10 \approx 2.3$. Matching by *weights* hardly helps. Matching by
#   *activations* takes two thirds of the barrier away, for next to nothing,
#   and REPAIR, at the price of one more training, nearly half of the rest: so
#   the networks are less far apart
#   than the weights say, and what stands between them is in part a matter of
#   the units' scale. The dropout path is as high as a guess: with the factor
#   that fits best, that is what the best of many random halves makes without
#   new weights. The learned curves and the subnetworks' path are the lowest,
#   and proved so: on the continuum, not only
#   where we looked.
# - **Wide, trained with dropout.** Now every way but the plain line is low.
#   Matching {eq}`eq-fu-match` by weights costs next to nothing and takes most
#   of the barrier away, by activations a little more.
# - **Length.** The learned curves are hardly longer than the straight line,
#   the constructed paths many times: each segment rewrites half a network.
#   They are built for a proof, not for a short walk.
# - **Price.** Dropout asks for forward passes alone. Subnetworks and curves
#   cost about half as much as training one end again; a curve is found for one
#   pair, while subnetworks belong to one end and serve with any other.
#
# ## Heavy balls
#
# Among the citing works is a *Mean-field analysis for heavy ball methods:
# Dropout-stability, connectivity, and global convergence* {cite}`wu2022`. We
# know its title only, and ask the question that it suggests: does the finding
# of {ref}`meanfield-dropout` survive momentum?
#
# With neuron $i$'s parameters $\theta_i$ and the two-layer network of
# {eq}`eq-md-net`, the heavy ball is
#
# $$
# \begin{aligned}
# \theta_i^{k+1} = \theta_i^k &- (1 - \beta)\,\alpha N\, \nabla_{\theta_i}
# \ell\big(y_k, \hat y_N(x_k, \theta^k)\big) \\
# &+ \beta\,\big(\theta_i^k - \theta_i^{k-1}\big).
# \end{aligned}
# $$ (eq-fu-ball)
#
# The factor $1 - \beta$ is our choice: in the long run a constant gradient
# moves $\theta$ by $\alpha N$ times it per step for every $\beta$, and $\beta
# = 0$ is the SGD of {eq}`eq-md-sgd`. The step of `kernels.meanfield` does the
# first part of {eq}`eq-fu-ball`, a line of `heavy_ball` adds the second. Both
# methods start from the same weights and see the same minibatches.


# %% tags=["hide-input"]
@functools.cache
def digits():
    """Training and test set with a constant feature."""
    return data.load("digits", constant=True).to(dtype=torch.float64)


# %%
from kernels import meanfield


def heavy_ball(theta, beta, *, generator, steps=200, step_size=0.5):
    """SGD with momentum on all trials, in place; minibatches of 100."""
    train = digits().train
    step = meanfield.Step(theta, batch=100, step_size=(1 - beta) * step_size)
    before = [w.clone() for w in theta]
    for _ in range(steps):
        u = torch.rand(len(theta[0]), len(train.x), generator=generator)
        rows = u.topk(100).indices  # (trials, batch)
        now = [w.clone() for w in theta]
        step(train.x[rows], train.y[rows])
        for w, here, there in zip(theta, now, before):
            w.add_(here - there, alpha=beta)
        before = now


# %% [markdown]
# At the end we measure what both theorems of {cite}`shevchenko2020` are
# about, on the test set: the change in loss when half of the neurons are
# kept, and by how much the path between two solutions, five segments over
# halves, rises above the higher end: exact, as in
# {ref}`meanfield-connectivity`.


# %% tags=["hide-input"]
def momentum(*, width, beta, trials):
    """Dropout stability and connectivity of networks of one width."""
    x, y = digits().test.x, digits().test.y
    g = device.generator(0, "further", "momentum", width)
    sizes = x.shape[1], width, 10
    theta = meanfield.init(sizes, trials=trials, generator=g, dtype=x.dtype)
    masks = meanfield.masks(width, keep=width // 2, count=11, generator=g)
    heavy_ball(theta, beta, generator=g)
    whole = meanfield.evaluate(theta, x, y)
    half = meanfield.evaluate(theta, x, y, masks=masks)
    first, second = torch.arange(width).chunk(2)
    rises = []
    for r in range(0, trials - 1, 2):
        (net, a), (_, b) = (meanfield.as_network(theta, k) for k in (r, r + 1))
        path = paths.two_layer(
            net, a, b, kept_a=[first], kept_b=[second], style="short"
        )
        top = certificates.certify(net, path, x, y)
        rises.append(top.attained - whole.loss[r : r + 2].max().item())
    return {
        "width": width,
        "beta": beta,
        "loss": whole.loss.tolist(),
        "change": (half.loss - whole.loss[:, None]).abs().mean(1).tolist(),
        "rise": rises,
    }


# %% tags=["hide-input"]
balls = sweep.run(
    momentum,
    [
        dict(width=n, beta=beta, trials=heavy["trials"])
        for beta in (0.0, 0.9)
        for n in heavy["widths"]
    ],
    store=run.store,
)
run.finish({"cells": cells, "balls": balls})

# %% tags=["remove-cell"]
from book.tools import fits


def against_width(beta, what):
    """(widths, values (widths, trials)) of one method."""
    mine = [c for c in balls if c["beta"] == beta]
    n = np.array([c["width"] for c in mine])
    return n, np.array([c[what] for c in mine])


def draw_balls():
    """Change under dropout and rise of the path, against N."""
    axes = figures.axes(2)
    names = {"change": "change in test loss, half kept"}
    names["rise"] = "rise of the path"
    for ax, (what, label) in zip(axes, names.items()):
        for j, (beta, who) in enumerate(
            ((0.0, "plain SGD"), (0.9, "heavy ball, β = 0.9"))
        ):
            n, v = against_width(beta, what)
            ax.errorbar(
                n * (1 + 0.04 * j),
                v.mean(1),
                v.std(1, ddof=1),
                fmt=figures.MARKERS[j],
                color=figures.CYCLE[j],
                label=who,
            )
            fit = fits.loglog(n, v)
            ax.plot(n, fit(n), figures.STYLES[j], color=figures.CYCLE[j], lw=1)
        ax.set(xscale="log", yscale="log", xlabel="neurons N", ylabel=label)
        figures.log_ticks(ax, n)
    axes[0].legend()


# %% tags=["hide-input"] mystnb={"image": {"alt": "Two panels against the number of neurons on logarithmic axes: the change in test loss with half of the neurons kept, and the excess of the path over its ends. Both fall as straight lines for plain SGD and for heavy ball, nearly parallel, the heavy ball's above."}, "figure": {"name": "fig-fu-balls", "caption": "Digits, two layers: change in test loss when half of the neurons are kept (left) and excess of the certified path over its higher end (right), mean and standard deviation over four networks and two pairs, with fitted power laws. Heavy ball is dropout stable and connected like plain SGD: the slopes agree, the constant is larger."}}
draw_balls()

# %%
(n, plain), (_, ball) = (against_width(b, "change") for b in (0.0, 0.9))
for who, v in (("plain SGD", plain), ("heavy ball", ball)):
    print(f"{who:10}: slope of the change {fits.loglog(n, v)}")
ratio = ball.mean(1) / plain.mean(1)
print(f"heavy ball over plain: {ratio.min():.2f} to {ratio.max():.2f}")

# %% [markdown]
# {numref}`fig-fu-balls` answers for this data: with heavy ball both
# quantities fall with $N$ as they do without, nearly in parallel; at the same
# $N$ they are somewhat larger. Momentum changes the constant, not the rate.
#
# ## What this does not show
#
# - **One small data set, few networks.** Eight ways on three pairs of each
#   architecture are an illustration, not a ranking; where two deviations
#   overlap, take neither for the better.
# - **Settings.** Each way has settings that we did not tune in earnest. A
#   curve trained longer is lower, subnetworks trained longer are too.
# - **The ends differ.** The wide networks are trained with dropout, the deep
#   ones without: each is the case that one of the theorems is for.
# - **Costs** count products in forward and backward passes and in the
#   matching. What is left out is of lower order: mixing three parameters at
#   every step of a curve, the assignments, building and certifying the path.
# - **Matching** reaches a permutation of $\theta^B$. Who wants to arrive at
#   $\theta^B$ itself has that way still to go.
#
# ## Exercises
#
# 1. Train the wide networks without dropout (`-p rate=0`). Which two paths
#    suffer?
# 2. Train the curve from $\theta^A$ to the *matched* end. How many steps does
#    it now need?
# 3. In `dropped`, take `min` away: no cap on the factor. The wide path is
#    lower, and its length explodes. Why?
# 4. Set `beta` to 0.99. Do the parallel lines stay parallel?
#
# ## Provenance

# %% tags=["remove-input"]
run.footer()
