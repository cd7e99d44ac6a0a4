"""Errors that name the argument: whole numbers, words, generators, pairs."""

from collections.abc import Collection
from typing import Any

import torch


def is_whole(value: Any, least: int = 1) -> bool:
    """Whether it is a whole number, at least ``least``: 3.0 is, 3.7 not.

    Parameters
    ----------
    value : anything, NumPy's and torch's numbers too
    least : the smallest that will do
    """
    try:
        return bool(int(value) == value and value >= least)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return False


def whole(name: str, value: Any, least: int = 1) -> int:
    """A whole number, at least ``least``, as an int.

    Parameters
    ----------
    name : what the error calls it
    value : anything
    least : the smallest that will do

    Raises
    ------
    ValueError
        For anything else.
    """
    if not is_whole(value, least):
        raise ValueError(
            f"{name} is {value!r}; a whole number from {least} will do"
        )
    return int(value)


def one_of(name: str, value: object, allowed: Collection[object]) -> None:
    """Refuse what is none of a few values.

    Parameters
    ----------
    name : what the error calls it
    value : anything
    allowed : the values that will do

    Raises
    ------
    ValueError
        For anything else; it names what will do.
    """
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}; one of {allowed} will do")


def generator(name: str, value: object) -> None:
    """Refuse what is no generator, None for torch's own too.

    Parameters
    ----------
    name : what the error calls it
    value : anything

    Raises
    ------
    TypeError
        For anything else.
    """
    if not isinstance(value, torch.Generator):
        raise TypeError(
            f"{name} is {value!r}; a torch.Generator, such as "
            "torch.Generator().manual_seed(0), will do"
        )


def pair(name: str, value: Any) -> tuple[Any, Any]:
    """A set as a pair (x, y), not yet looked into.

    Parameters
    ----------
    name : what the error calls it
    value : anything

    Raises
    ------
    TypeError
        For anything but a tuple or list of two.
    """
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise TypeError(
            f"{name} is a {type(value).__name__}; a pair (x, y) will do"
        )
    return value[0], value[1]
