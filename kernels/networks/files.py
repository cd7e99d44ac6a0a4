"""Trained networks in files: safetensors, and PyTorch's state dicts.

Neither can run code: a safetensors file is numbers behind a JSON header, and
a state dict is read with ``torch.load(weights_only=True)``.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from kernels.networks.aliases import Parameters
from kernels.networks.described import architecture
from kernels.networks.modules import from_module
from kernels.networks.network import Network

_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_WRAPPED = ("state_dict", "model_state_dict")
_Tensors = Mapping[str, Tensor]
_Shapes = dict[str, tuple[int, ...]]
_COUNTER = "num_batches_tracked"  # of batch norm in training; of no weight


def load(
    path: str | Path, text: str, input_shape: Sequence[int]
) -> tuple[Network, Parameters]:
    """A trained network from a file of its tensors.

    Parameters
    ----------
    path : a safetensors file (``.safetensors``) or a state dict, as
        :func:`read_tensors` takes them.
    text : its architecture, as :func:`architecture` takes it.
        ``FILE.py:NAME``: tensors go by their names.  Words: by their names
        where these are ``torch.nn.Sequential``'s own, else by their order: a
        state dict has the model's; in a safetensors file names that differ
        in numbers alone are in the order of the numbers, and others must be
        told apart by shape.
    input_shape : one sample's shape: ``(features,)``, ``(C, H, W)``.

    Returns
    -------
    tuple[Network, Parameters]
        The network and its parameters, of the dtype in the file, as
        :func:`from_module` does, whose errors it shares.

    Raises
    ------
    ValueError
        Where tensors are missing, left over, of other shapes or in no
        certain order.
    """
    module, tensors = architecture(text, input_shape), read_tensors(path)
    own = module.state_dict()
    if all(name.startswith("module.") for name in tensors):  # DataParallel's
        tensors = {k.removeprefix("module."): v for k, v in tensors.items()}
    words = ".py:" not in text
    if words and own.keys() != tensors.keys():
        ordered = Path(path).suffix != ".safetensors"
        tensors = _in_order(path, own, tensors, ordered)
    tensors = {k: v for k, v in own.items() if k.endswith(_COUNTER)} | tensors
    _check(path, own, tensors)
    module.load_state_dict(tensors, assign=True)
    return from_module(module, input_shape)


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """The tensors in a file, by name; nothing in it is run.

    Parameters
    ----------
    path : of safetensors, where the name ends so, else of a state dict
        Safetensors are read here without that package; else what
        ``torch.save(model.state_dict(), path)`` wrote, alone or as
        ``"state_dict"`` or ``"model_state_dict"`` of a dictionary.

    Returns
    -------
    dict[str, Tensor]
        Tensors on the CPU, in the dtype and order of the file.

    Raises
    ------
    FileNotFoundError
        Where there is none.
    ValueError
        For a file that is neither, is cut short or holds other things than
        tensors.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    safe = path.suffix == ".safetensors"
    found = _safetensors(path) if safe else _state_dict(path)
    if not found:
        raise ValueError(f"{path} holds no tensors")
    return found


def _state_dict(path: Path) -> dict[str, Tensor]:
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises many kinds
        said = str(error).partition("\n")[0]
        raise ValueError(
            f"{path} cannot be read as tensors alone "
            f"({type(error).__name__}: {said}); what torch.save(model"
            ".state_dict(), path) writes will do"
        ) from error
    if isinstance(found, dict):
        inner = [found[k] for k in _WRAPPED if isinstance(found.get(k), dict)]
        found = inner[0] if inner else found
        if all(torch.is_tensor(value) for value in found.values()):
            return {str(name): value for name, value in found.items()}
        others = [str(k) for k, v in found.items() if not torch.is_tensor(v)]
        raise ValueError(
            f"{path} holds {', '.join(others)}, which are no tensors; a state "
            "dict will do"
        )
    raise ValueError(
        f"{path} holds a {type(found).__name__}; a state dict will do"
    )


def _safetensors(path: Path) -> dict[str, Tensor]:
    """A length (8 bytes, little-endian), a JSON header, and the numbers."""
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    start = 8 + size
    if len(content) < 8 or start > len(content):
        raise ValueError(
            f"{path} has {len(content)} bytes, its header should end at "
            f"{start}; a whole safetensors file will do"
        )
    try:
        header = json.loads(content[8:start])
        header.pop("__metadata__", None)
        return {
            name: _numbers(memoryview(content)[start:], **entry)
            for name, entry in header.items()
        }
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"{path} is no safetensors file ({type(error).__name__}: {error})"
        ) from error


