"""ONNX: one file of standard operators, from the tensors of the representation to the scores."""

from __future__ import annotations

import json
import logging
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bunchtrain.deployment.examples import example_inputs
from bunchtrain.deployment.parity import Parity, agreement
from bunchtrain.deployment.scoring import Arrays, ScoredNetwork, run, shapes
from bunchtrain.deployment.target import Target
from bunchtrain.errors import ExportError, missing
from bunchtrain.files import aside
from bunchtrain.trained_model import TrainedModel

if TYPE_CHECKING:
    import onnxruntime

#: Bytes above which ONNX cannot hold the weights in the file itself.
LIMIT = 2_000_000_000


class Onnx(Target):
    """ONNX file with normalisation and final scores, compared with ONNX Runtime.

    Batch size and number of points are free; the metadata name inputs, features and scores.

    opset      version of the operators; the exporter's own if unset.
    tolerance  largest difference of a score from PyTorch's, relative to scores above 1.
    """

    def __init__(self, *, opset: int | None = None, tolerance: float = 1e-4) -> None:
        self.opset, self.tolerance = opset, tolerance

    def refusal(self, trained_model: TrainedModel) -> str | None:
        """Return why the model cannot be traced, or None; trees can always be."""
        _libraries()
        if hasattr(trained_model.network.model, "draws"):
            return "its weights have a posterior, and one set of them is not its prediction"
        if trained_model.network.is_fitted:
            return None
        trained_model.network.eval()
        trained_model = replace(trained_model, calibrations={})  # they are not fitted yet
        try:
            program = self.trace(trained_model)
        except ExportError as problem:
            return str(problem)
        return _differs(trained_model, program.model_proto.SerializeToString(), self.tolerance)

    def export(self, trained_model: TrainedModel, events: ak.Array, folder: Path) -> Parity:
        """Write `model.onnx` and compare ONNX Runtime's scores with the network's."""
        runtime = _libraries()
        program = self.trace(trained_model)
        size = sum(
            t.nbytes for t in trained_model.network.state_dict().values() if torch.is_tensor(t)
        )
        files = ["model.onnx"] if size < LIMIT else ["model.onnx", "model.onnx.data"]
        self._describe(trained_model, program.model.metadata_props)
        if len(files) == 1:
            with aside(folder / "model.onnx") as part:
                program.save(part, external_data=False)
        else:  # the file names its weights' file, which must therefore be written in its place
            program.save(folder / "model.onnx", external_data=True)
        session = open_session(str(folder / "model.onnx"))
        found = run(trained_model, events, lambda inputs: scores_of(session, inputs))
        wanted, targets = trained_model.predict(events), trained_model.task.targets
        what = "ONNX Runtime with PyTorch"
        compared = agreement(what, wanted, found, targets, self.tolerance)
        tools = {"torch": torch.__version__, "onnxruntime": runtime.__version__}
        written = sum((folder / name).stat().st_size for name in files)
        figures = {"opset": program.model.opset_imports[""], "bytes": written}
        return Parity([compared], files, tools, figures)

    def trace(self, trained_model: TrainedModel) -> torch.onnx.ONNXProgram:
        """Return the scores as an ONNX program of standard operators.

        Raises ExportError, with the first sentence of the tracer's, if it cannot be traced.
        """
        scored = ScoredNetwork(trained_model).eval()
        inputs = example_inputs(trained_model.representation.sizes, trained_model.network.needs)
        try:
            with warnings.catch_warnings(), _quiet():
                warnings.simplefilter("ignore")
                program = torch.onnx.export(
                    scored,
                    (),
                    kwargs={"inputs": inputs},
                    dynamo=True,
                    verbose=False,
                    opset_version=self.opset,
                    dynamic_shapes={"inputs": shapes(inputs)},
                    input_names=list(inputs),
                    output_names=list(scored.names),
                )
        except Exception as problem:
            raise ExportError(_reason(problem)) from None
        assert program is not None
        strange = {node.domain for node in program.model.graph} - {""}
        if strange:
            raise ExportError(f"it needs operators of {', '.join(sorted(strange))}")
        return program

    def _describe(self, trained_model: TrainedModel, metadata: dict[str, str]) -> None:
        names = trained_model.representation.names
        metadata |= {
            "model": trained_model.task.model[0],
            "representation": trained_model.task.representation[0],
            "features": json.dumps(
                {n: names[n] for n in trained_model.network.needs if n in names}
            ),
            "scores": json.dumps(ScoredNetwork(trained_model).names),
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
    taken = {each.name for each in session.get_inputs()}
    found: list[NDArray[np.float32]] = session.run(
        None, {name: value for name, value in inputs.items() if name in taken}
    )
    return found


def _libraries() -> Any:
    try:
        import onnx  # noqa: F401 - the exporter needs both
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as problem:
        raise missing(problem.name or "onnx", "onnx", "export to ONNX") from None
    return onnxruntime


def _differs(trained_model: TrainedModel, model: bytes, tolerance: float) -> str | None:
    """Return how the traced network differs on events of other sizes, or None."""
    session, scored = open_session(model), ScoredNetwork(trained_model).eval()
    sizes, needs = trained_model.representation.sizes, trained_model.network.needs
    for lengths in ((1, 4, 0, 2, 7, 3, 2), (6,)):
        inputs = example_inputs(sizes, needs, lengths)
        try:
            found = scores_of(session, {name: x.numpy() for name, x in inputs.items()})
        except Exception as problem:
            return f"ONNX Runtime does not take events of other sizes ({_first(problem)})"
        with torch.inference_mode():
            wanted: list[Tensor] = list(scored(inputs).values())
        pairs = zip(found, wanted, strict=True)
        apart = max(
            float((np.abs(one - other) / np.maximum(np.abs(other), 1)).max())
            for one, other in ((one, other.numpy()) for one, other in pairs)
        )
        if not apart <= tolerance:
            return f"ONNX Runtime gives other numbers for events of other sizes (by {apart:.1g})"
    return None


def _reason(problem: BaseException) -> str:
    while problem.__cause__ is not None:  # the tracer wraps what went wrong
        problem = problem.__cause__
    return f"its forward cannot be traced ({_first(problem)})"


def _first(problem: BaseException) -> str:
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    return f"{type(problem).__name__}: {lines[0][:200]}" if lines else type(problem).__name__


class _quiet:  # noqa: N801 - a context
    """Keep the exporter's log to itself."""

    def __enter__(self) -> None:
        self.before = logging.root.manager.disable
        logging.disable(logging.CRITICAL)

    def __exit__(self, *_: object) -> None:
        logging.disable(self.before)
