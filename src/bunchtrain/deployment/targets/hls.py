"""HLS: a project for high-level synthesis by hls4ml, verified by its C++ emulation."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Literal

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
from bunchtrain.files import write_text
from bunchtrain.methods.supervised import Network
from bunchtrain.networks.layers.quantised.model import QuantisedModel
from bunchtrain.parts.ranges import NonNegative
from bunchtrain.trained_model import TrainedModel

#: Fixed-point type of hls4ml, and name of an FPGA; both are written into Tcl and C++.
FixedType = Annotated[
    str, Field(pattern=r"^(ap_)?u?fixed<[0-9]{1,3}, ?-?[0-9]{1,3}(, ?[A-Z_]{2,14}){0,2}>$")
]
Part = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
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
        precision: FixedType = "fixed<24,10>",
        layers: dict[str, FixedType] | None = None,
        backend: Literal["Vitis", "Vivado", "Quartus", "oneAPI", "Catapult", "Libero"] = "Vitis",
        part: Part = "xcvu13p-flga2577-2-e",
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
        found, indices = [], []
        for chosen, arrays in batches(trained, events, 4096):
            table = _normalised_table(trained, arrays)
            found.append(np.asarray(emulated.predict(np.ascontiguousarray(table))))
            indices.append(chosen)
        columns = sum(trained.network.heads.values())
        scores = scores_of_outputs(trained, np.concatenate(found).reshape(-1, columns))
        expected = trained.predict(events[np.concatenate(indices)])
        what, targets = "hls4ml's emulation with the trained model", trained.task.targets
        compared = compare_scores(what, expected, scores, targets, self.tolerance)
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
        config_file = folder / "hls4ml_config.yml"  # names its folder, which is moved
        text = config_file.read_text(encoding="utf-8")
        write_text(config_file, re.sub(r"(?m)^OutputDir: .*$", "OutputDir: .", text))
        return model


def _normalised_table(trained: TrainedModel, arrays: Any) -> NDArray[Any]:
    """Return the table (events, feature) that is the input of the project."""
    network = trained.network
    assert isinstance(network, Network)
    inputs = {name: torch.from_numpy(array) for name, array in arrays.items()}
    with torch.inference_mode():
        prepared = network.normalise(inputs)
        if isinstance(network.model, QuantisedModel):
            prepared = network.model.quantise_inputs(prepared)
        return prepared["table"].numpy().astype(np.float32)
