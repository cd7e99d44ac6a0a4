# %% [markdown]
# (yours)=
# # Your own two networks
#
# **In one sentence.** Give this page two trained networks as files, their
# architecture in a few words and their data: it walks the straight line,
# matches their units, measures how much dropout each stands, builds the
# papers' paths, and says with proof how high the loss gets on each.
#
# **Needs** {ref}`dropout-paths` for what the paths are, and
# {ref}`dropout-certificates` for what is proved. Nothing here is a
# reproduction, and nothing is judged.

# %% tags=["parameters"]
profile = "laptop"  # "paper" trains wider networks, on MNIST
first = ""  # file: safetensors, or a state dict; "": train two networks here
second = ""  # file of the second network
architecture = "64-96-96-10"  # of both: in words, or FILE.py:NAME
dataset = "digits"  # NAME, NAME:MODE of normalisation, or FILE.npz
samples = 400  # training samples on which everything is computed
draws = 100  # random halves of each layer that are tried

# %% tags=["remove-cell"]
import sys
from pathlib import Path

here = Path(globals().get("__file__", "chapter.py")).resolve()
root = next(p for p in here.parents if (p / "_config.yml").exists())
sys.path.insert(0, str(root))

# %% tags=["remove-input"]
from book.tools import chapter

run = chapter.start(
    "yours",
    profile,
    first=first,
    second=second,
    architecture=architecture,
    dataset=dataset,
    samples=samples,
    draws=draws,
)

# %% [markdown]
# ## How to turn it
#
# This page is a program with six parameters. In a clone of the repository,
#
# ```bash
# .venv/bin/python -m book render yours -p first=a.pt -p second=b.pt \
#     -p architecture=784-256-256-10 -p dataset=mnist
# ```
#
# makes it anew for your networks, in a folder of its own below `_build/runs`,
# with the table and the figure beside it as files. Names of files are
# absolute, or start at the repository's root.
#
# **The files.** `.safetensors`, or what `torch.save(model.state_dict(), FILE)`
# writes. They are read as numbers; nothing in them is run.
#
# **The architecture**, one for both. Widths: `784-256-256-10`. Or parts in
# order, `conv 64 3 pad 1; norm; pool 2; conv 128 3; pool 2; linear 10`:
# channels and kernel of a convolution, batch norm, the size of a pool. ReLU
# and flattening are understood. Or `FILE.py:NAME`, a file of yours with a
# torch module or a class or function that makes one without arguments. *That
# file is run*: give none that you do not trust. What the constructions do not
# reach (another activation, a residual sum) is an error that names the layer.
#
# **The data.** A name, `digits`, `mnist`, `cifar10`, with the normalisation
# you trained with: `mnist:global`, the default (one mean and deviation, as
# torchvision's recipes have for MNIST), `cifar10:channel`, `:signed`, or
# `:False` for pixels in $[0, 1]$. Or an `.npz` with arrays `x` and `y`, and
# perhaps `x_test` and `y_test`, `x` *as your network reads it*.
#
# Without files, the page trains two small networks on the digits, saves them,
# and reads them as it would read yours.

# %%
scale = run.scale(
    laptop=dict(
        architecture=architecture,
        dataset=dataset,
        samples=samples,
        draws=draws,
        training=dict(epochs=20, step_size=0.05),
        subnetworks=dict(draws=3, epochs=30),
    ),
    paper=dict(
        architecture="784-256-256-10",
        dataset="mnist",
        samples=1000,
        draws=200,
        training=dict(epochs=10, step_size=0.05),
        subnetworks=dict(draws=5, epochs=30),
    ),
)

# %% tags=["hide-input"]
import hashlib

import torch

from kernels import data, device, networks, training


def place(name):
    """A file's name, from the repository's root unless it is absolute."""
    return str(root / Path(name).expanduser())


def described(text):
    """The architecture, a Python file's name made absolute."""
    return place(text) if ".py:" in text else text


