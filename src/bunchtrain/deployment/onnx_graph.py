"""A trained model as an ONNX graph with the numbers of PyTorch, small scores and empty batches too.

ONNX Runtime computes Sigmoid with an absolute error of 1e-7, so that small scores are 0 or in
another order; the functions of `ACCURATE` are written with operators of full relative precision.
Several of its operators fail on tensors without rows; the graph appends an event to each batch and
leaves its scores out.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from bunchtrain.batch import axis_of
from bunchtrain.deployment.examples import example_inputs
from bunchtrain.deployment.export import silence_logs
from bunchtrain.deployment.scoring import ScoredNetwork
from bunchtrain.errors import ExportError
from bunchtrain.trained_model import TrainedModel

#: Points of the appended event, so that there are pairs and edges.
APPENDED = 2


class AppendedEvent(nn.Module):
    """A scored network on each batch with one more event, whose scores are left out.

    appended  tensors by name of that event.
    """

    def __init__(self, scored: ScoredNetwork, appended: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.scored, self.tensors = scored, list(appended)
        edges = appended["edges"].shape[1] if "edges" in appended else 0
        rows = {"event": 1, "point": APPENDED, "edge": edges}
        axes = scored.network.axes
        self.rows = {target: rows[axes.get(target, "event")] for target in scored.names}
        for name, tensor in appended.items():
            self.register_buffer(f"appended_{name}", tensor)

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return target → (rows, scores) from tensors by name, as in `Batch.inputs`."""
        joined = {}
        for name in self.tensors:
            last, axis = self.get_buffer(f"appended_{name}"), int(name == "edges")
            if name == "edges":
                points = next(x for n, x in inputs.items() if axis_of(n) == "point")
                last = last + points.shape[0]
            joined[name] = torch.cat([inputs[name], last], axis)
        found = self.scored(joined).items()
        return {target: scores[: -self.rows[target]] for target, scores in found}


def trace(trained: TrainedModel, opset: int | None = None) -> torch.onnx.ONNXProgram:
    """Return the scores of a model as an ONNX program of standard operators.

    opset  version of the operators; the exporter's own if unset.

    Raises ExportError, with the first line of the tracer's error, if it cannot be traced.
    """
    scored = ScoredNetwork(trained).eval()
    sizes, needs = trained.representation.sizes, trained.network.input_names
    inputs = example_inputs(sizes, needs)
    module: nn.Module = scored
    if "lengths" in inputs:
        module = AppendedEvent(scored, example_inputs(sizes, needs, (APPENDED,))).eval()
    try:
        with warnings.catch_warnings(), silence_logs(), _without_checks():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                module,
                (),
                kwargs={"inputs": inputs},
                dynamo=True,
                verbose=False,
                opset_version=opset,
                dynamic_shapes={"inputs": dynamic_dimensions(inputs)},
                input_names=list(inputs),
                output_names=list(scored.names),
                custom_translation_table=_accurate_functions(),
            )
    except Exception as problem:
        raise ExportError(_reason(problem)) from None
    assert program is not None
    foreign = {node.domain for node in program.model.graph} - {""}
    if foreign:
        raise ExportError(f"it needs operators of {', '.join(sorted(foreign))}")
    return program


@contextmanager
def _without_checks() -> Iterator[None]:
    """Leave out checks of the values of distributions, on which a graph cannot branch."""
    before = Distribution._validate_args
    Distribution.set_default_validate_args(False)
    try:
        yield
    finally:
        Distribution.set_default_validate_args(before)


def dynamic_dimensions(inputs: Mapping[str, Tensor]) -> dict[str, dict[int, str]]:
    """Return tensor → dimension → name of each dimension of variable size."""
    sizes = {"event": "batch", "point": "points", "edge": "edges"}
    return {name: {1: "edges"} if name == "edges" else {0: sizes[axis_of(name)]} for name in inputs}


def _accurate_functions() -> dict[Any, Any]:
    """Return PyTorch function → its translation to operators of full relative precision."""
    from onnxscript import opset18 as op

    def constant(value: float, like: Any) -> Any:
        number: Any = op.Constant(value_float=value)
        return op.CastLike(number, like)

    def sigmoid(x: Any) -> Any:
        one, small = constant(1.0, x), op.Exp(op.Neg(op.Abs(x)))
        return op.Div(op.Where(op.Less(x, constant(0.0, x)), small, one), op.Add(small, one))

    def log1p(x: Any) -> Any:
        one = constant(1.0, x)
        total = op.Add(x, one)
        added = op.Sub(total, one)  # x as rounded in the sum
        correction = op.Div(x, op.Where(op.Equal(added, constant(0.0, x)), one, added))
        same = op.Or(op.Equal(added, constant(0.0, x)), op.IsInf(x))
        exact = op.Mul(op.Log(total), correction)
        return op.Where(same, op.Where(op.IsInf(x), op.Log(total), x), exact)

    def log_sigmoid(x: Any) -> Any:
        return op.Sub(op.Min(x, constant(0.0, x)), log1p(op.Exp(op.Neg(op.Abs(x)))))

    def expm1(x: Any) -> Any:
        half = op.Tanh(op.Mul(x, constant(0.5, x)))  # e^x − 1 = 2t / (1 − t), t = tanh(x/2)
        two, one = constant(2.0, x), constant(1.0, x)
        near = op.Div(op.Mul(two, half), op.Sub(one, half))
        return op.Where(op.Less(op.Abs(x), one), near, op.Sub(op.Exp(x), one))

    aten = torch.ops.aten
    return {
        aten.sigmoid.default: sigmoid,
        aten.log1p.default: log1p,
        aten.expm1.default: expm1,
        aten.log_sigmoid.default: log_sigmoid,
        aten.log_sigmoid_forward.default: lambda x: (log_sigmoid(x), x),
    }


def _reason(problem: BaseException) -> str:
    while problem.__cause__ is not None:  # the tracer wraps the original error
        problem = problem.__cause__
    return f"its forward cannot be traced ({first_line(problem)})"


def first_line(problem: BaseException) -> str:
    """Return type and first line of an error."""
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    return f"{type(problem).__name__}: {lines[0][:200]}" if lines else type(problem).__name__
