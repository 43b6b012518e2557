"""ONNX: one file of standard operators, from the tensors of the representation to the scores."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from bunchtrain.deployment.examples import example_inputs
from bunchtrain.deployment.export import ExportTarget
from bunchtrain.deployment.onnx_example import write_example
from bunchtrain.deployment.onnx_graph import first_line, trace
from bunchtrain.deployment.scoring import Arrays, ScoredNetwork, run
from bunchtrain.deployment.verification import Verification, verify
from bunchtrain.errors import ExportError, missing
from bunchtrain.files import atomic_path
from bunchtrain.methods.fitted_module import as_network
from bunchtrain.networks.layers.trees import DecisionTrees
from bunchtrain.parts.ranges import NonNegative
from bunchtrain.trained_model import TrainedModel

if TYPE_CHECKING:
    import onnxruntime

#: Bytes above which the weights must be in a second file.
MAX_BYTES = 2_000_000_000
#: Points of the events of a batch, and the step of the points' values where they are on a grid.
SIZES = (((1, 4, 0, 2, 7, 3, 2), None), ((6,), None), ((0,), None), ((1,), None), ((0, 0), None),
         ((9, 4), 1.0))  # fmt: skip


class Onnx(ExportTarget):
    """ONNX file with normalisation and final scores, compared with ONNX Runtime.

    Batch size and number of points are dynamic, 0 included; the metadata name inputs, features and
    scores. Outputs of points and edges have a row for each of them, in the order of the inputs;
    those of a method are its scores.

    opset      version of the operators; the exporter's own if unset.
    tolerance  largest difference of a score from PyTorch's, relative to scores above 1.
    """

    exports_all_shapes = True

    def __init__(
        self,
        *,
        opset: Annotated[int, Field(ge=7, le=30)] | None = None,
        tolerance: NonNegative = 1e-4,
    ) -> None:
        self.opset, self.tolerance = opset, tolerance

    def unsupported_reason(self, trained: TrainedModel) -> str | None:
        """Return why the model cannot be traced, or None; trees always can, and are not fit yet."""
        _libraries()
        if trained.network.has_posterior:
            return "its weights have a posterior, and one set of them is not its prediction"
        if not trained.network.trains_by_gradient and not _is_method_without_trees(trained):
            return None
        as_network(trained.network).eval()
        trained = replace(trained, calibrations={})  # they are not fitted yet
        try:
            program = trace(trained, self.opset)
        except ExportError as problem:
            return str(problem)
        return _compare_sizes(trained, program.model_proto.SerializeToString(), self.tolerance)

    def export(self, trained: TrainedModel, events: ak.Array, folder: Path) -> Verification:
        """Write `model.onnx` and compare ONNX Runtime's scores with the network's."""
        runtime = _libraries()
        program = trace(trained, self.opset)
        weights = as_network(trained.network).state_dict().values()
        size = sum(t.nbytes for t in weights if torch.is_tensor(t))
        files = ["model.onnx"] if size < MAX_BYTES else ["model.onnx", "model.onnx.data"]
        self._describe(trained, program.model.metadata_props)
        if len(files) == 1:
            with atomic_path(folder / "model.onnx") as part:
                program.save(part, external_data=False)
        else:  # the file refers to the file of its weights by name
            program.save(folder / "model.onnx", external_data=True)
        session = open_session(str(folder / "model.onnx"))

        def predict(given: ak.Array, rows: int | None) -> dict[str, Any]:
            return run(trained, given, lambda inputs: scores_of(session, inputs), rows)

        compared = verify("ONNX Runtime", trained, events, predict, self.tolerance)
        names = [one.name for one in session.get_inputs()]
        files += write_example(trained, events, names, folder)
        tools = {"torch": torch.__version__, "onnxruntime": runtime.__version__}
        written = sum(path.stat().st_size for path in folder.glob("model.onnx*"))
        properties = {"opset": program.model.opset_imports[""], "bytes": written}
        return Verification(compared, files, tools, properties)

    def _describe(self, trained: TrainedModel, metadata: dict[str, str]) -> None:
        names, inputs = trained.representation.names, trained.network.input_names
        metadata |= {
            "model": trained.task.model[0],
            "representation": trained.task.representation[0],
            "features": json.dumps({n: names[n] for n in inputs if n in names}),
            "scores": json.dumps(ScoredNetwork(trained).names),
            "units": json.dumps({"momenta": "(E, px, py, pz) in GeV", "lengths": "points"}),
            **self.provenance,
        }


def open_session(model: str | bytes) -> onnxruntime.InferenceSession:
    """Return an ONNX Runtime session of one thread for a file or its bytes."""
    runtime = _libraries()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def scores_of(session: Any, inputs: Arrays) -> list[NDArray[np.float32]]:
    """Return (batch, scores) of each target from tensors by name."""
    names = {each.name for each in session.get_inputs()}
    used = {name: value for name, value in inputs.items() if name in names}
    found: list[NDArray[np.float32]] = session.run(None, used)
    return found


def _is_method_without_trees(trained: TrainedModel) -> bool:
    has_trees = isinstance(getattr(trained.network.model, "trees", None), DecisionTrees)
    return trained.task.owns_loss and not has_trees


def _libraries() -> Any:
    try:
        import onnx  # noqa: F401 - the exporter needs both
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as problem:
        raise missing(problem.name or "onnx", "onnx", "export to ONNX") from None
    return onnxruntime


def _compare_sizes(trained: TrainedModel, model: bytes, tolerance: float) -> str | None:
    """Return how the traced network differs for other numbers of events and points, or None.

    Some of the points are at equal distances.
    """
    session, scored = open_session(model), ScoredNetwork(trained).eval()
    sizes, needs = trained.representation.sizes, trained.network.input_names
    for lengths, step in SIZES:
        inputs = example_inputs(sizes, needs, lengths, step)
        try:
            found = scores_of(session, {name: x.numpy() for name, x in inputs.items()})
        except Exception as problem:
            return f"ONNX Runtime fails for events of other sizes ({first_line(problem)})"
        with torch.inference_mode():
            expected: list[Tensor] = list(scored(inputs).values())
        pairs = [(a, b.numpy()) for a, b in zip(found, expected, strict=True)]
        largest = max(
            float((np.abs(a - b) / np.maximum(np.abs(b), 1)).max(initial=0)) for a, b in pairs
        )
        if not largest <= tolerance:
            return f"ONNX Runtime's scores differ for events of other sizes (by {largest:.1g})"
    return None
