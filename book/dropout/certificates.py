# %% [markdown]
# (dropout-certificates)=
# # What a certificate proves
#
# **In one sentence.** The highest loss on a path, over uncountably many
# parameters, is bounded by finitely many forward passes; here is every rule of
# the bound with its proof, rounding included, and a segment that closes before
# your eyes.
#
# None of the three papers bounds anything by computation. Boxes carried
# through the layers, and lines above and below a ReLU, are the tools by which
# networks are verified against changes of their input
# {cite}`gowal2018,zhang2018`, or of their weights {cite}`xu2020`; what is put
# together here, for a segment of weights and its mean loss, is ours. Wherever
# this book says *certified*, *proved* or *exact* of a path, it says that
# `certify` returned what this chapter proves; some recorded runs are older
# than its allowance for rounding, and say so. **Needs**
# {ref}`dropout-straight` and {ref}`dropout-paths`.

# %% tags=["parameters"]
profile = "laptop"  # there is no other scale: nothing here is a paper's
width = 16  # from 2 to 200: hidden units of each of two layers
steps = 200  # of SGD, for both ends of the segment
samples = 200  # from 10 to 1297: training images
halvings = 6  # from 1 to 8: how often the segment is halved

# %% tags=["remove-cell"]
import sys
from pathlib import Path

here = Path(globals().get("__file__", "chapter.py")).resolve()
root = next(p for p in here.parents if (p / "_config.yml").exists())
sys.path.insert(0, str(root))

# %% tags=["remove-input"]
from book.tools import chapter

run = chapter.start(
    "dropout/certificates",
    profile,
    width=width,
    steps=steps,
    samples=samples,
    halvings=halvings,
)

# %% [markdown]
# ## What is claimed
#
# A path is a list of *knots*, parameters joined by straight segments. Its
# weights are stored as floating-point numbers, of 64, 32 or 16 bits. Each of
# them *is* a real number, and so is each input. The certificate speaks of
# those real numbers: on a segment from $\theta$ to $\theta'$ it means every
# $(1 - s)\theta + s\theta'$, $0 \le s \le 1$, in exact arithmetic, and the
# mean loss
#
# $$
# \Lambda(s) = \frac1n \sum_{j=1}^n
# \ell\big(f_{(1-s)\theta + s\theta'}(x_j), y_j\big)
# $$ (eq-ce-loss)
#
# over the $n$ samples it was given, where $f$ is the network, with ReLU and
# pooling, and $\ell$ is the cross entropy or the square loss.
#
# ```{prf:theorem} What a certificate says
# :label: thm-ce-all
# Let all numbers be finite. Then $\Lambda(s) \le$ `upper` on every segment and
# for every $s$, and the fraction of wrong samples is at most `error_upper`.
# At the place `where` of its highest segment the loss is at least `attained`:
# the largest found, less the allowance for rounding there. If `exact` is true,
# `upper` exceeds `attained` by at most `rounding`. The bounds hold whether or
# not `complete` is true; where a product overflows, `certify` raises an error.
# ```
#
# The proof is the rest of this chapter: {prf:ref}`prop-ce-kinds` for segments
# that need no search, {prf:ref}`prop-ce-linear` to {prf:ref}`prop-ce-loss` for
# all others, {prf:ref}`prop-ce-rounding` for the arithmetic. It assumes that
# the machine rounds float64 sums and products as IEEE 754 says, and that `exp`
# and `log` err by at most 8 units in the last place.
#
# ## Segments that need no search
#
# A convex loss of outputs that are affine in $s$ is convex in $s$, hence
# largest at an end. So it is enough to *prove* that outputs are affine. Units
# that compute the same are put in one class, from the input upwards. The
# *effective row* of a unit is its weights, summed over each class below, and
# its bias. A unit is *fixed* where its effective row is the same at both ends
# and is zero at every class that is not fixed.
#
# ```{prf:proposition} Kinds of segments
# :label: prop-ce-kinds
# Put units in one class where their effective rows agree at both ends; leave
# out units whose effective rows are zero at both ends. If the outputs'
# effective rows are zero, at both ends, at every class that is not fixed, the
# outputs are affine in $s$ for every input; if those rows also agree at the
# two ends, the outputs are constant.
# ```
#
# ```{prf:proof}
# By induction over the layers, units of one class compute one function
# $h_c(s, x)$, and units left out compute zero. A pre-activation is
# $\sum_c r_c(s)\, h_c(s, x) + b(s)$, where $r_c(s)$, the sum of the unit's
# weights over the class, is affine in $s$. Two units with equal $r$ and $b$ at
# both ends have them equal for all $s$: they compute the same; with zeros at
# both ends, they compute zero. For a fixed unit $r$ and $b$ do not move and
# the classes that do are multiplied by zero: by induction $h$ does not depend
# on $s$. So the outputs are $\sum r_c(s)\, h_c(x) + b(s)$ over fixed classes:
# affine in $s$, constant if $r$ and $b$ are. Pooling acts on each channel by
# itself and is a function: equal maps stay equal.
# ```
#
# "Agree" means agree as real numbers. Weights of one layer may differ by
# twenty orders of magnitude, so no difference is small against the layer's
# largest. Sums over a class are compared without rounding: two numbers are
# replaced by their rounded sum and its error, which is a floating-point number
# too (*two-sum*), until the terms of both sides have cancelled to nothing or
# have not. In the example, `uneven`, one weight moves from $0$ to $5 \cdot
# 10^{-8}$ beside one of $10^6$. It is read by $2 \cdot 10^7$, and the loss
# goes from 0 to 1.

