"""HLS: a project for high-level synthesis by hls4ml, whose C++ emulation is run on all events."""

from __future__ import annotations

import contextlib
import io
import logging
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray

from bunchtrain.deployment.hls.layers import PlainLayers, plain_layers, unsupported
from bunchtrain.deployment.outputs import scores_of_outputs
from bunchtrain.deployment.parity import Parity, agreement
from bunchtrain.deployment.scoring import batches
from bunchtrain.deployment.target import Target
from bunchtrain.errors import ExportError, StudyError, missing, nearest
from bunchtrain.networks.layers.quantised.model import QuantisedModel
from bunchtrain.trained_model import TrainedModel

#: Layer → what of it → fixed-point type.
Precision = dict[str, dict[str, str]]


class Hls(Target):
    """A project for a vendor's high-level synthesis, written by hls4ml (arXiv:1804.06913).

    Takes dense networks, quantised or not. The inputs are the normalised features. The emulation
    in C++ is compiled and compared; `vitis_hls -f build_prj.tcl` makes the circuit where the
    vendor's tool is installed.

    Args:
        reuse: Products that one multiplier does one after the other, the reuse factor.
        precision: Fixed-point type of what is not said otherwise, fixed<bits, integer bits>.
        layers: Layer → fixed-point type of its result, as {relu_1: "ufixed<8,3>"}.
        backend: Vendor's tool that the project is for.
        part: FPGA.
        clock: Clock period in ns.
        tolerance: Largest difference of a score that is allowed.
    """

    def __init__(
        self,
        *,
        reuse: int = 1,
        precision: str = "fixed<24,10>",
        layers: dict[str, str] | None = None,
        backend: str = "Vitis",
        part: str = "xcvu13p-flga2577-2-e",
        clock: float = 5.0,
        tolerance: float = 0.02,
    ) -> None:
        self.reuse, self.precision, self.layers = reuse, precision, layers or {}
        self.backend, self.part, self.clock = backend, part, clock
        self.tolerance = tolerance

    def refusal(self, trained_model: TrainedModel) -> str | None:
        """Return why hls4ml cannot take the network, naming the layer, or None."""
        return unsupported(trained_model.network.model)

    def export(self, trained_model: TrainedModel, events: ak.Array, folder: Path) -> Parity:
        """Write the project, compile its emulation and run the events through it."""
        layers = plain_layers(trained_model.network.model)
        project = folder / "project"
        shutil.rmtree(project, ignore_errors=True)
        precision = self._precision(layers)
        emulated = self._project(layers, precision, project)
        ours, theirs = [], []
        for _, arrays in batches(trained_model, events, 4096):
            table, given = _network(trained_model, arrays)
            ours.append(given)
            theirs.append(np.asarray(emulated.predict(np.ascontiguousarray(table))))
        outputs = sum(trained_model.network.heads.values())
        wanted, found = (
            scores_of_outputs(trained_model, np.concatenate(one).reshape(-1, outputs))
            for one in (ours, theirs)
        )
        what, targets = "hls4ml's emulation with the network", trained_model.task.targets
        compared = agreement(what, wanted, found, targets, self.tolerance)
        files = sorted(str(path.relative_to(folder)) for path in project.rglob("*.*"))
        figures = {
            "reuse factor": self.reuse,
            "clock period, ns": self.clock,
            **{
                f"precision, {layer}, {what}": kind
                for layer, kinds in precision.items()
                for what, kind in kinds.items()
            },
        }
        kept = [name for name in files if "ap_types" not in name and "nnet_utils" not in name]
        return Parity([compared], kept, {"hls4ml": metadata.version("hls4ml")}, figures)

    def _precision(self, layers: PlainLayers) -> Precision:
        """Return layer → what → type, as the options and the network say.

        Raises StudyError, naming the nearest, for a layer that there is not.
        """
        found = {name: dict(kinds) for name, kinds in layers.precision.items()}
        known = ["input_1", *(name for name, _ in layers.network.named_children())]
        for name, kind in self.layers.items():
            if name not in known:
                hint = nearest(name, known) or f"; there are {', '.join(known)}"
                raise StudyError(f"export 'hls': there is no layer '{name}'{hint}")
            found.setdefault(name, {})["result"] = kind
        return found

    def _project(self, layers: PlainLayers, precision: Precision, folder: Path) -> Any:
        """Return hls4ml's model of the layers, written and compiled."""
        try:
            import hls4ml
        except ImportError:
            raise missing("hls4ml", "hls", "a project for high-level synthesis") from None
        said = io.StringIO()
        before = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        try:
            with contextlib.redirect_stdout(said):
                return self._converted(hls4ml, layers, precision, folder)
        except Exception as problem:
            lines = str(problem).strip().splitlines() or [type(problem).__name__]
            raise ExportError(f"hls4ml cannot build the network: {lines[0]}") from None
        finally:
            logging.disable(before)

    def _converted(
        self, hls4ml: Any, layers: PlainLayers, precision: Precision, folder: Path
    ) -> Any:
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


def _network(trained_model: TrainedModel, arrays: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the table (events, feature) as the project takes it, and the model's outputs."""
    model = trained_model.network.model
    inputs = {name: torch.from_numpy(array) for name, array in arrays.items()}
    with torch.inference_mode():
        prepared = trained_model.network.prepared(inputs)
        if isinstance(model, QuantisedModel):
            prepared = model.quantise_inputs(prepared)
        return prepared["table"].numpy().astype(np.float32), model(**prepared).numpy()
