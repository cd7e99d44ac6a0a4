"""A hyperplane for each group of samples, and the units beside it."""

import torch

from kernels.memorization.line import TRIES

_TINY = 1e-12


def planes(x, y, groups, generator):
    """The last hidden layer and the output weights, and the smallest gap."""
    lift = torch.cat([x, torch.ones_like(x[:, :1])], 1)  # (N, d + 1)
    size = float(lift.norm(dim=1).max())
    rows, outs, gaps = [], [], []
    for group in groups:
        plane, gap = _plane(lift, group, generator)
        if gap <= _TINY * size:
            raise ValueError(
                f"x: another sample lies in the affine hull of a group of "
                f"{len(group)}; distinct samples in smaller groups will do"
            )
        slopes = torch.linalg.pinv(lift[group]) @ y[group]  # (d + 1, C)
        _check_values(lift[group], slopes, y[group])
        reach = (lift @ slopes).abs().amax(0)
        reach = torch.where(reach > 0, reach, _TINY)
        step = gap / 2 / reach  # (C,): |step slopes x| is at most gap / 2
        tilted = plane + (step * slopes).T  # (C, d + 1)
        both = torch.cat([plane[None], tilted])
        shift = torch.zeros_like(both)
        shift[:, -1] = gap / 2
        rows.append(torch.cat([both + shift, both - shift]))
        read = torch.cat([-1 / step[:, None], torch.diag(1 / step)], 1)
        outs.append(torch.cat([read, -read], 1))  # (C, 2 (C + 1))
        gaps.append(gap / size)
    units = torch.cat(rows)
    return (units[:, :-1], units[:, -1]), torch.cat(outs, 1), min(gaps)


def _check_values(lift, slopes, y):
    """Whether an affine function takes a group's values, up to rounding."""
    off = float((lift @ slopes - y).abs().max())
    allowed = torch.finfo(y.dtype).eps ** 0.375 * float(y.abs().max())
    if not off <= allowed:
        rank = int(torch.linalg.matrix_rank(lift))
        raise ValueError(
            f"x: a group of {len(lift)} samples spans {rank - 1} dimensions, "
            f"and no affine function takes its values (the nearest is "
            f"{off:.2g} off); affinely independent samples, as in smaller "
            "groups or drawn in another order, will do"
        )


def _plane(lift, group, generator):
    """A unit normal, offset last, of a plane through a group; its gap."""
    _, sizes, basis = torch.linalg.svd(lift[group], full_matrices=True)
    rank = int((sizes > 1e-11 * sizes[0]).sum())
    free = basis[rank:]  # (at least 1, d + 1)
    mix = torch.randn(TRIES, len(free), generator=generator, dtype=lift.dtype)
    normals = torch.nn.functional.normalize(mix @ free, dim=1)
    off = (lift @ normals.T).abs()  # (N, tries)
    off[group] = torch.inf
    gap, best = off.amin(0).max(0)
    if torch.isinf(gap):  # the only group
        gap = torch.ones_like(gap)
    return normals[best], float(gap)
