"""Working points of a run: cuts and rejections as figures, and their table in the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bunchtrain.report import Table
from bunchtrain.statistics.metrics import Measurement
from bunchtrain.statistics.metrics.measurement import Metrics
from bunchtrain.statistics.working_points import working_points
from bunchtrain.workflow.prediction_table import Predictions, signal_of


def measure_working_points(outcome: Predictions, name: str, target: str) -> Metrics:
    """Return `working_point_77_cut`, `working_point_77/light`, … of a network, where asked for."""
    wanted, scores = outcome.study.evaluation, outcome.scores(name, target)
    if not wanted.working_points or scores is None:
        return {}
    signal, names = signal_of(outcome, target)
    truth, weights = outcome.truth(target), outcome.weights
    points, fractions = wanted.working_points, wanted.fractions
    return working_points(scores, truth, weights, names, signal, points, fractions)


def working_point_tables(outcome: Predictions, metrics: Mapping[str, Metrics]) -> Iterator[Table]:
    """Yield, for each target with classes, the rejections of all networks at the working points."""
    wanted, several = outcome.study.evaluation, len(outcome.study.targets) > 1
    if not wanted.working_points:
        return
    for target in outcome.classifiers:
        signal, names = signal_of(outcome, target)
        others = [name for k, name in enumerate(names) if k != signal]
        rows = []
        for efficiency in wanted.working_points:
            key = f"{target}:" * several + f"working_point_{100 * efficiency:g}"
            for network, found in metrics.items():
                if f"{key}_cut" in found:
                    shown = [str(Measurement.from_dict(found[f"{key}/{name}"])) for name in others]
                    cut = f"{found[f'{key}_cut']['value']:.2f}"
                    rows.append([f"{100 * efficiency:g} %", network, cut, *shown])
        caption = (
            f"Working points: rejection 1/ε of each other class by the cut on ln p/Σ f p that "
            f"keeps so many of {names[signal]}."
        )
        columns = [f"ε of {names[signal]}", "Network", "Cut", *(f"1/ε, {name}" for name in others)]
        yield Table(caption, columns, rows)
