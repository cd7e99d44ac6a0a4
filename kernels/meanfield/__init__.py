"""Mean-field networks of S20, batched over independent trials.

Two layers are S20 (3.1)-(3.4), more are (1.1), (4.1)-(4.3).  `init`,
`forward`, `drop`, `as_network` describe the networks; `sgd_step`, `Step` and
`train` train them; `evaluate` and `masks` measure them and their dropouts;
`fluctuations` predicts what dropout does to the loss, `influences` which
neurons it matters to keep, `chosen` keeps some of those; `first_order` is
the change that they predict, `search_masks` looks for the largest.  `limit`
solves the limit N = infinity for S20's Gaussians, from the law of `particles`.
"""

from kernels.meanfield.evaluation import Evaluation, evaluate, masks
from kernels.meanfield.fluctuations import Fluctuations, fluctuations
from kernels.meanfield.influence import chosen, first_order, influences
from kernels.meanfield.limit import Limit, limit
from kernels.meanfield.model import as_network, drop, forward, init, shape
from kernels.meanfield.quadrature import particles
from kernels.meanfield.search import Search, search_masks
from kernels.meanfield.step import Step, sgd_step
from kernels.meanfield.training import Snapshot, Training, train

__all__ = [
    "Evaluation",
    "Fluctuations",
    "Limit",
    "Search",
    "Snapshot",
    "Step",
    "Training",
    "as_network",
    "chosen",
    "drop",
    "evaluate",
    "first_order",
    "fluctuations",
    "forward",
    "influences",
    "init",
    "limit",
    "masks",
    "particles",
    "search_masks",
    "sgd_step",
    "shape",
    "train",
]