# %%
import torch

from kernels import certificates, networks, paths


def uneven(w):
    """One input, hidden rows (1e6) and (w), output weights (0, 2e7)."""
    first, last = torch.tensor([[1e6], [w]]), torch.tensor([[0, 2e7]])
    return ((first.double(), None), (last.double(), None))


small = networks.mlp([1, 2, 1], bias=False)
one, zero = torch.ones(1, 1).double(), torch.zeros(1, 1).double()
path = paths.straight(uneven(0), uneven(5e-8))
sure = certificates.certify(small, path, one, zero, loss="square")
print(f"{path.kinds[0]}, upper {sure.upper:.3f}, rounding {sure.rounding:.0e}")

# %% [markdown]
# Some constructions round when they *make* the weights: hand $0.3\,w$ and
# $0.7\,w$ to two twins, and the stored numbers do not quite add up to $w$.
# That is a real difference, and it is carried along.
#
# ```{prf:proposition} Rounded weights
# :label: prop-ce-mismatch
# Let the effective rows of the units of fixed classes differ from one row of
# their class by at most $\delta$, entry by entry and at both ends, let
# everything else be as in {prf:ref}`prop-ce-kinds`, exactly, and let
# $M = \max(|W|, |W'|)$ for a layer's weights at the two ends. Then unit $i$
# computes its class's function $h_c(x)$ up to $\epsilon_i$, and each output is
# within $\epsilon$ of an affine function of $s$, where from layer to layer
#
# $$
# \epsilon \leftarrow \delta\, |h_c| + M\, \epsilon .
# $$ (eq-ce-mismatch)
# ```
#
# ```{prf:proof}
# At any $s$ a weight is at most $M$ in size and an effective row differs from
# its class's by at most $\delta$, for both are affine in $s$. Write unit $j$
# below as $h_{c(j)} + e_j$, $|e_j| \le \epsilon_j$: the pre-activation is
# $\sum_c r_c h_c + b$, off by $\delta |h_c|$ at most from the class's, plus
# $\sum_j w_j e_j$. The ReLU and pooling do not enlarge differences. What
# varies is multiplied by exact zeros. At the outputs only $M \epsilon$ is
# added to what is affine.
# ```
#
# The chord between the true ends is then missed by at most $2\epsilon$, and
# that widens the outputs' box below. Such a segment is called constant or
# affine *up to* `mismatch`, its ends are evaluated separately, and where the
# number is not tiny the segment is treated as general.

# %%
net = networks.mlp([3, 4, 5, 2])
g = torch.Generator().manual_seed(0)
theta = [list(pair) for pair in net.init(generator=g, dtype=torch.float64)]
theta[0][0][2:] = theta[0][0][:2]  # two pairs of twins
other = [list(pair) for pair in theta]
w = theta[1][0][:, :2].clone()
theta[1][0] = torch.cat([w, 0 * w], 1)
x, y = torch.randn(20, 3, generator=g).double(), torch.arange(20) % 2
for share in (0.5, 0.3):
    other[1][0] = torch.cat([share * w, (1 - share) * w], 1)
    path = paths.Path([theta, other])
    segment = certificates.certify(net, path, x, y).segments[0]
    print(f"share {share}: {segment.kind} up to {segment.mismatch:.1e}")

