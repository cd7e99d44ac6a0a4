"""Numerical routines of The Connected Landscape.

Every module imports with torch and numpy alone.  The rooms:

``networks``        ReLU networks, their parameters, units and losses
``paths``           the papers' path constructions, knot by knot; alignment of
                    hidden units, learned curves
``interpolation``   loss and error along a path
``certificates``    suprema over the continuum, exact or bounded
``dropout``         dropout networks and dropout stability
``noise``           noise stability: cushions, contraction, smoothness
``subnetworks``     networks trained on another's features
``meanfield``       mean-field networks and their SGD
``training``        SGD for networks, resumable
``counterexample``  two global minima that are not connected
``memorization``    networks built by hand to fit given data
``data``            datasets
``device``          devices, precision, random streams
``sweep``           grids of independent cells
``cuda``            CUDA C sources, and the Torch references beside them
``runs``            what only runs things: loops, checkpoints, progress

A room's doors are the names in its package's ``__all__`` (or its single
module); what is behind them may change.
"""

import importlib
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

_MOVED = {
    "alignment": "paths.alignment",
    "checkpoint": "runs.checkpoint",
    "curves": "paths.curves",
    "losses": "networks.losses",
    "minibatches": "training.minibatches",
    "progress": "runs.progress",
    "separation": "memorization.separation",
    "sources": "runs.sources",
}


def states(paper: str, *labels: str) -> Callable[[T], T]:
    """Mark what computes numbered statements of a paper.

    ``@states("K19", "Lemma 2", "Lemma 4")`` notes the pairs (paper, label) as
    ``__statements__`` of a function or class and returns it unchanged; below
    ``@property``.  The book's notation lists statement, function and test
    from these marks.

    Parameters
    ----------
    paper : ``"K19"``, ``"S20"`` or ``"N21"``
    labels : one at least, such as ``"Lemma 1"``

    Raises
    ------
    ValueError
        For another paper or no label.

    >>> @states("K19", "Definition 1")
    ... def dropped(): ...
    >>> dropped.__statements__
    (('K19', 'Definition 1'),)
    """
    if paper not in ("K19", "S20", "N21"):
        raise ValueError(f"paper is {paper!r}; 'K19', 'S20' or 'N21' will do")
    if not labels:
        raise ValueError("labels is empty; one at least will do: 'Lemma 1'")

    def mark(thing):
        known = vars(thing).get("__statements__", ())
        thing.__statements__ = (*((paper, each) for each in labels), *known)
        return thing

    return mark


def at_first_use(room: str, modules: list[str]) -> Callable[[str], Any]:
    """A room's ``__getattr__`` that imports its modules as they are named.

    Parameters
    ----------
    room : its ``__name__``
    modules : names of modules in it

    Returns
    -------
    callable
        name -> module; AttributeError for another name.
    """

    def get(name):
        if name in modules:
            return importlib.import_module(f"{room}.{name}")
        raise AttributeError(f"module {room!r} has no attribute {name!r}")

    return get


def __getattr__(name: str) -> Any:
    """Rooms that were modules of their own go on under their old names."""
    if name in _MOVED:
        return importlib.import_module(f"kernels.{_MOVED[name]}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
