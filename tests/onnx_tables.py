"""The exporter's tables of ONNX functions, which it makes for each graph, made once a process.

To make them takes 0.6 s, more than to export a small network.
"""

from functools import cache
from typing import Any


@cache
def keep_onnx_tables() -> None:
    """Make the exporter take copies of the tables that it made first."""
    try:
        from torch.onnx._internal.exporter import _decomp
        from torch.onnx._internal.exporter._registration import ONNXRegistry

        registry = ONNXRegistry.from_torchlib.__func__  # type: ignore[attr-defined]
        table = _decomp.create_onnx_friendly_decomposition_table
    except (ImportError, AttributeError):  # of another version: slower, and right
        return
    first_registry, first_table = cache(registry), cache(table)

    def from_torchlib(cls: type, *given: Any, **named: Any) -> Any:
        first = first_registry(cls, *given, **named)
        made = cls()
        made.__dict__.update(first.__dict__)
        made.functions = {target: [*functions] for target, functions in first.functions.items()}
        return made

    def decompositions(operators: Any) -> Any:
        return dict(first_table(frozenset(operators)))

    ONNXRegistry.from_torchlib = classmethod(from_torchlib)  # type: ignore[assignment]
    _decomp.create_onnx_friendly_decomposition_table = decompositions