# %% [markdown]
# ## General segments: a chord and a box
#
# On an interval of a general segment, with $s$ from 0 to 1 along it, write
# every activation as the chord of its values at the two ends and a remainder
# that a box holds, as in {eq}`eq-sl-chord`:
#
# $$
# h(s) = \bar h(s) + e(s), \quad \bar h(s) = (1 - s) h_0 + s h_1, \quad
# \underline e \le e(s) \le \overline e .
# $$ (eq-ce-chord)
#
# The inputs have $e = 0$. Four rules carry the box to the outputs. Write
# $\Delta W = W_1 - W_0$, $\Delta h = h_1 - h_0$, and $u^\pm$ for the positive
# and negative part of $u = u^+ + u^-$.
#
# ```{prf:proposition} Linear layers
# :label: prop-ce-linear
# Let $W(s)$ and $b(s)$ be the chords of their ends. The remainder of
# $W(s) h(s) + b(s)$ is at most
#
# $$
# \max_{s \in \{0, 1\}} \big(W(s)^+\, \overline e + W(s)^-\,
# \underline e\big) - \tfrac14 (\Delta W \Delta h)^- ,
# $$ (eq-ce-linear)
#
# and at least the same with $\min$, the bounds exchanged, and
# $-\tfrac14 (\Delta W \Delta h)^+$ at the end.
# ```
#
# ```{prf:proof}
# $W(s) \bar h(s)$ is a quadratic in $s$ with leading coefficient
# $\Delta W \Delta h$, so that it differs from the chord of its ends by
# $(s^2 - s)\, \Delta W \Delta h$, and $-\tfrac14 \le s^2 - s \le 0$. For the
# rest, $W(s) e$ with $e$ any point of the box is affine in $s$, hence at most
# its larger end, and at an end at most
# $W^+ \overline e + W^- \underline e$.
# ```
#
# ```{prf:proposition} ReLU
# :label: prop-ce-relu
# Let $z(s)$ have the chord $\bar z$ and the box $[\underline e, \overline e]$,
# and $\phi(u) = \max(u, 0)$. The remainder of $\phi(z)$ is at most the larger
# value of $\phi(\bar z + \overline e) - \phi(z_k)$ at the ends $k = 0, 1$. It
# is at least the smallest value of
# $\phi(\bar z(s) + \underline e) - \bar h(s)$, $h_k = \phi(z_k)$, at $s = 0$,
# at $s = 1$ and, if it lies between, at the zero of $\bar z + \underline e$.
# ```
#
# ```{prf:proof}
# $\phi$ is monotone: $\phi(\bar z + \underline e) \le \phi(z) \le
# \phi(\bar z + \overline e)$. Less the chord $\bar h$, which is affine, the
# right side is convex in $s$: largest at an end. The left side is convex and
# has two straight pieces: smallest at an end or where they meet.
# ```
#
# ```{prf:proposition} Pooling
# :label: prop-ce-pool
# Averages of the bounds bound the remainder of an average. The remainder of a
# maximum over a window is at most the larger of
# $\max_i (h_{k,i} + \overline e_i) - \max_i h_{k,i}$, $k = 0, 1$, and at least
# $\max_i \min_k \big(h_{k,i} + \underline e_i - \max_j h_{k,j}\big)$.
# ```
#
# ```{prf:proof}
# An average is linear and monotone. A maximum of affine functions is convex:
# the first claim follows as for the ReLU. For the second, the maximum is at
# least each of its entries $\bar h_i + \underline e_i$; less the chord of the
# maxima that is affine in $s$, hence at least its smaller end; and then the
# best entry counts.
# ```
#
# ```{prf:proposition} Loss
# :label: prop-ce-loss
# At the outputs take the *worst corner* $e^*$ of the box: for the cross
# entropy $\underline e$ at the true class and $\overline e$ elsewhere, for the
# square loss, at each end, whichever side is farther from the target. The mean
# over samples of $\ell(z_k + e^*)$, at the end $k$ where it is larger, bounds
# $\Lambda$ on the interval.
# ```
#
# ```{prf:proof}
# The cross entropy falls with the true class's output and rises with the
# others, so that $\ell(z(s)) \le \ell(\bar z(s) + e^*)$; a convex function of
# what is affine in $s$ is convex, and so is its mean over samples: it is at
# most its larger end. The square loss is a sum of squares
# $\max\{(\bar z + \underline e - y)^2, (\bar z + \overline e - y)^2\}$, which
# are convex too.
# ```
#
# The box starts from nothing and grows by $\Delta W \Delta h$, by kinks
# between the ends, and by what both become. On an interval of length $\tau$ all
# of these are of order $\tau^2$ (but for the few units that switch), so that
# halving the interval quarters the doubt. `certify` keeps all intervals of all
# general segments in one heap and halves the one with the largest bound.
#
# ## A segment that closes
#
# Here is one, between two networks trained on digits, its `ends`. `bound` is
# {prf:ref}`prop-ce-loss` on equal intervals.

