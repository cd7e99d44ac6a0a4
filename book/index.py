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
# **It keeps score.** Every claim that its chapters take from the papers has
# a row on the {ref}`scoreboard <scoreboard>`: the sentence, the tolerance that
# follows from it, what we measured with how many repetitions, and one of five
# verdicts, which mean what it says there. What failed stays in.
#
# **It says where the papers have gaps**, and shows each repair.

# %% tags=["remove-cell"]
import sys
from pathlib import Path

here = Path(globals().get("__file__", "chapter.py")).resolve()
root = next(p for p in here.parents if (p / "_config.yml").exists())
sys.path.insert(0, str(root))

# %% tags=["remove-input"]
from book.tools import scores
from book.tools.chapter import show

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
