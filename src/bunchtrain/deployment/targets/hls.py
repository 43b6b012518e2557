"""HLS: a project for high-level synthesis by hls4ml, verified by its C++ emulation."""

from __future__ import annotations

import contextlib
import io
import shutil
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from bunchtrain.deployment.export import ExportTarget, silence_logs
from bunchtrain.deployment.hls_layers import PlainLayers, plain_layers, unsupported_reason
from bunchtrain.deployment.scoring import batches, scores_of_outputs
from bunchtrain.deployment.verification import Verification, compare_scores
from bunchtrain.errors import ExportError, StudyError, missing, nearest
from bunchtrain.networks.layers.quantised.model import QuantisedModel
from bunchtrain.parts.ranges import NonNegative
from bunchtrain.trained_model import TrainedModel

#: Layer → quantity of it → fixed-point type.
Precision = dict[str, dict[str, str]]


class Hls(ExportTarget):
    """A project for a vendor's high-level synthesis, written by hls4ml (arXiv:1804.06913).

    Supports dense networks, quantised or not. The inputs are the normalised features. The emulation
    in C++ is compiled and compared; `vitis_hls -f build_prj.tcl` synthesises the firmware where
    the vendor's tool is installed.

    reuse      Reuse factor, the number of products that one multiplier computes in sequence.
    precision  Default fixed-point type, fixed<bits, integer bits>.
    layers     Layer → fixed-point type of its result, e.g. {relu_1: "ufixed<8,3>"}.
    backend    The vendor's tool.
    part       FPGA.
    clock      Clock period in ns.
    tolerance  Largest allowed difference of a score.
    """

    def __init__(
        self,
        *,
        reuse: Annotated[int, Field(ge=1, le=1000000)] = 1,
        precision: str = "fixed<24,10>",
        layers: dict[str, str] | None = None,
        backend: str = "Vitis",
        part: str = "xcvu13p-flga2577-2-e",
        clock: Annotated[float, Field(ge=0.1, le=1000)] = 5.0,
        tolerance: NonNegative = 0.02,
    ) -> None:
        self.reuse, self.precision, self.layers = reuse, precision, layers or {}
        self.backend, self.part, self.clock = backend, part, clock
        self.tolerance = tolerance

    def unsupported_reason(self, trained: TrainedModel) -> str | None:
        """Return why hls4ml does not support the network, naming the layer, or None."""
        return unsupported_reason(trained.network.model)

    def export(self, trained: TrainedModel, events: ak.Array, folder: Path) -> Verification:
        """Write the project, compile its emulation and run the events through it."""
        layers = plain_layers(trained.network.model)
        project = folder / "project"
        shutil.rmtree(project, ignore_errors=True)
        precision = self._precision(layers)
        emulated = self._write_project(layers, precision, project)
        expected, found = [], []
        for _, arrays in batches(trained, events, 4096):
            table, outputs = _run_network(trained, arrays)
            expected.append(outputs)
            found.append(np.asarray(emulated.predict(np.ascontiguousarray(table))))
        columns = sum(trained.network.heads.values())
        a, b = (
            scores_of_outputs(trained, np.concatenate(one).reshape(-1, columns))
            for one in (expected, found)
        )
        what, targets = "hls4ml's emulation with the network", trained.task.targets
        compared = compare_scores(what, a, b, targets, self.tolerance)
        files = sorted(str(path.relative_to(folder)) for path in project.rglob("*.*"))
        properties = {
            "reuse factor": self.reuse,
            "clock period, ns": self.clock,
            **{
                f"precision, {layer}, {quantity}": kind
                for layer, kinds in precision.items()
                for quantity, kind in kinds.items()
            },
        }
        own = [name for name in files if "ap_types" not in name and "nnet_utils" not in name]
        return Verification([compared], own, {"hls4ml": metadata.version("hls4ml")}, properties)

    def _precision(self, layers: PlainLayers) -> Precision:
        """Return layer → quantity → type, from the network and from the options.

        Raises StudyError, naming the nearest, for an unknown layer.
        """
        found = {name: dict(kinds) for name, kinds in layers.precision.items()}
        known = ["input_1", *(name for name, _ in layers.network.named_children())]
        for name, kind in self.layers.items():
            if name not in known:
                hint = nearest(name, known) or f"; there are {', '.join(known)}"
                raise StudyError(f"export 'hls': there is no layer '{name}'{hint}")
            found.setdefault(name, {})["result"] = kind
        return found

    def _write_project(self, layers: PlainLayers, precision: Precision, folder: Path) -> Any:
        """Return hls4ml's model of the layers, written and compiled."""
        try:
            import hls4ml
        except ImportError:
            raise missing("hls4ml", "hls", "a project for high-level synthesis") from None
        try:
            with contextlib.redirect_stdout(io.StringIO()), silence_logs():
                return self._convert(hls4ml, layers, precision, folder)
        except Exception as problem:
            lines = str(problem).strip().splitlines() or [type(problem).__name__]
            raise ExportError(f"hls4ml cannot build the network: {lines[0]}") from None

    def _convert(self, hls4ml: Any, layers: PlainLayers, precision: Precision, folder: Path) -> Any:
        first = next(m for m in layers.network if isinstance(m, torch.nn.Linear))
        config = hls4ml.utils.config_from_pytorch_model(
            layers.network,
            (first.in_features,),
            granularity="name",
            backend=self.backend,
            default_precision=self.precision,
            default_reuse_factor=self.reuse,
        )
        config["Model"]["Strategy"] = "Latency" if self.reuse == 1 else "Resource"
        for name, kinds in precision.items():
            config["LayerName"][name]["Precision"].update(kinds)
        model = hls4ml.converters.convert_from_pytorch_model(
            layers.network,
            hls_config=config,
            output_dir=str(folder),
            project_name="network",
            backend=self.backend,
            io_type="io_parallel",
            part=self.part,
            clock_period=self.clock,
        )
        model.compile()
        return model


def _run_network(trained: TrainedModel, arrays: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the table (events, feature) as input of the project, and the model's outputs."""
    model = trained.network.model
    inputs = {name: torch.from_numpy(array) for name, array in arrays.items()}
    with torch.inference_mode():
        prepared = trained.network.normalise(inputs)
        if isinstance(model, QuantisedModel):
            prepared = model.quantise_inputs(prepared)
        return prepared["table"].numpy().astype(np.float32), model(**prepared).numpy()
