"""Capsules: their vectors for the test set, and the observables that they depend on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import StudyError
from bunchtrain.evaluations._class_evaluation import ClassPredictions, FirstTargetEvaluation
from bunchtrain.evaluations._evaluation import (
    EvaluatedRun,
    any_model_implements,
    events_with_predictions,
)
from bunchtrain.methods.protocols import HasCapsules
from bunchtrain.plots import plot_dimension_correlation
from bunchtrain.report.content import Plot, Table
from bunchtrain.report.results import Results
from bunchtrain.statistics.correlation import rank_correlation
from bunchtrain.study import Study
from bunchtrain.tables.writing import write_parquet
from bunchtrain.trained_model import TrainedModel

#: Number of events in a block; the rank correlations are those of the first block.
ROWS = 16384

Vectors = NDArray[np.float32]


class Capsules(FirstTargetEvaluation):
    """Output capsules of capsule networks, as Parquet, and their correlation with spectators.

    Each class has a vector whose length is the score, and whose direction describes the event
    (arXiv:1906.11265). The table has its components, `<model>_<class>_capsule_0`, …, with entry,
    weight, truth and spectators of the test set.

    output  Parquet file of the table; `capsules.parquet` in the folder of the evaluation if None.
    """

    of_events = True

    def __init__(self, *, output: str | None = None, target: str | None = None) -> None:
        super().__init__(target=target)
        self.output = output

    def check(self, study: Study) -> None:
        """Raise StudyError for an unknown target or output, or if no model has capsules."""
        super().check(study)
        if self.output is not None and Path(self.output).suffix != ".parquet":
            raise StudyError(
                f"evaluation '{self.name}': output '{self.output}' must end in .parquet"
            )
        if not any_model_implements(study, HasCapsules):
            raise StudyError(
                f"evaluation '{self.name}' needs a model with capsules, e.g. 'capsule_network'"
            )

    def evaluate(self, run: EvaluatedRun) -> Results:
        """Write the table and return its place, with the rank correlations of each model."""
        results, default = Results(), run.folder / "evaluations" / self.name / "capsules.parquet"
        file = Path(self.output or default)
        file.parent.mkdir(parents=True, exist_ok=True)
        for events in self.predictions(run):
            first: dict[str, Vectors] = {}
            rows = write_parquet(file, _blocks(events, first))
            caption = "File with the capsules of the test set."
            results.tables = [Table(caption, ["File", "Events"], [[str(file), rows]])]
            results.plots = list(_plots(events, first))
        return results


def _blocks(events: ClassPredictions, first: dict[str, Vectors]) -> Iterator[dict[str, Vectors]]:
    """Yield the columns of the table; `first` is filled with the vectors of the first block."""
    models = {
        name: trained
        for name, trained in events.run.models.items()
        if isinstance(trained.network.model, HasCapsules)
    }
    for block, predictions in events_with_predictions(events.run, ROWS):
        predicted = predictions.contents.columns
        columns = {name: v for name, v in predictions.columns.items() if name not in predicted}
        for name, trained in models.items():
            vectors = capsule_vectors(trained, block)
            first.setdefault(name, vectors)
            for j, label in enumerate(events.target.classes):
                for d in range(vectors.shape[2]):
                    columns[f"{name}_{label}_capsule_{d}"] = vectors[:, j, d]
        yield columns


def _plots(events: ClassPredictions, first: dict[str, Vectors]) -> Iterator[Plot]:
    """Yield, for each model, the rank correlations of the dimensions with the spectators.

    Those of a capsule are of the events of its own class.
    """
    names = events.run.study.spectators
    for model, vectors in first.items() if names else ():
        truth = events.truth[: len(vectors)]
        observables = np.stack([events.column(name)[: len(vectors)] for name in names])
        found = {}
        for j, label in enumerate(events.target.classes):
            kept = (truth == j) & np.isfinite(vectors[:, j]).all(1)
            together = np.concatenate([observables[:, kept], vectors[kept, j].T])
            matrix = rank_correlation(together)[: len(names), len(names) :]
            found[f"capsule of {label}"] = matrix
        caption = "Rank correlation of the dimensions of each capsule with observables, own class."
        drawn = plot_dimension_correlation(found, names)
        yield Plot(caption, drawn, wide=True, model=model)


def capsule_vectors(trained: TrainedModel, events: ak.Array) -> Vectors:
    """Return the capsules (events, class, dimension) of a block; NaN for dropped events."""
    import torch

    network: Any = trained.network  # on tensors, as every capsule network
    model = network.model
    assert isinstance(model, HasCapsules)
    batch, kept = trained.represent(events)
    rows = int(trained.task.settings["batch_size"])
    with torch.inference_mode():
        images = torch.split(network.normalise(batch.tensors().inputs)["image"], rows)
        found = torch.cat([model.capsules(image) for image in images]).numpy()
    vectors = np.full((len(events), *found.shape[1:]), np.nan, np.float32)
    vectors[kept] = found
    return vectors
