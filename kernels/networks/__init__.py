"""ReLU networks as immutable descriptions, and their parameters as tuples.

A network has d layers, counted 1 … d as in the papers.  Its parameters are a
tuple with one ``(weight, bias or None)`` a layer, weights ``(out, in)`` or
``(out, in, k, k)``.  ReLU stands between the layers, none after the last; a
convolution's ReLU may be followed by pooling, and maps are flattened before
the first linear layer.

A *unit* of hidden layer l is a row of layer l's weight (a neuron or a
channel), its bias, and the block of columns that it feeds in layer l + 1: one
column, one channel slice, or height x width columns behind a flatten.
:func:`columns` shows every weight as ``(out, units, block)``, so that what is
written on units holds for neurons and for channels.

Modules that are doors of this room:

``aliases``  names for the types that pass between the rooms
``checks``   errors that name the argument and both values
``kept``     kept sets of units, and scales, brought to one form
``losses``   targets, losses and errors of outputs
``placing``  subnetworks placed in the units of a network
``samples``  a set (x, y), checked and brought to one form
``tree``     what is done to all tensors of parameters at once
"""

from kernels.networks import (
    aliases,
    checks,
    kept,
    losses,
    placing,
    samples,
    tree,
)
from kernels.networks.aliases import Parameters
from kernels.networks.batchnorm import fold_batch_norm
from kernels.networks.described import architecture
from kernels.networks.files import load, read_tensors
from kernels.networks.layers import Layer, Pool
from kernels.networks.models import conv3, mlp, vgg11
from kernels.networks.modules import from_module, to_module
from kernels.networks.network import Network, columns

__all__ = [
    "Layer",
    "Network",
    "Parameters",
    "Pool",
    "aliases",
    "architecture",
    "checks",
    "columns",
    "conv3",
    "fold_batch_norm",
    "from_module",
    "kept",
    "load",
    "losses",
    "mlp",
    "placing",
    "read_tensors",
    "samples",
    "to_module",
    "tree",
    "vgg11",
]
