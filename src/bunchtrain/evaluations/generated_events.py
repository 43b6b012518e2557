"""Generated events: comparison with the test set, by a classifier and in each variable."""

from __future__ import annotations

import time
from collections.abc import Mapping
from math import prod
from typing import Annotated

import awkward as ak
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bunchtrain import parts
from bunchtrain.errors import StudyError
from bunchtrain.evaluations._evaluation import EvaluatedRun, Evaluation
from bunchtrain.methods.protocols import CONDITION, Generates
from bunchtrain.plots import plot_samples
from bunchtrain.report.content import Plot, Table
from bunchtrain.report.results import Results
from bunchtrain.representations._representation import Representation
from bunchtrain.statistics.metrics import Metrics
from bunchtrain.statistics.two_sample import classifier_auc, wasserstein
from bunchtrain.study import ModelConfig, Study, model_configs
from bunchtrain.tables.expressions.expression import Expression
from bunchtrain.trained_model import TrainedModel

Values = NDArray[np.float64]
#: Rows of a block of the test set.
ROWS = 16384
#: Values of a sample at most, which limits the events of large grids.
VALUES = 10_000_000


class GeneratedEvents(Evaluation):
    """Two-sample AUC of generated events against the test set, and W₁ of each variable.

    An AUC of 0.5 means that boosted trees cannot tell them apart. Of the test set the events of
    `training.select` are used, and their conditions; the weights of events are not used. Lists are
    padded with 0 to one length, and W₁ is of all values of a list or grid.

    events  Maximum number of events of each sample, which has at most 10⁷ values.
    seed    Of the generated events and the folds.
    """

    def __init__(
        self,
        *,
        events: Annotated[int, Field(ge=100, le=10_000_000)] = 100_000,
        seed: Annotated[int, Field(ge=0, lt=2**32)] = 1,
    ) -> None:
        self.events, self.seed = events, seed

    def check(self, study: Study) -> None:
        """Raise StudyError if no model of the study has a method of its own."""
        if not any(generates(model) for model in model_configs(study).values()):
            raise StudyError(
                f"evaluation '{self.name}' needs a method that generates, such as "
                "'normalizing_flow' or 'flow_matching', and a representation with an inverse, such "
                "as 'table'"
            )

    def evaluate(self, run: EvaluatedRun) -> Results:
        """Return metrics, distributions and a table of distances."""
        results, rates = Results(), list[list[object]]()
        distances: dict[str, dict[str, str]] = {}
        for name, model in run.models.items():
            if not generates(model_configs(run.study)[name]):
                continue
            true, generated, rate = self._samples(run, name, model)
            metrics: Metrics = {}
            matrix = [
                np.concatenate([values.reshape(len(values), -1) for values in one.values()], 1)
                for one in (true, generated)
            ]
            found = classifier_auc(*matrix, seed=self.seed)
            metrics["two_sample_auc"] = found.as_dict()
            rates.append([name, f"{rate:,.0f}"])
            compared = [n for n in true if n not in model.representation.names.get(CONDITION, [])]
            for column in compared:
                distance = wasserstein(true[column], generated[column])
                metrics[f"wasserstein/{column}"] = distance.as_dict()
                distances.setdefault(column, {})[name] = str(distance)
            results.metrics[name] = metrics
            for column in compared:
                samples = {"test set": true[column].ravel(), name: generated[column].ravel()}
                unit = run.predictions.known_units.get(column)
                drawn = plot_samples(samples, column, unit=unit)
                results.plots.append(
                    Plot(f"{column} of the test set and generated.", drawn, model=name)
                )
        caption = (
            "W₁ between test set and generated events, in standard deviations of the test set."
        )
        models = list(results.metrics)
        rows: list[list[object]] = [
            [column, *(found.get(name, "–") for name in models)]
            for column, found in distances.items()
        ]
        results.tables.append(Table(caption, ["Variable", *models], rows))
        caption = "Rate of generated events on this machine, all in one call."
        results.tables.append(Table(caption, ["Model", "Events/s"], rates))
        return results

    def _samples(
        self, run: EvaluatedRun, name: str, model: TrainedModel
    ) -> tuple[Mapping[str, Values], Mapping[str, Values], float]:
        """Return column → values of the test set and of as many generated events, and their rate.

        The last is in events per second.
        """
        blocks, count = [], 0
        sizes = model.representation.sizes.values()
        size = sum(one if isinstance(one, int) else prod(one) for one in sizes)
        wanted = min(self.events, max(100, VALUES // size))
        select = model_configs(run.study)[name].training.select
        for block in run.events(ROWS):
            if select is not None:
                block = block[np.asarray(Expression(select)(block), bool)]
            blocks.append(block[: wanted - count])
            count += len(blocks[-1])
            if count >= wanted:
                break
        events = ak.concatenate(blocks)
        true = model.decoded(events)
        began = time.perf_counter()
        generated = model.generate(len(events), events, seed=self.seed)
        rate = len(events) / (time.perf_counter() - began)
        columns = [name for name in true.fields if name in generated.fields]
        return *_arrays(true, generated, columns), rate


def generates(model: ModelConfig) -> bool:
    """Return whether a model of a study is a method that generates events that can be decoded."""
    if model.kind != "method":
        return False
    representation = parts.find("representation", model.representation.name)
    is_invertible = representation.decode is not Representation.decode
    return is_invertible and issubclass(parts.find("method", model.model.name), Generates)


def _arrays(
    true: ak.Array, generated: ak.Array, columns: list[str]
) -> tuple[dict[str, Values], dict[str, Values]]:
    """Return column → values (events, ...) of both samples; lists are padded with 0."""
    found: tuple[dict[str, Values], dict[str, Values]] = ({}, {})
    for name in columns:
        both = ak.concatenate([true[name], generated[name]])
        if both.ndim == 2:
            both = ak.fill_none(ak.pad_none(both, int(ak.max(ak.num(both))), clip=True), 0)
        values = np.asarray(ak.to_numpy(both), np.float64)
        found[0][name], found[1][name] = values[: len(true)], values[len(true) :]
    return found
