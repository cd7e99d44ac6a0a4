"""Paths drawn as block matrices, knot by knot, as K19's Figure 1 is."""

import numpy as np
import torch

from book.tools import figures
from kernels.paths.alignment import permute

WHITE, ORANGE, GREEN = (1, 1, 1), (1, 0.89, 0.80), (0.80, 0.93, 0.85)


def draw(net, path, kept, *, moves=None, name="A"):
    """One row of panels a knot: layers d … 1, kept units first, bias last.

    Entries are absolute weights. Orange: what changed in the step; green:
    zero columns of units whose rows changed. `kept`: indices, one tensor a
    hidden layer; `moves`: a letter a segment, None: "a" where the last layer
    alone moves, else "b"; `name` of the matrices.
    """
    text = ["θ"]
    for k, kind in enumerate(path.kinds):
        layers = list(zip(*path.ends(k)))[:-1]
        still = all(_same(*pair) for pair in layers)
        move = moves[k] if moves else "a" if still else "b"
        text.append(f"move {move}\n{kind}")
    order = [
        torch.cat([s, torch.tensor(sorted({*range(h)} - {*s.tolist()}))])
        for s, h in zip(kept, net.hidden)
    ]
    full = [
        [_array(layer) for layer in permute(net, knot, order)]
        for knot in path.knots
    ]
    tops = [
        np.quantile(np.abs(np.stack(layer)), 0.995) for layer in zip(*full)
    ]
    axes = figures.axes(net.depth, len(full), size=(5.6, 1.32 * len(full)))
    for k, state in enumerate(full):
        before = full[max(k - 1, 0)]
        for i, ax in zip(range(net.depth, 0, -1), axes[k]):
            dead = np.zeros(state[i - 1].shape[1], bool)
            if i > 1:
                moved = (state[i - 2] != before[i - 2]).any(1)
                zero = (state[i - 1][:, : len(moved)] == 0).all(0)
                dead[: len(moved)] = moved & zero
            image = _picture(state[i - 1], before[i - 1], dead, tops[i - 1])
            ax.imshow(image, interpolation="nearest")
            ax.set(xticks=[], yticks=[])
            for side in ax.spines.values():
                side.set(visible=True, lw=0.5)
            if i > 1:
                ax.axvline(len(kept[i - 2]) - 0.5, color="0.4", lw=0.5)
            if i < net.depth:
                ax.axhline(len(kept[i - 1]) - 0.5, color="0.4", lw=0.5)
            if k == 0:
                ax.set_title(f"${name}_{i}$", loc="center")
        axes[k, 0].set_ylabel(
            f"({k + 1}) {text[k]}", rotation=0, ha="right", va="center"
        )


def _same(layer, twin):
    pairs = zip(layer, twin)
    return all(p is q or torch.equal(p, q) for p, q in pairs)


def _array(layer):
    """Weight and, as a last column, bias."""
    weight, bias = layer
    parts = [weight] if bias is None else [weight, bias[:, None]]
    return torch.cat(parts, 1).numpy()


def _picture(weight, before, dead, top):
    """|weight| as an image on white, orange and green ground."""
    changed = weight != before
    ground = np.where(changed[..., None], ORANGE, WHITE)
    ground[:, dead] = GREEN
    colour = np.where(changed[..., None], _ink("orange"), _ink("blue"))
    depth = np.clip(np.abs(weight) / top, 0, 1)[..., None] ** 0.6
    return ground * (1 - depth) + colour * depth


def _ink(name):
    """A colour of the book as three numbers."""
    code = figures.COLOURS[name]
    return np.array([int(code[i : i + 2], 16) / 255 for i in (1, 3, 5)])
