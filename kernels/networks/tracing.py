"""A torch module as a chain of elementary modules, or an error.

:func:`chain` follows a module's own ``forward`` with ``torch.fx`` and returns
what it applies to its input, one step after the other.  Functions
(``torch.relu``, ``functional.max_pool2d``) become the modules that do the
same, and whatever only reshapes becomes a flattening, or nothing.  What is no
chain, such as a sum of two branches, is an error that names the submodule.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn
from torch.nn import functional


class Step(NamedTuple):
    """One application: its name, its module, one sample's output shape.

    ``name``: "module.features.3 (ReLU)", or "module.block (Block), relu" for
    a function in the forward of a submodule; "module (Net)" is the outermost.
    """

    name: str
    module: nn.Module
    shape: tuple[int, ...]


def chain(module: nn.Module, x: Tensor) -> list[Step]:
    """The steps from a module's one input to its one output.

    Parameters
    ----------
    module : in eval mode
    x : a few samples, which run through it

    Raises
    ------
    ValueError
        Naming the submodule, where its forward cannot be followed, or is
        no chain, or fails on ``x``.
    """
    outer = nn.Sequential(module)
    tracer = _Tracer()
    try:
        graph = tracer.trace(outer)
    except Exception as error:
        raise ValueError(
            f"{_name(outer, tracer.stuck or '0')}: torch.fx cannot follow "
            f"its forward ({type(error).__name__}: {error}); one that does "
            "not depend on the values it computes will do"
        ) from error
    follower = _Follower(outer, graph)
    with torch.no_grad():
        follower.run(x.clone())
    return follower.steps


def named(path: str, module: nn.Module) -> str:
    """ "module.features.3 (ReLU)"; the outermost has the empty path.

    Parameters
    ----------
    path : as ``named_modules`` has it
    module : the module there
    """
    return f"module{'.' * bool(path)}{path} ({type(module).__name__})"


def _name(outer: nn.Module, path: str) -> str:
    inner = path.removeprefix("0").removeprefix(".")  # outer's own index
    return named(inner, outer.get_submodule(path))


class _Tracer(fx.Tracer):
    """Leaves: torch's own modules, and subclasses that keep their forward."""

    stuck = ""  # the innermost submodule whose forward failed

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return super().is_leaf_module(m, module_qualified_name) or any(
            isinstance(m, kind) and type(m).forward is kind.forward
            for kind in (nn.Linear, nn.Conv2d, nn.modules.batchnorm._BatchNorm)
        )

    def call_module(
        self,
        m: nn.Module,
        forward: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        try:
            return super().call_module(m, forward, args, kwargs)
        except Exception:
            self.stuck = self.stuck or self.path_of_module(m)
            raise


class _Follower(fx.Interpreter):
    """Runs the graph and notes its steps; ``at``: the last one's node."""

    def __init__(self, outer: nn.Module, graph: fx.Graph) -> None:
        super().__init__(outer, graph=graph)
        self.extra_traceback = False
        self.steps: list[Step] = []
        self.at: fx.Node | None = None
        self.tensors: set[fx.Node] = set()

    def run_node(self, n: fx.Node) -> Any:
        if n.op == "placeholder":
            value, self.at = super().run_node(n), n
        elif n.op == "output":
            value = super().run_node(n)
            if n.args[0] is not self.at:
                raise ValueError(
                    f"{_name(self.module, '0')}: it returns {n.args[0]}; the "
                    "one tensor that its last step computes will do"
                )
        else:
            value = self._step(n)
        if torch.is_tensor(value):
            self.tensors.add(n)
        return value

    def _step(self, n: fx.Node) -> Any:
        name = self._named(n)
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        try:
            value = super().run_node(n)
        except Exception as error:
            shapes = [tuple(a.shape) for a in args if torch.is_tensor(a)]
            raise ValueError(
                f"{name}: it fails on an input of shape {shapes} "
                f"({type(error).__name__}: {error})"
            ) from error
        if n.op == "call_module":
            module = self.fetch_attr(str(n.target))
        elif not torch.is_tensor(value):
            return value  # a size, for a view
        else:
            module = None
        read = [one for one in n.all_input_nodes if one in self.tensors]
        if n.op == "get_attr" or read != [self.at]:
            raise ValueError(
                f"{name}: it does not read the step before it, and that "
                "alone; the constructions move units through a chain of "
                "layers, one after the other, and know no branches, no "
                "residual sums and no tensors beside the layers' weights"
            )
        if not torch.is_tensor(value):
            raise ValueError(
                f"{name}: it returns a {type(value).__name__}; the "
                "constructions know layers that return one tensor"
            )
        if module is None or isinstance(module, nn.Flatten | nn.Unflatten):
            module = module or _replacement(n, name, args[1:], kwargs)
            module = _reshaping(name, args, kwargs, value, module)
        self.at = n
        self.steps.append(Step(name, module, tuple(value.shape[1:])))
        return value

    def _named(self, n: fx.Node) -> str:
        if n.op == "call_module":
            return _name(self.module, str(n.target))
        stack = [key.split("@")[0] for key in n.meta["nn_module_stack"]]
        called = n.target if isinstance(n.target, str) else n.target.__name__
        called = "max_pool2d" if n.target is functional.max_pool2d else called
        return f"{_name(self.module, stack[-1])}, {called}"


def _replacement(
    n: fx.Node, name: str, args: Sequence[Any], kwargs: dict[str, Any]
) -> nn.Module:
    """The module that does what a function or a method does."""
    make = _FUNCTIONS.get(n.target)
    kwargs = {k: v for k, v in kwargs.items() if k != "input"}
    if make is None:
        raise ValueError(
            f"{name}: the constructions do not reach this operation; they "
            "know layers, ReLU, pooling and flattening"
        )
    try:
        return make(*args, **kwargs)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: {error}") from error


def _reshaping(
    name: str,
    args: Sequence[Any],
    kwargs: dict[str, Any],
    value: Tensor,
    module: nn.Module,
) -> nn.Module:
    """A reshaping as a flattening or as nothing; other modules as they are."""
    if not isinstance(module, nn.Flatten | nn.Unflatten):
        return module
    before = (args[0] if args else kwargs["input"]).shape
    if value.shape == before:
        return nn.Identity()
    if value.shape == (before[0], before[1:].numel()):
        return nn.Flatten()
    raise ValueError(
        f"{name}: it turns samples of shape {tuple(before[1:])} into "
        f"{tuple(value.shape[1:])} ({before[0]} samples into "
        f"{len(value)}); the constructions know flattening alone"
    )


def _relu(inplace: bool = False) -> nn.Module:
    return nn.ReLU()


def _max_pool(
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> nn.Module:
    return nn.MaxPool2d(
        kernel_size, stride, padding, dilation, return_indices, ceil_mode
    )


def _dropout(
    p: float = 0.5, training: bool = True, inplace: bool = False
) -> nn.Module:
    if training:
        raise ValueError(
            "this dropout stays on in eval mode; dropout with "
            "training=self.training will do"
        )
    return nn.Identity()


def _reshape(*sizes: Any, **options: Any) -> nn.Module:
    return nn.Flatten()


_FUNCTIONS: dict[Any, Callable[..., nn.Module]] = {
    **dict.fromkeys(
        [torch.relu, torch.relu_, functional.relu, "relu", "relu_"], _relu
    ),
    **dict.fromkeys([functional.max_pool2d, torch.max_pool2d], _max_pool),
    functional.avg_pool2d: nn.AvgPool2d,
    functional.adaptive_avg_pool2d: nn.AdaptiveAvgPool2d,
    **dict.fromkeys(
        [functional.dropout, functional.dropout2d, functional.alpha_dropout],
        _dropout,
    ),
    **dict.fromkeys([torch.flatten, torch.reshape, torch.squeeze], _reshape),
    **dict.fromkeys(
        ["contiguous", "flatten", "reshape", "squeeze", "view"], _reshape
    ),
}
