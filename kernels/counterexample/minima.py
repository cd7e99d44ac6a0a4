"""K19's data set for Theorem 4 and its two global minima."""

import torch
from torch import Tensor

from kernels import states
from kernels.networks import Network, Parameters, checks, mlp


@states("K19", "Theorem 4")
def dataset(
    h: int,
    k: int | None = None,
    l: int | None = None,  # noqa: E741
    m: int | None = None,
    n: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The data of K19, Theorem 4 and Figure 4, with corrected indices.

    Rows 1…l have label 1, the rest 0; columns 3…h + 2 of rows 1…k are 1 on
    one residue mod h and -1 elsewhere, of rows k + 1…l 1 and 0; rows l + 1…m
    are -1 in columns 1 and 2 by turns, rows m + 1…n in the others.  The paper
    prints ``i <= l`` where the entry -1 needs ``i <= k``.

    Parameters
    ----------
    h : the student's hidden width, at least 2
    k, l, m, n : k < l < m < n count rows from 1
        None: k = h + 1, l = k + h + 1, m = l + 3, n = m + h + 1, the
        smallest that the paper allows.

    Returns
    -------
    tuple[Tensor, Tensor]
        X (n, h + 2) and y (n,), float64, such that ``φ(f_1) - φ(f_2)`` and
        ``φ(f_3) + … + φ(f_{h+2})`` both equal y, f_j column j and φ the
        ReLU.

    Raises
    ------
    ValueError
        Unless k > h, l - k > h, m - l > 2 and n - m > h, and all are whole.
    """
    h = checks.whole("h", h, 2)
    k = h + 1 if k is None else checks.whole("k", k)
    l = k + h + 1 if l is None else checks.whole("l", l)  # noqa: E741
    m = l + 3 if m is None else checks.whole("m", m)
    n = m + h + 1 if n is None else checks.whole("n", n)
    for name, gap, least in (
        ("k", k, h),
        ("l - k", l - k, h),
        ("m - l", m - l, 2),
        ("n - m", n - m, h),
    ):
        if gap <= least:
            raise ValueError(
                f"{name} is {gap}; more than {least} will do "
                f"(h = {h}, k = {k}, l = {l}, m = {m}, n = {n})"
            )
    i = torch.arange(1, n + 1)[:, None]
    j = torch.arange(1, h + 3)[None, :]
    own = (i - (j - 2)) % h == 0  # row i belongs to column j >= 3
    slope = (i <= l) * (i - (j == 2).long()) * (j <= 2)
    residue = (i <= l) * (j >= 3) * (own.long() - (~own & (i <= k)).long())
    turns = (l < i) * (i <= m) * (j <= 2) * ((i - j) % 2 == 0)
    tail = (i > m) * (j >= 3) * own
    x = slope + residue - turns.long() - tail.long()
    return x.double(), (i[:, 0] <= l).double()


def network(h: int) -> Network:
    """The student: h + 2 inputs, h ReLU units, one output, no biases.

    Parameters
    ----------
    h : the student's hidden width
    """
    return mlp([h + 2, h, 1], bias=False)


@states("K19", "Theorem 4")
def minima(h: int) -> tuple[Parameters, Parameters]:
    """Two parameters of :func:`network` with loss 0 (K19, Theorem 4).

    The first is the teacher, ``φ(f_1) - φ(f_2)``, its other h - 2 units zero;
    the second uses all h units, ``φ(f_3) + … + φ(f_{h+2})``.  float64.

    Parameters
    ----------
    h : the student's hidden width

    Raises
    ------
    ValueError
        For h below 2.
    """
    h = checks.whole("h", h, 2)
    eye = torch.eye(h + 2, dtype=torch.float64)
    rows, outer = torch.zeros(h, h + 2).double(), torch.zeros(1, h).double()
    rows[:2], outer[0, 0], outer[0, 1] = eye[:2], 1.0, -1.0
    teacher = ((rows, None), (outer, None))
    full = ((eye[2:].clone(), None), (torch.ones_like(outer), None))
    return teacher, full
