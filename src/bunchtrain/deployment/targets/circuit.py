"""Circuit: pipelined Verilog and VHDL of a quantised network, verified by gate-level simulation."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from bunchtrain.deployment.circuits.exact import (
    ExactFunction,
    QuantisedNetwork,
    Sample,
    concatenate_samples,
)
from bunchtrain.deployment.circuits.forest import Forest, feature_formats
from bunchtrain.deployment.circuits.implementation import (
    Implementation,
    implement,
    implement_stream,
)
from bunchtrain.deployment.circuits.summary import Summary, class_metrics, write_page
from bunchtrain.deployment.circuits.tracing import Pipeline
from bunchtrain.deployment.export import ExportTarget
from bunchtrain.deployment.scoring import batches, scores_of_outputs
from bunchtrain.deployment.verification import Agreement, Verification, compare_scores
from bunchtrain.methods.fitted_module import as_network
from bunchtrain.networks.layers.quantised.model import QuantisedModel
from bunchtrain.networks.layers.trees import TreeModel
from bunchtrain.networks.quantised.quantised_image_cnn import QuantisedImageCNN
from bunchtrain.parts.ranges import Bits, IntegerBits, Positive, Seed, UnitFraction
from bunchtrain.trained_model import TrainedModel


class Circuit(ExportTarget):
    """Firmware (RTL) of a network, simulated, synthesised, placed and routed by open tools.

    The network must be quantised (`quantised_dense_network`), or be trees, which are quantised
    here. Its inputs are the normalised features in fixed point; normalisation and rounding are
    done before the circuit. The gates must give the quantised network's outputs exactly, and its
    scores are compared with those of the trained model.

    stages         Pipeline stages, each a clock cycle; 2 if neither this nor `cutoff` is set.
    cutoff         Longest delay of a stage in ns, as the tracer estimates it for a large FPGA.
    ternary        Whether to use ternary adders, for FPGAs with six-input look-up tables.
    synthesise     Whether to count the cells of a large FPGA with Yosys.
    place          Whether to place and route on an ECP5-85 with nextpnr.
    clock          Target clock of place and route in MHz.
    seeds          Seeds of the placement; the fastest result is used.
    input_bits     Bits of a feature, of trees.
    leaf_fraction  Fractional bits of the value of a leaf, of trees.
    changed_decisions  Largest fraction of events, for trees, whose decision may differ from that
                   of the trained model, by the rounding of features and leaves.
    vhdl_events    Events simulated in VHDL by GHDL; if unset, 1000 where it is installed.
    streaming      Whether an image is read pixel by pixel, one a clock cycle, by one instance of
                   each layer, with its own `stages`; Verilog only. If not, pixels are read in
                   parallel.
    """

    def __init__(
        self,
        *,
        stages: Annotated[int, Field(ge=1, le=1000)] | None = None,
        cutoff: Positive | None = None,
        ternary: bool = False,
        synthesise: bool = True,
        place: bool = True,
        clock: Annotated[float, Field(ge=0.1, le=10000)] = 60.0,
        seeds: Annotated[tuple[Seed, ...], Field(min_length=1, max_length=100)] = (1,),
        input_bits: Bits = 11,
        leaf_fraction: IntegerBits = 5,
        changed_decisions: UnitFraction = 0.02,
        vhdl_events: Annotated[int, Field(ge=0, le=10000000)] | None = None,
        streaming: bool = False,
    ) -> None:
        self.pipeline = Pipeline(stages if stages or cutoff else 2, cutoff, ternary)
        self.synthesise, self.clock = synthesise, clock if place else None
        self.seeds, self.vhdl_events, self.streaming = seeds, vhdl_events, streaming
        self.input_bits, self.leaf_fraction = input_bits, leaf_fraction
        self.changed_decisions = changed_decisions

    def unsupported_reason(self, trained: TrainedModel) -> str | None:
        """Return why there is no circuit, naming the model, or None."""
        model, name = trained.network.model, trained.task.model[0]
        if self.streaming and not isinstance(model, QuantisedImageCNN):
            return "only 'quantised_image_cnn' can read pixels one by one; leave out streaming"
        if self.streaming and self.vhdl_events:
            return "a circuit with streaming is written in Verilog only; leave out vhdl_events"
        if isinstance(model, QuantisedModel | TreeModel):
            return None
        return (
            f"its layers compute with real numbers; train a quantised model such as "
            f"'quantised_dense_network' instead of '{name}'"
        )

    def export(self, trained: TrainedModel, events: ak.Array, folder: Path) -> Verification:
        """Write the circuit, simulate its gates for the events and compare.

        Accuracy and AUC are measured if the events have the class indices in `target_<name>`.
        """
        function = self._exact_function(trained)
        indices, sample = _sample_events(trained, function, events)
        heads = trained.network.heads.items()
        names = [f"{head}_{k}" for head, size in heads for k in range(size)]
        options = (names, folder, self.pipeline, self.synthesise, self.clock, self.seeds)
        model = trained.network.model
        if self.streaming:
            assert isinstance(model, QuantisedImageCNN)
            channels = trained.representation.names["image"]
            circuit = implement_stream(model, channels, sample, *options)
        else:
            circuit = implement(function, sample, *options, self.vhdl_events)
        compared = self._compare(trained, events[indices], sample, circuit)
        summary = _summarise(trained, events, indices, sample, circuit, compared)
        write_page(summary, folder / "circuit.html")
        files = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
        tools = {"alkaid": version("alkaid"), **dict(t.rsplit(" ", 1) for t in circuit.tools)}
        return Verification(compared, files, tools, summary.properties())

    def _compare(
        self, trained: TrainedModel, events: ak.Array, sample: Sample, circuit: Implementation
    ) -> list[Agreement]:
        """Return the comparisons of the circuit with the trained model and with exact arithmetic.

        events  those of the sample.
        """
        targets, vhdl = trained.task.targets, circuit.vhdl
        expected = _scores_and_outputs(trained, sample.outputs)
        found = _scores_and_outputs(trained, circuit.simulation.outputs)
        scores = {name: found[name] for name in trained.quantities}
        unrounded = scores_of_outputs(trained, sample.unrounded)
        quantised = scores_of_outputs(trained, sample.outputs)
        exact = isinstance(trained.network.model, QuantisedModel)
        limits = (1e-5, 0) if exact else (None, int(self.changed_decisions * len(events)))
        what = ("circuit with quantised network", "quantised network with the same unrounded")
        compared = [
            compare_scores(what[0], expected, found, targets, 0.0, 0),
            compare_scores(
                "circuit with the trained model", trained.predict(events), scores, targets, *limits
            ),
            compare_scores(what[1], unrounded, quantised, targets),
        ]
        if vhdl is not None:
            first = {name: values[: len(vhdl.outputs)] for name, values in expected.items()}
            found, same = _scores_and_outputs(trained, vhdl.outputs), "VHDL with quantised network"
            compared.append(compare_scores(same, first, found, targets, 0.0, 0))
        return compared

    def _exact_function(self, trained: TrainedModel) -> ExactFunction:
        model, names = trained.network.model, trained.representation.names
        if isinstance(model, QuantisedModel):
            return QuantisedNetwork(model, names)
        assert isinstance(model, TreeModel)
        model.check_is_fitted()
        formats = feature_formats(model.trees, model.features, self.input_bits)
        return Forest(model.trees, formats, self.leaf_fraction, names["table"])


def _sample_events(
    trained: TrainedModel, function: ExactFunction, events: ak.Array
) -> tuple[NDArray[np.int64], Sample]:
    """Return the indices of the events that are not dropped, and inputs and outputs of these."""
    indices, samples = [], []
    network = as_network(trained.network)
    for chosen, arrays in batches(trained, events, 4096):
        inputs = {name: torch.from_numpy(array) for name, array in arrays.items()}
        samples.append(function.sample(network.normalise(inputs)))
        indices.append(chosen)
    return np.concatenate(indices or [np.zeros(0, np.int64)]), concatenate_samples(samples)


def _scores_and_outputs(
    trained: TrainedModel, outputs: NDArray[np.float64]
) -> dict[str, NDArray[Any]]:
    """Return the scores, and the outputs themselves, which may differ where no score does."""
    columns = {f"output {k}": column for k, column in enumerate(outputs.T)}
    return {**scores_of_outputs(trained, outputs), **columns}


def _summarise(
    trained: TrainedModel,
    events: ak.Array,
    indices: NDArray[np.int64],
    sample: Sample,
    circuit: Implementation,
    compared: list[Agreement],
) -> Summary:
    metrics = {}
    (target, *others) = trained.task.targets.values()
    classes, truth = target.classes, f"target_{target.name}"
    if truth in events.fields and classes and not others:
        true_class = np.asarray(events[truth], np.int64)[indices]
        metrics = {
            name: class_metrics(scores_of_outputs(trained, outputs), classes, true_class)
            for name, outputs in (
                ("unrounded", sample.unrounded),
                ("quantised", sample.outputs),
                ("circuit", circuit.simulation.outputs),
            )
        }
    flipped = {agreement.what: agreement.flipped for agreement in compared}
    return Summary(trained.task.model[0], len(indices), circuit, sample, flipped, metrics)
