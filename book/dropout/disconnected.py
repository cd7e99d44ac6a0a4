# %% [markdown]
# (dropout-disconnected)=
# # Two minima that no path joins
#
# **In one sentence.** For every width $h \ge 2$ there are data on which a
# network of $h$ hidden units, $h - 2$ more than it needs, has two global
# minima that no path of zero loss connects; we compute how high the wall
# between them is, from below by proof and from above by paths, and find that
# biases, which the construction leaves out, join the two minima from $h = 4$
# on.
#
# **Reproduces** {cite}`kuditipudi2019`: Theorem 4, Lemma 6, Figure 4.
# **Needs** {ref}`dropout-paths`.

# %% tags=["parameters"]
profile = "laptop"  # "paper" tries more widths and searches longer
widths = [2, 3, 4]  # h, of the hidden layer
proved = [2, 3, 4]  # widths at which the bound is computed
starts = 600  # of the search for a pass
candidates = 64  # first paths
steps = 600  # that lower the best of them

# %% tags=["remove-cell"]
import sys
from pathlib import Path

here = Path(globals().get("__file__", "chapter.py")).resolve()
root = next(p for p in here.parents if (p / "_config.yml").exists())
sys.path.insert(0, str(root))

# %% tags=["remove-input"]
from book.tools import chapter

run = chapter.start(
    "dropout/disconnected",
    profile,
    widths=widths,
    proved=proved,
    starts=starts,
    candidates=candidates,
    steps=steps,
)

# %% [markdown]
# ## The claim
#
# The student has two layers, $h$ hidden units and *no biases*. With
# $\phi(u) = \max(u, 0)$, input weights $a_u \in \mathbb{R}^{h+2}$ and output
# weights $w_u$, its output at $x$ is
#
# $$
# f_\theta(x) = \sum_{u=1}^h w_u\, \phi(\langle a_u, x\rangle), \qquad
# \theta = (w, A).
# $$ (eq-dc-net)
#
# ```{prf:theorem} K19, Theorem 4, in our words
# :label: thm-dc-four
# Let the loss $\ell(y, \hat y)$ be convex and smallest for $\hat y = y$ only.
# For every $h \ge 2$ there are samples, labelled by a teacher
# {eq}`eq-dc-net` with two hidden units, on which a student with $h$ hidden
# units has two global minima that no continuous path of minimal loss joins.
# ```
#
# The samples $x_1, \dots, x_n$ are the rows of a matrix $X$ with the columns
# $f_1, \dots, f_{h+2}$, in four blocks that end at $k < l < m < n$.
# {numref}`fig-dc-data` is the paper's Figure 4 with all its entries. The
# labels are $y_i = 1$ for $i \le l$ and 0 after. Since $\phi$ removes what is
# negative,
#
# $$
# \phi(f_1) - \phi(f_2) = y = \phi(f_3) + \dots + \phi(f_{h+2}).
# $$ (eq-dc-two)
#
# On the left is the teacher: two live units, one of them with a *negative*
# output weight. On the right all $h$ units are live and all output weights
# are positive. A student can hold either.

# %%
from kernels import counterexample

ends = dict(k=5, l=10, m=13, n=18)
x, y = counterexample.dataset(4, **ends)

# %% tags=["remove-cell"]
import numpy as np

from book.tools import figures


def draw_data(x, y, ends):
    """K19's Figure 4: the matrix, its labels, and the entries in question."""
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Rectangle

    ax = figures.axes(size=(5.2, 6.2))
    table = np.column_stack([x, np.full(len(y), np.nan), y])
    colours = ListedColormap(["#9cc4de", "#eef1f4", "#f0b48f"])
    ax.imshow(np.clip(table, -1, 1), cmap=colours, aspect="auto")
    for i, row in enumerate(table):
        for j, value in enumerate(row):
            if np.isfinite(value):
                shown = f"{value:.0f}".replace("-", "−")
                ax.text(j, i, shown, ha="center", va="center", fontsize=8)
    columns = x.shape[1]
    for end in list(ends.values())[:-1]:
        ax.axhline(end - 0.5, color=figures.COLOURS["black"], lw=1)
    first, last = ends["k"], ends["l"]
    for i in range(first, last):
        for j in range(2, columns):
            if x[i, j] == 0:
                box = Rectangle(
                    (j - 0.42, i - 0.4),
                    0.84,
                    0.8,
                    fill=False,
                    lw=1.2,
                    ec=figures.COLOURS["purple"],
                )
                ax.add_patch(box)
    names = [f"$f_{j}$" for j in range(1, columns + 1)]
    ax.set_xticks([*range(columns), columns + 1], [*names, "$y$"])
    rows = [0, *[end - 1 for end in ends.values()]]
    ax.set_yticks(rows, [f"$x_{e}$" for e in (1, *ends)])
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.grid(False)
    for side in ax.spines.values():
        side.set_visible(False)


