"""Distributions of the inputs of models by class, before normalisation."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
from numpy.typing import NDArray

from bunchtrain import parts
from bunchtrain.errors import StudyError
from bunchtrain.evaluations._class_evaluation import ClassPredictions, FirstTargetEvaluation
from bunchtrain.evaluations._evaluation import events_with_predictions, models_by_representation
from bunchtrain.plots import plot_inputs
from bunchtrain.report.content import Plot
from bunchtrain.study import Study, model_configs
from bunchtrain.tables.predictions import Predictions
from bunchtrain.trained_model import TrainedModel

#: Number of events of the test set that are drawn.
SAMPLE = 20_000
#: Largest number of inputs that are drawn.
MAX_INPUTS = 24
#: Tensors whose columns are drawn: a row per event, and a row per point.
TENSORS = ("table", "features")


class InputDistributions(FirstTargetEvaluation):
    """Distribution of each input in each class, one plot for each representation."""

    of_events = True

    def check(self, study: Study) -> None:
        """Raise StudyError for an unknown target, or if no representation has named features."""
        super().check(study)
        for config in model_configs(study).values():
            part = config.representation
            names = parts.build("representation", part.name, part.options).names
            if any(tensor in names for tensor in TENSORS):
                return
        raise StudyError(f"evaluation '{self.name}' needs a representation such as 'table'")

    def plots(self, events: ClassPredictions) -> Iterator[Plot]:
        """Yield the plot of each representation with a table or features of points."""
        sample, predictions = next(events_with_predictions(events.run, SAMPLE))
        for models in models_by_representation(events.run):
            trained = next(iter(models.values()))
            batch, kept = trained.represent(sample)
            truth, names = predictions.truth(events.target.name), trained.representation.names
            tensor = next((t for t in TENSORS if t in batch.inputs and t in names), None)
            if tensor is None:
                continue
            truth, values = truth[kept], batch.inputs[tensor]
            if "lengths" in batch.inputs and tensor == "features":
                truth = np.repeat(truth, batch.inputs["lengths"])
            inputs: dict[str, NDArray[np.float32]] = {
                name: values[:, k] for k, name in enumerate(names[tensor][:MAX_INPUTS])
            }
            units = _units(trained, predictions, inputs)
            drawn = plot_inputs(inputs, truth, events.target.classes, units=units)
            count = len(names[tensor])
            first = f", the first {MAX_INPUTS} of {count}" if count > MAX_INPUTS else ""
            caption = f"Inputs of {trained.task.representation[0]}{first}."
            yield Plot(caption, drawn, wide=True, section="inputs")


def _units(
    trained: TrainedModel, predictions: Predictions, inputs: Collection[str]
) -> dict[str, str]:
    """Return input → unit; `x` of the points of a group `hit` has that of the column `hit_x`."""
    known, group = predictions.known_units, getattr(trained.representation, "group", "")
    found = {name: known.get(name) or known.get(f"{group}_{name}") for name in inputs}
    return {name: unit for name, unit in found.items() if unit}