def made_here(split, shape, folder):
    """Two networks trained from random starts, saved as state dicts."""
    words, files = described(scale["architecture"]), []
    net, _ = networks.from_module(networks.architecture(words, shape), shape)
    for k in range(2):
        g = device.generator(0, "yours", k)
        theta = training.train(
            net,
            net.init(generator=g),
            (split.x, split.y),
            generator=g,
            momentum=0.9,
            batch=50,
            dropout=0.25,
            **scale["training"],
        ).theta
        files.append(str(Path(folder, f"network-{k}.pt")))
        model = networks.to_module(net, theta)
        torch.save({"state_dict": model.state_dict()}, files[-1])
    return files


# %%
if bool(first) != bool(second):
    raise ValueError(
        f"first is {first!r} and second is {second!r}; two files will do, or "
        "neither"
    )
name = scale["dataset"]
d = run.uses(data.find(place(name) if name.endswith(".npz") else name))
shape = tuple(d.train.x.shape[1:])
folder = run.folder
folder.mkdir(parents=True, exist_ok=True)
for who, file in (("first", first), ("second", second)) if first else ():
    content = Path(place(file)).read_bytes()
    mark = hashlib.sha256(content).hexdigest()[:16]
    run.data[who] = {"fingerprint": mark, "source": Path(file).name}
files = [first, second] if first else made_here(d.train, shape, folder)
loaded = [
    networks.load(place(file), described(scale["architecture"]), shape)
    for file in files
]
net = loaded[0][0]
a, b = (  # float64 holds every number in the files
    tuple((w.double(), None if v is None else v.double()) for w, v in theta)
    for _, theta in loaded
)
g = device.generator(0, "yours", "samples")
some = torch.randperm(len(d.train), generator=g)[: scale["samples"]]
x, y = d.train.x[some].double(), d.train.y[some]
tests = (d.test.x.double(), d.test.y) if len(d.test) else None

# %%
print(f"{net.depth} layers, of {'-'.join(map(str, net.widths))} units")
for who, theta in zip("AB", (a, b)):
    loss, error = training.evaluate(net, theta, x, y)
    said = f"network {who}: loss {loss:.4g}, error {100 * error:.2f} %"
    if tests:
        held = training.evaluate(net, theta, *tests)
        said += f"; on the test set {held[0]:.4g}, {100 * held[1]:.2f} %"
    print(said)
print(f"losses from here on: mean over {len(x)} training samples")

# %% [markdown]
# Look at these errors first. A network that was trained well and is wrong
# here was read with another normalisation than it was trained with, or with
# another order of its classes.
#
# ## How much dropout they stand
#
# For each hidden layer $i$: drop half of the units of layers $i, i + 1,
# \dots$ at random, many times, with the factor on the output that fits best
# (but no larger than units over kept units, of all layers), and keep the best
# draw (`halves`). If the loss stays low for every $i$, Theorem 1 of
# {cite}`kuditipudi2019` makes a low path of these very networks: the highest
# loss on it is the largest of theirs and of the two ends'.

# %%
import math

from kernels import dropout


def halves(theta, who):
    """For every layer: the units kept, the factors, and the loss."""
    found = []
    for i in range(1, net.depth):
        g = device.generator(0, "yours", who, i)
        s = dropout.stability(
            net, theta, x, y, first=i, draws=scale["draws"], generator=g
        )
        kept, (*others, last) = s.kept[s.best], s.scales[s.best]
        most = math.prod(h / len(k) for h, k in zip(net.hidden, kept))
        factors = [*others, min(last, most)]
        half = dropout.dropout_network(
            net, theta, kept, first=i, scale=factors
        )
        loss, _ = training.evaluate(net, half, x, y)
        found.append((kept, factors, loss))
    return found


try:
    stable = {"a": halves(a, "a"), "b": halves(b, "b")}
except ValueError as reason:
    print(f"no halves: {reason}")
    stable = {"a": [], "b": []}
