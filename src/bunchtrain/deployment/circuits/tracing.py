"""Tracing of an exact function to combinational logic, its ports and pipeline stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.deployment.circuits.ports import Port
from bunchtrain.errors import ExportError, missing

#: Sign, integer and fractional bits, in the shape of the array that they format.
Formats = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True)
class Pipeline:
    """Division of the logic into stages of one clock cycle; each cycle reads a new event.

    stages   number of stages; None if `cutoff` determines it.
    cutoff   longest delay of a stage in ns, as the tracer estimates it for a large FPGA.
    ternary  whether to use ternary adders, for FPGAs with six-input look-up tables.
    """

    stages: int | None = None
    cutoff: float | None = None
    ternary: bool = False


@dataclass(frozen=True)
class TracedCircuit:
    """Combinational logic from the inputs of one event to its outputs.

    logic    the operations, as alkaid's `CombLogic`.
    inputs   input port.
    outputs  output port.
    """

    logic: Any
    inputs: Port
    outputs: Port

    def evaluate(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (events, outputs) from (events, inputs) by interpreting the operations."""
        flat = np.ascontiguousarray(values, np.float64).reshape(len(values), -1)
        found: NDArray[np.float64] = self.logic.predict(flat, n_threads=1)
        return found


def trace(
    function: Callable[[dict[str, Any], Any], Any],
    formats: Mapping[str, Formats],
    inputs: Sequence[str],
    outputs: Sequence[str],
) -> TracedCircuit:
    """Return the circuit of an exact function of fixed-point numbers.

    function  of named arrays of inputs and an arithmetic that returns the outputs, as `exact` of a
              quantised model.
    formats   name of an array → its sign, integer and fractional bits, in the array's shape.
    inputs    names of the inputs, in the order of the arrays, each flattened.
    outputs   names of the outputs.

    Raises ExportError for an operation without an exact circuit.
    """
    try:
        import alkaid.trace as alkaid
        from alkaid.trace import ops
    except ImportError:
        raise missing("alkaid", "circuits", "tracing a circuit") from None
    hardware = alkaid.HWConfig(1, -1, -1)
    arrays = {name: alkaid.FVArray.from_kif(*kif, hardware) for name, kif in formats.items()}
    flat = np.concatenate([np.asarray(array).ravel() for array in arrays.values()])
    try:
        traced = function(arrays, ops)
    except (NotImplementedError, TypeError, AttributeError) as problem:
        raise ExportError(f"an operation has no circuit: {problem}") from None
    logic = alkaid.trace(flat, traced, keep_dead_inputs=True)
    return TracedCircuit(
        logic,
        Port(tuple(inputs), _formats(logic.inp_qint)),
        Port(tuple(outputs), _formats(logic.out_qint)),
    )


def _formats(intervals: Sequence[Any]) -> tuple[tuple[int, int, int], ...]:
    formats = [tuple(int(bits) for bits in interval.kif) for interval in intervals]
    return tuple((k, i, f) if k + i + f > 0 else (0, 0, 0) for k, i, f in formats)
