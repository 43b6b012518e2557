"""A circuit: pipelined Verilog and VHDL of the network, run gate by gate on all events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray

from bunchtrain.deployment.circuits.exact import (
    ExactFunction,
    QuantisedNetwork,
    Sample,
    join,
)
from bunchtrain.deployment.circuits.forest import Forest, formats_of
from bunchtrain.deployment.circuits.page import write_page
from bunchtrain.deployment.circuits.proof import Proof, prove
from bunchtrain.deployment.circuits.stream_proof import prove_stream
from bunchtrain.deployment.circuits.summary import Summary, quality
from bunchtrain.deployment.circuits.traced import Pipeline
from bunchtrain.deployment.outputs import scores_of_outputs
from bunchtrain.deployment.parity import Agreement, Parity, agreement
from bunchtrain.deployment.scoring import batches
from bunchtrain.deployment.target import Target
from bunchtrain.networks.layers.quantised.model import QuantisedModel
from bunchtrain.networks.layers.trees import Trees
from bunchtrain.networks.quantised.quantised_image_cnn import QuantisedImageCNN
from bunchtrain.trained_model import TrainedModel


class Circuit(Target):
    """Gates of a network, simulated, synthesised, placed and routed by open tools.

    The network must be quantised (`quantised_dense_network`), or be trees, which are quantised
    here. Its inputs are the normalised features in fixed point; normalisation and rounding are
    done before the circuit. The gates must give the quantised network's numbers exactly.

    Args:
        stages: Pipeline stages, each a clock cycle; 2 if neither this nor `cutoff` is set.
        cutoff: Longest delay of a stage in ns, as the tracer estimates it for a large FPGA.
        ternary: Whether to add three numbers at once, good on FPGAs with six-input tables.
        synthesise: Whether to count the cells of a large FPGA with Yosys.
        place: Whether to place and route on an ECP5-85 with nextpnr.
        clock: Clock that place and route aims at, in MHz.
        seeds: Seeds of the placement; the fastest result is kept.
        input_bits: Bits of a feature, of trees.
        leaf_fraction: Fractional bits of the value of a leaf, of trees.
        vhdl_events: Events that go through the VHDL, by GHDL; if unset, 1000 where it is installed.
        streaming: Whether an image comes pixel by pixel, one a clock cycle, and each layer is there
            once, with its own `stages`; Verilog only. If not, all pixels come at once.
    """

    def __init__(
        self,
        *,
        stages: int | None = None,
        cutoff: float | None = None,
        ternary: bool = False,
        synthesise: bool = True,
        place: bool = True,
        clock: float = 60.0,
        seeds: tuple[int, ...] = (1,),
        input_bits: int = 11,
        leaf_fraction: int = 5,
        vhdl_events: int | None = None,
        streaming: bool = False,
    ) -> None:
        chosen = stages if stages or cutoff else 2
        self.pipeline = Pipeline(chosen, cutoff, ternary)
        self.synthesise, self.clock = synthesise, clock if place else None
        self.seeds, self.vhdl_events, self.streaming = seeds, vhdl_events, streaming
        self.input_bits, self.leaf_fraction = input_bits, leaf_fraction

    def refusal(self, trained_model: TrainedModel) -> str | None:
        """Return why there is no circuit, naming the model, or None."""
        model, name = trained_model.network.model, trained_model.task.model[0]
        if self.streaming and not isinstance(model, QuantisedImageCNN):
            return (
                "only the pixels of 'quantised_image_cnn' can come one by one; leave out streaming"
            )
        if self.streaming and self.vhdl_events:
            return "a circuit with streaming is written in Verilog only; leave out vhdl_events"
        if isinstance(model, QuantisedModel | Trees):
            return None
        return (
            f"its layers compute with real numbers; train a quantised model such as "
            f"'quantised_dense_network' instead of '{name}'"
        )

    def export(self, trained_model: TrainedModel, events: ak.Array, folder: Path) -> Parity:
        """Write the circuit, run the events through its gates and compare.

        Where the events have the class numbers, as `target_<name>`, accuracy and AUC are told.
        """
        function = self._function(trained_model)
        numbers, sample = _sample(trained_model, function, events)
        names = [
            f"{head}_{n}" for head, size in trained_model.network.heads.items() for n in range(size)
        ]
        proof = self._prove(trained_model, function, sample, names, folder)
        compared = _compare(trained_model, sample, proof)
        summary = _summary(trained_model, events, numbers, sample, proof, compared)
        write_page(summary, folder / "circuit.html")
        files = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
        return Parity(list(compared.values()), files, _tools(proof), summary.figures())

    def _prove(
        self,
        trained_model: TrainedModel,
        function: ExactFunction,
        sample: Sample,
        names: list[str],
        folder: Path,
    ) -> Proof:
        model, asked = trained_model.network.model, (self.synthesise, self.clock, self.seeds)
        if self.streaming:
            assert isinstance(model, QuantisedImageCNN)
            channels = trained_model.representation.names["image"]
            return prove_stream(model, channels, sample, names, folder, self.pipeline, *asked)
        return prove(function, sample, names, folder, self.pipeline, *asked, self.vhdl_events)

    def _function(self, trained_model: TrainedModel) -> ExactFunction:
        model, names = trained_model.network.model, trained_model.representation.names
        if isinstance(model, QuantisedModel):
            return QuantisedNetwork(model, names)
        assert isinstance(model, Trees)
        model.need_fit()
        formats = formats_of(model.trees, model.features, self.input_bits)
        return Forest(model.trees, formats, self.leaf_fraction, names["table"])


def _output_names(trained_model: TrainedModel) -> list[str]:
    """Return a name for each output: the class where there is one output a class."""
    names = []
    for head, size in trained_model.network.heads.items():
        classes = trained_model.task.targets[head].get("classes", ())
        names += list(classes) if len(classes) == size else [f"{head}_{n}" for n in range(size)]
    return names


def _sample(
    trained_model: TrainedModel, function: ExactFunction, events: ak.Array
) -> tuple[NDArray[np.int64], Sample]:
    """Return the numbers of the events that are not dropped, and what the function does to them."""
    numbers, samples = [], []
    for kept, arrays in batches(trained_model, events, 4096):
        inputs = {name: torch.from_numpy(array) for name, array in arrays.items()}
        samples.append(function.sample(trained_model.network.prepared(inputs)))
        numbers.append(kept.numpy())
    return np.concatenate(numbers or [np.zeros(0, np.int64)]), join(samples)


def _compare(trained_model: TrainedModel, sample: Sample, proof: Proof) -> dict[str, Agreement]:
    targets = trained_model.task.targets
    gates, vhdl = proof.simulation, proof.vhdl
    wanted = _exactly(trained_model, sample.outputs)
    found = {
        "circuit": agreement(
            "circuit with quantised network",
            wanted,
            _exactly(trained_model, gates.outputs),
            targets,
            0.0,
            0,
        ),
        "quantised": agreement(
            "quantised network with the same unrounded",
            scores_of_outputs(trained_model, sample.real),
            scores_of_outputs(trained_model, sample.outputs),
            targets,
        ),
    }
    if vhdl is not None:
        first = {name: values[: len(vhdl.outputs)] for name, values in wanted.items()}
        given, what = _exactly(trained_model, vhdl.outputs), "VHDL with quantised network"
        found["vhdl"] = agreement(what, first, given, targets, 0.0, 0)
    return found


def _exactly(trained_model: TrainedModel, outputs: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
    """Return the scores and the outputs themselves, which may differ where no score shows it."""
    numbers = {f"output {n}": column for n, column in enumerate(outputs.T)}
    return {**scores_of_outputs(trained_model, outputs), **numbers}


def _summary(
    trained_model: TrainedModel,
    events: ak.Array,
    numbers: NDArray[np.int64],
    sample: Sample,
    proof: Proof,
    compared: dict[str, Agreement],
) -> Summary:
    found = {}
    ((head, shape), *others) = trained_model.task.targets.items()
    classes, truth = list(shape.get("classes", ())), f"target_{head}"
    if truth in events.fields and classes and not others:
        known = np.asarray(events[truth], np.int64)[numbers]
        found = {
            name: quality(scores_of_outputs(trained_model, outputs), classes, known)
            for name, outputs in (
                ("unrounded", sample.real),
                ("quantised", sample.outputs),
                ("circuit", proof.simulation.outputs),
            )
        }
    flipped = {agreed.what: agreed.flipped for agreed in compared.values()}
    return Summary(trained_model.task.model[0], len(numbers), proof, sample, flipped, found)


def _tools(proof: Proof) -> dict[str, str]:
    from importlib.metadata import version

    used = [proof.simulation.tool]
    used += [p.tool for p in (proof.vhdl, proof.synthesis, proof.placement) if p is not None]
    named = dict(tool.rsplit(" ", 1) for tool in used)
    return {"alkaid": version("alkaid"), **named}
