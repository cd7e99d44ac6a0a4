"""With hidden biases the two minima are connected, at loss zero."""

import torch

from kernels.counterexample.minima import minima
from kernels.networks import Network, mlp
from kernels.paths import Path, lemma2


def biased_network(h: int) -> Network:
    """The student of ``network(h)`` with biases.

    Parameters
    ----------
    h : the student's hidden width
    """
    return mlp([h + 2, h, 1], bias=True)


def biased_path(h: int) -> Path:
    """From the second minimum to the teacher, with biases, at loss zero.

    Not in K19, whose students have no biases.  On ``dataset(h, k, l, m, n)``,
    whatever k, l, m, n, the mean square error is zero along the whole path:
    14 segments in the biased student, both ends with all biases 0.

    Write [J] for the labels of the residues J: 1 on samples 1 … l that belong
    to one of the columns J, 0 elsewhere.  Without biases a unit of positive
    weight can be [J] for a single column only; with a bias it can be any [J]
    with |J| < h.  Six segments turn [1] + … + [h] into [1 … h - 1] + [h]:
    the bias is lifted; [1] grows into [1, 2] while [2] fades, in two steps;
    the dead unit's output weight goes to zero, it takes over the row of
    [1 … h - 1], and then, affinely, the outputs of all but [h].  That leaves
    h - 2 units, enough for the teacher's two: K19's Lemma 2 does the rest.
    float64.

    Parameters
    ----------
    h : the student's hidden width

    Raises
    ------
    ValueError
        For h below 4.
    """
    if h < 4:
        raise ValueError(
            f"h is {h}; at least 4 will do: two units for each network"
        )
    share = torch.zeros(h, dtype=torch.float64)

    def unit(weights, lift):
        """A row on f_1 … f_{h+2} and the bias."""
        ends = weights.new_tensor([lift, -lift])
        return torch.cat([ends, weights, weights.new_tensor([-lift])])

    def grown(alpha):
        """[1] on its way to [1, 2]."""
        weights = share - alpha / (h - 2)
        weights[:2] = torch.tensor([1.0, alpha])
        return unit(weights, 1.0)

    def faded(alpha):
        """[2] less what the first unit has taken over."""
        weights = share - min(alpha, 1 - alpha) / (h - 1)
        weights[1] = 1 - alpha
        return unit(weights, 1.0)

    _, ((single, _), (outer, _)) = minima(h)
    rows = torch.stack([unit(row[2:], 0.0) for row in single])
    states = [(rows, outer)]
    rows = torch.stack([unit(row[2:], 1.0) for row in single])
    for alpha in (0.0, 0.5, 1.0):
        rows = rows.clone()
        rows[0], rows[1] = grown(alpha), faded(alpha)
        states.append((rows, outer))
    outer = outer.clone()
    outer[:, 1] = 0
    states.append((rows, outer))
    rows, weights = rows.clone(), share + 1
    weights[-1] = 2 - h
    rows[1] = unit(weights, h - 2.0)
    states.append((rows, outer))
    outer = torch.zeros_like(outer)
    outer[:, [1, h - 1]] = 1
    states.append((rows, outer))
    none = torch.zeros(1, dtype=torch.float64)
    knots = [
        ((rows[:, :-1].clone(), rows[:, -1].clone()), (outer, none))
        for rows, outer in states
    ]
    (first, _), (last, _) = minima(h)[0]
    teacher = ((first, torch.zeros(h, dtype=torch.float64)), (last, none))
    rest = lemma2(biased_network(h), knots[-1], teacher)
    return Path([*knots, *list(rest.knots)[1:]])