# %%
from kernels import data, device, interpolation, training
from kernels.certificates.bounds import box_losses, boxes


def ends(hidden):
    """Two networks, trained from independent starts, in float64."""
    d = data.load("digits").to(dtype=torch.float64)
    net = networks.mlp([64, hidden, hidden, 10])
    g = device.generator(0, "certificates", hidden)
    pair = [
        training.train(
            net,
            net.init(generator=g, dtype=torch.float64),
            (d.train.x, d.train.y),
            generator=g,
            steps=steps,
            batch=128,
            step_size=0.1,
            momentum=0.9,
        ).theta
        for _ in range(2)
    ]
    return net, pair, d.train.x[:samples], d.train.y[:samples]


def bound(net, path, x, y, intervals):
    """The loss's bound on each of equal intervals of the one segment."""
    points = [path(k / intervals) for k in range(intervals + 1)]
    found = []
    for z0, z1, lo, hi, rho in boxes(net, points, x):
        worst = box_losses((z0, z1), lo, hi, rho, y, "cross_entropy")
        found.append(max(float((v + r).mean()) for v, r in worst))
    return found


net, pair, x, y = ends(width)
path = paths.straight(*pair)
along = interpolation.loss_curve(net, path, x, y, points=401)
top = float(along.loss.max())
closing = {2**k: bound(net, path, x, y, 2**k) for k in range(halvings + 1)}
for n, values in closing.items():
    print(f"{n:3} intervals: at most {max(values):7.3f}")
print(f"grid of 401 points: {top:.3f}")
sure = certificates.certify(net, path, x, y, tolerance=0.01, engine="boxes")
print(f"certify: {sure.upper:.3f} from {sure.intervals} intervals")

# %% tags=["hide-input"] mystnb={"image": {"alt": "The loss along one segment is a single hump. Step functions above it, the bounds on ever more equal intervals, come down towards it as the intervals get shorter; the finest nearly touches it."}, "figure": {"name": "fig-ce-closing", "caption": "Two networks trained on digits: the loss along the straight segment between them (black, on a grid) and the proved bounds on equal intervals, the more intervals the lower. Logarithmic axis."}}
from book.tools import figures

ax = figures.axes(size=(7.2, 4.0))
colours = iter(figures.CYCLE)
for n, values in closing.items():
    if n in (1, 2) or n > 32:
        continue
    s = torch.linspace(0, 1, n + 1).tolist()
    ax.stairs(values, s, baseline=None, color=next(colours), label=f"{n}")
ax.plot(along.t, along.loss, color=figures.COLOURS["black"], label="loss")
ax.set(yscale="log", xlabel="s along the segment", ylabel="training loss")
_ = ax.legend(title="intervals", fontsize=8, ncols=2)

# %% [markdown]
# In {numref}`fig-ce-closing` the steps come down to the curve. No grid enters a
# bound: the black curve is drawn for comparison alone.
#
# Equal intervals waste bounds where the loss is low. {numref}`fig-ce-split`
# halves only the interval with the largest bound, as `certify` does, from one
# interval on: make the tolerance smaller and watch where the intervals split.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-ce-split", "caption": "The same segment, halved best first. Each box is an interval, as high as the bound proved on it; the line is the loss, sampled. Drag the tolerance: how far the highest box may exceed the largest loss found. Logarithmic axis."}}
from book.tools import splitting

