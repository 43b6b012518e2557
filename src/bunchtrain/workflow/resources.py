"""What the circuits of a run cost beside their accuracy, from the exports in its folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bunchtrain.plots import Resources, dominated_by, plot_resources
from bunchtrain.report import Plot, Table
from bunchtrain.statistics.metrics import Measurement
from bunchtrain.statistics.metrics import Metrics
from bunchtrain.study import Study, model_configs
from bunchtrain.trained_model import TrainedModel
from bunchtrain.workflow.folder import RunFolder


def resources(
    folder: RunFolder, metrics: Mapping[str, Metrics], networks: Mapping[str, TrainedModel]
) -> list[Resources]:
    """Return each network whose circuit is known, then the published circuits of the study."""
    study = folder.study()
    own = []
    for name, member in model_configs(study).items():
        figures = _figures(folder, name)
        if figures and "accuracy" in metrics[name]:
            model: Any = networks[name].network.model
            counted = hasattr(model, "bit_operations")
            bits = float(model.bit_operations().detach()) if counted else None
            accuracy = Measurement.from_dict(metrics[name]["accuracy"])
            own.append(
                Resources(
                    name,
                    member.method,
                    accuracy,
                    lut=_number(figures, "LUT, "),
                    estimate=_number(figures, "look-up tables, estimated"),
                    dsp=_number(figures, "DSP, "),
                    bit_operations=bits,
                    cycles=_number(figures, "latency, cycles"),
                )
            )
    return [*own, *_published(study)] if own else []


def resource_plots(points: Sequence[Resources]) -> Iterator[Plot]:
    """Yield accuracy against resources, from two circuits on."""
    if sum(not point.source for point in points) > 1:
        caption = (
            "Accuracy against what the circuits cost. Open markers are published circuits, on "
            "their own sample and device; those use multipliers (DSP) as well."
        )
        yield Plot(caption, plot_resources(points), wide=True)


def resource_tables(points: Sequence[Resources]) -> Iterator[Table]:
    """Yield the table of the circuits."""
    if not points:
        return
    columns = {
        "bit_operations": "EBOPs",
        "estimate": "LUT, estimated",
        "lut": "LUT",
        "dsp": "DSP",
        "cycles": "Cycles",
    }
    costs = [cost for cost in columns if any(getattr(p, cost) is not None for p in points)]
    rows = [
        [
            point.name + (f", {point.source}" if point.source else ""),
            str(point.accuracy),
            *(_shown(getattr(point, cost)) for cost in costs),
            ", ".join(dominated_by(point, points)) if not point.source else "",
        ]
        for point in points
    ]
    caption = (
        "Circuits. Beaten by: networks at least as accurate with at most as many look-up tables, "
        "the estimated ones where not all circuits were synthesised."
    )
    head = ["Network", "Accuracy", *(columns[cost] for cost in costs), "Beaten by"]
    yield Table(caption, head, rows)


def _figures(folder: RunFolder, name: str) -> dict[str, Any]:
    path = f"exports/{name}/circuit/parity.json"
    figures: dict[str, Any] = folder.json(path).get("figures", {})
    return figures


def _number(figures: Mapping[str, Any], start: str) -> float | None:
    """Return the number of the first figure of this beginning, which its tool follows."""
    found = (str(v).split()[0] for k, v in figures.items() if k.startswith(start))
    text = next(found, "None")
    return None if text == "None" else float(text)


def _published(study: Study) -> list[Resources]:
    """Return a row for each method with a published circuit; a scan has one."""
    found = {}
    for member in model_configs(study).values():
        given = member.published
        if given is not None and given.accuracy is not None and given.lut is not None:
            found[member.method] = Resources(
                member.method,
                member.method,
                Measurement(given.accuracy),
                lut=given.lut,
                dsp=given.dsp,
                cycles=given.cycles,
                source=given.source,
            )
    return list(found.values())


def _shown(number: float | None) -> str:
    return "" if number is None else f"{number:,.0f}"
