"""Errors that name the layer and both values."""

import torch


def check_parameters(network, theta, name, *, values):
    """The work of ``Network.check``."""
    if len(theta) != network.depth:
        raise ValueError(
            f"{name} has {len(theta)} layers; the network has {network.depth}"
        )
    for i, (layer, entry) in enumerate(zip(network.layers, theta), 1):
        weight = network.weight_shape(i)
        bias = (layer.width,) if layer.bias else None
        first = theta[0][0]
        _check_layer(f"{name}, layer {i}", entry, weight, bias, first, values)


def check_alike(theta, other, name, other_name):
    """Both parameters are sound, and of the same shapes and dtype."""
    if len(theta) != len(other) or len(theta) == 0:
        raise ValueError(
            f"{name} has {len(theta)} layers, {other_name} {len(other)}; the "
            "same positive number will do"
        )
    first = theta[0][0]
    for i, (entry, twin) in enumerate(zip(theta, other), 1):
        shapes = [
            tuple(part.shape) if torch.is_tensor(part) else None
            for part in entry[:2]
        ]
        for who, pair in ((name, entry), (other_name, twin)):
            _check_layer(f"{who}, layer {i}", pair, *shapes, first, True)


def _check_layer(where, entry, weight_shape, bias_shape, first, values):
    if len(entry) != 2:
        raise ValueError(
            f"{where}: {len(entry)} entries; a (weight, bias) pair will do. "
            "Batch norm must be folded first (networks.fold_batch_norm)"
        )
    weight, bias = entry
    _check_tensor(f"{where}: weight", weight, weight_shape, first)
    if (bias is None) != (bias_shape is None):
        have, need = (
            "None" if absent else "given"
            for absent in (bias is None, bias_shape is None)
        )
        raise ValueError(f"{where}: bias is {have}; needed: {need}")
    if bias is not None:
        _check_tensor(f"{where}: bias", bias, bias_shape, first)
    for part, tensor in (("weight", weight), ("bias", bias)):
        if values and tensor is not None:
            check_finite(f"{where}: {part}", tensor)


def _check_tensor(where, tensor, shape, first):
    if not torch.is_tensor(tensor):
        raise TypeError(
            f"{where} is a {type(tensor).__name__}; a torch tensor will do"
        )
    if tuple(tensor.shape) != shape:
        raise ValueError(
            f"{where} has shape {tuple(tensor.shape)}; needed: {shape}"
        )
    if not tensor.is_floating_point():
        raise TypeError(f"{where} has dtype {tensor.dtype}; floats will do")
    for what in ("dtype", "device"):
        mine, other = getattr(tensor, what), getattr(first, what)
        if mine != other:
            raise TypeError(f"{where} has {what} {mine}; needed: {other}")


def check_finite(where, tensor):
    """Raise ValueError where a tensor has values that are not finite."""
    if not tensor.is_floating_point():
        return
    finite = torch.isfinite(tensor)
    if not bool(finite.all()):
        bad = int((~finite).sum())
        raise ValueError(f"{where} has {bad} non-finite values; none will do")


def one_of(name, value, allowed):
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}; one of {allowed} will do")