tree = splitting.tree(net, path, x, y, tolerance=1e-4)
chapter.show(splitting.Splitting(tree, along.loss[::4]))

# %% [markdown]
# The tree of halvings is the same for every tolerance; a smaller one only goes
# further down. The page holds the bounds of the whole tree, and halves anew at
# each move of the slider.
#
# ## The error
#
# The fraction of wrong samples is not convex. On an affine segment a sample is
# right where its own output leads all others, and each lead is affine in $s$:
# its $s$ form an interval. A sweep over the ends of all intervals finds the
# point with the fewest right samples. On a general interval a sample counts as
# right only where its worst corner is. A lead that rounding could turn counts
# as lost in `error_upper` and as kept in `error_attained`.
#
# ## The rounding budget
#
# All this is computed in float64, with unit roundoff $u = 2^{-53}$. Let
# $\gamma_k = k u / (1 - k u)$.
#
# ```{prf:proposition} A running error bound
# :label: prop-ce-rounding
# Let computed features $\hat h$ be within $\rho$ of the exact ones. Then the
# computed $W \hat h + b$, with $n$ terms summed in any order, is within
#
# $$
# \rho' = |W|\,(\rho + \gamma_{n+2} |\hat h|) + \gamma_{n+2} |b|
# $$ (eq-ce-rho)
#
# of the exact pre-activation. The ReLU leaves $\rho$ as it is, a maximum takes
# the window's largest, an average over $m$ entries adds $\gamma_{m+8}$ of
# them. The cross entropy moves by at most $\rho_y + \max_{j \ne y} \rho_j$.
# ```
#
# ```{prf:proof}
# Each of $n$ products, on its way through $n$ additions in any order, is
# multiplied by at most $n + 1$ factors $1 + \eta$, $|\eta| \le u$, and their
# product differs from 1 by at most $\gamma_{n+1}$. That gives
# $\gamma_{n+1}(|W| |\hat h| + |b|)$; the exact $W$ times $\hat h - h$ gives
# $|W| \rho$. The ReLU and the maximum do not enlarge a difference. The cross
# entropy's derivative is the softmax $p_j$ at a wrong class and $p_y - 1$ at
# the right one: along any move of the outputs it changes by at most
# $|p_y - 1| \rho_y + \sum_{j \ne y} p_j \rho_j$, and
# $\sum_{j \ne y} p_j \le 1$.
# ```
#
# The product with $|W|$ costs a second forward pass. At a knot `certify` first
# bounds $|W| v$ by the rows' Euclidean norms times that of $v$, and multiplies
# only where the allowance would exceed $10^{-8}$ of the loss.
# Underflow adds $2^{-1020}$ a product, the square loss is expanded, the mean
# is summed exactly and rounded once. On a general interval the same bound runs
# beside the box: with $M$ the larger of $|W|$ at the segment's ends and
# $A = |h| + |e| + \rho$, a layer makes
#
# $$
# \rho' = M\,(\rho + \gamma_{4(n + 12)}\, A) + \gamma_{4(n+12)} |b| ,
# $$ (eq-ce-beside)
#
# enough for the forward passes, the products of the box, and weights that are
# themselves rounded, by at most $8 u M$, when an interval's ends are formed.
# {eq}`eq-ce-rho` multiplies by $|W|$, layer after layer, and so does
# {eq}`eq-ce-linear`: depth is what both pay for.
#
# `attained` is a claim about one point, and there we can afford more. Where
# the allowance at the highest point found would exceed $10^{-8}$ of the loss,
# the forward pass is made again in twice the precision (`twofold`), each
# number a sum of two float64 numbers.
#
# ```{prf:proposition} A pass in twice the precision
# :label: prop-ce-twofold
# Cut weights and features into four parts each, of $\beta$ bits, with $2
# \beta + \lceil \log_2 n \rceil \le 53$, part $k$ of a row of weights a whole
# multiple of $2^{\omega - k \beta}$, of a sample's features of $2^{\eta - k
# \beta}$, where $2^\omega$ is above the row's weights and $2^\eta$ above the
# features and their $\rho$ {cite}`ozaki2012`. Then sums of products of two
# parts are exact, in any order, and with the ten products of parts $j + k \le
# 5$, added without error, a layer leaves at most
#
# $$
# \begin{aligned}
# \rho' = |W|\,\rho &+ 5 n\, 2^{\omega + \eta - 4 \beta} \\
#   &+ 2^{-96} \bigl( n\, 2^{\omega + \eta} + |b| \bigr) .
# \end{aligned}
# $$ (eq-ce-twofold)
# ```
#
# ```{prf:proof}
# Divided by $2^{\omega + \eta - (j + k) \beta}$, each of the $n$ products of
# part $j$ and part $k$ is a whole number of at most $2^{2 \beta}$, and any sum
# of them is one of at most $2^{53}$: float64 holds it. Parts are rounded, so
# that part $k + 1$ is at most half a unit of part $k$. What is left out are
# the products with $j + k = 6$, 7 and 8, and those of what four parts leave of
# either factor with the other: each of the five sums is at most $n\,
# 2^{\omega + \eta - 4 \beta}$. The last term is for the smaller number of each
# pair, which rounds.
# ```
#
# Below, on random networks of this width, is how far an output can be from
# the exact one at most, by {eq}`eq-ce-rho` and by {eq}`eq-ce-twofold`, there
# with the smaller number of its pair, which is left out in the end.

