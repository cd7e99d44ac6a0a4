"""N21's experiment A: subnetworks trained on the features of a network.

``train``    the best of many subnetworks of one layer, all trained at once
``table1``   the settings of N21's Table 1, layer by layer
``kept_counts``   the sizes |I_l| for a pruning factor
``Plateau``  a step size that falls where the loss no longer does
"""

from kernels.subnetworks.schedules import Plateau, table1
from kernels.subnetworks.stack import kept_counts
from kernels.subnetworks.train import Subnetworks, train

__all__ = ["Plateau", "Subnetworks", "kept_counts", "table1", "train"]
