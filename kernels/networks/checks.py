"""Errors that name the argument and both values: parameters, data, numbers.

Data come as tensors, NumPy arrays or lists, and leave as tensors:
:func:`tensor`, :func:`numbers`, :func:`indices`.  ``networks.samples`` has
the one rule for a set (x, y).  Arguments that are one value, a whole number
or a generator, are looked at in ``networks.arguments``; its functions are
here too.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from kernels.networks.arguments import (
    generator,
    is_whole,
    one_of,
    pair,
    whole,
)

if TYPE_CHECKING:
    from kernels.networks.network import Network

__all__ = [
    "check_alike",
    "check_finite",
    "check_parameters",
    "generator",
    "indices",
    "is_whole",
    "numbers",
    "one_of",
    "pair",
    "tensor",
    "whole",
]


def check_parameters(
    network: Network, theta: Any, name: str, *, values: bool
) -> None:
    """The work of ``Network.check``.

    Parameters
    ----------
    network : whose parameters they are to be
    theta : parameters, or anything else
    name : what errors call them
    values : whether to look for numbers that are not finite

    Raises
    ------
    TypeError
        For what is no parameters and for dtypes or devices that differ.
    ValueError
        For other shapes, biases or numbers.
    """
    if not isinstance(theta, list | tuple):
        hint = ""
        if isinstance(theta, torch.nn.Module):
            hint = "; networks.from_module reads a module"
        raise TypeError(
            f"{name} is a {type(theta).__name__}; a tuple with one (weight, "
            f"bias or None) a layer will do{hint}"
        )
    if len(theta) != network.depth:
        raise ValueError(
            f"{name} has {len(theta)} layers; the network has {network.depth}"
        )
    for i, (layer, entry) in enumerate(zip(network.layers, theta), 1):
        weight = network.weight_shape(i)
        bias = (layer.width,) if layer.bias else None
        first = theta[0][0]
        _check_layer(f"{name}, layer {i}", entry, weight, bias, first, values)


def check_alike(theta: Any, other: Any, name: str, other_name: str) -> None:
    """Both parameters are sound, and of the same shapes and dtype.

    Parameters
    ----------
    theta, other : parameters, or anything else
    name, other_name : what errors call them

    Raises
    ------
    TypeError
        For what is no parameters and for dtypes or devices that differ.
    ValueError
        For other shapes, biases or numbers.
    """
    for who, given in ((name, theta), (other_name, other)):
        if not isinstance(given, list | tuple):
            raise TypeError(
                f"{who} is a {type(given).__name__}; a tuple with one "
                "(weight, bias or None) a layer will do"
            )
        for i, entry in enumerate(given, 1):
            _check_entry(f"{who}, layer {i}", entry)
    if len(theta) != len(other) or len(theta) == 0:
        raise ValueError(
            f"{name} has {len(theta)} layers, {other_name} {len(other)}; the "
            "same positive number will do"
        )
    first = theta[0][0]
    for i, (entry, twin) in enumerate(zip(theta, other), 1):
        weight, bias = (
            tuple(part.shape) if torch.is_tensor(part) else None
            for part in entry[:2]
        )
        for who, given in ((name, entry), (other_name, twin)):
            where = f"{who}, layer {i}"
            _check_layer(where, given, weight, bias, first, True)


def _check_layer(
    where: str,
    entry: Any,
    weight_shape: tuple[int, ...] | None,
    bias_shape: tuple[int, ...] | None,
    first: Tensor,
    values: bool,
) -> None:
    _check_entry(where, entry)
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


def _check_entry(where: str, entry: Any) -> None:
    if not isinstance(entry, list | tuple):
        raise TypeError(
            f"{where} is a {type(entry).__name__}; a (weight, bias or None) "
            "pair will do"
        )
    if len(entry) != 2:
        raise ValueError(
            f"{where}: {len(entry)} entries; a (weight, bias) pair will do. "
            "Batch norm must be folded first (networks.fold_batch_norm)"
        )


def _check_tensor(
    where: str, tensor: Any, shape: tuple[int, ...] | None, first: Tensor
) -> None:
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


def check_finite(where: str, values: Tensor) -> None:
    """Refuse numbers that are not finite.

    Parameters
    ----------
    where : what the error calls them
    values : a tensor of any shape

    Raises
    ------
    ValueError
        Where some are not; it says how many.
    """
    if not values.is_floating_point():
        return
    if math.isfinite(float(values.detach().sum())):  # as no sum with others is
        return
    if not bool(torch.isfinite(values).all()):
        bad = int((~torch.isfinite(values)).sum())
        raise ValueError(f"{where} has {bad} non-finite values; none will do")


def tensor(name: str, value: Any) -> Tensor:
    """Numbers as a tensor: a tensor itself, a NumPy array or a list copied.

    Parameters
    ----------
    name : what the error calls them
    value : a tensor, an array or nested lists

    Raises
    ------
    TypeError
        For what holds no real numbers.
    """
    if torch.is_tensor(value):
        if value.is_complex():
            raise TypeError(
                f"{name} has dtype {value.dtype}; real numbers will do"
            )
        return value
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"{name} is a {type(value).__name__} of {array.dtype}; a tensor "
            "or an array of real numbers will do"
        )
    native = array.astype(array.dtype.newbyteorder("="))
    return torch.from_numpy(native)


def numbers(name: str, value: Any, *, like: Tensor) -> Tensor:
    """Real numbers as the parameters have them.

    Integers of any type, and booleans, take the parameters' dtype, in which
    they must be exact.  Nothing is rounded on the way in.  What is no tensor
    goes to the parameters' device.

    Parameters
    ----------
    name : what errors call them
    value : a tensor, an array or nested lists
    like : one of the parameters

    Raises
    ------
    TypeError
        For a float of another dtype and for complex numbers.
    ValueError
        For integers that the dtype does not hold.
    """
    found = tensor(name, value)
    if found.is_floating_point():
        if found.dtype != like.dtype:
            raise TypeError(
                f"{name} has dtype {found.dtype}; the parameters have "
                f"{like.dtype}"
            )
    else:
        exact = _int64(name, found)
        found = exact.to(like.dtype)
        if not torch.equal(found.to(torch.int64), exact):
            raise ValueError(
                f"{name} has integers that {like.dtype} does not hold, up to "
                f"{int(exact.abs().max())}"
            )
    return found if torch.is_tensor(value) else found.to(like.device)


def indices(name: str, value: Any) -> Tensor | None:
    """Integers (or booleans) of any type as int64; None for other numbers.

    Parameters
    ----------
    name : what the error calls them
    value : a tensor, an array or nested lists

    Raises
    ------
    TypeError
        For complex numbers.
    ValueError
        For integers that int64 does not hold.
    """
    found = tensor(name, value)
    return None if found.is_floating_point() else _int64(name, found)


def _int64(name: str, values: Tensor) -> Tensor:
    found = values.to(torch.int64)
    if values.dtype == torch.uint64 and bool((found < 0).any()):
        raise ValueError(
            f"{name} has integers from 2^63 on, which int64 does not hold; "
            "smaller ones will do"
        )
    return found
