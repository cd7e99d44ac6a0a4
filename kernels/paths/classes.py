"""Units that compute the same feature, in classes."""

from dataclasses import dataclass

from torch import Tensor

from kernels.paths.exact import gap


@dataclass(frozen=True)
class Below:
    """The features that a layer reads, in classes of equal ones.

    ``first``: one unit of each class; ``more`` and ``label``: the others, and
    the classes they belong to.  Units that are in no class compute zero.
    ``varies``, one a class; ``exact``: the units of a class are equal, not
    nearly so.
    """

    units: int
    first: Tensor
    more: Tensor
    label: Tensor
    varies: Tensor
    exact: bool

    def spread(self, values: Tensor) -> Tensor:
        """From one a class, (classes, …), to one a unit; elsewhere zero."""
        out = values.new_zeros(self.units, *values.shape[1:])
        out[self.first] = values
        out[self.more] = values[self.label]
        return out

    def gap(self, left: Tensor, right: Tensor | None) -> tuple[Tensor, Tensor]:
        """Bounds (rows, classes, block) on the sums' exact difference, and
        the sum of their terms' absolute values."""
        right = None if right is None else right.double()
        return gap(left.double(), right, self.first, self.more, self.label)
