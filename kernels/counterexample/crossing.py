"""A path over the pass: an upper bound on the barrier."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from kernels.certificates import square_supremum
from kernels.counterexample.minima import minima
from kernels.counterexample.samples import samples
from kernels.counterexample.search import fit
from kernels.networks import Parameters, checks
from kernels.runs.progress import progress


@dataclass(frozen=True)
class Crossing:
    """A piecewise-linear path between the two minima.

    ``knots``: parameters, the first and last bit-for-bit those of ``minima``;
    ``height``: the supremum of the mean square error along the path, exact up
    to rounding (the loss is piecewise a quartic in t), hence an upper bound
    on the barrier; ``start``: the same before the knots were optimised.
    """

    knots: tuple[Parameters, ...]
    height: float
    start: float


def crossing(
    x: Tensor,
    y: Tensor,
    *,
    knots: int = 16,
    candidates: int = 128,
    keep: int = 4,
    fit_steps: int = 20,
    steps: int = 1500,
    rate: float = 0.02,
    noise: float = 0.06,
    sharpness: float = 8.0,
    generator: torch.Generator,
) -> Crossing:
    """Optimise a path from the teacher's minimum to the other one.

    Two continuations of ``knots`` steps each make ``candidates`` first paths.
    From the second minimum, unit 2 is faded out, its output weight going from
    1 to 0, while the other h - 1 (positive) units are refitted, with a little
    noise, to what is left; where it is gone, that is the pass.  From there it
    is faded in as the teacher's second unit, its weight going to -1.  The
    ``keep`` lowest are then optimised whole: Adam on a soft maximum of the
    loss along the path; the best path met on the way is returned.

    Whatever the search does, ``Crossing.height`` is a true upper bound on the
    barrier; how far above the barrier it lies is not known.

    Parameters
    ----------
    x, y : (n, h + 2) and (n,), float64, as ``dataset`` returns them
    knots : steps of each continuation
    candidates : first paths
    keep : how many of them are optimised
    fit_steps : of each refit
    steps, rate : Adam's, the rate falling to 0
    noise : standard deviation of a refit's start
    sharpness : of the soft maximum, relative to the maximum
        Grows sixfold on the way.
    generator : draws the noise

    Raises
    ------
    ValueError, TypeError
        For numbers out of range, and for samples that do not fit.

    Cost: about ``candidates * 2 * knots * fit_steps`` small linear systems,
    then ``steps`` gradients of ``keep`` paths; about 3.5 s at h = 3 and 6 s at
    h = 6 with the defaults, less with fewer candidates and steps.
    """
    x, y = samples(x, y)
    h = checks.whole("x's columns, less 2,", x.shape[1] - 2, 2)
    fit_steps = checks.whole("fit_steps", fit_steps, 0)
    steps = checks.whole("steps", steps, 0)
    if knots < 1 or not 1 <= keep <= candidates:
        raise ValueError(
            f"knots is {knots}, keep {keep}, candidates {candidates}; knots "
            ">= 1 and 1 <= keep <= candidates will do"
        )
    first = _first_paths(
        x, y, h, knots, candidates, keep, fit_steps, noise, generator
    )
    best = _optimise(first, x, y, steps, rate, sharpness)
    start = min(_height(_parameters(path), x, y) for path in first)
    found = _parameters(best)
    return Crossing(found, _height(found, x, y), start)


def _first_paths(x, y, h, knots, candidates, keep, steps, noise, generator):
    """Paths (keep, knots, h, h + 3): rows and, last, output weights."""
    eye = torch.eye(h + 2, dtype=x.dtype)
    others = [0, *range(2, h)]
    fade = torch.linspace(1, 0, knots + 1, dtype=x.dtype)

    def assemble(rows, weight, row):
        paths = x.new_zeros(*rows.shape[:2], h, h + 3)
        paths[:, :, others, :-1], paths[:, :, others, -1] = rows, 1.0
        paths[:, :, 1, :-1], paths[:, :, 1, -1] = row, weight
        return paths

    def follow(rows, weights, unit, noise):
        """Refit the other units for each output weight of this one."""
        knots, worst = [], x.new_zeros(candidates)
        for weight in weights:
            kick = torch.randn(rows.shape, generator=generator, dtype=x.dtype)
            target = y - weight * torch.relu(x @ unit)
            loss, rows = fit(
                x, target.expand(candidates, -1), rows + noise * kick, steps
            )
            knots.append(rows)
            worst = torch.maximum(worst, loss)
        return torch.stack(knots, 1), worst

    full = eye[2:][others].expand(candidates, 1, -1, -1)  # unit u is f_{u+3}
    down, worst_down = follow(full[:, 0], fade[1:], eye[3], noise)
    up, worst_up = follow(down[:, -1], -fade.flip(0)[1:], eye[1], 0.0)
    lowest = torch.maximum(worst_down, worst_up).argsort()[:keep]
    full_side = torch.cat([down.flip(1), full], 1)[lowest]
    teacher_side = torch.cat([up.flip(1), down[:, -1:]], 1)[lowest]
    teacher, _ = minima(h)
    start = torch.cat([teacher[0][0], teacher[1][0].T], 1)
    start = start.expand(keep, 1, -1, -1)
    awake = start.clone()  # dead units get their output weight
    awake[:, :, others, -1] = 1.0
    return torch.cat(
        [
            start,
            awake,
            assemble(teacher_side, -fade, eye[1]),
            assemble(full_side, fade.flip(0), eye[3]),
        ],
        1,
    )


def _optimise(paths, x, y, steps, rate, sharpness, inside=6):
    """The best path met while a soft maximum of the loss is lowered."""
    ends = paths[:, :1], paths[:, -1:]
    middle = paths[:, 1:-1].clone().requires_grad_()
    optimiser = torch.optim.Adam([middle], lr=rate)
    best, lowest = paths[0], torch.inf
    for step in progress(range(steps + 1), desc="optimising the path"):
        whole = torch.cat([ends[0], middle, ends[1]], 1)
        if step % 25 == 0 or step == steps:
            with torch.no_grad():
                height = _losses(whole, x, y, 48).amax(1)
            if float(height.min()) < lowest:
                lowest = float(height.min())
                best = whole.detach()[int(height.argmin())].clone()
        losses = _losses(whole, x, y, inside)
        scale = losses.detach().amax(1, keepdim=True) / sharpness
        scale = scale / (1 + 5 * step / max(steps, 1))
        soft = torch.logsumexp(losses / scale, 1) * scale[:, 0]
        optimiser.param_groups[0]["lr"] = rate * (1 - step / (steps + 1))
        optimiser.zero_grad()
        soft.sum().backward()
        optimiser.step()
    return best


def _losses(paths, x, y, inside):
    """Losses (paths, points), ``inside`` points a segment."""
    t = torch.arange(inside, dtype=x.dtype)[:, None, None] / inside
    points = torch.lerp(paths[:, :-1, None], paths[:, 1:, None], t)
    hidden = torch.relu(points[..., :-1] @ x.T)  # (..., h, n)
    z = (hidden * points[..., -1:]).sum(-2)
    return (z - y).square().mean(-1).flatten(1)


def _parameters(path):
    return tuple(
        ((knot[:, :-1].clone(), None), (knot[None, :, -1].clone(), None))
        for knot in path
    )


def _height(knots, x, y):
    return max(
        square_supremum(a, b, x, y[:, None])[0] for a, b in pairwise(knots)
    )