def _numbers(
    content: memoryview,
    *,
    dtype: str,
    shape: list[int],
    data_offsets: list[int],
) -> Tensor:
    if dtype not in _DTYPES:
        raise ValueError(f"dtype {dtype}; one of {', '.join(_DTYPES)} will do")
    kind, (start, stop) = _DTYPES[dtype], data_offsets
    sound = all(isinstance(n, int) and n >= 0 for n in (*shape, start, stop))
    size = math.prod(shape) * kind.itemsize if sound else -1
    if stop - start != size or stop > len(content):
        raise ValueError(
            f"bytes {start} to {stop} of {len(content)} for shape {shape} of "
            f"{dtype}"
        )
    if size == 0:
        return torch.empty(shape, dtype=kind)
    part = bytearray(content[start:stop])
    return torch.frombuffer(part, dtype=kind).reshape(shape)


def _check(path: str | Path, own: _Tensors, tensors: _Tensors) -> None:
    """That a module's tensors and those of a file are the same in shape."""
    missing = [name for name in own if name not in tensors]
    more = [name for name in tensors if name not in own]
    if missing or more:
        raise ValueError(
            f"{path}: the architecture needs "
            f"{', '.join(missing) or 'nothing else'}; the file has "
            f"{', '.join(more) or 'nothing else'}"
        )
    for name, value in tensors.items():
        if value.shape != own[name].shape:
            raise ValueError(
                f"{path}: {name} has shape {tuple(value.shape)}; the "
                f"architecture needs {tuple(own[name].shape)}"
            )
        if own[name].is_floating_point() and not value.is_floating_point():
            raise ValueError(
                f"{path}: {name} has dtype {value.dtype}; floats will do"
            )


def _groups(tensors: _Tensors) -> dict[str, dict[str, Tensor]]:
    """{name of a layer: {"weight": tensor, …}}, in order."""
    found: dict[str, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        layer, _, leaf = name.rpartition(".")
        if leaf != _COUNTER:
            found.setdefault(layer, {})[leaf] = value
    return found


def _in_order(
    path: str | Path, own: _Tensors, tensors: _Tensors, ordered: bool
) -> dict[str, Tensor]:
    """The tensors of a file under a module's names, layer by layer."""
    needed, given = _groups(own), _groups(tensors)
    shapes = [_shapes(group) for group in needed.values()]
    queues = {"": [*given]}  # layers whose order is known
    if not ordered:
        queues = {re.sub(r"\d+", "0", name): [] for name in given}
        for name in sorted(given, key=_numbered):
            queues[re.sub(r"\d+", "0", name)].append(name)
    orders, found = [], map(_shapes, given.values())
    if Counter(map(str, shapes)) == Counter(map(str, found)):
        orders = _orders(shapes, tuple(map(tuple, queues.values())), given)
    if len(orders) != 1:
        have = "; ".join(f"{k} {_words(v)}" for k, v in given.items())
        need = "; ".join(_words(group) for group in needed.values())
        raise ValueError(
            f"{path}: its layers fit the architecture in "
            f"{'no order' if not orders else 'more than one order'}; it has "
            f"{have}; the architecture needs {need}"
            + ("; FILE.py:NAME goes by names" if orders else "")
        )
    return {
        f"{layer}.{leaf}": given[name][leaf]
        for layer, name in zip(needed, orders[0])
        for leaf in needed[layer]
    }


def _orders(
    shapes: list[_Shapes],
    queues: tuple[tuple[str, ...], ...],
    given: dict[str, dict[str, Tensor]],
) -> list[tuple[str, ...]]:
    """Up to two orders of the given layers with these shapes."""
    if not shapes:
        return [] if any(queues) else [()]
    found = []
    for k, queue in enumerate(queues):
        if queue and _shapes(given[queue[0]]) == shapes[0]:
            rest = (*queues[:k], queue[1:], *queues[k + 1 :])
            found += [
                (queue[0], *order)
                for order in _orders(shapes[1:], rest, given)
            ]
        if len(found) > 1:
            break
    return found[:2]


def _numbered(name: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", name)]


def _shapes(group: _Tensors) -> _Shapes:
    return {leaf: tuple(group[leaf].shape) for leaf in sorted(group)}


def _words(group: _Tensors) -> str:
    return ", ".join(f"{k} {shape}" for k, shape in _shapes(group).items())
