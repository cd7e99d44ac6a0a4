"""N21's experiment A: subnetworks trained on the features of a network.

``train``    the best of many subnetworks of one layer, all trained at once
``last_layer``   the best output layer on given features, with a proved gap
``influence``    how much each unit of a layer does, to first order
``eliminate``    units to keep, the least harmful removed one at a time
``table1``   the settings of N21's Table 1, layer by layer
``kept_counts``   the sizes |I_l| for a pruning factor
``Plateau``  a step size that falls where the loss no longer does
"""

from kernels.subnetworks.choice import eliminate, influence
from kernels.subnetworks.output import LastLayer, last_layer
from kernels.subnetworks.schedules import Plateau, table1
from kernels.subnetworks.stack import kept_counts
from kernels.subnetworks.train import Subnetworks, train

__all__ = [
    "LastLayer",
    "Plateau",
    "Subnetworks",
    "eliminate",
    "influence",
    "kept_counts",
    "last_layer",
    "table1",
    "train",
]
