"""A circuit: combinational logic, cut into pipeline stages, with the meaning of its ports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.deployment.circuits.words import Port
from bunchtrain.errors import ExportError, missing

#: Sign, integer and fractional bits, in the shape of the array that they format.
Formats = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True)
class Pipeline:
    """How the logic is cut into stages; every stage takes a clock cycle and takes a new event.

    stages   number of stages; None lets `cutoff` decide.
    cutoff   longest delay of a stage by the tracer's own estimate, in ns of a large FPGA.
    ternary  whether three numbers are added at once, which suits FPGAs with six-input tables.
    """

    stages: int | None = None
    cutoff: float | None = None
    ternary: bool = False


@dataclass(frozen=True)
class TracedCircuit:
    """Logic that gives the outputs of one event from its inputs.

    logic    the operations, as alkaid's `CombLogic`.
    inputs   port of the numbers that go in.
    outputs  port of the numbers that come out.
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

    function  gives the outputs from named arrays of inputs and the arithmetic to do it with, as
              `exact` of a quantised model.
    formats   name of an array → its sign, integer and fractional bits, in the array's shape.
    inputs    what each number is, in the order of the arrays, each flattened.
    outputs   what each output is.

    Raises ExportError for an operation that has no exact circuit.
    """
    try:
        import alkaid.trace as alkaid
        from alkaid.trace import ops
    except ImportError:
        raise missing("alkaid", "circuits", "tracing a circuit") from None
    hardware = alkaid.HWConfig(1, -1, -1)
    given = {name: alkaid.FVArray.from_kif(*kif, hardware) for name, kif in formats.items()}
    flat = np.concatenate([np.asarray(array).ravel() for array in given.values()])
    try:
        taken = function(given, ops)
    except (NotImplementedError, TypeError, AttributeError) as problem:
        raise ExportError(f"an operation cannot be made a circuit: {problem}") from None
    logic = alkaid.trace(flat, taken, keep_dead_inputs=True)
    return TracedCircuit(
        logic,
        Port(tuple(inputs), _formats(logic.inp_qint)),
        Port(tuple(outputs), _formats(logic.out_qint)),
    )


def _formats(intervals: Sequence[Any]) -> tuple[tuple[int, int, int], ...]:
    formats = [tuple(int(bits) for bits in interval.kif) for interval in intervals]
    return tuple((k, i, f) if k + i + f > 0 else (0, 0, 0) for k, i, f in formats)
