"""Summary of a circuit: properties with their tools, classification metrics, the HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from bunchtrain.deployment.circuits.exact import Sample
from bunchtrain.deployment.circuits.implementation import Implementation
from bunchtrain.files import write_text
from bunchtrain.page_templates import page_templates
from bunchtrain.statistics.metrics import Measurement, accuracy, auc, roc

#: Score → (events,) of one of the three networks that are compared.
Scores = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Summary:
    """Content of the page of a circuit.

    model    name of the model.
    events   number of events in the comparisons.
    circuit  results of simulation, synthesis and placement.
    sample   inputs and expected outputs.
    flipped  decisions that differ: unrounded and quantised, quantised and circuit.
    metrics  unrounded, quantised, circuit → metric by name; empty where the truth is unknown.
    """

    model: str
    events: int
    circuit: Implementation
    sample: Sample
    flipped: Mapping[str, int]
    metrics: Mapping[str, Mapping[str, Measurement]] = field(default_factory=dict)

    def properties(self) -> dict[str, Any]:
        """Return name → value of all properties, with the tool in brackets."""
        simulation = self.circuit.simulation
        found: dict[str, Any] = {
            "initiation interval, cycles": f"{simulation.interval} ({simulation.tool})"
        }
        found |= {f"changed decisions, {what}": n for what, n in self.flipped.items()}
        found |= {
            f"{metric}, {network}": str(value)
            for network, values in self.metrics.items()
            for metric, value in values.items()
        }
        found["mismatches"] = f"{simulation.mismatches} ({simulation.tool})"
        found["latency, cycles"] = f"{simulation.latency} ({simulation.tool})"
        saturated = self.sample.saturated.items()
        return found | self._cost() | {f"out of range, {name}": n for name, n in saturated}

    def _cost(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        large, placed = self.circuit.synthesis, self.circuit.placement
        if (estimate := self.circuit.hardware.estimate) is not None:
            found["look-up tables, estimated"] = f"{estimate:.0f} (alkaid {version('alkaid')})"
        if large is not None:
            for kind in ("LUT", "FF", "DSP", "BRAM"):
                found[f"{kind}, {large.family}"] = f"{large.counts[kind]} ({large.tool})"
        if placed is not None:
            for kind, count in placed.used.items():
                share = 100 * count / placed.available[kind]
                found[f"{kind}, ECP5"] = f"{count}, {share:.1f} % ({placed.tool})"
            found["clock, ECP5, MHz"] = f"{placed.megahertz:.1f} ({placed.tool})"
            found["latency, ECP5, ns"] = f"{placed.nanoseconds:.1f} ({placed.tool})"
        return found


def class_metrics(
    scores: Scores, classes: Sequence[str], truth: NDArray[np.int64]
) -> dict[str, Measurement]:
    """Return accuracy, and the AUC of each class against the rest, of the events with a class.

    scores   class → (events,).
    truth    (events,) index of the class, −1 for none.
    """
    labelled = truth >= 0
    table = np.stack([scores[name] for name in classes], 1)[labelled]
    found = {"accuracy": accuracy(table, truth[labelled])}
    for index, name in enumerate(classes):
        found[f"AUC {name}"] = auc(roc(table[:, index], truth[labelled] == index))
    return found


def write_page(summary: Summary, path: Path) -> None:
    """Write the page of a circuit: self-contained HTML, without external resources."""
    environment = page_templates("bunchtrain.deployment.circuits")
    style = resources.files("bunchtrain.report").joinpath("report.css").read_text()
    hardware = summary.circuit.hardware
    text = environment.get_template("page.html").render(
        summary=summary,
        circuit=summary.circuit,
        style=Markup(style),
        ports={"model_inp": hardware.inputs, "model_out": hardware.outputs},
        rows=list(next(iter(summary.metrics.values()), {})),
    )
    write_text(path, text)
