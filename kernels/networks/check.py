"""Errors that name the layer and both values."""

import torch


def check_parameters(network, theta, name, *, values):
    """The work of ``Network.check``."""
    if len(theta) != network.depth:
        raise ValueError(
            f"{name} has {len(theta)} layers; the network has {network.depth}"
        )
    for i, (layer, entry) in enumerate(zip(network.layers, theta), 1):
        where = f"{name}, layer {i}"
        if len(entry) != 2:
            raise ValueError(
                f"{where}: {len(entry)} entries; a (weight, bias) pair "
                "will do. Batch norm must be folded first "
                "(networks.fold_batch_norm)"
            )
        weight, bias = entry
        _check_tensor(
            f"{where}: weight", weight, network.weight_shape(i), theta[0][0]
        )
        if (bias is not None) != layer.bias:
            raise ValueError(
                f"{where}: bias is "
                f"{'given' if bias is not None else 'None'}; the "
                f"network's layer has bias={layer.bias}"
            )
        if bias is not None:
            _check_tensor(f"{where}: bias", bias, (layer.width,), theta[0][0])
        for part, tensor in (("weight", weight), ("bias", bias)):
            if values and tensor is not None:
                _check_finite(f"{where}: {part}", tensor)


def _check_tensor(where, tensor, shape, first):
    if not torch.is_tensor(tensor):
        raise TypeError(
            f"{where} is a {type(tensor).__name__}; a torch tensor will do"
        )
    if tuple(tensor.shape) != tuple(shape):
        raise ValueError(
            f"{where} has shape {tuple(tensor.shape)}; the network needs "
            f"{tuple(shape)}"
        )
    if not tensor.is_floating_point():
        raise TypeError(f"{where} has dtype {tensor.dtype}; floats will do")
    for what in ("dtype", "device"):
        mine, other = getattr(tensor, what), getattr(first, what)
        if mine != other:
            raise TypeError(
                f"{where} has {what} {mine}; layer 1's weight has {other}"
            )


def _check_finite(where, tensor):
    finite = torch.isfinite(tensor)
    if not bool(finite.all()):
        bad = int((~finite).sum())
        raise ValueError(f"{where} has {bad} non-finite values; none will do")


def one_of(name, value, allowed):
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}; one of {allowed} will do")
