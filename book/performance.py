# %% [markdown]
# (performance)=
# # What it costs
#
# **In one sentence.** A path of the theorems is evaluated in a handful of
# forward passes however many points are drawn of it, a dropout network among
# many costs a fraction of what it costs alone, and an SGD step runs near the
# speed at which this machine multiplies matrices; here are the counts, and the
# ratios as measured in this run.
#
# Nothing here is a paper's claim. Every ratio compares two things measured
# *in turns, in one run, on one thread*, in processor time, so that it means
# something on a busy machine; seconds are left out. Your run will show other
# digits (this is the one chapter whose numbers the tests do not compare), and
# the same orders of magnitude.

# %% tags=["parameters"]
profile = "laptop"  # there is no other scale: run it where you want to know
threads = 1  # of Torch
points = 25  # losses drawn on a segment of Theorem 1's path
depths = [2, 3, 4, 5]  # from 2 to 20: d, layers of the networks it joins
widths = [100, 400, 1600]  # N, of the networks on a general segment
draws = 20  # of a dropout network in one call

# %% tags=["remove-cell"]
import sys
from pathlib import Path

here = Path(globals().get("__file__", "chapter.py")).resolve()
root = next(p for p in here.parents if (p / "_config.yml").exists())
sys.path.insert(0, str(root))

# %% tags=["remove-input"]
from book.tools import chapter

run = chapter.start(
    "performance",
    profile,
    threads=threads,
    points=points,
    depths=depths,
    widths=widths,
    draws=draws,
)

# %% tags=["remove-cell"]
import torch

from book.tools import figures, timings
from kernels import networks

torch.set_num_threads(threads)


