"""CUDA kernels, compiled by CuPy at run time, on Torch's own memory.

Each routine stands beside its Torch reference, which also runs wherever
CuPy does not: ``kernels.device.backend`` chooses, and
``CONNECTED_LANDSCAPE_BACKEND`` forces.

``segments``   loss and error at many points of a segment
``boxes``      a certificate's bounds on intervals of a segment
``meanfield``  a loss's derivative, and the way back through ReLU
``dropout``    outputs of many dropout networks
``launch``     compiles, checks and launches
"""

from kernels import at_first_use

__all__ = ["boxes", "dropout", "launch", "meanfield", "segments"]

# other rooms import ``launch`` alone
__getattr__ = at_first_use(__name__, __all__)