LABELS = {
    "line": figures.look("line"),
    "theorem1": figures.look("k19"),
    "optimised": figures.look("bezier", ls="-.", label="optimised path"),
}


def draw_ways(cell):
    """Loss along the three paths of one width, and the proved wall."""
    ax = figures.axes(size=(7.2, 3.6))
    for name, look in LABELS.items():
        loss = np.array(cell[f"{name}_seen"])
        t = np.linspace(0, 1, len(loss))
        ax.plot(t, np.maximum(loss, 1e-4), **look)
    ax.axhline(
        cell["proved"],
        color=figures.COLOURS["black"],
        lw=1,
        label="no path stays below",
    )
    ax.set(
        yscale="log",
        ylim=(1e-3, 10),
        xlabel="place on the path, from the teacher to the full network",
        ylabel="mean square error",
    )
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))


def draw_widths(cells):
    """All heights against the width."""
    ax = figures.axes(size=(7.2, 3.8))
    widths = [c["h"] for c in cells]
    for marker, (name, look) in zip(figures.MARKERS, LABELS.items()):
        ax.plot(widths, [c[name] for c in cells], marker=marker, **look)
    ax.plot(
        widths,
        [c["zero"] for c in cells],
        ":",
        color=figures.COLOURS["grey"],
        label="zero network",
    )
    ax.plot(
        widths,
        [c["pass"] for c in cells],
        "v",
        mfc="none",
        ms=8,
        color=figures.COLOURS["black"],
        label="pass found",
    )
    proved = [(c["h"], c["proved"]) for c in cells if c["proved"]]
    ax.plot(
        *zip(*proved),
        "^",
        color=figures.COLOURS["black"],
        label="proved",
    )
    ax.set(yscale="log", xlabel="width h", ylabel="mean square error")
    ax.set_xticks(widths)
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))


def table(cells):
    """The numbers of every width, as text."""
    print(" h   line  Theorem 1  optimised  pass found   proved")
    for c in cells:
        proved = f"{c['proved']:.5f}" if c["proved"] else "      –"
        print(
            f"{c['h']:2d} {c['line']:6.2f} {c['theorem1']:10.3f} "
            f"{c['optimised']:10.4f} {c['pass']:11.5f} {proved:>8}"
        )


# %% tags=["hide-input"] mystnb={"image": {"alt": "The data set as a table of 18 rows and 6 columns in four blocks: columns 1 and 2 count up to l and carry minus ones between l and m; the other columns hold a repeated identity pattern, positive up to l and negative after m."}, "figure": {"name": "fig-dc-data", "caption": "The data set for h = 4 at its smallest sizes, k = 5, l = 10, m = 13, n = 18 (lines after rows k, l, m). Orange: positive; blue: negative. Up to row k a column has −1 where it is not 1; from there to row l, in the outlined entries, it has 0. Read literally, the paper's formula puts −1 there too."}}
draw_data(x.numpy(), y.numpy(), ends)

# %%
worst = 0.0
for width in range(2, 13):
    student = counterexample.network(width)
    x, y = counterexample.dataset(width)
    for theta in counterexample.minima(width):
        out = student.forward(theta, x)[:, 0]
        worst = max(worst, (out - y).square().mean().item())
teacher, full = counterexample.minima(4)
live = {
    name: int((theta[1][0] != 0).sum())
    for name, theta in (("teacher", teacher), ("full", full))
}
print(f"live units at h = 4: {live}; largest loss, h = 2 … 12: {worst}")
run.measure("k19-theorem4-minima", worst)
assert live["teacher"] == 2

