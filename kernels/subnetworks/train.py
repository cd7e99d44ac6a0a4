"""Experiment A: the subnetworks xi_l of one layer, trained for all draws."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kernels import states
from kernels.networks import Network, Parameters, tree
from kernels.networks.checks import whole
from kernels.networks.samples import samples
from kernels.runs import checkpoint
from kernels.runs.loop import Run
from kernels.subnetworks import stack
from kernels.subnetworks.group import Group
from kernels.training import Recipe, block_size, evaluate
from kernels.training.minibatches import checksum

_DEFAULTS = {
    "step_size": 3e-3,
    "momentum": 0.95,
    "epochs": 100,
    "stop": "separation",
}


@dataclass(frozen=True)
class Subnetworks:
    """What :func:`train` found, one entry a draw.

    ``net``: the shape of xi_l.  ``kept``: I_l, a sorted LongTensor of the
    units of ``layer`` that feed the subnetwork (for xi_0 all inputs).
    ``parameters``: those of xi_l, as ``paths.theorem41`` takes them.
    ``epochs``: how long each was trained; ``train_loss``, ``train_error``,
    ``test_loss``, ``test_error`` (draws,), float64, the last two None without
    a test set; ``best``: the draw with the smallest training loss.
    """

    layer: int
    net: Network
    kept: list[Tensor]
    parameters: list[Parameters]
    epochs: Tensor
    train_loss: Tensor
    train_error: Tensor
    test_loss: Tensor | None
    test_error: Tensor | None
    best: int


@states("N21", "Experiment A", "(16)", "Corollary 4.2")
def train(
    net: Network,
    theta: Parameters,
    x: Tensor,
    y: Tensor,
    *,
    layer: int,
    keep: float | Sequence[int | float] = 0.5,
    draws: int = 20,
    kept: Tensor | Sequence[Tensor] | None = None,
    generator: torch.Generator,
    recipe: Recipe | None = None,
    init: dict | None = None,
    test: tuple[Tensor, Tensor] | None = None,
    together: int | None = None,
    store: str | Path | None = None,
    checkpoint_every: int = 1000,
    **settings: Any,
) -> Subnetworks:
    """N21, experiment A, (16), for l = ``layer``: min over I_l of Q_l.

    A layer at a time, as N21, Corollary 4.2, allows.

    Every draw picks |I_l| units of layer l uniformly at random, and trains
    by SGD a fresh network xi_l of widths n_p - |I_p|, p > l, that reads those
    units' features alone; the network ``theta`` below is left as it is.  The
    features are computed once, and all draws are trained at once: draw t
    depends on the generator and t only, not on how many draws there are.

    Parameters
    ----------
    net : the network
    theta : its parameters
    x, y : the training set, of the parameters' dtype and device
    layer : int
        l = 0 … L - 1.  xi_0 reads all inputs: its draws differ in their
        initial values and have nothing to choose.
    keep : 1 - f, as in :func:`kept_counts`
        ceil((1 - f) n_l) units feed xi_l.
    draws : how many subnetworks
    kept : None, or one I_l a draw, of ceil((1 - f) n_l) units each
        Chosen subsets in place of random ones; the initial values are those
        that the draws have without.
    generator : on the CPU
    recipe, settings : a ``training.Recipe``, or its settings
        Keywords change the recipe; without one, step size 3e-3, momentum
        0.95 and 100 epochs with ``stop="separation"``, after which a draw
        ends with the first epoch that leaves no error on the training set.
        :func:`table1` has N21's values.  ``schedule`` may be a
        :class:`Plateau`, which looks at the mean loss of the draws that are
        trained ``together``; ``epochs`` is the longest training.
        ``mixed_precision`` is for training alone: the features, and what is
        reported, are computed in the parameters' dtype.
    init : arguments of ``Network.init``, None for He's with zero biases
    test : (x, y) on which every draw is evaluated, and none is chosen
    together : draws in one batched product; None: all, or one where layers
        above l are convolutions on a CPU.  Rounding apart, it changes nothing
        but time (with a ``Plateau``, also what is looked at).
    store : None, or a folder
        ``layer-03/draw-007.pt`` is written when that draw ends, and the state
        of the training every ``checkpoint_every`` steps; a later call with
        the same arguments goes on from there.
    checkpoint_every : steps between two writes of the training's state
        One seed for the order of the samples, which all draws share, and one
        for each draw.

    Returns
    -------
    Subnetworks
        A :class:`Subnetworks`.

    Raises
    ------
    ValueError
        For arguments that do not fit.
    FloatingPointError
        Where a loss is not finite.

    Cost: one pass through layers 1 … l; then for each draw and step three
    times the products of one pass of the batch through xi_l.
    """
    recipe = Recipe.of(recipe, settings, **_DEFAULTS)
    recipe.refuse("subnetworks.train", "steps", "dropout", "augment")
    recipe.refuse("subnetworks.train", "sampling")
    theta = net.check(theta)
    x, y = samples(net, theta, x, y, loss=recipe.loss)
    if test is not None:
        test = samples(net, theta, *test, loss=recipe.loss)
    _check(net, layer, draws, recipe.epochs, together)
    chosen = None if kept is None else _chosen(net, layer, draws, keep, kept)
    recipe.check_batch(len(x))
    sizes = stack.kept_counts(net, keep)
    narrow = stack.narrow(net, sizes, layer)
    h = features(net, theta, x, layer)
    order, *seeds = [
        int(torch.randint(2**63 - 1, (), generator=generator))
        for _ in range(draws + 1)
    ]
    born = [
        _draw(net, narrow, sizes, layer, seed, theta[0][0], init)
        for seed in seeds
    ]
    if chosen is not None:
        born = [(units, xi) for units, (_, xi) in zip(chosen, born)]
    folder = None if store is None else Path(store) / f"layer-{layer:02d}"
    label = {}
    if store is not None:  # else nobody asks, and it looks at all of the data
        label = {
            "net": repr(net),
            "features": checksum(h),
            "targets": checksum(y),
            "sizes": sizes,
            "order": order,
            "init": dict(sorted((init or {}).items())),
            **recipe.label,
            "epochs": recipe.epochs,
        }
        if chosen is not None:
            label["kept"] = [units.tolist() for units in chosen]
    book = _Book(folder, label, seeds)
    if together is None:
        maps = any(one.kernel is not None for one in narrow.layers)
        together = 1 if maps and not h.is_cuda else draws
    while missing := [t for t in range(draws) if t not in book]:
        group = missing[:together]
        job = Group(
            net,
            narrow,
            h,
            y,
            layer=layer,
            kept=torch.stack([kept for kept, _ in born]) if layer else None,
            alive=group,
            start=tree.stack([born[t][1] for t in group]),
            generator=torch.Generator().manual_seed(order),
            recipe=recipe,
            finish=book.write,
        )
        steps = whole("epochs", recipe.epochs) * job.per_epoch
        path = None if folder is None else folder / "training.pt"
        run = Run(job, moments=[], losses=h.new_empty(steps))
        run.go(
            label,
            path,
            checkpoint_every,
            f"layer {layer}, {len(group)} subnetworks",
        )
        job.close()
        if path is not None:
            path.unlink(missing_ok=True)
    return _measured(
        net, theta, narrow, layer, book, born, (h, y), test, recipe.loss
    )


@torch.no_grad()
def features(net: Network, theta: Parameters, x: Tensor, layer: int) -> Tensor:
    """The features of ``layer`` on all samples, in blocks."""
    size = block_size(net, x)
    blocks = [net.features(theta, part, layer) for part in x.split(size)]
    return torch.cat(blocks)


class _Book:
    """Finished draws, in memory and, with a folder, one file a draw."""

    def __init__(self, folder, label, seeds):
        self._folder, self._label, self._seeds = folder, label, seeds
        self._done = {}

    def __contains__(self, t):
        if t not in self._done and self._folder is not None:
            found = checkpoint.load(self._path(t), self._settings(t))
            if found is not None:
                self._done[t] = found
        return t in self._done

    def __getitem__(self, t):
        return self._done[t]

    def write(self, t, theta, epochs, separated):
        state = {
            "settings": self._settings(t),
            "theta": theta,
            "epochs": epochs,
            "separated": separated,
        }
        self._done[t] = state
        if self._folder is not None:
            checkpoint.save(self._path(t), state)

    def _settings(self, t):
        return self._label | {"seed": self._seeds[t]}

    def _path(self, t):
        return self._folder / f"draw-{t:03d}.pt"


def _draw(net, narrow, sizes, layer, seed, like, init):
    """Draw t: its subset I_l and the initial parameters of its xi_l."""
    g = torch.Generator().manual_seed(seed)
    kept = torch.arange(net.widths[layer])
    if layer:
        order = torch.rand(len(kept), generator=g, dtype=torch.float64)
        kept = order.argsort()[: sizes[layer - 1]].sort().values
    theta = narrow.init(
        generator=g, dtype=like.dtype, device=like.device, **(init or {})
    )
    return kept, theta


def _measured(net, theta, narrow, layer, book, born, data, test, loss):
    """Evaluates every draw on its own, on both sets."""
    draws = range(len(born))
    sets = [data]
    if test is not None:
        sets.append((features(net, theta, test[0], layer), test[1]))
    tables: list[Tensor] = []
    for h, y in sets:
        rows = []
        for t in draws:
            units = born[t][0].to(h.device)
            xi = book[t]["theta"]
            seen = net.take(layer, h, units) if layer else h
            rows.append(evaluate(narrow, xi, seen, y, loss=loss))
        tables += torch.tensor(rows, dtype=torch.float64).T
    train_loss, train_error, *held = tables
    return Subnetworks(
        layer=layer,
        net=narrow,
        kept=[born[t][0] for t in draws],
        parameters=[book[t]["theta"] for t in draws],
        epochs=torch.tensor([book[t]["epochs"] for t in draws]),
        train_loss=train_loss,
        train_error=train_error,
        test_loss=held[0] if held else None,
        test_error=held[1] if held else None,
        best=int(train_loss.argmin()),
    )


def _chosen(net, layer, draws, keep, kept):
    """Given subsets, one a draw, checked and sorted."""
    if not layer:
        raise ValueError("kept is given and layer 0; xi_0 reads all inputs")
    size = stack.kept_counts(net, keep)[layer - 1]
    found = [torch.as_tensor(units).cpu().sort().values for units in kept]
    if len(found) != draws:
        raise ValueError(
            f"kept has {len(found)} subsets and draws is {draws}; one a draw "
            "will do"
        )
    for units in found:
        places = set(units.tolist())
        if len(units) != size or not places <= set(range(net.widths[layer])):
            raise ValueError(
                f"kept has {units.tolist()}; {size} of layer {layer}'s units "
                f"0 to {net.widths[layer] - 1} will do"
            )
        if len(places) != size:
            raise ValueError(f"kept has a unit twice: {units.tolist()}")
    return found


def _check(net, layer, draws, epochs, together):
    if not 0 <= layer < net.depth:
        raise ValueError(
            f"layer is {layer}; the network's layers with a subnetwork are 0 "
            f"to {net.depth - 1}"
        )
    whole("draws", draws)
    whole("epochs", epochs)
    if together is not None:
        whole("together", together)