# %%
from kernels.certificates import rounding, twofold

for depth in (2, 4, 8, 12):
    deep = networks.mlp([64, *[width] * (depth - 1), 10])
    theta = deep.init(
        generator=device.generator(0, "deep", depth), dtype=torch.float64
    )
    z, rho = rounding.forward(deep, theta, x)
    _, fine = twofold.forward(deep, theta, theta, 0.0, x)
    print(
        f"d = {depth:2}: outputs to {float(rho.max()):.0e}, in twice the "
        f"precision to {float(fine.max()):.0e}"
    )

# %% [markdown]
# The sum of {eq}`eq-ce-rho` over a path of twelve layers is still far below
# anything that a figure shows, and the box is not: that is the next section.
# {eq}`eq-ce-mismatch` and {eq}`eq-ce-beside` are part of `upper` wherever they
# apply, and `rounding` says how much of `upper` all of them make up. So
# {eq}`eq-ce-loss` is bounded by {eq}`eq-ce-chord`, rule by rule, and
# {prf:ref}`thm-ce-all` is proved.
#
# ## Deeper: cut where units flip
#
# For one sample the outputs along a segment are a *piecewise polynomial* in
# $s$: between two places where a hidden unit changes sign, the network is a
# product of matrices, each affine in $s$. A box pays for every unit that might
# change sign, through $|W|$ of all layers above; a cut there costs one piece
# more, and on each side the network itself multiplies, not $|W|$. `certify`
# has an engine that cuts, and a probe that chooses it where boxes would not
# close.
#
# A **piece** is a sample and a part of an interval of the segment. It carries
# each feature as a polynomial $p$, by its values at up to four Chebyshev
# nodes, and $\rho$ such that the exact feature is within $\rho$ of $p$.
#
# - *Linear.* Write $W$ on the interval as $M + \tau D$, $|\tau| \le 1$. At the
#   nodes the product is exact; where it would need a fifth, the top
#   coefficient $c$ of $p$ leaves $|D c| / 2$. So $\rho' = (|M| + |D|)(\rho +
#   \gamma |p|) + |D c| / 2 + \gamma |b|$, $\gamma$ for all roundings.
# - *ReLU.* With $l \le p \pm \rho \le u$ on the piece: $l \ge 0$ passes, $u
#   \le 0$ vanishes. Else, with $\lambda = u / (u - l)$ and $\mu = -\lambda l /
#   2$, the ReLU of $z \in [l, u]$ is within $\mu$ of $\lambda z + \mu$. Where
#   $\mu$ weighs little in the outputs that is what is taken, with $\rho' =
#   \lambda \rho + \mu$.
#   Else the piece is **cut** at the roots of $p$, which are isolated: $p$ is
#   away from zero by more than it can bend, or monotone with one root, or so
#   small that its size goes to $\rho$. A root is found up to $|p| \le \zeta$;
#   on both sides $\rho' = \rho + \zeta$, also where the unit is off.
# - *Loss.* As in {eq}`eq-ce-chord`, with the chord of each piece.
#
# Samples whose loss is settled are relaxed more, and are left alone when an
# interval is refined. Below, `deep` trains the ends of a segment of any depth.