# %% [markdown]
# ## Why no path joins them
#
# ```{prf:lemma} K19, Lemma 6, in our words
# :label: lem-dc-six
# No $h - 1$ units with non-negative output weights compute $y$ on the data.
# ```
#
# Non-negative weights may be absorbed into the units, for
# $w\,\phi(u) = \phi(wu)$. The proof then asks each block of rows in turn.
#
# 1. *Rows after $l$.* Here each row is $-1$ in one column $j$ and 0 elsewhere,
#    so a unit with $a_{u,j} < 0$ is positive there. Nothing can cancel it,
#    all weights being non-negative, and the label is 0. So all
#    $a_{u,j} \ge 0$.
# 2. *Rows $k < i \le l$.* Now every unit is $\ge 0$ on these rows. Rows $i$
#    and $i + h$ differ in the first two columns only, where the second has
#    $h$ more. Both labels are 1, so no unit uses $f_1$ or $f_2$.
# 3. *Rows $i \le k$ against rows $k < i \le l$.* A unit that uses column $j$
#    has there the value $a_{u,j}$ in the second block, and
#    $a_{u,j} - \sum_{j' \ne j} a_{u,j'}$ or 0 in the first. The sums over
#    units are 1 in both, so no unit may lose anything: each uses *one* column.
#    But there are $h$ columns to serve, and $h - 1$ units.
#
# ```{prf:proof}
# The theorem follows from the lemma. Take a path of minimal loss from the
# teacher to the full network. Its output weights start with a negative one and
# end all positive. At the *last* moment at which some $w_u \le 0$, all weights
# are $\ge 0$ and at least one is 0, by continuity. The unit of weight 0 does
# nothing, so $h - 1$ units of non-negative weight compute $y$: impossible.
# ```
#
# The paper words the middle differently: at some point "at least one output
# layer weight is zero while the other $h - 1$ are positive". That need not
# happen. Several weights may be 0 at once, as the teacher's own $h - 2$ are.
# The last moment is what always exists, and the lemma, whose proof never uses
# that a weight is not 0, covers it.
#
# Two things follow that the paper does not say. Permuting the units, or moving
# a positive factor from $a_u$ to $w_u$, keeps the signs of the weights, so
# the two minima stay apart however one identifies equivalent networks. And the
# wall has a height: what $h - 1$ units of non-negative weight can compute is a
# finite union of polyhedral cones, hence a closed set, $y$ is not in it, and
# so it has a positive distance from $y$. Every path crosses that set.
#
# ## How high is the wall?
#
# Take the square loss, $L(\theta) = \frac1n \sum_i (f_\theta(x_i) - y_i)^2$.
# The height of the wall, the *barrier*, is the infimum over paths between the
# two minima of the largest loss on the path. The *lowest pass*
#
# $$
# P_h = \min_{a_1, \dots, a_{h-1}} \frac1n \sum_{i=1}^n
# \Big( \sum_{u=1}^{h-1} \phi(\langle a_u, x_i\rangle) - y_i \Big)^2
# $$ (eq-dc-pass)
#
# is a loss that every path reaches. A *search* for {eq}`eq-dc-pass` (thousands
# of starts, each a least-squares descent) yields an upper bound on $P_h$ and
# proves nothing. A proof needs a bound from *below*, and one can be had:
# whether unit $u$ is on for sample $i$ is a yes or no, everything else inside
# the squares is linear, and the square of a residual $r$ lies above its
# tangents,
#
# $$
# r^2 \ge 2 s r - s^2 \qquad \text{for every } s.
# $$ (eq-dc-tangent)
#
# With a grid of tangents {eq}`eq-dc-tangent` that is a mixed-integer linear
# program, which branch and bound solves to the end. (Step 1 above is what
# bounds the weights, so that the search space is finite.) `pass_bound` sets it
# up; its minimiser is then a new start for the search. `lowest` does both,
# search and proof.

# %%
from kernels.counterexample import fit


def lowest(x, y, *, starts, tangents, generator):
    """The lowest pass: the best found, and what is proved (or 0)."""
    found = counterexample.lowest_pass(
        x, y, starts=starts, generator=generator
    )
    if not tangents:
        return found.loss, 0.0
    proved = counterexample.pass_bound(x, y, found.rows, tangents=tangents)
    again, _ = fit(x, y[None], proved.rows[None], 300)
    return min(found.loss, again.item()), proved.loss