def samples(n, inputs=784, classes=10):
    """Random images and labels: cost does not depend on their values."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(n, inputs, generator=g)
    return x, torch.randint(classes, (n,), generator=g)


def two_nets(widths):
    """Two random networks of one shape, float32."""
    net, g = networks.mlp(widths), torch.Generator().manual_seed(1)
    return net, net.init(generator=g), net.init(generator=g)


def halves(net, seed):
    """A random half of every hidden layer."""
    g = torch.Generator().manual_seed(seed)
    orders = [torch.randperm(h, generator=g) for h in net.hidden]
    return [o[: len(o) // 2].sort().values for o in orders]


# %% [markdown]
# ## The machine's own limit
#
# Two numbers bound everything below: how fast this machine multiplies large
# matrices in single precision, $R$ operations a second, and how fast it
# copies memory, $B$ bytes a second. A computation of $F$ operations on $M$
# bytes cannot take less than
#
# $$
# t_{\min} = \max\Big(\frac{F}{R},\ \frac{M}{B}\Big).
# $$ (eq-perf-floor)

# %% tags=["nbval-ignore-output"]
cpu = torch.device("cpu")
limit = timings.ceilings(cpu, None, numbers=1 << 23, side=1024)
print(f"matrix products: {limit['fp32_per_second'] / 1e9:.0f} Gflop/s;")
print(f"copies: {limit['bytes_per_second'] / 1e9:.0f} GB/s; one thread")

# %% [markdown]
# ## A path of the theorems
#
# Theorem 1's path has $10d - 8$ segments. Drawn with 25 points on each, it
# asks for $24\,(10d - 8) + 1$ losses, each a forward pass if done point by
# point. But where the output is constant, one pass serves a whole run of
# segments, and where it is affine, outputs at the two ends give all points in
# between ({ref}`dropout-paths`): $2d$ different functions are evaluated, some
# of them in part. `path_ratio` times that against `by_points`, the plain way.

# %%
from kernels import interpolation, paths
from kernels.networks import losses


def by_points(net, path, x, y, points):
    """The plain way: parameters at t, a forward pass, the loss."""
    for t in torch.linspace(0.05, 0.95, points).tolist():
        z = net.forward(path(t), x)
        losses.mean_loss_and_error(z, y, "cross_entropy")


def path_ratio(widths, points, n=2000):
    """(points drawn, functions evaluated, how many times faster)."""
    net, a, b = two_nets(widths)
    kept = dict(kept_a=halves(net, 2), kept_b=halves(net, 3))
    path = paths.theorem1(net, a, b, **kept)
    x, y = samples(n, widths[0])
    ours, few = timings.in_turns(
        lambda: interpolation.loss_curve(net, path, x, y, points),
        lambda: by_points(net, path, x, y, 3),
        rounds=3,
    )
    total = len(path) * (points - 1) + 1
    return total, 2 * net.depth, few / 3 * total / ours


# %% tags=["hide-input", "nbval-ignore-output"]
depth_rows = []
with torch.no_grad():
    for d in depths:
        row = path_ratio([784] + [128] * (d - 1) + [10], points)
        depth_rows.append((d, *row))
        total, functions, ratio = row
        print(
            f"d = {d}: {total:4} points, {functions:2} functions; "
            f"{ratio:.0f} times faster than point by point"
        )

# %% [markdown]
# (The plain way is timed on three points and multiplied.) The gain is close
# to the ratio of points to functions, less what the losses at all points
# still cost.
#
# ## A general segment
#
# The straight line between two networks is not affine in the output. In a
# two-layer network of $N$ neurons with inputs $X$ it still shares its first
# layer: $X W(t)^{\mathsf T} = (1-t)\, X W_0^{\mathsf T} + t\, X
# W_1^{\mathsf T}$, so that two large products serve all points, and each
# point costs $O(nN)$ instead of $O(nNd)$ operations (`segment_ratio`).


# %%
def segment_ratio(width, points, n=1000):
    """How many times faster the profile of a straight line is."""
    net, a, b = two_nets([784, width, 10])
    x, y = samples(n)
    line = paths.straight(a, b)
    ours, few = timings.in_turns(
        lambda: interpolation.loss_curve(net, line, x, y, points),
        lambda: by_points(net, line, x, y, 3),
        rounds=3,
    )
    return few / 3 * points / ours


# %% tags=["nbval-ignore-output"]
segment_rows = []
with torch.no_grad():
    for width in widths:
        segment_rows.append((width, segment_ratio(width, 50)))
        print(f"N = {width:4}: {segment_rows[-1][1]:.1f} times faster")

# %% [markdown]
# ## A certificate
#
# On segments that are not affine, `certify` bisects until its bound is within
# a tolerance of the largest loss found. On an interval of length $s$ the
# bound is off by $O(s^2)$, and only the intervals near the maximum have to be
# refined: a tolerance ten times smaller asks for a few intervals more, not
# for $\sqrt{10}$ times as many ({ref}`dropout-certificates` has the proofs).
# These counts do not depend on the machine:

# %%
from kernels import certificates

net = networks.mlp([20, 24, 24, 5])
a, b = (
    net.init(generator=torch.Generator().manual_seed(s), dtype=torch.float64)
    for s in (1, 2)
)
x, y = samples(300, 20, 5)
for tolerance in (0.1, 0.03, 0.01, 0.003, 0.001):
    found = certificates.certify(
        net,
        paths.straight(a, b),
        x.double(),
        y,
        tolerance=tolerance,
        initial=2,
    )
    print(f"tolerance {tolerance:5}: {found.intervals:3} intervals")

# %% [markdown]
# ## A mean-field step
#
# One SGD step of $R$ two-layer networks of $N$ neurons on batches of 100 takes
# $F = 100\, R N (4d + 6C)$ operations ($d$ inputs, $C$ classes), and
# {eq}`eq-perf-floor` says how fast that can be. The plain way is one network
# after the other in eager autograd. Small networks are held up by everything
# that is not arithmetic, and gain most from being stepped together.

# %% tags=["nbval-ignore-output"]
step_rows = []
for trials, width in ((1, 100), (4, 100), (1, 400), (4, 400), (1, 1600)):
    found = timings.step(
        cpu, limit, trials=trials, width=width, inputs=785, batch=100
    )
    share = found["of_tf32_rate"]  # on a CPU: of the fp32 rate
    step_rows.append((trials, width, share, found["faster_than_eager"]))
    print(
        f"R = {trials}, N = {width:4}: {100 * share:3.0f} % of the matrix "
        f"rate, {found['faster_than_eager']:.1f} times faster than eager"
    )

# %% [markdown]
# ## Many dropout networks
#
# Experiment (B) of N21 asks for the best of 200 networks that keep half of
# every layer from layer $l$ on. Three things make it cheap: the features below
# layer $l$ are computed once; a network of half the width costs a quarter of
# the products; and the best factor is found on the outputs, not by evaluating
# the network again. The plain way masks the network and runs it (`masked`);
# `draw_ratio` compares.

# %%
from kernels import dropout


def masked(net, theta, x, y, first):
    """One draw as one would write it: zeros, and a full forward pass."""
    kept = dropout.draw(net, 0.5, 1, first=first, generator=torch.Generator())
    small = dropout.dropout_network(
        net, theta, [layer[0] for layer in kept], first=first
    )
    z = net.forward(small, x)
    for factor in torch.linspace(0.5, 4, 20):  # as many as Brent's
        losses.mean_loss_and_error(z * factor, y, "cross_entropy")


def draw_ratio(first, draws=draws):
    """How many times faster a draw is among `draws` of one call."""
    net, theta, _ = two_nets([784] + [245] * 5 + [10])
    x, y = samples(1000)
    g = torch.Generator()
    how = dict(first=first, draws=draws, generator=g)
    many, one = timings.in_turns(
        lambda: dropout.stability(net, theta, x, y, **how),
        lambda: masked(net, theta, x, y, first),
        rounds=3,
    )
    return draws * one / many


# %% tags=["nbval-ignore-output"]
dropout_rows = []
with torch.no_grad():
    for first in (1, 3, 5):
        dropout_rows.append((first, draw_ratio(first)))
        ratio = dropout_rows[-1][1]
        print(f"from layer {first}: {ratio:.1f} times faster a draw")
    for draws in (1, 5, 80):
        ratio = draw_ratio(3, draws)
        print(f"from layer 3, of {draws:2} draws: {ratio:.1f} times")

# %% [markdown]
# ## Data in memory
#
# The authors of N21 read MNIST through a data loader that takes one image at
# a time out of the file's array, scales it and stacks a batch of them
# afterwards. Here is that loop, without its processes and pictures
# (`one_by_one`), against slicing a tensor (`sliced`).


# %%
def one_by_one(stored, batch):
    """Scale each image alone, then stack them."""
    for start in range(0, len(stored), batch):
        images = [
            stored[i].float().div(255).sub(0.5).div(0.5)
            for i in range(start, start + batch)
        ]
        torch.stack(images)


def sliced(x, batch):
    """What a tensor in memory costs."""
    for part in x.split(batch):
        part.contiguous()


# %% tags=["nbval-ignore-output"]
stored = torch.zeros(2000, 28, 28, dtype=torch.uint8)
ready = stored.float().div(255).sub(0.5).div(0.5)
net, theta, _ = two_nets([784] + [245] * 10 + [10])
with torch.no_grad():
    slow, fast, forward = timings.in_turns(
        lambda: one_by_one(stored, 100),
        lambda: sliced(ready, 100),
        lambda: net.forward(theta, ready.flatten(1)),
        rounds=3,
    )
print(f"loading costs {slow / forward:.2f} forward passes of 10 x 245,")
print(f"a tensor in memory {fast / forward:.4f}")

# %% [markdown]
# ## All draws of a subnetwork at once
#
# Experiment (A) trains 20 subnetworks on the same minibatches. Together they
# are one batched product a layer; alone, twenty small ones and twenty times
# the bookkeeping. `trained` trains ten, so many at a time.

# %% tags=["nbval-ignore-output"]
from kernels import subnetworks

net, theta, _ = two_nets([64] + [40] * 4 + [10])
x, y = samples(1000, 64)


def trained(together):
    """An epoch of ten draws, so many at a time."""
    subnetworks.train(
        net,
        theta,
        x,
        y,
        layer=1,
        draws=10,
        epochs=1,
        together=together,
        generator=torch.Generator(),
    )


all_, one = timings.in_turns(lambda: trained(10), lambda: trained(1), rounds=3)
print(f"ten draws together: {one / all_:.1f} times faster than one by one")

# %% [markdown]
# ## In one picture

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"image": {"alt": "Bars on a logarithmic axis: how many times faster than the plain way each routine was in this run, from less than two for a mean-field step to about a hundred for the path of Theorem 1."}, "figure": {"name": "fig-perf-ratios", "caption": "How many times faster than the plain way, one thread, in the run that rendered this page. What is structural (paths) gains by orders of magnitude; what is arithmetic already (wide networks) gains little."}}
rows = [(f"Theorem 1's path, d = {d}", r) for d, *_, r in depth_rows]
rows += [(f"general segment, N = {n}", r) for n, r in segment_rows]
rows += [(f"SGD step, {t} x N = {n}", r) for t, n, _, r in step_rows]
rows += [(f"a dropout draw, l = {n}", r) for n, r in dropout_rows]
rows += [("ten subnetworks", one / all_)]
ax = figures.axes(size=(7.2, 4.8))
names, ratios = zip(*rows[::-1])
ax.barh(names, ratios, color=figures.COLOURS["blue"])
ax.axvline(1, color=figures.COLOURS["black"], lw=1)
ax.set(xscale="log", xlabel="times faster than the plain way")
ax.grid(axis="y", visible=False)

# %% [markdown]
# ## On a GPU
#
# `python -m book gpu-check` tests the CUDA kernels and measures the same
# routines on a GPU, against their Torch references, eager autograd and the
# GPU's own ceilings; it leaves a record that this page shows.

# %% tags=["hide-input", "nbval-ignore-output"]
import json

from book.tools import gpu, records

file = records.ROOT / gpu.OUT
if file.exists():
    known = json.loads(file.read_text(encoding="utf-8"))
    print(known["provenance"]["device_name"])
    for stage in timings.STAGES:
        print("\n".join(gpu.lines(stage, known[stage])))
else:
    print("There is no GPU record yet: nothing here was timed on a GPU.")

# %% [markdown]
# ## Exercises
#
# 1. Set `threads` to all of your cores (`-p threads=8`). Which ratios grow,
#    which shrink, and why?
# 2. At which number of points does the profile of Theorem 1's path cost twice
#    as much as with two points a segment?
#
# ## Provenance

# %% tags=["remove-input"]
run.footer()
