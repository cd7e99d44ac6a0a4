"""An architecture in words, or by the name of a class, as a torch module."""

import contextlib
import math
import re
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import torch
from torch import nn

from kernels.networks.modules import _shape

_PYTHON = re.compile(r"(.+\.py):(\w+)")
_GRAMMAR = """\
784-256-256-10, or parts such as conv 64 3 pad 1; norm; pool 2; linear 10 \
(conv CHANNELS KERNEL, linear UNITS, norm, pool SIZE, average SIZE, adaptive \
SIZE; behind them pad N, stride N, nobias), or FILE.py:NAME, will do"""
# of each part: how many numbers follow, and which options may
_PARTS = {
    "conv": (2, {"pad", "stride", "nobias"}),
    "linear": (1, {"nobias"}),
    "norm": (0, set()),
    "pool": (1, {"pad", "stride"}),
    "average": (1, {"pad", "stride"}),
    "adaptive": (1, set()),
}


def architecture(text: str, input_shape: Sequence[int]) -> nn.Module:
    """A torch module from a short text.

    Parameters
    ----------
    text : str
        Widths, inputs first, of linear layers: ``"784-256-256-10"``.  Or
        parts in order, separated by ``;``: ``conv CHANNELS KERNEL``, ``linear
        UNITS``, ``norm`` (batch norm), ``pool SIZE`` (maxima), ``average
        SIZE``, ``adaptive SIZE``, some with ``pad N``, ``stride N`` or
        ``nobias`` behind (pad 0; stride 1, of pools their size).  ReLU is
        understood behind every weight layer but the last (behind its norm,
        before its pool), flattening before the first linear layer.  Or
        ``"FILE.py:NAME"``: a module in that file, or a class or function
        that makes one without arguments.  **That file is run**: it must be
        yours.
    input_shape : one sample's shape, as in :func:`from_module`.

    Returns
    -------
    nn.Module
        The module in eval mode; made from words, its weights and biases
        are zero.

    Raises
    ------
    ValueError
        For a text that cannot be read, naming the part, and for what does
        not fit ``input_shape``.
    FileNotFoundError
        Where there is no such file.

    >>> architecture("conv 8 3 pad 1; pool 2; linear 10", (1, 8, 8))[4]
    Linear(in_features=128, out_features=10, bias=True)
    """
    shape = _shape(input_shape)
    if match := _PYTHON.fullmatch(text.strip()):
        return _from_python(*match.groups())
    widths = text.strip()
    if re.fullmatch(r"\d+(-\d+)+", widths):
        first, *rest = widths.split("-")
        if int(first) != math.prod(shape):
            raise ValueError(
                f"architecture is {text!r}, with {first} inputs; a sample of "
                f"shape {shape} has {math.prod(shape)}"
            )
        text = "; ".join(f"linear {width}" for width in rest)
    return _sequential(text, shape)


def _sequential(text: str, shape: tuple[int, ...]) -> nn.Module:
    modules: list[nn.Module] = []
    x = torch.zeros(1, *shape, device="meta")
    waiting = False  # a weight layer without its ReLU yet
    for part in text.split(";"):
        kind, sizes, options = _read(part, text)
        made: list[nn.Module] = (
            [nn.ReLU()] if waiting and kind != "norm" else []
        )
        if kind == "linear" and x.dim() > 2:
            made.append(nn.Flatten())
            x = x.flatten(1)
        try:
            with torch.device("meta"), torch.no_grad():  # shapes alone
                made.append(_module(kind, sizes, options, x.shape))
                x = made[-1].eval()(x)
        except (RuntimeError, ValueError, IndexError) as error:
            raise ValueError(
                f"architecture: {part.strip()!r} cannot read features of "
                f"shape {tuple(x.shape[1:])} ({error})"
            ) from error
        if kind == "norm" and waiting:
            made.append(nn.ReLU())
        waiting = kind in ("conv", "linear")
        modules += made
    whole = nn.Sequential(*modules).to_empty(device="cpu").eval()
    for name, value in whole.state_dict().items():
        value.fill_(1 if name.endswith("running_var") else 0)
    return whole


def _read(part: str, text: str) -> tuple[str, list[int], dict[str, int]]:
    """(kind, sizes, options) of one part of the text."""
    words = part.split()
    count, allowed = _PARTS.get(words[0] if words else "", (0, None))
    sizes, rest = words[1 : 1 + count], words[1 + count :]
    options: dict[str, str] = {}
    while allowed is not None and rest:
        name, rest = rest[0], rest[1:]
        if name == "nobias":
            options[name] = "1"
        else:
            options[name], rest = (rest or [""])[0], rest[1:]
    numbers = [*sizes, *options.values()]
    if (
        allowed is None
        or len(sizes) < count
        or not options.keys() <= allowed
        or not all(word.isdecimal() for word in numbers)
        or any(int(word) == 0 for word in (*sizes, options.get("stride", 1)))
    ):
        raise ValueError(
            f"architecture is {text!r}, with {part.strip()!r}; {_GRAMMAR}"
        )
    whole = {name: int(value) for name, value in options.items()}
    return words[0], [int(word) for word in sizes], whole


def _module(
    kind: str, sizes: list[int], options: dict[str, int], shape: torch.Size
) -> nn.Module:
    """One torch module, made where the caller's ``torch.device`` says."""
    size, bias = (sizes or [0])[-1], "nobias" not in options
    if kind == "norm":
        norm = nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d
        return norm(shape[1])
    if kind == "linear":
        return nn.Linear(shape[1], size, bias)
    if len(shape) != 4:
        raise ValueError("maps (channels, height, width) will do")
    if kind == "adaptive":
        return nn.AdaptiveAvgPool2d(size)
    stride, pad = options.get("stride"), options.get("pad", 0)
    if kind == "conv":
        stride = 1 if stride is None else stride
        return nn.Conv2d(shape[1], sizes[0], size, stride, pad, bias=bias)
    pool = nn.MaxPool2d if kind == "pool" else nn.AvgPool2d
    return pool(size, stride, pad)


def _from_python(file: str, name: str) -> nn.Module:
    """What ``name`` in a Python file is, or makes: a module."""
    path = Path(file).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"architecture: there is no file {path}")
    code = ModuleType("landscape_guest")
    sys.modules[code.__name__] = code
    where = f"architecture {path}:{name}"
    with _same_randomness():
        try:
            SourceFileLoader(code.__name__, str(path)).exec_module(code)
            found = getattr(code, name, None)
            if not isinstance(found, nn.Module) and callable(found):
                found = found()
        except Exception as error:
            raise ValueError(
                f"{where} fails ({type(error).__name__}: {error}); a class or "
                "function that needs no arguments will do"
            ) from error
    if not isinstance(found, nn.Module):
        raise ValueError(
            f"{where} is a {type(found).__name__}; a torch.nn.Module, or what "
            "makes one, will do"
        )
    return found.eval()


@contextlib.contextmanager
def _same_randomness() -> Iterator[None]:
    """What is made inside leaves PyTorch's own generator as it was."""
    state = torch.get_rng_state()
    try:
        yield
    finally:
        torch.set_rng_state(state)