# %% [markdown]
# From above, the height of *any* path bounds the wall. We take three: the
# straight line; the path of K19's Theorem 1, over the best halves of both
# networks ({ref}`dropout-paths`); and one that is optimised to be low. Along a
# segment the loss of a two-layer network is piecewise a polynomial of degree
# 4 in $t$, so that `certify` gives the exact supremum of each
# ({ref}`dropout-certificates`).
#
# The optimised path fades one unit of the full network while the others make
# up for it, and fades it in again as the teacher's negative unit; then the
# highest places are pushed down. Columns serve different numbers of rows, so
# it matters which unit fades: `crossing` takes the second, and `fading`
# relabels the data for the others.

# %%
import torch

from kernels import certificates, device, dropout, interpolation, paths


def fading(x, y, unit, **options):
    """A path on which this unit fades; the teacher's own moves there first."""
    columns, units = torch.arange(x.shape[1]), torch.arange(x.shape[1] - 2)
    columns[[3, unit + 2]] = columns[[unit + 2, 3]]
    units[[1, unit]] = units[[unit, 1]]
    found = counterexample.crossing(x[:, columns], y, **options)
    knots = [
        ((rows[units][:, columns], None), (outer[:, units], None))
        for (rows, _), (outer, _) in found.knots
    ]
    teacher, _ = counterexample.minima(len(units))
    copied = teacher[0][0].clone()
    copied[unit] = copied[1]
    copied = (copied, None)
    moved = (copied, knots[0][1])
    return paths.Path([teacher, (copied, teacher[1]), moved, *knots])


# %% tags=["hide-input"]


def cross(*, h, starts, tangents, candidates, steps):
    """What lies between the two minima of width h."""
    x, y = counterexample.dataset(h)
    student, ends = counterexample.network(h), counterexample.minima(h)
    g = device.generator(0, "disconnected", h)
    best, proved = lowest(x, y, starts=starts, tangents=tangents, generator=g)
    halves = [
        dropout.stability(
            student, theta, x, y, loss="square", draws=100, generator=g
        )
        for theta in ends
    ]
    (kept_a, r_a), (kept_b, r_b) = (
        (s.kept[s.best], s.scale[s.best]) for s in halves
    )
    ways = {
        "line": paths.straight(*ends),
        "theorem1": paths.theorem1(
            student,
            *ends,
            kept_a=kept_a,
            kept_b=kept_b,
            scale_a=r_a,
            scale_b=r_b,
        ),
    }
    options = dict(knots=12, candidates=candidates, keep=3, steps=steps)

    def top(way):
        proof = certificates.certify(student, way, x, y, loss="square")
        return proof.attained

    ways["optimised"] = min(
        (fading(x, y, u, generator=g, **options) for u in range(1, h)), key=top
    )
    result = {"h": h, "zero": y.mean().item(), "pass": best, "proved": proved}
    result["halves"] = [s.train_loss.min().item() for s in halves]
    for name, way in ways.items():
        points = 2 + 200 // len(way)
        seen = interpolation.loss_curve(student, way, x, y, points, "square")
        result[name], result[f"{name}_seen"] = top(way), seen.loss.tolist()
    return result


# %%
scale = run.scale(
    laptop=dict(
        widths=widths,
        proved=proved,
        starts=starts,
        candidates=candidates,
        steps=steps,
    ),
    paper=dict(
        widths=[2, 3, 4, 5, 6, 7],
        proved=[2, 3, 4, 5],
        starts=1500,
        candidates=128,
        steps=1000,
    ),
)

# %%
from kernels import sweep

fixed = {name: scale[name] for name in ("starts", "candidates", "steps")}
cells = sweep.run(
    cross,
    [
        dict(h=h, tangents=65 if h in scale["proved"] else 0, **fixed)
        for h in scale["widths"]
    ],
    store=run.store,
)

# %% tags=["hide-input", "rtol=0.05"]
table(cells)

# %% [markdown]
# Here *proved* $\le P_h \le$ *pass found*, and *proved* $\le$ wall $\le$
# *optimised*. At these three widths the last three agree within two per
# cent: to that accuracy, the wall is no higher than its lowest pass.
# {numref}`fig-dc-ways` walks the three paths.

