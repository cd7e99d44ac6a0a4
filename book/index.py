# %% [markdown]
# (index)=
# # The connected landscape
#
# Train a neural network twice, from two random starts. You get two points in
# a space of a million dimensions, both with small loss. Walk straight from
# one to the other, and the loss climbs a hill. Walk cleverly, along a few
# straight segments, and it need not climb at all. This is **mode
# connectivity** {cite}`garipov2018,draxler2018`: the minima that stochastic
# gradient descent (SGD) finds are not separate valleys, but points of one.
#
# Here are two such networks, small enough for this page to hold: a hidden
# layer of 32 neurons, trained on handwritten digits. Between them are a
# straight line, dashed, and a path of seven segments {cite}`shevchenko2020`
# that keeps some neurons of either network and drops the others. Which ones is
# up to you: press a neuron to drop it or to keep it, drag a scale, and the page
# computes the path anew.

# %% tags=["remove-cell"]
import sys
from pathlib import Path

here = Path(globals().get("__file__", "chapter.py")).resolve()
root = next(p for p in here.parents if (p / "_config.yml").exists())
sys.path.insert(0, str(root))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-build", "caption": "Two networks, the hill on the straight line between them, and a path for you to build, on 400 training images. A square is a neuron with its 64 input weights, orange above zero and blue below; those struck out are dropped, and the outputs of the others are multiplied by the scale. Shaded: segments on which the outputs move; on all others they stand still."}}
from book.tools import builder
from book.tools.chapter import show
from kernels import data, device, networks

digits = data.load("digits").train
two = builder.trained(
    net := networks.mlp([64, 32, 10]),
    digits,
    generator=device.generator(0, "index"),
)
show(builder.Builder(net, two, digits.x[:400], digits.y[:400]))

# %% [markdown]
# Drop the least useful half of both, as {numref}`fig-build` does at first, and
# the path stays far below the hill. Keep the first half of both instead, and
# it climbs above the hill: some halves will do, not any. At most 32 neurons can
# be kept in all, since halfway both networks live in one layer.
#
# The path's highest loss is no maximum of sampled points. Where the outputs
# move at all they move in a straight line, along which the loss, being convex,
# is highest at an end; so the highest loss is that of one of the four networks
# in the table. The straight line has no such property: its curve is sampled,
# and its bound is a {ref}`certificate <dropout-certificates>`.
#
# Why? Three papers answer with proofs that one can run:
#
# | part | paper | its answer |
# |---|---|---|
# | I | {cite:t}`kuditipudi2019` | Solutions that survive the removal of half their neurons (*dropout stable* ones) are joined by explicit paths of straight segments |
# | II | {cite:t}`shevchenko2020` | In wide networks, SGD finds such solutions, and the loss along the path falls as the width grows |
# | III | {cite:t}`nguyen2021` | Less is enough: at either end, for every layer, *some* subnetwork on half of that layer's features must do well, with weights trained afresh |
#
# ## What this book does
#
# **It builds every path whole.** A path here is an object, knot by knot, with
# the segments that the proofs describe, counted.
#
# **It certifies** ({ref}`dropout-certificates` has the proofs). On most of the papers' paths every segment either leaves
# the network's output unchanged or moves it in a straight line, and which of
# the two is read off the weights. A convex loss is then highest at a *knot*,
# where two segments meet, so the highest loss on the whole path, a continuum,
# is the largest of a few numbers. Where a segment is of neither kind, the book
# can compute an upper bound, and says so where it does; a straight line in a
# figure without a bound is a line of sampled points.
#
# **It keeps score.** The claims that its chapters take from the papers, where
# they can fail, have rows on the {ref}`scoreboard <scoreboard>`: the sentence,
# the tolerance that follows from it, what we measured with how many
# repetitions, and one of five verdicts, which mean what it says there. What
# failed stays in.
#
# **It says where the papers have gaps**, and shows each repair.

# %% tags=["remove-input"]
from book.tools import scores

show(scores.summary())

# %% [markdown]
# ## How to read it, and how to run it
#
# Each chapter opens with one sentence, its claim. Code cells show the
# algorithm, figures' code is folded; figures come first from a *laptop* run
# (small data, under a minute on two cores), then from a recorded run at the
# paper's own scale. A chapter ends with the verdicts, the deviations from the
# paper and exercises that change one number. Each keeps to the letters of its
# paper; {ref}`notation` compares them, and leads from every theorem to the
# function that computes it and to a test.
#
# Every page has a button that downloads it as a notebook. In a clone of the
# repository, `python -m book build` runs what is out of date and builds these
# pages, `python -m book render CHAPTER -p NAME=VALUE` runs a chapter with
# another parameter, and the chapters' `.py` files open in JupyterLab or run
# as plain scripts.
#
# {ref}`yours` is the chapter to run on two networks of your own. To use a
# construction in code, start from the package:

# %%
import torch

from kernels import certificates, networks, paths

g = torch.Generator().manual_seed(0)
net = networks.mlp([20, 32, 32, 3], bias=True)
theta_a = net.init(generator=g, dtype=torch.float64)
theta_b = net.init(generator=g, dtype=torch.float64)
x = torch.randn(200, 20, generator=g, dtype=torch.float64)
y = torch.randint(3, (200,), generator=g)
half = [torch.arange(16), torch.arange(16)]  # neurons kept, layer by layer

for name, path in {
    "straight line": paths.straight(theta_a, theta_b),
    "Theorem 1": paths.theorem1(
        net, theta_a, theta_b, kept_a=half, kept_b=half
    ),
}.items():
    c = certificates.certify(net, path, x, y)
    kind = "exactly" if c.exact else "at most"
    print(f"{name} ({len(path)}): highest loss {kind} {c.upper:.3f}")

# %% [markdown]
# The number in brackets counts the segments. These two networks are untrained,
# so the losses are large; the chapters train theirs. The straight line gets
# an upper bound, and the path of Theorem 1 an exact
# number: the supremum over all its points, not the maximum of a grid.

# %% [markdown]
# ## How to cite
#
# {ref}`how-to-cite` has the entries of this book and of the three papers.
