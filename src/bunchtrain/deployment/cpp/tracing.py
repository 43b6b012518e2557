"""From a PyTorch model to the layers of the C++ runtime, by following its `forward`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import fx, nn
from torch.fx.node import Node

from bunchtrain.deployment.cpp.functions import FUNCTIONS, LEAVES, METHODS
from bunchtrain.deployment.cpp.modules import MODULES
from bunchtrain.deployment.cpp.program import Program, Unsupported, Value

#: What only holds layers.
CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


class _Tracer(fx.Tracer):
    """Follows every module that is not a layer of the runtime."""

    def __init__(self) -> None:
        super().__init__(autowrap_functions=LEAVES)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return type(m) in MODULES or super().is_leaf_module(m, module_qualified_name)


def trace(program: Program, model: nn.Module, inputs: Mapping[str, Value]) -> Value:
    """Add a model's layers to a program and return its output.

    Raises Unsupported, naming the layer or function that the runtime does not have.
    """
    try:
        graph = _Tracer().trace(model.eval())
    except Exception:  # whatever a forward does with numbers that are not there yet
        raise Unsupported(_unknown_layer(model)) from None
    known: dict[Node, Any] = {}
    for node in graph.nodes:
        if node.op == "output":
            return _only_value(known[node.args[0]])
        known[node] = _add(program, model, node, known, inputs)
    raise Unsupported("its forward returns nothing")


def _add(
    program: Program,
    model: nn.Module,
    node: Node,
    known: Mapping[Node, Any],
    inputs: Mapping[str, Value],
) -> Any:
    if node.op == "placeholder":
        return inputs.get(node.name)
    if node.op == "get_attr":
        raise Unsupported(f"it uses the tensor '{node.target}' outside of a layer")
    given = fx.node.map_arg(node.args, lambda n: known[n])
    if node.op == "call_module":
        module = model.get_submodule(str(node.target))
        if type(module) not in MODULES:
            raise Unsupported(f"layer '{node.target}' is a {type(module).__name__}")
        alone = len(node.all_input_nodes[0].users) == 1
        return _named(str(node.target), MODULES[type(module)], program, module, given[0], alone)
    options = fx.node.map_arg(node.kwargs, lambda n: known[n])
    table: Mapping[Any, Any] = FUNCTIONS if node.op == "call_function" else METHODS
    name = getattr(node.target, "__name__", str(node.target))
    if node.target not in table:
        raise Unsupported(f"{_unknown_layer(model)} ('{name}' is not one of its operations)")
    return _named(name, table[node.target], program, *given, **options)


def _unknown_layer(model: nn.Module) -> str:
    """Return which layer of a model the runtime lacks, as far as its modules tell."""
    for name, layer in model.named_modules():
        if name and type(layer) not in MODULES and type(layer) not in CONTAINERS:
            return f"the C++ runtime has no layer like '{name}' ({type(layer).__name__})"
    return "the C++ runtime cannot do what its forward does between the layers"


def _named(name: str, function: Any, *given: Any, **options: Any) -> Any:
    try:
        return function(*given, **options)
    except Unsupported as problem:
        raise Unsupported(f"'{name}' {problem}") from None
    except (TypeError, AttributeError):
        raise Unsupported(f"'{name}' is used on something else than tensors of events") from None


def _only_value(found: Any) -> Value:
    if not isinstance(found, Value):
        kind = "several tensors" if isinstance(found, Sequence) else "no tensor"
        raise Unsupported(f"its forward gives {kind}")
    return found
