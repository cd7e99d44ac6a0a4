"""Names for the types that pass between the rooms."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

Pair = tuple[Tensor, Tensor | None]  # a layer's weight and bias
Parameters = tuple[Pair, ...]  # one pair a layer

# One entry for each of the layers 0 … d, None at the ends, where there is
# nothing to choose; between them units (k,) or numbers.
Places = tuple[Any, ...]
Factors = tuple[Any, ...]

# What users pass: index sequences, one a hidden layer, or a list over levels
# of such; one number, one a hidden layer, or a list over levels of such.
Kept = Sequence[Any]
Scale = float | Sequence[Any]
