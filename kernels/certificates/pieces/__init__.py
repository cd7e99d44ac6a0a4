"""General segments of any depth, cut where hidden units change sign.

For one sample the outputs along a straight segment of weights are a piecewise
polynomial: between two sign changes of hidden units the network is a product
of matrices that move linearly.  A bound that cuts there multiplies by the
network itself, where chords and boxes multiply by |W|, layer after layer.
"""

from kernels.certificates.pieces.engine import cut, deep
from kernels.certificates.pieces.flips import flips

__all__ = ["cut", "deep", "flips"]
