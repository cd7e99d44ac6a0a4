"""Texts that tell code and arrays apart, the same in every process."""

import hashlib
import inspect
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_DIGITS = 32  # of a hash that are kept
_OWN_FLAGS = 0xFFFF  # of a code object; above are those of `__future__`
_TENSORS = ("torch.Tensor", "torch.nn.parameter.Parameter")


def code_text(value: Callable[..., Any] | type) -> str:
    """What a function, or every function of a class, is compiled to.

    The same wherever it stands, for one version of Python.

    Parameters
    ----------
    value : a function or a class, whose plain attributes count too
    """
    if isinstance(value, types.FunctionType):
        inner = inspect.unwrap(value)
        both = {value, inner} if hasattr(inner, "__code__") else {value}
        return repr(sorted(repr(_compiled(f.__code__)) for f in both))
    texts = []
    for name, member in vars(value).items():
        member = getattr(member, "fget", None) or member
        member = getattr(member, "__func__", member)
        if isinstance(member, types.FunctionType):
            texts.append(f"{name}: {code_text(member)}")
        elif name.startswith("__"):
            pass  # its documentation, its place
        elif isinstance(member, bool | int | float | str | tuple):
            texts.append(f"{name} = {member!r}")
    return "\n".join(texts)


def _compiled(code):
    """A code object as plain values: what it does, not where it stands."""
    return (
        code.co_code,
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        code.co_cellvars,
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        code.co_flags & _OWN_FLAGS,
        code.co_exceptiontable,
        tuple(map(_constant, code.co_consts)),
    )


def _constant(value):
    if isinstance(value, types.CodeType):
        return _compiled(value)
    if isinstance(value, tuple):
        return tuple(map(_constant, value))
    if isinstance(value, frozenset):
        return sorted(repr(_constant(member)) for member in value)
    return repr(value)


def array_text(value: Any) -> str | None:
    """Type, shape and a hash of the bytes; None for what is no array.

    Parameters
    ----------
    value : anything; a tensor on any device, a NumPy array or scalar
    """
    kind = type(value)
    if f"{kind.__module__}.{kind.__name__}" in _TENSORS:
        return tensor_text(value)
    if kind.__module__ != "numpy" or not hasattr(value, "tobytes"):
        return None
    if value.dtype.hasobject:
        return None
    found = hashlib.sha256(value.tobytes()).hexdigest()
    return f"{value.dtype} {value.shape} {found[:_DIGITS]}"


def tensor_text(values: "torch.Tensor") -> str:
    """Type, shape and a hash of the bytes, in their order.

    Parameters
    ----------
    values : a tensor on any device

    Cost: on one core about two seconds per gigabyte.
    """
    import torch  # there is a tensor: it is imported already

    flat = values.detach().cpu().contiguous().reshape(-1)
    found = hashlib.sha256(flat.view(torch.uint8).numpy().data).hexdigest()
    return f"{values.dtype} {tuple(values.shape)} {found[:_DIGITS]}"