# %%
from kernels.certificates.pieces import interval


def deep(depth, hidden):
    """The segment between two trained networks of this depth and width."""
    d = data.load("digits").to(dtype=torch.float64)
    net = networks.mlp([64, *[hidden] * (depth - 1), 10])
    g = device.generator(0, "certificates", "deep", depth, hidden)
    how = dict(batch=128, step_size=0.01, momentum=0.9, generator=g)
    pair = [
        training.train(
            net,
            net.init(generator=g, dtype=torch.float64),
            (d.train.x, d.train.y),
            steps=2 * steps,
            **how,
        ).theta
        for _ in range(2)
    ]
    return net, paths.straight(*pair)


few, labels = x[:50], y[:50]
net, path = deep(11, width)
for engine in ("boxes", "pieces"):
    for budget in (20, 80):
        sure = certificates.certify(
            net, path, few, labels, engine=engine, budget=budget
        )
        print(
            f"{engine}, {budget} intervals at most: attained "
            f"{sure.attained:.3f}, proved at most {sure.upper:.4g}"
        )

# %% tags=["hide-input"] mystnb={"image": {"alt": "One sample's output for its class along the segment between two networks of eleven layers: high at both ends, low and nearly flat between; more than a hundred marks below show where hidden units change sign."}, "figure": {"name": "fig-ce-cuts", "caption": "Eleven layers, one image: the output for its class along the segment, and a mark at each place where a hidden unit changes sign. Between two marks it is a polynomial in s."}}
segment = interval.prepare(
    net, *path.ends(0), few[:1], labels[:1], "cross_entropy"
)
none, cuts = torch.zeros(1, dtype=torch.float64), []
for k in range(16):
    z = interval.outputs(segment, k / 16, (k + 1) / 16, none)
    cuts += ((k + (z.lo[1:] + 1) / 2) / 16).tolist()
s = torch.linspace(0, 1, 801).tolist()
own = [float(segment.outputs(t)[0, labels[0]]) for t in s]
ax = figures.axes(size=(7.2, 3.4))
ax.plot(s, own, ls="-", color=figures.COLOURS["blue"])
low = min(own) - 0.08 * (max(own) - min(own))
ax.plot(cuts, [low] * len(cuts), "|", color=figures.COLOURS["orange"])
_ = ax.set(xlabel="s along the segment", ylabel="output for the true class")

# %% [markdown]
# Now the bound, closing as pieces are added ({numref}`fig-ce-pieces`).
# `interval.bound` takes a *slack*: how much the relaxing of one unit may weigh
# in a sample's outputs. With an infinite slack nothing is cut; the smaller it
# is, the more. Expected (after a prototype's first numbers): without cuts the
# bound on a sixteenth of the segment is many times the loss; with them it
# follows the loss.

# %%
several = interval.prepare(net, *path.ends(0), few, labels, "cross_entropy")
each = torch.nn.functional.cross_entropy
loss = [float(each(several.outputs(t), labels)) for t in s[::10]]
closer = {}
for parts, slack in ((16, torch.inf), (16, 1), (16, 0.1), (64, 0.01)):
    slacks = torch.full((len(few),), slack, dtype=torch.float64)
    found = [
        interval.bound(several, k / parts, (k + 1) / parts, slacks)
        for k in range(parts)
    ]
    number = float(sum(one.pieces for one in found).double().mean())
    closer[number] = [one.mean() for one in found]
    print(
        f"{parts} intervals, slack {slack}: {number:.0f} pieces a sample, "
        f"loss at most {max(closer[number]):.4g}"
    )
print(f"largest loss of {len(loss)} points: {max(loss):.4g}")

# %% tags=["hide-input"] mystnb={"image": {"alt": "The loss along the segment between two networks of eleven layers, a plateau between two low ends. Step functions above it: without cuts far above, then nearer with each set of pieces; the last lies close to it."}, "figure": {"name": "fig-ce-pieces", "caption": "The same segment of eleven layers: the mean loss of 50 images (black, on a grid) and proved bounds on it, on equal intervals, with more and more pieces a sample. Logarithmic axis."}}
ax = figures.axes(size=(7.2, 4.0))
colours = iter(figures.CYCLE)
for number, values in closer.items():
    edges = torch.linspace(0, 1, len(values) + 1).tolist()
    how = dict(color=next(colours), label=f"{number:.0f}")
    ax.stairs(values, edges, baseline=None, **how)