for i, found in enumerate(zip(*stable.values()), 1):
    low = ", ".join(f"{w}: {f[2]:.4g}" for w, f in zip("AB", found))
    print(f"half of layers {i} to {net.depth - 1}: {low}")

# %% [markdown]
# ## Five ways across
#
# The straight line. The line to $\theta^B$ with its units in another order,
# matched by their weights, then by their activations: it ends at a network
# that computes the same function as $\theta^B$, not at $\theta^B$. The path of
# Theorem 1 over the halves above. And that of {cite}`nguyen2021`, Theorem 4.1,
# over half-width networks that are trained here on half of each layer's
# features.

# %% tags=["hide-input"]
from kernels import paths, subnetworks
from kernels.paths import alignment


def matched(order):
    """The line to theta^B, its units in another order."""
    return paths.straight(a, alignment.permute(net, b, order))


def dropped():
    """K19's Theorem 1 over the best halves."""
    how = {}
    for who, found in stable.items():
        how[f"kept_{who}"] = [kept for kept, _, _ in found]
        how[f"scale_{who}"] = [factors for _, factors, _ in found]
    return paths.theorem1(net, a, b, style="short", **how)


def reoptimised():
    """N21's Theorem 4.1 over subnetworks trained on the same samples."""
    how = {}
    for who, theta in (("a", a), ("b", b)):
        trained = [
            subnetworks.train(
                net,
                theta,
                x,
                y,
                layer=layer,
                generator=device.generator(0, "yours", who, layer),
                step_size=0.02,
                momentum=0.9,
                batch=min(50, len(x)),
                stop=None,
                **scale["subnetworks"],
            )
            for layer in range(net.depth)
        ]
        how[f"kept_{who}"] = [s.kept[s.best] for s in trained[1:]]
        how[f"subnetworks_{who}"] = [s.parameters[s.best] for s in trained]
    return paths.theorem41(net, a, b, style="short", **how)


WAYS = {
    "straight line": lambda: paths.straight(a, b),
    "matched, weights": lambda: matched(alignment.match(net, a, b)),
    "matched, activations": lambda: matched(
        alignment.match_activations(net, a, b, x)
    ),
    "Theorem 1": dropped,
    "Theorem 4.1": reoptimised,
}

# %% [markdown]
# Each is certified: *at most* bounds the loss on the whole continuum, all
# rounding included (and `above` rounds what is printed upwards), *found* is a
# loss that is reached. Where the two are equal but for rounding, the supremum
# is *exact*. A way that does not exist for your networks (layers too narrow
# for two halves) is left out, with the reason.

# %%
from kernels import certificates, interpolation

