"""Resources of firmware against accuracy, from the exports to `circuit` of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bunchtrain.deployment.verification import read_properties
from bunchtrain.errors import StudyError
from bunchtrain.evaluations._class_evaluation import ClassPredictions, FirstTargetEvaluation
from bunchtrain.evaluations._evaluation import EvaluatedRun, any_model_implements
from bunchtrain.methods.protocols import CountsBitOperations, HasFeatureImportance
from bunchtrain.plots import Resources, dominated_by, plot_resources
from bunchtrain.report.content import Plot, Table
from bunchtrain.report.key_table import published_metrics
from bunchtrain.report.results import Results
from bunchtrain.statistics.metrics import Measurement
from bunchtrain.study import Study, model_configs

#: Resource → heading of its column.
COLUMNS = {
    "bit_operations": "EBOPs",
    "estimate": "LUT, estimated",
    "lut": "LUT",
    "dsp": "DSP",
    "cycles": "Cycles",
}


class FirmwareResources(FirstTargetEvaluation):
    """Accuracy against look-up tables, multipliers, bit operations and latency of the circuits.

    Its metrics `lut`, `dsp` (of a large FPGA after synthesis) and `cycles` are those of the exports
    in the run; published circuits have them under `published`, with their `accuracy`.
    """

    after_export = True
    reads_metrics = True

    def check(self, study: Study) -> None:
        """Raise StudyError for an unknown target, or if no model can be a circuit."""
        super().check(study)
        exported = any(part.name == "circuit" for part in study.export)
        can_be = any_model_implements(study, CountsBitOperations) or any_model_implements(
            study, HasFeatureImportance
        )
        if not exported and not can_be:
            raise StudyError(
                f"evaluation '{self.name}' needs a model that can be exported to 'circuit', e.g. "
                "'quantised_dense_network'"
            )

    def evaluate(self, run: EvaluatedRun) -> Results:
        """Return resources, plot and table of the circuits; nothing where there are no exports."""
        results = Results()
        for events in self.predictions(run):
            points = resources(events)
            for point in points:
                if not point.source:
                    known = {name: getattr(point, name) for name in ("lut", "dsp", "cycles")}
                    results.metrics[point.name] = {
                        name: Measurement(value).as_dict()
                        for name, value in known.items()
                        if value is not None
                    }
            if sum(not point.source for point in points) > 1:
                caption = (
                    "Accuracy against resources of the circuits. Open markers are published "
                    "circuits, on their own sample and device; those use multipliers (DSP) as well."
                )
                results.plots.append(Plot(caption, plot_resources(points), wide=True))
            results.tables += _tables(points)
        return results


def resources(events: ClassPredictions) -> list[Resources]:
    """Return each model with a circuit, then the published circuits, one for each method."""
    run, key = events.run, f"{events.prefix}accuracy"
    own: list[Resources] = []
    published: dict[str, Resources] = {}
    given = published_metrics(run.study)
    for name, config in model_configs(run.study).items():
        found = read_properties(run.folder / "exports" / name / "circuit")
        if found and key in run.metrics.get(name, {}):
            model = run.models[name].network.model
            bits = model.bit_operations() if isinstance(model, CountsBitOperations) else None
            own.append(
                Resources(
                    name,
                    config.curve,
                    Measurement.from_dict(run.metrics[name][key]),
                    lut=_value(found, "LUT, "),
                    estimate=_value(found, "look-up tables, estimated"),
                    dsp=_value(found, "DSP, "),
                    bit_operations=None if bits is None else float(bits.detach()),
                    cycles=_value(found, "latency, cycles"),
                )
            )
        metrics = given[name].metrics if name in given else {}
        if key in metrics and "lut" in metrics:
            costs = {n: metrics[n].value for n in ("lut", "dsp", "cycles") if n in metrics}
            accuracy, source = metrics[key], given[name].source
            point = Resources(config.curve, config.curve, accuracy, **costs, source=source)
            published[config.curve] = point
    return [*own, *published.values()] if own else []


def _value(properties: Mapping[str, Any], start: str) -> float | None:
    """Return the first property of this beginning, whose text is a number and the tool."""
    found = (str(v).split()[0] for k, v in properties.items() if k.startswith(start))
    text = next(found, "None")
    return None if text == "None" else float(text)


def _tables(points: Sequence[Resources]) -> Iterator[Table]:
    costs = [cost for cost in COLUMNS if any(getattr(p, cost) is not None for p in points)]
    rows = []
    for point in points:
        values = [getattr(point, cost) for cost in costs]
        rows.append(
            [
                point.name + (f", {point.source}" if point.source else ""),
                str(point.accuracy),
                *("" if value is None else f"{value:,.0f}" for value in values),
                ", ".join(dominated_by(point, points)) if not point.source else "",
            ]
        )
    caption = (
        "Circuits. Dominated by: models at least as accurate with at most as many look-up tables, "
        "the estimated ones where not all circuits were synthesised."
    )
    if points:
        head = ["Model", "Accuracy", *(COLUMNS[cost] for cost in costs), "Dominated by"]
        yield Table(caption, head, rows)