# %% tags=["hide-input", "rtol=0.1", "atol=0.1"] mystnb={"image": {"alt": "Mean square error on a logarithmic axis along three paths between the two minima at h = 4: the straight line rises above 3, the path of Theorem 1 to 0.22, the optimised path to the horizontal line at 0.0106 that no path can stay below."}, "figure": {"name": "fig-dc-ways", "caption": "h = 4: loss along three paths between the minima. All begin and end at loss 0 (off the axis). Every path must reach the black line, and the optimised one hardly rises above it."}}
shown = 4 if 4 in scale["widths"] else max(scale["widths"])
draw_ways(next(c for c in cells if c["h"] == shown))

# %% [markdown]
# The wall is real, but low: the network that outputs 0 everywhere has loss
# $l/n$, just above one half, while the pass at $h = 4$ costs a fiftieth of
# that. The straight line, in contrast, climbs higher the wider the network
# is.
#
# ## Why Theorem 1 is not contradicted
#
# Theorem 1 joins minima that are dropout stable. Are these? Among a hundred
# random halves, each with its best rescaling, the smallest loss is

# %%
for c in cells:
    a, b = c["halves"]
    print(f"h = {c['h']}: half the teacher {a:.3f}, half the full net {b:.3f}")

# %% [markdown]
# From $h = 4$ on, the *teacher* is perfectly dropout stable: keep its two
# units. The full network is not. A sample of label 1 has one unit that serves
# it; drop the unit and the output is 0, and no rescaling helps, because every
# other output is right already. So its $\epsilon$ is the share of samples
# that the dropped units served. Theorem 1 then promises a path of that
# height, and delivers it, to the last digit of the table. *Both* ends need
# the assumption, and having more units than necessary does not imply it.
#
# ## Raising and lowering the wall
#
# "Somewhat arbitrarily", the paper says, $k$, $l$ and $m$ raise or lower the
# barrier. We lengthen the blocks of rows at $h = 3$, one at a time and
# together, to $3c + 1$ rows each ($3c$ between $l$ and $m$), and search.

# %% tags=["hide-input"]


def resized(*, longer, periods, starts):
    """The lowest pass found at h = 3 with some blocks made longer."""
    each = [periods if block in longer else 1 for block in range(4)]
    rows = [3 * c + (block != 2) for block, c in enumerate(each)]
    x, y = counterexample.dataset(3, *np.cumsum(rows).tolist())
    g = device.generator(0, "resized", *longer, periods)
    found = counterexample.lowest_pass(
        x, y, starts=starts, steps=120, generator=g
    )
    return {"pass": found.loss, "zero": y.mean().item()}