ax.plot(s[::10], loss, color=figures.COLOURS["black"], label="loss")
ax.set(yscale="log", xlabel="s along the segment", ylabel="training loss")
_ = ax.legend(title="pieces a sample", fontsize=8, ncols=2)

# %% [markdown]
# `certify` chooses slack and intervals by itself, sample by sample. It bounds
# up to sixteen intervals at a time, which its `threads` share; no number of
# the result depends on how many they are.
#
# The count of sign changes is a measure of its own: how nonlinear the
# landscape is along the way, for one sample; and pieces cost about as much as
# they are many. If each hidden unit flipped equally often, the count would be
# in proportion to the width and to the number of hidden layers. Expected
# (after a prototype's numbers at two widths): upper layers, which see the flips
# of all below, flip more, so that the count grows faster than the number of
# hidden layers, and about in proportion to the width.

# %%
counts = {}
for hidden in (max(2, width // 2), width, 2 * width):
    for depth in (3, 6, 11):
        found = certificates.flips(*deep(depth, hidden), few[:25])
        counts[hidden, depth] = mean = float(found.double().mean())
        print(
            f"width {hidden:2}, d = {depth:2}: {mean:4.0f} sign changes a "
            f"sample, {mean / (hidden * (depth - 1)):.2f} a hidden unit"
        )

# %% tags=["hide-input"] mystnb={"image": {"alt": "Sign changes a sample against the depth, on logarithmic axes: one rising line for each of three widths, the wider the higher."}, "figure": {"name": "fig-ce-flips", "caption": "Sign changes of hidden units a sample, along the straight segment between two networks trained on digits, against the number of weight matrices, one line a width. Mean of 25 images, one pair of networks each. Logarithmic axes."}}
ax = figures.axes(size=(7.2, 3.6))
colours = iter(figures.CYCLE)
for hidden in dict.fromkeys(hidden for hidden, _ in counts):
    one = {d: number for (h, d), number in counts.items() if h == hidden}
    how = dict(color=next(colours), label=f"width {hidden}")
    ax.plot(list(one), list(one.values()), "o-", **how)
ax.set(xscale="log", yscale="log")
ax.set(xlabel="weight matrices d", ylabel="sign changes a sample")
ax.set_xticks([3, 6, 11], ["3", "6", "11"])
ax.minorticks_off()
_ = ax.legend(fontsize=8)

# %% [markdown]
# In {numref}`fig-ce-flips` a unit of eleven layers flips more often than one of
# three, at each width: the count grows faster than the number of hidden layers,
# as expected. With the width it grows too, if not exactly in proportion: these
# are single pairs, not all trained equally well, and the printed flips a unit
# differ by up to two fifths from one width to the next at one depth.
# The first expectation held as well: without cuts the bounds in
# {numref}`fig-ce-pieces` are thousands of times the loss; with the most pieces
# they exceed its highest value by a per cent or so.
#
# Rounding still goes through $|W|$, and grows with every layer
# {eq}`eq-ce-rho`.
#
# ## What is tested
#
# A proof can be mistyped. The tests draw networks made to break it: weights
# over 24 orders of magnitude, pairs that cancel, subnormal numbers, twins, one
# unit a layer, exact ties, kinks at knots, four precisions. They compute the
# loss in arithmetic of 400 bits, at knots and between, and no bound may lie
# below it. Then the rules above, the pieces' among them, are broken on purpose,
# one at a time, and some test must fail.
#
# ## Exercises
#
# 1. Set `width` to 64. How many more intervals does `certify` need?
# 2. Set `halvings` to 8. By how much does the bound on 256 intervals exceed
#    the grid's highest value? Does the excess fall by four from one row to the
#    next?
# 3. Use {prf:ref}`prop-ce-linear` on a network of two layers whose first does
#    not move. Why is the bound exact after one interval?
#
# ## Provenance

# %% tags=["remove-input"]
run.footer()
