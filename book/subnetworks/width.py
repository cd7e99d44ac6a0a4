# %% [markdown]
# (subnetworks-width)=
# # Wide enough, and dropout is enough
#
# PLACEHOLDER

# %% tags=["parameters"]
profile = "laptop"  # "paper" runs MNIST and widths from 200 to 3000

# %% tags=["remove-cell"]
import sys
from pathlib import Path

here = Path(globals().get("__file__", "chapter.py")).resolve()
root = next(p for p in here.parents if (p / "_config.yml").exists())
sys.path.insert(0, str(root))

# %% tags=["remove-input"]
from book.tools import chapter

run = chapter.start("subnetworks/width", profile)

# %%
scale = run.scale(
    laptop=dict(
        dataset="digits",
        widths={16: 5, 32: 5, 64: 5, 128: 5, 256: 5, 512: 3},  # width: models
        sgd=dict(step_size=0.02, momentum=0.9, batch=50, epochs=60),
        beyond=5,  # epochs after the data are separated
        draws=100,  # T_B
        dtype="float64",
    ),
    paper=dict(
        dataset="mnist",
        widths={200: 3, 500: 3, 1000: 2, 2000: 1, 3000: 1},
        sgd=dict(step_size=5e-3, momentum=0.95, batch=100, epochs=60),
        beyond=1,
        draws=100,
        dtype="float32",
    ),
)

# %%
import functools

import torch

from kernels import data, device, dropout, networks, training

STORE = run.store


@functools.cache
def samples(dataset, dtype):
    """Training and test set; MNIST in [-1, 1], as the authors have it."""
    how = "signed" if dataset == "mnist" else "global"
    d = data.load(dataset, normalize=how)
    return d.to(dtype=getattr(torch, dtype))


def cell(*, dataset, width, model, sgd, beyond, draws, dtype):
    """Two hidden layers, trained; experiment B from layer 1 and from 2."""
    d = samples(dataset, dtype)
    net = networks.mlp([d.train.x.shape[1], width, width, 10])
    g = device.generator(0, "width", dataset, width, model)
    theta = net.init(generator=g, dtype=d.train.x.dtype)
    for part, more in (("to", {}), ("on", {"epochs": beyond})):
        done = training.train(
            net,
            theta,
            (d.train.x, d.train.y),
            generator=g,
            nesterov=True,
            stop="separation" if part == "to" else None,
            checkpoint=Path(STORE, f"{dataset}-{width}-{model}-{part}.pt"),
            **sgd | more,
        )
        theta = done.theta
    found = {"width": width, "model": model}
    found["O train"] = training.evaluate(net, theta, d.train.x, d.train.y)
    found["O test"] = training.evaluate(net, theta, d.test.x, d.test.y)
    for layer in (1, 2):
        b = dropout.stability(
            net,
            theta,
            d.train.x,
            d.train.y,
            first=layer,
            draws=draws,
            generator=g,
            test=(d.test.x, d.test.y),
        )
        for part in ("train", "test"):
            both = (getattr(b, f"{part}_{what}") for what in ("loss", "error"))
            found[f"B{layer} {part}"] = [t[b.best].item() for t in both]
    return found


# %%
from kernels import sweep

fixed = {k: v for k, v in scale.items() if k != "widths"}
cells = sweep.run(
    cell,
    [
        dict(width=w, model=m, **fixed)
        for w, models in scale["widths"].items()
        for m in range(models)
    ],
    store=STORE,
)