BLOCKS = {
    "rows to k": [0],
    "rows k to l": [1],
    "rows l to m": [2],
    "rows m to n": [3],
    "all rows after l": [2, 3],
    "all rows": [0, 1, 2, 3],
}
PERIODS = [1, 2, 4, 8, 16]
grid = [(name, c) for name in BLOCKS for c in PERIODS]
found = sweep.run(
    resized,
    [
        dict(longer=BLOCKS[name], periods=c, starts=scale["starts"] // 3)
        for name, c in grid
    ],
    store=run.store,
)
sizes = dict(zip(grid, found))

# %% tags=["hide-input", "rtol=0.02", "atol=0.02"] mystnb={"image": {"alt": "Two panels against the length of the lengthened blocks. Left: the lowest pass falls in the end when any one block grows, and rises from 0.019 to 0.028 when all four grow together. Right: relative to the zero network's loss it rises from 4 to about 12 per cent when all rows after l are lengthened."}, "figure": {"name": "fig-dc-sizes", "caption": "h = 3: the lowest pass found, when blocks of rows are lengthened. Left: as a mean square error. In the end any single block lowers it, all together raise it. Right: relative to the loss l/n of the zero network, rows of label 0 raise it and rows of label 1 lower it."}}
axes = figures.axes(2)
for j, name in enumerate(BLOCKS):
    at = [sizes[name, c] for c in PERIODS]
    height = np.array([s["pass"] for s in at])
    share = 100 * height / [s["zero"] for s in at]
    for ax, value in zip(axes, (height, share)):
        ax.plot(
            PERIODS,
            value,
            marker=[*figures.MARKERS, "*"][j],
            ls=figures.STYLES[j % 5],
            color=[*figures.CYCLE, figures.COLOURS["black"]][j],
            label=name,
        )
        ax.set(xscale="log", xlabel="length c of the blocks")
        figures.log_ticks(ax, PERIODS)
for ax in axes:
    ax.set_ylim(bottom=0)
axes[0].set_ylabel("lowest pass found")
axes[1].set_ylabel("in per cent of l/n")
figures.legend(axes[1])

# %% [markdown]
# To lower it is easy: a long block gives the mean many rows that are almost
# free of error, and the pass falls like $1/n$, without end. To raise it is
# harder. One block may add a quarter when it is doubled; beyond that all four
# must grow, which makes $f_1$ and $f_2$ useless even as an approximation, and
# the gain stays below a half. What is left is at most a few per cent of the
# zero network's loss, or above a tenth where most rows have label 0.
#
# ## From h = 4 on biases join the two
#
# The student has no biases, and that is essential. Write $[J]$ for the
# function that is 1 on the samples $i \le l$ that belong to one of the columns
# in $J$, and 0 on all others; the full network is $[3] + \dots + [h+2]$. Step
# 3 of the lemma says that without a bias a unit can be $[J]$ for a single
# column only. With one it can for any $J$ but all of them. With $q = |J|$,
# $\kappa = (q - 1)/(h - q)$ and any $b \ge \kappa$, on every sample,
#
# $$
# \phi\Big( b\,(f_1 - f_2) + \sum_{j \in J} f_j - \kappa \sum_{j \notin J} f_j
# - b \Big) = [J].
# $$ (eq-dc-bias)
#
# (On samples of label 1, $b(f_1 - f_2) - b = 0$. After row $l$ it is at most
# 0, and after row $m$ it is $-b$, which outweighs $\kappa$.) So by
# {eq}`eq-dc-bias` for $h \ge 3$ *two* biased units of positive weight fit the
# data, and Lemma 6 fails. The search agrees, and finds that $h = 2$ is the
# exception: one biased unit cannot be enough.
#
# That removes the obstacle. From $h = 4$ on one can do more and walk through:
# `biased_path` lets $[3]$ grow into $[3, 4]$ while $[4]$ fades, uses the unit
# that has become free to collect $h - 1$ columns in one, and has $h - 2$ free
# units, room for the teacher's two; Lemma 2 of K19 does the rest.

# %%
for width in (2, 3, 4):
    x, y = counterexample.dataset(width)
    found = counterexample.lowest_pass(
        x, y, bias=True, starts=100, generator=run.generator("bias", width)
    )
    shown = f"{found.loss:.4f}" if found.loss > 1e-15 else "below 1e-15"
    print(f"h = {width}, biased units {width - 1}: lowest loss {shown}")

for width in (4, 5, 8):
    x, y = counterexample.dataset(width)
    bridge = counterexample.biased_path(width)
    biased = counterexample.biased_network(width)
    proof = certificates.certify(biased, bridge, x, y, loss="square")
    print(
        f"h = {width}: {len(bridge)} segments, exact: {proof.exact}, "
        f"supremum below 1e-24: {proof.attained < 1e-24}"
    )

# %% [markdown]
# Both minima lie in the larger space, with all biases 0, and there they are
# connected at loss zero. (At $h = 3$ we know that the pass is at height 0,
# and not whether a path at height 0 leads through it.)
#
# ## Two notes on the statement
#
# **The index.** In appendix C the entry $-1$ is for $i \not\equiv j$ and
# "$i \le l$", and the entry 0 for $i \not\equiv j$ and $k < i \le l$: the
# two overlap. The first must read $i \le k$, as Figure 4 draws it. The check
# {eq}`eq-dc-two` cannot tell the readings apart, since $\phi$ removes the
# $-1$s. But without the 0s rows $k < i \le l$ repeat the rows above, and step
# 3 has nothing to compare. (The theorem survives even so: exercise 1.) And
# $i \equiv j$ puts the 1 of the first row into another column than Figure 4,
# which has it in $f_3$, as we do: a cyclic relabelling of columns, without
# consequence.

# %%
x, y = counterexample.dataset(4, **ends)
literal = x.clone()
block = literal[ends["k"] : ends["l"], 2:]
block[block == 0] = -1  # "-1, ... i <= l"
student = counterexample.network(4)
for name, data in (("corrected", x), ("literal", literal)):
    losses = [
        (student.forward(theta, data)[:, 0] - y).square().mean().item()
        for theta in counterexample.minima(4)
    ]
    found = counterexample.lowest_pass(
        data, y, starts=300, generator=run.generator("literal")
    )
    print(f"{name}: both minima {losses}, pass found {found.loss:.3f}")

# %% [markdown]
# **The loss.** The paper asks for a convex loss that "is minimized when
# $y = \hat y$". It needs one that is minimal *only* then. The loss
# $\max(|y - \hat y| - 1, 0)$ is convex, and 0 at $\hat y = y$; with labels 0
# and 1 it is 0 on the whole path that fades one network out, and the other
# in.

# %%
teacher, full = counterexample.minima(4)
off = (torch.zeros_like(full[1][0]), None)  # all output weights 0
fade = paths.Path([teacher, (teacher[0], off), (full[0], off), full])
outputs = torch.cat(
    [student.forward(fade(t), x) for t in np.linspace(0, 1, 301)], 1
)
tube = (outputs - y[:, None]).abs().sub(1).clamp_min(0)
print(f"largest loss on the path: {tube.mean(0).max().item()}")

# %% [markdown]
# ## At larger widths
#
# The recorded run tries more widths, more starts and longer descents.

# %%
run.measure("k19-theorem4-barrier", min(c["proved"] or 1 for c in cells))
run.measure("k19-lemma6", min(c["pass"] for c in cells))
base = sizes["all rows", 1]["pass"]
single = min(
    s["pass"] for (name, _), s in sizes.items() if len(BLOCKS[name]) == 1
)
run.measure("k19-barrier-lower", base / single)
run.measure("k19-barrier-raise", sizes["all rows", 16]["pass"] / base)
run.finish({"cells": cells})

# %% tags=["hide-input", "rtol=0.001"] mystnb={"image": {"alt": "Heights against the width from 2 to 7 on a logarithmic axis: the straight line rises from 1 to 10, the zero network and Theorem 1's path stay at about one half and one quarter, the optimised path and the lowest pass fall, the pass from 0.04 to 0.004."}, "figure": {"name": "fig-dc-widths", "caption": "The recorded run. Between the proved bound (filled, up to h = 5) and the optimised path lies the height of the wall. The pass found (open) is an upper bound on the lowest pass, not on the wall."}}
draw_widths(run.recorded["cells"])

# %% tags=["hide-input"]
table(run.recorded["cells"])

# %% [markdown]
# ## Verdict

# %% tags=["remove-input"]
run.verdict()

# %% [markdown]
# ## Deviations, and what to make of them
#
# - **Only numbers of ours.** The paper proves and measures nothing here: all
#   heights in this chapter are ours, for the square loss; another loss gives
#   others.
# - **What is proved.** The bound from below is a branch and bound proof in
#   floating point, up to the tolerances of the solver (HiGHS in SciPy). The
#   suprema of paths are exact up to rounding. The lowest pass *found* is a
#   search's result; at $h = 4$ the program's own minimiser beat 600 random
#   starts, which is why both stand in the table.
# - **Between the two.** That the wall is no higher than the pass is no
#   theorem. Where path and bound meet it is so, to the digits that they share;
#   from $h = 5$ on our paths are higher, and we do not know whether better
#   ones exist.
# - **Width.** "Any width" needs $h \ge 2$: a student must be able to hold the
#   teacher. Spaces are exchanged in print: $w \in \mathbb{R}^h$ and
#   $A \in \mathbb{R}^{h \times (h+2)}$.
# - **Biases.** The paper's student has none and says so by its formula. The
#   path through the biased student is about *these* data; whether others
#   disconnect biased students is another question, which we leave open.
#
# ## Exercises
#
# 1. Prove the lemma for the literal reading. (Where a unit is on in row $i$,
#    where is it in rows $i \pm h$? And of the numbers
#    $a_j - \sum_{j' \ne j} a_{j'}$ with $a \ge 0$, how many can be positive?)
# 2. Call `lowest_pass(x, y, h)`, with one unit more. How many of the starts
#    reach 0?
# 3. Set `widths` and `proved` to `[2, 3, 4, 5]`, and wait half a minute for
#    the proof. By how much had the search been
#    wrong?
#
# ## Provenance

# %% tags=["remove-input"]
run.footer()
