"""Response curves: mean score and its predicted σ against the size of a systematic shift."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

import numpy as np
from matplotlib.figure import Figure
from pydantic import Field

from bunchtrain.evaluations._class_evaluation import ClassPredictions
from bunchtrain.evaluations._evaluation import EvaluatedRun
from bunchtrain.evaluations._systematic_evaluation import By, SystematicEvaluation
from bunchtrain.plots import plot_response_curves
from bunchtrain.report.content import Plot, Table
from bunchtrain.report.results import Results
from bunchtrain.statistics.metrics import Measurement, bias

#: Model → class of the events, the signal last → mean at every shift.
Curves = dict[str, dict[str, list[Measurement]]]


class ResponseCurve(SystematicEvaluation):
    """Mean signal probability and its predicted σ against the size of a shift (arXiv:1904.10004).

    by     Effect → its largest shift, the study's or the part's own size if null; or a list of
           effects; all of the study if empty.
    steps  Number of shifts on either side of 0.
    """

    def __init__(
        self,
        *,
        by: By = {},  # noqa: B006 (never changed)
        steps: Annotated[int, Field(ge=1, le=1000)] = 5,
        target: str | None = None,
    ) -> None:
        super().__init__(target=target, by=by)
        self.steps = steps

    def evaluate(self, run: EvaluatedRun) -> Results:
        """Return a plot and a table for each effect; all curves are in the details.

        Raises DataError if a class has no events, nominal or shifted.
        """
        results = Results(title="Response to systematic effects")
        factors = [step / self.steps for step in range(-self.steps, self.steps + 1)]
        for events in self.predictions(run):
            for name, effect in self.effects(run.study).items():
                amounts = [round(factor * effect.size, 12) for factor in factors]
                mean: Curves = {}
                sigma: Curves = {}
                for factor in factors:
                    shifted = self.shift(events, name, factor) if factor else events
                    _append_means(shifted, mean, sigma)
                caption = f"Mean probability of {events.signal}, and its σ, against {name}."
                drawn = _draw(events, amounts, mean, sigma, name)
                results.plots.append(Plot(caption, drawn, wide=True))
                results.tables.append(_table(caption, amounts, mean, sigma))
                found = {"mean": _as_json(mean), "sigma": _as_json(sigma)}
                results.details[name] = {"amounts": amounts, **found}
        return results


def _append_means(events: ClassPredictions, mean: Curves, sigma: Curves) -> None:
    """Append the means of probability and σ over the events of each class."""
    table, target = events.table, events.target
    for model in table.models:
        found = events.probabilities(model)
        score = None if found is None else found[:, target.signal_index]
        predicted = table.sigma(model, target.name, events.signal)
        for values, curves in ((score, mean), (predicted, sigma)):
            if values is None:
                continue
            for k in (*target.background_indices, target.signal_index):
                own = events.truth == k
                one = bias(values[own], events.weights[own])
                curves.setdefault(model, {}).setdefault(target.classes[k], []).append(one)


def _draw(
    events: ClassPredictions, amounts: list[float], mean: Curves, sigma: Curves, label: str
) -> Figure:
    panels = {
        quantity: {
            model: {
                name: (np.array([m.value for m in found]), np.array([m.error for m in found]))
                for name, found in by_class.items()
            }
            for model, by_class in curves.items()
        }
        for quantity, curves in (
            (f"Mean probability of {events.signal}", mean),
            ("Mean standard deviation", sigma),
        )
        if curves
    }
    return plot_response_curves(np.asarray(amounts), panels, label)


def _table(caption: str, amounts: list[float], mean: Curves, sigma: Curves) -> Table:
    classes = list(next(iter(mean.values())))
    kinds = (("", mean), ("σ, ", sigma)) if sigma else (("", mean),)

    def rows() -> Iterator[list[str]]:
        for model in mean:
            for k, amount in enumerate(amounts):
                cells = [
                    str(curves[model][name][k]) if model in curves else ""
                    for _, curves in kinds
                    for name in classes
                ]
                yield ["" if k else model, f"{amount:+g}".replace("-", "−"), *cells]

    columns = ["Model", "Shift", *(f"{kind}{name}" for kind, _ in kinds for name in classes)]
    return Table(caption, columns, list(rows()))


def _as_json(curves: Curves) -> Mapping[str, object]:
    return {
        model: {name: [one.as_dict() for one in found] for name, found in by_class.items()}
        for model, by_class in curves.items()
    }
