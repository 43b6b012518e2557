"""Conversion of a PyTorch model to layers of the C++ runtime, by tracing its `forward`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import fx, nn
from torch.fx.node import Node

from bunchtrain.deployment.cpp.functions import FUNCTIONS, LEAVES, METHODS
from bunchtrain.deployment.cpp.modules import MODULES
from bunchtrain.deployment.cpp.program import Program, Unsupported, Value

#: Modules that only contain layers.
CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


class _Tracer(fx.Tracer):
    """Traces into every module that is not a layer of the runtime."""

    def __init__(self) -> None:
        super().__init__(autowrap_functions=LEAVES)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return type(m) in MODULES or super().is_leaf_module(m, module_qualified_name)


def trace(program: Program, model: nn.Module, inputs: Mapping[str, Value]) -> Value:
    """Add a model's layers to a program and return its output.

    Raises Unsupported, naming the layer or function that the runtime does not support.
    """
    try:
        graph = _Tracer().trace(model.eval())
    except Exception:  # any error of a forward on symbolic values
        raise Unsupported(_unknown_layer(model)) from None
    values: dict[Node, Any] = {}
    for node in graph.nodes:
        if node.op == "output":
            return _check_output(values[node.args[0]])
        values[node] = _add(program, model, node, values, inputs)
    raise Unsupported("its forward returns nothing")


def _add(
    program: Program,
    model: nn.Module,
    node: Node,
    values: Mapping[Node, Any],
    inputs: Mapping[str, Value],
) -> Any:
    if node.op == "placeholder":
        return inputs.get(node.name)
    if node.op == "get_attr":
        raise Unsupported(f"it uses the tensor '{node.target}' outside of a layer")
    arguments = fx.node.map_arg(node.args, lambda n: values[n])
    if node.op == "call_module":
        module = model.get_submodule(str(node.target))
        if type(module) not in MODULES:
            raise Unsupported(f"layer '{node.target}' is a {type(module).__name__}")
        fuse = len(node.all_input_nodes[0].users) == 1  # no other layer reads its input
        convert, name = MODULES[type(module)], str(node.target)
        return _call(name, convert, program, module, arguments[0], fuse)
    options = fx.node.map_arg(node.kwargs, lambda n: values[n])
    table: Mapping[Any, Any] = FUNCTIONS if node.op == "call_function" else METHODS
    name = getattr(node.target, "__name__", str(node.target))
    if node.target not in table:
        raise Unsupported(f"{_unknown_layer(model)} ('{name}' is not one of its operations)")
    return _call(name, table[node.target], program, *arguments, **options)


def _unknown_layer(model: nn.Module) -> str:
    """Return which layer of a model the runtime does not support, judged by its modules."""
    for name, layer in model.named_modules():
        if name and type(layer) not in MODULES and type(layer) not in CONTAINERS:
            return f"the C++ runtime has no layer like '{name}' ({type(layer).__name__})"
    return "the C++ runtime does not support an operation of its forward between the layers"


def _call(name: str, function: Any, *arguments: Any, **options: Any) -> Any:
    """Call a converter; the message of Unsupported gets the name of the layer."""
    try:
        return function(*arguments, **options)
    except Unsupported as problem:
        raise Unsupported(f"'{name}' {problem}") from None
    except (TypeError, AttributeError):
        raise Unsupported(f"'{name}' has an argument other than tensors of events") from None


def _check_output(found: Any) -> Value:
    if not isinstance(found, Value):
        kind = "several tensors" if isinstance(found, Sequence) else "no tensor"
        raise Unsupported(f"its forward gives {kind}")
    return found