sure, along = {}, {}
for way, build in WAYS.items():
    try:
        path = build()
    except (ValueError, FloatingPointError) as reason:
        print(f"{way}: {reason}")
        continue
    sure[way] = certificates.certify(net, path, x, y, budget=200)
    points = max(3, 41 // len(path))
    along[way] = interpolation.profile(net, path, x, y, points=points)


def above(value):
    """Four digits of a bound, rounded upwards."""
    if not 0 < value < math.inf:
        return f"{value:g}"
    unit = 10.0 ** (math.floor(math.log10(value)) - 3)
    return f"{math.ceil(value / unit) * unit:.4g}"


# %%
from book.tools import tables

HEAD = "way", "segments", "found", "at most", "exact", "error at most"
rows = [
    (
        way,
        str(len(c.segments)),
        f"{c.attained:.4g}",
        above(c.upper),
        "yes" if c.exact else "no",
        above(100 * c.error_upper) + " %",
    )
    for way, c in sure.items()
]
print(tables.text(HEAD, rows))

# %%
own = [training.evaluate(net, theta, x, y)[0] for theta in (a, b)]
whole = {way: c for way, c in sure.items() if not way.startswith("matched")}
best = min(whole, key=lambda way: whole[way].upper)
epsilon = max(whole[best].upper - max(own), 0.0)
print(f"from A to B itself the lowest is: {best}")
print(f"A and B are epsilon-connected with epsilon = {above(epsilon)}")

# %% [markdown]
# The last line is {prf:ref}`def-sl-connected`, on these samples. *Error at
# most* bounds the share of samples that are wrong at any one point of the way.
#
# {numref}`fig-yours` shows the same. A bound far above what was found is a
# bound that ran out of its budget of intervals, not a hill: deep networks'
# lines are hard to bound ({ref}`dropout-certificates`); the papers' paths
# are not.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Two panels on logarithmic axes. Left: the loss along each of the ways from the first network to the second, with a dotted line at each way's certified bound. Right: the loss of the best dropout networks against the first layer that drops units, for both networks, with lines at the networks' own losses."}, "figure": {"name": "fig-yours", "caption": "Left: the loss along the ways across, computed at points, and thin the certified bound of each. The matched lines end at the second network with its units in another order. Right: the loss of the best dropout network found that drops half of the units of this layer and of all above it; thin: the two networks themselves."}}
from book.tools import figures

axes = figures.axes(2, size=(7.2, 4.2))
LOOKS = dict(zip(WAYS, ("line", "matched", "activations", "k19", "n21")))
for way, p in along.items():
    look = figures.look(LOOKS[way], label=way)
    axes[0].plot(p.t, p.loss, **look)
    axes[0].axhline(sure[way].upper, ls=":", lw=1, color=look["color"])
axes[0].set(xlabel="t", ylabel="training loss", yscale="log")
for who, loss, colour, mark in zip("ab", own, figures.CYCLE, "os"):
    layers = range(1, 1 + len(stable[who]))
    low = [found[2] for found in stable[who]]
    ink = dict(color=colour, label=f"network {who.upper()}")
    axes[1].plot(layers, low, marker=mark, ls="-", **ink)
    axes[1].axhline(loss, ls=":", lw=1, color=colour)
axes[1].set(xlabel="first layer that drops units", yscale="log")
axes[1].set_xticks(list(range(1, net.depth)))
axes[1].legend()
figures.legend(axes[0])

# %% tags=["hide-input"]
import json

numbers = {
    "architecture": scale["architecture"],
    "losses": own,
    "epsilon": epsilon,
    "ways": {
        way: {
            "segments": len(c.segments),
            "found": c.attained,
            "at most": c.upper,
            "exact": c.exact,
            "error at most": c.error_upper,
        }
        for way, c in sure.items()
    },
}
written = {
    "table.md": tables.markdown(HEAD, rows),
    "table.tex": tables.latex(HEAD, rows),
    "numbers.json": json.dumps(numbers, indent=1) + "\n",
}
for file, text in written.items():
    Path(folder, file).write_text(text, encoding="utf-8")
for file in ("figure.pdf", "figure.svg"):
    axes[0].figure.savefig(Path(folder, file))
print(f"written: {', '.join(written)}, figure.pdf, figure.svg")
if run.changed:
    print(f"in {folder}")
run.finish(numbers)

# %% [markdown]
# ## What to say, and what not
#
# - A bound is for *these samples*, the mean of the cross-entropy over them.
#   More samples (`-p samples=2000`) cost time in proportion.
# - *Exact* and *at most* hold in exact arithmetic for the numbers in your
#   files, which are read as they are; batch norm is folded into its layer
#   first, and rounded once.
# - The best half is the best of the random draws. Another half may be better;
#   the bound says what *this* path does.
# - A way that is left out, or high, is no proof that the networks are not
#   connected. {ref}`dropout-disconnected` has two that are not.
#
# In code of your own the same takes a few lines: `networks.load` reads a file,
# `data.find` a dataset, and the page above is the rest.
#
# ## Exercises
#
# 1. Render with `-p draws=1`. By how much does the path of Theorem 1 rise, and
#    which layer is to blame?
# 2. Train the two networks without dropout (in `made_here`). Which of the
#    papers' paths is low now?
# 3. Give one file twice. What do matching and Theorem 1 make of it?
#
# ## Provenance

# %% tags=["remove-input"]
run.footer()
