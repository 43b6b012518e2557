"""What a report of a circuit says: accuracy and AUC of each class, range, cost, time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.deployment.circuits.exact import Sample
from bunchtrain.deployment.circuits.proof import Proof
from bunchtrain.statistics.metrics.accuracy import accuracy
from bunchtrain.statistics.metrics.auc import auc
from bunchtrain.statistics.metrics.measurement import Measurement
from bunchtrain.statistics.metrics.roc import roc

#: Score → (events,) of one of the three networks that are compared.
Scores = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Summary:
    """Everything that the page of a circuit shows.

    model    name of the model.
    events   number of events in the comparisons.
    proof    what was measured of the gates.
    sample   what went in and should come out.
    flipped  decisions that differ: unrounded and quantised, quantised and circuit.
    quality  unrounded, quantised, circuit → figure by name; empty where the truth is not known.
    """

    model: str
    events: int
    proof: Proof
    sample: Sample
    flipped: Mapping[str, int]
    quality: Mapping[str, Mapping[str, Measurement]] = field(default_factory=dict)

    def figures(self) -> dict[str, Any]:
        """Return name → value of all figures, each with the tool that it comes from."""
        simulation = self.proof.simulation
        found: dict[str, Any] = {
            "initiation interval, cycles": f"{simulation.interval} ({simulation.tool})"
        }
        found |= {f"decisions flipped, {what}": n for what, n in self.flipped.items()}
        found |= {
            f"{figure}, {network}": str(value)
            for network, values in self.quality.items()
            for figure, value in values.items()
        }
        found["mismatches"] = f"{simulation.mismatches} ({simulation.tool})"
        found["latency, cycles"] = f"{simulation.latency} ({simulation.tool})"
        return found | self._cost() | self._saturated()

    def _cost(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        large, placed = self.proof.synthesis, self.proof.placement
        if (estimate := self.proof.hardware.estimate) is not None:
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

    def _saturated(self) -> dict[str, Any]:
        return {f"out of range, {place}": count for place, count in self.sample.saturated.items()}


def quality(
    scores: Scores, classes: Sequence[str], truth: NDArray[np.int64]
) -> dict[str, Measurement]:
    """Return accuracy, and the AUC of each class against the rest, of the events with a class.

    scores   class → (events,).
    truth    (events,), −1 for an event of none of the classes.
    """
    known = truth >= 0
    table = np.stack([scores[name] for name in classes], 1)[known]
    found = {"accuracy": accuracy(table, truth[known])}
    for number, name in enumerate(classes):
        found[f"AUC {name}"] = auc(roc(table[:, number], truth[known] == number))
    return found
